/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The other CPUs' side of the protocol, on any word.  core.c applies it to the
 * per-CPU words, the tests to words of their own.
 */
#ifndef _KERNEL_CPUWORD_WORD_H
#define _KERNEL_CPUWORD_WORD_H

#include <linux/cpuword_state.h>

enum cpuword_verdict {
	CPUWORD_REFUSED,	/* the caller sends its IPI */
	CPUWORD_ACCEPTED,	/* the bits were written */
	CPUWORD_COALESCED,	/* they were there, or the entry does the work anyway */
};

/*
 * Never true in KERNEL and LAZY, nor on a CPU that is not tracked, nor while
 * an NMI handler runs over user mode: RCU watches all of them.
 */
static __always_inline bool cpuword_in_eqs(unsigned long word)
{
	return !(word & CPUWORD_WATCHING);
}

/**
 * cpuword_user_owes - is a CPU in user mode, with work to do when it enters?
 * @w: its word
 * @bits: the work that has a bit, all of which user mode accepts
 *
 * A shorter way to CPUWORD_COALESCED than cpuword_try_defer(), and ordered as
 * that is.
 *
 * Return: true if cpuword_try_defer() would find nothing to do.
 */
static __always_inline bool cpuword_user_owes(atomic_long_t *w, unsigned long bits)
{
	/* Pairs with the release in cpuword_exit(). */
	unsigned long word = atomic_long_read_acquire(w);

	return (word & (CPUWORD_WATCHING | CT_STATE_MASK | bits)) ==
	       (CT_STATE_USER | bits);
}

/**
 * cpuword_is_user - is a CPU in user mode, and tracked?
 * @w: its word
 *
 * After smp_mb(), see cpuword_in_user().
 *
 * Return: true if so.
 */
static __always_inline bool cpuword_is_user(atomic_long_t *w)
{
	/* Pairs with the release in cpuword_exit(). */
	unsigned long word = atomic_long_read_acquire(w);

	return cpuword_in_eqs(word) && cpuword_ctx(word) == CT_STATE_USER;
}

/**
 * cpuword_try_defer - leave work in a word
 * @w: the word
 * @work: the bits
 * @accepts: returns the work that a context may defer
 * @implicit: returns the work that every entry from a context does
 * @seen: where to store the word that decided, for statistics
 *
 * The caller has made its change and then executed smp_mb(), which pairs with
 * the RMW in cpuword_enter(): either that CPU's entry sees the bit, or the
 * read here sees that it has entered.
 *
 * On CPUWORD_COALESCED nothing is written either, and the entry reads nothing
 * that is this CPU's.  Then the change is before the entry because the read here
 * is before the write of the entry's RMW.
 *
 * Return: a verdict.  On CPUWORD_REFUSED no bit has been written.
 */
static __always_inline enum cpuword_verdict
cpuword_try_defer(atomic_long_t *w, unsigned long work,
		  unsigned long (*accepts)(enum ctx_state ctx),
		  unsigned long (*implicit)(enum ctx_state ctx),
		  unsigned long *seen)
{
	unsigned long old, bits;

	do {
		/*
		 * Acquire, also on retry, which is why this is no
		 * try_cmpxchg() loop: on a verdict without a write the caller
		 * may reuse what that CPU used before it left the kernel.
		 * Pairs with the release in cpuword_exit().
		 */
		cpuword_step(w);
		old = atomic_long_read_acquire(w);
		*seen = old;

		if (!cpuword_in_eqs(old) || (work & ~accepts(cpuword_ctx(old))))
			return CPUWORD_REFUSED;

		bits = work & ~implicit(cpuword_ctx(old));
		if ((old & bits) == bits)
			return CPUWORD_COALESCED;

		cpuword_step(w);
	} while (atomic_long_cmpxchg(w, old, old | bits) != old);

	return CPUWORD_ACCEPTED;
}

/**
 * cpuword_try_pin - hold a CPU out of the kernel
 * @w: the word
 *
 * Fully ordered on success: that CPU's stores before the EQS are visible here
 * (pairs with the release in cpuword_exit()).
 *
 * Return: true if the word was in an EQS and unpinned.
 */
static __always_inline bool cpuword_try_pin(atomic_long_t *w)
{
	unsigned long old;

	do {
		old = atomic_long_read(w);
		if (!cpuword_in_eqs(old) || (old & CPUWORD_PIN))
			return false;
		cpuword_step(w);
	} while (atomic_long_cmpxchg(w, old, old | CPUWORD_PIN) != old);

	return true;
}

/**
 * cpuword_drop_pin - let a pinned CPU go
 * @w: the word
 *
 * Release: the holder's stores are visible to that CPU after its entry (pairs
 * with the RMW that re-enters in cpuword_wait_pin(), or with the next one).
 */
static __always_inline void cpuword_drop_pin(atomic_long_t *w)
{
	atomic_long_fetch_andnot_release(CPUWORD_PIN, w);
}

#endif /* _KERNEL_CPUWORD_WORD_H */
