// SPDX-License-Identifier: GPL-2.0
/*
 * Result: Never
 * Events: fetches
 *
 * sync-coalesced, but the CPU that patches sets the bit: then the entry's RMW reads
 * what that wrote.  ISB alone would do.
 *
 * Weakened: asm/cpuword.h: dsb(ishst); isb(); ->
 * Weakened: asm/cpuword.h: dsb(ishst); isb(); -> dsb(ishst);
 */
#include "litmus.h"
#include "litmus_events.h"

INIT(USER);

var P0(atomic_long_t *w)
{
	run_early(cpuword_enter(w, CT_STATE_USER));
	return executes_old();
}

var P1(atomic_long_t *w, insn *text, insn nop)
{
	patch_text_nosync(text, nop);
	smp_mb();
	return defer(w, CPUWORD_ISYNC);
}

/* exists (1:X0=1 /\ 0:X0=1) */
