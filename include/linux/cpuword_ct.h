/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Context tracking's and RCU's view of the word.  To be included from
 * <linux/context_tracking_state.h>.
 */
#ifndef _LINUX_CPUWORD_CT_H
#define _LINUX_CPUWORD_CT_H

#include <linux/cpuword_state.h>
#include <linux/tracepoint-defs.h>

DECLARE_TRACEPOINT(cpuword_run);

/* Odd value for watching, else even: RCU sees the counter shifted down. */
#define CT_RCU_WATCHING		1

#ifdef CONFIG_CONTEXT_TRACKING_USER
static __always_inline int __ct_state(void)
{
	return cpuword_ctx(raw_atomic_long_read(this_cpuword()));
}
#endif

/* No ordering: the value is this CPU's own. */
static __always_inline bool rcu_is_watching_curr_cpu(void)
{
	return raw_atomic_long_read(this_cpuword()) & CPUWORD_WATCHING;
}

static __always_inline int ct_rcu_watching(void)
{
	return (unsigned long)atomic_long_read(this_cpuword()) >> CPUWORD_COUNTER_SHIFT;
}

static __always_inline int ct_rcu_watching_cpu(int cpu)
{
	return (unsigned long)atomic_long_read(cpuword_of(cpu)) >> CPUWORD_COUNTER_SHIFT;
}

/* Pairs with the release in cpuword_exit() and the RMW in cpuword_enter(). */
static __always_inline int ct_rcu_watching_cpu_acquire(int cpu)
{
	return (unsigned long)atomic_long_read_acquire(cpuword_of(cpu)) >>
	       CPUWORD_COUNTER_SHIFT;
}

/*
 * Checks this CPU's word, before an exit or after an entry: the state is @state
 * unless that is negative, RCU watches, and none of @bits is set, since that work
 * is done by then.
 */
static __always_inline void ct_state_check(int state, unsigned long bits)
{
	if (IS_ENABLED(CONFIG_CPUWORD_DEBUG)) {
		unsigned long word = raw_atomic_long_read(this_cpuword());

		WARN_ON_ONCE((state >= 0 && cpuword_ctx(word) != state) ||
			     (word & (CPUWORD_WATCHING | bits)) != CPUWORD_WATCHING);
	}
}

/* The kernel is being entered from @state.  Returns what the CPU owes. */
static __always_inline unsigned long ct_state_enter(enum ctx_state state)
{
	unsigned long old = cpuword_enter(this_cpuword(), state);

	if (unlikely(old & (CPUWORD_PIN | CPUWORD_WORK_MASK)))
		old = cpuword_enter_slow(old, state);
	ct_state_check(CT_STATE_KERNEL, CPUWORD_PIN | CPUWORD_EARLY_MASK);

	return old;
}

static __always_inline void ct_state_exit(enum ctx_state state)
{
	ct_state_check(CT_STATE_KERNEL, CPUWORD_PIN | CPUWORD_WORK_MASK);
	cpuword_exit(this_cpuword(), state);
}

#ifdef CONFIG_CPUWORD_ASM_ENTRY
/*
 * The rest of ct_state_enter(CT_STATE_USER), where assembly has changed the
 * word, and the beginning of the matching exit: LAZY, as cpuword_lazy_exit()
 * sets it, tells the assembly to complete that.
 */
static __always_inline unsigned long ct_state_user_entered(void)
{
	unsigned long word = this_cpu_read(cpuword.v.counter);

	if (unlikely(word & (CPUWORD_PIN | CPUWORD_WORK_MASK)))
		word = cpuword_user_entered_slow(word);
	else
		word = 0;
	ct_state_check(CT_STATE_KERNEL, CPUWORD_PIN | CPUWORD_EARLY_MASK);

	return word;
}

static __always_inline void ct_state_user_leaving(void)
{
	ct_state_check(CT_STATE_KERNEL, CPUWORD_PIN | CPUWORD_WORK_MASK);
	this_cpu_add(cpuword.v.counter, CT_STATE_LAZY);
}
#endif /* CONFIG_CPUWORD_ASM_ENTRY */

/* RCU is to watch while the context stays.  Returns what the CPU owes. */
static __always_inline unsigned long ct_state_nmi_enter(void)
{
	unsigned long old = cpuword_nmi_enter(this_cpuword());

	if (unlikely(old & (CPUWORD_PIN | CPUWORD_EARLY_MASK)))
		old = cpuword_nmi_enter_slow(old);
	ct_state_check(cpuword_ctx(old), CPUWORD_EARLY_MASK);

	return old;
}

/*
 * RCU watches already.  This may have interrupted an entry between the RMW
 * and the early work, of which an NMI handler must see the effect.
 */
static __always_inline void ct_state_nmi_nested(void)
{
	unsigned long word;

	if (!CPUWORD_EARLY_MASK)
		return;

	word = raw_atomic_long_read(this_cpuword());
	if (unlikely(word & CPUWORD_EARLY_MASK))
		cpuword_early_slow(word);
}

static __always_inline void ct_state_nmi_exit(void)
{
	ct_state_check(-1, CPUWORD_EARLY_MASK);
	cpuword_nmi_exit(this_cpuword());
}

/* For instrumentable code after an entry: tracing, and late work. */
static __always_inline void ct_state_entered(unsigned long owed)
{
	if (unlikely(owed & CPUWORD_WORK_MASK) &&
	    ((owed & CPUWORD_LATE_MASK) || tracepoint_enabled(cpuword_run)))
		cpuword_entered(owed);
}

/*
 * Step the counter, fully ordered.  An even step in the kernel is a momentary
 * EQS, an odd one the start of watching, after which no work may be owed.
 */
static __always_inline unsigned long ct_state_inc(int incby)
{
	unsigned long add = (unsigned long)incby << CPUWORD_COUNTER_SHIFT;
	unsigned long old = raw_atomic_long_fetch_add(add, this_cpuword());

	if (unlikely(old & CPUWORD_EARLY_MASK))
		cpuword_early_slow(old);

	return (old + add) >> CPUWORD_COUNTER_SHIFT;
}

/*
 * A CPU that is not tracked changes context with RCU watching: it never reads
 * as an EQS, no other CPU writes its word, and an NMI does not change it.
 */
static __always_inline void ct_state_add(int state)
{
	atomic_long_t *w = this_cpuword();

	ct_state_check(-1, CPUWORD_PIN | CPUWORD_WORK_MASK);
	raw_atomic_long_set(w, raw_atomic_long_read(w) + state);
}

#endif /* _LINUX_CPUWORD_CT_H */
