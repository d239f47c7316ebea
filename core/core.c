// SPDX-License-Identifier: GPL-2.0
/*
 * The per-CPU words: what their owners run at the entry hook, and what other
 * CPUs may ask of them.
 */
#define pr_fmt(fmt) "cpuword: " fmt

#include <linux/bitops.h>
#include <linux/context_tracking.h>
#include <linux/cpuhotplug.h>
#include <linux/cpuword.h>
#include <linux/debugfs.h>
#include <linux/export.h>
#include <linux/init.h>
#include <linux/module.h>
#include <linux/moduleparam.h>
#include <linux/mutex.h>
#include <linux/seq_file.h>
#include <linux/string.h>

#include <asm/cpuword.h>

#include "param.h"
#include "word.h"

#define CREATE_TRACE_POINTS
#include <trace/events/cpuword.h>

#undef MODULE_PARAM_PREFIX
#define MODULE_PARAM_PREFIX "cpuword."

#define CPUWORD_VALID_WORK	(CPUWORD_EARLY_MASK | CPUWORD_LATE_MASK)

/*
 * Senders count on their own CPU, so that a deferral that finds its bit set
 * writes nothing that another CPU reads.  early is atomic since an NMI may run
 * early work in the middle of counting it.
 */
struct cpuword_stats {
	unsigned long	off;
	unsigned long	accepted;
	unsigned long	coalesced;
	unsigned long	skipped;
	unsigned long	refused[CT_STATE_MAX];
	unsigned long	refused_watching;
	atomic_long_t	early;
	unsigned long	late;
};

static DEFINE_PER_CPU(struct cpuword_stats, cpuword_stats);

static cpuword_late_fn cpuword_late_fns[CPUWORD_LATE_WIDTH];
static DEFINE_MUTEX(cpuword_late_lock);

/* AUTO becomes ON or OFF at boot: on if any CPU is tracked. */
enum { CPUWORD_OFF, CPUWORD_ON, CPUWORD_AUTO };
static int cpuword_deferring __read_mostly = CPUWORD_AUTO;

static const char * const cpuword_ctx_names[] = {
	[CT_STATE_KERNEL]	= "kernel",
	[CT_STATE_IDLE]		= "idle",
	[CT_STATE_USER]		= "user",
	[CT_STATE_GUEST]	= "guest",
	[CT_STATE_LAZY]		= "lazy",
};

static_assert(ARRAY_SIZE(cpuword_ctx_names) == CT_STATE_MAX);

/* --- The owner's side --- */

static __always_inline void cpuword_count_early(unsigned long work)
{
	raw_atomic_long_inc(&this_cpu_ptr(&cpuword_stats)->early);
}

static __always_inline void cpuword_run_early(unsigned long work)
{
	if (work & CPUWORD_TLB)
		arch_cpuword_flush_tlb_kernel();
	if (work & CPUWORD_ISYNC)
		arch_cpuword_isync();
	cpuword_count_early(work);
}

/**
 * cpuword_early_slow - run this CPU's early work and drop its bits
 * @work: a word with bits of CPUWORD_EARLY_MASK
 *
 * Context: entry code, RCU watching, any.
 */
noinstr void cpuword_early_slow(unsigned long work)
{
	cpuword_early(this_cpuword(), work, cpuword_run_early);
}

/**
 * cpuword_enter_slow - the rest of an entry that found a pin or work
 * @old: what cpuword_enter() returned
 * @ctx: the context being left
 *
 * Context: entry code, interrupts off, not for NMI-like entries.
 * Return: the word as the last entry found it, for cpuword_entered().
 */
noinstr unsigned long cpuword_enter_slow(unsigned long old, enum ctx_state ctx)
{
	if (old & CPUWORD_PIN)
		old = cpuword_wait_pin(this_cpuword(), ctx);
	if (old & CPUWORD_EARLY_MASK)
		cpuword_early_slow(old);

	return old;
}

#ifdef CONFIG_CPUWORD_ASM_ENTRY
/**
 * cpuword_user_entered_slow - cpuword_enter_slow() after an entry in assembly
 * @word: the word: KERNEL, with a pin or work
 *
 * Context: entry code, interrupts off, not for NMI-like entries.
 * Return: the word as it was found, for cpuword_entered().
 */
