/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _CPUWORD_KUNIT_KUNIT_ARCH_H
#define _CPUWORD_KUNIT_KUNIT_ARCH_H

#include <linux/string.h>

#include <asm/cpu_ops.h>
#include <asm/sbi.h>

/* The firmware does, but that is not what Linux counts. */
static inline bool arch_strict_flush_interrupts(void)
{
	return !riscv_use_sbi_for_rfence();
}

#define arch_strict_flush_interrupts arch_strict_flush_interrupts

#ifdef CONFIG_HOTPLUG_CPU
/* The firmware refuses to start a hart that is still on its way down. */
static inline bool arch_cpu_stopped(int cpu)
{
	return cpu_ops->cpu_is_stopped(cpu);
}

#define arch_cpu_stopped arch_cpu_stopped
#endif

static inline void arch_write_return_value(void *code, int value)
{
	/* li a0, value; ret */
	u32 insns[] = { 0x00000513 | value << 20, 0x00008067 };

	memcpy(code, insns, sizeof(insns));
}

#define arch_write_return_value arch_write_return_value

#endif /* _CPUWORD_KUNIT_KUNIT_ARCH_H */
