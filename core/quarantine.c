// SPDX-License-Identifier: GPL-2.0
/*
 * Memory and addresses that may not be used again before every CPU has flushed
 * its TLB.  Some CPUs flush only at their next entry.
 *
 * - Addresses, where the flush is a hardware broadcast (HAVE_CPUWORD_TLBI).  It
 *   needs no IPI, but every CPU takes part in it.  Instead, CPUs in user mode
 *   flush when they enter, and the others by IPI, each its own TLB.  No two
 *   translations of an address may be in use at once.
 *
 * - Addresses, with CPUWORD_DEBUG: a use of a stale one faults.
 *
 * - Page tables, with CPUWORD_DEFER_TABLES: a CPU that has yet to flush may
 *   still walk the page.
 *
 * A deferred flush is a generation.  A CPU is clean up to a generation once it
 * has flushed after the unmapping of that generation:
 *
 * - It got an IPI, or a remote fence by the firmware: it flushed before
 *   cpuword_quarantine_flush() returned.
 *
 * - Or its CPUWORD_TLB was set, or seen set, in user mode, after the unmapping
 *   and smp_mb().  Only the CPU clears the bit, at its entry, after it has
 *   flushed.  The RMW of that entry read the write that set the bit, or wrote
 *   the word after the bit was seen; and arch_cpuword_flush_tlb_kernel() orders
 *   the RMW's write before the flush, and before the walks that follow.  So
 *   both come after the unmapping.  A CPU that finds the bit clear later knows
 *   that the flush is complete, by the contract of the hook as well.
 *
 * So a clear bit means clean up to every generation that was issued before the
 * bit was read.  This is recorded, since the next generation may set the bit
 * again.  Nothing is added to the entry hook.
 *
 * Where the flush is a broadcast, CPUs may not share TLB entries: a CPU that
 * has flushed would get the entry back from a CPU that has not.
 */
#define pr_fmt(fmt) "cpuword: " fmt

#include <linux/context_tracking_state.h>
#include <linux/cpu.h>
#include <linux/cpuword_quarantine.h>
#include <linux/dcache.h>
#include <linux/debugfs.h>
#include <linux/init.h>
#include <linux/list.h>
#include <linux/mm.h>
#include <linux/mutex.h>
#include <linux/percpu.h>
#include <linux/seq_file.h>
#include <linux/shrinker.h>

#include <asm/barrier.h>
#include <asm/cpuword.h>
#include <asm/tlbflush.h>

#include "param.h"

/* The last generation; each CPU is clean up to its own. */
static u64 quarantine_gen;
static DEFINE_PER_CPU(u64, quarantine_clean_gen);

/* Page tables that are held, oldest first; page_private() is the generation. */
static LIST_HEAD(quarantine_tables);
static unsigned int quarantine_nr_tables;

/* Protects the above, for writing, and what follows. */
static DEFINE_MUTEX(quarantine_lock);
static struct cpumask quarantine_cpus;
static unsigned long quarantine_ipis, quarantine_broadcasts;

static bool tlbi_deferred __ro_after_init;

#ifdef CONFIG_HAVE_CPUWORD_TLBI
static int __init cpuword_tlbi_set(char *val)
{
	int deferred = cpuword_param("tlbi", val, "broadcast", "deferred");

	if (deferred < 0)
		return deferred;
	tlbi_deferred = deferred;
	return 0;
}
early_param("cpuword.tlbi", cpuword_tlbi_set);
#endif

/**
 * cpuword_tlbi_deferred - may TLB flushes be deferred that are broadcasts?
 *
 * Context: any, once early parameters have been parsed.
 * Return: true with cpuword.tlbi=deferred.  CPUs may not share TLB entries then.
 */
bool cpuword_tlbi_deferred(void)
{
	return tlbi_deferred;
}

/**
 * cpuword_quarantine_holds - are addresses put into quarantine?
 *
 * Context: any, once early parameters have been parsed.
 * Return: true if cpuword_quarantine_flush() may return a generation.
 */
bool cpuword_quarantine_holds(void)
{
	return IS_ENABLED(CONFIG_HAVE_CPUWORD_TLBI) ? tlbi_deferred :
						      IS_ENABLED(CONFIG_CPUWORD_DEBUG);
}

