// SPDX-License-Identifier: GPL-2.0
/*
 * What an architecture's hooks must do, for any port to run: a stale
 * translation and a stale instruction are shown on a CPU in user mode, and are
 * gone when it has entered the kernel with the work pending.
 *
 * Each look at the CPU is an IPI, so a real entry from user mode.  Where every
 * entry is seen to flush anyway, and every_entry_flushes() knows why, nothing
 * can be stale and the cases are skipped.
 */
#include <kunit/test.h>
#include <linux/cacheflush.h>
#include <linux/context_tracking.h>
#include <linux/cpuword.h>
#include <linux/mm.h>
#include <linux/smp.h>
#include <linux/uaccess.h>
#include <linux/vmalloc.h>

#include <asm/cpuword.h>
#include <asm/tlbflush.h>

#include "usermode.h"

/* One page of kernel address space whose translation the test changes. */
struct window {
	int		cpu;
	void		*addr;
	struct page	*pages[2];
};

static void window_close(void *data)
{
	struct window *w = data;

	vunmap(w->addr);
	__free_page(w->pages[0]);
	__free_page(w->pages[1]);
}

static struct window *window_open(struct kunit *test)
{
	struct window *w = kunit_kzalloc(test, sizeof(*w), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, w);
	w->pages[0] = alloc_page(GFP_KERNEL | __GFP_ZERO);
	w->pages[1] = alloc_page(GFP_KERNEL | __GFP_ZERO);
	KUNIT_ASSERT_TRUE(test, w->pages[0] && w->pages[1]);
	w->addr = vmap(&w->pages[0], 1, VM_MAP, PAGE_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, w->addr);
	KUNIT_ASSERT_EQ(test, kunit_add_action_or_reset(test, window_close, w), 0);
	w->cpu = cpuword_user_start(test, cpuword_user_cpu(test))->cpu;

	return w;
}

static int set_one_pte(pte_t *pte, unsigned long addr, void *data)
{
	pte_t *new = data;

	set_pte_at(&init_mm, addr, pte, *new);
	return 0;
}

/* Change the translation and tell nobody. */
static void window_set(struct window *w, pte_t pte)
{
	apply_to_existing_page_range(&init_mm, (unsigned long)w->addr, PAGE_SIZE,
				     set_one_pte, &pte);
}

/* --- On the CPU in user mode, which this enters the kernel of --- */

struct look {
	void	*addr;
	long	ret;
	int	value;
};

static void look(void *data)
{
	struct look *l = data;

	l->ret = copy_from_kernel_nofault(&l->value, l->addr, sizeof(l->value));
}

static void call(void *data)
{
	struct look *l = data;
	int (*fn)(void) = l->addr;

	l->value = fn();
}

static struct look on_cpu(struct kunit *test, struct window *w, smp_call_func_t fn)
{
	struct look l = { .addr = w->addr };

	KUNIT_ASSERT_EQ(test, smp_call_function_single(w->cpu, fn, &l, 1), 0);
	return l;
}

/* Back in user mode, so that the next IPI is an entry, and work is accepted. */
static void defer(struct kunit *test, struct window *w, unsigned long work)
{
	unsigned long end = jiffies + 20 * HZ;

	if (work & ~arch_cpuword_accepts(CPUWORD_CTX_USER))
		kunit_skip(test, "user mode does not accept this work here");
	while (!cpuword_defer(w->cpu, work))
		KUNIT_ASSERT_TRUE(test, time_before(jiffies, end));
}

static bool every_entry_flushes(void)
{
#ifdef CONFIG_X86
	return boot_cpu_has(X86_FEATURE_PTI) && !boot_cpu_has(X86_FEATURE_PCID);
#elif defined(CONFIG_ARM64)
	/* QEMU's TCG has no ASIDs in its TLB: it flushes when KPTI switches them. */
	return arm64_kernel_unmapped_at_el0();
#else
	return false;
#endif
}

/* A window that is no longer mapped, but that the CPU has a translation of. */
static struct window *window_open_stale(struct kunit *test)
{
	struct window *w = window_open(test);
	struct look l = on_cpu(test, w, look);

	KUNIT_ASSERT_EQ(test, l.ret, 0);
	window_set(w, __pte(0));

	return w;
}

/* --- Cases --- */

static void stale_translation_is_gone_after_tlb_work(struct kunit *test)
{
	struct window *w = window_open(test);
	struct look l;

	*(int *)page_address(w->pages[0]) = 42;
	l = on_cpu(test, w, look);
	KUNIT_ASSERT_EQ(test, l.ret, 0);
	KUNIT_ASSERT_EQ(test, l.value, 42);

	window_set(w, __pte(0));
	l = on_cpu(test, w, look);
	if (l.ret && every_entry_flushes())
		kunit_skip(test, "every entry flushes: nothing can be stale");
	KUNIT_EXPECT_EQ_MSG(test, l.ret, 0, "no stale translation to begin with");

	defer(test, w, CPUWORD_TLB);
	l = on_cpu(test, w, look);
	KUNIT_EXPECT_NE_MSG(test, l.ret, 0, "the translation is still there");
}

static void isync_work_alone_flushes_nothing(struct kunit *test)
{
	struct window *w = window_open_stale(test);
	struct look l;

	defer(test, w, CPUWORD_ISYNC);
	l = on_cpu(test, w, look);
	if (l.ret && every_entry_flushes())
		kunit_skip(test, "every entry flushes: nothing can be stale");
	KUNIT_EXPECT_EQ_MSG(test, l.ret, 0, "a flush that nobody asked for");
	flush_tlb_kernel_range((unsigned long)w->addr,
			       (unsigned long)w->addr + PAGE_SIZE);
}

