// SPDX-License-Identifier: GPL-2.0
/*
 * PID 1 of tools/cpuword params. Writes to the parameter and the debugfs files of
 * cpuword what they have to refuse, and isolates a CPU that is not tracked. A
 * line that starts with "@@ " is for the host.
 */
#include "console.h"
#include "kernel.h"
#include "text.h"

#define CGROUPS	"/cgroup/"

static char much[8192];

static void write_defer(const char *what, const char *data, long len)
{
	int err = put_data(DEFER, data, len);
	char now[PATH];
	long n = slurp(DEFER, now, 0, sizeof(now));

	now[n > 0 ? n - 1 : 0] = 0;
	tell("defer", what, itoa(err), now, NULL);
}

static void write_values(void)
{
	static const char * const bad[] = {
		"\n", " ", "on ", " on", "\ton", "ON", "Off", "o", "onn", "1",
		"yes", "auto", "on\noff", "\1\377\200", "%s%n", "defer=on",
	};
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(bad); i++)
		write_defer("bad", bad[i], strlen(bad[i]));
	write_defer("bad", "\0on", 3);
	memset(much, 'o', sizeof(much));
	write_defer("bad", much, 4095);
	/* A page is the most that sysfs takes, so there may be a rest. */
	write_defer("much", much, sizeof(much));
	write_defer("off", "off", 3);
	write_defer("bad", "OFF\n", 4);
	write_defer("on", "on\n", 3);
	write_defer("nothing", "", 0);
}

/* How long a file is that is read in pieces of @size, or -errno. */
static long read_in_pieces(const char *path, long size)
{
	int fd = open(path, O_RDONLY);
	long n, len = 0;

	if (fd < 0)
		return -errno;
	while ((n = read(fd, much, size)) > 0)
		len += n;
	if (n < 0)
		len = -errno;
	close(fd);
	return len;
}

static void write_debugfs(const char *file)
{
	static const off_t offsets[] = { -1, 1, 1 << 20, 0x7fffffff };
	char path[PATH], a[PATH], b[PATH];
	unsigned int i;
	int fd;

	join(path, WORDS, file, NULL);
	put_data(path, "", 0);
	tell("debugfs", file,
	     "write", number(a, put_data(path, "on", 2)),
	     "much", number(b, put_data(path, much, sizeof(much))), NULL);
	tell("debugfs", file,
	     "read", number(a, read_in_pieces(path, sizeof(much))),
	     "pieces", number(b, read_in_pieces(path, 1)), NULL);
	fd = open(path, O_RDONLY);
	for (i = 0; i < ARRAY_SIZE(offsets); i++) {
		lseek(fd, offsets[i], SEEK_SET);
		read(fd, much, 7);
	}
	close(fd);
}

static void print_quarantine(void)
{
	char *rest = much, *line;

	if (slurp(WORDS "quarantine", much, 0, sizeof(much)) < 0)
		return;
	while ((line = next_line(&rest)))
		tell("quarantine", line, NULL);
}

/* A partition of CPUs 2 and 3, while 1 and 2 are tracked. */
static void isolate(void)
{
	mkdir("/cgroup", 0700);
	if (mount("cgroup2", "/cgroup", "cgroup2", 0, NULL) ||
	    put(CGROUPS "cgroup.subtree_control", "+cpuset") ||
	    mkdir(CGROUPS "isolated", 0700) ||
	    put(CGROUPS "isolated/cpuset.cpus", "2-3") ||
	    put(CGROUPS "isolated/cpuset.cpus.exclusive", "2-3") ||
	    put(CGROUPS "isolated/cpuset.cpus.partition", "isolated"))
		tell("error no partition, errno", itoa(errno), NULL);
}

int main(void)
{
	mount_all();
	mount_dev();
	write_values();
	write_debugfs("cpus");
	/* Where something is held. */
	if (read_in_pieces(WORDS "quarantine", 1) >= 0)
		write_debugfs("quarantine");
	print_quarantine();
	isolate();
	tell("bye", NULL);
	restart();
	return 0;
}
