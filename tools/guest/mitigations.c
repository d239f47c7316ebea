// SPDX-License-Identifier: GPL-2.0
/*
 * PID 1 of tools/cpuword mitigations: says what the kernel knows of its CPU, and has
 * chosen; then the host takes the kernel's text from the guest's memory. A line
 * that starts with "@@ " is for the host.
 */
#include "kernel.h"
#include "text.h"

static const char * const vulnerabilities[] = {
	"indirect_target_selection",
	"mds",
	"meltdown",
	"mmio_stale_data",
	"reg_file_data_sampling",
	"retbleed",
	"spec_rstack_overflow",
	"spectre_v1",
	"spectre_v2",
	"tsa",
	"tsx_async_abort",
};

static char text[1 << 16];

/* Print the first CPU's line of /proc/cpuinfo that is called @name. */
static void print_cpu(const char *name)
{
	char *rest = text, *line;

	if (slurp("/proc/cpuinfo", text, 0, sizeof(text)) < 0)
		return;
	while ((line = next_line(&rest)))
		if (!strncmp(line, name, strlen(name))) {
			printf("@@ cpu %s\n", line);
			return;
		}
}

int main(void)
{
	char path[PATH];
	unsigned int i;

	mount_all();
	print_cpu("cpu family");
	print_cpu("model name");
	print_cpu("flags");
	print_cpu("bugs");
	for (i = 0; i < ARRAY_SIZE(vulnerabilities); i++) {
		join(path, "/sys/devices/system/cpu/vulnerabilities/",
		     vulnerabilities[i], NULL);
		if (slurp(path, text, 0, sizeof(text)) > 0)
			printf("@@ vulnerability %s: %s", vulnerabilities[i],
			       text);
	}
	printf("@@ bye\n");
	for (;;)
		sleep(1000);
}
