// SPDX-License-Identifier: GPL-2.0
/*
 * Two CPUs leave work to CPU 0, one of it the same for both.
 *
 * CPUs: 3
 * Retries: 1
 * NMIs: none
 *
 * Weakened: stale: word.h: if ((old & bits) == bits) -> if (old & bits)
 * Weakened: once: cpuword_state.h: raw_atomic_long_andnot(work, w); cpuword_step(w); run(work); -> run(work);
 */
#define WORK_1 CPUWORD_TLB
#define WORK_2 (CPUWORD_EARLY_MASK | BIT(CPUWORD_LATE_SHIFT))
#include "model.h"

static void cpu0(void)
{
	round_trip();
}

static void cpu1(void)
{
	defer(WORK_1);
}

static void cpu2(void)
{
	defer(WORK_2);
}
