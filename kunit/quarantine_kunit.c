// SPDX-License-Identifier: GPL-2.0
/*
 * A broadcast TLB flush that is deferred, and what vmalloc holds back for it.
 *
 * To see that nothing was broadcast, a test takes the bit out of the word of a
 * CPU in user mode, so that its entry does not flush, and has it look: then the
 * translation is still there.
 */
#include <kunit/test.h>
#include <linux/completion.h>
#include <linux/cpu.h>
#include <linux/cpuword_quarantine.h>
#include <linux/delay.h>
#include <linux/kernel_stat.h>
#include <linux/mm.h>
#include <linux/smp.h>
#include <linux/tick.h>
#include <linux/uaccess.h>
#include <linux/vmalloc.h>

#include <trace/events/vmalloc.h>

#include "usermode.h"

/* More than HELD_MAX_PURGES in mm/vmalloc.c. */
#define MANY_PURGES	40
#define WAIT_JIFFIES	(20 * HZ)

/* A page of vmalloc space that a CPU in user mode has a translation of. */
struct vrange {
	struct cpuword_user	*user;
	struct page		*page;
	struct vm_struct	*area;
	unsigned long		start, end;
	u64			interrupts;
};

static void range_free_page(void *page)
{
	__free_page(page);
}

struct look {
	unsigned long	addr;
	bool		seen;
};

static void look(void *data)
{
	struct look *l = data;
	long value;

	l->seen = !copy_from_kernel_nofault(&value, (void *)l->addr, sizeof(value));
}

static bool cpu_sees(struct kunit *test, struct vrange *r, int cpu)
{
	struct look l = { .addr = r->start };

	KUNIT_ASSERT_EQ(test, smp_call_function_single(cpu, look, &l, 1), 0);
	return l.seen;
}

/* An entry into the kernel.  Does the CPU still have the translation? */
static bool range_is_seen(struct kunit *test, struct vrange *r)
{
	bool seen = cpu_sees(test, r, r->user->cpu);

	cpuword_user_wait_spinning(test, r->user);
	return seen;
}

static struct vrange *range_open(struct kunit *test)
{
	struct vrange *r;

	if (!cpuword_tlbi_deferred())
		kunit_skip(test, "boot with cpuword.tlbi=deferred");

	r = kunit_kzalloc(test, sizeof(*r), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, r);
	r->page = alloc_page(GFP_KERNEL | __GFP_ZERO);
	KUNIT_ASSERT_NOT_NULL(test, r->page);
	KUNIT_ASSERT_EQ(test, kunit_add_action_or_reset(test, range_free_page, r->page), 0);
	/* Not from where vmalloc() allocates, or it would be freed to a pool. */
	r->area = __get_vm_area_caller(PAGE_SIZE, VM_MAP, VMALLOC_START + PAGE_SIZE,
				       VMALLOC_END, __builtin_return_address(0));
	KUNIT_ASSERT_NOT_NULL(test, r->area);
	r->start = (unsigned long)r->area->addr;
	r->end = r->start + PAGE_SIZE;
	KUNIT_ASSERT_EQ(test, vmap_page_range(r->start, r->end, page_to_phys(r->page),
					      PAGE_KERNEL), 0);
	r->user = cpuword_user_start(test, cpuword_user_cpu(test));
	/* Let what the start itself has left behind pass. */
	msleep(500);
	KUNIT_ASSERT_TRUE(test, range_is_seen(test, r));
	r->interrupts = kstat_cpu_irqs_sum(r->user->cpu);

	return r;
}

/* Freed lazily: unmapped, and not flushed. */
static void range_unmap(struct vrange *r)
{
	free_vm_area(r->area);
}

static bool range_owes_flush(struct vrange *r)
{
	return atomic_long_read(cpuword_of(r->user->cpu)) & CPUWORD_TLB;
}

static void range_drop_work(struct vrange *r)
{
	atomic_long_andnot(CPUWORD_TLB, cpuword_of(r->user->cpu));
}

static u64 range_flush(struct vrange *r)
{
	return cpuword_quarantine_flush(r->start, r->end);
}

/* --- What vmalloc says of itself --- */

struct watch {
	struct completion	purged;
	bool			everything;	/* the last purge flushed all */
	unsigned long		start;
	int			failed;		/* times that @start was not free */
};

