// SPDX-License-Identifier: GPL-2.0
/*
 * Torture test for the per-CPU word.
 *
 * Writers change what other CPUs may have an old copy of, a translation or an
 * instruction, leave each CPU the work or send it an IPI, and then publish the
 * generation of the change.  Readers run wherever there is a way into the
 * kernel, and may see nothing there that is older than what is published.
 *
 * Tasks in user mode that enter the kernel come from outside: each read of
 * /dev/cpuword_torture is a reader.
 */
#define pr_fmt(fmt) fmt

#include <linux/context_tracking.h>
#include <linux/cpumask.h>
#include <linux/cpuword.h>
#include <linux/delay.h>
#include <linux/err.h>
#include <linux/fs.h>
#include <linux/jump_label.h>
#include <linux/kthread.h>
#include <linux/miscdevice.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/percpu.h>
#include <linux/random.h>
#include <linux/reboot.h>
#include <linux/rwsem.h>
#include <linux/slab.h>
#include <linux/smp.h>
#include <linux/static_call.h>
#include <linux/torture.h>
#include <linux/uaccess.h>
#include <linux/vmalloc.h>

#include "access.h"

#define TORTURE_TYPE	"cpuword"
#define MAX_REMAPPERS	8
#define MAX_PATCHERS	2
#define MAX_LATERS	CPUWORD_LATE_WIDTH
#define MAX_PINNERS	8
#define MAX_READERS	64

torture_param(int, nlaters, 2, "Number of threads that defer late work");
torture_param(int, npatchers, 2, "Number of threads that patch kernel text");
torture_param(int, npinners, 2, "Number of threads that pin CPUs");
torture_param(int, nreaders, 2, "Number of reader threads, which send IPIs too");
torture_param(int, nremappers, 2, "Number of threads that remap memory");
torture_param(int, onoff_holdoff, 0, "Time after boot before CPU hotplugs (s)");
torture_param(int, onoff_interval, 0, "Time between CPU hotplugs (ms), 0=disable");
torture_param(bool, patch_alone, false, "Patch text only while no reader executes it");
torture_param(int, patch_us, 5000, "Longest time between two patches by a thread (us)");
torture_param(int, shutdown_secs, 0, "Shutdown time (s), 0=disable");
torture_param(int, stat_interval, 15, "Number of seconds between stats printk()s, 0=disable");
torture_param(int, stutter, 5, "Number of seconds to run/halt test, 0=disable");
torture_param(int, verbose, 0, "Enable verbose debugging printk()s");

static const struct {
	const char	*name;
	int		*value;
	int		max;
} limits[] = {
	{ "nlaters", &nlaters, MAX_LATERS },
	{ "npatchers", &npatchers, MAX_PATCHERS },
	{ "npinners", &npinners, MAX_PINNERS },
	{ "nreaders", &nreaders, MAX_READERS },
	{ "nremappers", &nremappers, MAX_REMAPPERS },
	{ "onoff_holdoff", &onoff_holdoff, 3600 },
	{ "onoff_interval", &onoff_interval, 3600 * MSEC_PER_SEC },
	{ "patch_us", &patch_us, USEC_PER_SEC },
	{ "shutdown_secs", &shutdown_secs, INT_MAX },
	{ "stat_interval", &stat_interval, 3600 },
	{ "stutter", &stutter, 3600 },
	{ "verbose", &verbose, 1 },
};

/* --- What has been found wrong, and how much was done --- */

enum failure {
	OLD_PAGE, LOST_PAGE, OLD_TEXT, WORK_PENDING, UNWATCHED,
	LATE_LOST, LATE_TWICE, LATE_CONTEXT, PIN_PASSED, PIN_SHARED, PIN_BACK,
	NR_FAILURES
};

static const char * const failure_names[] = {
	[OLD_PAGE]	= "old-page",
	[LOST_PAGE]	= "lost-page",
	[OLD_TEXT]	= "old-text",
	[WORK_PENDING]	= "work-pending",
	[UNWATCHED]	= "unwatched",
	[LATE_LOST]	= "late-lost",
	[LATE_TWICE]	= "late-twice",
	[LATE_CONTEXT]	= "late-context",
	[PIN_PASSED]	= "pin-passed",
	[PIN_SHARED]	= "pin-shared",
	[PIN_BACK]	= "pin-back",
};

