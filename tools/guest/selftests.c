// SPDX-License-Identifier: GPL-2.0
/*
 * PID 1 of `make selftests`. Runs the kernel's own selftests that /tests lists,
 * one after the other, on isolated CPUs if there are any. Meanwhile it changes
 * kernel text and permissions of kernel memory from CPU 0 and has NMIs sent, so
 * that they find work when they enter the kernel, and NMIs on their way there. A
 * line that starts with "@@ " is for the host (tools/cpuword selftests).
 */
#include "console.h"
#include "cpus.h"
#include "kernel.h"
#include "text.h"

#include <linux/sched.h>
#include <linux/wait.h>

#define TIOCSPTLCK	_IOW('T', 0x31, int)
#define TIOCGPTPEER	_IO('T', 0x41)

static int nr_cpus, cpus[MAX_CPUS];	/* where tests run */
static int kmsg, null;

/* ---- the kernel's own messages ---- */

/*
 * Print what the kernel complains about, and what follows; only to its log, as
 * backtraces that were asked for are none of the console's business.
 */
static void drain_kmsg(void)
{
	static int follow;
	char record[2048], *text, *end;
	long n;

	for (;;) {
		n = read(kmsg, record, sizeof(record) - 1);
		if (n < 0 && errno == EPIPE)
			printf("@@ error kernel messages were lost\n");
		if (n <= 0)
			break;
		record[n] = 0;
		text = strchr(record, ';');
		end = text ? strchr(text, '\n') : NULL;
		if (!end)
			continue;
		*end = 0;
		if (find(text, "WARNING: ") || find(text, "BUG: ") ||
		    find(text, "INFO: rcu") || find(text, "INFO: task"))
			follow = 60;
		if (follow && follow--)
			printf("kernel: %s\n", text + 1);
	}
}

/* ---- CPU 0 meanwhile ---- */

/* New text, permissions of vmalloc memory, and memory that is freed. */
static const char *load_and_unload(void)
{
	errno = load_module("/test_module.ko", "");
	if (errno)
		return "loading test_module.ko";
	errno = unload_module("test_module");
	return errno ? "unloading test_module.ko" : NULL;
}

/* A backtrace of every CPU, by NMI. */
static const char *send_nmis(void)
{
	return put("/proc/sysrq-trigger", "l") ? "asking for backtraces" : NULL;
}

static void disturb(int nmis)
{
	static unsigned int turn;
	static const char *failed;

	if (failed)
		return;
	/* Text that hardly runs: QEMU may execute what was there before. */
	if (flip_static_key("LB_MIN", 5))
		failed = "flipping LB_MIN";
	if (!failed && turn % 8 == 0)
		failed = load_and_unload();
	if (!failed && nmis && turn % 8 == 4)
		failed = send_nmis();
	if (failed)
		printf("@@ error %s, errno %d\n", failed, errno);
	turn++;
	drain_kmsg();
	/* Emulated, an IPI takes long enough to be all that happens. */
	msleep(20);
}

/* ---- a test ---- */

/*
 * Run ./@argv[0] in the directory @dir on the first @nr of the CPUs, with a
 * terminal of its own.
 */
static void exec_test(int tty, int nr, const char *dir, char **argv)
{
	static char *const env[] = {
		"PATH=/", "LD_LIBRARY_PATH=/lib64:/lib32", NULL
	};
	char path[PATH];

	setsid();
	dup2(null, 0);
	dup2(tty, 1);
	dup2(tty, 2);
	if (bind_to(cpus, nr < nr_cpus ? nr : nr_cpus) || chdir(dir))
		exit(126);
	execve(join(path, "./", argv[0], NULL), argv, env);
	exit(127);
}

static char output[1 << 14];
static long nr_output;

/* What the test prints; its end, if it is long. */
static void drain_output(int fd)
{
	long n;

	for (;;) {
		if (nr_output == sizeof(output)) {
			nr_output /= 2;
			memmove(output, output + nr_output, nr_output);
		}
		n = read(fd, output + nr_output, sizeof(output) - nr_output);
		if (n <= 0)
			break;
		nr_output += n;
	}
}

/* As a shell has it, and as timeout(1). */
static int exit_code(int status)
{
	return WIFEXITED(status) ? WEXITSTATUS(status) :
		128 + WTERMSIG(status);
}

/* Run "directory/program argument..." on @nr CPUs; returns its exit code. */
static int run_test(const char *line, int nr, long timeout)
{
	char text[PATH], *argv[16], *dir = text, *p;
	uint64_t end = now_ns() + timeout * 1000000000ull;
	/* With NMIs it was not seen to end, on the stock kernel either. */
	int nmis = !find(line, "x86/ldt_gdt");
	int master, tty, unlock = 0, status, argc = 0;
	pid_t pid;

	join(text, line, NULL);
	for (p = strchr(text, '/'); p && argc < 15; p = strchr(p, ' ')) {
		*p++ = 0;
		argv[argc++] = p;
	}
	argv[argc] = NULL;

	master = open("/dev/ptmx", O_RDWR | O_NOCTTY | O_NONBLOCK);
	ioctl(master, TIOCSPTLCK, &unlock);
	tty = ioctl(master, TIOCGPTPEER, (void *)(O_RDWR | O_NOCTTY));
	if (tty < 0) {
		printf("@@ error no terminal for a test, errno %d\n", errno);
		return -1;
	}
	pid = fork();
	if (!pid)
		exec_test(tty, nr, dir, argv);
	close(tty);

	nr_output = 0;
	while (!waitpid(pid, &status, WNOHANG)) {
		if (now_ns() > end) {
			status = 124 << 8;
			break;
		}
		drain_output(master);
		disturb(nmis);
	}
	/* And whatever it leaves behind: nothing but tests is there. */
	kill(-1, SIGKILL);
	while (waitpid(-1, NULL, 0) > 0)
		;
	drain_output(master);
	close(master);
	return exit_code(status);
}

static char tests[1 << 14];

static void run_tests(long timeout)
{
	char *rest = tests, *line;
	uint64_t start;
	int code, nr;

	/* A number of CPUs comes before each. */
	while ((line = next_line(&rest))) {
		nr = strtol(line, &line, 10);
		line++;
		printf("@@ load name=%s\n", line);
		start = now_ns();
		code = run_test(line, nr, timeout);
		write(1, output, nr_output);
		printf("\n@@ test %d %lu %s\n", code,
		       (unsigned long)(now_ns() - start) / 1000000, line);
	}
}

int main(void)
{
	mount_all();
	mount_dev();
	mkdir("/dev/pts", 0755);
	mount("devpts", "/dev/pts", "devpts", 0, NULL);
	mkdir("/tmp", 01777);
	null = open("/dev/null", O_RDWR);
	kmsg = open("/dev/kmsg", O_RDONLY | O_NONBLOCK);
	pin_to(0);
	nr_cpus = isolated_cpus(cpus);
	if (!nr_cpus) {
		/* All but the first, as if they were. */
		nr_cpus = cpus_that_are("online", cpus) - 1;
		memmove(cpus, cpus + 1, nr_cpus * sizeof(*cpus));
	}
	hello();
	if (null < 0 || kmsg < 0)
		printf("@@ error no /dev/null or no /dev/kmsg\n");
	else if (slurp("/tests", tests, 0, sizeof(tests)) < 0)
		printf("@@ error no /tests\n");
	else
		run_tests(env_number("timeout", 60));
	drain_kmsg();
	print_all_words();
	bye();
	return 0;
}
