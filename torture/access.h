/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _CPUWORD_TORTURE_ACCESS_H
#define _CPUWORD_TORTURE_ACCESS_H

#include <linux/types.h>

struct page;

bool cpuword_torture_map(void *addr, struct page *page);
void cpuword_torture_flush(void *addr, bool range);
void cpuword_torture_flush_strict(void *addr);
int cpuword_torture_nmi_start(void (*fn)(void));
void cpuword_torture_nmi_stop(void);
bool cpuword_torture_nmi(int cpu);

#endif /* _CPUWORD_TORTURE_ACCESS_H */
