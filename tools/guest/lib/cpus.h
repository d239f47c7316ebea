/* SPDX-License-Identifier: GPL-2.0 */
/* CPUs, their clock, and the tasks that run on them. */
#ifndef CPUS_H
#define CPUS_H

#include "libc.h"

/*
 * Of the architecture, tools/arch/<name>/guest.h:
 *
 * mark()	nothing to the CPU; QEMU's plugins (tools/qemu/) know it
 * cycles()	a counter that user mode may read without entering the kernel
 * relax()	for loops that wait. Emulation with one thread for all CPUs lets
 *		another CPU run at this instruction, and else only every 100 ms
 * arch_cycles_hz()	ticks of cycles() a second, if the CPU says so
 * ARCH_FENCES	what noise/fences.c counts
 * ARCH_SENDERS	an event of who asks the firmware for an IPI, for noise/trace.c
 */
#include "guest.h"

#define MAX_CPUS 1024

uint64_t now_ns(void);

/* Ticks of cycles() a second, as good as the kernel's own idea of it. */
uint64_t cycles_hz(void);

/* Pin the calling task to @cpu. Returns 0 or -1. */
int pin_to(int cpu);

/* The CPUs of a list such as "1-3,5", of which there are at most MAX_CPUS. */
int parse_cpus(const char *list, int *cpus);

/* The CPUs that are @what: "online", or "nohz_full" by the command line. */
int cpus_that_are(const char *what, int *cpus);

static inline int isolated_cpus(int *cpus)
{
	return cpus_that_are("nohz_full", cpus);
}

/* Let the calling task alone run on the @nr CPUs. Returns 0 or -1. */
int bind_to(const int *cpus, int nr);

/*
 * Turn off the scheduler's server for ordinary tasks on @cpu. From there, since
 * to stop one that is not at work makes 6.12 warn; then go to CPU 0. Returns 0
 * or -1.
 */
int stop_fair_server(int cpu);

/*
 * Start a task that does @run(@number), and ends with its parent. Returns what
 * fork() does.
 */
pid_t start_task(void (*run)(int number), int number);

/* Pin the calling task to @cpu; if it cannot run there, it says so and exits. */
void run_on(int cpu);

/* Kill @nr tasks, and wait until they are gone. */
void stop_tasks(const pid_t *pids, int nr);

#endif /* CPUS_H */
