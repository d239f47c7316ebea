/* SPDX-License-Identifier: GPL-2.0 */
#ifndef NOISE_H
#define NOISE_H

#include "cpus.h"
#include "text.h"

/* ---- main.c ---- */

extern int emulated;		/* PID 1 of a guest */
extern volatile int stop;	/* end now, and tidy up */

extern int nr_isolated, isolated[MAX_CPUS];
extern int nr_online, online[MAX_CPUS];
extern int here;		/* the CPU of the loads */

/* What was set with name=value, or @otherwise. */
const char *parameter(const char *name, const char *otherwise);

/* ---- spinners.c ---- */

#define MAX_GAPS	4096
#define BUCKETS		32

/*
 * Written by one spinner each, read by the parent: shared memory, so that the
 * spinner never enters the kernel to report.
 */
struct spinner {
	volatile uint64_t loops, gaps, longest, epoch;
	/* By log2 of the gap in us. */
	volatile uint32_t histogram[BUCKETS];
	/* The first of them: when, and how long, in cycles. */
	struct { volatile uint64_t at, length; } gap[MAX_GAPS];
	int cpu;
} __attribute__((aligned(256)));

extern struct shared {
	volatile uint64_t epoch;	/* moved by the parent: start anew */
	uint64_t threshold, hz;		/* of a gap, in cycles; of cycles */
	struct spinner s[];
} *shared;

extern pid_t spinning[MAX_CPUS];	/* as shared->s[] */

/* @threshold is of a gap, in us. Returns 0 or -1. */
int prepare_spinners(long threshold);
void start_spinners(void);

/* ---- record.c: what is recorded about one load ---- */

void keep(const char *text);
void keep_file(const char *tag, const char *path);
void keep_number(const char *name, uint64_t v);
void keep_statistics(const char *when);
void keep_gaps(void);
void print_record(void);

/* All times that are printed are in us since this. */
void start_clock(void);
uint64_t us_since_start(uint64_t ns);

/* ---- trace.c ---- */

#define TRACING "/sys/kernel/tracing/"
#define INSTANCES TRACING "instances/"

/* Trace instances: what is recorded, and what the loads have to play with. */
#define SENDERS		"cpuword-senders"
#define DEFERRALS	"cpuword-deferrals"
#define ISOLATED	"cpuword-isolated"
#define LOAD		"cpuword-load"
#define FLIP		"cpuword-flip"

/* Returns 0, or -1 and has said why. */
int start_tracing(void);
void remove_instances(void);
void trace_on(const char *instance);
void trace_off(const char *instance);

/* Write to a file of a trace instance. Returns 0 or -1. */
int put_in(const char *instance, const char *file, const char *text);

/* ---- events.c ---- */

/* Keep what an instance has recorded, and what it says of its buffers. */
void keep_trace(const char *instance);
void keep_counted(void);

/* ---- fences.c ---- */

void open_fences(void);
void keep_fences(const char *when);

/* ---- loads.c ---- */

/*
 * Each returns NULL, or what it could not do, with errno: of prepare(), it is
 * why this kernel cannot do the load at all.
 */
struct load {
	const char *name;
	const char *(*prepare)(void);
	const char *(*run)(long times);
	/* Leaves things as they were; also after prepare() has failed. */
	void (*finish)(void);
	/* So many at once. */
	long batch;
	/* Counted, all at once: its module is loaded only once. */
	int at_once;
};

extern const struct load loads[];
extern const int nr_loads;

/* ---- measure.c ---- */

/* "name:count,name,...": all that are in @list, in its order. */
void measure_all(const char *list, long seconds);

#endif /* NOISE_H */
