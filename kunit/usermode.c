// SPDX-License-Identifier: GPL-2.0
/*
 * Real user-mode tasks for the tests: a program in this kernel's image is
 * written to the root file system, started on a given CPU, and steered through
 * a shared page, so that telling it what to do does not interrupt it.
 */
#include <linux/context_tracking.h>
#include <linux/cpuword.h>
#include <linux/delay.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/jiffies.h>
#include <linux/kernel_stat.h>
#include <linux/miscdevice.h>
#include <linux/mm.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include <linux/task_work.h>
#include <linux/tick.h>
#include <linux/umh.h>

#include <asm/hardirq.h>

#include "usermode.h"

#ifndef arch_irq_stat_cpu
#define arch_irq_stat_cpu(cpu) ((void)(cpu), 0)
#endif

#define PROGRAM		"/cpuword_user_spin"
#define WAIT_JIFFIES	(20 * HZ)
/* After this many rounds of a task, earlier IPIs to its CPU have arrived. */
#define ROUNDS		1000

/* By CPU: a task finds its own by where it runs, and it is bound there. */
static struct cpuword_user *users[NR_CPUS];

static int user_open(struct inode *inode, struct file *file)
{
	file->private_data = users[raw_smp_processor_id()];
	return file->private_data ? 0 : -ENODEV;
}

static int user_mmap(struct file *file, struct vm_area_struct *vma)
{
	struct cpuword_user *user = file->private_data;

	return vm_insert_page(vma, vma->vm_start, user->page);
}

static ssize_t user_read(struct file *file, char __user *buf, size_t len,
			 loff_t *pos)
{
	struct cpuword_user *user = file->private_data;

	if (user->syscall)
		user->syscall(user);
	return 0;
}

static const struct file_operations user_fops = {
	.open = user_open,
	.mmap = user_mmap,
	.read = user_read,
};

static struct miscdevice user_device = {
	.minor = MISC_DYNAMIC_MINOR,
	.name = "cpuword_user",
	.fops = &user_fops,
};

static int write_program(void)
{
	size_t size = cpuword_user_spin_end - cpuword_user_spin;
	struct file *file;
	loff_t pos = 0;
	ssize_t ret;

	file = filp_open(PROGRAM, O_CREAT | O_WRONLY | O_TRUNC, 0700);
	if (IS_ERR(file))
		return PTR_ERR(file);
	ret = kernel_write(file, cpuword_user_spin, size, &pos);
	fput(file);
	/* A file that is still open for writing cannot be executed. */
	flush_delayed_fput();
	task_work_run();

	return ret == size ? 0 : -EIO;
}

static int bind_to_cpu(struct subprocess_info *info, struct cred *new)
{
	struct cpuword_user *user = info->data;

	return set_cpus_allowed_ptr(current, cpumask_of(user->cpu));
}

/**
 * cpuword_user_stop - have a task exit, and wait until it has
 * @data: the task; not its type, for kunit_release_action()
 */
void cpuword_user_stop(void *data)
{
	struct cpuword_user *user = data;

	WRITE_ONCE(user->shared->command, CPUWORD_USER_QUIT);
	/* The task holds the page until it has exited. */
	while (page_count(user->page) > 1)
		msleep(20);
	__free_page(user->page);
	users[user->cpu] = NULL;
}

/**
 * cpuword_user_cpu - the CPU for a task
 * @test: the test, which is skipped if there is none
 *
 * Return: the first isolated CPU.
 */
int cpuword_user_cpu(struct kunit *test)
{
	int cpu;

	for_each_online_cpu(cpu)
		if (tick_nohz_full_cpu(cpu))
			return cpu;
	kunit_skip(test, "no isolated CPU: boot with nohz_full=1-3");
}

/**
 * cpuword_user_start - start a task that spins in user mode
 * @test: the test, at whose end the task is gone
 * @cpu: the CPU
 *
 * Fails the test if that does not work.
 *
 * Return: the task.
 */
