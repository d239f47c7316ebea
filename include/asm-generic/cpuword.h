/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The architecture's side of the word: defaults that defer no flush, no sync.
 *
 * An architecture selects HAVE_CPUWORD and overrides in <asm/cpuword.h>: it
 * defines the function and a macro of the same name, then includes this
 * header.  See Documentation/core-api/cpuword/porting.rst.
 *
 * The RMW of an entry orders loads and stores.  Page-table walks and instruction
 * fetches are the hooks' to order: after that RMW's write as other CPUs see it,
 * not only after its read.  A CPU that defers and finds the bit set writes
 * nothing that the RMW could read.  It has made its change, executed smp_mb() and
 * read the word, all before that write.
 */
#ifndef _ASM_GENERIC_CPUWORD_H
#define _ASM_GENERIC_CPUWORD_H

#include <linux/cpuword_state.h>

#ifndef arch_cpuword_flush_tlb_kernel
/**
 * arch_cpuword_flush_tlb_kernel - drop every kernel translation of this CPU
 *
 * In every address-space tag, global ones included.  It comes after the write
 * of the RMW that entered, as other CPUs see that, and what is used afterwards
 * was walked after it.  Must be __always_inline, idempotent and safe in NMI and
 * may not touch vmalloc memory.  With HAVE_CPUWORD_TLBI it has completed before
 * any later store of this CPU.
 *
 * Context: entry code, RCU watching, interrupts off or NMI.
 */
static __always_inline void arch_cpuword_flush_tlb_kernel(void) { }
#define arch_cpuword_flush_tlb_kernel arch_cpuword_flush_tlb_kernel
#endif

#ifndef arch_cpuword_isync
/**
 * arch_cpuword_isync - execute no stale kernel instruction from here on
 *
 * The CPU that patched has done what it takes to make the new instructions
 * visible; this is the part that only the executing CPU can do.  What is executed
 * afterwards was fetched after the write of the RMW that entered, as other CPUs
 * see that.  Same rules as arch_cpuword_flush_tlb_kernel().
 */
static __always_inline void arch_cpuword_isync(void) { }
#define arch_cpuword_isync arch_cpuword_isync
#endif

#ifndef arch_cpuword_accepts
/**
 * arch_cpuword_accepts - the work that a context may defer
 * @ctx: USER, IDLE or GUEST
 *
 * A bit may be here only if nothing between the hardware's switch to kernel
 * mode and the entry hook, nor between the exit hook and the switch back,
 * depends on the work having been done.
 *
 * Return: bits of CPUWORD_EARLY_MASK.
 */
static __always_inline unsigned long arch_cpuword_accepts(enum ctx_state ctx)
{
	return 0;
}

#define arch_cpuword_accepts arch_cpuword_accepts
#endif

#ifndef arch_cpuword_implicit
/**
 * arch_cpuword_implicit - the work that every entry does anyway
 * @ctx: USER, IDLE or GUEST
 *
 * Only work that is done after the word has changed counts: after earlier work
 * of the hardware, and before the word changes, a sender may defer a change.
 *
 * Return: bits of arch_cpuword_accepts(@ctx), deferred without a bit.
 */
static __always_inline unsigned long arch_cpuword_implicit(enum ctx_state ctx)
{
	return 0;
}

#define arch_cpuword_implicit arch_cpuword_implicit
#endif

#ifndef arch_cpuword_huge_deferrable
/**
 * arch_cpuword_huge_deferrable - may user mode keep a huge translation?
 *
 * The huge leaf has been unmapped, and small leaves may be mapped in its place,
 * to other memory.  User mode may keep the huge translation if it cannot cache
 * a small one beside it, or if the architecture defines what happens then.
 *
 * Return: true if it may, also where no flush of that kind is deferred.
 */
static __always_inline bool arch_cpuword_huge_deferrable(void)
{
	return false;
}

#define arch_cpuword_huge_deferrable arch_cpuword_huge_deferrable
#endif

#endif /* _ASM_GENERIC_CPUWORD_H */
