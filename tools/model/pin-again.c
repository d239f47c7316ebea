// SPDX-License-Identifier: GPL-2.0
/*
 * Another CPU holds CPU 0 out of the kernel, and again before that has noticed.
 *
 * CPUs: 2
 * Waits: 2
 * NMIs: none
 *
 * Weakened: excludes: cpuword_state.h: while (old & CPUWORD_PIN); -> while (0);
 */
#define PINNED
#include "model.h"

static void cpu0(void)
{
	round_trip();
}

static void cpu1(void)
{
	pin();
	pin();
}