noinstr unsigned long cpuword_user_entered_slow(unsigned long word)
{
	/* The assembly has not done the work that comes during the wait. */
	if (unlikely(word & CPUWORD_PIN)) {
		word = cpuword_enter_slow(word, CT_STATE_USER);
	} else if (word & CPUWORD_EARLY_MASK) {
		/* No CPU sets a bit in KERNEL, so the mask may be constant. */
		if (arch_cpuword_entry_did(word))
			cpuword_early(this_cpuword(), CPUWORD_EARLY_MASK,
				      cpuword_count_early);
		else
			cpuword_early_slow(word);
	}

	return word;
}
#endif

/**
 * cpuword_nmi_enter_slow - as cpuword_enter_slow(), after cpuword_nmi_enter()
 * @old: what cpuword_nmi_enter() returned
 *
 * An interrupt from idle keeps the context as an NMI does, but it can wait.
 *
 * Context: entry code, any.
 * Return: as cpuword_enter_slow().
 */
noinstr unsigned long cpuword_nmi_enter_slow(unsigned long old)
{
	if ((old & CPUWORD_PIN) && !in_nmi())
		old = cpuword_wait_pin(this_cpuword(), CT_STATE_KERNEL);
	if (old & CPUWORD_EARLY_MASK)
		cpuword_early_slow(old);

	return old;
}

static void cpuword_run_late(unsigned long work)
{
	unsigned long bits = work >> CPUWORD_LATE_SHIFT;
	unsigned int i;

	for_each_set_bit(i, &bits, CPUWORD_LATE_WIDTH) {
		cpuword_late_fn fn = READ_ONCE(cpuword_late_fns[i]);

		__this_cpu_inc(cpuword_stats.late);
		if (!WARN_ON_ONCE(!fn))
			fn();
	}
}

/**
 * cpuword_entered - trace what an entry found and run late work
 * @old: the word as cpuword_enter() or cpuword_nmi_enter() found it
 *
 * Context: instrumentable, RCU watching, interrupts off or NMI.
 */
void cpuword_entered(unsigned long old)
{
	unsigned long work = old & CPUWORD_WORK_MASK;

	/* An NMI leaves late work to the next entry that is no NMI. */
	if (in_nmi())
		work &= ~CPUWORD_LATE_MASK;
	if (work)
		trace_cpuword_run(work, in_nmi());
	if (work & CPUWORD_LATE_MASK)
		cpuword_late(this_cpuword(), work, cpuword_run_late);
}

/* --- The other CPUs' side --- */

static __always_inline unsigned long cpuword_accepts(enum ctx_state ctx)
{
	unsigned long late = ctx == CT_STATE_USER ? CPUWORD_LATE_MASK : 0;

	return arch_cpuword_accepts(ctx) | late;
}

/* An NMI handler over an EQS, or the user mode of a CPU that is not tracked. */
static bool cpuword_eqs_is_watched(unsigned long word)
{
	return (word & CPUWORD_WATCHING) &&
	       cpuword_ctx(word) != CT_STATE_KERNEL &&
	       cpuword_ctx(word) != CT_STATE_LAZY;
}

/*
 * How often a TLB flush has been left to a CPU.  The bits do not tell: a bit
 * stays set when its CPU is flushed without entering the kernel.
 */
static atomic_long_t cpuword_tlb_deferrals;

static void cpuword_count_deferral(unsigned long work)
{
	/*
	 * Release: a reader of the count sees the bits that were set, or seen
	 * set, before it.  Pairs with the acquire in cpuword_tlb_owed_since().
	 */
	if (work & CPUWORD_TLB)
		atomic_long_inc_return_release(&cpuword_tlb_deferrals);
}

