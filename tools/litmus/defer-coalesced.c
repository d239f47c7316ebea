// SPDX-License-Identifier: GPL-2.0
/*
 * Result: Never
 *
 * See docs/kernel/litmus/defer-coalesced.litmus.
 *
 * Weakened: cpuword_state.h: fetch_add(CPUWORD_COUNTER_ONE - ctx -> fetch_add_relaxed(CPUWORD_COUNTER_ONE - ctx
 * Weakened: cpuword_state.h: fetch_add(CPUWORD_COUNTER_ONE - ctx -> fetch_add_release(CPUWORD_COUNTER_ONE - ctx
 * Weakened: P1: smp_mb(); -> smp_wmb();
 */
#include "litmus.h"

/* P2 of the other has been there. */
INIT(USER + CPUWORD_TLB);

void P0(atomic_long_t *w, var *x, var *r)
{
	cpuword_enter(w, CT_STATE_USER);
	*r = READ_ONCE(*x);
}

void P1(atomic_long_t *w, var *x, var *verdict)
{
	WRITE_ONCE(*x, 1);
	smp_mb();
	*verdict = defer(w, CPUWORD_TLB);
}

/* exists (verdict=2 /\ r=0) */
