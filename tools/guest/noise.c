// SPDX-License-Identifier: GPL-2.0
/*
 * What reaches isolated CPUs: a spinner in user mode on each of them, and on
 * another CPU the loads that are asked for, one after the other. Prints what
 * the kernel's own statistics and tracepoints say of each; the host
 * (tools/cpuword noise) does the arithmetic. A line that begins with "@@ " is for it.
 *
 * It runs as PID 1 of a guest of `make demo`, with parameters on the kernel's
 * command line, or as root on a machine that is up, with name=value arguments:
 *
 *   loads=NAME[:COUNT],...	what to do, and how often
 *   seconds=N			each load for so long, instead of so often
 *   cpus=LIST			instead of those in nohz_full=
 *   threshold=US		of a gap
 *   module=PATH		for the load "module"; module_args=TEXT
 *   vmalloc=PATH		test_vmalloc.ko, for the load "vmalloc"
 */
#include "guest.h"
#include <linux/bpf.h>
#include <linux/filter.h>
#include <linux/perf_event.h>

static int emulated;		/* PID 1 of a guest */
static volatile int stop;	/* end now, and tidy up */
static char **args;

static const char *parameter(const char *name, const char *otherwise)
{
	long n = strlen(name);
	const char *value;
	char **arg;

	for (arg = args; *arg; arg++)
		if (!strncmp(*arg, name, n) && (*arg)[n] == '=')
			return *arg + n + 1;
	value = emulated ? getenv(name) : NULL;
	return value ? value : otherwise;
}

/* ---- the spinners ---- */

#define MAX_GAPS	4096
#define BUCKETS		32

/*
 * Written by one spinner each, read by the parent: shared memory, so that the
 * spinner never enters the kernel to report.
 */
struct spinner {
	volatile uint64_t loops, gaps, longest, epoch;
	/* By log2 of the gap in us. */
	volatile uint32_t histogram[BUCKETS];
	/* The first of them: when, and how long, in cycles. */
	struct { volatile uint64_t at, length; } gap[MAX_GAPS];
	pid_t pid;
	int cpu;
} __attribute__((aligned(256)));

static struct shared {
	volatile uint64_t epoch;	/* moved by the parent: start anew */
	uint64_t threshold, hz;		/* of a gap, in cycles; of cycles */
	struct spinner s[];
} *shared;

static int nr_isolated, isolated[MAX_CPUS];
static int nr_online, online[MAX_CPUS];
static int here;			/* the CPU of the loads */

static void note_gap(struct spinner *me, uint64_t at, uint64_t length)
{
	uint64_t us = length * 1000000 / shared->hz;
	int bucket = 0;

	while (us >>= 1)
		bucket++;
	me->histogram[bucket < BUCKETS ? bucket : BUCKETS - 1]++;
	if (length > me->longest)
		me->longest = length;
	if (me->gaps < MAX_GAPS) {
		me->gap[me->gaps].at = at;
		me->gap[me->gaps].length = length;
	}
	me->gaps++;
}

static void forget_gaps(struct spinner *me)
{
	int i;

	me->gaps = 0;
	me->longest = 0;
	for (i = 0; i < BUCKETS; i++)
		me->histogram[i] = 0;
}

static void spin(struct spinner *me)
{
	uint64_t now, last;
	long i;

	prctl(PR_SET_PDEATHSIG, 9 /* SIGKILL */, 0, 0, 0);
	if (pin_to(me->cpu))
		exit(1);
	/* Its pages are there before it spins, and stay. */
	for (i = 0; i < MAX_GAPS; i++)
		me->gap[i].at = 0;
	syscall(__NR_mlock, me, sizeof(*me));
	last = cycles();
	for (;;) {
		now = cycles();
		if (me->epoch != shared->epoch) {
			forget_gaps(me);
			me->epoch = shared->epoch;
		} else if (now - last > shared->threshold) {
			note_gap(me, last, now - last);
		}
		last = now;
		me->loops++;
		if (emulated)
			relax();
	}
}

static void start_spinners(void)
{
	int i;

	for (i = 0; i < nr_isolated; i++) {
		pid_t pid;

		shared->s[i].cpu = isolated[i];
		pid = fork();
		if (!pid)
			spin(&shared->s[i]);
		shared->s[i].pid = pid;
	}
}

static void stop_spinners(void)
{
	int i;

	for (i = 0; i < nr_isolated; i++)
		if (shared->s[i].pid > 0)
			kill(shared->s[i].pid, 9);
}

/* ---- what is recorded about one load ---- */

/*
 * Everything is read into memory first and printed afterwards: printing is
 * no part of what is measured.
 */
static char record[64 << 20];
static long recorded;

