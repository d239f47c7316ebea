// SPDX-License-Identifier: GPL-2.0
/*
 * What x86's own callers leave to a CPU in user mode, and what they do not.
 */
#include <kunit/test.h>
#include <linux/cpuword_quarantine.h>
#include <linux/ftrace.h>
#include <linux/hw_breakpoint.h>
#include <linux/io.h>
#include <linux/kprobes.h>
#include <linux/memory.h>
#include <linux/set_memory.h>
#include <linux/uaccess.h>
#include <linux/vmalloc.h>

#include <asm/nops.h>

#include "compat.h"
#include "usermode.h"

#ifndef MCOUNT_INSN_SIZE
#define MCOUNT_INSN_SIZE 0
#endif

/* --- set_memory --- */

static void free_page_of(void *addr)
{
	vfree(addr);
}

static unsigned long page_to_change(struct kunit *test)
{
	void *addr = vmalloc(PAGE_SIZE);

	KUNIT_ASSERT_NOT_NULL(test, addr);
	KUNIT_ASSERT_EQ(test, kunit_add_action_or_reset(test, free_page_of, addr), 0);
	/* The page's alias in the direct map is split now, which is strict. */
	KUNIT_ASSERT_EQ(test, set_memory_ro((unsigned long)addr, 1), 0);
	KUNIT_ASSERT_EQ(test, set_memory_rw((unsigned long)addr, 1), 0);

	return (unsigned long)addr;
}

static void change_of_permissions_is_deferred(struct kunit *test)
{
	unsigned long addr = page_to_change(test);
	struct cpuword_watched w = cpuword_watch(test);

	KUNIT_EXPECT_EQ(test, set_memory_ro(addr, 1), 0);
	cpuword_expect_deferred(test, &w, CPUWORD_TLB);
	KUNIT_EXPECT_EQ(test, set_memory_x(addr, 1), 0);
	cpuword_expect_deferred(test, &w, CPUWORD_TLB);
	KUNIT_EXPECT_EQ(test, set_memory_nx(addr, 1), 0);
	cpuword_expect_deferred(test, &w, CPUWORD_TLB);
	KUNIT_EXPECT_EQ(test, set_memory_rw(addr, 1), 0);
	cpuword_expect_deferred(test, &w, CPUWORD_TLB);
}

static void change_of_presence_is_strict(struct kunit *test)
{
	unsigned long addr = page_to_change(test);
	struct cpuword_watched w = cpuword_watch(test);

	KUNIT_EXPECT_EQ(test, set_memory_np(addr, 1), 0);
	cpuword_expect_sent(test, &w);
	KUNIT_EXPECT_EQ(test, set_memory_p(addr, 1), 0);
}

static void change_of_memory_type_is_strict(struct kunit *test)
{
	unsigned long addr = (unsigned long)page_to_virt(vmalloc_to_page((void *)
							 page_to_change(test)));
	struct cpuword_watched w = cpuword_watch(test);

	KUNIT_EXPECT_EQ(test, set_memory_uc(addr, 1), 0);
	cpuword_expect_sent(test, &w);
	KUNIT_EXPECT_EQ(test, set_memory_wb(addr, 1), 0);
	cpuword_expect_sent(test, &w);
}

/* --- Aliases --- */

/* Of small leaves only, except for areas that others freed before. */
static void purge_small_leaves(void)
{
	vfree(vmalloc(PAGE_SIZE));
	vm_unmap_aliases_deferrable();
}

static void strict_purge_flushes_what_another_has_deferred(struct kunit *test)
{
	struct cpuword_watched w;

	purge_small_leaves();
	w = cpuword_watch(test);
	purge_small_leaves();
	KUNIT_EXPECT_EQ(test, cpuword_user_interrupts(w.user), w.interrupts);
	KUNIT_EXPECT_EQ(test, cpuword_user_work(w.user), CPUWORD_TLB);
	/* Nothing is left to purge. */
	vm_unmap_aliases();
	cpuword_expect_sent(test, &w);
}

