/* SPDX-License-Identifier: GPL-2.0 */
/* What programs have the kernel do. */
#ifndef KERNEL_H
#define KERNEL_H

/* cpuword's own files. */
#define DEFER	"/sys/module/cpuword/parameters/defer"
#define WORDS	"/sys/kernel/debug/cpuword/"

void mount_all(void);
void mount_dev(void);

/* As insmod does. Returns 0 or an errno. */
int load_module(const char *path, const char *parameters);

/* As rmmod does. Returns 0 or an errno. */
int unload_module(const char *name);

/*
 * Map and unmap 16 MB @count times with the kernel's own test_vmalloc.ko at
 * @path; when there is enough of it (32 MB, more with more CPUs) a kworker purges
 * what was unmapped and flushes the TLBs. The module runs its test as it is
 * loaded, and does not stay. Returns 0 or an errno.
 */
int run_test_vmalloc(const char *path, long count);

/*
 * A scheduler's @feature off and on, @count times: a static key with a jump or two,
 * and nothing else that calls other CPUs. Returns 0 or -1, with errno.
 */
int flip_static_key(const char *feature, long count);

/* Does not return: PID 1 may not exit. */
void restart(void);

#endif /* KERNEL_H */
