// SPDX-License-Identifier: GPL-2.0
/*
 * A page of kernel address space whose translation a test changes behind the
 * back of a CPU in user mode.
 */
#include <linux/context_tracking.h>
#include <linux/cpuword.h>
#include <linux/mm.h>
#include <linux/smp.h>
#include <linux/uaccess.h>
#include <linux/vmalloc.h>

#include <asm/cpuword.h>

#include "arch.h"
#include "window.h"

static void window_close(void *data)
{
	struct cpuword_window *w = data;

	vunmap(w->addr);
	__free_page(w->pages[0]);
	__free_page(w->pages[1]);
}

static int find_pte(pte_t *pte, unsigned long addr, void *data)
{
	struct cpuword_window *w = data;

	w->pte = pte;
	return 0;
}

/**
 * cpuword_window_open - map a page, and start a task in user mode
 * @test: the test, at whose end both are gone
 *
 * Return: the page's window, and in it the task.
 */
struct cpuword_window *cpuword_window_open(struct kunit *test)
{
	struct cpuword_window *w = kunit_kzalloc(test, sizeof(*w), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, w);
	w->pages[0] = alloc_page(GFP_KERNEL | __GFP_ZERO);
	w->pages[1] = alloc_page(GFP_KERNEL | __GFP_ZERO);
	KUNIT_ASSERT_TRUE(test, w->pages[0] && w->pages[1]);
	w->addr = vmap(&w->pages[0], 1, VM_MAP, PAGE_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, w->addr);
	KUNIT_ASSERT_EQ(test, kunit_add_action_or_reset(test, window_close, w), 0);
	apply_to_existing_page_range(&init_mm, (unsigned long)w->addr, PAGE_SIZE, find_pte, w);
	KUNIT_ASSERT_NOT_NULL(test, w->pte);
	w->user = cpuword_user_start(test, cpuword_user_cpu(test));

	return w;
}

/**
 * cpuword_window_set - change the translation and tell nobody
 * @w: the window
 * @pte: the new translation
 */
void cpuword_window_set(struct cpuword_window *w, pte_t pte)
{
	set_pte_at(&init_mm, (unsigned long)w->addr, w->pte, pte);
}

static void look(void *data)
{
	struct cpuword_look *l = data;

	l->ret = copy_from_kernel_nofault(&l->value, l->addr, sizeof(l->value));
}

/**
 * cpuword_window_run - call a function on the CPU in user mode
 * @test: the test
 * @w: the window
 * @fn: the function; gets a struct cpuword_look
 *
 * By an IPI, so an entry from user mode.
 *
 * Return: what @fn left in the struct.
 */
struct cpuword_look cpuword_window_run(struct kunit *test, struct cpuword_window *w,
				       smp_call_func_t fn)
{
	struct cpuword_look l = { .addr = w->addr };

	KUNIT_ASSERT_EQ(test, smp_call_function_single(w->user->cpu, fn, &l, 1), 0);
	return l;
}

/**
 * cpuword_window_look - read the window on the CPU in user mode
 * @test: the test
 * @w: the window
 *
 * Return: in ->ret 0 or an error, in ->value what was read.
 */
struct cpuword_look cpuword_window_look(struct kunit *test, struct cpuword_window *w)
{
	return cpuword_window_run(test, w, look);
}

/**
 * cpuword_window_defer - leave work to the CPU in user mode
 * @test: the test, skipped where user mode accepts no such work
 * @w: the window
 * @work: the work
 *
 * Waits until the CPU is back in user mode: its next entry finds the work.
 */
void cpuword_window_defer(struct kunit *test, struct cpuword_window *w, unsigned long work)
{
	unsigned long end = jiffies + 20 * HZ;

	if (work & ~arch_cpuword_accepts(CT_STATE_USER))
		kunit_skip(test, "user mode does not accept this work here");
	while (!cpuword_defer(w->user->cpu, work))
		KUNIT_ASSERT_TRUE(test, time_before(jiffies, end));
}

/**
 * cpuword_every_entry_flushes - is no translation stale after any entry?
 *
 * Return: true where that is so without this project's doing.
 */
bool cpuword_every_entry_flushes(void)
{
	return arch_every_entry_flushes();
}

/**
 * cpuword_window_open_stale - have a stale translation in a CPU in user mode
 * @test: as for cpuword_window_open()
 *
 * A translation may leave the TLB at any time, by a purge that others make for
 * example, so this may take more than one go.
 *
 * Return: a window that is not mapped, but that the CPU has a translation of,
 * unless cpuword_every_entry_flushes().
 */
struct cpuword_window *cpuword_window_open_stale(struct kunit *test)
{
	struct cpuword_window *w = cpuword_window_open(test);
	int go;

	for (go = 0; go < 10; go++) {
		cpuword_window_set(w, mk_pte(w->pages[0], PAGE_KERNEL));
		KUNIT_ASSERT_EQ(test, cpuword_window_look(test, w).ret, 0);
		cpuword_window_set(w, __pte(0));
		if (!cpuword_window_look(test, w).ret || cpuword_every_entry_flushes())
			return w;
	}
	KUNIT_FAIL_AND_ABORT(test, "no stale translation to begin with");
}