struct cpuword_user *cpuword_user_start(struct kunit *test, int cpu)
{
	static bool ready;
	char minor[12], runtime[64];
	char *argv[] = { PROGRAM, minor, runtime, NULL };
	char *envp[] = { NULL };
	struct subprocess_info *info;
	struct cpuword_user *user;

	if (!ready) {
		KUNIT_ASSERT_EQ(test, misc_register(&user_device), 0);
		KUNIT_ASSERT_EQ(test, write_program(), 0);
		/*
		 * x86 changes to the TSC a second after it was found, at boot,
		 * under stop_machine().
		 */
		ssleep(2);
		ready = true;
	}

	KUNIT_ASSERT_NULL(test, users[cpu]);
	user = kunit_kzalloc(test, sizeof(*user), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, user);
	user->cpu = cpu;
	user->page = alloc_page(GFP_KERNEL | __GFP_ZERO);
	KUNIT_ASSERT_NOT_NULL(test, user->page);
	user->shared = page_address(user->page);
	users[cpu] = user;
	KUNIT_ASSERT_EQ(test, kunit_add_action_or_reset(test, cpuword_user_stop, user), 0);

	snprintf(minor, sizeof(minor), "%d", user_device.minor);
	snprintf(runtime, sizeof(runtime), CPUWORD_USER_DEBUGFS "/sched/fair_server/cpu%d/runtime",
		 cpu);
	info = call_usermodehelper_setup(PROGRAM, argv, envp, GFP_KERNEL,
					 bind_to_cpu, NULL, user);
	KUNIT_ASSERT_NOT_NULL(test, info);
	KUNIT_ASSERT_EQ(test, call_usermodehelper_exec(info, UMH_WAIT_EXEC), 0);
	cpuword_user_wait_spinning(test, user);

	return user;
}

/**
 * cpuword_user_wait_spinning - wait until a task is in user mode
 * @test: the test, which fails if that takes too long
 * @user: the task
 *
 * On a CPU that is tracked, until its word says so.
 */
void cpuword_user_wait_spinning(struct kunit *test, struct cpuword_user *user)
{
	unsigned long end = jiffies + WAIT_JIFFIES;
	unsigned long word;

	for (;;) {
		word = atomic_long_read(cpuword_of(user->cpu));
		if (READ_ONCE(user->shared->ready) &&
		    (!context_tracking_enabled_cpu(user->cpu) ||
		     (cpuword_ctx(word) == CT_STATE_USER &&
		      !(word & CPUWORD_WATCHING))))
			return;
		if (time_after(jiffies, end))
			KUNIT_FAIL_AND_ABORT(test, "CPU %d is not in user mode: word %#lx",
					     user->cpu, word);
		msleep(20);
	}
}

/**
 * cpuword_user_command - tell a task to enter the kernel
 * @user: the task
 *
 * Return: for cpuword_user_wait_done().
 */
unsigned long cpuword_user_command(struct cpuword_user *user)
{
	unsigned long command = user->shared->command + 1;

	WRITE_ONCE(user->shared->command, command);
	return command;
}

/**
 * cpuword_user_wait_done - wait until a task has carried out a command
 * @test: the test, which fails if that takes too long
 * @user: the task
 * @command: what cpuword_user_command() returned
 *
 * On return the task spins again.
 */
void cpuword_user_wait_done(struct kunit *test, struct cpuword_user *user,
			    unsigned long command)
{
	unsigned long end = jiffies + WAIT_JIFFIES;

	while (READ_ONCE(user->shared->done) != command) {
		if (time_after(jiffies, end))
			KUNIT_FAIL_AND_ABORT(test, "nothing done by CPU %d", user->cpu);
		msleep(20);
	}
	cpuword_user_wait_spinning(test, user);
}

/**
 * cpuword_user_syscall - have a task make a system call, and wait for it
 * @test: the test, which fails if that takes too long
 * @user: the task
 */
void cpuword_user_syscall(struct kunit *test, struct cpuword_user *user)
{
	cpuword_user_enter(test, user, CPUWORD_ENTRY_SYSCALL);
}

