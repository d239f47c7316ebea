// SPDX-License-Identifier: GPL-2.0
/*
 * PID 1 of `make bench`: the cost of a getpid() round trip, in ticks of the
 * cycle counter. With QEMU's -icount shift=0 a tick of it is one guest
 * instruction (or a known number of them: the host scales by the clock rate
 * that is printed).
 */
#include "guest.h"

#define BATCHES	100
#define CALLS	1000

static uint64_t hz;

static void measure(int cpu, int isolated)
{
	uint64_t t, calls_min = ~0ull, empty_min = ~0ull, sum = 0;
	int b, i;

	if (pin_to(cpu)) {
		printf("@@ error cannot run on CPU %d\n", cpu);
		return;
	}

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
			my_syscall0(__NR_getpid);
		t = cycles() - t;
		sum += t;
		if (t < calls_min)
			calls_min = t;
	}
	printf("@@ bench cpu=%d isolated=%d hz=%lu calls=%d empty=%lu best=%lu mean=%lu\n",
	       cpu, isolated, (unsigned long)hz, CALLS,
	       (unsigned long)empty_min,
	       (unsigned long)calls_min, (unsigned long)(sum / BATCHES));
}

/*
 * In a child, so that PID 1 sleeps and its CPU idles meanwhile: -icount runs
 * all CPUs in one thread, and their instructions move the same counter.
 */
static void measure_in_child(int cpu, int isolated)
{
	pid_t pid = fork();

	if (!pid) {
		measure(cpu, isolated);
		exit(0);
	}
	waitpid(pid, NULL, 0);
}

int main(void)
{
	int cpus[MAX_CPUS], n;

	mount_all();
	hz = cycles_hz();
	n = isolated_cpus(cpus);
	if (!n)
		printf("@@ error no isolated CPU: is nohz_full= missing?\n");
	else
		measure_in_child(cpus[0], 1);
	measure_in_child(0, 0);
	printf("@@ bye\n");
	restart();
	return 0;
}
