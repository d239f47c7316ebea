// SPDX-License-Identifier: GPL-2.0
/*
 * PID 1 of `make demo`: a spinner in user mode on each isolated CPU, and on
 * CPU 0 three noisy neighbours, one after the other: text flips, vmalloc
 * purges, BPF filters. Prints what the kernel's own statistics say before and
 * after each; the host (tools/demo.py) does the arithmetic.
 *
 * A line that starts with "@@ " is for the host.
 */
#include "guest.h"
#include <linux/filter.h>
#include <linux/perf_event.h>

#define GAP_US	20

/*
 * Written by one spinner each, read by init: shared memory, so that the
 * spinner never enters the kernel to report.
 */
struct spinner {
	volatile uint64_t loops, gaps, longest, epoch;
	pid_t pid;
	int cpu;
} __attribute__((aligned(256)));

static struct shared {
	volatile uint64_t epoch;	/* init moves it: start counting anew */
	volatile uint64_t threshold;	/* of a gap, in cycles */
	struct spinner s[MAX_CPUS];
} *shared;

static int nr_isolated, isolated[MAX_CPUS];

static void spin(struct spinner *me)
{
	uint64_t now, last;

	if (pin_to(me->cpu))
		exit(1);
	last = cycles();
	for (;;) {
		now = cycles();
		if (me->epoch != shared->epoch) {
			me->epoch = shared->epoch;
			me->gaps = me->longest = 0;
		} else if (now - last > shared->threshold) {
			me->gaps++;
			if (now - last > me->longest)
				me->longest = now - last;
		}
		last = now;
		me->loops++;
		relax();
	}
}

/* ---- what is recorded about one phase ---- */

/*
 * Everything is read into memory first and printed afterwards: printing is
 * no part of what is measured.
 */
static char record[8 << 20];
static long recorded;

static void keep_line(const char *line)
{
	long n = strlen(line);

	if (recorded + n + 1 < (long)sizeof(record)) {
		memcpy(record + recorded, line, n);
		recorded += n;
		record[recorded] = 0;
	}
}

static void keep_file(const char *tag, const char *path)
{
	long n;

	keep_line("@@ file ");
	keep_line(tag);
	keep_line("\n");
	n = slurp(path, record, recorded, sizeof(record));
	if (n >= 0)
		recorded = n;
	if (recorded && record[recorded - 1] != '\n')
		keep_line("\n");
	keep_line("@@ end\n");
}

static void keep_number(const char *name, uint64_t v)
{
	keep_line(" ");
	keep_line(name);
	keep_line("=");
	keep_line(u64toa(v));
}

static void print_record(void)
{
	long done = 0, n;

	while (done < recorded &&
	       (n = write(1, record + done, recorded - done)) > 0)
		done += n;
	recorded = 0;
}

static void keep_statistics(const char *when)
{
	char tag[PATH], path[PATH];
	int i;

	keep_file(join(tag, "interrupts ", when, NULL), "/proc/interrupts");
	for (i = 0; i < nr_isolated; i++) {
		struct spinner *s = &shared->s[i];

		join(tag, "status ", when, " ", itoa(s->cpu), NULL);
		keep_file(tag, join(path, "/proc/", itoa(s->pid), "/status",
				    NULL));
		keep_line(join(tag, "@@ spinner when=", when, NULL));
		keep_number("cpu", s->cpu);
		keep_number("loops", s->loops);
		keep_number("gaps", s->gaps);
		keep_number("longest", s->longest);
		keep_line("\n");
	}
}

/*
 * Two trace instances of our own (the text phase plays with the top one):
 * "senders" has a stack trace with each event, to name the source of an IPI;
 * "entries" has none, being written by the isolated CPUs too.
 */
static const struct event {
	const char *instance, *name, *filter;
} events[] = {
	{ "senders", "ipi/ipi_send_cpu" },
	{ "senders", "ipi/ipi_send_cpumask" },
	/* Remote fences only: ext is "RFNC". */
	{ "senders", "riscv/sbi_call", "ext == 0x52464e43" },
	{ "entries", "context_tracking/user_exit" },
	{ "entries", "vmalloc/purge_vmap_area_lazy" },
	{ "entries", "cpuword/cpuword_defer" },
	{ "entries", "cpuword/cpuword_run" },
};

