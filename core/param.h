/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Parameters that have two values.
 */
#ifndef _KERNEL_CPUWORD_PARAM_H
#define _KERNEL_CPUWORD_PARAM_H

int cpuword_param(const char *name, const char *val, const char *no,
		  const char *yes);

#endif /* _KERNEL_CPUWORD_PARAM_H */
