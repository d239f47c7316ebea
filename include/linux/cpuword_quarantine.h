/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Quarantine: memory and addresses that may not be used again before every CPU
 * has flushed.  Some CPUs flush only at their next entry into the kernel.
 */
#ifndef _LINUX_CPUWORD_QUARANTINE_H
#define _LINUX_CPUWORD_QUARANTINE_H

#include <linux/context_tracking_state.h>
#include <linux/cpuword.h>
#include <linux/sizes.h>
#include <linux/types.h>

/* Above this many pages of page tables every CPU gets an IPI. */
#define CPUWORD_QUARANTINE_TABLES	(SZ_4M >> PAGE_SHIFT)

/**
 * cpuword_holds_tables - are page tables put into quarantine?
 *
 * They are not if no CPU is tracked, since then no CPU defers.
 *
 * Return: true if cpuword_quarantine_tables() is to be called.
 */
static inline bool cpuword_holds_tables(void)
{
	return IS_ENABLED(CONFIG_CPUWORD_DEFER_TABLES) && context_tracking_enabled();
}

/* If cpuword_holds_tables() only. */
void cpuword_quarantine_tables(unsigned long start, unsigned long end,
			       struct list_head *tables);

#ifdef CONFIG_CPUWORD_QUARANTINE

u64 cpuword_quarantine_flush(unsigned long start, unsigned long end);
bool cpuword_quarantine_clean(u64 gen);
bool cpuword_quarantine_holds(void);
bool cpuword_tlbi_deferred(void);

#else

static inline u64 cpuword_quarantine_flush(unsigned long start, unsigned long end)
{
	flush_tlb_kernel_range_deferrable(start, end);
	return 0;
}

static inline bool cpuword_quarantine_clean(u64 gen)
{
	return true;
}

static inline bool cpuword_quarantine_holds(void)
{
	return false;
}

static inline bool cpuword_tlbi_deferred(void)
{
	return false;
}

#endif /* CONFIG_CPUWORD_QUARANTINE */

#endif /* _LINUX_CPUWORD_QUARANTINE_H */
