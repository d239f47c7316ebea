/* SPDX-License-Identifier: GPL-2.0 */
#include <linux/linkage.h>

	.section .rodata, "a"
SYM_DATA_START(cpuword_user_spin)
	.incbin "kernel/cpuword/kunit/user_spin"
SYM_DATA_END_LABEL(cpuword_user_spin, SYM_L_GLOBAL, cpuword_user_spin_end)
