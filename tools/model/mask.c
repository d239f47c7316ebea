// SPDX-License-Identifier: GPL-2.0
/*
 * Another CPU leaves a flush to those of a mask, and CPU 0 may owe it already.
 *
 * CPUs: 2
 * NMIs: sc
 *
 * Weakened: stale: core.c: if (unlikely(!cpuword_user_owes(cpuword_of(cpu), bits))) -> if (0)
 * Weakened: stale: word.h: (word & (CPUWORD_WATCHING | CT_STATE_MASK | bits)) -> (word & (CT_STATE_MASK | bits))
 * Weakened: stale under tso: core.c: smp_mb(); /* The tracepoint fires for each CPU. -> /*
 */
#define WORK_1 CPUWORD_TLB
#include "model.h"

static void cpu0(void)
{
	round_trip();
}

static void cpu1(void)
{
	struct cpumask cpus = { { BIT(0) } };

	if (cpuword_defer(0, CPUWORD_TLB))
		REACHED("work before");
	changed[1] = 1;
	cpuword_defer_mask(&cpus, CPUWORD_TLB);
	if (!cpus.bits[0])
		gone[1] = 1;
}
