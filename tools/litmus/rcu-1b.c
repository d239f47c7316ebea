// SPDX-License-Identifier: GPL-2.0
/*
 * Result: Never
 *
 * See docs/kernel/litmus/rcu-1b.litmus.
 *
 * Weakened: cpuword_state.h: fetch_add(CPUWORD_COUNTER_ONE - ctx -> fetch_add_relaxed(CPUWORD_COUNTER_ONE - ctx
 * Weakened: cpuword_state.h: fetch_add(CPUWORD_COUNTER_ONE - ctx -> fetch_add_release(CPUWORD_COUNTER_ONE - ctx
 * Weakened: P1: smp_mb(); -> smp_wmb();
 */
#include "litmus.h"

INIT(USER);

void P0(atomic_long_t *w, var *x, var *r)
{
	cpuword_enter(w, CT_STATE_USER);
	*r = READ_ONCE(*x);
}

void P1(atomic_long_t *w, var *x, var *watching)
{
	WRITE_ONCE(*x, 1);
	smp_mb();
	*watching = sample(w);
}

/* exists (watching=2 /\ r=0) */
