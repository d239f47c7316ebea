// SPDX-License-Identifier: GPL-2.0
/*
 * PID 1 of `make bench`. Measures, as part= in its environment says,
 *
 * getpid	the cost of a getpid() round trip in ticks of the cycle counter,
 *		which -icount makes instructions
 * entry	marks for QEMU's plugin, which counts what an isolated CPU executes
 *		in the kernel while CPU 0 flips text and purges vmalloc memory
 * broadcast	text flips and vmalloc purges, with ever more CPUs that spin in
 *		user mode; marks for QEMU's plugin where it shall count
 * grace	grace periods, with the kernel's own rcuscale
 *
 * on a kernel with deferral first without it, then with it. A line that starts
 * with "@@ " is for the host (tools/cpuword bench), which does the arithmetic.
 */
#include "console.h"
#include "cpus.h"
#include "kernel.h"
#include "text.h"

static int nr_isolated, isolated[MAX_CPUS];

/* What a measurement is repeated for: stock kernels know no deferral. */
static const char *const settings[] = { "off", "on" };
static int nr_settings = ARRAY_SIZE(settings);

static const char *use_setting(int i)
{
	if (nr_settings == 1)
		return "stock";
	if (put(DEFER, settings[i]))
		printf("@@ error cannot write " DEFER ", errno %d\n", errno);
	return settings[i];
}

/* ---- getpid ---- */

#define BATCHES	100
#define CALLS	1000

/* What getpid_on() has its child do. */
static struct {
	const char *kind, *setting;
	uint64_t hz;
} getpids;

static void measure_getpid(int cpu)
{
	uint64_t t, calls_min = ~0ull, empty_min = ~0ull, sum = 0;
	int b, i;

	run_on(cpu);
	/* The best of many: a batch that a tick interrupted is not it. */
	for (b = 0; b < BATCHES; b++) {
		t = cycles();
		for (i = 0; i < CALLS; i++)
			__asm__ volatile("");
		t = cycles() - t;
		if (t < empty_min)
			empty_min = t;

		t = cycles();
		for (i = 0; i < CALLS; i++)
			getpid();
		t = cycles() - t;
		sum += t;
		if (t < calls_min)
			calls_min = t;
	}
	printf("@@ getpid on=%s defer=%s hz=%lu calls=%d empty=%lu best=%lu mean=%lu\n",
	       getpids.kind, getpids.setting, (unsigned long)getpids.hz, CALLS,
	       (unsigned long)empty_min, (unsigned long)calls_min,
	       (unsigned long)(sum / BATCHES));
}

/*
 * In a child, so that PID 1 sleeps and its CPU idles meanwhile: -icount runs
 * all CPUs in one thread, and their instructions move the same counter.
 */
static void getpid_on(int cpu, const char *kind)
{
	getpids.kind = kind;
	waitpid(start_task(measure_getpid, cpu), NULL, 0);
}

static void part_getpid(void)
{
	int i;

	getpids.hz = cycles_hz();
	for (i = 0; i < nr_settings; i++) {
		getpids.setting = use_setting(i);
		if (nr_isolated)
			getpid_on(isolated[0], "isolated");
		getpid_on(0, "housekeeping");
	}
}

/* ---- spinners ---- */

static struct spinner {
	volatile uint64_t loops;
} __attribute__((aligned(256))) *spinners;

static pid_t spinning[MAX_CPUS];

static void spin(int cpu)
{
	run_on(cpu);
	for (;;) {
		spinners[cpu].loops++;
		relax();
	}
}

/* Bring CPUs up to @cpus of them, and have all but CPU 0 spin in user mode. */
static void spin_on_all(int cpus)
{
	char path[PATH];
	uint64_t seen;
	int cpu, ms;

	for (cpu = 1; cpu < cpus; cpu++) {
		if (spinning[cpu])
			continue;
		put(join(path, "/sys/devices/system/cpu/cpu", itoa(cpu),
			 "/online", NULL), "1");
		/* The scheduler's own interrupts of a task that spins. */
		stop_fair_server(cpu);
	}
	/* Not before: emulation has the CPUs share the host's. */
	for (cpu = 1; cpu < cpus; cpu++)
		if (!spinning[cpu])
			spinning[cpu] = start_task(spin, cpu);
	/* Let the ticks stop: they run until the boot's last work is done. */
	sleep(1);
	for (cpu = 1; cpu < cpus; cpu++) {
		seen = spinners[cpu].loops;
		for (ms = 0; spinners[cpu].loops == seen && ms < 60000; ms++)
			msleep(1);
		if (spinners[cpu].loops == seen)
			printf("@@ error CPU %d does not spin\n", cpu);
	}
}

