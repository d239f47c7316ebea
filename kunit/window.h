/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _CPUWORD_KUNIT_WINDOW_H
#define _CPUWORD_KUNIT_WINDOW_H

#include <linux/pgtable.h>
#include <linux/smp.h>

#include "usermode.h"

/* A page of kernel address space, and a task in user mode on another CPU. */
struct cpuword_window {
	struct cpuword_user	*user;
	void			*addr;
	pte_t			*pte;
	struct page		*pages[2];
};

/* What a function on that CPU made of the window. */
struct cpuword_look {
	void	*addr;
	long	ret;
	int	value;
};

struct cpuword_window *cpuword_window_open(struct kunit *test);
struct cpuword_window *cpuword_window_open_stale(struct kunit *test);
void cpuword_window_set(struct cpuword_window *w, pte_t pte);
struct cpuword_look cpuword_window_run(struct kunit *test, struct cpuword_window *w,
				       smp_call_func_t fn);
struct cpuword_look cpuword_window_look(struct kunit *test, struct cpuword_window *w);
void cpuword_window_defer(struct kunit *test, struct cpuword_window *w,
			  unsigned long work);
bool cpuword_every_entry_flushes(void);

#endif /* _CPUWORD_KUNIT_WINDOW_H */
