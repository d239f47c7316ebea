// SPDX-License-Identifier: GPL-2.0
/*
 * What an architecture's hooks must do, for any port to run: a stale
 * translation and a stale instruction are shown on a CPU in user mode, and are
 * gone when it has entered the kernel with the work pending.
 *
 * Each look at the CPU is an IPI, so a real entry from user mode.  Where every
 * entry is seen to flush anyway, and cpuword_every_entry_flushes() knows why,
 * nothing can be stale and the cases are skipped.
 */
#include <kunit/test.h>
#include <linux/cacheflush.h>
#include <linux/context_tracking.h>
#include <linux/cpuword.h>
#include <linux/jump_label.h>
#include <linux/mm.h>

#include <asm/cpuword.h>
#include <asm/tlbflush.h>

#include "arch.h"
#include "window.h"

static void call(void *data)
{
	struct cpuword_look *l = data;
	int (*fn)(void) = l->addr;

	l->value = fn();
}

/* --- Cases --- */

static void stale_translation_is_gone_after_tlb_work(struct kunit *test)
{
	struct cpuword_window *w;

	if (cpuword_every_entry_flushes())
		kunit_skip(test, "every entry flushes: nothing can be stale");

	w = cpuword_window_open_stale(test);
	cpuword_window_defer(test, w, CPUWORD_TLB);
	KUNIT_EXPECT_NE_MSG(test, cpuword_window_look(test, w).ret, 0,
			    "the translation is still there");
}

static void isync_work_alone_flushes_nothing(struct kunit *test)
{
	struct cpuword_window *w = cpuword_window_open_stale(test);
	struct cpuword_look l;

	cpuword_window_defer(test, w, CPUWORD_ISYNC);
	l = cpuword_window_look(test, w);
	if (l.ret && cpuword_every_entry_flushes())
		kunit_skip(test, "every entry flushes: nothing can be stale");
	KUNIT_EXPECT_EQ_MSG(test, l.ret, 0, "a flush that nobody asked for");
	flush_tlb_kernel_range((unsigned long)w->addr,
			       (unsigned long)w->addr + PAGE_SIZE);
}

static void write_return_value(void *code, int value)
{
	arch_write_return_value(code, value);
	flush_icache_range((unsigned long)code, (unsigned long)code + 16);
}

/*
 * The instruction is changed by changing the page, since QEMU's TCG, as x86
 * itself, keeps instructions coherent with stores: there nothing but a stale
 * translation can make an instruction stale.
 */
static void stale_instruction_is_gone_after_both(struct kunit *test)
{
	struct cpuword_window *w;
	struct cpuword_look l;

	if (!CAN_WRITE_RETURN_VALUE)
		kunit_skip(test, "no instructions are known here");

	w = cpuword_window_open(test);
	write_return_value(page_address(w->pages[0]), 1);
	write_return_value(page_address(w->pages[1]), 2);
	/* vmap() makes nothing executable. */
	cpuword_window_set(w, pfn_pte(page_to_pfn(w->pages[0]), PAGE_KERNEL_EXEC));
	flush_tlb_kernel_range((unsigned long)w->addr,
			       (unsigned long)w->addr + PAGE_SIZE);
	l = cpuword_window_run(test, w, call);
	KUNIT_ASSERT_EQ(test, l.value, 1);

	cpuword_window_set(w, pfn_pte(page_to_pfn(w->pages[1]), PAGE_KERNEL_EXEC));
	l = cpuword_window_run(test, w, call);
	if (l.value == 2 && cpuword_every_entry_flushes())
		kunit_skip(test, "every entry flushes: nothing can be stale");
	KUNIT_EXPECT_EQ_MSG(test, l.value, 1, "no stale instruction to begin with");

	cpuword_window_defer(test, w, CPUWORD_TLB | CPUWORD_ISYNC);
	l = cpuword_window_run(test, w, call);
	KUNIT_EXPECT_EQ_MSG(test, l.value, 2, "the old instruction is still there");
}

static void strict_flush_is_done_on_return(struct kunit *test)
{
	struct cpuword_window *w = cpuword_window_open_stale(test);
	unsigned long addr = (unsigned long)w->addr;
	struct cpuword_look l;

	/* Strict: done when it returns, and nothing is owed. */
	flush_tlb_kernel_range(addr, addr + PAGE_SIZE);
	KUNIT_EXPECT_EQ(test, atomic_long_read(cpuword_of(w->user->cpu)) & CPUWORD_TLB, 0);
	l = cpuword_window_look(test, w);
	KUNIT_EXPECT_NE(test, l.ret, 0);
}

