// SPDX-License-Identifier: GPL-2.0
/* What disturbs isolated CPUs. */
#include "noise.h"
#include "kernel.h"
#include <linux/bpf.h>
#include <linux/filter.h>

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
	int fd = open(INSTANCES FLIP "/events/sched/sched_switch/enable",
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
	return i ? NULL : "no module to load (MODULE=, --module)";
}

static const char *module(long times)
{
	while (times--) {
		errno = load_module(parameter("module", ""),
				    parameter("module_args", ""));
		if (errno)
			return "loading a module";
		errno = unload_module(module_name);
		if (errno)
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
	char line[PATH], text[PATH];

	return put(KPROBES, join(line, "p:cpuword_noise/p", number(text, i),
				 " " VICTIM "+", itoa(at), "\n", NULL));
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

	put_in(LOAD, "events/cpuword_noise/enable", "0");
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
	int tries;

	for (tries = 0; optimizes && tries < 30; tries++) {
		msleep(20);
		list[0] = 0;
		slurp("/sys/kernel/debug/kprobes/list", list, 0, sizeof(list));
		if (find(list, "[OPTIMIZED]"))
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
		if (put_in(LOAD, "events/cpuword_noise/enable", "1"))
			return "enabling kprobes";
		wait_for_optimizer();
		if (put_in(LOAD, "events/cpuword_noise/enable", "0"))
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
	return put_in(LOAD, "set_ftrace_filter", VICTIM) ?
		"tracing " VICTIM : NULL;
}

static const char *ftrace(long times)
{
	while (times--)
		if (put_in(LOAD, "current_tracer", "function") ||
		    put_in(LOAD, "current_tracer", "nop"))
			return "switching the function tracer";
	return NULL;
}

static void finish_ftrace(void)
{
	char path[PATH];

	put_in(LOAD, "current_tracer", "nop");
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

/* vmalloc: with the kernel's own test module; without it, BPF maps */
static const char *vmalloc(long times)
{
	const char *path = parameter("vmalloc", "");
	int fd;

	if (*path) {
		errno = run_test_vmalloc(path, times);
		return errno ? "running test_vmalloc.ko" : NULL;
	}
	while (times--) {
		fd = make_map(BPF_MAP_TYPE_ARRAY, 4096, 4096);
		if (fd < 0)
			return "creating a BPF map";
		close(fd);
	}
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

const struct load loads[] = {
	{ "static-key", prepare_none, flip, finish_none, 1 },
	{ "vmalloc", prepare_none, vmalloc, finish_none, 100, 1 },
	{ "module", prepare_module, module, finish_none, 1 },
	{ "bpf", prepare_bpf, bpf, change_back, MAX_FILTERS },
	{ "setmem", prepare_setmem, setmem, change_back, 16 },
	{ "kprobe", prepare_kprobe, kprobe, remove_probes, 1 },
	{ "ftrace", prepare_ftrace, ftrace, finish_ftrace, 1 },
	{ "percpu", prepare_none, percpu, finish_none, 1 },
	{ "idle", prepare_none, idle, finish_none, 10 },
};

const int nr_loads = ARRAY_SIZE(loads);
