// SPDX-License-Identifier: GPL-2.0
/*
 * As grace.c, while a third CPU holds CPU 0 out of the kernel.
 *
 * CPUs: 3
 * Waits: 1
 * NMIs: sc
 *
 * Weakened: grace: cpuword_state.h: old = cpuword_enter(w, ctx); -> old = raw_atomic_long_fetch_add(-ctx, w);
 */
#define READERS
#define PINNED
#include "model.h"

static void cpu0(void)
{
	leave(CT_STATE_USER);
	enter(CT_STATE_USER);
}

static void cpu1(void)
{
	free_after_grace_period();
}

static void cpu2(void)
{
	pin();
}
