/* SPDX-License-Identifier: GPL-2.0 */
/* For tools/guest/lib/cpus.h, which says what these are. */

static inline void mark(void)
{
	__asm__ volatile("nopl 0x6b72616d(%%rax)" : : : "memory");
}

static inline uint64_t cycles(void)
{
	uint32_t lo, hi;

	__asm__ volatile("rdtsc" : "=a"(lo), "=d"(hi));
	return ((uint64_t)hi << 32) | lo;
}

static inline void relax(void)
{
	__asm__ volatile("pause" : : : "memory");
}