/* --- Huge leaves --- */

static unsigned int level_of(unsigned long addr)
{
	unsigned int level = PG_LEVEL_NONE;
	pte_t *pte = lookup_address(addr, &level);

	return pte && pte_present(*pte) ? level : PG_LEVEL_NONE;
}

/*
 * A huge leaf has gone, and small ones may come in its place: user mode must have
 * neither a translation that is huge nor a flush that waits, unless it has no
 * kernel page tables, or the address is held.
 */
static void expect_purge_of_huge(struct kunit *test, struct cpuword_watched *w,
				 unsigned long addr)
{
	KUNIT_EXPECT_EQ(test, level_of(addr), PG_LEVEL_NONE);
	if (boot_cpu_has(X86_FEATURE_PTI) || cpuword_quarantine_holds())
		cpuword_expect_deferred(test, w, CPUWORD_TLB);
	else
		cpuword_expect_sent(test, w);

	/* Once: the next purge is of small leaves. */
	purge_small_leaves();
	cpuword_expect_deferred(test, w, CPUWORD_TLB);
}

/* Of this kind, since those are aligned to their size; of any memory. */
static void purge_after_huge(struct kunit *test, unsigned long size, unsigned int level)
{
	struct vm_struct *area = get_vm_area(size, VM_IOREMAP);
	struct page *page = alloc_page(GFP_KERNEL);
	struct cpuword_watched w;
	unsigned long addr;

	KUNIT_ASSERT_TRUE(test, area && page);
	addr = (unsigned long)area->addr;
	KUNIT_ASSERT_EQ(test, vmap_page_range(addr, addr + size, size, PAGE_KERNEL), 0);
	KUNIT_ASSERT_EQ(test, level_of(addr), level);
	w = cpuword_watch(test);
	free_vm_area(area);
	vm_unmap_aliases_deferrable();
	expect_purge_of_huge(test, &w, addr);

	/* The address is to be had, for a small leaf. */
	area = __get_vm_area_caller(PAGE_SIZE, VM_MAP, addr, addr + 2 * PAGE_SIZE,
				    __builtin_return_address(0));
	KUNIT_ASSERT_NOT_NULL(test, area);
	KUNIT_EXPECT_EQ(test, vmap_page_range(addr, addr + PAGE_SIZE, page_to_phys(page),
					      PAGE_KERNEL), 0);
	KUNIT_EXPECT_EQ(test, level_of(addr), PG_LEVEL_4K);
	free_vm_area(area);
	__free_page(page);
}

static void purge_after_a_pmd_leaf_is_strict_without_pti(struct kunit *test)
{
	purge_after_huge(test, PMD_SIZE, PG_LEVEL_2M);
}

static void purge_after_a_pud_leaf_is_strict_without_pti(struct kunit *test)
{
	if (!boot_cpu_has(X86_FEATURE_GBPAGES))
		kunit_skip(test, "no pages of a gigabyte");
	purge_after_huge(test, PUD_SIZE, PG_LEVEL_1G);
}

static void purge_after_vmalloc_huge_is_strict_without_pti(struct kunit *test)
{
	void *addr = vmalloc_huge(PMD_SIZE, GFP_KERNEL);
	struct cpuword_watched w;

	KUNIT_ASSERT_NOT_NULL(test, addr);
	KUNIT_ASSERT_EQ(test, kunit_add_action_or_reset(test, free_page_of, addr), 0);
	KUNIT_ASSERT_EQ(test, level_of((unsigned long)addr), PG_LEVEL_2M);
	w = cpuword_watch(test);
	kunit_release_action(test, free_page_of, addr);
	vm_unmap_aliases_deferrable();
	expect_purge_of_huge(test, &w, (unsigned long)addr);
}

/* --- Page tables --- */

static void put_table(void *table)
{
	put_page(table);
}

static void free_area_of(void *area)
{
	free_vm_area(area);
}

static void free_huge_page(void *page)
{
	__free_pages(page, PMD_ORDER);
}

