// SPDX-License-Identifier: GPL-2.0
/*
 * The per-CPU words under real tasks in user mode: what the entry hook does,
 * and that nothing interrupts them until then.
 */
#include <kunit/test.h>
#include <linux/completion.h>
#include <linux/context_tracking.h>
#include <linux/cpu.h>
#include <linux/cpuword.h>
#include <linux/dcache.h>
#include <linux/debugfs.h>
#include <linux/delay.h>
#include <linux/kthread.h>
#include <linux/mm.h>
#include <linux/percpu.h>
#include <linux/rcupdate.h>
#include <linux/sizes.h>
#include <linux/vmalloc.h>

#include <trace/events/kmem.h>

#include "arch.h"
#include "compat.h"
#include "usermode.h"

#define BOTH		(CPUWORD_TLB | CPUWORD_ISYNC)
#define HOLD_JIFFIES	(20 * HZ)

static unsigned long word_of(int cpu)
{
	return atomic_long_read(cpuword_of(cpu));
}

/* Stays in the task's system call until it is let go. */
struct hold {
	bool	entered;
	bool	let_go;
	int	counter;
};

static void hold_syscall(struct cpuword_user *user)
{
	struct hold *hold = user->data;
	unsigned long end = jiffies + HOLD_JIFFIES;

	hold->counter = ct_rcu_watching_cpu(user->cpu);
	/* Pairs with wait_entered(). */
	smp_store_release(&hold->entered, true);
	while (!READ_ONCE(hold->let_go) && time_before(jiffies, end))
		cpu_relax();
}

/* Returns once the task is held; with what to pass to cpuword_user_wait_done(). */
static unsigned long hold_in_syscall(struct kunit *test, struct cpuword_user *user,
				     struct hold *hold)
{
	unsigned long end = jiffies + HOLD_JIFFIES;
	unsigned long command;

	user->syscall = hold_syscall;
	user->data = hold;
	command = cpuword_user_command(user);
	/* Pairs with hold_syscall(). */
	while (!smp_load_acquire(&hold->entered)) {
		if (time_after(jiffies, end))
			KUNIT_FAIL_AND_ABORT(test, "no system call");
		msleep(20);
	}

	return command;
}

/* --- Deferral --- */

struct seen {
	unsigned long	word;
};

static void look_syscall(struct cpuword_user *user)
{
	struct seen *seen = user->data;

	seen->word = atomic_long_read(cpuword_of(user->cpu));
}

static void user_takes_work_without_interrupt(struct kunit *test)
{
	struct cpuword_user *user = cpuword_user_start(test, cpuword_user_cpu(test));
	unsigned long spins;
	struct seen seen;
	u64 before;

	before = cpuword_user_quiet(user);
	spins = READ_ONCE(user->shared->spins);

	KUNIT_EXPECT_TRUE(test, cpuword_defer(user->cpu, CPUWORD_TLB));
	KUNIT_EXPECT_TRUE(test, cpuword_defer(user->cpu, CPUWORD_TLB));
	KUNIT_EXPECT_TRUE(test, cpuword_defer(user->cpu, CPUWORD_ISYNC));
	KUNIT_EXPECT_EQ(test, cpuword_user_interrupts(user), before);
	KUNIT_EXPECT_NE(test, READ_ONCE(user->shared->spins), spins);
	KUNIT_EXPECT_EQ(test, cpuword_user_work(user), BOTH);

	user->syscall = look_syscall;
	user->data = &seen;
	cpuword_user_syscall(test, user);
	KUNIT_EXPECT_EQ(test, seen.word & CPUWORD_WORK_MASK, 0);
	KUNIT_EXPECT_EQ(test, cpuword_ctx(seen.word), CT_STATE_KERNEL);
	KUNIT_EXPECT_TRUE(test, seen.word & CPUWORD_WATCHING);
	KUNIT_EXPECT_EQ(test, cpuword_user_work(user), 0);
}