static void keep(const char *text)
{
	long n = strlen(text);

	if (recorded + n + 1 < (long)sizeof(record)) {
		memcpy(record + recorded, text, n);
		recorded += n;
		record[recorded] = 0;
	}
}

static void keep_file(const char *tag, const char *path)
{
	long n;

	keep("@@ file ");
	keep(tag);
	keep("\n");
	n = slurp(path, record, recorded, sizeof(record));
	if (n >= 0)
		recorded = n;
	if (recorded && record[recorded - 1] != '\n')
		keep("\n");
	keep("@@ end\n");
}

static void keep_number(const char *name, uint64_t v)
{
	keep(" ");
	keep(name);
	keep("=");
	keep(u64toa(v));
}

static void print_record(void)
{
	long done = 0, n;
	int left;

	while (done < recorded &&
	       (n = write(1, record + done, recorded - done)) > 0)
		done += n;
	recorded = 0;
	/*
	 * Until a terminal has had all of it.  What the kernel prints next, of a
	 * module for one, does not queue: it would be in the middle of a line.
	 */
	while (!ioctl(1, TIOCOUTQ, &left) && left)
		msleep(1);
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
		keep(join(tag, "@@ spinner when=", when, NULL));
		keep_number("cpu", s->cpu);
		keep_number("loops", s->loops);
		keep("\n");
	}
}

/* In us since the program began, as all times that are printed. */
static uint64_t base_ns, base_cycles;

static uint64_t us_since(uint64_t ns)
{
	return ns > base_ns ? (ns - base_ns) / 1000 : 0;
}

static uint64_t cycles_to_us(uint64_t c)
{
	/* Whole seconds apart, or the product overflows. */
	return c / shared->hz * 1000000 +
		c % shared->hz * 1000000 / shared->hz;
}

/* "@@ gaps ... at=<when>:<us>,..."; "when" is since the gap before. */
static void keep_gaps(void)
{
	uint64_t last, us;
	int i, b;
	long g;

	for (i = 0; i < nr_isolated; i++) {
		struct spinner *s = &shared->s[i];
		long limit = emulated ? 256 : MAX_GAPS;

		keep("@@ gaps");
		keep_number("cpu", s->cpu);
		keep_number("count", s->gaps);
		keep_number("longest", cycles_to_us(s->longest * 1000));
		keep(" histogram=");
		for (b = 0; b < BUCKETS; b++) {
			keep(u64toa(s->histogram[b]));
			keep(b < BUCKETS - 1 ? "," : " at=");
		}
		for (g = last = 0; g < limit && g < (long)s->gaps; g++) {
			us = cycles_to_us(s->gap[g].at - base_cycles);
			keep(u64toa(us - last));
			keep(":");
			keep(u64toa(cycles_to_us(s->gap[g].length)));
			keep(",");
			last = us;
		}
		keep("\n");
	}
}

/* ---- tracing ---- */

#define TRACING "/sys/kernel/tracing/"
#define INSTANCES TRACING "instances/"

/*
 * Trace instances of our own. "senders" has a stack trace with each event, to
 * name the source of an IPI; the others have none. "isolated" is of those CPUs
 * alone. The loads have two to play with. Names of tasks (record-cmd) are what
 * instances inherit: recording them takes the tracepoint that static-key flips,
 * and there alone that belongs to it.
 */
static const struct instance {
	const char *name;
	int names;
} instances[] = {
	{ "cpuword-senders" }, { "cpuword-deferrals" }, { "cpuword-isolated" },
	{ "cpuword-load" }, { "cpuword-flip", 1 },
};

#define NR_COLLECTORS	3	/* the first of these */

/* A filter that ends with CPUS is for the isolated ones (Linux 6.6 can). */
static const struct event {
	const char *instance, *name, *filter;
} events[] = {
	{ "cpuword-senders", "ipi/ipi_send_cpu", "cpu & CPUS" },
	{ "cpuword-senders", "ipi/ipi_send_cpumask", "cpumask & CPUS" },
	{ "cpuword-senders", "csd/csd_queue_cpu", "cpu & CPUS" },
	/* Remote fences only: ext is "RFNC". */
	{ "cpuword-senders", "riscv/sbi_call", "ext == 0x52464e43" },
	{ "cpuword-deferrals", "vmalloc/purge_vmap_area_lazy" },
	{ "cpuword-deferrals", "cpuword/cpuword_defer" },
	{ "cpuword-isolated", "context_tracking/user_exit" },
	{ "cpuword-isolated", "timer/hrtimer_expire_entry" },
	{ "cpuword-isolated", "timer/timer_expire_entry" },
};

/* The arguments of events that are of interest; others make equal ones differ. */
static const char *const arguments[] = {
	"cpu=", "cpumask=", "callback=", "func=", "function=", "fid=",
	"work=", "result=",
};

