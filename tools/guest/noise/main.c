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
#include "noise.h"
#include "kernel.h"

int emulated;
volatile int stop;
int nr_isolated, isolated[MAX_CPUS];
int nr_online, online[MAX_CPUS];
int here;

static char **args;

const char *parameter(const char *name, const char *otherwise)
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

/* In a mount namespace of our own, that nobody else finds it mounted. */
static void mount_tracefs(void)
{
	struct stat st;

	if (stat(INSTANCES, &st) && !unshare(CLONE_NEWNS) &&
	    !mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL))
		mount("tracefs", TRACING, "tracefs", 0, NULL);
}

/* A machine that goes on is left as it was, however this ends. */
static void use_machine(void)
{
	setvbuf(stdout, NULL, _IONBF, 0);
	signal(SIGPIPE, SIG_IGN);
	signal(SIGINT, on_signal);
	signal(SIGTERM, on_signal);
	signal(SIGHUP, on_signal);
	prctl(PR_SET_PDEATHSIG, SIGTERM, 0, 0, 0);
	mount_tracefs();
}
#else
static void use_machine(void) { }
#endif

/* The CPUs to look at, and one that is not among them. Returns 0 or -1. */
static int choose_cpus(void)
{
	const char *list = parameter("cpus", NULL);
	int i, c;

	nr_online = cpus_that_are("online", online);
	nr_isolated = list ? parse_cpus(list, isolated) :
		isolated_cpus(isolated);
	if (!nr_isolated) {
		printf("@@ error no isolated CPUs: boot with nohz_full=<list>, or name CPUs with CPUS= (--cpus)\n");
		return -1;
	}
	for (i = 0; i < nr_isolated; i++) {
		for (c = 0; c < nr_online && online[c] != isolated[i]; )
			c++;
		if (c == nr_online) {
			printf("@@ error CPU %d, of %s, is not online\n",
			       isolated[i], list ? "CPUS= (--cpus)" :
			       "nohz_full=");
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
	printf("@@ error no CPU is left for the loads: %s has all that are online\n",
	       list ? "CPUS= (--cpus)" : "nohz_full=");
	return -1;
}

static void say_what(void)
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
	if (choose_cpus())
		return;
	start_clock();
	if (prepare_spinners(atol(parameter("threshold", "20")))) {
		printf("@@ error no memory\n");
		return;
	}
	say_what();
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
	stop_tasks(spinning, nr_isolated);
	remove_instances();
}

int main(int argc, char **argv)
{
	(void)argc;
	args = argv;
	emulated = getpid() == 1;
	if (emulated)
		mount_all();
	else
		use_machine();
	run();
	/* For the log only: what cpuword itself counted. */
	keep_file("cpuword", WORDS "cpus");
	print_record();
	printf("@@ bye\n");
	if (emulated)
		restart();
	return 0;
}
