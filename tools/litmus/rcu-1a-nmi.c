// SPDX-License-Identifier: GPL-2.0
/*
 * Result: Never
 *
 * See docs/kernel/litmus/rcu-1a-nmi.litmus.
 *
 * Weakened: cpuword_state.h: set_release(w, old + CPUWORD_COUNTER_ONE); -> set(w, old + CPUWORD_COUNTER_ONE);
 * Weakened: cpuword_state.h: return raw_atomic_long_add_return_release( -> return raw_atomic_long_add_return_relaxed(
 */
#include "litmus.h"

INIT(NMI + CPUWORD_PIN);

void P0(atomic_long_t *w, var *x)
{
	WRITE_ONCE(*x, 1);
	cpuword_nmi_exit(w);
}

void P1(atomic_long_t *w, var *x, var *watching, var *r)
{
	*watching = sample(w);
	*r = READ_ONCE(*x);
}

void P2(atomic_long_t *w)
{
	cpuword_drop_pin(w);
}

/* exists (watching=4 /\ r=0) */
