// SPDX-License-Identifier: GPL-2.0
/*
 * Result: Never
 * Events: fetches
 *
 * A CPU patches text and finds CPUWORD_ISYNC set.  It writes nothing, but read
 * the word before the entry's RMW wrote it.  So what is executed after the entry
 * hook is the new text.
 *
 * Weakened: asm/cpuword.h: dsb(ishst); isb(); -> isb();
 * Weakened: asm/cpuword.h: dsb(ishst); isb(); -> dsb(nshst); isb();
 * Weakened: asm/cpuword.h: dsb(ishst); isb(); -> dsb(ishld); isb();
 * Weakened: asm/cpuword.h: dsb(ishst); isb(); -> smp_mb(); isb();
 * Weakened: asm/cpuword.h: dsb(ishst); isb(); -> dsb(ishst);
 * Weakened: P1: patch_text_nosync(text, nop); smp_mb(); -> WRITE_ONCE(*text, nop); smp_wmb();
 */
#include "litmus.h"
#include "litmus_events.h"

INIT(USER + CPUWORD_ISYNC);

var P0(atomic_long_t *w)
{
	run_early(cpuword_enter(w, CT_STATE_USER));
	return executes_old();
}

var P1(atomic_long_t *w, insn *text, insn nop)
{
	patch_text_nosync(text, nop);
	smp_mb();
	return cpuword_user_owes(w, CPUWORD_ISYNC);
}

/* exists (1:X0=1 /\ 0:X0=1) */