/**
 * cpuword_user_enter - have a task enter the kernel, and wait for it
 * @test: the test, which fails if that takes too long
 * @user: the task
 * @entry: how
 */
void cpuword_user_enter(struct kunit *test, struct cpuword_user *user,
			enum cpuword_user_entry entry)
{
	WRITE_ONCE(user->shared->entry, entry);
	cpuword_user_wait_done(test, user, cpuword_user_command(user));
	WRITE_ONCE(user->shared->entry, CPUWORD_ENTRY_SYSCALL);
}

/**
 * cpuword_user_interrupts - how often a task's CPU has been interrupted
 * @user: the task, which spins
 *
 * Waits until the task has gone on spinning: an emulated CPU that its host does
 * not run has yet to take what was sent to it.
 *
 * Return: the sum in /proc/stat, of every interrupt and IPI.
 */
u64 cpuword_user_interrupts(struct cpuword_user *user)
{
	unsigned long from = READ_ONCE(user->shared->spins);
	unsigned long end = jiffies + WAIT_JIFFIES;

	do {
		msleep(20);
	} while (READ_ONCE(user->shared->spins) - from < ROUNDS && time_before(jiffies, end));

	return kstat_cpu_irqs_sum(user->cpu) + arch_irq_stat_cpu(user->cpu);
}

/**
 * cpuword_user_quiet - wait until the start of a task causes no interrupts
 * @user: the task
 *
 * Return: cpuword_user_interrupts(), which does not change until the task is
 * interrupted.
 */
u64 cpuword_user_quiet(struct cpuword_user *user)
{
	unsigned long end = jiffies + WAIT_JIFFIES;
	u64 before, now = cpuword_user_interrupts(user);

	do {
		before = now;
		msleep(500);
		now = cpuword_user_interrupts(user);
	} while (now != before && time_before(jiffies, end));

	return now;
}

/**
 * cpuword_user_work - what a task's CPU owes
 * @user: the task
 *
 * Return: the work bits of its word.
 */
unsigned long cpuword_user_work(struct cpuword_user *user)
{
	return atomic_long_read(cpuword_of(user->cpu)) & CPUWORD_WORK_MASK;
}

/**
 * cpuword_watch - start a task, and count what interrupts it from here on
 * @test: the test, at whose end the task is gone
 *
 * Return: the task, for cpuword_expect_deferred() and cpuword_expect_sent().
 */
struct cpuword_watched cpuword_watch(struct kunit *test)
{
	struct cpuword_watched w = {
		.user = cpuword_user_start(test, cpuword_user_cpu(test)),
	};

	w.interrupts = cpuword_user_quiet(w.user);
	return w;
}

/**
 * cpuword_expect_deferred - expect that a task was left work, and not disturbed
 * @test: the test
 * @w: the task; counted anew from here on, and with nothing left to do
 * @work: the work
 */
void cpuword_expect_deferred(struct kunit *test, struct cpuword_watched *w,
			     unsigned long work)
{
	KUNIT_EXPECT_EQ(test, cpuword_user_interrupts(w->user), w->interrupts);
	KUNIT_EXPECT_EQ(test, cpuword_user_work(w->user), work);
	cpuword_user_syscall(test, w->user);
	KUNIT_EXPECT_EQ(test, cpuword_user_work(w->user), 0);
	w->interrupts = cpuword_user_interrupts(w->user);
}

/**
 * cpuword_expect_sent - expect that a task was interrupted, and left no work
 * @test: the test
 * @w: the task; counted anew from here on
 */
void cpuword_expect_sent(struct kunit *test, struct cpuword_watched *w)
{
	KUNIT_EXPECT_GT(test, cpuword_user_interrupts(w->user), w->interrupts);
	cpuword_user_wait_spinning(test, w->user);
	KUNIT_EXPECT_EQ(test, cpuword_user_work(w->user), 0);
	w->interrupts = cpuword_user_interrupts(w->user);
}