/* A function that returns @value. */
static void write_return_value(void *code, int value)
{
#if defined(CONFIG_X86_64)
	/* endbr64; mov $value, %eax; ret */
	static const u8 insns[] = { 0xf3, 0x0f, 0x1e, 0xfa, 0xb8, 0, 0, 0, 0, 0xc3 };

	memcpy(code, insns, sizeof(insns));
	memcpy(code + 5, &value, sizeof(value));
#elif defined(CONFIG_ARM64)
	/* bti c; mov w0, #value; ret */
	u32 insns[] = { 0xd503245f, 0x52800000 | value << 5, 0xd65f03c0 };

	memcpy(code, insns, sizeof(insns));
#elif defined(CONFIG_RISCV)
	/* li a0, value; ret */
	u32 insns[] = { 0x00000513 | value << 20, 0x00008067 };

	memcpy(code, insns, sizeof(insns));
#endif
	flush_icache_range((unsigned long)code, (unsigned long)code + 16);
}

/*
 * The instruction is changed by changing the page, since QEMU's TCG, as x86
 * itself, keeps instructions coherent with stores: there nothing but a stale
 * translation can make an instruction stale.
 */
static void stale_instruction_is_gone_after_both(struct kunit *test)
{
	struct window *w = window_open(test);
	struct look l;

	write_return_value(page_address(w->pages[0]), 1);
	write_return_value(page_address(w->pages[1]), 2);
	/* vmap() makes nothing executable. */
	window_set(w, pfn_pte(page_to_pfn(w->pages[0]), PAGE_KERNEL_EXEC));
	flush_tlb_kernel_range((unsigned long)w->addr,
			       (unsigned long)w->addr + PAGE_SIZE);
	l = on_cpu(test, w, call);
	KUNIT_ASSERT_EQ(test, l.value, 1);

	window_set(w, pfn_pte(page_to_pfn(w->pages[1]), PAGE_KERNEL_EXEC));
	l = on_cpu(test, w, call);
	if (l.value == 2 && every_entry_flushes())
		kunit_skip(test, "every entry flushes: nothing can be stale");
	KUNIT_EXPECT_EQ_MSG(test, l.value, 1, "no stale instruction to begin with");

	defer(test, w, CPUWORD_TLB | CPUWORD_ISYNC);
	l = on_cpu(test, w, call);
	KUNIT_EXPECT_EQ_MSG(test, l.value, 2, "the old instruction is still there");
}

static void strict_flush_is_done_on_return(struct kunit *test)
{
	struct window *w = window_open_stale(test);
	unsigned long addr = (unsigned long)w->addr;
	struct look l;

	/* Strict: done when it returns, and nothing is owed. */
	flush_tlb_kernel_range(addr, addr + PAGE_SIZE);
	KUNIT_EXPECT_EQ(test, atomic_long_read(cpuword_of(w->cpu)) & CPUWORD_TLB, 0);
	l = on_cpu(test, w, look);
	KUNIT_EXPECT_NE(test, l.ret, 0);
}

static void strict_flush_heals_a_deferred_one(struct kunit *test)
{
	struct window *w = window_open_stale(test);
	unsigned long addr = (unsigned long)w->addr;
	struct look l;

	flush_tlb_kernel_range_deferrable(addr, addr + PAGE_SIZE);
	flush_tlb_kernel_range(addr, addr + PAGE_SIZE);
	l = on_cpu(test, w, look);
	KUNIT_EXPECT_NE(test, l.ret, 0);
}

static void only_early_work_is_accepted(struct kunit *test)
{
	enum cpuword_ctx ctx;

	for (ctx = CPUWORD_CTX_IDLE; ctx <= CPUWORD_CTX_GUEST; ctx++)
		KUNIT_EXPECT_EQ(test, arch_cpuword_accepts(ctx) &
				~CPUWORD_EARLY_MASK, 0);
}

static void implicit_work_is_accepted_work(struct kunit *test)
{
	enum cpuword_ctx ctx;

	for (ctx = CPUWORD_CTX_IDLE; ctx <= CPUWORD_CTX_GUEST; ctx++)
		KUNIT_EXPECT_EQ(test, arch_cpuword_implicit(ctx) &
				~arch_cpuword_accepts(ctx), 0);
}

static void entry_code_is_not_deferrable(struct kunit *test)
{
	KUNIT_EXPECT_FALSE(test, cpuword_text_deferrable(__ct_user_exit));
	KUNIT_EXPECT_TRUE(test, cpuword_text_deferrable(kfree));
}

static struct kunit_case hooks_cases[] = {
	KUNIT_CASE(stale_translation_is_gone_after_tlb_work),
	KUNIT_CASE(isync_work_alone_flushes_nothing),
	KUNIT_CASE(stale_instruction_is_gone_after_both),
	KUNIT_CASE(strict_flush_is_done_on_return),
	KUNIT_CASE(strict_flush_heals_a_deferred_one),
	KUNIT_CASE(only_early_work_is_accepted),
	KUNIT_CASE(implicit_work_is_accepted_work),
	KUNIT_CASE(entry_code_is_not_deferrable),
	{}
};

static struct kunit_suite hooks_suite = {
	.name = "cpuword_hooks",
	.test_cases = hooks_cases,
};

kunit_test_suite(hooks_suite);
