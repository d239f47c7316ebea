/* SPDX-License-Identifier: GPL-2.0 */
/* For tools/guest/lib/cpus.h, which says what these are. */

static inline void mark(void)
{
	__asm__ volatile(".option push; .option norvc; lui zero, 0x6d61; .option pop"
			 : : : "memory");
}

static inline uint64_t cycles(void)
{
	uint64_t v;

	__asm__ volatile("rdtime %0" : "=r"(v) : : "memory");
	return v;
}

/* pause: emulation does not give way at it, but tools/qemu/count.c does */
static inline void relax(void)
{
	__asm__ volatile(".word 0x0100000f" : : : "memory");
}

/*
 * A remote fence is a call of the firmware, which interrupts the other hart
 * without Linux there knowing. The firmware counts what each hart received; these
 * are its event codes (SBI specification, PMU extension).
 */
#define ARCH_FENCES \
	{ "fence.i", 1ull << 63 | 9 }, \
	{ "sfence.vma", 1ull << 63 | 11 }, \
	{ "sfence.vma.asid", 1ull << 63 | 13 },

/* Who asks it for one: ext is "RFNC". */
#define ARCH_SENDERS	"riscv/sbi_call", "ext == 0x52464e43"
