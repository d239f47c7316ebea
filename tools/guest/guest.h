/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the guest's programs share. They are built against the kernel tree's
 * own nolibc (-include nolibc.h), so that no target C library is needed; or,
 * to run on the machine that they are built on, with its libc.
 */
#ifndef GUEST_H
#define GUEST_H

#ifndef NOLIBC
#include <errno.h>
#include <fcntl.h>
#include <linux/reboot.h>
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

#define MAX_CPUS 1024
#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

/* Nothing to the CPU; QEMU's plugins (tools/qemu_*.c) know it. */
static inline void mark(void)
{
#if defined(__x86_64__)
	__asm__ volatile("nopl 0x6b72616d(%%rax)" : : : "memory");
#elif defined(__aarch64__)
	__asm__ volatile("mov xzr, #0x6d61" : : : "memory");
#elif defined(__riscv)
	__asm__ volatile(".option push; .option norvc; lui zero, 0x6d61; .option pop"
			 : : : "memory");
#endif
}

/* A counter that user mode may read without entering the kernel. */
static inline uint64_t cycles(void)
{
#if defined(__x86_64__)
	uint32_t lo, hi;

	__asm__ volatile("rdtsc" : "=a"(lo), "=d"(hi));
	return ((uint64_t)hi << 32) | lo;
#elif defined(__aarch64__)
	uint64_t v;

	/* isb: or the read may be done early, out of the measured stretch */
	__asm__ volatile("isb; mrs %0, cntvct_el0" : "=r"(v) : : "memory");
	return v;
#elif defined(__riscv)
	uint64_t v;

	__asm__ volatile("rdtime %0" : "=r"(v) : : "memory");
	return v;
#else
#error "no cycles() for this architecture"
#endif
}

/*
 * For loops that wait. Emulation with one thread for all CPUs lets another CPU
 * run at this instruction, and else only every 100 ms.
 */
static inline void relax(void)
{
#if defined(__x86_64__)
	__asm__ volatile("pause" : : : "memory");
#elif defined(__aarch64__)
	__asm__ volatile("yield" : : : "memory");
#endif
}

static inline uint64_t now_ns(void)
{
	struct timespec ts;

	syscall(__NR_clock_gettime, 1 /* CLOCK_MONOTONIC */, &ts);
	return ts.tv_sec * 1000000000ull + ts.tv_nsec;
}

/* Ticks of cycles() a second, as good as the kernel's own idea of it. */
static inline uint64_t cycles_hz(void)
{
#ifdef __aarch64__
	uint64_t hz;

	__asm__ volatile("mrs %0, cntfrq_el0" : "=r"(hz));
	return hz;
#else
	uint64_t t0 = now_ns(), c0 = cycles();

	while (now_ns() - t0 < 50000000)
		;
	return (cycles() - c0) * 1000000000ull / (now_ns() - t0);
#endif
}

/* Pin the calling task to @cpu. Returns 0 or -1. */
static inline int pin_to(int cpu)
{
	unsigned long mask[MAX_CPUS / (8 * sizeof(long))] = { 0 };

	if (cpu >= MAX_CPUS)
		return -1;
	mask[cpu / (8 * sizeof(long))] = 1UL << (cpu % (8 * sizeof(long)));
	return syscall(__NR_sched_setaffinity, 0, sizeof(mask), mask) < 0 ?
		-1 : 0;
}

#define PATH 256

/* Append what fits of @more to @text, which has room for @size. */
static inline void append(char *text, const char *more, long size)
{
	long n = strlen(text);

	while (*more && n < size - 1)
		text[n++] = *more++;
	text[n] = 0;
}

/*
 * Put the strings, up to a NULL, one after the other into @text, which has
 * room for PATH: nolibc has no snprintf(). Returns @text.
 */
