// SPDX-License-Identifier: GPL-2.0
/*
 * Result: Never
 *
 * See docs/kernel/litmus/rcu-1a.litmus.
 *
 * Weakened: cpuword_state.h: set_release(w, new); -> set(w, new);
 * Weakened: P1: sample(w) -> (unsigned long)atomic_long_read(w) >> CPUWORD_COUNTER_SHIFT
 */
#include "litmus.h"

INIT(KERNEL);

void P0(atomic_long_t *w, var *x)
{
	WRITE_ONCE(*x, 1);
	cpuword_exit(w, CT_STATE_USER);
}

void P1(atomic_long_t *w, var *x, var *watching, var *r)
{
	*watching = sample(w);
	*r = READ_ONCE(*x);
}

/* exists (watching=2 /\ r=0) */
