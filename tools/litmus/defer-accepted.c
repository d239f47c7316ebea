// SPDX-License-Identifier: GPL-2.0
/*
 * Result: Never
 *
 * See docs/kernel/litmus/defer-accepted.litmus.
 *
 * Weakened: cpuword_state.h: fetch_add(CPUWORD_COUNTER_ONE - ctx -> fetch_add_relaxed(CPUWORD_COUNTER_ONE - ctx
 * Weakened: cpuword_state.h: fetch_add(CPUWORD_COUNTER_ONE - ctx -> fetch_add_release(CPUWORD_COUNTER_ONE - ctx
 * Weakened: cpuword_state.h: return raw_atomic_long_fetch_add(CPUWORD_COUNTER_ONE - ctx, w); -> unsigned long old = raw_atomic_long_read(w); raw_atomic_long_set(w, old + CPUWORD_COUNTER_ONE - ctx); smp_mb(); return old;
 * Weakened: word.h: atomic_long_cmpxchg(w, old, old | bits) != old -> (atomic_long_set(w, old | bits), 0)
 */
#include "litmus.h"

INIT(USER);

void P0(atomic_long_t *w, var *x, var *tlb, var *r)
{
	*tlb = cpuword_enter(w, CT_STATE_USER) & CPUWORD_TLB;
	*r = READ_ONCE(*x);
}

void P1(atomic_long_t *w, var *x, var *verdict)
{
	WRITE_ONCE(*x, 1);
	smp_mb();
	*verdict = defer(w, CPUWORD_TLB);
}

/* exists (verdict=1 /\ (tlb=0 \/ r=0)) */