static void mask_comes_back_with_those_who_refuse(struct kunit *test)
{
	struct cpuword_user *user = cpuword_user_start(test, cpuword_user_cpu(test));
	cpumask_var_t cpus;

	KUNIT_ASSERT_TRUE(test, alloc_cpumask_var(&cpus, GFP_KERNEL));
	/* Wherever this runs, here is the kernel. */
	migrate_disable();
	cpumask_clear(cpus);
	cpumask_set_cpu(user->cpu, cpus);
	cpumask_set_cpu(smp_processor_id(), cpus);
	cpuword_defer_mask(cpus, BOTH);
	KUNIT_EXPECT_FALSE(test, cpumask_test_cpu(user->cpu, cpus));
	KUNIT_EXPECT_TRUE(test, cpumask_test_cpu(smp_processor_id(), cpus));
	migrate_enable();
	free_cpumask_var(cpus);
}

static void cpu_in_system_call_refuses(struct kunit *test)
{
	struct cpuword_user *user = cpuword_user_start(test, cpuword_user_cpu(test));
	struct hold hold = {};
	unsigned long command;

	command = hold_in_syscall(test, user, &hold);
	KUNIT_EXPECT_FALSE(test, cpuword_defer(user->cpu, CPUWORD_TLB));
	KUNIT_EXPECT_EQ(test, cpuword_user_work(user), 0);
	WRITE_ONCE(hold.let_go, true);
	cpuword_user_wait_done(test, user, command);
}

static int untracked_cpu(struct kunit *test)
{
	int cpu;

	for_each_online_cpu(cpu)
		if (!context_tracking_enabled_cpu(cpu))
			return cpu;
	kunit_skip(test, "every CPU is tracked");
}

static void untracked_user_mode_is_watched(struct kunit *test)
{
	struct cpuword_user *user = cpuword_user_start(test, untracked_cpu(test));
	struct seen seen = {};
	unsigned int i;

	user->syscall = look_syscall;
	user->data = &seen;
	for (i = 0; i < 3; i++) {
		KUNIT_EXPECT_FALSE(test, cpuword_defer(user->cpu, CPUWORD_TLB));
		KUNIT_EXPECT_TRUE(test, word_of(user->cpu) & CPUWORD_WATCHING);
		cpuword_user_syscall(test, user);
		KUNIT_EXPECT_EQ(test, cpuword_ctx(seen.word), CT_STATE_KERNEL);
		KUNIT_EXPECT_TRUE(test, seen.word & CPUWORD_WATCHING);
		KUNIT_EXPECT_EQ(test, seen.word & (CPUWORD_PIN | CPUWORD_WORK_MASK), 0);
	}
}

static void mark_cpu(void *cpus)
{
	/* Several CPUs at a time. */
	cpumask_set_cpu(smp_processor_id(), cpus);
}

static void broadcast_calls_those_who_refuse(struct kunit *test)
{
	struct cpuword_user *user = cpuword_user_start(test, cpuword_user_cpu(test));
	struct cpumask *called = kunit_kzalloc(test, cpumask_size(), GFP_KERNEL);
	/* The first is accepted; and, since the bit is not there, the second. */
	static const unsigned long works[] = {
		CPUWORD_ISYNC, CPUWORD_TLB, CPUWORD_TLB, CPUWORD_ISYNC,
	};
	unsigned long command, owed = 0;
	struct hold hold = {};
	unsigned int i;
	u64 before;

	KUNIT_ASSERT_NOT_NULL(test, called);
	before = cpuword_user_quiet(user);

	for (i = 0; i < ARRAY_SIZE(works); i++) {
		cpumask_clear(called);
		on_each_cpu_deferrable(mark_cpu, called, works[i]);
		owed |= works[i];
		KUNIT_EXPECT_FALSE(test, cpumask_test_cpu(user->cpu, called));
		KUNIT_EXPECT_EQ(test, cpumask_weight(called), num_online_cpus() - 1);
		KUNIT_EXPECT_EQ(test, cpuword_user_work(user), owed);
	}
	KUNIT_EXPECT_TRUE(test, cpuword_owed(BOTH));
	KUNIT_EXPECT_EQ(test, cpuword_user_interrupts(user), before);

	command = hold_in_syscall(test, user, &hold);
	KUNIT_EXPECT_FALSE(test, cpuword_owed(BOTH));
	on_each_cpu_deferrable(mark_cpu, called, CPUWORD_TLB);
	KUNIT_EXPECT_TRUE(test, cpumask_test_cpu(user->cpu, called));
	WRITE_ONCE(hold.let_go, true);
	cpuword_user_wait_done(test, user, command);
}

