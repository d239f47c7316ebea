/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _ASM_RISCV_CPUWORD_H
#define _ASM_RISCV_CPUWORD_H

#include <linux/cpuword_state.h>

/*
 * The RMW of an entry is an AMO, load and store at once.  Both instructions order
 * it before the walks or fetches that follow; no fence is needed in between.
 */

/*
 * All addresses, all ASIDs: kernel translations are global, and a flush by
 * ASID leaves those alone.  satp stays as it is: there is one page table for
 * both modes.
 */
static __always_inline void arch_cpuword_flush_tlb_kernel(void)
{
	asm volatile("sfence.vma" : : : "memory");
}

#define arch_cpuword_flush_tlb_kernel arch_cpuword_flush_tlb_kernel

/* Neither a trap nor an SBI call is a fence.i. */
static __always_inline void arch_cpuword_isync(void)
{
	asm volatile("fence.i" : : : "memory");
}

#define arch_cpuword_isync arch_cpuword_isync

/* USER only: idle drivers may be modules; GUEST is KVM's to look at. */
static __always_inline unsigned long arch_cpuword_accepts(enum ctx_state ctx)
{
	return ctx == CT_STATE_USER ? CPUWORD_TLB | CPUWORD_ISYNC : 0;
}

#define arch_cpuword_accepts arch_cpuword_accepts

/*
 * The privileged architecture allows a TLB to hold both sizes.  Until the
 * sfence.vma it uses one of them, and only which one is unpredictable.
 */
static __always_inline bool arch_cpuword_huge_deferrable(void)
{
	return true;
}

#define arch_cpuword_huge_deferrable arch_cpuword_huge_deferrable

#include <asm-generic/cpuword.h>

#endif /* _ASM_RISCV_CPUWORD_H */