/* After smp_mb(), see cpuword_try_defer(). */
static bool __cpuword_defer(int cpu, unsigned long work)
{
	static const char * const results[] = {
		[CPUWORD_REFUSED]	= "refused",
		[CPUWORD_ACCEPTED]	= "accepted",
		[CPUWORD_COALESCED]	= "coalesced",
	};
	enum cpuword_verdict verdict;
	unsigned long seen;

	verdict = cpuword_try_defer(cpuword_of(cpu), work, cpuword_accepts,
				    arch_cpuword_implicit, &seen);

	if (verdict == CPUWORD_ACCEPTED)
		this_cpu_inc(cpuword_stats.accepted);
	else if (verdict == CPUWORD_COALESCED)
		this_cpu_inc(cpuword_stats.coalesced);
	else if (cpuword_eqs_is_watched(seen))
		this_cpu_inc(cpuword_stats.refused_watching);
	else
		this_cpu_inc(cpuword_stats.refused[cpuword_ctx(seen)]);

	trace_cpuword_defer(cpu, work, results[verdict]);

	return verdict != CPUWORD_REFUSED;
}

/**
 * cpuword_owed - is there a CPU that has yet to do some work?
 * @work: the work
 *
 * This covers work that was deferred before the call.  A CPU has done its work
 * by the time its bit is seen clear.
 *
 * Context: any.
 * Return: true if a CPU may still owe any of @work.
 */
bool cpuword_owed(unsigned long work)
{
	int cpu;

	for_each_possible_cpu(cpu) {
		if (cpuword_owes(cpu, work))
			return true;
	}

	return false;
}

/**
 * cpuword_tlb_owed_since - does a CPU owe a flush since the caller's last one?
 * @since: the caller's count of deferrals, updated here; 0 at first
 *
 * For callers that cannot wait for the flushes that were deferred before.  If
 * this returns true they flush everything on every CPU.  A CPU that does not
 * enter the kernel for that flush keeps its bit.  The next call does not count
 * that bit: it returns true only if a flush was deferred in between.
 *
 * Context: any; one caller at a time for each @since.
 * Return: true if the caller has to flush.
 */
bool cpuword_tlb_owed_since(unsigned long *since)
{
	/*
	 * Pairs with the release in cpuword_count_deferral().  A later deferral
	 * is counted later, and the next call sees it.
	 */
	unsigned long now = atomic_long_read_acquire(&cpuword_tlb_deferrals);

	if (now == *since)
		return false;
	*since = now;

	return cpuword_owed(CPUWORD_TLB);
}

/**
 * cpuword_huge_deferrable - may user mode keep a huge translation?
 *
 * The address may be mapped by small leaves next.
 *
 * Context: any, once boot has decided on mitigations.
 * Return: true if flush_tlb_kernel_range_deferrable() may follow the unmapping
 * of a huge leaf, see arch_cpuword_huge_deferrable().
 */
bool cpuword_huge_deferrable(void)
{
	return arch_cpuword_huge_deferrable();
}

#ifdef CONFIG_MODULES
/**
 * cpuword_module_noinstr - is there noinstr text of a module in a range?
 * @addr: the first address
 * @len: how many bytes
 *
 * Context: any.
 * Return: true if so.
 */
bool cpuword_module_noinstr(const void *addr, size_t len)
{
	struct module *mod;
	bool found;

	preempt_disable();
	/* Modules are pages apart: a range is in one, or reaches into one. */
	mod = __module_address((unsigned long)addr) ?:
	      __module_address((unsigned long)addr + len - 1);
	found = mod && memory_intersects(mod->noinstr_text_start,
					 mod->noinstr_text_start +
					 mod->noinstr_text_size,
					 (void *)addr, len);
	preempt_enable();

	return found;
}
EXPORT_SYMBOL_GPL(cpuword_module_noinstr);
#endif

static bool cpuword_bad_work(unsigned long work)
{
	return WARN_ONCE(!work || (work & ~CPUWORD_VALID_WORK),
			 "cpuword: work %#lx is not of TLB %#lx, ISYNC %#lx, late %#lx\n",
			 work, CPUWORD_TLB, CPUWORD_ISYNC, CPUWORD_LATE_MASK);
}

static bool cpuword_bad_cpu(int cpu)
{
	return WARN_ONCE(cpu < 0 || cpu >= nr_cpu_ids || !cpu_possible(cpu),
			 "cpuword: CPU %d is not of %*pbl\n", cpu,
			 cpumask_pr_args(cpu_possible_mask));
}

