// SPDX-License-Identifier: GPL-2.0
/*
 * Another CPU waits for what CPU 0 does with interrupts off, and leaves it out
 * if it is in user mode.
 *
 * CPUs: 2
 *
 * Weakened: grace: word.h: cpuword_in_eqs(word) && cpuword_ctx(word) == CT_STATE_USER -> cpuword_ctx(word) == CT_STATE_USER
 * Weakened: grace: core.c: cpu != smp_processor_id() && !cpuword_in_user(cpu) -> false
 * Weakened: grace under tso: core.c: smp_mb(); on_each_cpu_cond(cpuword_wants_call, func, info, true); -> on_each_cpu_cond(cpuword_wants_call, func, info, true);
 */
#define READERS
#include "model.h"

static void cpu0(void)
{
	answer();
	leave(CT_STATE_USER);
	enter(CT_STATE_USER);
	answer();
}

static void cpu1(void)
{
	published = 0;
	smp_call_function_in_kernel(cpuword_nop, NULL);
	freed = 1;
}
