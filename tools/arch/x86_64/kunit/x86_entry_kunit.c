// SPDX-License-Identifier: GPL-2.0
/*
 * Every way from user mode into x86's kernel: work that is pending is done on
 * it, and NMIs that land anywhere on the way see it done.
 */
#include <kunit/test.h>
#include <linux/cpuword.h>
#include <linux/delay.h>
#include <linux/jiffies.h>
#include <linux/mm.h>

#include <asm/apic.h>
#include <asm/nmi.h>
#include <asm/sections.h>
#include <asm/tlbflush.h>

#include "window.h"

/* --- One entry with work pending --- */

struct way {
	const char		*name;
	enum cpuword_user_entry	entry;
};

static const struct way ways[] = {
	{ "syscall", CPUWORD_ENTRY_SYSCALL },
	{ "int80", CPUWORD_ENTRY_INT80 },
	{ "page fault", CPUWORD_ENTRY_PAGE_FAULT },
	{ "breakpoint", CPUWORD_ENTRY_BREAKPOINT },
	{ "invalid opcode", CPUWORD_ENTRY_INVALID_OPCODE },
	{ "single step", CPUWORD_ENTRY_SINGLE_STEP },
	{ "single step over syscall", CPUWORD_ENTRY_STEP_SYSCALL },
	{ "fork", CPUWORD_ENTRY_FORK },
};

static void describe_way(const struct way *way, char *desc)
{
	strscpy(desc, way->name, KUNIT_PARAM_DESC_SIZE);
}

KUNIT_ARRAY_PARAM(way, ways, describe_way);

static void entry_does_pending_work(struct kunit *test)
{
	const struct way *way = test->param_value;
	struct cpuword_window *w;
	struct cpuword_look l;

	if (way->entry == CPUWORD_ENTRY_INT80 && !IS_ENABLED(CONFIG_IA32_EMULATION))
		kunit_skip(test, "no 32-bit system calls");

	w = cpuword_window_open_stale(test);
	cpuword_window_defer(test, w, CPUWORD_TLB | CPUWORD_ISYNC);
	KUNIT_EXPECT_EQ(test, cpuword_user_work(w->user), CPUWORD_TLB | CPUWORD_ISYNC);
	cpuword_user_enter(test, w->user, way->entry);
	KUNIT_EXPECT_EQ(test, cpuword_user_work(w->user), 0);
	/* This look is an entry without work. */
	l = cpuword_window_look(test, w);
	KUNIT_EXPECT_NE_MSG(test, l.ret, 0, "the translation is still there");
}

/* --- Other ASIDs --- */

/*
 * With PTI what a CPU caches of kernel page tables, tables above the leaves
 * included, is of an ASID, and to flush one page, or to write CR3, is to flush
 * one ASID.  A CPU that has done so counts as clean, and a table may be freed,
 * since it flushes the other ASIDs before it uses them again.  The mark for that
 * is there without PCID, too.
 */
static void clean_asids(void *unused)
{
	__flush_tlb_all();
	this_cpu_write(cpu_tlbstate.invalidate_other, false);
}

static bool other_asids_are_marked(struct cpuword_window *w)
{
	return READ_ONCE(per_cpu(cpu_tlbstate.invalidate_other, w->user->cpu));
}

static struct cpuword_window *open_with_clean_asids(struct kunit *test)
{
	struct cpuword_window *w;

	if (!boot_cpu_has(X86_FEATURE_PTI))
		kunit_skip(test, "needs pti=on");

	w = cpuword_window_open(test);
	KUNIT_ASSERT_EQ(test, smp_call_function_single(w->user->cpu, clean_asids, NULL, 1), 0);
	cpuword_user_wait_spinning(test, w->user);
	KUNIT_ASSERT_FALSE(test, other_asids_are_marked(w));

	return w;
}

static void entry_with_work_marks_other_asids(struct kunit *test)
{
	struct cpuword_window *w;

	if (!IS_ENABLED(CONFIG_CPUWORD_ASM_ENTRY))
		kunit_skip(test, "the hook flushes every ASID");

	w = open_with_clean_asids(test);
	cpuword_window_defer(test, w, CPUWORD_TLB);
	KUNIT_EXPECT_FALSE(test, other_asids_are_marked(w));
	cpuword_user_syscall(test, w->user);
	KUNIT_EXPECT_TRUE(test, other_asids_are_marked(w));
}

/* As pmd_free_pte_page() and pud_free_pmd_page(), for CPUs that do not defer. */
static void flush_of_one_page_marks_other_asids(struct kunit *test)
{
	struct cpuword_window *w = open_with_clean_asids(test);
	unsigned long addr = (unsigned long)w->addr;

	flush_tlb_kernel_range(addr, addr + PAGE_SIZE - 1);
	KUNIT_EXPECT_TRUE(test, other_asids_are_marked(w));
}

