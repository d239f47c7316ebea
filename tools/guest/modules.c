// SPDX-License-Identifier: GPL-2.0
/*
 * PID 1 of `make selftests` in its variant "kernel". Loads the modules that
 * /tests lists, with their parameters: they are the kernel's own tests.
 * Meanwhile a task on each isolated CPU spins in user mode, and finds what they
 * left it to do whenever it enters the kernel. A line that starts with "@@ " is
 * for the host (tools/cpuword selftests).
 */
#include "guest.h"

#define MAX_MODULES 16

/* Long enough in user mode to be seen there, and often enough in the kernel. */
static void spin(int cpu, uint64_t stay)
{
	uint64_t start;

	if (pin_to(cpu))
		exit(1);
	for (;;) {
		for (start = cycles(); cycles() - start < stay;)
			relax();
		getppid();
	}
}

static int start_spinners(void)
{
	int cpus[MAX_CPUS], nr = isolated_cpus(cpus), i;
	uint64_t stay = cycles_hz() / 50;
	pid_t pid;

	for (i = 0; i < nr; i++) {
		pid = fork();
		if (!pid)
			spin(cpus[i], stay);
		if (pid < 0)
			return -1;
	}
	return nr;
}

/* Load "name.ko parameters". Returns 0 or an errno. */
static int load(const char *line)
{
	char text[PATH], path[PATH], *parameters;
	int fd, err = 0;

	join(text, line, NULL);
	parameters = strchr(text, ' ');
	if (parameters)
		*parameters++ = 0;
	fd = open(join(path, "/", text, NULL), O_RDONLY);
	if (fd < 0 || syscall(__NR_finit_module, fd,
			      parameters ? parameters : "", 0) < 0)
		err = errno;
	close(fd);
	return err;
}

/* Returns 0 or an errno. */
static int unload(const char *line)
{
	char name[PATH], *end;

	join(name, line, NULL);
	end = strchr(name, '.');
	if (end)
		*end = 0;
	return syscall(__NR_delete_module, name, 0) < 0 ? errno : 0;
}

static void run_tests(char *tests)
{
	char *loaded[MAX_MODULES], *line, *end;
	uint64_t start;
	int err, nr = 0;

	for (line = tests; (end = strchr(line, '\n')); line = end + 1) {
		*end = 0;
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
	struct utsname uts;

	mount_all();
	pin_to(0);
	uname(&uts);
	printf("@@ hello release=%s\n", uts.release);
	if (start_spinners() < 1)
		printf("@@ error no isolated CPU, or no task for it\n");
	else if (slurp("/tests", tests, 0, sizeof(tests)) < 0)
		printf("@@ error no /tests\n");
	else
		run_tests(tests);
	print_all_words();
	printf("@@ bye\n");
	restart();
	return 0;
}
