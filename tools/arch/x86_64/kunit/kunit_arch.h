/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _CPUWORD_KUNIT_KUNIT_ARCH_H
#define _CPUWORD_KUNIT_KUNIT_ARCH_H

#include <linux/cpufeature.h>
#include <linux/string.h>

static inline bool arch_every_entry_flushes(void)
{
	return boot_cpu_has(X86_FEATURE_PTI) && !boot_cpu_has(X86_FEATURE_PCID);
}

#define arch_every_entry_flushes arch_every_entry_flushes

static inline void arch_write_return_value(void *code, int value)
{
	/* endbr64; mov $value, %eax; ret */
	static const u8 insns[] = { 0xf3, 0x0f, 0x1e, 0xfa, 0xb8, 0, 0, 0, 0, 0xc3 };

	memcpy(code, insns, sizeof(insns));
	memcpy(code + 5, &value, sizeof(value));
}

#define arch_write_return_value arch_write_return_value

#endif /* _CPUWORD_KUNIT_KUNIT_ARCH_H */