static void user_is_spared_calls_for_the_kernel(struct kunit *test)
{
	struct cpuword_user *user = cpuword_user_start(test, cpuword_user_cpu(test));
	struct cpumask *called = kunit_kzalloc(test, cpumask_size(), GFP_KERNEL);
	struct hold hold = {};
	unsigned long command;
	u64 before;

	KUNIT_ASSERT_NOT_NULL(test, called);
	before = cpuword_user_quiet(user);

	/* Of the others some may be idle, which is no user mode. */
	smp_call_function_in_kernel(mark_cpu, called);
	KUNIT_EXPECT_FALSE(test, cpumask_test_cpu(user->cpu, called));
	KUNIT_EXPECT_EQ(test, cpumask_weight(called), num_online_cpus() - 2);
	KUNIT_EXPECT_EQ(test, cpuword_user_interrupts(user), before);
	KUNIT_EXPECT_EQ(test, cpuword_user_work(user), 0);

	command = hold_in_syscall(test, user, &hold);
	smp_call_function_in_kernel(mark_cpu, called);
	KUNIT_EXPECT_TRUE(test, cpumask_test_cpu(user->cpu, called));
	WRITE_ONCE(hold.let_go, true);
	cpuword_user_wait_done(test, user, command);
}

static void idle_cpu_refuses(struct kunit *test)
{
	int cpu = cpuword_user_cpu(test);
	unsigned long end = jiffies + HOLD_JIFFIES;

	while (cpuword_ctx(word_of(cpu)) != CT_STATE_IDLE) {
		KUNIT_ASSERT_TRUE(test, time_before(jiffies, end));
		msleep(20);
	}
	KUNIT_EXPECT_FALSE(test, cpuword_defer(cpu, CPUWORD_TLB));
	KUNIT_EXPECT_FALSE(test, cpuword_defer(cpu, CPUWORD_ISYNC));
}

static atomic_t late_runs;
static int late_cpu;
static bool late_watching, late_irqs_off;

static void late_fn(void)
{
	late_cpu = smp_processor_id();
	late_watching = rcu_is_watching();
	late_irqs_off = irqs_disabled();
	atomic_inc(&late_runs);
}

static void late_work_runs_once_with_rcu_watching(struct kunit *test)
{
	struct cpuword_user *user = cpuword_user_start(test, cpuword_user_cpu(test));
	unsigned long work = cpuword_late_register(late_fn);

	KUNIT_ASSERT_NE(test, work, 0);
	atomic_set(&late_runs, 0);

	KUNIT_EXPECT_TRUE(test, cpuword_defer(user->cpu, work));
	KUNIT_EXPECT_TRUE(test, cpuword_defer(user->cpu, work));
	cpuword_user_syscall(test, user);
	KUNIT_EXPECT_EQ(test, atomic_read(&late_runs), 1);
	KUNIT_EXPECT_EQ(test, late_cpu, user->cpu);
	KUNIT_EXPECT_TRUE(test, late_watching);
	KUNIT_EXPECT_TRUE(test, late_irqs_off);
	cpuword_user_syscall(test, user);
	KUNIT_EXPECT_EQ(test, atomic_read(&late_runs), 1);

	/* Unregistering has what is still owed run first. */
	KUNIT_EXPECT_TRUE(test, cpuword_defer(user->cpu, work));
	cpuword_late_unregister(work);
	KUNIT_EXPECT_EQ(test, atomic_read(&late_runs), 2);
}

static void another_late_fn(void)
{
}

