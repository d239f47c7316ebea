// SPDX-License-Identifier: GPL-2.0
/*
 * Nothing of core's, but what kernel.h takes for granted of the model checker:
 * under TSO a store may be delayed past a load of another variable, but not
 * past smp_mb() nor past an RMW, and its own CPU sees it at once.
 *
 * CPUs: 2
 * NMIs: none
 *
 * Weakened: memory under tso: memory.c: smp_mb(); ->
 * Weakened: memory under tso: memory.c: raw_atomic_long_fetch_add(CPUWORD_PIN, &z); ->
 */
#include "model.h"

static int x, y, seen_x, seen_y;
static atomic_long_t z;

static void cpu0(void)
{
	x = 1;
	property_memory(x == 1);
	smp_mb();
	seen_y = y;

	__CPROVER_assume(others_are_done());
	REACHED("the end");
	property_memory(seen_x || seen_y);
}

static void cpu1(void)
{
	y = 1;
	raw_atomic_long_fetch_add(CPUWORD_PIN, &z);
	seen_x = x;
}
