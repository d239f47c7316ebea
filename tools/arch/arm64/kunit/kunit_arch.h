/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _CPUWORD_KUNIT_KUNIT_ARCH_H
#define _CPUWORD_KUNIT_KUNIT_ARCH_H

#include <linux/string.h>

#include <asm/mmu.h>

/* QEMU's TCG has no ASIDs in its TLB: it flushes when KPTI switches them. */
static inline bool arch_every_entry_flushes(void)
{
	return arm64_kernel_unmapped_at_el0();
}

#define arch_every_entry_flushes arch_every_entry_flushes

/* By broadcast. */
static inline bool arch_strict_flush_interrupts(void)
{
	return false;
}

#define arch_strict_flush_interrupts arch_strict_flush_interrupts

static inline void arch_write_return_value(void *code, int value)
{
	/* bti c; mov w0, #value; ret */
	u32 insns[] = { 0xd503245f, 0x52800000 | value << 5, 0xd65f03c0 };

	memcpy(code, insns, sizeof(insns));
}

#define arch_write_return_value arch_write_return_value

#endif /* _CPUWORD_KUNIT_KUNIT_ARCH_H */
