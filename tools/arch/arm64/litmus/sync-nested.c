// SPDX-License-Identifier: GPL-2.0
/*
 * Result: Never
 * Events: fetches
 *
 * sync-coalesced, where an NMI comes between an entry's RMW and its hook: see
 * ct_state_nmi_nested().
 *
 * Weakened: asm/cpuword.h: dsb(ishst); isb(); -> dsb(ishst);
 * Weakened: P1: patch_text_nosync(text, nop); smp_mb(); -> WRITE_ONCE(*text, nop); smp_wmb();
 */
#include "litmus.h"
#include "litmus_events.h"

INIT(USER + CPUWORD_ISYNC);

var P0(atomic_long_t *w)
{
	cpuword_enter(w, CT_STATE_USER);
	run_early(raw_atomic_long_read(w));
	return executes_old();
}

var P1(atomic_long_t *w, insn *text, insn nop)
{
	patch_text_nosync(text, nop);
	smp_mb();
	return cpuword_user_owes(w, CPUWORD_ISYNC);
}

/* exists (1:X0=1 /\ 0:X0=1) */
