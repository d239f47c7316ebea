// SPDX-License-Identifier: GPL-2.0
/*
 * Result: Never
 *
 * See docs/kernel/litmus/pin-after.litmus.
 *
 * Weakened: cpuword_state.h: fetch_add(CPUWORD_COUNTER_ONE - ctx -> fetch_add_relaxed(CPUWORD_COUNTER_ONE - ctx
 * Weakened: word.h: fetch_andnot_release -> fetch_andnot_relaxed
 */
#include "litmus.h"

INIT(USER + CPUWORD_PIN);

void P0(atomic_long_t *w, var *x, var *r)
{
	if (cpuword_enter(w, CT_STATE_USER) & CPUWORD_PIN)
		cpuword_wait_pin(w, CT_STATE_USER);
	*r = READ_ONCE(*x);
}

void P1(atomic_long_t *w, var *x)
{
	WRITE_ONCE(*x, 1);
	cpuword_drop_pin(w);
}

/* exists (r=0) */
