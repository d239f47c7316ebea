// SPDX-License-Identifier: GPL-2.0
/*
 * Another CPU frees what CPU 0 reads under RCU, in tasks and in NMIs.
 *
 * CPUs: 2
 * Configurations: 32 counter2 64
 *
 * Weakened: grace: cpuword_ct.h: return (unsigned long)atomic_long_read_acquire(cpuword_of(cpu)) >> CPUWORD_COUNTER_SHIFT; -> return 0;
 * Weakened: grace: cpuword_state.h: return raw_atomic_long_fetch_add(CPUWORD_COUNTER_ONE, w); -> return raw_atomic_long_read(w);
 * Weakened: grace under tso: cpuword_state.h: return raw_atomic_long_fetch_add(CPUWORD_COUNTER_ONE - ctx, w); -> unsigned long old = raw_atomic_long_read(w); raw_atomic_long_set(w, old + CPUWORD_COUNTER_ONE - ctx); return old;
 */
#define READERS
#include "model.h"

static void cpu0(void)
{
	leave(CT_STATE_USER);
	enter(CT_STATE_USER);
	leave(CT_STATE_USER);
	enter(CT_STATE_USER);
}

static void cpu1(void)
{
	free_after_grace_period();
}
