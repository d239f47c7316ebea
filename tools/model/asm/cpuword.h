/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The architecture: its hooks do to the model's CPU what a CPU's do to it.  As
 * on all three, USER accepts all early work, and nothing is implicit.
 */
#ifndef _MODEL_ASM_CPUWORD_H
#define _MODEL_ASM_CPUWORD_H

#include <linux/cpuword_state.h>

void model_flush_tlb(void);
void model_isync(void);
bool model_entry_did(void);

static __always_inline void arch_cpuword_flush_tlb_kernel(void)
{
	model_flush_tlb();
}

#define arch_cpuword_flush_tlb_kernel arch_cpuword_flush_tlb_kernel

static __always_inline void arch_cpuword_isync(void)
{
	model_isync();
}

#define arch_cpuword_isync arch_cpuword_isync

#ifdef CONFIG_CPUWORD_ASM_ENTRY
static __always_inline bool arch_cpuword_entry_did(unsigned long work)
{
	return model_entry_did();
}
#endif

static __always_inline unsigned long arch_cpuword_accepts(enum ctx_state ctx)
{
	return ctx == CT_STATE_USER ? CPUWORD_TLB | CPUWORD_ISYNC : 0;
}

#define arch_cpuword_accepts arch_cpuword_accepts

#include <asm-generic/cpuword.h>

#endif /* _MODEL_ASM_CPUWORD_H */
