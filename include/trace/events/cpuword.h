/* SPDX-License-Identifier: GPL-2.0 */
#undef TRACE_SYSTEM
#define TRACE_SYSTEM cpuword

#if !defined(_TRACE_CPUWORD_H) || defined(TRACE_HEADER_MULTI_READ)
#define _TRACE_CPUWORD_H

#include <linux/cpuword_state.h>
#include <linux/tracepoint.h>

#define cpuword_show_work(work)				\
	__print_flags(work, "|",			\
		      { CPUWORD_TLB, "TLB" },		\
		      { CPUWORD_ISYNC, "ISYNC" },	\
		      { CPUWORD_LATE_MASK, "LATE" })

/*
 * One call of cpuword_defer(), or one CPU of a mask, and what came of it.
 * Without work: a call that a CPU in user mode was spared.
 */
TRACE_EVENT(cpuword_defer,

	TP_PROTO(int cpu, unsigned long work, const char *result),

	TP_ARGS(cpu, work, result),

	TP_STRUCT__entry(
		__field(int, cpu)
		__field(unsigned long, work)
		__string(result, result)
	),

	TP_fast_assign(
		__entry->cpu = cpu;
		__entry->work = work;
		__assign_str(result);
	),

	TP_printk("cpu=%d work=%s result=%s", __entry->cpu,
		  cpuword_show_work(__entry->work), __get_str(result))
);

/* This CPU's entry hook found work.  Late work runs after this event. */
TRACE_EVENT(cpuword_run,

	TP_PROTO(unsigned long work, bool nmi),

	TP_ARGS(work, nmi),

	TP_STRUCT__entry(
		__field(unsigned long, work)
		__field(bool, nmi)
	),

	TP_fast_assign(
		__entry->work = work;
		__entry->nmi = nmi;
	),

	TP_printk("work=%s nmi=%d", cpuword_show_work(__entry->work),
		  __entry->nmi)
);

#endif /* _TRACE_CPUWORD_H */

#include <trace/define_trace.h>
