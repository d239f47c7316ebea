// SPDX-License-Identifier: GPL-2.0
/*
 * Addresses of vmalloc, and page tables, that are held back until every CPU has
 * flushed.
 *
 * To see that nothing was broadcast, a test takes the bit out of the word of a
 * CPU in user mode, so that its entry does not flush, and has it access the
 * address: then the translation is still there.
 */
#include <kunit/test.h>
#include <linux/completion.h>
#include <linux/cpu.h>
#include <linux/cpuword_quarantine.h>
#include <linux/io.h>
#include <linux/mm.h>
#include <linux/smp.h>
#include <linux/tick.h>
#include <linux/uaccess.h>
#include <linux/vmalloc.h>

#include <trace/events/vmalloc.h>

#include "arch.h"
#include "usermode.h"

/* More than HELD_MAX_PURGES and HELD_MAX_AREAS in mm/vmalloc.c. */
#define MANY_PURGES	40
#define MANY_AREAS	50000
#define WAIT_JIFFIES	(20 * HZ)

/* A page of vmalloc space that a CPU in user mode has a translation of. */
struct vrange {
	struct cpuword_user	*user;
	struct page		*page;
	struct vm_struct	*area;
	unsigned long		start, end;
	u64			interrupts;
};

/*
 * Not from where vmalloc() and get_vm_area() allocate: it would be of this CPU's
 * vmap node, and freed to a pool.
 */
static struct vm_struct *area_get(unsigned long size)
{
	return __get_vm_area_caller(size, VM_MAP, VMALLOC_START + PAGE_SIZE,
				    VMALLOC_END, __builtin_return_address(0));
}

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

/* An entry into the kernel.  Does the CPU still have the translation? */
static bool range_is_seen(struct kunit *test, struct vrange *r)
{
	struct look l = { .addr = r->start };

	KUNIT_ASSERT_EQ(test, smp_call_function_single(r->user->cpu, look, &l, 1), 0);
	cpuword_user_wait_spinning(test, r->user);

	return l.seen;
}

/* Maps the page, and has the CPU in user mode get the translation. */
static void range_map(struct kunit *test, struct vrange *r)
{
	r->area = area_get(PAGE_SIZE);
	KUNIT_ASSERT_NOT_NULL(test, r->area);
	r->start = (unsigned long)r->area->addr;
	r->end = r->start + PAGE_SIZE;
	KUNIT_ASSERT_EQ(test, vmap_page_range(r->start, r->end, page_to_phys(r->page),
					      PAGE_KERNEL), 0);
	KUNIT_ASSERT_TRUE(test, range_is_seen(test, r));
}

static struct vrange *range_open(struct kunit *test)
{
	struct vrange *r;

	if (!IS_ENABLED(CONFIG_HAVE_CPUWORD_TLBI) && !IS_ENABLED(CONFIG_CPUWORD_DEBUG))
		kunit_skip(test, "needs CPUWORD_DEBUG");
	if (IS_ENABLED(CONFIG_HAVE_CPUWORD_TLBI) && !cpuword_tlbi_deferred())
		kunit_skip(test, "boot with cpuword.tlbi=deferred");

	r = kunit_kzalloc(test, sizeof(*r), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, r);
	r->page = alloc_page(GFP_KERNEL | __GFP_ZERO);
	KUNIT_ASSERT_NOT_NULL(test, r->page);
	KUNIT_ASSERT_EQ(test, kunit_add_action_or_reset(test, range_free_page, r->page), 0);
	r->user = cpuword_user_start(test, cpuword_user_cpu(test));
	cpuword_user_quiet(r->user);
	range_map(test, r);
	r->interrupts = cpuword_user_interrupts(r->user);

	return r;
}

/* Where all CPUs can be reached without an interrupt. */
static struct vrange *range_open_broadcast(struct kunit *test)
{
	if (!IS_ENABLED(CONFIG_HAVE_CPUWORD_TLBI))
		kunit_skip(test, "a flush is no broadcast here");

	return range_open(test);
}

/* Everything has been flushed on every CPU. */
static void range_expect_flushed(struct kunit *test, struct vrange *r)
{
	/* Without an IPI the hook does not run, and the CPU still owes the work. */
	if (!arch_strict_flush_interrupts()) {
		KUNIT_EXPECT_EQ(test, cpuword_user_interrupts(r->user), r->interrupts);
		atomic_long_andnot(CPUWORD_TLB, cpuword_of(r->user->cpu));
	} else {
		KUNIT_EXPECT_GT(test, cpuword_user_interrupts(r->user), r->interrupts);
	}
	KUNIT_EXPECT_FALSE_MSG(test, range_is_seen(test, r), "not flushed");
}