static const char *const instances[] = { "senders", "entries" };

#define TRACING "/sys/kernel/tracing/"
#define INSTANCES TRACING "instances/"

/* Write to a file of a trace instance. */
static int put_in(const char *instance, const char *file, const char *text)
{
	char path[PATH];

	return put(join(path, INSTANCES, instance, "/", file, NULL), text);
}

static void start_tracing(void)
{
	char path[PATH];
	struct stat st;
	unsigned int i;

	/*
	 * Without the names of tasks, an option that instances inherit:
	 * recording them turns on the tracepoint that the text phase flips.
	 */
	put(TRACING "options/record-cmd", "0");
	for (i = 0; i < ARRAY_SIZE(instances); i++) {
		mkdir(join(path, INSTANCES, instances[i], NULL), 0755);
		/* CPU 0 writes nearly all of it. */
		put_in(instances[i], "per_cpu/cpu0/buffer_size_kb", "16384");
	}
	put(TRACING "options/record-cmd", "1");
	put_in("senders", "options/stacktrace", "1");

	for (i = 0; i < ARRAY_SIZE(events); i++) {
		const struct event *e = &events[i];

		if (stat(join(path, TRACING "events/", e->name, NULL), &st))
			continue;	/* this kernel has no such event */
		join(path, "events/", e->name, "/filter", NULL);
		if (e->filter && put_in(e->instance, path, e->filter))
			printf("@@ error cannot filter %s, errno %d\n",
			       e->name, errno);
		join(path, "events/", e->name, "/enable", NULL);
		if (put_in(e->instance, path, "1"))
			printf("@@ error cannot trace %s, errno %d\n",
			       e->name, errno);
	}
}

static void trace_on(const char *instance)
{
	char path[PATH];

	close(open(join(path, INSTANCES, instance, "/trace", NULL),
		   O_WRONLY | O_TRUNC));
	put_in(instance, "tracing_on", "1");
}

static void trace_off(const char *instance)
{
	put_in(instance, "tracing_on", "0");
}

/*
 * Equal events are counted here and printed once: a serial console is slow.
 * An event with its stack is one string: "cpu=000 event: args < f < g < h".
 */
static char strings[1 << 20];
static long strings_used;
static struct { char *text; long count; } counted[1 << 12];

static void count_string(const char *text)
{
	unsigned long h = 5381, i;
	long n = strlen(text) + 1;

	if (n == 1)
		return;
	for (i = 0; text[i]; i++)
		h = h * 33 + text[i];
	for (i = 0; i < ARRAY_SIZE(counted); i++) {
		typeof(&counted[0]) c = &counted[(h + i) % ARRAY_SIZE(counted)];

		if (!c->text && strings_used + n <= (long)sizeof(strings)) {
			c->text = memcpy(strings + strings_used, text, n);
			strings_used += n;
		}
		if (c->text && !strcmp(c->text, text)) {
			c->count++;
			return;
		}
		if (!c->text)
			break;
	}
	printf("@@ error too many different events to count\n");
}

/* One line of a trace file; @key collects an event until the next begins. */
static void count_line(char *line, char *key, long size)
{
	char *cpu, *text;

	if (!strncmp(line, " => ", 4)) {
		strlcat(key, " < ", size);
		strlcat(key, line + 4, size);
		return;
	}
	/* "  task-pid   [cpu] flags time: event: args" */
	cpu = strchr(line, '[');
	text = cpu;
	while (text && *text && strncmp(text, ": ", 2))
		text++;
	if (line[0] == '#' || !text || !*text ||
	    !strcmp(text, ": <stack trace>"))
		return;
	count_string(key);
	strlcpy(key, "cpu=", size);
	strncat(key, cpu + 1, 3);
	strlcat(key, text + 1, size);
}