static_assert(ARRAY_SIZE(failure_names) == NR_FAILURES);

static atomic_long_t failures[NR_FAILURES];

/* Says so the first few times. */
static __printf(2, 3) void torture_fail(enum failure failure, const char *fmt, ...)
{
	struct va_format vaf = { .fmt = fmt };
	va_list args;

	if (atomic_long_inc_return(&failures[failure]) > 3)
		return;
	va_start(args, fmt);
	vaf.va = &args;
	pr_alert(TORTURE_TYPE TORTURE_FLAG "!!! %s: CPU %d: %pV\n", failure_names[failure],
		 raw_smp_processor_id(), &vaf);
	va_end(args);
}

/* Ways into the kernel, at the end of which a reader looks. */
enum way { SYSCALL, IPI, NMI, KTHREAD, NR_WAYS };

static const char * const way_names[] = {
	[SYSCALL]	= "syscall",
	[IPI]		= "ipi",
	[NMI]		= "nmi",
	[KTHREAD]	= "kthread",
};

static_assert(ARRAY_SIZE(way_names) == NR_WAYS);

static atomic_long_t looks[NR_WAYS];
static atomic_long_t remaps, remaps_deferred, patches, lates_accepted, lates_run, pins;

/* Counts as long as a task, an IPI or late work runs on a CPU. */
static DEFINE_PER_CPU(unsigned long, steps);

static void step(void)
{
	this_cpu_inc(steps);
}

/* --- Generations --- */

struct generation {
	unsigned long	begun;
	unsigned long	published;
};

static void begin(struct generation *g, unsigned long to)
{
	WRITE_ONCE(g->begun, to);
	/* Pairs with the smp_rmb() in unchanged_since(). */
	smp_wmb();
}

static void publish(struct generation *g)
{
	/* Pairs with the acquire in published(). */
	smp_store_release(&g->published, g->begun);
}

/* A reader calls this first: from here on it may see nothing older. */
static unsigned long published(struct generation *g)
{
	/* Pairs with publish(). */
	return smp_load_acquire(&g->published);
}

/* And this after it has looked: it may have seen nothing newer. */
static unsigned long begun(struct generation *g)
{
	/* Pairs with begin(). */
	smp_rmb();
	return READ_ONCE(g->begun);
}

static bool odd(unsigned long gen)
{
	return gen & 1;
}

/* --- Remapped memory: a page holds its generation; it is absent in odd ones --- */

#define NR_PAGES	4

struct window {
	void			*addr;
	struct page		*pages[NR_PAGES];
	unsigned int		mapped;		/* or mapped last */
	struct generation	gen;
};

static struct window windows[MAX_REMAPPERS];

static void look_at_window(struct window *w, enum way way)
{
	unsigned long oldest = published(&w->gen);
	unsigned long seen, newest;
	bool absent;

	absent = copy_from_kernel_nofault(&seen, w->addr, sizeof(seen));
	newest = begun(&w->gen);
	if (absent) {
		if (newest == oldest && !odd(oldest))
			torture_fail(LOST_PAGE, "%s: page %lu is absent",
				     way_names[way], oldest);
	} else if (seen < oldest || seen > newest) {
		torture_fail(OLD_PAGE, "%s: page %lu; published %lu, begun %lu",
			     way_names[way], seen, oldest, newest);
	}
}

static struct page *next_page(struct window *w, unsigned long gen,
			      struct torture_random_state *rand)
{
	unsigned long *content;

	w->mapped += 1 + torture_random(rand) % (NR_PAGES - 1);
	w->mapped %= NR_PAGES;
	content = page_address(w->pages[w->mapped]);
	WRITE_ONCE(*content, gen);

	return w->pages[w->mapped];
}

/* As many as had rather not be interrupted. */
static unsigned long cpus_that_owe(unsigned long work)
{
	unsigned long n = 0;
	int cpu;

	for_each_online_cpu(cpu)
		n += !!(atomic_long_read(cpuword_of(cpu)) & work);
	return n;
}

