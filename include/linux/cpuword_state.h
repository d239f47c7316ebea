/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The word: what context a CPU is in, whether RCU watches it, and what work
 * it owes before it may touch kernel state again.
 *
 * This header is the layout and the owner's side: the transitions that a CPU
 * makes on its own word.  <linux/cpuword.h> is the other CPUs' side.
 */
#ifndef _LINUX_CPUWORD_STATE_H
#define _LINUX_CPUWORD_STATE_H

#include <linux/atomic.h>
#include <linux/bits.h>
#include <linux/build_bug.h>
#include <linux/cache.h>
#include <linux/percpu.h>

/*
 *	 +------------------+--------+------+-----+-------+
 *	 | watching counter | unused | work | PIN | state |
 *	 +------------------+--------+------+-----+-------+
 * 64-bit     63..32                   31..4    3    2..0
 * 32-bit     31..11                   10..4    3    2..0
 *
 * The counter is on top so that its overflow falls off the end.  Bits are
 * unused only where CONFIG_CPUWORD_TORTURE_COUNTER shrinks the counter, or
 * CONFIG_RCU_DYNTICKS_TORTURE, which only newer kernels have.  Where
 * nobody leaves work there is no room for any: the counter follows the state.
 */
#define CT_STATE_WIDTH		3
#define CT_STATE_MASK		GENMASK(CT_STATE_WIDTH - 1, 0)

#if defined(CONFIG_CPUWORD) || IS_ENABLED(CONFIG_CPUWORD_KUNIT_TEST)
#define CPUWORD_PIN_SHIFT	CT_STATE_WIDTH
#define CPUWORD_WORK_SHIFT	(CPUWORD_PIN_SHIFT + 1)
#ifdef CONFIG_64BIT
#define CPUWORD_WORK_WIDTH	28
#else
#define CPUWORD_WORK_WIDTH	7
#endif
#define CPUWORD_WORK_END	(CPUWORD_WORK_SHIFT + CPUWORD_WORK_WIDTH)
#define CPUWORD_WORK_MASK	GENMASK(CPUWORD_WORK_END - 1, CPUWORD_WORK_SHIFT)

/* Holds the CPU out of the kernel while another CPU acts for it. */
#define CPUWORD_PIN		BIT(CPUWORD_PIN_SHIFT)

/*
 * Early work is idempotent, noinstr and NMI-safe: it runs in the entry hook.
 * Late work is an ordinary function: it runs right after the hook, with RCU
 * watching and interrupts off.
 */
#define CPUWORD_TLB		BIT(CPUWORD_WORK_SHIFT + 0)
#define CPUWORD_ISYNC		BIT(CPUWORD_WORK_SHIFT + 1)
#define CPUWORD_EARLY_MASK	(CPUWORD_TLB | CPUWORD_ISYNC)

#define CPUWORD_LATE_SHIFT	(CPUWORD_WORK_SHIFT + 2)
#define CPUWORD_LATE_WIDTH	4
#define CPUWORD_LATE_MASK \
	GENMASK(CPUWORD_LATE_SHIFT + CPUWORD_LATE_WIDTH - 1, CPUWORD_LATE_SHIFT)

static_assert(((CPUWORD_EARLY_MASK | CPUWORD_LATE_MASK) & ~CPUWORD_WORK_MASK) == 0);
static_assert((CPUWORD_EARLY_MASK & CPUWORD_LATE_MASK) == 0);
#else
#define CPUWORD_WORK_END	CT_STATE_WIDTH
#define CPUWORD_WORK_MASK	0UL
#define CPUWORD_PIN		0UL
#define CPUWORD_TLB		0UL
#define CPUWORD_ISYNC		0UL
#define CPUWORD_EARLY_MASK	0UL
#define CPUWORD_LATE_MASK	0UL
#endif