static void watch_purge(void *data, unsigned long start, unsigned long end,
			unsigned int npurged)
{
	struct watch *watch = data;

	watch->everything = !start && end == ULONG_MAX;
	complete(&watch->purged);
}

static void watch_alloc(void *data, unsigned long addr, unsigned long size,
			unsigned long align, unsigned long vstart,
			unsigned long vend, int failed)
{
	struct watch *watch = data;

	if (failed && vstart == watch->start)
		watch->failed++;
}

static void watch_end(void *watch)
{
	unregister_trace_alloc_vmap_area(watch_alloc, watch);
	unregister_trace_purge_vmap_area_lazy(watch_purge, watch);
	tracepoint_synchronize_unregister();
}

static struct watch *watch_begin(struct kunit *test)
{
	struct watch *watch = kunit_kzalloc(test, sizeof(*watch), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, watch);
	init_completion(&watch->purged);
	KUNIT_ASSERT_EQ(test, register_trace_purge_vmap_area_lazy(watch_purge, watch), 0);
	KUNIT_ASSERT_EQ(test, register_trace_alloc_vmap_area(watch_alloc, watch), 0);
	KUNIT_ASSERT_EQ(test, kunit_add_action_or_reset(test, watch_end, watch), 0);

	return watch;
}

/* Free so much that the background purge runs, and wait for it. */
static void purge(struct kunit *test, struct watch *watch)
{
	unsigned long lazy_max = fls(num_online_cpus()) * SZ_32M;
	struct vm_struct *area = get_vm_area(lazy_max, VM_MAP);

	KUNIT_ASSERT_NOT_NULL(test, area);
	reinit_completion(&watch->purged);
	free_vm_area(area);
	KUNIT_ASSERT_NE(test, wait_for_completion_timeout(&watch->purged, WAIT_JIFFIES), 0);
}

/* Is the range free at once?  If not, vmalloc purges until it is. */
static bool range_can_be_had(struct kunit *test, struct vrange *r, struct watch *watch)
{
	struct vm_struct *area;

	watch->start = r->start;
	watch->failed = 0;
	area = __get_vm_area_caller(PAGE_SIZE, VM_MAP, r->start, r->end + PAGE_SIZE,
				    __builtin_return_address(0));
	KUNIT_ASSERT_NOT_NULL(test, area);
	KUNIT_ASSERT_EQ(test, (unsigned long)area->addr, r->start);
	free_vm_area(area);

	return !watch->failed;
}

/* --- Cases --- */

static void without_the_option_all_is_flushed_at_once(struct kunit *test)
{
	struct cpuword_user *user;

	if (cpuword_tlbi_deferred())
		kunit_skip(test, "booted with cpuword.tlbi=deferred");

	user = cpuword_user_start(test, cpuword_user_cpu(test));
	KUNIT_EXPECT_EQ(test, cpuword_quarantine_flush(VMALLOC_START,
						       VMALLOC_START + PAGE_SIZE), 0);
	KUNIT_EXPECT_EQ(test, atomic_long_read(cpuword_of(user->cpu)) & CPUWORD_TLB, 0);
}

static void generation_is_clean_after_the_entry(struct kunit *test)
{
	struct vrange *r = range_open(test);
	u64 gen = range_flush(r);

	KUNIT_ASSERT_NE(test, gen, 0);
	KUNIT_EXPECT_TRUE(test, range_owes_flush(r));
	KUNIT_EXPECT_FALSE(test, cpuword_quarantine_clean(gen));
	KUNIT_EXPECT_EQ(test, kstat_cpu_irqs_sum(r->user->cpu), r->interrupts);

	cpuword_user_syscall(test, r->user);
	KUNIT_EXPECT_TRUE(test, cpuword_quarantine_clean(gen));
	range_unmap(r);
}

static void later_generation_does_not_soil_an_earlier_one(struct kunit *test)
{
	struct vrange *r = range_open(test);
	u64 first, second, third;

	first = range_flush(r);
	second = range_flush(r);
	KUNIT_EXPECT_GT(test, second, first);
	cpuword_user_syscall(test, r->user);
	third = range_flush(r);
	KUNIT_EXPECT_GT(test, third, second);

	KUNIT_EXPECT_TRUE(test, cpuword_quarantine_clean(first));
	KUNIT_EXPECT_TRUE(test, cpuword_quarantine_clean(second));
	KUNIT_EXPECT_FALSE(test, cpuword_quarantine_clean(third));
	range_unmap(r);
}