/* ---- broadcast ---- */

static void flip_text(long count)
{
	if (flip_static_key("RUN_TO_PARITY", count))
		printf("@@ error cannot flip RUN_TO_PARITY, errno %d\n", errno);
}

static void churn_vmalloc(long count)
{
	int err = run_test_vmalloc("/test_vmalloc.ko", count);

	if (err)
		printf("@@ error test_vmalloc.ko did not run, errno %d\n", err);
	msleep(20);
}

static void do_nothing(long count)
{
	while (count--)
		msleep(1);
}

static const struct op {
	const char *name;
	void (*run)(long count);
} ops[] = {
	{ "nothing", do_nothing },
	{ "flip", flip_text },
	{ "purge", churn_vmalloc },
};

static char text[1 << 18];

/* Function-call IPIs that @cpus CPUs, all but CPU 0, have received, by CPU. */
static void read_ipis(unsigned long *ipis, int cpus)
{
	char *p, *line = NULL;
	int cpu;

	if (slurp("/proc/interrupts", text, 0, sizeof(text)) > 0)
		line = find(text, "unction call");
	for (; line && line > text && line[-1] != '\n'; line--)
		;
	p = line ? strchr(line, ':') : NULL;
	if (!p)
		printf("@@ error no function-call IPIs in /proc/interrupts\n");
	for (cpu = 0; p && cpu < cpus; cpu++) {
		ipis[cpu] = strtol(p + 1, &p, 10);
		p--;
	}
}

/* Print what cpuword says of CPU 0, under its own headings. */
static void print_words(const char *when)
{
	char *row, *end;

	if (slurp(WORDS "cpus", text, 0, sizeof(text)) < 0)
		return;
	row = strchr(text, '\n');
	end = row ? strchr(row + 1, '\n') : NULL;
	if (!end)
		return;
	*row = *end = 0;
	printf("@@ words when=%s\n@@ head %s\n@@ row %s\n", when, text, row + 1);
}

static void measure_op(const struct op *op, int cpus, const char *setting)
{
	long count = env_number(op->name, 0);

	unsigned long before[MAX_CPUS] = { 0 }, after[MAX_CPUS] = { 0 };
	unsigned long sum = 0, most = 0;
	uint64_t t0;
	int cpu;

	if (!count)
		return;

	/* Once uncounted: first uses fill caches, and a deferral its bit. */
	op->run(1);
	print_words("before");
	read_ipis(before, cpus);

	t0 = now_ns();
	mark();
	op->run(count);
	mark();
	t0 = now_ns() - t0;

	read_ipis(after, cpus);
	print_words("after");
	for (cpu = 1; cpu < cpus; cpu++) {
		unsigned long n = after[cpu] - before[cpu];

		sum += n;
		if (n > most)
			most = n;
	}
	printf("@@ op name=%s cpus=%d defer=%s count=%ld ns=%lu ipis=%lu most=%lu\n",
	       op->name, cpus, setting, count, (unsigned long)t0, sum, most);
}

static void part_broadcast(void)
{
	static const int sizes[] = { 4, 16, 64 };
	long least = env_number("least", 4), most = env_number("most", 64);
	unsigned int n, o;
	int i;

	for (n = 0; n < ARRAY_SIZE(sizes); n++) {
		if (sizes[n] < least || sizes[n] > most)
			continue;
		spin_on_all(sizes[n]);
		for (i = 0; i < nr_settings; i++) {
			const char *setting = use_setting(i);

			for (o = 0; o < ARRAY_SIZE(ops); o++)
				measure_op(&ops[o], sizes[n], setting);
		}
	}
}

/* ---- entry ---- */

#define NR_PAGES	256
#define PAGE		4096

