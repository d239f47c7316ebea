// SPDX-License-Identifier: GPL-2.0
/*
 * Result: Never
 * Events: walks
 *
 * flush-coalesced, but the CPU that unmaps sets the bit: then the entry's RMW reads
 * what that wrote.
 *
 * Weakened: asm/cpuword.h: __tlbi(vmalle1); ->
 * Weakened: asm/cpuword.h: dsb(nsh); ->
 * Weakened: asm/cpuword.h: dsb(nsh); isb(); -> dsb(nsh);
 */
#include "litmus.h"
#include "litmus_events.h"

INIT(USER);

var P0(atomic_long_t *w, page *x)
{
	run_early(cpuword_enter(w, CT_STATE_USER));
	return READ_ONCE(*x);
}

var P1(atomic_long_t *w, pte *pte_x, pte none_x)
{
	WRITE_ONCE(*pte_x, none_x);
	wmb();
	smp_mb();
	return defer(w, CPUWORD_TLB);
}

/* exists (1:X0=1 /\ 0:X0=1) */
