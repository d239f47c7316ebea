// SPDX-License-Identifier: GPL-2.0
/*
 * PID 1 of `make torture`. Loads the kernel's torture tests that /tests lists,
 * one after the other, and removes each when its time is over, upon which it
 * prints its verdict. Meanwhile a program on each isolated CPU enters and leaves
 * the kernel at random. A line that starts with "@@ " is for the host
 * (tools/cpuword torture).
 */
#include "console.h"
#include "cpus.h"
#include "kernel.h"
#include "text.h"

#include <linux/wait.h>

static int nr_cpus, cpus[MAX_CPUS];

static uint64_t next_random(uint64_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return *state;
}

/*
 * The scheduler counts its server for ordinary tasks as one of those that run.
 * A CPU that goes down while the server is at it, as on a host that is busy,
 * warns of a task that it has not got rid of ("not properly vacated").
 */
static void stop_fair_servers(void)
{
	int cpu = 0;

	while (!stop_fair_server(cpu))
		cpu++;
}

/* Forever: the CPU comes and goes, and so does the device. */
static void enter_and_leave(int cpu)
{
	uint64_t state = cycles() | 1;
	volatile unsigned int spin;
	unsigned int turn;
	int fd = -1;
	char c;

	for (turn = 0;; turn++) {
		if (turn % 64 == 0) {
			pin_to(cpu);
			if (fd < 0)
				fd = open("/dev/cpuword_torture", O_RDONLY);
		}
		/* Mostly short; up to some milliseconds. */
		spin = 1 << next_random(&state) % 20;
		while (spin)
			spin--;
		if (fd < 0)
			syscall(__NR_getppid);
		else
			read(fd, &c, 1);
	}
}

static void torture(const char *module, const char *parameters, long seconds)
{
	uint64_t end = now_ns() + seconds * 1000000000ull;
	char path[PATH];
	pid_t pids[MAX_CPUS];
	int i, err;

	err = load_module(join(path, "/", module, ".ko", NULL), parameters);
	tell("loaded", itoa(err), module, NULL);
	if (err)
		return;
	for (i = 0; i < nr_cpus; i++)
		pids[i] = start_task(enter_and_leave, cpus[i]);
	while (now_ns() < end)
		msleep(100);
	stop_tasks(pids, nr_cpus);
	tell("removed", itoa(unload_module(module)), module, NULL);
}

static char tests[1 << 14];

int main(void)
{
	char *rest = tests, *line, *module, *parameters;
	long seconds;
	int err;

	mount_all();
	mount_dev();
	pin_to(0);
	nr_cpus = isolated_cpus(cpus);
	stop_fair_servers();
	err = load_module("/torture.ko", "");
	if (err)
		printf("@@ error no torture.ko, errno %d\n", err);
	else if (slurp("/tests", tests, 0, sizeof(tests)) < 0)
		printf("@@ error no /tests\n");
	/* Of each: how long, which, and its parameters. */
	while (!err && (line = next_line(&rest))) {
		seconds = strtol(line, &module, 10);
		parameters = strchr(++module, ' ');
		*parameters++ = 0;
		printf("@@ load name=%s\n", module);
		torture(module, parameters, seconds);
	}
	bye();
	return 0;
}
