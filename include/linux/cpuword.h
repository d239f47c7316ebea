/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Deferral: leave work in another CPU's word instead of sending it an IPI.
 */
#ifndef _LINUX_CPUWORD_H
#define _LINUX_CPUWORD_H

#include <linux/cacheflush.h>
#include <linux/cpumask.h>
#include <linux/cpuword_state.h>
#include <linux/smp.h>

#include <asm/sections.h>
#include <asm/tlbflush.h>

typedef void (*cpuword_late_fn)(void);

#ifdef CONFIG_CPUWORD

bool cpuword_defer(int cpu, unsigned long work);
void cpuword_defer_mask(struct cpumask *cpus, unsigned long work);
void cpuword_leave(unsigned long work);
bool cpuword_owed(unsigned long work);
bool cpuword_tlb_owed_since(unsigned long *since);
bool cpuword_huge_deferrable(void);
bool cpuword_in_user(int cpu);
bool cpuword_pin(int cpu);
void cpuword_unpin(int cpu);
unsigned long cpuword_late_register(cpuword_late_fn fn);
void cpuword_late_unregister(unsigned long work);
void on_each_cpu_deferrable(smp_call_func_t func, void *info,
			    unsigned long work);
void smp_call_function_in_kernel(smp_call_func_t func, void *info);
bool cpuword_track_all(void);
void cpuword_note_isolated(const struct cpumask *cpus);

/**
 * cpuword_owes - has a CPU yet to do some work?
 * @cpu: the CPU
 * @work: the work
 *
 * Return: false if all of @work that was deferred to @cpu before has been done.
 */
static inline bool cpuword_owes(int cpu, unsigned long work)
{
	/* Pairs with the release in cpuword_exit(); early work completes by itself. */
	return atomic_long_read_acquire(cpuword_of(cpu)) & work;
}

#ifdef CONFIG_MODULES
bool cpuword_module_noinstr(const void *addr, size_t len);
#else
static inline bool cpuword_module_noinstr(const void *addr, size_t len)
{
	return false;
}
#endif

/**
 * cpuword_text_range_deferrable - may the sync after patching a range wait?
 * @addr: kernel text
 * @len: how many bytes of it, all that are patched
 *
 * Not in the danger zone: text that runs between the switch to kernel mode
 * and the entry hook, or after the exit hook, would run unsynchronised.  This
 * text is noinstr.  Modules have noinstr text too, for example idle drivers.
 *
 * Return: true if CPUWORD_ISYNC may be deferred for all of the range.
 */
static inline bool cpuword_text_range_deferrable(const void *addr, size_t len)
{
	return !memory_intersects(__noinstr_text_start, __noinstr_text_end,
				  (void *)addr, len) &&
	       !memory_intersects(__entry_text_start, __entry_text_end,
				  (void *)addr, len) &&
	       !cpuword_module_noinstr(addr, len);
}

#else

static inline bool cpuword_defer(int cpu, unsigned long work)
{
	return false;
}

static inline void cpuword_defer_mask(struct cpumask *cpus, unsigned long work)
{
}

static inline void cpuword_leave(unsigned long work)
{
}

static inline bool cpuword_tlb_owed_since(unsigned long *since)
{
	return false;
}

static inline bool cpuword_huge_deferrable(void)
{
	return true;
}

static inline bool cpuword_in_user(int cpu)
{
	return false;
}

static inline void on_each_cpu_deferrable(smp_call_func_t func, void *info,
					  unsigned long work)
{
	on_each_cpu(func, info, 1);
}

static inline void smp_call_function_in_kernel(smp_call_func_t func, void *info)
{
	smp_call_function(func, info, 1);
}

static inline bool cpuword_track_all(void)
{
	return false;
}

static inline void cpuword_note_isolated(const struct cpumask *cpus)
{
}

/* Not every architecture has a section for its entry code. */
static inline bool cpuword_text_range_deferrable(const void *addr, size_t len)
{
	return false;
}

#endif /* CONFIG_CPUWORD */

/*
 * Architectures whose kernel TLB flush takes no IPI have nothing to defer:
 * callers that may say so, and get the flush at once.
 */
#ifndef flush_tlb_kernel_range_deferrable
#define flush_tlb_kernel_range_deferrable flush_tlb_kernel_range
static inline void leave_flush_tlb_kernel(void) { }
#else
/**
 * leave_flush_tlb_kernel - what flush_tlb_kernel_range_deferrable() defers
 *
 * For callers that free memory first and flush later, for many at once.
 *
 * Context: not in interrupts.
 */
static inline void leave_flush_tlb_kernel(void)
{
	cpuword_leave(CPUWORD_TLB);
}
#endif

/* The same for new kernel text, of modules or the BPF JIT. */
#ifndef flush_icache_range_deferrable
#define flush_icache_range_deferrable flush_icache_range
#endif

#endif /* _LINUX_CPUWORD_H */