/* Each enters, but never both at once between two generations. */
static void cpus_may_take_turns(struct kunit *test)
{
	struct vrange *r = range_open(test);
	struct cpuword_user *other;
	u64 first, second;
	int cpu;

	for_each_online_cpu(cpu) {
		if (cpu != r->user->cpu && tick_nohz_full_cpu(cpu))
			break;
	}
	if (cpu >= nr_cpu_ids)
		kunit_skip(test, "a single isolated CPU");
	other = cpuword_user_start(test, cpu);

	first = range_flush(r);
	cpuword_user_syscall(test, r->user);
	KUNIT_EXPECT_FALSE(test, cpuword_quarantine_clean(first));
	second = range_flush(r);
	cpuword_user_syscall(test, other);
	KUNIT_EXPECT_TRUE(test, cpuword_quarantine_clean(first));
	KUNIT_EXPECT_FALSE(test, cpuword_quarantine_clean(second));
	range_unmap(r);
}

static void nothing_is_broadcast_and_the_entry_flushes(struct kunit *test)
{
	struct vrange *r = range_open(test);

	range_unmap(r);
	KUNIT_ASSERT_NE(test, range_flush(r), 0);
	range_drop_work(r);
	KUNIT_EXPECT_TRUE_MSG(test, range_is_seen(test, r), "a broadcast");

	KUNIT_ASSERT_NE(test, range_flush(r), 0);
	KUNIT_EXPECT_FALSE_MSG(test, range_is_seen(test, r), "the entry did not flush");
}

static void cpus_in_the_kernel_flush_at_once(struct kunit *test)
{
	struct vrange *r = range_open(test);
	int here, idle = cpumask_last(cpu_online_mask);

	migrate_disable();
	here = smp_processor_id();
	KUNIT_EXPECT_TRUE(test, cpu_sees(test, r, here));
	KUNIT_EXPECT_TRUE(test, cpu_sees(test, r, idle));
	range_unmap(r);
	KUNIT_EXPECT_TRUE_MSG(test, cpu_sees(test, r, here), "nothing stale");
	KUNIT_EXPECT_TRUE_MSG(test, cpu_sees(test, r, idle), "nothing stale");

	KUNIT_EXPECT_NE(test, range_flush(r), 0);
	KUNIT_EXPECT_FALSE(test, cpu_sees(test, r, here));
	KUNIT_EXPECT_FALSE(test, cpu_sees(test, r, idle));
	migrate_enable();
}

static void nobody_in_user_mode_means_a_broadcast(struct kunit *test)
{
	struct vrange *r = range_open(test);

	kunit_release_action(test, cpuword_user_stop, r->user);
	KUNIT_EXPECT_EQ(test, range_flush(r), 0);
	range_unmap(r);
}

/* A CPU that comes up could have the translation, and gets no IPI yet. */
static void cpu_hotplug_means_a_broadcast(struct kunit *test)
{
	struct vrange *r = range_open(test);
	u64 gen;

	range_unmap(r);
	cpus_write_lock();
	gen = range_flush(r);
	cpus_write_unlock();
	KUNIT_EXPECT_EQ(test, gen, 0);
	KUNIT_EXPECT_FALSE(test, range_is_seen(test, r));
}

static void purged_range_is_held_until_the_entry(struct kunit *test)
{
	struct vrange *r = range_open(test);
	struct watch *watch = watch_begin(test);

	range_unmap(r);
	purge(test, watch);
	KUNIT_EXPECT_FALSE(test, watch->everything);
	KUNIT_EXPECT_TRUE(test, range_owes_flush(r));
	KUNIT_EXPECT_EQ(test, kstat_cpu_irqs_sum(r->user->cpu), r->interrupts);

	KUNIT_EXPECT_FALSE_MSG(test, range_is_seen(test, r), "the entry did not flush");
	purge(test, watch);
	KUNIT_EXPECT_FALSE(test, watch->everything);
	KUNIT_EXPECT_TRUE(test, range_can_be_had(test, r, watch));
}