/* Write to a file of a trace instance. Returns 0 or -1. */
static int put_in(const char *instance, const char *file, const char *text)
{
	char path[PATH];

	return put(join(path, INSTANCES, instance, "/", file, NULL), text);
}

static void filter_event(const struct event *e)
{
	const char *end = e->filter + strlen(e->filter) - 4;
	char filter[MAX_CPUS * 5], path[PATH];
	int i, cpus = !strcmp(end, "CPUS");

	filter[0] = 0;
	append(filter, e->filter, sizeof(filter));
	for (i = 0; cpus && i < nr_isolated; i++) {
		append(filter, i ? "," : "{", sizeof(filter));
		append(filter, itoa(isolated[i]), sizeof(filter));
	}
	append(filter, cpus ? "}" : "", sizeof(filter));
	join(path, "events/", e->name, "/filter", NULL);
	/* Without the CPUs there is more than one needs, but all of that. */
	if (put_in(e->instance, path, filter) && !cpus)
		printf("@@ error cannot filter %s, errno %d\n", e->name,
		       errno);
}

static void mask_of_isolated(char *text, long size)
{
	uint32_t words[MAX_CPUS / 32] = { 0 };
	char digit[2] = "";
	int i, shift;

	for (i = 0; i < nr_isolated; i++)
		words[isolated[i] / 32] |= 1u << isolated[i] % 32;
	text[0] = 0;
	for (i = isolated[nr_isolated - 1] / 32; i >= 0; i--) {
		for (shift = 28; shift >= 0; shift -= 4) {
			digit[0] = "0123456789abcdef"[words[i] >> shift & 15];
			append(text, digit, size);
		}
		append(text, i ? "," : "", size);
	}
}

static void remove_instances(void)
{
	char path[PATH];
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(instances); i++)
		rmdir(join(path, INSTANCES, instances[i].name, NULL));
}

static int make_instances(void)
{
	char names[8] = "0", path[PATH];
	unsigned int i;

	remove_instances();	/* of a run that was killed */
	slurp(TRACING "options/record-cmd", names, 0, sizeof(names));
	for (i = 0; i < ARRAY_SIZE(instances); i++) {
		put(TRACING "options/record-cmd",
		    instances[i].names ? "1" : "0");
		if (mkdir(join(path, INSTANCES, instances[i].name, NULL), 0750))
			break;
	}
	put(TRACING "options/record-cmd", names);
	return i == ARRAY_SIZE(instances) ? 0 : -1;
}

