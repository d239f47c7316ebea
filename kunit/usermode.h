/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _CPUWORD_KUNIT_USERMODE_H
#define _CPUWORD_KUNIT_USERMODE_H

#define CPUWORD_USER_QUIT	(~0UL)
#define CPUWORD_USER_DEBUGFS	"/cpuword_debugfs"

/* How a command is carried out: a system call, or another way into the kernel. */
enum cpuword_user_entry {
	CPUWORD_ENTRY_SYSCALL,
	CPUWORD_ENTRY_MANY_SYSCALLS,
	CPUWORD_ENTRY_PAGE_FAULT,
	CPUWORD_ENTRY_FORK,
	/* x86: */
	CPUWORD_ENTRY_INT80,
	CPUWORD_ENTRY_BREAKPOINT,
	CPUWORD_ENTRY_INVALID_OPCODE,
	CPUWORD_ENTRY_SINGLE_STEP,
	CPUWORD_ENTRY_STEP_SYSCALL,
};

/* Shared between a test and its task in user mode. */
struct cpuword_user_page {
	unsigned long	ready;
	unsigned long	spins;		/* counts as long as the task runs */
	unsigned long	entry;		/* an enum cpuword_user_entry */
	unsigned long	command;	/* a new value: enter the kernel */
	unsigned long	done;		/* the last command that was done */
};

#ifdef __KERNEL__

#include <kunit/test.h>

/* user_spin, as user_blob.S has it. */
extern const char cpuword_user_spin[], cpuword_user_spin_end[];

/* A task that spins in user mode on an isolated CPU. */
struct cpuword_user {
	int				cpu;
	struct page			*page;
	struct cpuword_user_page	*shared;
	/* Called by the task's system call, after the entry hook. */
	void				(*syscall)(struct cpuword_user *user);
	void				*data;
};

/* A task in user mode, and how often its CPU has been interrupted by now. */
struct cpuword_watched {
	struct cpuword_user		*user;
	u64				interrupts;
};

int cpuword_user_cpu(struct kunit *test);
struct cpuword_user *cpuword_user_start(struct kunit *test, int cpu);
void cpuword_user_stop(void *user);
void cpuword_user_wait_spinning(struct kunit *test, struct cpuword_user *user);
unsigned long cpuword_user_command(struct cpuword_user *user);
void cpuword_user_wait_done(struct kunit *test, struct cpuword_user *user,
			    unsigned long command);
void cpuword_user_syscall(struct kunit *test, struct cpuword_user *user);
void cpuword_user_enter(struct kunit *test, struct cpuword_user *user,
			enum cpuword_user_entry entry);
u64 cpuword_user_interrupts(struct cpuword_user *user);
u64 cpuword_user_quiet(struct cpuword_user *user);
unsigned long cpuword_user_work(struct cpuword_user *user);
struct cpuword_watched cpuword_watch(struct kunit *test);
void cpuword_expect_deferred(struct kunit *test, struct cpuword_watched *w,
			     unsigned long work);
void cpuword_expect_sent(struct kunit *test, struct cpuword_watched *w);

#endif /* __KERNEL__ */

#endif /* _CPUWORD_KUNIT_USERMODE_H */