static void strict_flush_heals_a_deferred_one(struct kunit *test)
{
	struct cpuword_window *w = cpuword_window_open_stale(test);
	unsigned long addr = (unsigned long)w->addr;
	struct cpuword_look l;

	flush_tlb_kernel_range_deferrable(addr, addr + PAGE_SIZE);
	flush_tlb_kernel_range(addr, addr + PAGE_SIZE);
	l = cpuword_window_look(test, w);
	KUNIT_EXPECT_NE(test, l.ret, 0);
}

static void only_early_work_is_accepted(struct kunit *test)
{
	enum ctx_state ctx;

	for (ctx = CT_STATE_IDLE; ctx <= CT_STATE_GUEST; ctx++)
		KUNIT_EXPECT_EQ(test, arch_cpuword_accepts(ctx) &
				~CPUWORD_EARLY_MASK, 0);
}

static void implicit_work_is_accepted_work(struct kunit *test)
{
	enum ctx_state ctx;

	for (ctx = CT_STATE_IDLE; ctx <= CT_STATE_GUEST; ctx++)
		KUNIT_EXPECT_EQ(test, arch_cpuword_implicit(ctx) &
				~arch_cpuword_accepts(ctx), 0);
}

static void entry_code_is_not_deferrable(struct kunit *test)
{
	KUNIT_EXPECT_FALSE(test, cpuword_text_range_deferrable(__ct_user_exit, 1));
	KUNIT_EXPECT_TRUE(test, cpuword_text_range_deferrable(kfree, 1));
}

static void range_that_reaches_into_entry_code_is_not_deferrable(struct kunit *test)
{
	const char *start = __noinstr_text_start, *end = __noinstr_text_end;

	KUNIT_ASSERT_TRUE(test, start < end);
	KUNIT_EXPECT_TRUE(test, cpuword_text_range_deferrable(start - 4, 4));
	KUNIT_EXPECT_FALSE(test, cpuword_text_range_deferrable(start - 4, 5));
	KUNIT_EXPECT_FALSE(test, cpuword_text_range_deferrable(start - 4, end - start + 8));
	KUNIT_EXPECT_FALSE(test, cpuword_text_range_deferrable(end - 1, 5));
	KUNIT_EXPECT_TRUE(test, cpuword_text_range_deferrable(end, 4));
}

static DEFINE_STATIC_KEY_FALSE(entry_key);
static DEFINE_STATIC_KEY_FALSE(other_key);

static noinstr bool entry_branch(void)
{
	return static_branch_unlikely(&entry_key);
}

static noinline bool other_branch(void)
{
	return static_branch_unlikely(&other_key);
}

static void jump_label_of_entry_code_is_strict(struct kunit *test)
{
	struct cpuword_watched w = cpuword_watch(test);

	if (!(arch_cpuword_accepts(CT_STATE_USER) & CPUWORD_ISYNC))
		kunit_skip(test, "user mode does not accept this work here");
	if (!IS_ENABLED(CONFIG_JUMP_LABEL))
		kunit_skip(test, "no jump labels");

	static_branch_enable(&other_key);
	KUNIT_EXPECT_EQ(test, cpuword_user_work(w.user) & CPUWORD_ISYNC, CPUWORD_ISYNC);
	KUNIT_EXPECT_TRUE(test, other_branch());

	cpuword_user_syscall(test, w.user);
	static_branch_enable(&entry_key);
	KUNIT_EXPECT_EQ(test, cpuword_user_work(w.user) & CPUWORD_ISYNC, 0);
	KUNIT_EXPECT_TRUE(test, entry_branch());

	static_branch_disable(&entry_key);
	static_branch_disable(&other_key);
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
	KUNIT_CASE(range_that_reaches_into_entry_code_is_not_deferrable),
	KUNIT_CASE_SLOW(jump_label_of_entry_code_is_strict),
	{}
};

static struct kunit_suite hooks_suite = {
	.name = "cpuword_hooks",
	.test_cases = hooks_cases,
};

kunit_test_suite(hooks_suite);
