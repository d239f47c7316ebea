// SPDX-License-Identifier: GPL-2.0
/*
 * CPU 0 is LAZY, and then in user mode as a CPU that is not tracked.  Another
 * one may have found it in user mode before.
 *
 * CPUs: 2
 * Waits: 1
 * NMIs: sc
 *
 * Weakened: lazy: word.h: return !(word & CPUWORD_WATCHING); -> return cpuword_ctx(word) != CT_STATE_KERNEL;
 * Weakened: lazy: word.h: return !(word & CPUWORD_WATCHING); -> return cpuword_ctx(word) == CT_STATE_USER;
 * Weakened: lazy: word.h: atomic_long_cmpxchg(w, old, old | bits) != old -> (atomic_long_set(w, old | bits), 0)
 */
#define PINNED
#define WORK_1 CPUWORD_TLB
#include "model.h"

static void without_promises(void)
{
	unsigned long word;

	REACHED("LAZY");
	word = raw_atomic_long_read(this_cpuword());
	property_lazy(!(word & (CPUWORD_WORK_MASK | CPUWORD_PIN)));
	property_parity(word & CPUWORD_WATCHING);
	use();
}

static void cpu0(void)
{
	leave(CT_STATE_USER);
	enter(CT_STATE_USER);

	stay++;
	cpuword_lazy_exit(this_cpuword());
	without_promises();
	cpuword_lazy_enter(this_cpuword());
	without_promises();

	ct_state_add(CT_STATE_USER);
	without_promises();
	ct_state_add(-CT_STATE_USER);
	without_promises();

	leave(CT_STATE_USER);
	settle();
}

static void cpu1(void)
{
	if (nondet_bool())
		pin();
	else
		defer(WORK_1);
}
