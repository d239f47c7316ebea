/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _ASM_X86_CPUWORD_H
#define _ASM_X86_CPUWORD_H

#include <linux/cpuword_state.h>

#include <asm/cpufeature.h>
#include <asm/invpcid.h>
#include <asm/processor-flags.h>
#include <asm/special_insns.h>
#include <asm/tlbflush.h>

/*
 * With or without PTI and PCID: INVPCID's all-context type drops global
 * translations and every PCID, and so does a change of CR4.PGE.
 */
static __always_inline void arch_cpuword_flush_tlb_kernel(void)
{
	unsigned long cr4;

	if (cpu_feature_enabled(X86_FEATURE_INVPCID)) {
		invpcid_flush_all();
		return;
	}

	/*
	 * From the register, not from cpu_tlbstate: an NMI may land between
	 * cr4_update_irqsoff()'s update of the one and of the other.  Toggled
	 * and not cleared, since it may also land in somebody else's toggle;
	 * either change flushes.  Nothing is pinned here, so no CR pinning.
	 */
	asm volatile("mov %%cr4, %0" : "=r" (cr4) : : "memory");
	asm volatile("mov %0, %%cr4" : : "r" (cr4 ^ X86_CR4_PGE) : "memory");
	asm volatile("mov %0, %%cr4" : : "r" (cr4) : "memory");
}

#define arch_cpuword_flush_tlb_kernel arch_cpuword_flush_tlb_kernel

/*
 * Not sync_core(): without SERIALIZE that is IRET-to-self, which unmasks NMIs
 * and so may not be used on NMI entry.  MOV to CR2 serialises as well, and
 * writing back what was read does no harm before the fault handler reads it.
 */
static __always_inline void arch_cpuword_isync(void)
{
	if (cpu_feature_enabled(X86_FEATURE_SERIALIZE))
		serialize();
	else
		native_write_cr2(native_read_cr2());
}

#define arch_cpuword_isync arch_cpuword_isync

#ifdef CONFIG_CPUWORD_ASM_ENTRY
/*
 * With PTI, ENTER_FROM_USER has written CR3 after the word changed, without
 * NOFLUSH if the word asked for a TLB flush.  That serialised, and flushed the
 * current ASID and what is not tagged.  The others are flushed before they are
 * used again, as after flush_tlb_one_kernel().
 */
static __always_inline bool arch_cpuword_entry_did(unsigned long work)
{
	if (!cpu_feature_enabled(X86_FEATURE_PTI))
		return false;

	if (work & CPUWORD_TLB)
		raw_cpu_write(cpu_tlbstate.invalidate_other, true);
	return true;
}
#endif

/*
 * USER only.  IDLE patches code of its own after the word has changed
 * (cpu_buf_idle_clear, idle drivers in modules), and so does GUEST
 * (KVM's vmx_l1d_* keys).
 */
static __always_inline unsigned long arch_cpuword_accepts(enum ctx_state ctx)
{
	return ctx == CT_STATE_USER ? CPUWORD_TLB | CPUWORD_ISYNC : 0;
}

#define arch_cpuword_accepts arch_cpuword_accepts

/*
 * The behaviour of a TLB that holds two sizes of an address, of different
 * memory, is undefined; on some CPUs it is a machine check.  With PTI user mode
 * has no kernel page tables to fill the TLB from, and the entry's write of CR3
 * flushes.
 *
 * NMIs and the exit by way of the ESPFIX stack load the kernel's CR3 before they
 * have flushed.  They use no address of this kind.  Speculation may use one: it
 * then finds the huge translation, which is of data, and makes no walk.
 */
static __always_inline bool arch_cpuword_huge_deferrable(void)
{
	return IS_ENABLED(CONFIG_CPUWORD_ASM_ENTRY) && boot_cpu_has(X86_FEATURE_PTI);
}

#define arch_cpuword_huge_deferrable arch_cpuword_huge_deferrable

#include <asm-generic/cpuword.h>

#endif /* _ASM_X86_CPUWORD_H */