/* --- NMIs meanwhile --- */

/*
 * The window shows a number that only grows, each in the other page.  Once one
 * has been published, as visible to that CPU, it may see no smaller one there.
 */
struct storm {
	struct cpuword_window	*w;
	int			published;
	unsigned long		nmis, in_user, in_entry_text;
	unsigned long		syscalls;
	unsigned long		stale, pending, unwatched;
};

static struct storm *storm;

static void storm_check(struct storm *s)
{
	unsigned long word = atomic_long_read(cpuword_of(s->w->user->cpu));
	/* Pairs with the release in storm_publish(). */
	int published = smp_load_acquire(&s->published);

	if (READ_ONCE(*(int *)s->w->addr) < published)
		s->stale++;
	if (word & CPUWORD_EARLY_MASK)
		s->pending++;
	if (!(word & CPUWORD_WATCHING))
		s->unwatched++;
}

static int storm_nmi(unsigned int cmd, struct pt_regs *regs)
{
	struct storm *s = READ_ONCE(storm);

	if (!s || smp_processor_id() != s->w->user->cpu)
		return NMI_DONE;

	s->nmis++;
	if (user_mode(regs))
		s->in_user++;
	else if (memory_contains(__entry_text_start, __entry_text_end,
				 (void *)regs->ip, 1))
		s->in_entry_text++;
	storm_check(s);

	return NMI_HANDLED;
}

static void storm_syscall(struct cpuword_user *user)
{
	struct storm *s = user->data;

	s->syscalls++;
	storm_check(s);
}

static void storm_publish(struct storm *s, int n)
{
	unsigned long addr = (unsigned long)s->w->addr;
	struct page *page = s->w->pages[n % 2];

	WRITE_ONCE(*(int *)page_address(page), n);
	cpuword_window_set(s->w, mk_pte(page, PAGE_KERNEL));
	/* This CPU reads the page elsewhere. */
	if (!cpuword_defer(s->w->user->cpu, CPUWORD_TLB | CPUWORD_ISYNC))
		flush_tlb_kernel_range(addr, addr + PAGE_SIZE);
	/* Pairs with the acquire in storm_check(). */
	smp_store_release(&s->published, n);
}

static void stop_storm(void *unused)
{
	WRITE_ONCE(storm, NULL);
	/* Waits for a handler that runs. */
	unregister_nmi_handler(NMI_LOCAL, "cpuword_kunit");
}

static void nmis_see_the_work_done(struct kunit *test)
{
	struct storm *s = kunit_kzalloc(test, sizeof(*s), GFP_KERNEL);
	unsigned long command, end;
	int n = 0;

	KUNIT_ASSERT_NOT_NULL(test, s);
	s->w = cpuword_window_open(test);
	s->w->user->syscall = storm_syscall;
	s->w->user->data = s;
	WRITE_ONCE(storm, s);
	KUNIT_ASSERT_EQ(test, register_nmi_handler(NMI_LOCAL, storm_nmi, 0, "cpuword_kunit"), 0);
	KUNIT_ASSERT_EQ(test, kunit_add_action_or_reset(test, stop_storm, NULL), 0);

	WRITE_ONCE(s->w->user->shared->entry, CPUWORD_ENTRY_MANY_SYSCALLS);
	for (end = jiffies + 3 * HZ; time_before(jiffies, end); cond_resched()) {
		command = READ_ONCE(s->w->user->shared->command);
		if (READ_ONCE(s->w->user->shared->done) == command)
			cpuword_user_command(s->w->user);
		storm_publish(s, ++n);
		__apic_send_IPI(s->w->user->cpu, NMI_VECTOR);
	}
	cpuword_user_wait_done(test, s->w->user, READ_ONCE(s->w->user->shared->command));

	kunit_info(test, "%lu NMIs: %lu in user mode, %lu in entry code; %lu system calls; %d changes\n",
		   s->nmis, s->in_user, s->in_entry_text, s->syscalls, n);
	KUNIT_EXPECT_GT(test, s->nmis, 0);
	KUNIT_EXPECT_GT(test, s->syscalls, 0);
	KUNIT_EXPECT_EQ(test, s->stale, 0);
	KUNIT_EXPECT_EQ(test, s->pending, 0);
	KUNIT_EXPECT_EQ(test, s->unwatched, 0);
}

static struct kunit_case entry_cases[] = {
	KUNIT_CASE_PARAM(entry_does_pending_work, way_gen_params),
	KUNIT_CASE_SLOW(entry_with_work_marks_other_asids),
	KUNIT_CASE_SLOW(flush_of_one_page_marks_other_asids),
	KUNIT_CASE_SLOW(nmis_see_the_work_done),
	{}
};

static struct kunit_suite entry_suite = {
	.name = "cpuword_x86_entry",
	.test_cases = entry_cases,
};

kunit_test_suite(entry_suite);
