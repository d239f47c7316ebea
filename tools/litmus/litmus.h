/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the tests here share.  Each is compiled as a file of the kernel is, with
 * the protocol's own headers, and what comes out of that is a test for herd7.
 * In P0(), P1(), ... every argument points to a variable of that name.
 */
#ifndef _TOOLS_LITMUS_H
#define _TOOLS_LITMUS_H

#include <linux/kernel.h>
#include <asm/cpuword.h>
#include "word.h"

/*
 * The word to begin with.  A variable that several processes name begins as 0;
 * one that a single one does, for a result, as -1.
 */
#define INIT(value) \
	const unsigned long init_w __section(".litmus") = (value)

#define KERNEL	CPUWORD_WATCHING
#define USER	(2 * CPUWORD_COUNTER_ONE + CT_STATE_USER)
#define NMI	(3 * CPUWORD_COUNTER_ONE + CT_STATE_USER)

typedef unsigned long var;

static __always_inline enum cpuword_verdict defer(atomic_long_t *w,
						  unsigned long work)
{
	unsigned long seen;

	return cpuword_try_defer(w, work, arch_cpuword_accepts,
				 arch_cpuword_implicit, &seen);
}

/* What cpuword_run_early() does with the work that an entry found. */
static __always_inline void run_early(unsigned long work)
{
	if (work & CPUWORD_TLB)
		arch_cpuword_flush_tlb_kernel();
	if (work & CPUWORD_ISYNC)
		arch_cpuword_isync();
}

/* ct_rcu_watching_cpu_acquire(), for any word. */
static __always_inline unsigned long sample(atomic_long_t *w)
{
	return (unsigned long)atomic_long_read_acquire(w) >> CPUWORD_COUNTER_SHIFT;
}

#endif /* _TOOLS_LITMUS_H */
