// SPDX-License-Identifier: GPL-2.0
/* One load after the other. */
#include "noise.h"

/* How much has been sent, by the statistics of the trace. */
static unsigned long sent(void)
{
	char path[PATH], text[1024];
	unsigned long n = 0;
	int c;

	for (c = 0; c < nr_online; c++) {
		join(path, INSTANCES SENDERS "/per_cpu/cpu", itoa(online[c]),
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
		if (load->at_once && !seconds)
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
	trace_on(SENDERS);
	keep_fences("before");
	trace_on(DEFERRALS);
	trace_on(ISOLATED);
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
	trace_off(ISOLATED);
	trace_off(DEFERRALS);
	keep_gaps();
	keep_fences("after");
	trace_off(SENDERS);
	keep_trace(SENDERS);
	keep_trace(DEFERRALS);
	keep_trace(ISOLATED);
	keep_counted();
	keep("@@ done");
	keep_number("times", times);
	keep_number("start", us_since_start(start));
	keep_number("us", (end - start) / 1000);
	keep("\n");
	print_record();
	load->finish();
}

void measure_all(const char *list, long seconds)
{
	int i;

	while (*list && !stop) {
		const char *end = list;
		long times = 100, n;

		while (*end && *end != ',' && *end != ':')
			end++;
		n = end - list;
		for (i = 0; i < nr_loads; i++)
			if (!strncmp(loads[i].name, list, n) &&
			    !loads[i].name[n])
				break;
		if (*end == ':')
			times = strtol(end + 1, (char **)&end, 10);
		if (i < nr_loads)
			measure(&loads[i], times, seconds);
		else
			printf("@@ error no such load: %s\n", list);
		list = end + (*end == ',');
	}
}
