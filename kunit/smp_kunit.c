// SPDX-License-Identifier: GPL-2.0
/*
 * One CPU enters and leaves, all the others defer, coalesce and pin, on a word
 * of the test's own.
 */
#include <kunit/test.h>
#include <linux/cpumask.h>
#include <linux/delay.h>
#include <linux/jiffies.h>
#include <linux/kthread.h>
#include <linux/slab.h>

#include "../word.h"

/* As many deferrers as there are late bits, so that each has one. */
#define DEFERRERS	CPUWORD_LATE_WIDTH
#define RUN_JIFFIES	(HZ / 2)
#define LOST_JIFFIES	(20 * HZ)

struct deferrer {
	struct race		*race;
	unsigned int		nr;
	unsigned long		change;		/* written by the deferrer */
	unsigned long		seen;		/* written by the owner's early work */
	unsigned long		accepted;
	unsigned long		coalesced;
	unsigned long		refused;
	unsigned long		late_ran;	/* written by the owner */
	unsigned long		lost;
};

struct race {
	atomic_long_t		w;
	bool			stop;
	bool			owner_done;
	bool			in_kernel;
	unsigned long		trips;
	unsigned long		pins;
	unsigned long		intrusions;
	struct deferrer		deferrers[DEFERRERS];
};

/* cpuword_early() and cpuword_late() have no argument for it. */
static struct race *race;

static unsigned long user_accepts(enum ctx_state ctx)
{
	return ctx == CT_STATE_USER ? CPUWORD_EARLY_MASK | CPUWORD_LATE_MASK : 0;
}

static unsigned long nothing_implicit(enum ctx_state ctx)
{
	return 0;
}

static void run_early(unsigned long work)
{
	unsigned int i;

	for (i = 0; i < DEFERRERS; i++)
		WRITE_ONCE(race->deferrers[i].seen,
			   READ_ONCE(race->deferrers[i].change));
}

static void run_late(unsigned long work)
{
	unsigned int i;

	for (i = 0; i < DEFERRERS; i++)
		if (work & BIT(CPUWORD_LATE_SHIFT + i))
			race->deferrers[i].late_ran++;
}

static void enter(struct race *r)
{
	unsigned long old = cpuword_enter(&r->w, CT_STATE_USER);

	if (old & CPUWORD_PIN)
		old = cpuword_wait_pin(&r->w, CT_STATE_USER);
	WRITE_ONCE(r->in_kernel, true);
	if (old & CPUWORD_EARLY_MASK)
		cpuword_early(&r->w, old, run_early);
	if (old & CPUWORD_LATE_MASK)
		cpuword_late(&r->w, old, run_late);
}

static void leave(struct race *r)
{
	WRITE_ONCE(r->in_kernel, false);
	cpuword_exit(&r->w, CT_STATE_USER);
}

static int owner_fn(void *data)
{
	struct race *r = data;

	/* Preemptible between round trips, or one CPU alone could not race. */
	while (!READ_ONCE(r->stop)) {
		local_irq_disable();
		leave(r);
		local_irq_enable();
		cond_resched();
		if (num_online_cpus() == 1)
			schedule();
		local_irq_disable();
		enter(r);
		local_irq_enable();
		r->trips++;
	}
	/* Pairs with wait_until_seen(). */
	smp_store_release(&r->owner_done, true);

	while (!kthread_should_stop())
		msleep(20);
	return 0;
}

static bool wait_until_seen(struct deferrer *d, unsigned long change)
{
	unsigned long end = jiffies + LOST_JIFFIES;

	while (READ_ONCE(d->seen) < change) {
		/* Pairs with the owner's release when it has stopped. */
		if (time_after(jiffies, end) || smp_load_acquire(&d->race->owner_done))
			return READ_ONCE(d->seen) >= change;
		cond_resched();
	}
	return true;
}

