// SPDX-License-Identifier: GPL-2.0
/*
 * Another CPU holds CPU 0 out of the kernel.
 *
 * CPUs: 2
 * Waits: 1
 * NMIs: sc
 * Configurations: 32 counter2 asm
 *
 * Weakened: excludes: cpuword_ct.h: if (unlikely(old & (CPUWORD_PIN | CPUWORD_WORK_MASK))) -> if (unlikely(old & CPUWORD_WORK_MASK))
 * Weakened: excludes: word.h: !cpuword_in_eqs(old) || (old & CPUWORD_PIN) -> old & CPUWORD_PIN
 * Weakened: stuck: cpuword_state.h: if (unlikely(old & CPUWORD_PIN)) return raw_atomic_long_add_return_release(CPUWORD_COUNTER_ONE, w); -> ;
 * Weakened: stuck: word.h: atomic_long_fetch_andnot_release(CPUWORD_PIN, w) -> (void)w
 * Weakened: stuck: cpuword_state.h: raw_atomic_long_add_return_release(CPUWORD_COUNTER_ONE + ctx, w); cpuword_step(w); while -> raw_atomic_long_set_release(w, raw_atomic_long_read(w) + CPUWORD_COUNTER_ONE + ctx); cpuword_step(w); while
 * Weakened: counter: cpuword_state.h: raw_atomic_long_add_return_release(CPUWORD_COUNTER_ONE + ctx, w); cpuword_step(w); while -> raw_atomic_long_add_return_release(ctx - CPUWORD_COUNTER_ONE, w); cpuword_step(w); while
 * Weakened: parity: cpuword_state.h: raw_atomic_long_add_return_release(CPUWORD_COUNTER_ONE + ctx, w); cpuword_step(w); while -> raw_atomic_long_add_return_release(ctx, w); cpuword_step(w); while
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
}
