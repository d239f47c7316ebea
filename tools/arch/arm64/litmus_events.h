/* SPDX-License-Identifier: GPL-2.0 */
/*
 * For tests of what the hooks order: "Events: fetches", where what P0 executes
 * is fetched, and "Events: walks", where a page is found by a walk.  An argument
 *
 *	insn *text	points to the instruction of P0 that executes_old() has,
 *	insn nop	is a NOP,
 *	page *x		points to a page that holds 1, and is mapped,
 *	pte *pte_x	points to its entry in the page table,
 *	pte none_x	is such an entry, not valid.
 */
#ifndef _TOOLS_ARCH_LITMUS_EVENTS_H
#define _TOOLS_ARCH_LITMUS_EVENTS_H

typedef u32 insn;
typedef u64 page;
typedef u64 pte;

/* Is the old instruction executed: a branch, and not a NOP? */
static __always_inline bool executes_old(void)
{
	asm goto("text: b %l[old]" : : : : old);
	return false;
old:
	return true;
}

/*
 * aarch64_insn_patch_text_nosync(): a store, and caches_clean_inval_pou() of one
 * line, by CTR_EL0.IDC and CTR_EL0.DIC.
 */
static __always_inline void patch_text_nosync(insn *text, insn new)
{
	WRITE_ONCE(*text, new);
#ifdef IDC
	dsb(ishst);
#else
	asm volatile("dc cvau, %0; dsb ish" : : "r" (text) : "memory");
#endif
#ifndef DIC
	asm volatile("ic ivau, %0; dsb ish" : : "r" (text) : "memory");
#endif
	isb();
}

#endif /* _TOOLS_ARCH_LITMUS_EVENTS_H */
