// SPDX-License-Identifier: GPL-2.0
/*
 * Result: Never
 *
 * See docs/kernel/litmus/rcu-2b.litmus.
 *
 * Weakened: cpuword_state.h: fetch_add(CPUWORD_COUNTER_ONE - ctx -> fetch_add_relaxed(CPUWORD_COUNTER_ONE - ctx
 * Weakened: cpuword_state.h: fetch_add(CPUWORD_COUNTER_ONE - ctx -> fetch_add_release(CPUWORD_COUNTER_ONE - ctx
 * Weakened: P1: smp_mb(); -> smp_wmb();
 */
#include "litmus.h"

INIT(KERNEL);

void P0(atomic_long_t *w, var *x, var *y, var *r0)
{
	WRITE_ONCE(*y, 1);
	cpuword_exit(w, CT_STATE_USER);
	cpuword_enter(w, CT_STATE_USER);
	*r0 = READ_ONCE(*x);
}

void P1(atomic_long_t *w, var *x, var *y, var *first, var *second, var *r1)
{
	WRITE_ONCE(*x, 1);
	smp_mb();
	*first = sample(w);
	*second = sample(w);
	*r1 = READ_ONCE(*y);
}

/* exists (first=1 /\ second=3 /\ (r0=0 \/ r1=0)) */