static void remap(struct window *w, struct torture_random_state *rand)
{
	unsigned long gen = w->gen.published;
	/* arm64 may not go from one page to another without a break. */
	bool direct = !IS_ENABLED(CONFIG_ARM64) && torture_random(rand) & 1;

	if (odd(gen)) {
		if (IS_ENABLED(CONFIG_ARM64))
			cpuword_torture_flush_strict(w->addr);
		begin(&w->gen, gen + 1);
		WARN_ON_ONCE(!cpuword_torture_map(w->addr, next_page(w, gen + 1, rand)));
		/* A CPU with an old translation owes a flush; others have none. */
	} else {
		gen += direct ? 2 : 1;
		begin(&w->gen, gen);
		WARN_ON_ONCE(!cpuword_torture_map(w->addr,
						  direct ? next_page(w, gen, rand) : NULL));
		cpuword_torture_flush(w->addr, torture_random(rand) & 1);
		atomic_long_add(cpus_that_owe(CPUWORD_TLB), &remaps_deferred);
	}
	publish(&w->gen);
	atomic_long_inc(&remaps);
}

static int open_window(struct window *w)
{
	int i;

	*w = (struct window){};
	for (i = 0; i < NR_PAGES; i++) {
		w->pages[i] = alloc_page(GFP_KERNEL | __GFP_ZERO);
		if (!w->pages[i])
			return -ENOMEM;
	}
	w->addr = vmap(w->pages, 1, VM_MAP, PAGE_KERNEL);
	return w->addr ? 0 : -ENOMEM;
}

static void close_window(struct window *w)
{
	int i;

	vunmap(w->addr);
	w->addr = NULL;
	for (i = 0; i < NR_PAGES; i++) {
		if (w->pages[i])
			__free_page(w->pages[i]);
		w->pages[i] = NULL;
	}
}

/* --- Patched text: the kernel itself has each CPU synchronised --- */

/* Of which one instruction knows the last bits. */
struct text {
	struct generation	gen;
	unsigned long		(*read)(void);
	void			(*patch)(unsigned long gen);
	unsigned long		mask;
	/* With patch_alone: how many are in read(); -1 if it is being patched. */
	atomic_t		users;
};

static DEFINE_STATIC_KEY_FALSE(torture_key);

static unsigned long read_key(void)
{
	return static_branch_unlikely(&torture_key);
}

static void patch_key(unsigned long gen)
{
	if (odd(gen))
		static_branch_enable(&torture_key);
	else
		static_branch_disable(&torture_key);
}

static unsigned long call0(void)
{
	return 0;
}

static unsigned long call1(void)
{
	return 1;
}

static unsigned long call2(void)
{
	return 2;
}

static unsigned long call3(void)
{
	return 3;
}

DEFINE_STATIC_CALL(torture_call, call0);

static unsigned long read_call(void)
{
	return static_call(torture_call)();
}

static void patch_call(unsigned long gen)
{
	static unsigned long (*const calls[])(void) = { call0, call1, call2, call3 };

	static_call_update(torture_call, calls[gen % ARRAY_SIZE(calls)]);
}

static struct text texts[MAX_PATCHERS] = {
	{ .read = read_key, .patch = patch_key, .mask = 1 },
	{ .read = read_call, .patch = patch_call, .mask = 3 },
};

static void look_at_text(struct text *t, enum way way)
{
	unsigned long oldest, seen;

	/* Pairs with the atomic_set_release() of the patcher. */
	if (patch_alone && !atomic_inc_unless_negative(&t->users))
		return;
	oldest = published(&t->gen);
	seen = t->read();
	if (patch_alone)
		atomic_dec_return_release(&t->users);

	if (begun(&t->gen) == oldest && seen != (oldest & t->mask))
		torture_fail(OLD_TEXT, "%s: text %lu; published %lu & %#lx",
			     way_names[way], seen, oldest, t->mask);
}

/* Text that may run while the word says that this CPU is not in the kernel. */
static noinstr unsigned long call_noinstr(void)
{
	return 0;
}

static bool text_is_told_apart(void)
{
	if (cpuword_module_noinstr(call_noinstr, 1) && !cpuword_module_noinstr(call0, 1))
		return true;
	pr_alert(TORTURE_TYPE TORTURE_FLAG "!!! noinstr text: %d, other text: %d\n",
		 cpuword_module_noinstr(call_noinstr, 1), cpuword_module_noinstr(call0, 1));
	return false;
}

/* --- Readers --- */

