/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the tests have to know of an architecture, by its kunit_arch.h if there is
 * one, see Makefile.  A macro of the same name says that it has the function.
 */
#ifndef _CPUWORD_KUNIT_ARCH_H
#define _CPUWORD_KUNIT_ARCH_H

#include <linux/types.h>

#ifdef CPUWORD_KUNIT_ARCH
#include "kunit_arch.h"
#endif

#ifndef arch_every_entry_flushes
/* Is no translation stale after any entry, without this project's doing? */
static inline bool arch_every_entry_flushes(void)
{
	return false;
}
#endif

#ifndef arch_strict_flush_interrupts
/* Does a flush of kernel translations on all CPUs interrupt them? */
static inline bool arch_strict_flush_interrupts(void)
{
	return true;
}
#endif

#ifndef arch_cpu_stopped
/* May a CPU that is offline be brought up again? */
static inline bool arch_cpu_stopped(int cpu)
{
	return true;
}
#endif

#ifdef arch_write_return_value
#define CAN_WRITE_RETURN_VALUE	true
#else
#define CAN_WRITE_RETURN_VALUE	false
/* A function that returns @value. */
static inline void arch_write_return_value(void *code, int value) { }
#endif

#endif /* _CPUWORD_KUNIT_ARCH_H */