static int deferrer_fn(void *data)
{
	struct deferrer *d = data;
	unsigned long work = CPUWORD_TLB | BIT(CPUWORD_LATE_SHIFT + d->nr);
	unsigned long seen;

	while (!READ_ONCE(d->race->stop)) {
		WRITE_ONCE(d->change, d->change + 1);
		/* Pairs with the RMW in cpuword_enter(). */
		smp_mb();
		switch (cpuword_try_defer(&d->race->w, work, user_accepts,
					  nothing_implicit, &seen)) {
		case CPUWORD_REFUSED:
			d->refused++;
			break;
		case CPUWORD_ACCEPTED:
			d->accepted++;
			if (!(d->accepted % 4) && !wait_until_seen(d, d->change))
				d->lost++;
			break;
		case CPUWORD_COALESCED:
			d->coalesced++;
			if (!(d->coalesced % 64) && !wait_until_seen(d, d->change))
				d->lost++;
			break;
		}
		cond_resched();
	}

	while (!kthread_should_stop())
		msleep(20);
	return 0;
}

static int pinner_fn(void *data)
{
	struct race *r = data;
	unsigned int i;

	while (!READ_ONCE(r->stop)) {
		local_irq_disable();
		if (cpuword_try_pin(&r->w)) {
			r->pins++;
			for (i = 0; i < 100; i++)
				r->intrusions += READ_ONCE(r->in_kernel);
			cpuword_drop_pin(&r->w);
		}
		local_irq_enable();
		cond_resched();
	}

	while (!kthread_should_stop())
		msleep(20);
	return 0;
}

static struct task_struct *start(struct kunit *test, int (*fn)(void *), void *data,
				 unsigned int nr)
{
	unsigned int cpu = cpumask_nth(nr % num_online_cpus(), cpu_online_mask);
	struct task_struct *t = kthread_create_on_cpu(fn, data, cpu, "cpuword_race");

	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, t);
	wake_up_process(t);
	return t;
}

static void nothing_lost_and_nothing_twice(struct kunit *test)
{
	struct task_struct *tasks[DEFERRERS + 2];
	unsigned long end, coalesced = 0;
	unsigned int i, n = 0;
	struct race *r;

	r = kunit_kzalloc(test, sizeof(*r), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, r);
	atomic_long_set(&r->w, CPUWORD_COUNTER_ONE);
	r->in_kernel = true;
	race = r;

	tasks[n++] = start(test, owner_fn, r, 0);
	tasks[n++] = start(test, pinner_fn, r, 1);
	for (i = 0; i < DEFERRERS; i++) {
		r->deferrers[i].race = r;
		r->deferrers[i].nr = i;
		tasks[n++] = start(test, deferrer_fn, &r->deferrers[i], i + 1);
	}

	for (end = jiffies + RUN_JIFFIES; time_before(jiffies, end); )
		msleep(20);
	WRITE_ONCE(r->stop, true);
	while (n)
		kthread_stop(tasks[--n]);

	/* The owner has left and entered since the last accepted bit. */
	local_irq_disable();
	leave(r);
	enter(r);
	local_irq_enable();

	for (i = 0; i < DEFERRERS; i++) {
		struct deferrer *d = &r->deferrers[i];

		KUNIT_EXPECT_EQ(test, d->lost, 0);
		KUNIT_EXPECT_EQ(test, d->late_ran, d->accepted);
		KUNIT_EXPECT_GT(test, d->accepted, 0);
		coalesced += d->coalesced;
	}
	kunit_info(test, "%lu round trips, %lu pins, %lu coalesced\n",
		   r->trips, r->pins, coalesced);
	KUNIT_EXPECT_GT(test, r->trips, 0);
	KUNIT_EXPECT_GT(test, coalesced, 0);
	KUNIT_EXPECT_GT(test, r->pins, 0);
	KUNIT_EXPECT_EQ(test, r->intrusions, 0);
	KUNIT_EXPECT_EQ(test, atomic_long_read(&r->w) &
			(CPUWORD_WORK_MASK | CPUWORD_PIN | CT_STATE_MASK), 0);
}

static struct kunit_case smp_cases[] = {
	KUNIT_CASE_SLOW(nothing_lost_and_nothing_twice),
	{}
};

static struct kunit_suite smp_suite = {
	.name = "cpuword_smp",
	.test_cases = smp_cases,
};

kunit_test_suite(smp_suite);