/* One CPU at a time: then a stack follows its own event. */
static void count_trace(const char *file)
{
	static char chunk[1 << 16], key[4096], line[1024];
	int fd = open(file, O_RDONLY);
	long n, i, at = 0;

	key[0] = 0;
	while ((n = read(fd, chunk, sizeof(chunk))) > 0)
		for (i = 0; i < n; i++) {
			if (chunk[i] == '\n') {
				line[at] = 0;
				count_line(line, key, sizeof(key));
				at = 0;
			} else if (at < (long)sizeof(line) - 1) {
				line[at++] = chunk[i];
			}
		}
	close(fd);
	count_string(key);
}

static void keep_counted(void)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(counted); i++) {
		if (!counted[i].text)
			continue;
		keep_line("@@ event ");
		keep_line(ltoa(counted[i].count));
		keep_line(" ");
		keep_line(counted[i].text);
		keep_line("\n");
	}
	memset(counted, 0, sizeof(counted));
	strings_used = 0;
}

static void keep_traces(void)
{
	char path[PATH], cpu[PATH];
	unsigned int i;
	int c;

	for (i = 0; i < ARRAY_SIZE(instances); i++)
		for (c = -1; c < nr_isolated; c++) {
			join(cpu, INSTANCES, instances[i], "/per_cpu/cpu",
			     itoa(c < 0 ? 0 : isolated[c]), NULL);
			count_trace(join(path, cpu, "/trace", NULL));
			/* For the host to see that no event was lost. */
			keep_file("buffer", join(path, cpu, "/stats", NULL));
		}
	keep_counted();
}

/*
 * riscv: a remote fence is a call of the firmware, which interrupts the other
 * hart without Linux there knowing. The firmware counts what each hart
 * received; these are its event codes (SBI specification, PMU extension).
 */
static const struct fence {
	const char *name;
	int code;
} fences[] = {
	{ "fence.i", 9 }, { "sfence.vma", 11 }, { "sfence.vma.asid", 13 },
};

#define NR_FENCES ARRAY_SIZE(fences)
static int fence_fd[MAX_CPUS][NR_FENCES] __attribute__((unused));

static void open_fences(void)
{
#ifdef __riscv
	static struct perf_event_attr attr;
	unsigned int f;
	int i;

	attr.size = sizeof(attr);
	attr.type = PERF_TYPE_RAW;
	attr.pinned = 1;
	for (i = 0; i < nr_isolated; i++)
		for (f = 0; f < NR_FENCES; f++) {
			attr.config = 1ull << 63 | fences[f].code;
			fence_fd[i][f] = syscall(__NR_perf_event_open, &attr,
						 -1, isolated[i], -1, 0);
			if (fence_fd[i][f] < 0)
				printf("@@ error no firmware counter %s on CPU %d, errno %d\n",
				       fences[f].name, isolated[i], errno);
		}
#endif
}

/*
 * Reading the counter of another CPU interrupts it: not while entries are
 * traced, but while senders are, so that no fence counted here is not there.
 */
static void keep_fences(const char *when)
{
#ifdef __riscv
	char line[PATH];
	unsigned int f;
	uint64_t v;
	int i;

	for (i = 0; i < nr_isolated; i++)
		for (f = 0; f < NR_FENCES; f++) {
			if (read(fence_fd[i][f], &v, sizeof(v)) != sizeof(v))
				continue;
			keep_line(join(line, "@@ fence when=", when, " kind=",
				       fences[f].name, NULL));
			keep_number("cpu", isolated[i]);
			keep_number("count", v);
			keep_line("\n");
		}
#endif
}

/* ---- the noisy neighbours ---- */

/* Turning a tracepoint on and off patches jump labels and static calls. */
static void flip_text(long count)
{
	int fd = open("/sys/kernel/tracing/events/sched/sched_switch/enable",
		      O_WRONLY);

	if (fd < 0)
		printf("@@ error cannot flip sched_switch, errno %d\n", errno);
	while (fd >= 0 && count--) {
		write(fd, "1", 1);
		write(fd, "0", 1);
	}
	close(fd);
}

/*
 * Map and unmap 16 MB @count times with the kernel's own test module; every
 * 96 MB (4 CPUs) the kernel purges what was unmapped and flushes the TLBs.
 * The module runs its test as it is loaded, and refuses to stay.
 */
