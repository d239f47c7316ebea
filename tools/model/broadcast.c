// SPDX-License-Identifier: GPL-2.0
/*
 * Another CPU has all CPUs flush their TLBs, and CPU 0 may defer it, or owe it
 * already.
 *
 * CPUs: 2
 * NMIs: sc
 *
 * Weakened: lost: core.c: __cpumask_set_cpu(this_cpu, cpus); ->
 * Weakened: stale: core.c: if (unlikely(!cpuword_user_owes(cpuword_of(cpu), bits))) -> if (0)
 * Weakened: stale: word.h: (word & (CPUWORD_WATCHING | CT_STATE_MASK | bits)) -> (word & (CT_STATE_MASK | bits))
 * Weakened: stale: core.c: if (__cpuword_defer(cpu, work)) __cpumask_clear_cpu(cpu, cpus); -> __cpuword_defer(cpu, work); __cpumask_clear_cpu(cpu, cpus);
 */
#define WORK_1 CPUWORD_TLB
#include "model.h"

static void cpu0(void)
{
	answer();
	leave(CT_STATE_USER);
	enter(CT_STATE_USER);
	answer();
	leave(CT_STATE_USER);
	settle();
}

static bool flushed;

static void flush(void *info)
{
	flushed = true;
}

static void cpu1(void)
{
	if (cpuword_defer(0, CPUWORD_TLB))
		REACHED("work before");
	changed[1] = 1;
	on_each_cpu_deferrable(flush, NULL, CPUWORD_TLB);
	property_lost(flushed);
	gone[1] = 1;
}
