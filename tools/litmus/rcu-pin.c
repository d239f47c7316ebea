// SPDX-License-Identifier: GPL-2.0
/*
 * Result: Never
 *
 * See docs/kernel/litmus/rcu-pin.litmus.
 *
 * Weakened: cpuword_state.h: fetch_add(CPUWORD_COUNTER_ONE - ctx -> fetch_add_relaxed(CPUWORD_COUNTER_ONE - ctx
 * Weakened: cpuword_state.h: raw_atomic_long_add_return_release(CPUWORD_COUNTER_ONE + ctx, w) -> raw_atomic_long_add_return_relaxed(CPUWORD_COUNTER_ONE + ctx, w)
 * Weakened: P1: smp_mb(); -> smp_wmb();
 */
#include "litmus.h"

INIT(USER + CPUWORD_PIN);

void P0(atomic_long_t *w, var *x, var *y, var *ry, var *rx)
{
	unsigned long old = cpuword_enter(w, CT_STATE_USER);

	*ry = READ_ONCE(*y);
	*rx = READ_ONCE(*x);
	if (old & CPUWORD_PIN)
		cpuword_wait_pin(w, CT_STATE_USER);
}

void P1(atomic_long_t *w, var *x, var *y)
{
	unsigned long first;

	WRITE_ONCE(*x, 1);
	smp_mb();
	first = sample(w);
	if (!(first & 1) || sample(w) != first)
		WRITE_ONCE(*y, 1);
}

/* exists (ry=1 /\ rx=0) */