static void churn_vmalloc(long count)
{
	char args[PATH];
	int fd = open("/test_vmalloc.ko", O_RDONLY);

	join(args, "run_test_mask=1024 nr_pages=4096 test_loop_count=",
	     ltoa(count), NULL);
	/* EAGAIN is how the module says that it is done. */
	if (fd < 0 || (syscall(__NR_finit_module, fd, args, 0) < 0 &&
		       errno != EAGAIN))
		printf("@@ error test_vmalloc.ko did not run, errno %d\n",
		       errno);
	close(fd);
}

/* Each filter is compiled by the JIT, attached, and freed with its socket. */
static void attach_filters(long count)
{
	struct sock_filter accept = BPF_STMT(BPF_RET | BPF_K, 0xffff);
	struct { unsigned short len; struct sock_filter *filter; } prog = {
		1, &accept
	};
	int fd;

	while (count--) {
		fd = syscall(__NR_socket, 1 /* AF_UNIX */, 2 /* DGRAM */, 0);
		if (fd < 0 || syscall(__NR_setsockopt, fd, 1 /* SOL_SOCKET */,
				      26 /* SO_ATTACH_FILTER */, &prog,
				      sizeof(prog)) < 0) {
			printf("@@ error cannot attach a filter, errno %d\n",
			       errno);
			break;
		}
		close(fd);
	}
}

/*
 * The scheduler keeps a server with a timer of its own for ordinary tasks, one
 * interrupt a second or so even where nothing else wants to run. Who isolates a
 * CPU turns it off there; it has nothing to do with what is measured.
 */
static void stop_fair_servers(void)
{
	char path[PATH];
	int i;

	for (i = 0; i < nr_isolated; i++)
		put(join(path, "/sys/kernel/debug/sched/fair_server/cpu",
			 itoa(isolated[i]), "/runtime", NULL), "0");
}

static void phase(const char *name, void (*noise)(long), long count)
{
	char line[PATH];
	uint64_t t0;

	/* Once unmeasured: first uses resize buffers and load caches. */
	noise(1);
	msleep(300);

	keep_line(join(line, "@@ phase name=", name, NULL));
	keep_number("count", count);
	keep_line("\n");
	trace_on("senders");
	keep_fences("before");
	trace_on("entries");
	shared->epoch++;
	msleep(50);
	keep_statistics("before");

	t0 = now_ns();
	noise(count);
	/* What is freed by RCU or by a kworker belongs to the phase too. */
	msleep(300);
	t0 = now_ns() - t0;

	keep_statistics("after");
	trace_off("entries");
	keep_fences("after");
	trace_off("senders");
	keep_traces();
	keep_line("@@ done");
	keep_number("ms", t0 / 1000000);
	keep_line("\n");
	print_record();
}

int main(void)
{
	struct utsname uts;
	uint64_t hz;
	int i;

	mount_all();
	pin_to(0);
	nr_isolated = isolated_cpus(isolated);
	uname(&uts);
	hz = cycles_hz();
	printf("@@ hello release=%s hz=%lu cpus=", uts.release,
	       (unsigned long)hz);
	for (i = 0; i < nr_isolated; i++)
		printf(i ? ",%d" : "%d", isolated[i]);
	printf("\n");

	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE,
		      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	shared->threshold = hz / 1000000 * GAP_US;
	for (i = 0; i < nr_isolated; i++) {
		pid_t pid;

		shared->s[i].cpu = isolated[i];
		pid = fork();
		if (!pid)
			spin(&shared->s[i]);
		shared->s[i].pid = pid;
	}

	stop_fair_servers();
	start_tracing();
	open_fences();
	put("/proc/sys/net/core/bpf_jit_enable", "1");
	/* Let the ticks stop: they run until the boot's last work is done. */
	sleep(2);

	phase("text", flip_text, env_number("flips", 50));
	phase("vmalloc", churn_vmalloc, env_number("maps", 2000));
	phase("bpf", attach_filters, env_number("filters", 100));

	/* For the log only: what cpuword itself counted. */
	keep_file("cpuword", "/sys/kernel/debug/cpuword/cpus");
	print_record();
	printf("@@ bye\n");
	restart();
	return 0;
}