static void look_at_word(enum way way)
{
	unsigned long word, wrong;

	preempt_disable();
	word = atomic_long_read(this_cpuword());
	preempt_enable();
	/* An NMI leaves late work, and does not wait for a pin. */
	wrong = way == NMI ? CPUWORD_EARLY_MASK : CPUWORD_WORK_MASK | CPUWORD_PIN;
	if (word & wrong)
		torture_fail(WORK_PENDING, "%s: word %#lx", way_names[way], word);
	if (!(word & CPUWORD_WATCHING) || !rcu_is_watching())
		torture_fail(UNWATCHED, "%s: word %#lx", way_names[way], word);
}

/* In any context. */
static void look(enum way way)
{
	int i;

	for (i = 0; i < nremappers; i++)
		look_at_window(&windows[i], way);
	for (i = 0; i < npatchers; i++)
		look_at_text(&texts[i], way);
	look_at_word(way);
	atomic_long_inc(&looks[way]);
}

static void look_in_ipi(void *unused)
{
	step();
	look(IPI);
}

static void look_in_nmi(void)
{
	look(NMI);
}

/* While the test runs. */
static bool running;
static DECLARE_RWSEM(running_sem);

static ssize_t torture_read(struct file *file, char __user *buf, size_t len, loff_t *pos)
{
	unsigned int n = get_random_u32_below(256);

	step();
	down_read(&running_sem);
	if (running) {
		look(SYSCALL);
		/* Stay, to be found in the kernel; and now and then for long. */
		for (n *= n % 16 ? 1 : 64; n; n--)
			step();
		look(SYSCALL);
	}
	up_read(&running_sem);

	return 0;
}

static const struct file_operations torture_fops = {
	.owner = THIS_MODULE,
	.read = torture_read,
};

static struct miscdevice torture_device = {
	.minor = MISC_DYNAMIC_MINOR,
	.name = "cpuword_torture",
	.fops = &torture_fops,
	.mode = 0600,
};

/* --- Late work --- */

static unsigned long late_work[MAX_LATERS];
static DEFINE_PER_CPU(unsigned long [MAX_LATERS], late_runs);

static void late_ran(unsigned int i)
{
	unsigned long *runs = this_cpu_ptr(&late_runs[i]);

	step();
	WRITE_ONCE(*runs, *runs + 1);
	if (in_nmi() || !irqs_disabled() || !rcu_is_watching())
		torture_fail(LATE_CONTEXT, "in NMI %d, interrupts off %d, watched %d",
			     !!in_nmi(), irqs_disabled(), rcu_is_watching());
}

static void late0(void)
{
	late_ran(0);
}

static void late1(void)
{
	late_ran(1);
}

static void late2(void)
{
	late_ran(2);
}

static void late3(void)
{
	late_ran(3);
}

static const cpuword_late_fn late_fns[] = { late0, late1, late2, late3 };

static_assert(ARRAY_SIZE(late_fns) == MAX_LATERS);

static void do_nothing(void *unused)
{
}

/* Any online CPU; it may go down at any time. */
static int random_cpu(struct torture_random_state *rand)
{
	int cpu = cpumask_nth(torture_random(rand) % num_online_cpus(), cpu_online_mask);

	return cpu < nr_cpu_ids ? cpu : 0;
}

static void torture_delay(struct torture_random_state *rand, unsigned int us)
{
	torture_hrtimeout_us(torture_random(rand) % us, NSEC_PER_USEC, rand);
}

static void defer_late(unsigned int i, struct torture_random_state *rand)
{
	int cpu = random_cpu(rand);
	unsigned long *runs = per_cpu_ptr(&late_runs[i], cpu);
	unsigned long before = READ_ONCE(*runs), after;
	unsigned int n, accepted = 0;

	for (n = 1 + torture_random(rand) % 3; n; n--)
		accepted += cpuword_defer(cpu, late_work[i]);
	if (accepted)
		torture_delay(rand, 500);

	/*
	 * Each that was accepted may have run by itself, or all at once.  An
	 * entry now has the last of them run; a CPU that has gone has had it.
	 * And what was refused must not run, but that is asked less often.
	 */
	if (accepted > 1 || (accepted && READ_ONCE(*runs) == before) ||
	    torture_random(rand) % 8 == 0) {
		smp_call_function_single(cpu, do_nothing, NULL, 1);
		smp_mb(); /* If the CPU has gone: it has run them before that. */
	}
	after = READ_ONCE(*runs);
	if (accepted && after == before)
		torture_fail(LATE_LOST, "%u accepted by CPU %d, none run", accepted, cpu);
	if (after - before > accepted)
		torture_fail(LATE_TWICE, "%u accepted by CPU %d, %lu run", accepted, cpu,
			     after - before);
	atomic_long_add(accepted, &lates_accepted);
	atomic_long_add(after - before, &lates_run);
}