/**
 * cpuword_defer - leave work to a CPU's next entry into the kernel
 * @cpu: the CPU
 * @work: CPUWORD_TLB, CPUWORD_ISYNC, or what cpuword_late_register() returned
 *
 * To be called after the change to page tables or text that makes the work
 * necessary.  If it is refused the caller sends its IPI.
 *
 * An offline CPU refuses: it went down in the kernel.
 *
 * Context: any.
 * Return: true if @cpu is not in the kernel and does the work when it enters.
 */
bool cpuword_defer(int cpu, unsigned long work)
{
	bool deferred;

	if (cpuword_bad_work(work) || cpuword_bad_cpu(cpu))
		return false;
	if (READ_ONCE(cpuword_deferring) != CPUWORD_ON) {
		this_cpu_inc(cpuword_stats.off);
		return false;
	}

	/* Pairs with the RMW in cpuword_enter(). */
	smp_mb();
	deferred = __cpuword_defer(cpu, work);
	cpuword_count_deferral(work);

	return deferred;
}
EXPORT_SYMBOL_GPL(cpuword_defer);

/*
 * Most CPUs, most of the time, have the bits already: here each of them costs a
 * load and a test.  After smp_mb(), see cpuword_try_defer().
 */
static void cpuword_coalesce(struct cpumask *cpus, unsigned long work)
{
	unsigned long bits = work & ~arch_cpuword_implicit(CT_STATE_USER);
	unsigned long cpu, todo, coalesced = 0;
	unsigned int i;

	if (work & ~cpuword_accepts(CT_STATE_USER))
		return;

	/* Not for_each_cpu(), which calls a function for each if NR_CPUS is large. */
	for (i = 0; i < BITS_TO_LONGS(small_cpumask_bits); i++) {
		unsigned long all = cpumask_bits(cpus)[i], rest = 0;

		for (todo = all; todo; todo &= todo - 1) {
			cpu = i * BITS_PER_LONG + __ffs(todo);
			if (unlikely(!cpuword_user_owes(cpuword_of(cpu), bits)))
				rest |= todo & -todo;
		}
		cpumask_bits(cpus)[i] = rest;
		coalesced += hweight_long(all ^ rest);
	}
	this_cpu_add(cpuword_stats.coalesced, coalesced);
}

/**
 * cpuword_defer_mask - leave work to the next entry of each CPU of a mask
 * @cpus: the CPUs; on return those that refused and need an IPI
 * @work: as for cpuword_defer()
 *
 * Context: any.
 */
void cpuword_defer_mask(struct cpumask *cpus, unsigned long work)
{
	int cpu;

	if (cpuword_bad_work(work))
		return;
	if (READ_ONCE(cpuword_deferring) != CPUWORD_ON) {
		this_cpu_add(cpuword_stats.off, cpumask_weight(cpus));
		return;
	}

	/* Pairs with the RMW in cpuword_enter(). */
	smp_mb();
	/* The tracepoint fires for each CPU. */
	if (!trace_cpuword_defer_enabled())
		cpuword_coalesce(cpus, work);
	for_each_cpu(cpu, cpus) {
		if (__cpuword_defer(cpu, work))
			__cpumask_clear_cpu(cpu, cpus);
	}
	cpuword_count_deferral(work);
}
EXPORT_SYMBOL_GPL(cpuword_defer_mask);

/* The CPUs to call.  As the mask of smp_call_function(): not in interrupts. */
static DEFINE_PER_CPU(struct cpumask, cpuword_callees);

/**
 * on_each_cpu_deferrable - call a function on each CPU that may not defer it
 * @func: the function, see on_each_cpu()
 * @info: its argument
 * @work: as for cpuword_defer(): does all that @func would have done
 *
 * Waits until @func has run on the CPUs that got an IPI, with preemption
 * disabled, as on_each_cpu() does.
 *
 * Context: as on_each_cpu().
 */
void on_each_cpu_deferrable(smp_call_func_t func, void *info,
			    unsigned long work)
{
	struct cpumask *cpus;
	int this_cpu;

	preempt_disable();
	this_cpu = smp_processor_id();
	cpus = this_cpu_ptr(&cpuword_callees);
	cpumask_copy(cpus, cpu_online_mask);
	__cpumask_clear_cpu(this_cpu, cpus);
	cpuword_defer_mask(cpus, work);
	__cpumask_set_cpu(this_cpu, cpus);
	on_each_cpu_mask(cpus, func, info, true);
	preempt_enable();
}
EXPORT_SYMBOL_GPL(on_each_cpu_deferrable);