static void late_bits_are_given_once(struct kunit *test)
{
	unsigned long works[CPUWORD_LATE_WIDTH], all = 0;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(works); i++) {
		works[i] = cpuword_late_register(another_late_fn);
		KUNIT_EXPECT_TRUE(test, is_power_of_2(works[i]));
		KUNIT_EXPECT_EQ(test, all & works[i], 0);
		all |= works[i];
	}
	KUNIT_EXPECT_EQ(test, all, CPUWORD_LATE_MASK);
	KUNIT_EXPECT_EQ(test, cpuword_late_register(late_fn), 0);

	for (i = 0; i < ARRAY_SIZE(works); i++)
		cpuword_late_unregister(works[i]);
}

/* --- Pin --- */

static void pinned_cpu_stays_out_of_the_kernel(struct kunit *test)
{
	struct cpuword_user *user = cpuword_user_start(test, cpuword_user_cpu(test));
	unsigned long flags, command, word;
	bool pinned, again, done, deferred;
	struct seen seen = {};

	user->syscall = look_syscall;
	user->data = &seen;

	local_irq_save(flags);
	pinned = cpuword_pin(user->cpu);
	again = cpuword_pin(user->cpu);
	command = cpuword_user_command(user);
	mdelay(20);
	done = READ_ONCE(seen.word);
	word = word_of(user->cpu);
	deferred = cpuword_defer(user->cpu, CPUWORD_TLB);
	if (pinned)
		cpuword_unpin(user->cpu);
	local_irq_restore(flags);

	cpuword_user_wait_done(test, user, command);
	KUNIT_EXPECT_TRUE(test, pinned);
	KUNIT_EXPECT_FALSE(test, again);
	KUNIT_EXPECT_FALSE(test, done);
	KUNIT_EXPECT_EQ(test, cpuword_ctx(word), CT_STATE_USER);
	KUNIT_EXPECT_FALSE(test, word & CPUWORD_WATCHING);
	KUNIT_EXPECT_TRUE(test, deferred);
	KUNIT_EXPECT_EQ(test, seen.word & (CPUWORD_PIN | CPUWORD_WORK_MASK), 0);
}

static void cpu_in_system_call_cannot_be_pinned(struct kunit *test)
{
	struct cpuword_user *user = cpuword_user_start(test, cpuword_user_cpu(test));
	struct hold hold = {};
	unsigned long command;
	bool pinned;

	command = hold_in_syscall(test, user, &hold);
	local_irq_disable();
	pinned = cpuword_pin(user->cpu);
	local_irq_enable();
	KUNIT_EXPECT_FALSE(test, pinned);
	WRITE_ONCE(hold.let_go, true);
	cpuword_user_wait_done(test, user, command);
}

/* --- RCU --- */

static void grace_periods_do_not_interrupt_user_mode(struct kunit *test)
{
	struct cpuword_user *user = cpuword_user_start(test, cpuword_user_cpu(test));
	u64 before;

	before = cpuword_user_quiet(user);
	synchronize_rcu();
	synchronize_rcu_expedited();
	KUNIT_EXPECT_EQ(test, cpuword_user_interrupts(user), before);
}

/* Seen in the kernel twice, but not the same sojourn. */
static void quick_round_trip_is_noticed(struct kunit *test)
{
	struct cpuword_user *user = cpuword_user_start(test, cpuword_user_cpu(test));
	struct hold first = {}, second = {};
	unsigned long command;

	command = hold_in_syscall(test, user, &first);
	KUNIT_EXPECT_EQ(test, ct_rcu_watching_cpu_acquire(user->cpu), first.counter);
	KUNIT_EXPECT_TRUE(test, first.counter & CT_RCU_WATCHING);
	WRITE_ONCE(first.let_go, true);
	cpuword_user_wait_done(test, user, command);

	command = hold_in_syscall(test, user, &second);
	KUNIT_EXPECT_TRUE(test, second.counter & CT_RCU_WATCHING);
	if (!IS_ENABLED(CONFIG_CPUWORD_TORTURE_COUNTER))
		KUNIT_EXPECT_NE(test, second.counter, first.counter);
	WRITE_ONCE(second.let_go, true);
	cpuword_user_wait_done(test, user, command);
}

