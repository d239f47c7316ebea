// SPDX-License-Identifier: GPL-2.0
/*
 * Access for the torture test to parts of the kernel that a module cannot
 * reach: its page tables, its TLB flushes, and NMIs.
 */
#include <linux/cacheflush.h>
#include <linux/cpuword.h>
#include <linux/delay.h>
#include <linux/export.h>
#include <linux/jiffies.h>
#include <linux/mm.h>

#include <asm/cpuword.h>
#include <asm/tlbflush.h>

#ifdef CONFIG_X86
#include <asm/apic.h>
#include <asm/nmi.h>
#endif

#include "access.h"

static int set_page(pte_t *pte, unsigned long addr, void *data)
{
	struct page *page = data;

	if (page)
		set_pte_at(&init_mm, addr, pte, mk_pte(page, PAGE_KERNEL));
	else
		pte_clear(&init_mm, addr, pte);
	return 0;
}

/**
 * cpuword_torture_map - change the translation of a page and tell nobody
 * @addr: of vmap()
 * @page: what is to be there, NULL for nothing
 *
 * Return: false if that failed.
 */
bool cpuword_torture_map(void *addr, struct page *page)
{
	unsigned long start = (unsigned long)addr;

	/* Not apply_to_existing_page_range(), which skips what is not mapped. */
	if (apply_to_page_range(&init_mm, start, PAGE_SIZE, set_page, page))
		return false;
	if (page)
		flush_cache_vmap(start, start + PAGE_SIZE);
	return true;
}
EXPORT_SYMBOL_GPL(cpuword_torture_map);

static void flush_this_cpu(void *unused)
{
	arch_cpuword_flush_tlb_kernel();
}

/**
 * cpuword_torture_flush - flush a page on every CPU, now or at its next entry
 * @addr: the page
 * @range: by the architecture's function for it; by the hook if not
 */
void cpuword_torture_flush(void *addr, bool range)
{
	unsigned long start = (unsigned long)addr;

	if (range)
		flush_tlb_kernel_range_deferrable(start, start + PAGE_SIZE);
	else
		on_each_cpu_deferrable(flush_this_cpu, NULL, CPUWORD_TLB);
}
EXPORT_SYMBOL_GPL(cpuword_torture_flush);

/**
 * cpuword_torture_flush_strict - flush a page on every CPU
 * @addr: the page
 */
void cpuword_torture_flush_strict(void *addr)
{
	unsigned long start = (unsigned long)addr;

	flush_tlb_kernel_range(start, start + PAGE_SIZE);
}
EXPORT_SYMBOL_GPL(cpuword_torture_flush_strict);

#ifdef CONFIG_X86
static void (*nmi_fn)(void);
static DEFINE_PER_CPU(atomic_t, nmis_sent);

static int handle_nmi(unsigned int cmd, struct pt_regs *regs)
{
	/* Two that were sent may have become one. */
	if (!atomic_xchg(this_cpu_ptr(&nmis_sent), 0))
		return NMI_DONE;
	nmi_fn();
	return NMI_HANDLED;
}
#endif

/**
 * cpuword_torture_nmi_start - be called in NMI
 * @fn: what cpuword_torture_nmi() is to call
 *
 * Return: 0, also where there is no NMI to send, or an error.
 */
int cpuword_torture_nmi_start(void (*fn)(void))
{
#ifdef CONFIG_X86
	nmi_fn = fn;
	return register_nmi_handler(NMI_LOCAL, handle_nmi, 0, "cpuword_torture");
#else
	return 0;
#endif
}
EXPORT_SYMBOL_GPL(cpuword_torture_nmi_start);

/**
 * cpuword_torture_nmi_stop - the end of cpuword_torture_nmi_start()
 *
 * On return the function is not running.
 */
void cpuword_torture_nmi_stop(void)
{
#ifdef CONFIG_X86
	unsigned long end = jiffies + HZ;
	int cpu;

	/* NMIs that are still under way must find their handler. */
	for_each_online_cpu(cpu)
		while (atomic_read(per_cpu_ptr(&nmis_sent, cpu)) && time_before(jiffies, end))
			msleep(20);
	unregister_nmi_handler(NMI_LOCAL, "cpuword_torture");
#endif
}
EXPORT_SYMBOL_GPL(cpuword_torture_nmi_stop);

/**
 * cpuword_torture_nmi - send an NMI
 * @cpu: to whom; it is online
 *
 * Return: false if there is none to send.
 */
bool cpuword_torture_nmi(int cpu)
{
#ifdef CONFIG_X86
	atomic_inc(per_cpu_ptr(&nmis_sent, cpu));
	__apic_send_IPI(cpu, NMI_VECTOR);
	return true;
#else
	return false;
#endif
}
EXPORT_SYMBOL_GPL(cpuword_torture_nmi);
