// SPDX-License-Identifier: GPL-2.0
/*
 * Result: Never
 *
 * See docs/kernel/litmus/nmi-unpin.litmus.
 *
 * Weakened: cpuword_state.h: return raw_atomic_long_add_return_release(CPUWORD_COUNTER_ONE, w); -> ;
 */
#include "litmus.h"

INIT(NMI + CPUWORD_PIN);

void P0(atomic_long_t *w, var *done)
{
	cpuword_nmi_exit(w);
	*done = 1;
}

void P1(atomic_long_t *w, var *dropped)
{
	cpuword_drop_pin(w);
	smp_store_release(dropped, 1);
}

void P2(atomic_long_t *w, var *done, var *dropped, var *r)
{
	if (smp_load_acquire(done) == 1 && smp_load_acquire(dropped) == 1)
		*r = atomic_long_read(w) & CPUWORD_PIN;
}

/* exists (r=8) */