/**
 * cpuword_leave - leave work to the CPUs that may do it later, and to no other
 * @work: as for cpuword_defer()
 *
 * For callers that free something before all CPUs have done the work.  From
 * this call on, CPUs in user mode owe the work or have done it.
 *
 * Context: not in interrupts.
 */
void cpuword_leave(unsigned long work)
{
	struct cpumask *cpus;

	preempt_disable();
	cpus = this_cpu_ptr(&cpuword_callees);
	cpumask_copy(cpus, cpu_online_mask);
	cpuword_defer_mask(cpus, work);
	preempt_enable();
}

/**
 * cpuword_in_user - may a CPU be left out, being in user mode?
 * @cpu: the CPU
 *
 * The caller executes smp_mb() first, which pairs with the RMW in
 * cpuword_enter().  Then, if @cpu is in user mode, the caller sees the stores
 * that @cpu did in the kernel before, and from its next entry on @cpu sees the
 * stores that the caller did before smp_mb().
 *
 * Context: any.
 * Return: true if @cpu is tracked and in user mode; always false while
 * deferral is off.
 */
bool cpuword_in_user(int cpu)
{
	if (READ_ONCE(cpuword_deferring) != CPUWORD_ON ||
	    !cpuword_is_user(cpuword_of(cpu)))
		return false;

	this_cpu_inc(cpuword_stats.skipped);
	trace_cpuword_defer(cpu, 0, "skipped");
	return true;
}

static bool cpuword_wants_call(int cpu, void *info)
{
	return cpu != smp_processor_id() && !cpuword_in_user(cpu);
}

/**
 * smp_call_function_in_kernel - call a function on all other CPUs in the kernel
 * @func: the function
 * @info: its argument
 *
 * As smp_call_function() with wait, without the CPUs in user mode.  For
 * functions that are only a barrier, or that wait for sections with interrupts
 * off by interrupting them.  On a CPU in user mode these sections have ended,
 * and the caller sees that they have.  The RMW of its next entry is a full
 * barrier, after which it sees the stores that came before this call.
 *
 * Context: as smp_call_function().
 */
void smp_call_function_in_kernel(smp_call_func_t func, void *info)
{
	/* See cpuword_in_user(). */
	smp_mb();
	on_each_cpu_cond(cpuword_wants_call, func, info, true);
}
EXPORT_SYMBOL_GPL(smp_call_function_in_kernel);

/**
 * cpuword_pin - hold a CPU out of the kernel
 * @cpu: the CPU
 *
 * Until cpuword_unpin() @cpu waits at its entry hook, except in NMI-like
 * entries, and its earlier stores are visible here.  The holder's section is
 * short and bounded, and never waits for @cpu.
 *
 * Context: interrupts off.
 * Return: true if @cpu is pinned; false if it is in the kernel, is not
 * tracked, or is pinned already.
 */
bool cpuword_pin(int cpu)
{
	lockdep_assert_irqs_disabled();

	if (cpuword_bad_cpu(cpu))
		return false;

	return cpuword_try_pin(cpuword_of(cpu));
}
EXPORT_SYMBOL_GPL(cpuword_pin);

/**
 * cpuword_unpin - let a CPU go that cpuword_pin() holds
 * @cpu: the CPU
 *
 * The holder's stores are visible to @cpu once it is in the kernel.
 *
 * Context: interrupts off since cpuword_pin().
 */
void cpuword_unpin(int cpu)
{
	lockdep_assert_irqs_disabled();

	if (cpuword_bad_cpu(cpu))
		return;

	WARN_ON_ONCE(!(atomic_long_read(cpuword_of(cpu)) & CPUWORD_PIN));
	cpuword_drop_pin(cpuword_of(cpu));
}
EXPORT_SYMBOL_GPL(cpuword_unpin);

/**
 * cpuword_late_register - get a work bit for a function
 * @fn: runs at the entry of a CPU that @fn was deferred to, once for any number
 *	of deferrals, with RCU watching and interrupts off
 *
 * Context: process, may sleep.
 * Return: the work for cpuword_defer(), 0 if none of the CPUWORD_LATE_WIDTH
 * bits is free.
 */