/* A reader in a system call is waited for. */
static void grace_period_waits_for_a_reader(struct kunit *test)
{
	struct cpuword_user *user = cpuword_user_start(test, cpuword_user_cpu(test));
	struct rcu_gp_seq cookie;
	struct hold hold = {};
	unsigned long command;

	command = hold_in_syscall(test, user, &hold);
	/* hold_syscall() does not schedule: that is a reader without preemption. */
	start_poll_synchronize_rcu_full(&cookie);
	msleep(100);
	if (!IS_ENABLED(CONFIG_PREEMPT_RCU))
		KUNIT_EXPECT_FALSE(test, poll_state_synchronize_rcu_full(&cookie));
	WRITE_ONCE(hold.let_go, true);
	cpuword_user_wait_done(test, user, command);
	synchronize_rcu();
	KUNIT_EXPECT_TRUE(test, poll_state_synchronize_rcu_full(&cookie));
}

/* --- Hotplug --- */

static int defer_to_all(void *stop)
{
	int cpu;

	while (!kthread_should_stop()) {
		for_each_possible_cpu(cpu)
			if (!cpu_online(cpu))
				WARN_ON_ONCE(cpuword_defer(cpu, BOTH) && !cpu_online(cpu));
			else
				cpuword_defer(cpu, BOTH);
		cond_resched();
	}
	return 0;
}

static void wait_until_stopped(int cpu)
{
	unsigned long end = jiffies + HOLD_JIFFIES;

	while (!arch_cpu_stopped(cpu) && time_before(jiffies, end))
		msleep(20);
}

static void offline_cpu_refuses_and_owes_nothing(struct kunit *test)
{
	int cpu = cpumask_last(cpu_online_mask);
	struct task_struct *load;
	unsigned int i;

	if (!IS_ENABLED(CONFIG_HOTPLUG_CPU))
		kunit_skip(test, "no CPU hotplug");

	load = kthread_run(defer_to_all, NULL, "cpuword_defer");
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, load);
	for (i = 0; i < 3; i++) {
		struct cpuword_user *user;

		KUNIT_EXPECT_EQ(test, remove_cpu(cpu), 0);
		KUNIT_EXPECT_FALSE(test, cpuword_defer(cpu, BOTH));
		KUNIT_EXPECT_EQ(test, word_of(cpu) & (CPUWORD_WORK_MASK | CPUWORD_PIN), 0);
		wait_until_stopped(cpu);
		KUNIT_EXPECT_EQ(test, add_cpu(cpu), 0);
		KUNIT_EXPECT_EQ(test, cpumask_test_cpu(cpu, cpu_online_mask), true);
		if (i)
			continue;
		/* And back up it takes work as before, if it is tracked. */
		user = cpuword_user_start(test, cpu);
		KUNIT_EXPECT_EQ(test, cpuword_defer(cpu, BOTH),
				context_tracking_enabled_cpu(cpu));
		kunit_release_action(test, cpuword_user_stop, user);
	}
	kthread_stop(load);
}

/* More than a chunk, of allocations as large as can be. */
#define MANY_PERCPU		64
#define PERCPU_SIZE		SZ_32K

struct percpu_watch {
	struct cpuword_user	*user;
	void __percpu		*areas[MANY_PERCPU];
	struct page		*pages[MANY_PERCPU];	/* one of each */
	struct completion	freed;			/* the first of them */
	unsigned long		work;			/* what @user owed then */
};

static void watch_page(void *data, struct page *page, unsigned int order)
{
	struct percpu_watch *watch = data;
	int i;

	for (i = 0; i < MANY_PERCPU; i++) {
		if (page == watch->pages[i] && !completion_done(&watch->freed)) {
			watch->work = cpuword_user_work(watch->user);
			complete_all(&watch->freed);
		}
	}
}

static void watch_page_end(void *watch)
{
	unregister_trace_mm_page_free(watch_page, watch);
	tracepoint_synchronize_unregister();
}

