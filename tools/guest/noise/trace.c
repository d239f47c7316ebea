// SPDX-License-Identifier: GPL-2.0
/* Trace instances of our own, and the events that they have. */
#include "noise.h"

/*
 * SENDERS has a stack trace with each event, to name the source of an IPI; the
 * others have none. ISOLATED is of those CPUs alone. The loads have two to play
 * with. Names of tasks (record-cmd) are what instances inherit: recording them
 * takes the tracepoint that static-key flips, and there alone that belongs to it.
 */
static const struct {
	const char *name;
	int names;
} instances[] = {
	{ SENDERS }, { DEFERRALS }, { ISOLATED }, { LOAD }, { FLIP, 1 },
};

#define NR_COLLECTORS	3	/* the first of these */

/* A filter that ends with CPUS is for the isolated ones (Linux 6.6 can). */
static const struct event {
	const char *instance, *name, *filter;
} events[] = {
	{ SENDERS, "ipi/ipi_send_cpu", "cpu & CPUS" },
	{ SENDERS, "ipi/ipi_send_cpumask", "cpumask & CPUS" },
	{ SENDERS, "csd/csd_queue_cpu", "cpu & CPUS" },
#ifdef ARCH_SENDERS
	{ SENDERS, ARCH_SENDERS },
#endif
	{ DEFERRALS, "vmalloc/purge_vmap_area_lazy" },
	{ DEFERRALS, "cpuword/cpuword_defer" },
	{ ISOLATED, "context_tracking/user_exit" },
	{ ISOLATED, "timer/hrtimer_expire_entry" },
	{ ISOLATED, "timer/timer_expire_entry" },
};

int put_in(const char *instance, const char *file, const char *text)
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

void remove_instances(void)
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

int start_tracing(void)
{
	char path[PATH], mask[MAX_CPUS];
	struct stat st;
	unsigned int i;

	if (make_instances()) {
		printf("@@ error no trace instances (errno %d): no tracefs at " TRACING ", or not root\n",
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
	put_in(SENDERS, "options/stacktrace", "1");
	mask_of_isolated(mask, sizeof(mask));
	put_in(ISOLATED, "tracing_cpumask", mask);

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

void trace_on(const char *instance)
{
	char path[PATH];

	close(open(join(path, INSTANCES, instance, "/trace", NULL),
		   O_WRONLY | O_TRUNC));
	put_in(instance, "tracing_on", "1");
}

void trace_off(const char *instance)
{
	put_in(instance, "tracing_on", "0");
}