static int start_tracing(void)
{
	char path[PATH], mask[MAX_CPUS];
	struct stat st;
	unsigned int i;

	if (make_instances()) {
		printf("@@ error no trace instances (errno %d): is tracefs mounted at " TRACING ", and this root?\n",
		       errno);
		return -1;
	}
	for (i = 0; i < ARRAY_SIZE(instances); i++)
		put_in(instances[i].name, "tracing_on", "0");
	for (i = 0; i < NR_COLLECTORS; i++) {
		put_in(instances[i].name, "trace_clock", "mono");
		/* This CPU writes nearly all of it. */
		join(path, "per_cpu/cpu", itoa(here), "/buffer_size_kb", NULL);
		put_in(instances[i].name, path,
		       itoa(16384 * (1 + nr_isolated / 16)));
	}
	put_in("cpuword-senders", "options/stacktrace", "1");
	mask_of_isolated(mask, sizeof(mask));
	put_in("cpuword-isolated", "tracing_cpumask", mask);

	for (i = 0; i < ARRAY_SIZE(events); i++) {
		const struct event *e = &events[i];

		if (stat(join(path, TRACING "events/", e->name, NULL), &st)) {
			printf("@@ missing %s\n", e->name);
			continue;
		}
		if (e->filter)
			filter_event(e);
		join(path, "events/", e->name, "/enable", NULL);
		if (put_in(e->instance, path, "1"))
			printf("@@ error cannot trace %s, errno %d\n",
			       e->name, errno);
	}
	return 0;
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
 * Of the times of each, MAX_TIMES at most are kept: when they are too many,
 * every second one is dropped, and from then on.
 */
#define MAX_TIMES	512

static char strings[8 << 20];
static long strings_used;
static struct counted {
	char *text;
	uint64_t count, every;
	int times;
	uint32_t at[MAX_TIMES];
} counted[1 << 14];

/* One event of a trace file, as far as it has been read. */
static struct {
	char text[4096];
	uint64_t us;
} event;

static void keep_time(struct counted *c, uint32_t us)
{
	int i;

	if (c->times == MAX_TIMES) {
		for (i = 0; i < MAX_TIMES / 2; i++)
			c->at[i] = c->at[2 * i];
		c->times = MAX_TIMES / 2;
		c->every *= 2;
	}
	if (c->count % c->every == 0)
		c->at[c->times++] = us;
	c->count++;
}

static void count_event(void)
{
	unsigned long h = 5381, i;
	long n = strlen(event.text) + 1;

	if (n == 1)
		return;
	for (i = 0; event.text[i]; i++)
		h = h * 33 + event.text[i];
	for (i = 0; i < ARRAY_SIZE(counted); i++) {
		struct counted *c = &counted[(h + i) % ARRAY_SIZE(counted)];

		if (!c->text && strings_used + n <= (long)sizeof(strings)) {
			c->text = memcpy(strings + strings_used, event.text, n);
			c->every = 1;
			strings_used += n;
		}
		if (c->text && !strcmp(c->text, event.text)) {
			keep_time(c, event.us);
			return;
		}
		if (!c->text)
			break;
	}
	printf("@@ lost events: too many different ones to count\n");
}

static void add(const char *text)
{
	append(event.text, text, sizeof(event.text));
}

static void add_arguments(char *text)
{
	unsigned int i;
	char *word;

	while (*text) {
		word = text;
		while (*text && *text != ' ')
			text++;
		if (*text)
			*text++ = 0;
		for (i = 0; i < ARRAY_SIZE(arguments); i++)
			if (!strncmp(word, arguments[i], strlen(arguments[i]))) {
				add(" ");
				add(word);
			}
	}
}

/*
 * What follows the time in a line of a trace file: "  task-pid   [cpu] flags
 * seconds.us: event: arguments". NULL if it is no such line.
 */
static char *parse_line(char *line, char **cpu, uint64_t *us)
{
	char *text, *time;

	for (*cpu = line; **cpu; ++*cpu)
		if (**cpu == '[' && (*cpu)[1] >= '0' && (*cpu)[1] <= '9' &&
		    (*cpu)[4] == ']')
			break;
	for (text = *cpu; *text && strncmp(text, ": ", 2); )
		text++;
	if (line[0] == '#' || !*text)
		return NULL;
	for (time = text; time[-1] != ' '; )
		time--;
	*us = us_since(strtoul(time, &time, 10) * 1000000000ull +
		       strtoul(time + 1, NULL, 10) * 1000ull);
	return text + 2;
}

static void count_line(char *line)
{
	char *cpu, *name, *text;
	uint64_t us;

	if (!strncmp(line, " => ", 4)) {
		if (!event.text[0])
			return;		/* the event itself was lost */
		add(" < ");
		/* Modules that are gone leave addresses, many different ones. */
		add(strncmp(line + 4, "0x", 2) ? line + 4 : "(module)");
		return;
	}
	name = parse_line(line, &cpu, &us);
	if (!name || !strcmp(name, "<stack trace>"))
		return;
	count_event();
	for (text = name; *text && *text != ':'; )
		text++;
	if (*text)
		*text++ = 0;
	cpu[4] = 0;
	event.us = us;
	event.text[0] = 0;
	add("cpu=");
	add(cpu + 1);
	add(" ");
	add(name);
	add_arguments(text);
}

/* One CPU at a time: then a stack follows its own event. */
static void count_trace(const char *file)
{
	static char chunk[1 << 16], line[4096];
	int fd = open(file, O_RDONLY);
	long n, i, at = 0;

	event.text[0] = 0;
	while ((n = read(fd, chunk, sizeof(chunk))) > 0)
		for (i = 0; i < n; i++) {
			if (chunk[i] == '\n') {
				line[at] = 0;
				count_line(line);
				at = 0;
			} else if (at < (long)sizeof(line) - 1) {
				line[at++] = chunk[i];
			}
		}
	close(fd);
	count_event();
}

/* "@@ event <count> <times kept: one of so many> <times> <text>" */
static void keep_counted(void)
{
	unsigned int i;
	int t;

	for (i = 0; i < ARRAY_SIZE(counted); i++) {
		struct counted *c = &counted[i];

		if (!c->text)
			continue;
		keep("@@ event ");
		keep(u64toa(c->count));
		keep(" ");
		keep(u64toa(c->every));
		keep(" ");
		for (t = 0; t < c->times; t++) {
			keep(u64toa(c->at[t] - (t ? c->at[t - 1] : 0)));
			keep(",");
		}
		keep(" ");
		keep(c->text);
		keep("\n");
		memset(c, 0, sizeof(*c));
	}
	strings_used = 0;
}

static void keep_traces(void)
{
	char path[PATH], cpu[PATH];
	unsigned int i;
	int c;

	for (i = 0; i < NR_COLLECTORS; i++)
		for (c = 0; c < nr_online; c++) {
			join(cpu, INSTANCES, instances[i].name, "/per_cpu/cpu",
			     itoa(online[c]), NULL);
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
			keep(join(line, "@@ fence when=", when, " kind=",
				  fences[f].name, NULL));
			keep_number("cpu", isolated[i]);
			keep_number("count", v);
			keep("\n");
		}
#endif
}

/* ---- the loads ---- */

/*
 * Each returns NULL, or what it could not do, with errno: of prepare(), it is
 * why this kernel cannot do the load at all.
 */
struct load {
	const char *name;
	const char *(*prepare)(void);
	const char *(*run)(long times);
	/* Leaves things as they were; also after prepare() has failed. */
	void (*finish)(void);
	/* So many at once. */
	long batch;
};

/* One sysctl at a time is changed. */
static const char *changed_path;
static char changed_value[32];

static int change(const char *path, const char *value)
{
	if (slurp(path, changed_value, 0, sizeof(changed_value)) <= 0)
		return -1;
	changed_path = path;
	return put(path, value);
}

static void change_back(void)
{
	if (changed_path)
		put(changed_path, changed_value);
	changed_path = NULL;
}

static const char *prepare_none(void)
{
	return NULL;
}

static void finish_none(void)
{
}

/* idle: what comes by itself */
static const char *idle(long times)
{
	msleep(times * 10);
	return NULL;
}

/*
 * static-key: turning the sched_switch tracepoint on and off patches jump
 * labels and static calls.
 */
static const char *flip(long times)
{
	int fd = open(INSTANCES "cpuword-flip/events/sched/sched_switch/enable",
		      O_WRONLY);

	while (fd >= 0 && times--)
		if (write(fd, "1", 1) != 1 || write(fd, "0", 1) != 1)
			break;
	if (times >= 0)
		return "switching the sched_switch tracepoint";
	close(fd);
	return NULL;
}

/*
 * bpf: socket filters, compiled by the JIT and freed with their sockets. Some
 * are there at once, so that the JIT also needs new memory and frees it; on a
 * machine that has programs of its own many, and long ones.
 */
#define JIT "/proc/sys/net/core/bpf_jit_enable"
#define MAX_FILTERS 256

static const char *attach(long times, int length, int at_once)
{
	static struct sock_filter code[2000];
	struct { unsigned short len; struct sock_filter *filter; } prog = {
		length, code
	};
	struct sock_filter accept = BPF_STMT(BPF_RET | BPF_K, 0xffff);
	struct sock_filter count = BPF_STMT(BPF_ALU | BPF_ADD | BPF_K, 1);
	const char *failed = NULL;
	int fd[MAX_FILTERS], n = 0, i;

	for (i = 0; i < length - 1; i++)
		code[i] = count;
	code[i] = accept;
	while (!failed && times--) {
		fd[n] = syscall(__NR_socket, 1 /* AF_UNIX */, 2 /* DGRAM */, 0);
		if (fd[n] < 0 ||
		    syscall(__NR_setsockopt, fd[n], 1 /* SOL_SOCKET */,
			    26 /* SO_ATTACH_FILTER */, &prog,
			    sizeof(prog)) < 0)
			failed = "attaching a socket filter";
		if (++n < at_once && !failed && times)
			continue;
		while (n)
			close(fd[--n]);
		msleep(50);	/* RCU and a kworker free them */
	}
	return failed;
}

static const char *prepare_bpf(void)
{
	return change(JIT, "1") ? "switching the BPF JIT on" : NULL;
}

static const char *bpf(long times)
{
	return emulated ? attach(times, 100, 16) : attach(times, 2000, 256);
}

/*
 * setmem: filters that are not compiled have their pages made read-only, and
 * writable again when they are freed.
 */
static const char *prepare_setmem(void)
{
	return change(JIT, "0") ?
		"switching the BPF JIT off (CONFIG_BPF_JIT_ALWAYS_ON?)" : NULL;
}

static const char *setmem(long times)
{
	return attach(times, 1, 16);
}

/* module: load and unload */
static char module_name[64];

static const char *prepare_module(void)
{
	const char *path = parameter("module", ""), *name = path;
	unsigned int i = 0;

	for (; *path; path++)
		if (*path == '/')
			name = path + 1;
	for (; *name && *name != '.' && i < sizeof(module_name) - 1; name++)
		module_name[i++] = *name == '-' ? '_' : *name;
	module_name[i] = 0;
	errno = 0;
	return i ? NULL : "no module to load";
}

static int insert(const char *path, const char *text)
{
	int fd = open(path, O_RDONLY), flags = 0, result;

	if (fd < 0)
		return -1;
	/* One that is not .ko is compressed: the kernel unpacks it. */
	if (strcmp(path + strlen(path) - 3, ".ko"))
		flags = 4;	/* MODULE_INIT_COMPRESSED_FILE */
	result = syscall(__NR_finit_module, fd, text, flags);
	close(fd);
	return result;
}

static const char *module(long times)
{
	while (times--) {
		if (insert(parameter("module", ""),
			   parameter("module_args", "")))
			return "loading a module";
		if (syscall(__NR_delete_module, module_name, O_NONBLOCK))
			return "unloading a module";
	}
	return NULL;
}

/*
 * A function that nobody calls here, and that is not inlined, for the loads
 * that probe and trace.
 */
#define VICTIM "ksys_sync"

/*
 * kprobe: probes at the entry of a function, which is ftrace's to patch where
 * it can, and behind it.
 */
#define KPROBES TRACING "kprobe_events"
#define MAX_PROBES 4

static int nr_probes, probe_at[MAX_PROBES], optimizes;

static int probe(int i, int at)
{
	char line[PATH], number[24];

	join(number, itoa(i), NULL);
	return put(KPROBES, join(line, "p:cpuword_noise/p", number, " " VICTIM
				 "+", itoa(at), "\n", NULL));
}

static int unprobe(int i)
{
	char line[PATH];

	return put(KPROBES, join(line, "-:cpuword_noise/p", itoa(i), "\n",
				 NULL));
}

static void remove_probes(void)
{
	int i;

	put_in("cpuword-load", "events/cpuword_noise/enable", "0");
	for (i = 0; i < MAX_PROBES; i++)
		unprobe(i);
}

static const char *prepare_kprobe(void)
{
	struct stat st;
	int at;

	if (stat(KPROBES, &st))
		return "no kprobe_events in tracefs";
	remove_probes();	/* of a run that was killed */
	nr_probes = 0;
	for (at = 0; at < 64 && nr_probes < MAX_PROBES; at++)
		if (!probe(nr_probes, at)) {
			unprobe(nr_probes);
			probe_at[nr_probes++] = at;
		}
	optimizes = !stat("/proc/sys/debug/kprobes-optimization", &st);
	return nr_probes ? NULL : "probing " VICTIM;
}

/* Probes become jumps some time after they were enabled, if at all. */
static void wait_for_optimizer(void)
{
	static char list[1 << 16];
	const char *text;
	int tries;

	for (tries = 0; optimizes && tries < 30; tries++) {
		msleep(20);
		list[0] = 0;
		slurp("/sys/kernel/debug/kprobes/list", list, 0, sizeof(list));
		for (text = list; *text; text++)
			if (!strncmp(text, "[OPTIMIZED]", 11))
				return;
	}
}

static const char *kprobe(long times)
{
	int i;

	while (times--) {
		for (i = 0; i < nr_probes; i++)
			if (probe(i, probe_at[i]))
				return "defining a kprobe";
		if (put_in("cpuword-load", "events/cpuword_noise/enable", "1"))
			return "enabling kprobes";
		wait_for_optimizer();
		if (put_in("cpuword-load", "events/cpuword_noise/enable", "0"))
			return "disabling kprobes";
		for (i = 0; i < nr_probes; i++)
			if (unprobe(i))
				return "removing a kprobe";
	}
	return NULL;
}

/* ftrace: the function tracer, on and off, for one function */
static const char *prepare_ftrace(void)
{
	return put_in("cpuword-load", "set_ftrace_filter", VICTIM) ?
		"tracing " VICTIM : NULL;
}

static const char *ftrace(long times)
{
	while (times--)
		if (put_in("cpuword-load", "current_tracer", "function") ||
		    put_in("cpuword-load", "current_tracer", "nop"))
			return "switching the function tracer";
	return NULL;
}

static void finish_ftrace(void)
{
	char path[PATH];

	put_in("cpuword-load", "current_tracer", "nop");
	close(open(join(path, INSTANCES, "cpuword-load/set_ftrace_filter",
			NULL), O_WRONLY | O_TRUNC));
}

/* A BPF map: memory that the kernel maps for the asking. Closed, it is freed. */
static int make_map(int type, int value, int entries)
{
	union bpf_attr attr;

	memset(&attr, 0, sizeof(attr));
	attr.map_type = type;
	attr.key_size = 4;
	attr.value_size = value;
	attr.max_entries = entries;
	return syscall(__NR_bpf, BPF_MAP_CREATE, &attr, sizeof(attr));
}

/*
 * vmalloc: map and unmap 16 MB with the kernel's own test module; every so
 * many MB the kernel purges what was unmapped and flushes the TLBs. The module
 * runs its test as it is loaded, and refuses to stay. Without it, BPF maps.
 */
static const char *vmalloc(long times)
{
	const char *path = parameter("vmalloc", "");
	char text[PATH];
	int fd;

	while (!*path && times--) {
		fd = make_map(BPF_MAP_TYPE_ARRAY, 4096, 4096);
		if (fd < 0)
			return "creating a BPF map";
		close(fd);
	}
	if (!*path)
		return NULL;
	join(text, "run_test_mask=1024 nr_pages=4096 test_loop_count=",
	     itoa(times), NULL);
	/* EAGAIN is how the module says that it is done. */
	if (insert(path, text) && errno != EAGAIN)
		return "running test_vmalloc.ko";
	return NULL;
}

/*
 * percpu: maps of 128 KB a CPU fill some chunks. Without every second one these
 * are half empty, and pages are taken out of them; without the others they go.
 * Freeing is left to kworkers, which have to get there in between.
 */
static const char *percpu(long times)
{
	int map[16], i;

	while (times--) {
		for (i = 0; i < 16; i++)
			map[i] = make_map(BPF_MAP_TYPE_PERCPU_ARRAY, 8192, 16);
		for (i = 0; i < 16; i += 2)
			close(map[i]);
		msleep(20);
		for (i = 1; i < 16; i += 2)
			close(map[i]);
		msleep(20);
		if (map[15] < 0)
			return "creating a BPF map";
	}
	return NULL;
}

static const struct load loads[] = {
	{ "static-key", prepare_none, flip, finish_none, 1 },
	{ "vmalloc", prepare_none, vmalloc, finish_none, 100 },
	{ "module", prepare_module, module, finish_none, 1 },
	{ "bpf", prepare_bpf, bpf, change_back, MAX_FILTERS },
	{ "setmem", prepare_setmem, setmem, change_back, 16 },
	{ "kprobe", prepare_kprobe, kprobe, remove_probes, 1 },
	{ "ftrace", prepare_ftrace, ftrace, finish_ftrace, 1 },
	{ "percpu", prepare_none, percpu, finish_none, 1 },
	{ "idle", prepare_none, idle, finish_none, 10 },
};

/* ---- one load after the other ---- */

/* How much has been sent, by the statistics of the trace. */
static unsigned long sent(void)
{
	char path[PATH], cpu[24], text[1024];
	unsigned long n = 0;
	int c;

	for (c = 0; c < nr_online; c++) {
		join(cpu, itoa(online[c]), NULL);
		join(path, INSTANCES "cpuword-senders/per_cpu/cpu", cpu,
		     "/stats", NULL);
		/* "entries: <number>" comes first. */
		if (slurp(path, text, 0, sizeof(text)) > 9)
			n += strtoul(text + 9, NULL, 10);
	}
	return n;
}

/*
 * What is freed by RCU or by a kworker belongs to the load too: wait until
 * there is no more, which on a busy machine may never be.
 */
static void settle(void)
{
	int tries = emulated ? 200 : 3;
	unsigned long before;

	do {
		before = sent();
		msleep(300);
	} while (--tries && sent() != before);
}

/* So many times or, if that is not 0, so many seconds. Returns how often. */
static long repeat(const struct load *load, long times, long seconds)
{
	uint64_t end = now_ns() + seconds * 1000000000ull;
	const char *failed = NULL;
	long done = 0, n;

	while (!stop && !failed &&
	       (seconds ? now_ns() < end : done < times)) {
		n = load->batch;
		/* A module's load is not what this one is about. */
		if (load->run == vmalloc && !seconds)
			n = times;
		if (!seconds && n > times - done)
			n = times - done;
		failed = load->run(n);
		done += n;
	}
	if (failed)
		printf("@@ error %s: %s, errno %d\n", load->name, failed,
		       errno);
	return done;
}

static void measure(const struct load *load, long times, long seconds)
{
	const char *failed;
	char line[PATH];
	uint64_t start, end;

	printf("@@ load name=%s\n", load->name);
	failed = load->prepare();
	/* Once unmeasured: first uses resize buffers and load caches. */
	if (!failed)
		failed = load->run(1);
	if (failed) {
		printf("@@ skipped name=%s errno=%d why=%s\n", load->name,
		       errno, failed);
		load->finish();
		return;
	}
	msleep(300);	/* for what is freed later */

	keep(join(line, "@@ phase name=", load->name, "\n", NULL));
	trace_on("cpuword-senders");
	keep_fences("before");
	trace_on("cpuword-deferrals");
	trace_on("cpuword-isolated");
	shared->epoch++;
	msleep(50);
	keep_statistics("before");

	start = now_ns();
	mark();
	times = repeat(load, times, seconds);
	settle();
	mark();
	end = now_ns();

	keep_statistics("after");
	trace_off("cpuword-isolated");
	trace_off("cpuword-deferrals");
	keep_gaps();
	keep_fences("after");
	trace_off("cpuword-senders");
	keep_traces();
	keep("@@ done");
	keep_number("times", times);
	keep_number("start", us_since(start));
	keep_number("us", (end - start) / 1000);
	keep("\n");
	print_record();
	load->finish();
}

/* "name:count,name,...": all that are in @list, in its order. */
static void measure_all(const char *list, long seconds)
{
	unsigned int i;

	while (*list && !stop) {
		const char *end = list;
		long times = 100, n;

		while (*end && *end != ',' && *end != ':')
			end++;
		n = end - list;
		for (i = 0; i < ARRAY_SIZE(loads); i++)
			if (!strncmp(loads[i].name, list, n) &&
			    !loads[i].name[n])
				break;
		if (*end == ':')
			times = strtol(end + 1, (char **)&end, 10);
		if (i < ARRAY_SIZE(loads))
			measure(&loads[i], times, seconds);
		else
			printf("@@ error no such load: %s\n", list);
		list = end + (*end == ',');
	}
}

/*
 * The scheduler keeps a server with a timer of its own for ordinary tasks, one
 * interrupt a second or so even where nothing else wants to run. Who isolates a
 * CPU turns it off there; it has nothing to do with what is measured. So it is
 * off in guests; a machine is measured as it is.
 */
static void stop_fair_servers(void)
{
	int i;

	for (i = 0; i < nr_isolated; i++)
		stop_fair_server(isolated[i]);
	pin_to(here);
}

#ifndef NOLIBC
static void on_signal(int number)
{
	(void)number;
	stop = 1;
}
#endif

/* A machine that goes on is left as it was, however this ends. */
static void catch_signals(void)
{
#ifndef NOLIBC
	signal(SIGPIPE, SIG_IGN);
	signal(SIGINT, on_signal);
	signal(SIGTERM, on_signal);
	signal(SIGHUP, on_signal);
	prctl(PR_SET_PDEATHSIG, SIGTERM, 0, 0, 0);
#endif
}

/* The CPUs to look at, and one that is not among them. Returns 0 or -1. */
static int choose_cpus(void)
{
	const char *list = parameter("cpus", NULL);
	int i, c;

	nr_online = cpus_that_are("online", online);
	nr_isolated = list ? parse_cpus(list, isolated) :
		isolated_cpus(isolated);
	if (!nr_isolated) {
		printf("@@ error no isolated CPUs: boot with nohz_full=<list>, or name CPUs with cpus=\n");
		return -1;
	}
	for (i = 0; i < nr_isolated; i++) {
		for (c = 0; c < nr_online && online[c] != isolated[i]; )
			c++;
		if (c == nr_online) {
			printf("@@ error CPU %d is not online\n", isolated[i]);
			return -1;
		}
	}
	for (c = 0; c < nr_online; c++) {
		for (i = 0; i < nr_isolated && isolated[i] != online[c]; )
			i++;
		if (i == nr_isolated && !pin_to(online[c])) {
			here = online[c];
			return 0;
		}
	}
	printf("@@ error no CPU is left for the loads\n");
	return -1;
}

static void hello(void)
{
	struct utsname uts;
	int i;

	uname(&uts);
	printf("@@ hello release=%s machine=%s hz=%lu here=%d cpus=",
	       uts.release, uts.machine, (unsigned long)shared->hz, here);
	for (i = 0; i < nr_isolated; i++)
		printf(i ? ",%d" : "%d", isolated[i]);
	printf("\n");
}

static void run(void)
{
	long threshold = atol(parameter("threshold", "20"));
	long size;

	if (choose_cpus())
		return;
	size = sizeof(*shared) + nr_isolated * sizeof(shared->s[0]);
	shared = mmap(NULL, size, PROT_READ | PROT_WRITE,
		      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (shared == MAP_FAILED) {
		printf("@@ error no memory\n");
		return;
	}
	base_ns = now_ns();
	base_cycles = cycles();
	shared->hz = cycles_hz();
	shared->threshold = shared->hz * threshold / 1000000;
	hello();
	if (emulated)
		stop_fair_servers();
	start_spinners();
	if (!start_tracing()) {
		open_fences();
		/* Let the ticks stop: they run until all other work is done. */
		sleep(2);
		measure_all(parameter("loads", ""),
			    atol(parameter("seconds", "0")));
		if (stop)
			printf("@@ interrupted\n");
	}
	stop_spinners();
	remove_instances();
}

int main(int argc, char **argv)
{
	(void)argc;
	args = argv;
	emulated = getpid() == 1;
#ifndef NOLIBC
	setvbuf(stdout, NULL, _IONBF, 0);
#endif
	if (emulated)
		mount_all();
	catch_signals();
	run();
	/* For the log only: what cpuword itself counted. */
	keep_file("cpuword", "/sys/kernel/debug/cpuword/cpus");
	print_record();
	printf("@@ bye\n");
	if (emulated)
		restart();
	return 0;
}
