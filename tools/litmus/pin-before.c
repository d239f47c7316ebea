// SPDX-License-Identifier: GPL-2.0
/*
 * Result: Never
 *
 * See docs/kernel/litmus/pin-before.litmus.
 *
 * Weakened: cpuword_state.h: set_release(w, new); -> set(w, new);
 * Weakened: word.h: atomic_long_cmpxchg(w, old, old | CPUWORD_PIN) -> atomic_long_cmpxchg_relaxed(w, old, old | CPUWORD_PIN)
 */
#include "litmus.h"

INIT(KERNEL);

void P0(atomic_long_t *w, var *x)
{
	WRITE_ONCE(*x, 1);
	cpuword_exit(w, CT_STATE_USER);
}

void P1(atomic_long_t *w, var *x, var *r)
{
	if (cpuword_try_pin(w))
		*r = READ_ONCE(*x);
}

/* exists (r=0) */
