/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What older kernels call otherwise: the tests use the names of the newest one.
 * Not for a difference in what the kernel does.
 */
#ifndef _CPUWORD_KUNIT_COMPAT_H
#define _CPUWORD_KUNIT_COMPAT_H

#include <linux/version.h>

#if LINUX_VERSION_CODE >= KERNEL_VERSION(7, 3, 0) || defined(CONFIG_X86)
#include <asm/text-patching.h>
#elif defined(CONFIG_ARM64)
#include <asm/patching.h>
#elif defined(CONFIG_RISCV)
#include <asm/patch.h>
#endif

#if LINUX_VERSION_CODE < KERNEL_VERSION(7, 3, 0)
#define rcu_gp_seq				rcu_gp_oldstate
#define smp_text_poke_single			text_poke_bp
#define smp_text_poke_sync_each_cpu		text_poke_sync
#define smp_text_poke_sync_each_cpu_deferrable	text_poke_sync_deferrable
#endif

#endif /* _CPUWORD_KUNIT_COMPAT_H */