#if defined(CONFIG_CPUWORD_TORTURE_COUNTER) || defined(CONFIG_RCU_DYNTICKS_TORTURE)
#define CPUWORD_COUNTER_SHIFT	(BITS_PER_LONG - 2)
#else
#define CPUWORD_COUNTER_SHIFT	CPUWORD_WORK_END
#endif

/* One step of the watching counter: odd is watching, even an EQS. */
#define CPUWORD_COUNTER_ONE	BIT(CPUWORD_COUNTER_SHIFT)
#define CPUWORD_WATCHING	CPUWORD_COUNTER_ONE

/*
 * LAZY is user mode without promises: entered and left by plain stores, RCU
 * keeps watching, defer and pin are refused.
 */
enum ctx_state {
	CT_STATE_DISABLED	= -1,	/* what ct_state() says if nobody tracks */
	CT_STATE_KERNEL		= 0,
	CT_STATE_IDLE		= 1,
	CT_STATE_USER		= 2,
	CT_STATE_GUEST		= 3,
	CT_STATE_LAZY		= 4,
	CT_STATE_MAX
};

static_assert(CT_STATE_MAX - 1 <= CT_STATE_MASK);
static_assert(BITS_PER_LONG - CPUWORD_COUNTER_SHIFT >= 2);

/*
 * Between any two accesses to a word an NMI may land.  The protocol's tests
 * define this to land one.
 */
#ifndef cpuword_step
#define cpuword_step(w) ((void)(w))
#endif

static __always_inline enum ctx_state cpuword_ctx(unsigned long word)
{
	return word & CT_STATE_MASK;
}

/*
 * Transitions between the kernel and an EQS (IDLE, USER, GUEST).  The caller
 * owns the word and has interrupts off; all are noinstr and safe in NMI.
 */

/**
 * cpuword_enter - leave an EQS for the kernel
 * @w: the word
 * @ctx: the context being left
 *
 * One fully ordered RMW, so that
 * - what this CPU does next comes after the EQS for whoever samples the
 *   counter (pairs with RCU's full barrier before its acquire load);
 * - a change whose work is in the returned word is visible here, and a CPU
 *   that defers later reads KERNEL and is refused (pairs with the smp_mb()
 *   in cpuword_defer()).  Visible to loads: page-table walks and instruction
 *   fetches are ordered by the hooks that do the work, see
 *   <asm-generic/cpuword.h>.
 *
 * Work bits stay in the word: an NMI that lands before the work is done must
 * find them.  If the returned word holds CPUWORD_PIN the caller may not go on
 * but calls cpuword_wait_pin().
 *
 * Context: interrupts off, not for NMI-like entries.
 * Return: the word as it was.
 */
static __always_inline unsigned long cpuword_enter(atomic_long_t *w,
						   enum ctx_state ctx)
{
	return raw_atomic_long_fetch_add(CPUWORD_COUNTER_ONE - ctx, w);
}

/**
 * cpuword_wait_pin - back out of the kernel, wait for the pin to go, re-enter
 * @w: the word
 * @ctx: the context of the EQS, KERNEL if the entry did not change it
 *
 * The wait is spent in the EQS: in the kernel, with interrupts off, this CPU
 * would refuse work and leave a synchronous IPI unanswered, perhaps one that
 * the holder of the pin waits for.  Backing out steps the counter on, never
 * back, so that no two sojourns share a value.
 *
 * Context: as cpuword_enter(), after it returned CPUWORD_PIN.
 * Return: the word as it was before the entry that found no pin.
 */
static __always_inline unsigned long cpuword_wait_pin(atomic_long_t *w,
						      enum ctx_state ctx)
{
	unsigned long old;

