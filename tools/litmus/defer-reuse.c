// SPDX-License-Identifier: GPL-2.0
/*
 * Result: Never
 *
 * See docs/kernel/litmus/defer-reuse.litmus.
 *
 * Weakened: cpuword_state.h: set_release(w, new); -> set(w, new);
 * Weakened: word.h: old = atomic_long_read_acquire(w); -> old = atomic_long_read(w);
 */
#include "litmus.h"

INIT(KERNEL);

void P0(atomic_long_t *w, var *y, var *z, var *r0)
{
	WRITE_ONCE(*y, 1);
	*r0 = READ_ONCE(*z);
	cpuword_exit(w, CT_STATE_USER);
}

void P1(atomic_long_t *w, var *y, var *z, var *r1)
{
	if (defer(w, CPUWORD_TLB) == CPUWORD_COALESCED) {
		*r1 = READ_ONCE(*y);
		WRITE_ONCE(*z, 1);
	}
}

void P2(atomic_long_t *w)
{
	defer(w, CPUWORD_TLB);
}

/* exists (r1=0 \/ r0=1) */
