// SPDX-License-Identifier: GPL-2.0
/*
 * Result: Never
 * Events: walks
 *
 * flush-coalesced, where an NMI enters.
 *
 * Weakened: asm/cpuword.h: dsb(ishst); __tlbi -> __tlbi
 * Weakened: asm/cpuword.h: dsb(ishst); __tlbi -> dsb(nshst); __tlbi
 * Weakened: asm/cpuword.h: dsb(ishst); __tlbi -> smp_mb(); __tlbi
 * Weakened: asm/cpuword.h: __tlbi(vmalle1); ->
 * Weakened: asm/cpuword.h: dsb(nsh); ->
 * Weakened: asm/cpuword.h: dsb(nsh); isb(); -> dsb(nsh);
 */
#include "litmus.h"
#include "litmus_events.h"

INIT(USER + CPUWORD_TLB);

var P0(atomic_long_t *w, page *x)
{
	run_early(cpuword_nmi_enter(w));
	return READ_ONCE(*x);
}

var P1(atomic_long_t *w, pte *pte_x, pte none_x)
{
	WRITE_ONCE(*pte_x, none_x);
	wmb();
	smp_mb();
	return cpuword_user_owes(w, CPUWORD_TLB);
}

/* exists (1:X0=1 /\ 0:X0=1) */