	do {
		cpuword_step(w);
		/*
		 * An RMW, since the holder may drop the pin meanwhile and a
		 * store would bring it back.  Release: RCU may take this for
		 * the EQS that it waits for, as in cpuword_exit().
		 */
		raw_atomic_long_add_return_release(CPUWORD_COUNTER_ONE + ctx, w);
		cpuword_step(w);
		while (raw_atomic_long_read(w) & CPUWORD_PIN) {
			cpuword_step(w);
			cpu_relax();
		}
		/* Pairs with the release in cpuword_unpin(). */
		old = cpuword_enter(w, ctx);
	} while (old & CPUWORD_PIN);

	return old;
}

/*
 * Some CPUs may keep a store to themselves for as long as they only load, which
 * is why cpu_relax() is a barrier there.  User mode has no such barrier, and RCU
 * would wait for what that CPU has done already.
 */
#if defined(CONFIG_CPU_V6) || defined(CONFIG_CPU_V6K) || \
	defined(CONFIG_ARM_ERRATA_754327) || defined(CONFIG_CPU_LOONGSON64)
#define cpuword_drain()	smp_mb()	/* pairs with nothing: see above */
#else
#define cpuword_drain()	do { } while (0)
#endif

/**
 * cpuword_exit - leave the kernel for an EQS
 * @w: the word
 * @ctx: the context being entered
 *
 * In KERNEL the word holds no work and no pin and nobody else may write it,
 * so a plain store is enough.  Release: a CPU that sees the EQS sees all that
 * this CPU did before it (pairs with RCU's acquire load, with the acquire in
 * cpuword_defer() and with the cmpxchg in cpuword_pin()).
 *
 * Not a full barrier: "store a flag; smp_mb(); read KERNEL here; so that CPU
 * will see the flag" does not work against this side.  And who has seen the EQS
 * and tells other CPUs executes smp_mb() in between, as RCU does at the end of a
 * grace period: a third CPU need not have seen these stores yet.
 *
 * Context: interrupts off, not for NMI-like exits.
 * Return: the new word.
 */
static __always_inline unsigned long cpuword_exit(atomic_long_t *w,
						  enum ctx_state ctx)
{
	unsigned long new = raw_atomic_long_read(w) + CPUWORD_COUNTER_ONE + ctx;

	cpuword_step(w);
	raw_atomic_long_set_release(w, new);
	cpuword_drain();

	return new;
}

/**
 * cpuword_nmi_enter - start watching without leaving the context
 * @w: the word
 *
 * For NMI-like entries, which do not wait for a pin: two of them could
 * deadlock.  Ordered as cpuword_enter().
 *
 * Context: any, while not watching.
 * Return: the word as it was.
 */
static __always_inline unsigned long cpuword_nmi_enter(atomic_long_t *w)
{
	return raw_atomic_long_fetch_add(CPUWORD_COUNTER_ONE, w);
}

/**
 * cpuword_nmi_exit - stop watching, back to the EQS that was interrupted
 * @w: the word
 *
 * Ordered as cpuword_exit().
 *
 * Context: any, after cpuword_nmi_enter().
 * Return: the new word.
 */
static __always_inline unsigned long cpuword_nmi_exit(atomic_long_t *w)
{
	unsigned long old = raw_atomic_long_read(w);

	cpuword_step(w);
	/*
	 * A pin that was there on entry may be dropped at any time and a store
	 * would bring it back.  A new one cannot come while RCU is watching.
	 */
	if (unlikely(old & CPUWORD_PIN))
		return raw_atomic_long_add_return_release(CPUWORD_COUNTER_ONE, w);

	raw_atomic_long_set_release(w, old + CPUWORD_COUNTER_ONE);
	cpuword_drain();

	return old + CPUWORD_COUNTER_ONE;
}

/**
 * cpuword_early - run early work, then drop its bits
 * @w: the word
 * @work: the bits, as the entry returned them or as an NMI finds them
 * @run: what runs them
 *
 * In this order: an NMI in between finds the bits and runs the work again,
 * which is harmless.  The other order has a gap in which an NMI sees neither
 * the bit nor its effect.
 *
 * Context: RCU watching, any.
 */