static void held_range_costs_a_broadcast(struct kunit *test)
{
	struct vrange *r = range_open(test);
	struct watch *watch = watch_begin(test);

	range_unmap(r);
	purge(test, watch);
	/* Again, the first one is not clean: it does not help. */
	purge(test, watch);
	KUNIT_EXPECT_FALSE(test, range_can_be_had(test, r, watch));
	KUNIT_EXPECT_TRUE(test, watch->everything);
	KUNIT_EXPECT_EQ(test, kstat_cpu_irqs_sum(r->user->cpu), r->interrupts);

	range_drop_work(r);
	KUNIT_EXPECT_FALSE_MSG(test, range_is_seen(test, r), "no broadcast");
}

static void strict_caller_releases_what_is_held(struct kunit *test)
{
	struct vrange *r = range_open(test);
	struct watch *watch = watch_begin(test);

	range_unmap(r);
	purge(test, watch);
	vm_unmap_aliases();
	KUNIT_EXPECT_TRUE(test, watch->everything);
	KUNIT_EXPECT_EQ(test, kstat_cpu_irqs_sum(r->user->cpu), r->interrupts);

	range_drop_work(r);
	KUNIT_EXPECT_FALSE_MSG(test, range_is_seen(test, r), "no broadcast");
	KUNIT_EXPECT_TRUE(test, range_can_be_had(test, r, watch));
}

/* A few pages more do not start the purge, neither do they after a release. */
static void held_pages_are_not_lazy_ones(struct kunit *test)
{
	struct vrange *r = range_open(test);
	struct watch *watch = watch_begin(test);
	int i;

	for (i = 0; i < 2; i++) {
		purge(test, watch);
		if (i)
			vm_unmap_aliases();
		reinit_completion(&watch->purged);
		free_vm_area(get_vm_area(PAGE_SIZE, VM_MAP));
		KUNIT_EXPECT_EQ(test, wait_for_completion_timeout(&watch->purged, HZ / 5), 0);
		purge(test, watch);
		vm_unmap_aliases();
	}
	range_unmap(r);
}

static void too_much_held_costs_a_broadcast(struct kunit *test)
{
	struct vrange *r = range_open(test);
	struct watch *watch = watch_begin(test);
	int i;

	range_unmap(r);
	purge(test, watch);
	KUNIT_ASSERT_FALSE(test, watch->everything);
	for (i = 0; i < MANY_PURGES && !watch->everything; i++)
		purge(test, watch);
	KUNIT_EXPECT_TRUE(test, watch->everything);
	KUNIT_EXPECT_EQ(test, kstat_cpu_irqs_sum(r->user->cpu), r->interrupts);

	range_drop_work(r);
	KUNIT_EXPECT_FALSE_MSG(test, range_is_seen(test, r), "no broadcast");
	KUNIT_EXPECT_TRUE(test, range_can_be_had(test, r, watch));

	/* And it starts over. */
	purge(test, watch);
	KUNIT_EXPECT_FALSE(test, watch->everything);
}

static struct kunit_case quarantine_cases[] = {
	KUNIT_CASE(without_the_option_all_is_flushed_at_once),
	KUNIT_CASE_SLOW(generation_is_clean_after_the_entry),
	KUNIT_CASE_SLOW(later_generation_does_not_soil_an_earlier_one),
	KUNIT_CASE_SLOW(cpus_may_take_turns),
	KUNIT_CASE_SLOW(nothing_is_broadcast_and_the_entry_flushes),
	KUNIT_CASE_SLOW(cpus_in_the_kernel_flush_at_once),
	KUNIT_CASE_SLOW(nobody_in_user_mode_means_a_broadcast),
	KUNIT_CASE_SLOW(cpu_hotplug_means_a_broadcast),
	KUNIT_CASE_SLOW(purged_range_is_held_until_the_entry),
	KUNIT_CASE_SLOW(held_range_costs_a_broadcast),
	KUNIT_CASE_SLOW(strict_caller_releases_what_is_held),
	KUNIT_CASE_SLOW(held_pages_are_not_lazy_ones),
	KUNIT_CASE_SLOW(too_much_held_costs_a_broadcast),
	{}
};

static struct kunit_suite quarantine_suite = {
	.name = "cpuword_quarantine",
	.test_cases = quarantine_cases,
};

kunit_test_suite(quarantine_suite);
