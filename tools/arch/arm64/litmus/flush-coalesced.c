// SPDX-License-Identifier: GPL-2.0
/*
 * Result: Never
 * Events: walks
 *
 * A CPU unmaps a page and finds CPUWORD_TLB set.  It writes nothing, but read the
 * word before the entry's RMW wrote it.  So no translation of the page is used
 * after the entry hook: see Documentation/core-api/cpuword/tlbi.rst.
 *
 * Weakened: asm/cpuword.h: dsb(ishst); __tlbi -> __tlbi
 * Weakened: asm/cpuword.h: dsb(ishst); __tlbi -> dsb(nshst); __tlbi
 * Weakened: asm/cpuword.h: dsb(ishst); __tlbi -> smp_mb(); __tlbi
 * Weakened: asm/cpuword.h: __tlbi(vmalle1); ->
 * Weakened: asm/cpuword.h: dsb(nsh); ->
 * Weakened: asm/cpuword.h: dsb(nsh); isb(); -> dsb(nsh);
 * Weakened: P1: wmb(); smp_mb(); -> smp_wmb();
 */
#include "litmus.h"
#include "litmus_events.h"

INIT(USER + CPUWORD_TLB);

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
	return cpuword_user_owes(w, CPUWORD_TLB);
}

/* exists (1:X0=1 /\ 0:X0=1) */
