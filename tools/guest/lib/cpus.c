// SPDX-License-Identifier: GPL-2.0
#include "cpus.h"
#include "text.h"

#define BITS_PER_LONG (8 * (int)sizeof(long))

uint64_t now_ns(void)
{
	struct timespec ts;

	syscall(__NR_clock_gettime, 1 /* CLOCK_MONOTONIC */, &ts);
	return ts.tv_sec * 1000000000ull + ts.tv_nsec;
}

uint64_t cycles_hz(void)
{
#ifdef arch_cycles_hz
	return arch_cycles_hz();
#else
	uint64_t t0 = now_ns(), c0 = cycles();

	while (now_ns() - t0 < 50000000)
		;
	return (cycles() - c0) * 1000000000ull / (now_ns() - t0);
#endif
}

int bind_to(const int *cpus, int nr)
{
	unsigned long mask[MAX_CPUS / BITS_PER_LONG] = { 0 };
	int i;

	for (i = 0; i < nr; i++) {
		if (cpus[i] >= MAX_CPUS)
			return -1;
		mask[cpus[i] / BITS_PER_LONG] |= 1UL << cpus[i] % BITS_PER_LONG;
	}
	return syscall(__NR_sched_setaffinity, 0, sizeof(mask), mask) < 0 ?
		-1 : 0;
}

int pin_to(int cpu)
{
	return bind_to(&cpu, 1);
}

int parse_cpus(const char *list, int *cpus)
{
	int n = 0;
	char *end;
	long a, b;

	while (*list >= '0' && *list <= '9') {
		a = b = strtol(list, &end, 10);
		if (*end == '-')
			b = strtol(end + 1, &end, 10);
		for (; a <= b && n < MAX_CPUS; a++)
			cpus[n++] = a;
		list = end + (*end == ',');
	}
	return n;
}

int cpus_that_are(const char *what, int *cpus)
{
	char path[PATH], list[4096];

	join(path, "/sys/devices/system/cpu/", what, NULL);
	return slurp(path, list, 0, sizeof(list)) < 0 ? 0 :
		parse_cpus(list, cpus);
}

int stop_fair_server(int cpu)
{
	char path[PATH];
	int err = pin_to(cpu) ||
		  put(join(path, "/sys/kernel/debug/sched/fair_server/cpu",
			   itoa(cpu), "/runtime", NULL), "0");

	return pin_to(0) || err ? -1 : 0;
}

pid_t start_task(void (*run)(int number), int number)
{
	pid_t pid = fork();

	if (pid)
		return pid;
	prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
	run(number);
	exit(0);
}

void run_on(int cpu)
{
	if (!pin_to(cpu))
		return;
	printf("@@ error cannot run on CPU %d\n", cpu);
	exit(1);
}

void stop_tasks(const pid_t *pids, int nr)
{
	int i;

	/* Not -1, which are all processes. */
	for (i = 0; i < nr; i++)
		if (pids[i] > 0)
			kill(pids[i], SIGKILL);
	for (i = 0; i < nr; i++)
		if (pids[i] > 0)
			waitpid(pids[i], NULL, 0);
}
