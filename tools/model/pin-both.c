// SPDX-License-Identifier: GPL-2.0
/*
 * One CPU holds CPU 0 out of the kernel while another leaves it work.
 *
 * CPUs: 3
 * Waits: 1
 * NMIs: sc
 * Configurations: 32 asm
 *
 * Weakened: stale: core.c: old = cpuword_wait_pin(this_cpuword(), ctx); -> cpuword_wait_pin(this_cpuword(), ctx);
 * Weakened: warn: word.h: atomic_long_cmpxchg(w, old, old | bits) != old -> (atomic_long_set(w, old | bits), 0)
 */
#define PINNED
#define WORK_2 CPUWORD_TLB
#include "model.h"

static void cpu0(void)
{
	round_trip();
}

static void cpu1(void)
{
	pin();
}

static void cpu2(void)
{
	defer(WORK_2);
}