static void quarantine_set_clean(int cpu, u64 gen)
{
	/* Pairs with the acquire in cpuword_quarantine_clean(). */
	smp_store_release(per_cpu_ptr(&quarantine_clean_gen, cpu), gen);
}

static void quarantine_flush_local(void *unused)
{
	arch_cpuword_flush_tlb_kernel();
}

static bool quarantine_defer_broadcast(void)
{
	/*
	 * Hardware walks of the page tables see the unmapping, as before a
	 * broadcast.
	 */
	wmb();
	cpumask_copy(&quarantine_cpus, cpu_online_mask);
	cpuword_defer_mask(&quarantine_cpus, CPUWORD_TLB);
	/* No CPU is in user mode: IPIs would be no better than the broadcast. */
	if (cpumask_equal(&quarantine_cpus, cpu_online_mask))
		return false;

	on_each_cpu_mask(&quarantine_cpus, quarantine_flush_local, NULL, true);
	quarantine_ipis += cpumask_weight(&quarantine_cpus) - 1;

	return true;
}

/* Begin a generation.  False if nothing has been flushed or deferred. */
static bool quarantine_defer(unsigned long start, unsigned long end)
{
	bool deferred = false;
	int cpu;

	lockdep_assert_held(&quarantine_lock);

	/* Bits that are clear now may be set below.  Other CPUs never owe. */
	for_each_possible_cpu(cpu) {
		if (context_tracking_enabled_cpu(cpu) && !cpuword_owes(cpu, CPUWORD_TLB))
			quarantine_set_clean(cpu, quarantine_gen);
	}

	if (!IS_ENABLED(CONFIG_HAVE_CPUWORD_TLBI)) {
		flush_tlb_kernel_range_deferrable(start, end);
		deferred = true;
	} else if (cpus_read_trylock()) {
		/*
		 * A CPU that comes up uses the page tables before it is online
		 * and can get an IPI.  Only try: the caller may be the one that
		 * brings it up.
		 */
		deferred = quarantine_defer_broadcast();
		cpus_read_unlock();
	}
	quarantine_gen += deferred;

	return deferred;
}

/**
 * cpuword_quarantine_flush - flush a range that is not used again until clean
 * @start: the first address
 * @end: the one after the last
 *
 * For leaves that were unmapped.  If this returns a generation the range may
 * not be mapped again, nor may its page tables be freed, until
 * cpuword_quarantine_clean() or flush_tlb_kernel_range() has returned.
 *
 * Context: process, may sleep.
 * Return: the generation for cpuword_quarantine_clean(), or 0 if the range may
 * be used again as after flush_tlb_kernel_range_deferrable().
 */
u64 cpuword_quarantine_flush(unsigned long start, unsigned long end)
{
	u64 gen = 0;

	if (cpuword_quarantine_holds()) {
		mutex_lock(&quarantine_lock);
		if (quarantine_defer(start, end))
			gen = quarantine_gen;
		quarantine_broadcasts += !gen;
		mutex_unlock(&quarantine_lock);
	}
	if (!gen)
		flush_tlb_kernel_range_deferrable(start, end);

	return gen;
}

/**
 * cpuword_quarantine_clean - has every CPU flushed?
 * @gen: the generation that cpuword_quarantine_flush() returned
 *
 * Context: any.
 * Return: true if no CPU has a translation of the range any more.
 */
bool cpuword_quarantine_clean(u64 gen)
{
	int cpu;

	for_each_possible_cpu(cpu) {
		/* Pairs with the release in quarantine_set_clean(). */
		if (smp_load_acquire(per_cpu_ptr(&quarantine_clean_gen, cpu)) < gen &&
		    cpuword_owes(cpu, CPUWORD_TLB))
			return false;
	}

	return true;
}

#ifdef CONFIG_CPUWORD_DEFER_TABLES
static void quarantine_free_clean_tables(void)
{
	struct page *page, *next;

	list_for_each_entry_safe(page, next, &quarantine_tables, lru) {
		if (!cpuword_quarantine_clean(page_private(page)))
			break;
		list_del(&page->lru);
		set_page_private(page, 0);
		pagetable_free(page_ptdesc(page));
		WRITE_ONCE(quarantine_nr_tables, quarantine_nr_tables - 1);
	}
}