/* A task on another isolated CPU. */
static struct cpuword_watched watch_other(struct kunit *test, struct vrange *r)
{
	struct cpuword_watched w;
	int cpu;

	for_each_online_cpu(cpu) {
		if (cpu != r->user->cpu && tick_nohz_full_cpu(cpu)) {
			w.user = cpuword_user_start(test, cpu);
			w.interrupts = cpuword_user_quiet(w.user);
			return w;
		}
	}
	kunit_skip(test, "a single isolated CPU");
}

/* Freed lazily: unmapped, and not flushed. */
static void range_unmap(struct vrange *r)
{
	free_vm_area(r->area);
}

static bool range_owes_flush(struct vrange *r)
{
	return cpuword_user_work(r->user) & CPUWORD_TLB;
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
	bool			released;	/* one of them did */
	unsigned long		start;
	int			failed;		/* times that @start was not free */
};

static void watch_purge(void *data, unsigned long start, unsigned long end,
			unsigned int npurged)
{
	struct watch *watch = data;

	watch->everything = !start && end == ULONG_MAX;
	if (watch->everything)
		WRITE_ONCE(watch->released, true);
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

/* As much is not purged yet. */
static unsigned long lazy_max(void)
{
	return fls(num_online_cpus()) * SZ_32M;
}

/*
 * Free so much that the background purge runs, and wait for it.  The areas are
 * of one vmap node after the other, since those change every 16 pages, of which
 * one is a guard; so that a purge of many has work for several CPUs.
 */
static void purge(struct kunit *test, struct watch *watch)
{
	struct vm_struct *area = area_get(lazy_max() + 15 * PAGE_SIZE);

	KUNIT_ASSERT_NOT_NULL(test, area);
	reinit_completion(&watch->purged);
	free_vm_area(area);
	KUNIT_ASSERT_NE(test, wait_for_completion_timeout(&watch->purged, WAIT_JIFFIES), 0);
}

/* The same, by areas as small as can be.  Returns how many. */
static unsigned int purge_small(struct kunit *test, struct watch *watch)
{
	unsigned int i, n = lazy_max() / (2 * PAGE_SIZE) + 1;

	reinit_completion(&watch->purged);
	for (i = 0; i < n; i++) {
		struct vm_struct *area = area_get(PAGE_SIZE);

		KUNIT_ASSERT_NOT_NULL(test, area);
		free_vm_area(area);
		cond_resched();
	}
	KUNIT_ASSERT_NE(test, wait_for_completion_timeout(&watch->purged, WAIT_JIFFIES), 0);

	return n;
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

static void without_the_option_nothing_is_held(struct kunit *test)
{
	struct cpuword_user *user;

	if (cpuword_quarantine_holds())
		kunit_skip(test, "addresses are held");

	user = cpuword_user_start(test, cpuword_user_cpu(test));
	KUNIT_EXPECT_EQ(test, cpuword_quarantine_flush(VMALLOC_START,
						       VMALLOC_START + PAGE_SIZE), 0);
	if (IS_ENABLED(CONFIG_HAVE_CPUWORD_TLBI))
		KUNIT_EXPECT_EQ(test, cpuword_user_work(user) & CPUWORD_TLB, 0);
}

static void generation_is_clean_after_the_entry(struct kunit *test)
{
	struct vrange *r = range_open(test);
	u64 gen = range_flush(r);

	KUNIT_ASSERT_NE(test, gen, 0);
	KUNIT_EXPECT_TRUE(test, range_owes_flush(r));
	KUNIT_EXPECT_FALSE(test, cpuword_quarantine_clean(gen));
	KUNIT_EXPECT_EQ(test, cpuword_user_interrupts(r->user), r->interrupts);

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
	struct cpuword_watched other = watch_other(test, r);
	u64 first, second;

	first = range_flush(r);
	cpuword_user_syscall(test, r->user);
	KUNIT_EXPECT_FALSE(test, cpuword_quarantine_clean(first));
	second = range_flush(r);
	KUNIT_EXPECT_FALSE(test, cpuword_quarantine_clean(first));
	KUNIT_EXPECT_EQ(test, cpuword_user_interrupts(other.user), other.interrupts);
	cpuword_user_syscall(test, other.user);
	KUNIT_EXPECT_TRUE(test, cpuword_quarantine_clean(first));
	KUNIT_EXPECT_FALSE(test, cpuword_quarantine_clean(second));
	range_unmap(r);
}

/*
 * A broadcast of another caller may come in between, but not each time: when a
 * task ends, its ASID is flushed, and QEMU flushes everything then.
 */
#define BROADCASTS_OF_OTHERS	2

static void nothing_is_broadcast_and_the_entry_flushes(struct kunit *test)
{
	struct vrange *r = range_open_broadcast(test);
	bool stale;
	int i;

	for (i = 0; ; i++) {
		range_unmap(r);
		KUNIT_ASSERT_NE(test, range_flush(r), 0);
		range_drop_work(r);
		stale = range_is_seen(test, r);
		if (stale || i == BROADCASTS_OF_OTHERS)
			break;
		range_map(test, r);
	}
	KUNIT_EXPECT_TRUE_MSG(test, stale, "a broadcast");

	KUNIT_ASSERT_NE(test, range_flush(r), 0);
	KUNIT_EXPECT_FALSE_MSG(test, range_is_seen(test, r), "the entry did not flush");
}

/* In a system call; without interrupts as long as something stale is at stake. */
struct held_look {
	struct look	mapped, unmapped, flushed;
	int		stage;
};

static void held_wait(struct held_look *h, int stage)
{
	unsigned long end = jiffies + WAIT_JIFFIES;

	/* Pairs with held_go_on(), on either side. */
	while (smp_load_acquire(&h->stage) != stage && time_before(jiffies, end))
		cpu_relax();
}

static void held_go_on(struct held_look *h, int stage)
{
	/* Pairs with held_wait(). */
	smp_store_release(&h->stage, stage);
}

static void held_syscall(struct cpuword_user *user)
{
	struct held_look *h = user->data;

	local_irq_disable();
	look(&h->mapped);
	held_go_on(h, 1);
	held_wait(h, 2);
	look(&h->unmapped);
	local_irq_enable();
	held_go_on(h, 3);
	held_wait(h, 4);
	look(&h->flushed);
}

static void cpu_in_the_kernel_flushes_at_once(struct kunit *test)
{
	struct vrange *r = range_open(test);
	struct cpuword_user *other = watch_other(test, r).user;
	struct held_look h = {
		.mapped.addr = r->start,
		.unmapped.addr = r->start,
		.flushed.addr = r->start,
	};
	unsigned long command;
	u64 gen;

	other->syscall = held_syscall;
	other->data = &h;
	command = cpuword_user_command(other);
	held_wait(&h, 1);
	range_unmap(r);
	held_go_on(&h, 2);
	held_wait(&h, 3);
	gen = range_flush(r);
	held_go_on(&h, 4);
	cpuword_user_wait_done(test, other, command);

	KUNIT_EXPECT_NE(test, gen, 0);
	KUNIT_EXPECT_TRUE(test, h.mapped.seen);
	KUNIT_EXPECT_TRUE_MSG(test, h.unmapped.seen, "nothing stale to begin with");
	KUNIT_EXPECT_FALSE(test, h.flushed.seen);
}

/* The CPU that asks for it is in the kernel, too. */
static void flush_is_done_here_on_return(struct kunit *test)
{
	struct vrange *r = range_open(test);
	struct look l = { .addr = r->start };

	migrate_disable();
	look(&l);
	KUNIT_EXPECT_TRUE(test, l.seen);
	range_unmap(r);
	KUNIT_EXPECT_NE(test, range_flush(r), 0);
	look(&l);
	migrate_enable();
	KUNIT_EXPECT_FALSE(test, l.seen);
}

static void nobody_in_user_mode_means_a_broadcast(struct kunit *test)
{
	struct vrange *r = range_open_broadcast(test);

	kunit_release_action(test, cpuword_user_stop, r->user);
	KUNIT_EXPECT_EQ(test, range_flush(r), 0);
	range_unmap(r);
}

/* A CPU that comes up could have the translation, and gets no IPI yet. */
static void cpu_hotplug_means_a_broadcast(struct kunit *test)
{
	struct vrange *r = range_open_broadcast(test);
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
	KUNIT_EXPECT_EQ(test, cpuword_user_interrupts(r->user), r->interrupts);

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
	range_expect_flushed(test, r);
}

static void strict_caller_releases_what_is_held(struct kunit *test)
{
	struct vrange *r = range_open(test);
	struct watch *watch = watch_begin(test);

	range_unmap(r);
	purge(test, watch);
	vm_unmap_aliases();
	KUNIT_EXPECT_TRUE(test, watch->everything);
	range_expect_flushed(test, r);
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
	range_expect_flushed(test, r);
	KUNIT_EXPECT_TRUE(test, range_can_be_had(test, r, watch));

	/* And it starts over. */
	purge(test, watch);
	KUNIT_EXPECT_FALSE(test, watch->everything);
}

/* So small that their address space would not be too much. */
static void too_many_held_cost_a_broadcast(struct kunit *test)
{
	struct vrange *r = range_open(test);
	struct watch *watch = watch_begin(test);
	unsigned int n = 0;

	range_unmap(r);
	purge(test, watch);
	KUNIT_ASSERT_FALSE(test, watch->everything);
	while (n < MANY_AREAS && !watch->everything)
		n += purge_small(test, watch);
	KUNIT_EXPECT_TRUE(test, watch->everything);
	range_expect_flushed(test, r);
}

static void memory_pressure_releases_what_is_held(struct kunit *test)
{
	struct vrange *r = range_open(test);
	struct watch *watch = watch_begin(test);

	range_unmap(r);
	purge(test, watch);
	KUNIT_ASSERT_FALSE(test, watch->everything);
	reinit_completion(&watch->purged);
	watch->released = false;
	drop_slab();
	/* Other areas that it frees are purged as well, before or after. */
	while (!READ_ONCE(watch->released))
		KUNIT_ASSERT_NE(test, wait_for_completion_timeout(&watch->purged,
								  WAIT_JIFFIES), 0);
	KUNIT_EXPECT_TRUE(test, range_can_be_had(test, r, watch));

	/* And it starts over, once the last release that was asked for is done. */
	purge(test, watch);
	purge(test, watch);
	KUNIT_EXPECT_FALSE(test, watch->everything);
}

/* --- Strict purges --- */

/* A CPU that is flushed, but not made to enter the kernel, goes on owing it. */
static void strict_purge_flushes_once_what_was_deferred(struct kunit *test)
{
	struct cpuword_user *user;
	struct watch *watch;
	int i;

	if (IS_ENABLED(CONFIG_HAVE_CPUWORD_TLBI) && !cpuword_tlbi_deferred())
		kunit_skip(test, "boot with cpuword.tlbi=deferred");
	if (IS_ENABLED(CONFIG_KASAN_VMALLOC) &&
	    !IS_ENABLED(CONFIG_HAVE_CPUWORD_TLBI))
		kunit_skip(test, "KASAN sends IPIs to flush the shadow of what is purged");

	user = cpuword_user_start(test, cpuword_user_cpu(test));
	cpuword_user_quiet(user);
	watch = watch_begin(test);
	/* Of huge leaves that others have unmapped before: may be strict. */
	purge(test, watch);
	for (i = 0; i < 2; i++) {
		purge(test, watch);
		KUNIT_EXPECT_TRUE(test, cpuword_user_work(user) & CPUWORD_TLB);
		vm_unmap_aliases();
		KUNIT_EXPECT_TRUE(test, watch->everything);
		if (IS_ENABLED(CONFIG_HAVE_CPUWORD_TLBI))
			KUNIT_EXPECT_TRUE(test, cpuword_user_work(user) & CPUWORD_TLB);
		vm_unmap_aliases();
		KUNIT_EXPECT_FALSE(test, watch->everything);
	}
}

/* --- Page tables --- */

/* Pages that this test has a reference of, beside the quarantine's. */
struct tables {
	struct list_head	list;
	unsigned int		nr;
	struct page		*pages[];
};

static void tables_put(void *data)
{
	struct tables *t = data;

	while (t->nr)
		put_page(t->pages[--t->nr]);
}

static struct tables *tables_alloc(struct kunit *test, unsigned int nr)
{
	struct tables *t;

	if (!IS_ENABLED(CONFIG_CPUWORD_DEFER_TABLES))
		kunit_skip(test, "needs CPUWORD_DEFER_TABLES");

	t = kunit_kzalloc(test, struct_size(t, pages, nr), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, t);
	INIT_LIST_HEAD(&t->list);
	KUNIT_ASSERT_EQ(test, kunit_add_action_or_reset(test, tables_put, t), 0);
	while (t->nr < nr) {
		struct page *page = alloc_page(GFP_KERNEL);

		KUNIT_ASSERT_NOT_NULL(test, page);
		get_page(page);
		list_add_tail(&page->lru, &t->list);
		t->pages[t->nr++] = page;
	}

	return t;
}

static unsigned int tables_held(struct tables *t)
{
	unsigned int i, held = 0;

	for (i = 0; i < t->nr; i++)
		held += page_count(t->pages[i]) > 1;

	return held;
}

static void tables_flush(struct list_head *list)
{
#ifdef CONFIG_CPUWORD_DEFER_TABLES
	cpuword_quarantine_tables(VMALLOC_START, VMALLOC_START + PAGE_SIZE, list);
#endif
}

static void tables_are_held_until_the_entry(struct kunit *test)
{
	struct tables *first = tables_alloc(test, 3), *second = tables_alloc(test, 1);
	struct cpuword_watched w = cpuword_watch(test);

	tables_flush(&first->list);
	KUNIT_EXPECT_TRUE(test, list_empty(&first->list));
	KUNIT_EXPECT_EQ(test, tables_held(first), 3);
	cpuword_expect_deferred(test, &w, CPUWORD_TLB);

	tables_flush(&second->list);
	KUNIT_EXPECT_EQ(test, tables_held(first), 0);
	KUNIT_EXPECT_EQ(test, tables_held(second), 1);
	cpuword_expect_deferred(test, &w, CPUWORD_TLB);
}

static void too_many_tables_cost_an_ipi(struct kunit *test)
{
	struct tables *few = tables_alloc(test, 1);
	struct tables *many = tables_alloc(test, CPUWORD_QUARANTINE_TABLES);
	struct cpuword_watched w = cpuword_watch(test);

	tables_flush(&few->list);
	KUNIT_EXPECT_EQ(test, cpuword_user_interrupts(w.user), w.interrupts);
	KUNIT_EXPECT_EQ(test, tables_held(few), 1);
	tables_flush(&many->list);
	cpuword_expect_sent(test, &w);
	KUNIT_EXPECT_EQ(test, tables_held(few), 0);
	KUNIT_EXPECT_EQ(test, tables_held(many), 0);
}

static void reclaim_frees_tables_that_are_clean(struct kunit *test)
{
	struct tables *t = tables_alloc(test, 3);
	struct cpuword_watched w = cpuword_watch(test);

	tables_flush(&t->list);
	drop_slab();
	KUNIT_EXPECT_EQ(test, tables_held(t), 3);
	KUNIT_EXPECT_EQ(test, cpuword_user_work(w.user), CPUWORD_TLB);

	cpuword_user_syscall(test, w.user);
	drop_slab();
	KUNIT_EXPECT_EQ(test, tables_held(t), 0);
}

static void tables_are_freed_at_once_if_no_cpu_defers(struct kunit *test)
{
	struct tables *t = tables_alloc(test, 2);

	tables_flush(&t->list);
	KUNIT_EXPECT_EQ(test, tables_held(t), 0);
}

static struct kunit_case quarantine_cases[] = {
	KUNIT_CASE_SLOW(without_the_option_nothing_is_held),
	KUNIT_CASE_SLOW(generation_is_clean_after_the_entry),
	KUNIT_CASE_SLOW(later_generation_does_not_soil_an_earlier_one),
	KUNIT_CASE_SLOW(cpus_may_take_turns),
	KUNIT_CASE_SLOW(nothing_is_broadcast_and_the_entry_flushes),
	KUNIT_CASE_SLOW(cpu_in_the_kernel_flushes_at_once),
	KUNIT_CASE_SLOW(flush_is_done_here_on_return),
	KUNIT_CASE_SLOW(nobody_in_user_mode_means_a_broadcast),
	KUNIT_CASE_SLOW(cpu_hotplug_means_a_broadcast),
	KUNIT_CASE_SLOW(purged_range_is_held_until_the_entry),
	KUNIT_CASE_SLOW(held_range_costs_a_broadcast),
	KUNIT_CASE_SLOW(strict_caller_releases_what_is_held),
	KUNIT_CASE_SLOW(held_pages_are_not_lazy_ones),
	KUNIT_CASE_SLOW(too_much_held_costs_a_broadcast),
	KUNIT_CASE_SLOW(too_many_held_cost_a_broadcast),
	KUNIT_CASE_SLOW(memory_pressure_releases_what_is_held),
	KUNIT_CASE_SLOW(strict_purge_flushes_once_what_was_deferred),
	KUNIT_CASE_SLOW(tables_are_held_until_the_entry),
	KUNIT_CASE_SLOW(too_many_tables_cost_an_ipi),
	KUNIT_CASE_SLOW(reclaim_frees_tables_that_are_clean),
	KUNIT_CASE(tables_are_freed_at_once_if_no_cpu_defers),
	{}
};

static struct kunit_suite quarantine_suite = {
	.name = "cpuword_quarantine",
	.test_cases = quarantine_cases,
};

kunit_test_suite(quarantine_suite);
