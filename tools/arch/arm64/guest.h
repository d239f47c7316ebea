/* SPDX-License-Identifier: GPL-2.0 */
/* For tools/guest/lib/cpus.h, which says what these are. */

static inline void mark(void)
{
	__asm__ volatile("mov xzr, #0x6d61" : : : "memory");
}

static inline uint64_t cycles(void)
{
	uint64_t v;

	/* isb: or the read may be done early, out of the measured stretch */
	__asm__ volatile("isb; mrs %0, cntvct_el0" : "=r"(v) : : "memory");
	return v;
}

static inline void relax(void)
{
	__asm__ volatile("yield" : : : "memory");
}

static inline uint64_t arch_cycles_hz(void)
{
	uint64_t hz;

	__asm__ volatile("mrs %0, cntfrq_el0" : "=r"(hz));
	return hz;
}
#define arch_cycles_hz arch_cycles_hz
