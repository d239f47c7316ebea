/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _ASM_ARM64_CPUWORD_H
#define _ASM_ARM64_CPUWORD_H

#include <linux/cpuword_state.h>

#include <asm/barrier.h>
#include <asm/tlbflush.h>

/*
 * Both hooks begin with DSB ISHST.  A CPU that finds its bit set writes nothing:
 * its change comes first because it read the word before the RMW of this entry
 * wrote it.  Nothing else orders that write before a TLBI, a page-table walk or
 * an instruction fetch.  The RMW's acquire and release, and the DMB after an
 * LL/SC loop, are about loads and stores; ISB waits for what was read; NSHST
 * orders the write for this CPU alone.
 */

/*
 * Local, every ASID, kernel and user.  Deferred only for ranges in quarantine:
 * the kernel's own TLB flush is a hardware broadcast and takes no IPI.
 *
 * DSB NSH completes the TLBI before the store that tells the quarantine.  After
 * the ISB no translation is used that was walked before that.
 */
static __always_inline void arch_cpuword_flush_tlb_kernel(void)
{
	dsb(ishst);
	__tlbi(vmalle1);
	dsb(nsh);
	isb();
}

#define arch_cpuword_flush_tlb_kernel arch_cpuword_flush_tlb_kernel

/*
 * The exception that brought this CPU here synchronised too, but before the
 * word changed: text may have been patched, and found deferrable, in between.
 */
static __always_inline void arch_cpuword_isync(void)
{
	dsb(ishst);
	isb();
}

#define arch_cpuword_isync arch_cpuword_isync

/*
 * USER only.  A CPU that wakes from WFI with interrupts masked takes no
 * exception, and idle drivers may be modules; GUEST is KVM's to look at.
 */
static __always_inline unsigned long arch_cpuword_accepts(enum ctx_state ctx)
{
	return ctx == CT_STATE_USER ? CPUWORD_TLB | CPUWORD_ISYNC : 0;
}

#define arch_cpuword_accepts arch_cpuword_accepts

/* The flush is a broadcast, which does not wait; or the address is held. */
static __always_inline bool arch_cpuword_huge_deferrable(void)
{
	return true;
}

#define arch_cpuword_huge_deferrable arch_cpuword_huge_deferrable

#include <asm-generic/cpuword.h>

#endif /* _ASM_ARM64_CPUWORD_H */