/* In user mode for most of the time: some 10 us between two round trips. */
static void enter_often(int cpu)
{
	volatile char *pages = mmap(NULL, NR_PAGES * PAGE, PROT_READ,
				    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	int i, n;

	run_on(cpu);
	if (pages == MAP_FAILED)
		exit(1);
	for (;;) {
		for (i = 0; i < NR_PAGES; i++) {
			for (n = 0; n < 10000; n++)
				__asm__ volatile("");
			getpid();
			for (n = 0; n < 10000; n++)
				__asm__ volatile("");
			(void)pages[i * PAGE];
		}
		syscall(__NR_madvise, pages, NR_PAGES * PAGE, 4 /* DONTNEED */);
	}
}

static void part_entry(void)
{
	static const struct {
		const struct op *op;
		long count;
		const char *pending;	/* is what the operation defers */
	} phases[] = {
		{ &ops[1], 50, "ISYNC" },
		{ &ops[2], 600, "TLB" },
	};
	unsigned int phase;
	pid_t pid;
	int i;

	for (i = 0; i < nr_settings; i++) {
		const char *setting = use_setting(i);

		pid = start_task(enter_often, isolated[0]);
		sleep(1);
		for (phase = 0; phase < ARRAY_SIZE(phases); phase++) {
			mark();
			phases[phase].op->run(phases[phase].count);
			mark();
			printf("@@ entry name=%s defer=%s pending=%s\n",
			       phases[phase].op->name, setting,
			       phases[phase].pending);
		}
		stop_tasks(&pid, 1);
	}
}

/* ---- grace periods ---- */

/* Returns 0 or an errno, and has said so. */
static int load(const char *path, const char *parameters)
{
	int err = load_module(path, parameters);

	if (err)
		printf("@@ error cannot load %s, errno %d\n", path, err);
	return err;
}

/* rcuscale goes on measuring when it says that it has enough. */
static void wait_for_rcuscale(void)
{
	int i;

	for (i = 0; i < 600; i++) {
		long n = syscall(__NR_syslog, 3 /* READ_ALL */, text,
				 sizeof(text) - 1);

		text[n > 0 ? n : 0] = 0;
		if (find(text, " measurements"))
			return;
		msleep(100);
	}
	printf("@@ error rcuscale does not come to an end\n");
}

static void part_grace(void)
{
	static const char *const kinds[] = { "normal", "expedited" };
	char args[PATH];
	unsigned int kind;
	int i, err;

	spin_on_all(nr_isolated + 1);
	if (load("/torture.ko", ""))
		return;
	for (i = 0; i < nr_settings; i++) {
		const char *setting = use_setting(i);

		for (kind = 0; kind < ARRAY_SIZE(kinds); kind++) {
			/* It prints what it measured when it is unloaded. */
			printf("@@ grace kind=%s defer=%s\n", kinds[kind],
			       setting);
			syscall(__NR_syslog, 5 /* CLEAR */, NULL, 0);
			join(args, "nreaders=0 nwriters=1 holdoff=1 shutdown=0 gp_exp=",
			     itoa(kind), NULL);
			if (load("/rcuscale.ko", args))
				return;
			wait_for_rcuscale();
			err = unload_module("rcuscale");
			if (err)
				printf("@@ error rcuscale does not unload, errno %d\n",
				       err);
		}
	}
	printf("@@ grace kind=end\n");
}

int main(void)
{
	const char *part = getenv("part");
	struct stat st;

	mount_all();
	pin_to(0);
	hello();
	if (stat(DEFER, &st))
		nr_settings = 1;
	nr_isolated = isolated_cpus(isolated);
	spinners = mmap(NULL, MAX_CPUS * sizeof(*spinners),
			PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
			-1, 0);
	if (!nr_isolated && (!part || strcmp(part, "getpid")))
		printf("@@ error no isolated CPU: is nohz_full= missing?\n");
	else if (part && !strcmp(part, "broadcast"))
		part_broadcast();
	else if (part && !strcmp(part, "entry"))
		part_entry();
	else if (part && !strcmp(part, "grace"))
		part_grace();
	else
		part_getpid();
	bye();
	return 0;
}