/**
 * cpuword_quarantine_tables - flush, and free page tables when all CPUs have
 * @start: the first address
 * @end: the one after the last
 * @tables: pages that were page tables of the range, linked by their ->lru;
 *	empty on return
 *
 * The range may be mapped again at once, by leaves of another size, so no CPU
 * may be able to cache any translation of it before its entry hook.
 *
 * Pages stay until a later call, or reclaim, finds that they are clean.  If
 * more than CPUWORD_QUARANTINE_TABLES stay, every CPU gets an IPI.  Reclaim
 * sends none: fewer pages are not worth it.
 *
 * Context: process, may sleep.
 */
void cpuword_quarantine_tables(unsigned long start, unsigned long end,
			       struct list_head *tables)
{
	struct page *page;
	int cpu;

	mutex_lock(&quarantine_lock);
	quarantine_defer(start, end);
	list_for_each_entry(page, tables, lru) {
		set_page_private(page, quarantine_gen);
		WRITE_ONCE(quarantine_nr_tables, quarantine_nr_tables + 1);
	}
	list_splice_tail_init(tables, &quarantine_tables);

	quarantine_free_clean_tables();
	if (quarantine_nr_tables > CPUWORD_QUARANTINE_TABLES) {
		/*
		 * A CPU that owes a flush, of other ranges too, does it when
		 * the IPI enters the kernel.  A remote fence by firmware does
		 * not enter it.
		 */
		flush_tlb_kernel_range(start, end);
		for_each_possible_cpu(cpu)
			quarantine_set_clean(cpu, quarantine_gen);
		quarantine_free_clean_tables();
	}
	mutex_unlock(&quarantine_lock);
}

static unsigned long quarantine_tables_count(struct shrinker *shrink,
					     struct shrink_control *sc)
{
	return READ_ONCE(quarantine_nr_tables) ?: SHRINK_EMPTY;
}

static unsigned long quarantine_tables_scan(struct shrinker *shrink,
					    struct shrink_control *sc)
{
	unsigned int before;

	if (!mutex_trylock(&quarantine_lock))
		return SHRINK_STOP;
	before = quarantine_nr_tables;
	quarantine_free_clean_tables();
	before -= quarantine_nr_tables;
	mutex_unlock(&quarantine_lock);

	/* The tables that stay are not clean: do not ask again. */
	return before ?: SHRINK_STOP;
}

static int __init quarantine_tables_init(void)
{
	struct shrinker *shrinker;

	if (!cpuword_holds_tables())
		return 0;
	shrinker = shrinker_alloc(0, "cpuword-tables");
	if (!shrinker)
		return -ENOMEM;
	shrinker->count_objects = quarantine_tables_count;
	shrinker->scan_objects = quarantine_tables_scan;
	shrinker_register(shrinker);

	return 0;
}
late_initcall(quarantine_tables_init);
#endif

static int cpuword_quarantine_show(struct seq_file *m, void *unused)
{
	u64 clean;
	int cpu;

	mutex_lock(&quarantine_lock);
	clean = quarantine_gen;
	for_each_possible_cpu(cpu) {
		if (cpuword_owes(cpu, CPUWORD_TLB))
			clean = min(clean, per_cpu(quarantine_clean_gen, cpu));
	}
	seq_printf(m, "generation %llu\n", quarantine_gen);
	seq_printf(m, "clean %llu\n", clean);
	if (IS_ENABLED(CONFIG_CPUWORD_DEFER_TABLES))
		seq_printf(m, "tables %u\n", quarantine_nr_tables);
	if (IS_ENABLED(CONFIG_HAVE_CPUWORD_TLBI)) {
		seq_printf(m, "tlbi %s\n", tlbi_deferred ? "deferred" : "broadcast");
		seq_printf(m, "ipis %lu\n", quarantine_ipis);
		seq_printf(m, "broadcasts %lu\n", quarantine_broadcasts);
	}
	mutex_unlock(&quarantine_lock);

	return 0;
}
DEFINE_SHOW_ATTRIBUTE(cpuword_quarantine);

static int __init cpuword_quarantine_init(void)
{
	struct dentry *dir = debugfs_lookup("cpuword", NULL);

	/* Implicit work sets no bit, so nothing would tell when it is done. */
	BUILD_BUG_ON(arch_cpuword_implicit(CT_STATE_USER) & CPUWORD_TLB);

	debugfs_create_file("quarantine", 0444, dir, NULL, &cpuword_quarantine_fops);
	dput(dir);
	return 0;
}
late_initcall(cpuword_quarantine_init);