static inline char *join(char *text, ...)
{
	const char *part;
	va_list parts;

	text[0] = 0;
	va_start(parts, text);
	while ((part = va_arg(parts, const char *)))
		append(text, part, PATH);
	va_end(parts);
	return text;
}

/* Append all of @path to @buf. Returns the new length, or -1. */
static inline long slurp(const char *path, char *buf, long len, long size)
{
	int fd = open(path, O_RDONLY);
	long n;

	if (fd < 0)
		return -1;
	while (len < size - 1 && (n = read(fd, buf + len, size - 1 - len)) > 0)
		len += n;
	close(fd);
	buf[len] = 0;
	return len;
}

/* Write @text to @path. Returns 0 or -1. */
static inline int put(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY);
	long n, len = strlen(text);

	if (fd < 0)
		return -1;
	n = write(fd, text, len);
	close(fd);
	return n == len ? 0 : -1;
}

/*
 * A line for the host, of the words up to a NULL.  As a kernel message, whose lines
 * others of them do not break.
 */
static inline void tell(const char *what, ...)
{
	char text[PATH];
	va_list words;

	join(text, "<1>@@", NULL);
	va_start(words, what);
	for (; what; what = va_arg(words, const char *)) {
		append(text, " ", PATH);
		append(text, what, PATH);
	}
	va_end(words);
	append(text, "\n", PATH);
	put("/dev/kmsg", text);
}

/*
 * Turn off the scheduler's server for ordinary tasks on @cpu. From there, since
 * to stop one that is not at work makes 6.12 warn; then go to CPU 0. Returns 0
 * or -1.
 */
static inline int stop_fair_server(int cpu)
{
	char path[PATH];
	int err = pin_to(cpu) ||
		  put(join(path, "/sys/kernel/debug/sched/fair_server/cpu",
			   itoa(cpu), "/runtime", NULL), "0");

	return pin_to(0) || err ? -1 : 0;
}

/* The CPUs of a list such as "1-3,5", of which there are at most MAX_CPUS. */
static inline int parse_cpus(const char *list, int *cpus)
{
	int n = 0;
	char *end;
	long a, b;

	while (*list >= '0' && *list <= '9') {
		a = b = strtol(list, &end, 10);
		if (*end == '-')
			b = strtol(end + 1, &end, 10);
		for (; a <= b && n < MAX_CPUS; a++)
			cpus[n++] = a;
		list = end + (*end == ',');
	}
	return n;
}

/* The CPUs that are @what: "online", or "nohz_full" by the command line. */
static inline int cpus_that_are(const char *what, int *cpus)
{
	char path[PATH], list[4096];

	join(path, "/sys/devices/system/cpu/", what, NULL);
	return slurp(path, list, 0, sizeof(list)) < 0 ? 0 :
		parse_cpus(list, cpus);
}

static inline int isolated_cpus(int *cpus)
{
	return cpus_that_are("nohz_full", cpus);
}

static inline void mount_all(void)
{
	mount("proc", "/proc", "proc", 0, NULL);
	mount("sysfs", "/sys", "sysfs", 0, NULL);
	mount("debugfs", "/sys/kernel/debug", "debugfs", 0, NULL);
	mount("tracefs", "/sys/kernel/tracing", "tracefs", 0, NULL);
}

/* For the host: how much work entries found. */
static inline void print_all_words(void)
{
	static char text[1 << 14];
	char *line = text, *end;

	if (slurp("/sys/kernel/debug/cpuword/cpus", text, 0, sizeof(text)) < 0)
		return;
	for (; (end = strchr(line, '\n')); line = end + 1) {
		*end = 0;
		printf("@@ word %s\n", line);
	}
}

/* Does not return: PID 1 may not exit. */
static inline void restart(void)
{
	reboot(LINUX_REBOOT_CMD_RESTART);
	/* QEMU runs with -no-reboot; should it not stop, the host knows the last line. */
	for (;;)
		sleep(1000);
}

#endif /* GUEST_H */