/* --- Pins --- */

/* CPUs that one of us has pinned, or is about to. */
static struct cpumask pinned;

static void pin_one(struct torture_random_state *rand)
{
	unsigned long before, after, flags, word;
	unsigned int us = 30;
	int cpu = random_cpu(rand);
	bool shared;

	if (cpumask_test_and_set_cpu(cpu, &pinned))
		return;
	/* Now and then so long that the CPU comes back, also if it is emulated. */
	if (torture_random(rand) % 32 == 0)
		us = 5000;

	local_irq_save(flags);
	if (!cpuword_pin(cpu)) {
		local_irq_restore(flags);
		goto out;
	}
	before = READ_ONCE(per_cpu(steps, cpu));
	shared = cpuword_pin(cpu);
	if (torture_random(rand) % 2 && cpu_online(cpu))
		cpuword_torture_nmi(cpu);
	udelay(torture_random(rand) % us);
	word = atomic_long_read(cpuword_of(cpu));
	after = READ_ONCE(per_cpu(steps, cpu));
	cpuword_unpin(cpu);
	udelay(torture_random(rand) % 30);
	local_irq_restore(flags);

	atomic_long_inc(&pins);
	if (before != after)
		torture_fail(PIN_PASSED, "CPU %d made %lu steps in the kernel", cpu,
			     after - before);
	if (shared || !(word & CPUWORD_PIN))
		torture_fail(PIN_SHARED, "CPU %d: pinned twice %d, word %#lx", cpu, shared, word);
	word = atomic_long_read(cpuword_of(cpu));
	if (word & CPUWORD_PIN) {
		torture_fail(PIN_BACK, "CPU %d: word %#lx after its pin was dropped", cpu, word);
		/* Or it would never come back. */
		local_irq_save(flags);
		cpuword_unpin(cpu);
		local_irq_restore(flags);
	}
out:
	cpumask_clear_cpu(cpu, &pinned);
}

/* --- Threads --- */

static int cpuword_torture_remapper(void *arg)
{
	DEFINE_TORTURE_RANDOM(rand);

	do {
		remap(arg, &rand);
		torture_delay(&rand, 1000);
		stutter_wait("cpuword_torture_remapper");
	} while (!torture_must_stop());
	torture_kthread_stopping("cpuword_torture_remapper");
	return 0;
}

static int cpuword_torture_patcher(void *arg)
{
	DEFINE_TORTURE_RANDOM(rand);
	struct text *t = arg;

	do {
		/* Pairs with the atomic_dec_return_release() of the readers. */
		while (patch_alone && atomic_cmpxchg(&t->users, 0, -1))
			torture_delay(&rand, 100);
		begin(&t->gen, t->gen.published + 1);
		t->patch(t->gen.begun);
		publish(&t->gen);
		if (patch_alone)
			atomic_set_release(&t->users, 0);
		atomic_long_inc(&patches);
		torture_delay(&rand, patch_us + 1);
		stutter_wait("cpuword_torture_patcher");
	} while (!torture_must_stop());
	torture_kthread_stopping("cpuword_torture_patcher");
	return 0;
}

static int cpuword_torture_later(void *arg)
{
	DEFINE_TORTURE_RANDOM(rand);

	do {
		defer_late((unsigned long)arg, &rand);
		torture_delay(&rand, 1000);
		stutter_wait("cpuword_torture_later");
	} while (!torture_must_stop());
	torture_kthread_stopping("cpuword_torture_later");
	return 0;
}

static int cpuword_torture_pinner(void *arg)
{
	DEFINE_TORTURE_RANDOM(rand);
	unsigned int n;

	do {
		for (n = torture_random(&rand) % 16; n; n--)
			pin_one(&rand);
		torture_delay(&rand, 500);
		stutter_wait("cpuword_torture_pinner");
	} while (!torture_must_stop());
	torture_kthread_stopping("cpuword_torture_pinner");
	return 0;
}

