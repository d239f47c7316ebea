// SPDX-License-Identifier: GPL-2.0
/*
 * Remote fences, where they are the firmware's: it counts those that each CPU
 * received.
 */
#include "noise.h"
#include <linux/perf_event.h>

#ifndef ARCH_FENCES
#define ARCH_FENCES
#endif

static const struct {
	const char *name;
	uint64_t config;
} fences[] = { ARCH_FENCES };

#define NR_FENCES ((int)ARRAY_SIZE(fences))
static int fence_fd[MAX_CPUS][ARRAY_SIZE(fences)];

void open_fences(void)
{
	static struct perf_event_attr attr;
	int i, f;

	attr.size = sizeof(attr);
	attr.type = PERF_TYPE_RAW;
	attr.pinned = 1;
	for (i = 0; i < nr_isolated; i++)
		for (f = 0; f < NR_FENCES; f++) {
			attr.config = fences[f].config;
			fence_fd[i][f] = syscall(__NR_perf_event_open, &attr,
						 -1, isolated[i], -1, 0);
			if (fence_fd[i][f] < 0)
				printf("@@ error no firmware counter %s on CPU %d, errno %d\n",
				       fences[f].name, isolated[i], errno);
		}
}

/*
 * Reading the counter of another CPU interrupts it: not while entries are
 * traced, but while senders are, so that no fence counted here is not there.
 */
void keep_fences(const char *when)
{
	char line[PATH];
	uint64_t v;
	int i, f;

	for (i = 0; i < nr_isolated; i++)
		for (f = 0; f < NR_FENCES; f++) {
			if (read(fence_fd[i][f], &v, sizeof(v)) != sizeof(v))
				continue;
			keep(join(line, "@@ fence when=", when, " kind=",
				  fences[f].name, NULL));
			keep_number("cpu", isolated[i]);
			keep_number("count", v);
			keep("\n");
		}
}
