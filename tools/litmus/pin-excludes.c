// SPDX-License-Identifier: GPL-2.0
/*
 * Result: Never
 *
 * See docs/kernel/litmus/pin-excludes.litmus.
 *
 * Weakened: cpuword_state.h: fetch_add(CPUWORD_COUNTER_ONE - ctx -> fetch_add_relaxed(CPUWORD_COUNTER_ONE - ctx
 * Weakened: word.h: fetch_andnot_release -> fetch_andnot_relaxed
 * Weakened: word.h: atomic_long_cmpxchg(w, old, old | CPUWORD_PIN) != old -> (atomic_long_set(w, old | CPUWORD_PIN), ({ smp_mb(); 0; }))
 */
#include "litmus.h"

INIT(USER);

void P0(atomic_long_t *w, var *x, var *y, var *r0)
{
	if (cpuword_enter(w, CT_STATE_USER) & CPUWORD_PIN)
		return;
	*r0 = READ_ONCE(*x);
	WRITE_ONCE(*y, 1);
}

void P1(atomic_long_t *w, var *x, var *y, var *r1)
{
	if (!cpuword_try_pin(w))
		return;
	WRITE_ONCE(*x, 1);
	*r1 = READ_ONCE(*y);
	WRITE_ONCE(*x, 2);
	cpuword_drop_pin(w);
}

/* exists (r0=1 \/ r1=1) */