static int cpuword_torture_reader(void *arg)
{
	DEFINE_TORTURE_RANDOM(rand);

	do {
		look(KTHREAD);
		if (torture_random(&rand) % 4 == 0)
			smp_call_function_single(random_cpu(&rand), look_in_ipi, NULL, 1);
		torture_delay(&rand, 1000);
		stutter_wait("cpuword_torture_reader");
	} while (!torture_must_stop());
	torture_kthread_stopping("cpuword_torture_reader");
	return 0;
}

/* --- Statistics, beginning and end --- */

static struct task_struct *remapper_tasks[MAX_REMAPPERS], *patcher_tasks[MAX_PATCHERS],
	*later_tasks[MAX_LATERS], *pinner_tasks[MAX_PINNERS], *reader_tasks[MAX_READERS],
	*stats_task;
static bool started;

static long all_failures(void)
{
	long n = 0;
	int i;

	for (i = 0; i < NR_FAILURES; i++)
		n += atomic_long_read(&failures[i]);
	return n;
}

static void print_stats(void)
{
	int i;

	/* Without a newline, as it prints. */
	pr_alert(TORTURE_TYPE TORTURE_FLAG " ");
	torture_onoff_stats();
	pr_alert(TORTURE_TYPE TORTURE_FLAG
		 " remaps: %ld deferred: %ld patches: %ld late: %ld/%ld pins: %ld looks: syscall %ld ipi %ld nmi %ld kthread %ld failures: %ld%s\n",
		 atomic_long_read(&remaps), atomic_long_read(&remaps_deferred),
		 atomic_long_read(&patches), atomic_long_read(&lates_accepted),
		 atomic_long_read(&lates_run), atomic_long_read(&pins),
		 atomic_long_read(&looks[SYSCALL]), atomic_long_read(&looks[IPI]),
		 atomic_long_read(&looks[NMI]), atomic_long_read(&looks[KTHREAD]),
		 all_failures(), all_failures() ? " !!!" : "");
	for (i = 0; i < NR_FAILURES; i++)
		if (atomic_long_read(&failures[i]))
			pr_alert(TORTURE_TYPE TORTURE_FLAG "!!! %s: %ld\n", failure_names[i],
				 atomic_long_read(&failures[i]));
}

static int cpuword_torture_stats(void *arg)
{
	do {
		schedule_timeout_interruptible(stat_interval * HZ);
		print_stats();
		torture_shutdown_absorb("cpuword_torture_stats");
	} while (!torture_must_stop());
	torture_kthread_stopping("cpuword_torture_stats");
	return 0;
}

static void print_parameters(const char *tag)
{
	pr_alert(TORTURE_TYPE TORTURE_FLAG
		 "--- %s: nlaters=%d npatchers=%d npinners=%d nreaders=%d nremappers=%d onoff_holdoff=%d onoff_interval=%d patch_alone=%d patch_us=%d shutdown_secs=%d stat_interval=%d stutter=%d verbose=%d\n",
		 tag, nlaters, npatchers, npinners, nreaders, nremappers, onoff_holdoff,
		 onoff_interval, patch_alone, patch_us, shutdown_secs, stat_interval, stutter,
		 verbose);
}

/* A test that did nothing has not succeeded. */
static bool nothing_done(void)
{
	const char *what = NULL;

	if (nremappers && !atomic_long_read(&remaps_deferred))
		what = "no TLB flush was deferred";
	else if (npatchers && !atomic_long_read(&patches))
		what = "no text was patched";
	else if (nlaters && !atomic_long_read(&lates_accepted))
		what = "no late work was accepted";
	else if (npinners && !atomic_long_read(&pins))
		what = "no CPU was pinned";
	if (what)
		pr_alert(TORTURE_TYPE TORTURE_FLAG
			 "!!! %s: are there tasks in user mode on CPUs of nohz_full=?\n", what);
	return what;
}

