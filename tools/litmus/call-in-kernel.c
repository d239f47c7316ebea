// SPDX-License-Identifier: GPL-2.0
/*
 * Result: Never
 *
 * See docs/kernel/litmus/call-in-kernel.litmus.
 *
 * Weakened: cpuword_state.h: set_release(w, new); -> set(w, new);
 * Weakened: cpuword_state.h: fetch_add(CPUWORD_COUNTER_ONE - ctx -> fetch_add_relaxed(CPUWORD_COUNTER_ONE - ctx
 * Weakened: cpuword_state.h: fetch_add(CPUWORD_COUNTER_ONE - ctx -> fetch_add_release(CPUWORD_COUNTER_ONE - ctx
 * Weakened: P1: smp_mb(); -> smp_wmb();
 * Weakened: word.h: word = atomic_long_read_acquire(w); return cpuword_in_eqs -> word = atomic_long_read(w); return cpuword_in_eqs
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

void P1(atomic_long_t *w, var *x, var *y, var *skipped, var *r1)
{
	WRITE_ONCE(*x, 1);
	smp_mb();
	if (cpuword_is_user(w)) {
		*skipped = 1;
		*r1 = READ_ONCE(*y);
	}
}

/* exists (skipped=1 /\ (r1=0 \/ r0=0)) */
