// SPDX-License-Identifier: GPL-2.0
/* A task in user mode on each isolated CPU, which notes when its clock jumps. */
#include "noise.h"

struct shared *shared;
pid_t spinning[MAX_CPUS];

static void note_gap(struct spinner *me, uint64_t at, uint64_t length)
{
	uint64_t us = length * 1000000 / shared->hz;
	int bucket = 0;

	while (us >>= 1)
		bucket++;
	me->histogram[bucket < BUCKETS ? bucket : BUCKETS - 1]++;
	if (length > me->longest)
		me->longest = length;
	if (me->gaps < MAX_GAPS) {
		me->gap[me->gaps].at = at;
		me->gap[me->gaps].length = length;
	}
	me->gaps++;
}

static void forget_gaps(struct spinner *me)
{
	int i;

	me->gaps = 0;
	me->longest = 0;
	for (i = 0; i < BUCKETS; i++)
		me->histogram[i] = 0;
}

static void spin(int number)
{
	struct spinner *me = &shared->s[number];
	uint64_t now, last;
	long i;

	run_on(me->cpu);
	/* Its pages are there before it spins, and stay. */
	for (i = 0; i < MAX_GAPS; i++)
		me->gap[i].at = 0;
	syscall(__NR_mlock, me, sizeof(*me));
	last = cycles();
	for (;;) {
		now = cycles();
		if (me->epoch != shared->epoch) {
			forget_gaps(me);
			me->epoch = shared->epoch;
		} else if (now - last > shared->threshold) {
			note_gap(me, last, now - last);
		}
		last = now;
		me->loops++;
		if (emulated)
			relax();
	}
}

int prepare_spinners(long threshold)
{
	long size = sizeof(*shared) + nr_isolated * sizeof(shared->s[0]);

	shared = mmap(NULL, size, PROT_READ | PROT_WRITE,
		      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (shared == MAP_FAILED)
		return -1;
	shared->hz = cycles_hz();
	shared->threshold = shared->hz * threshold / 1000000;
	return 0;
}

void start_spinners(void)
{
	int i;

	for (i = 0; i < nr_isolated; i++) {
		shared->s[i].cpu = isolated[i];
		spinning[i] = start_task(spin, i);
	}
}
