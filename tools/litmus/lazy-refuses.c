// SPDX-License-Identifier: GPL-2.0
/*
 * Result: Never
 *
 * See docs/kernel/litmus/lazy-refuses.litmus.
 *
 * Weakened: word.h: return !(word & CPUWORD_WATCHING); -> return cpuword_ctx(word) != CT_STATE_KERNEL;
 */
#include "litmus.h"

INIT(KERNEL);

void P0(atomic_long_t *w)
{
	cpuword_lazy_exit(w);
	cpuword_lazy_enter(w);
}

void P1(atomic_long_t *w, var *pinned)
{
	*pinned = cpuword_try_pin(w);
}

/* exists (pinned=1) */
