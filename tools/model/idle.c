// SPDX-License-Identifier: GPL-2.0
/*
 * CPU 0 is idle, and interrupted or back in the kernel, and another CPU holds it
 * out of the kernel or tries to leave it work.
 *
 * CPUs: 2
 * Waits: 1
 * NMIs: sc
 *
 * Weakened: excludes: core.c: (old & CPUWORD_PIN) && !in_nmi() -> (old & CPUWORD_PIN) && 0
 * Weakened: stuck: core.c: (old & CPUWORD_PIN) && !in_nmi() -> (old & CPUWORD_PIN)
 * Weakened: idle: core.c: return arch_cpuword_accepts(ctx) | late; -> return CPUWORD_EARLY_MASK | late;
 * Weakened: idle: core.c: ctx == CT_STATE_USER ? CPUWORD_LATE_MASK : 0 -> CPUWORD_LATE_MASK
 */
#define PINNED
#include "model.h"

static void cpu0(void)
{
	leave(CT_STATE_IDLE);
	if (nondet_bool()) {
		interrupt();
	} else {
		enter(CT_STATE_IDLE);
		leave(CT_STATE_IDLE);
	}
	settle();
}

static void cpu1(void)
{
	if (nondet_bool())
		pin();
	else
		property_idle(!cpuword_defer(0, nondet_bool() ? CPUWORD_TLB :
						BIT(CPUWORD_LATE_SHIFT)));
}