static void cpuword_torture_cleanup(void)
{
	int i;

	if (torture_cleanup_begin())
		return;

	if (started)
		misc_deregister(&torture_device);
	down_write(&running_sem);
	running = false;
	up_write(&running_sem);

	for (i = 0; i < MAX_REMAPPERS; i++)
		torture_stop_kthread(cpuword_torture_remapper, remapper_tasks[i]);
	for (i = 0; i < MAX_PATCHERS; i++)
		torture_stop_kthread(cpuword_torture_patcher, patcher_tasks[i]);
	for (i = 0; i < MAX_LATERS; i++)
		torture_stop_kthread(cpuword_torture_later, later_tasks[i]);
	for (i = 0; i < MAX_PINNERS; i++)
		torture_stop_kthread(cpuword_torture_pinner, pinner_tasks[i]);
	for (i = 0; i < MAX_READERS; i++)
		torture_stop_kthread(cpuword_torture_reader, reader_tasks[i]);
	torture_stop_kthread(cpuword_torture_stats, stats_task);

	for (i = 0; i < MAX_LATERS; i++) {
		if (late_work[i])
			cpuword_late_unregister(late_work[i]);
		late_work[i] = 0;
	}
	if (started) {
		cpuword_torture_nmi_stop();
		print_stats();
		if (all_failures() || nothing_done() || !text_is_told_apart())
			print_parameters("End of test: FAILURE");
		else if (torture_onoff_failures())
			print_parameters("End of test: CPUWORD_HOTPLUG");
		else
			print_parameters("End of test: SUCCESS");
	}
	for (i = 0; i < MAX_REMAPPERS; i++)
		close_window(&windows[i]);

	torture_cleanup_end();
}

static int __init check_parameters(void)
{
	int i, ret = 0;

	for (i = 0; i < ARRAY_SIZE(limits); i++) {
		if (*limits[i].value >= 0 && *limits[i].value <= limits[i].max)
			continue;
		pr_warn(TORTURE_TYPE TORTURE_FLAG "!!! %s=%d is not valid; valid: 0 to %d\n",
			limits[i].name, *limits[i].value, limits[i].max);
		ret = -EINVAL;
	}
	return ret;
}

static int __init create_threads(void)
{
	int i, ret = 0;

	for (i = 0; i < nremappers && !ret; i++)
		ret = torture_create_kthread(cpuword_torture_remapper, &windows[i],
					     remapper_tasks[i]);
	for (i = 0; i < npatchers && !ret; i++)
		ret = torture_create_kthread(cpuword_torture_patcher, &texts[i],
					     patcher_tasks[i]);
	for (i = 0; i < nlaters && !ret; i++)
		ret = torture_create_kthread(cpuword_torture_later, (void *)(long)i,
					     later_tasks[i]);
	for (i = 0; i < npinners && !ret; i++)
		ret = torture_create_kthread(cpuword_torture_pinner, NULL, pinner_tasks[i]);
	for (i = 0; i < nreaders && !ret; i++)
		ret = torture_create_kthread(cpuword_torture_reader, NULL, reader_tasks[i]);
	if (stat_interval && !ret)
		ret = torture_create_kthread(cpuword_torture_stats, NULL, stats_task);
	return ret;
}

static int __init cpuword_torture_init(void)
{
	int i, ret;

	if (!torture_init_begin(TORTURE_TYPE, verbose))
		return -EBUSY;

	ret = check_parameters();
	if (ret)
		goto unwind;
	print_parameters("Start of test");

	for (i = 0; i < nremappers && !ret; i++)
		ret = open_window(&windows[i]);
	for (i = 0; i < nlaters && !ret; i++) {
		late_work[i] = cpuword_late_register(late_fns[i]);
		if (!late_work[i])
			ret = -EBUSY;
	}
	if (!ret)
		ret = cpuword_torture_nmi_start(look_in_nmi);
	if (ret)
		goto unwind;
	ret = misc_register(&torture_device);
	if (ret) {
		cpuword_torture_nmi_stop();
		goto unwind;
	}
	started = true;
	running = true;

	if (onoff_interval)
		ret = torture_onoff_init(onoff_holdoff * HZ,
					 msecs_to_jiffies(onoff_interval), NULL);
	if (shutdown_secs && !ret)
		ret = torture_shutdown_init(shutdown_secs, cpuword_torture_cleanup);
	if (stutter && !ret)
		ret = torture_stutter_init(stutter * HZ, stutter * HZ);
	if (!ret)
		ret = create_threads();
	if (ret)
		goto unwind;
	torture_init_end();
	return 0;

unwind:
	torture_init_end();
	cpuword_torture_cleanup();
	return ret;
}

module_init(cpuword_torture_init);
module_exit(cpuword_torture_cleanup);

MODULE_DESCRIPTION("Torture test for the per-CPU word");
MODULE_LICENSE("GPL");