static __always_inline void cpuword_early(atomic_long_t *w, unsigned long work,
					  void (*run)(unsigned long work))
{
	work &= CPUWORD_EARLY_MASK;

	cpuword_step(w);
	run(work);
	cpuword_step(w);
	/*
	 * Relaxed: nobody sets bits while this CPU is watching, and the
	 * release of the next exit comes after.
	 */
	raw_atomic_long_andnot(work, w);
	cpuword_step(w);
}

/**
 * cpuword_late - drop late work's bits, then run it
 * @w: the word
 * @work: the bits, as the entry returned them
 * @run: what runs them
 *
 * In this order each is run exactly once: work deferred after this CPU has
 * left the kernel again is new work.
 *
 * Context: kernel, RCU watching, interrupts off, not in NMI.
 */
static __always_inline void cpuword_late(atomic_long_t *w, unsigned long work,
					 void (*run)(unsigned long work))
{
	work &= CPUWORD_LATE_MASK;

	cpuword_step(w);
	raw_atomic_long_andnot(work, w);
	cpuword_step(w);
	run(work);
}

/**
 * cpuword_lazy_exit - leave the kernel for LAZY
 * @w: the word
 *
 * RCU keeps watching, so nobody may set a bit: a plain store.
 *
 * Context: interrupts off, not in NMI.
 */
static __always_inline void cpuword_lazy_exit(atomic_long_t *w)
{
	raw_atomic_long_set(w, raw_atomic_long_read(w) + CT_STATE_LAZY);
}

/**
 * cpuword_lazy_enter - leave LAZY for the kernel
 * @w: the word
 *
 * Context: interrupts off, not in NMI.
 */
static __always_inline void cpuword_lazy_enter(atomic_long_t *w)
{
	raw_atomic_long_set(w, raw_atomic_long_read(w) - CT_STATE_LAZY);
}

/*
 * Other CPUs write it if they may leave work: alone in its cache line then, or in
 * its page, which the user page tables may map.
 */
#ifdef CONFIG_CPUWORD_ASM_ENTRY
#define CPUWORD_ALIGNED		__aligned(PAGE_SIZE)
#define CPUWORD_PER_CPU(what)	what##_PER_CPU_PAGE_ALIGNED(struct cpuword, cpuword)
#elif defined(CONFIG_CPUWORD)
#define CPUWORD_ALIGNED		____cacheline_aligned
#define CPUWORD_PER_CPU(what)	what##_PER_CPU_ALIGNED(struct cpuword, cpuword)
#else
#define CPUWORD_ALIGNED
#define CPUWORD_PER_CPU(what)	what##_PER_CPU(struct cpuword, cpuword)
#endif

struct cpuword {
	atomic_long_t	v;
} CPUWORD_ALIGNED;

CPUWORD_PER_CPU(DECLARE);

#ifdef CONFIG_CPUWORD
unsigned long cpuword_enter_slow(unsigned long old, enum ctx_state ctx);
unsigned long cpuword_user_entered_slow(unsigned long word);
unsigned long cpuword_nmi_enter_slow(unsigned long old);
void cpuword_early_slow(unsigned long work);
void cpuword_entered(unsigned long old);
#else
static __always_inline unsigned long
cpuword_enter_slow(unsigned long old, enum ctx_state ctx)
{
	return old;
}

static __always_inline unsigned long cpuword_nmi_enter_slow(unsigned long old)
{
	return old;
}

static __always_inline void cpuword_early_slow(unsigned long work) { }
static __always_inline void cpuword_entered(unsigned long old) { }
#endif

static __always_inline atomic_long_t *this_cpuword(void)
{
	return &this_cpu_ptr(&cpuword)->v;
}

static __always_inline atomic_long_t *cpuword_of(int cpu)
{
	return &per_cpu_ptr(&cpuword, cpu)->v;
}

#endif /* _LINUX_CPUWORD_STATE_H */