unsigned long cpuword_late_register(cpuword_late_fn fn)
{
	unsigned long work = 0;
	unsigned int i;

	mutex_lock(&cpuword_late_lock);
	for (i = 0; i < CPUWORD_LATE_WIDTH && !work; i++) {
		if (cpuword_late_fns[i])
			continue;
		WRITE_ONCE(cpuword_late_fns[i], fn);
		work = BIT(CPUWORD_LATE_SHIFT + i);
	}
	mutex_unlock(&cpuword_late_lock);

	return work;
}
EXPORT_SYMBOL_GPL(cpuword_late_register);

static void cpuword_nop(void *info)
{
}

/**
 * cpuword_late_unregister - give back a late work bit
 * @work: what cpuword_late_register() returned
 *
 * The caller has stopped deferring @work.  CPUs that still owe it run it first.
 *
 * Context: process, may sleep.
 */
void cpuword_late_unregister(unsigned long work)
{
	if (WARN_ONCE(!is_power_of_2(work) || !(work & CPUWORD_LATE_MASK),
		      "cpuword: work %#lx is not one bit of late %#lx\n",
		      work, CPUWORD_LATE_MASK))
		return;

	/* The IPI enters the kernel, and the hook runs first. */
	on_each_cpu(cpuword_nop, NULL, 1);

	mutex_lock(&cpuword_late_lock);
	WRITE_ONCE(cpuword_late_fns[__ffs(work) - CPUWORD_LATE_SHIFT], NULL);
	mutex_unlock(&cpuword_late_lock);
}
EXPORT_SYMBOL_GPL(cpuword_late_unregister);

/* --- Hotplug --- */

/*
 * A CPU goes down, and is brought up again, in the kernel, where deferrals are
 * refused.  So nothing has to be cleaned, only checked.
 */
static int cpuword_check_offline(unsigned int cpu)
{
	unsigned long word = atomic_long_read(cpuword_of(cpu));

	WARN_ONCE(cpuword_in_eqs(word) || (word & (CPUWORD_WORK_MASK | CPUWORD_PIN)),
		  "cpuword: offline CPU %u has word %#lx\n", cpu, word);
	return 0;
}

/* --- Parameters --- */

/* The part of a refused value that fits in a line. */
#define CPUWORD_PARAM_SHOWN	32

/**
 * cpuword_param - which of its two values is a parameter set to?
 * @name: the parameter
 * @val: what it is set to, NULL if to nothing; sysfs's newline is ignored
 * @no: the one value
 * @yes: the other
 *
 * Context: any.
 * Return: 0 for @no, 1 for @yes, -EINVAL and a warning for anything else.
 */
int cpuword_param(const char *name, const char *val, const char *no,
		  const char *yes)
{
	if (!val)
		val = "";
	if (sysfs_streq(val, no))
		return 0;
	if (sysfs_streq(val, yes))
		return 1;

	/* No character of the value may break the line. */
	pr_warn("%s=%*pE is not valid; valid: %s %s\n", name,
		min_t(int, strcspn(val, "\n"), CPUWORD_PARAM_SHOWN), val, no, yes);
	return -EINVAL;
}

static int cpuword_defer_set(const char *val, const struct kernel_param *kp)
{
	int on = cpuword_param("defer", val, "off", "on");

	if (on < 0)
		return on;
	WRITE_ONCE(cpuword_deferring, on ? CPUWORD_ON : CPUWORD_OFF);
	return 0;
}

static int cpuword_defer_get(char *buf, const struct kernel_param *kp)
{
	return sysfs_emit(buf, "%s\n", READ_ONCE(cpuword_deferring) == CPUWORD_ON ?
			  "on" : "off");
}

static const struct kernel_param_ops cpuword_defer_ops = {
	/* Not without a value, but it is cpuword_param() that says so. */
	.flags = KERNEL_PARAM_OPS_FL_NOARG,
	.set = cpuword_defer_set,
	.get = cpuword_defer_get,
};
module_param_cb(defer, &cpuword_defer_ops, NULL, 0644);
MODULE_PARM_DESC(defer, "on|off: leave work to CPUs in user mode (default: on if any is tracked)");