/* A table that has been emptied, in whose place a huge page is mapped. */
static void flush_before_a_table_is_freed(struct kunit *test)
{
	bool defers = IS_ENABLED(CONFIG_CPUWORD_DEFER_TABLES) &&
		      boot_cpu_has(X86_FEATURE_PTI);
	struct page *page = alloc_pages(GFP_KERNEL, PMD_ORDER), *table;
	struct vm_struct *area;
	struct cpuword_watched w;
	unsigned int level;
	unsigned long addr;

	KUNIT_ASSERT_NOT_NULL(test, page);
	KUNIT_ASSERT_EQ(test, kunit_add_action_or_reset(test, free_huge_page, page), 0);
	/* Of this kind, since those are aligned to their size. */
	area = get_vm_area(PMD_SIZE, VM_IOREMAP);
	KUNIT_ASSERT_NOT_NULL(test, area);
	KUNIT_ASSERT_EQ(test, kunit_add_action_or_reset(test, free_area_of, area), 0);
	addr = (unsigned long)area->addr;

	KUNIT_ASSERT_EQ(test, vmap_page_range(addr, addr + PAGE_SIZE, page_to_phys(page),
					      PAGE_KERNEL), 0);
	table = virt_to_page(lookup_address(addr, &level));
	KUNIT_ASSERT_EQ(test, level, PG_LEVEL_4K);
	get_page(table);
	KUNIT_ASSERT_EQ(test, kunit_add_action_or_reset(test, put_table, table), 0);
	vunmap_range(addr, addr + PAGE_SIZE);
	w = cpuword_watch(test);

	KUNIT_ASSERT_EQ(test, vmap_page_range(addr, addr + PMD_SIZE, page_to_phys(page),
					      PAGE_KERNEL), 0);
	KUNIT_ASSERT_NOT_NULL(test, lookup_address(addr, &level));
	KUNIT_ASSERT_EQ(test, level, PG_LEVEL_2M);
	KUNIT_EXPECT_EQ(test, page_count(table), defers ? 2 : 1);
	if (defers)
		cpuword_expect_deferred(test, &w, CPUWORD_TLB);
	else
		cpuword_expect_sent(test, &w);
}

/* --- Text --- */

static void text_sync_is_strict_unless_deferrable(struct kunit *test)
{
	struct cpuword_watched w = cpuword_watch(test);

	mutex_lock(&text_mutex);
	smp_text_poke_sync_each_cpu_deferrable();
	mutex_unlock(&text_mutex);
	cpuword_expect_deferred(test, &w, CPUWORD_ISYNC);

	mutex_lock(&text_mutex);
	smp_text_poke_sync_each_cpu();
	mutex_unlock(&text_mutex);
	cpuword_expect_sent(test, &w);
}

/* It begins in the padding before entry code, and writes what is there. */
static void text_poke_that_reaches_into_entry_code_is_strict(struct kunit *test)
{
	struct cpuword_watched w = cpuword_watch(test);
	u8 *addr = (u8 *)__entry_text_start - 2, text[JMP32_INSN_SIZE];

	KUNIT_ASSERT_EQ(test, copy_from_kernel_nofault(text, addr, sizeof(text)), 0);
	/* Nobody executes the breakpoint that the poke begins with. */
	KUNIT_ASSERT_EQ(test, text[0], INT3_INSN_OPCODE);
	mutex_lock(&text_mutex);
	smp_text_poke_single(addr, text, sizeof(text), x86_nops[sizeof(text)]);
	mutex_unlock(&text_mutex);
	cpuword_expect_sent(test, &w);
}

/* Long enough for a jump to replace what the probe is on. */
static noinline void probed(void)
{
	asm volatile(".rept 8; nop; .endr");
}

static int no_handler(struct kprobe *p, struct pt_regs *regs)
{
	return 0;
}

/* A probe that has one keeps its breakpoint. */
static void no_post_handler(struct kprobe *p, struct pt_regs *regs, unsigned long flags)
{
}