static void percpu_free_all(void *data)
{
	struct percpu_watch *watch = data;
	int i;

	for (i = 0; i < MANY_PERCPU; i++) {
		free_percpu(watch->areas[i]);
		watch->areas[i] = NULL;
	}
}

/* The pages of a chunk are freed before all of it is flushed. */
static void percpu_pages_are_freed_after_the_flush_was_left(struct kunit *test)
{
	struct percpu_watch *watch;
	int i;

	if (IS_ENABLED(CONFIG_HAVE_CPUWORD_TLBI))
		kunit_skip(test, "the flush is a broadcast here, and not deferred");
	if (!IS_ENABLED(CONFIG_TRACEPOINTS))
		kunit_skip(test, "needs tracepoints");

	watch = kunit_kzalloc(test, sizeof(*watch), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, watch);
	init_completion(&watch->freed);
	KUNIT_ASSERT_EQ(test, kunit_add_action_or_reset(test, percpu_free_all, watch), 0);
	for (i = 0; i < MANY_PERCPU; i++) {
		watch->areas[i] = __alloc_percpu(PERCPU_SIZE, PAGE_SIZE);
		KUNIT_ASSERT_TRUE(test, watch->areas[i]);
		watch->pages[i] = vmalloc_to_page(per_cpu_ptr(watch->areas[i], 0));
	}
	watch->user = cpuword_user_start(test, cpuword_user_cpu(test));
	cpuword_user_quiet(watch->user);
	KUNIT_ASSERT_EQ(test, register_trace_mm_page_free(watch_page, watch), 0);
	KUNIT_ASSERT_EQ(test, kunit_add_action_or_reset(test, watch_page_end, watch), 0);

	KUNIT_ASSERT_EQ(test, cpuword_user_work(watch->user) & CPUWORD_TLB, 0);
	percpu_free_all(watch);
	KUNIT_ASSERT_NE(test, wait_for_completion_timeout(&watch->freed, HOLD_JIFFIES), 0);
	KUNIT_EXPECT_EQ(test, watch->work & CPUWORD_TLB, CPUWORD_TLB);
}

static void debugfs_shows_every_cpu(struct kunit *test)
{
	struct dentry *dir, *file;

	if (!IS_ENABLED(CONFIG_DEBUG_FS))
		kunit_skip(test, "no debugfs");

	dir = debugfs_lookup("cpuword", NULL);
	KUNIT_ASSERT_NOT_NULL(test, dir);
	file = debugfs_lookup("cpus", dir);
	KUNIT_EXPECT_NOT_NULL(test, file);
	dput(file);
	dput(dir);
}

static struct kunit_case user_cases[] = {
	KUNIT_CASE_SLOW(user_takes_work_without_interrupt),
	KUNIT_CASE(mask_comes_back_with_those_who_refuse),
	KUNIT_CASE(cpu_in_system_call_refuses),
	KUNIT_CASE(idle_cpu_refuses),
	KUNIT_CASE(untracked_user_mode_is_watched),
	KUNIT_CASE_SLOW(broadcast_calls_those_who_refuse),
	KUNIT_CASE_SLOW(user_is_spared_calls_for_the_kernel),
	KUNIT_CASE(late_work_runs_once_with_rcu_watching),
	KUNIT_CASE(late_bits_are_given_once),
	KUNIT_CASE(pinned_cpu_stays_out_of_the_kernel),
	KUNIT_CASE(cpu_in_system_call_cannot_be_pinned),
	KUNIT_CASE_SLOW(grace_periods_do_not_interrupt_user_mode),
	KUNIT_CASE(quick_round_trip_is_noticed),
	KUNIT_CASE(grace_period_waits_for_a_reader),
	KUNIT_CASE_SLOW(percpu_pages_are_freed_after_the_flush_was_left),
	KUNIT_CASE(debugfs_shows_every_cpu),
	KUNIT_CASE_SLOW(offline_cpu_refuses_and_owes_nothing),
	{}
};

static struct kunit_suite user_suite = {
	.name = "cpuword_user",
	.test_cases = user_cases,
};

kunit_test_suite(user_suite);