static bool cpuword_track __initdata;

static int __init cpuword_track_set(char *val)
{
	int all = cpuword_param("track", val, "isolated", "all");

	if (all < 0)
		return all;
	cpuword_track = all;
	return 0;
}
early_param("cpuword.track", cpuword_track_set);

/**
 * cpuword_track_all - is every CPU to be tracked, for coverage?
 *
 * Context: boot, once parameters have been parsed.
 * Return: true with cpuword.track=all.
 */
bool __init cpuword_track_all(void)
{
	return cpuword_track;
}

/**
 * cpuword_note_isolated - CPUs have been isolated at run time
 * @cpus: all that are isolated
 *
 * Which CPUs are tracked is decided at boot.  Says, once, which of @cpus are
 * not, since nothing is deferred for them.
 *
 * Context: process; callers see to it that they do not meet.
 */
void cpuword_note_isolated(const struct cpumask *cpus)
{
	static struct cpumask untracked;
	int cpu;

	for_each_cpu(cpu, cpus)
		__assign_bit(cpu, cpumask_bits(&untracked),
			     !context_tracking_enabled_cpu(cpu));

	if (!cpumask_empty(&untracked))
		pr_warn_once("CPUs %*pbl are isolated without nohz_full=: nothing is deferred for them\n",
			     cpumask_pr_args(&untracked));
}

/* --- debugfs --- */

static unsigned long cpuword_stat(const unsigned long *counter)
{
	/* Its CPU may be counting. */
	return data_race(*counter);
}

static int cpuword_cpus_show(struct seq_file *m, void *unused)
{
	int cpu, ctx;

	seq_puts(m, "cpu context watching counter pending pinned | early late");
	seq_puts(m, " | sent: off accepted coalesced skipped refused-watching");
	for (ctx = 0; ctx < CT_STATE_MAX; ctx++)
		seq_printf(m, " refused-%s", cpuword_ctx_names[ctx]);
	seq_putc(m, '\n');

	for_each_possible_cpu(cpu) {
		unsigned long word = atomic_long_read(cpuword_of(cpu));
		struct cpuword_stats *s = per_cpu_ptr(&cpuword_stats, cpu);

		seq_printf(m, "%d %s %d %lu %#lx %d | %ld %lu | %lu %lu %lu %lu %lu",
			   cpu, cpuword_ctx_names[cpuword_ctx(word)],
			   !!(word & CPUWORD_WATCHING),
			   word >> CPUWORD_COUNTER_SHIFT,
			   word & CPUWORD_WORK_MASK, !!(word & CPUWORD_PIN),
			   atomic_long_read(&s->early), cpuword_stat(&s->late),
			   cpuword_stat(&s->off), cpuword_stat(&s->accepted),
			   cpuword_stat(&s->coalesced), cpuword_stat(&s->skipped),
			   cpuword_stat(&s->refused_watching));
		for (ctx = 0; ctx < CT_STATE_MAX; ctx++)
			seq_printf(m, " %lu", cpuword_stat(&s->refused[ctx]));
		seq_putc(m, '\n');
	}

	return 0;
}
DEFINE_SHOW_ATTRIBUTE(cpuword_cpus);

static int __init cpuword_init(void)
{
	int ret;

	if (cpuword_deferring == CPUWORD_AUTO)
		WRITE_ONCE(cpuword_deferring, context_tracking_enabled() ?
			   CPUWORD_ON : CPUWORD_OFF);

	/* Before the CPU comes up, and after it has gone. */
	ret = cpuhp_setup_state_nocalls(CPUHP_BP_PREPARE_DYN, "cpuword:prepare",
					cpuword_check_offline,
					cpuword_check_offline);
	return ret < 0 ? ret : 0;
}
core_initcall(cpuword_init);

/* Not with the rest: debugfs itself is a core_initcall. */
static int __init cpuword_debugfs_init(void)
{
	debugfs_create_file("cpus", 0444, debugfs_create_dir("cpuword", NULL),
			    NULL, &cpuword_cpus_fops);
	return 0;
}
late_initcall(cpuword_debugfs_init);