static bool is_optimized(struct kprobe *p)
{
	bool optimized;

	preempt_disable();
	optimized = get_kprobe(p->addr)->flags & KPROBE_FLAG_OPTIMIZED;
	preempt_enable();
	return optimized;
}

static void probe_once(struct kunit *test, struct cpuword_watched *w, bool optimize)
{
	/* Behind the call of the function tracer, which is patched otherwise. */
	unsigned long fentry = ftrace_location((unsigned long)probed);
	struct kprobe p = {
		.addr = (void *)(fentry ? fentry + MCOUNT_INSN_SIZE : (unsigned long)probed),
		.pre_handler = no_handler,
		.post_handler = optimize ? NULL : no_post_handler,
	};

	KUNIT_ASSERT_EQ(test, register_kprobe(&p), 0);
	wait_for_kprobe_optimizer();
	KUNIT_EXPECT_EQ(test, is_optimized(&p), optimize);
	if (w)
		cpuword_expect_deferred(test, w, CPUWORD_ISYNC);
	unregister_kprobe(&p);
	wait_for_kprobe_optimizer();
	if (w)
		cpuword_expect_deferred(test, w, CPUWORD_ISYNC);
}

static void probe_is_deferred(struct kunit *test)
{
	struct cpuword_watched w;

	if (!IS_ENABLED(CONFIG_OPTPROBES))
		kunit_skip(test, "no optimized kprobes");

	/* The first of each allocates a page for its instruction slots. */
	probe_once(test, NULL, false);
	probe_once(test, NULL, true);
	w = cpuword_watch(test);
	probe_once(test, &w, false);
	probe_once(test, &w, true);
}

/* --- The word --- */

static void ignore_breakpoint(struct perf_event *event, struct perf_sample_data *data,
			      struct pt_regs *regs)
{
}

/* It would trap in the entry code. */
static void word_takes_no_data_breakpoint(struct kunit *test)
{
	struct perf_event * __percpu *event;
	struct perf_event_attr attr;

	if (!IS_ENABLED(CONFIG_CPUWORD_ASM_ENTRY))
		kunit_skip(test, "the entry code does not access the word");

	hw_breakpoint_init(&attr);
	attr.bp_addr = (unsigned long)cpuword_of(1);
	attr.bp_len = HW_BREAKPOINT_LEN_8;
	attr.bp_type = HW_BREAKPOINT_W;
	event = register_wide_hw_breakpoint(&attr, ignore_breakpoint, NULL);
	KUNIT_EXPECT_TRUE(test, IS_ERR((void __force *)event));
	if (!IS_ERR((void __force *)event))
		unregister_wide_hw_breakpoint(event);
}

static struct kunit_case x86_cases[] = {
	KUNIT_CASE_SLOW(change_of_permissions_is_deferred),
	KUNIT_CASE_SLOW(change_of_presence_is_strict),
	KUNIT_CASE_SLOW(change_of_memory_type_is_strict),
	KUNIT_CASE_SLOW(strict_purge_flushes_what_another_has_deferred),
	KUNIT_CASE_SLOW(purge_after_a_pmd_leaf_is_strict_without_pti),
	KUNIT_CASE_SLOW(purge_after_a_pud_leaf_is_strict_without_pti),
	KUNIT_CASE_SLOW(purge_after_vmalloc_huge_is_strict_without_pti),
	KUNIT_CASE_SLOW(flush_before_a_table_is_freed),
	KUNIT_CASE_SLOW(text_sync_is_strict_unless_deferrable),
	KUNIT_CASE_SLOW(text_poke_that_reaches_into_entry_code_is_strict),
	KUNIT_CASE_SLOW(probe_is_deferred),
	KUNIT_CASE(word_takes_no_data_breakpoint),
	{}
};

static struct kunit_suite x86_suite = {
	.name = "cpuword_x86",
	.test_cases = x86_cases,
};

kunit_test_suite(x86_suite);
