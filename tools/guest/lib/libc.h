/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The C library. The guests' programs are built against the kernel tree's own
 * nolibc (-include nolibc.h), so that no target C library is needed. A program
 * for the machine that it is built on has that machine's libc, which lacks a few
 * functions of nolibc's.
 */
#ifndef LIBC_H
#define LIBC_H

#ifndef NOLIBC
#include <errno.h>
#include <fcntl.h>
#include <linux/reboot.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/reboot.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static inline char *u64toa(uint64_t v)
{
	static char text[24];

	snprintf(text, sizeof(text), "%llu", (unsigned long long)v);
	return text;
}

static inline char *itoa(long v)
{
	static char text[24];

	snprintf(text, sizeof(text), "%ld", v);
	return text;
}

static inline void msleep(unsigned int ms)
{
	usleep(ms * 1000);
}
#endif /* !NOLIBC */

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

#endif /* LIBC_H */
