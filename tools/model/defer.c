// SPDX-License-Identifier: GPL-2.0
/*
 * Another CPU leaves CPU 0 a TLB flush and late work, at once, two times.
 *
 * CPUs: 2
 * Configurations: 32 counter2 asm
 *
 * Weakened: stale under tso: core.c: smp_mb(); deferred = __cpuword_defer(cpu, work); -> deferred = __cpuword_defer(cpu, work);
 * Weakened: stale: word.h: !cpuword_in_eqs(old) || (work & ~accepts(cpuword_ctx(old))) -> (work & ~accepts(cpuword_ctx(old)))
 * Weakened: clean: word.h: atomic_long_cmpxchg(w, old, old | bits) != old -> (atomic_long_set(w, old | bits), 0)
 * Weakened: refused: word.h: return CPUWORD_ACCEPTED; -> return CPUWORD_REFUSED;
 * Weakened: stale: cpuword_state.h: run(work); cpuword_step(w); -> raw_atomic_long_andnot(work, w); cpuword_step(w); run(work); cpuword_step(w);
 * Weakened: stale: cpuword_ct.h: if (unlikely(word & CPUWORD_EARLY_MASK)) cpuword_early_slow(word); -> (void)word;
 * Weakened: stale: cpuword_ct.h: if (unlikely(old & (CPUWORD_PIN | CPUWORD_EARLY_MASK))) -> if (unlikely(old & CPUWORD_PIN))
 * Weakened: clean: cpuword_state.h: raw_atomic_long_andnot(work, w); cpuword_step(w); run(work); -> run(work);
 * Weakened: once: core.c: work &= ~CPUWORD_LATE_MASK; -> ;
 * Weakened: lost: core.c: work & CPUWORD_TLB) arch_ -> work & CPUWORD_ISYNC) arch_
 * Weakened: parity: cpuword_state.h: raw_atomic_long_fetch_add(CPUWORD_COUNTER_ONE - ctx, w) -> raw_atomic_long_fetch_add(-ctx, w)
 */
#define WORK_1 (CPUWORD_TLB | BIT(CPUWORD_LATE_SHIFT))
#include "model.h"

static void cpu0(void)
{
	round_trip();
}

static void cpu1(void)
{
	defer(WORK_1);
	defer(WORK_1);
}
