// SPDX-License-Identifier: GPL-2.0
/*
 * PID 1 of `make selftests` in its variant "kernel". Loads the modules that
 * /tests lists, with their parameters: they are the kernel's own tests.
 * Meanwhile a task on each isolated CPU spins in user mode, and finds what they
 * left it to do whenever it enters the kernel. A line that starts with "@@ " is
 * for the host (tools/cpuword selftests).
 */
#include "console.h"
#include "cpus.h"
#include "kernel.h"
#include "text.h"

#define MAX_MODULES 16

static uint64_t stay;		/* in user mode at a time, in cycles() */

static void spin(int cpu)
{
	uint64_t start;

	run_on(cpu);
	for (;;) {
		for (start = cycles(); cycles() - start < stay;)
			relax();
		getppid();
	}
}

static int start_spinners(void)
{
	int cpus[MAX_CPUS], nr = isolated_cpus(cpus), i;

	/* Long enough to be seen in user mode, often enough in the kernel. */
	stay = cycles_hz() / 50;
	for (i = 0; i < nr; i++)
		if (start_task(spin, cpus[i]) < 0)
			return -1;
	return nr;
}

/* Load "name.ko parameters". Returns 0 or an errno. */
static int load(const char *line)
{
	char path[PATH], *parameters;

	join(path, "/", line, NULL);
	parameters = strchr(path, ' ');
	if (parameters)
		*parameters++ = 0;
	return load_module(path, parameters ? parameters : "");
}

/* Returns 0 or an errno. */
static int unload(const char *line)
{
	char name[PATH], *end;

	join(name, line, NULL);
	end = strchr(name, '.');
	if (end)
		*end = 0;
	return unload_module(name);
}

static void run_tests(char *tests)
{
	char *loaded[MAX_MODULES], *line;
	uint64_t start;
	int err, nr = 0;

	while ((line = next_line(&tests))) {
		printf("@@ load name=%s\n", line);
		start = now_ns();
		err = load(line);
		printf("@@ test %d %lu load %s\n", err,
		       (unsigned long)(now_ns() - start) / 1000000, line);
		if (!err && nr < MAX_MODULES)
			loaded[nr++] = line;
	}
	/* The last first: one may use another. */
	while (nr--) {
		start = now_ns();
		err = unload(loaded[nr]);
		printf("@@ test %d %lu unload %s\n", err,
		       (unsigned long)(now_ns() - start) / 1000000, loaded[nr]);
	}
}

int main(void)
{
	static char tests[1 << 12];

	mount_all();
	pin_to(0);
	hello();
	if (start_spinners() < 1)
		printf("@@ error no isolated CPU, or no task for it\n");
	else if (slurp("/tests", tests, 0, sizeof(tests)) < 0)
		printf("@@ error no /tests\n");
	else
		run_tests(tests);
	print_all_words();
	bye();
	return 0;
}
