// SPDX-License-Identifier: GPL-2.0
/*
 * riscv's callers that defer, and those that do not, both where the firmware
 * does remote fences and where Linux sends IPIs.
 *
 * Tasks spin in user mode on all isolated CPUs.  With nohz_full= for all CPUs
 * except one, no other CPU could be sent a deferred fence, so none at all may
 * be sent.
 */
#include <kunit/test.h>
#include <linux/cacheflush.h>
#include <linux/cpuword.h>
#include <linux/delay.h>
#include <linux/execmem.h>
#include <linux/filter.h>
#include <linux/kernel_stat.h>
#include <linux/kprobes.h>
#include <linux/memory.h>
#include <linux/mm.h>
#include <linux/sched/mm.h>
#include <linux/set_memory.h>
#include <linux/smp.h>
#include <linux/tick.h>
#include <linux/uaccess.h>
#include <linux/vmalloc.h>

#include <asm/sbi.h>
#include <asm/trace.h>
#include <trace/events/ipi.h>

#include "compat.h"
#include "usermode.h"

#define BOTH		(CPUWORD_TLB | CPUWORD_ISYNC)
#define WAIT_JIFFIES	(20 * HZ)

/* What a case sends to the CPUs in user mode: fences of the firmware, IPIs. */
struct sent {
	struct task_struct	*sender;
	unsigned long		fences;
	unsigned long		ipis;
	struct cpumask		cpus;
	struct cpuword_user	*users[NR_CPUS];
};

/* Others may have reasons of their own to send something meanwhile. */
static void count_fence(void *data, int ext, int fid)
{
	struct sent *sent = data;

	sent->fences += current == sent->sender && ext == SBI_EXT_RFENCE;
}

static void count_ipi(void *data, const unsigned int cpu,
		      unsigned long callsite, void *callback)
{
	struct sent *sent = data;

	sent->ipis += current == sent->sender;
}

static void count_ipis(void *data, const struct cpumask *cpus,
		       unsigned long callsite, void *callback)
{
	struct sent *sent = data;

	sent->ipis += current == sent->sender;
}

static void stop_counting(void *sent)
{
	unregister_trace_sbi_call(count_fence, sent);
	unregister_trace_ipi_send_cpu(count_ipi, sent);
	unregister_trace_ipi_send_cpumask(count_ipis, sent);
	tracepoint_synchronize_unregister();
}

static void start_counting(struct kunit *test, struct sent *sent)
{
	sent->sender = current;
	/* If one fails, the others' unregistration warns: the case has failed. */
	KUNIT_ASSERT_EQ(test, kunit_add_action_or_reset(test, stop_counting, sent), 0);
	KUNIT_ASSERT_EQ(test, register_trace_sbi_call(count_fence, sent), 0);
	KUNIT_ASSERT_EQ(test, register_trace_ipi_send_cpu(count_ipi, sent), 0);
	KUNIT_ASSERT_EQ(test, register_trace_ipi_send_cpumask(count_ipis, sent), 0);
}

static struct sent *start(struct kunit *test)
{
	struct sent *sent;
	int cpu;

	cpuword_user_cpu(test);
	sent = kunit_kzalloc(test, sizeof(*sent), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, sent);
	start_counting(test, sent);
	cpumask_and(&sent->cpus, cpu_online_mask, tick_nohz_full_mask);
	if (cpumask_weight(&sent->cpus) != num_online_cpus() - 1)
		kunit_skip(test, "boot with nohz_full= for all CPUs but one");
	for_each_cpu(cpu, &sent->cpus)
		sent->users[cpu] = cpuword_user_start(test, cpu);

	return sent;
}

static u64 interrupts(struct sent *sent)
{
	u64 sum = 0;
	int cpu;

	for_each_cpu(cpu, &sent->cpus)
		sum += kstat_cpu_irqs_sum(cpu);
	return sum;
}

/* From here on it counts; and nothing is owed yet. */
static void begin(struct kunit *test, struct sent *sent)
{
	unsigned long end = jiffies + WAIT_JIFFIES;
	u64 before;
	int cpu;

	for_each_cpu(cpu, &sent->cpus) {
		cpuword_user_syscall(test, sent->users[cpu]);
		KUNIT_ASSERT_EQ(test, cpuword_user_work(sent->users[cpu]) & BOTH, 0);
	}
	/* RCU may have asked for some ticks in the meantime: let them pass. */
	do {
		KUNIT_ASSERT_TRUE(test, time_before(jiffies, end));
		before = interrupts(sent);
		msleep(100);
	} while (interrupts(sent) != before);
	sent->fences = 0;
	sent->ipis = 0;
}

/* Since begin(), this work was left to all of them, and nothing was sent. */
static void expect_deferred(struct kunit *test, struct sent *sent,
			    unsigned long work)
{
	int cpu;

	KUNIT_EXPECT_EQ(test, sent->fences, 0);
	KUNIT_EXPECT_EQ(test, sent->ipis, 0);
	/* An IPI of anybody's would have had the work done. */
	for_each_cpu(cpu, &sent->cpus)
		KUNIT_EXPECT_EQ(test, cpuword_user_work(sent->users[cpu]) & BOTH, work);
}

/* Since begin(), nothing was left to them: it was sent. */
static void expect_strict(struct kunit *test, struct sent *sent)
{
	int cpu;

	if (riscv_use_sbi_for_rfence())
		KUNIT_EXPECT_GT(test, sent->fences, 0);
	else
		KUNIT_EXPECT_GT(test, sent->ipis, 0);
	for_each_cpu(cpu, &sent->cpus)
		KUNIT_EXPECT_EQ(test, cpuword_user_work(sent->users[cpu]) & BOTH, 0);
}

/* --- On a CPU in user mode, which this enters the kernel of --- */

struct access {
	unsigned long	*addr;
	long		ret;
};

static void write_to(void *data)
{
	struct access *a = data;
	unsigned long value = 1;

	a->ret = copy_to_kernel_nofault(a->addr, &value, sizeof(value));
}

static void read_from(void *data)
{
	struct access *a = data;
	unsigned long value;

	a->ret = copy_from_kernel_nofault(&value, a->addr, sizeof(value));
}

static long on_cpu(struct kunit *test, struct cpuword_user *user,
		   smp_call_func_t fn, void *addr)
{
	struct access a = { .addr = addr };

	KUNIT_ASSERT_EQ(test, smp_call_function_single(user->cpu, fn, &a, 1), 0);
	cpuword_user_wait_spinning(test, user);
	return a.ret;
}

/* --- Permissions --- */

static void free_vmalloc(void *addr)
{
	vfree(addr);
}

static void *vmalloc_page(struct kunit *test)
{
	void *addr = vmalloc(PAGE_SIZE);

	KUNIT_ASSERT_NOT_NULL(test, addr);
	KUNIT_ASSERT_EQ(test, kunit_add_action_or_reset(test, free_vmalloc, addr), 0);
	/* Splits its linear mapping, so that what follows need not. */
	KUNIT_ASSERT_EQ(test, set_memory_rw((unsigned long)addr, 1), 0);

	return addr;
}

static void vmalloc_permissions_are_deferred(struct kunit *test)
{
	struct sent *sent = start(test);
	unsigned long *addr = vmalloc_page(test);
	unsigned long *alias = page_address(vmalloc_to_page(addr));
	int cpu;

	for_each_cpu(cpu, &sent->cpus) {
		KUNIT_ASSERT_EQ(test, on_cpu(test, sent->users[cpu], write_to, addr), 0);
		KUNIT_ASSERT_EQ(test, on_cpu(test, sent->users[cpu], write_to, alias), 0);
	}

	begin(test, sent);
	KUNIT_EXPECT_EQ(test, set_memory_ro((unsigned long)addr, 1), 0);
	expect_deferred(test, sent, CPUWORD_TLB);
	/* The writable translations are no longer in the TLB. */
	for_each_cpu(cpu, &sent->cpus) {
		KUNIT_EXPECT_NE(test, on_cpu(test, sent->users[cpu], write_to, addr), 0);
		KUNIT_EXPECT_NE(test, on_cpu(test, sent->users[cpu], write_to, alias), 0);
	}

	begin(test, sent);
	KUNIT_EXPECT_EQ(test, set_memory_rw((unsigned long)addr, 1), 0);
	expect_deferred(test, sent, CPUWORD_TLB);
	for_each_cpu(cpu, &sent->cpus) {
		KUNIT_EXPECT_EQ(test, on_cpu(test, sent->users[cpu], write_to, addr), 0);
		KUNIT_EXPECT_EQ(test, on_cpu(test, sent->users[cpu], write_to, alias), 0);
	}

	begin(test, sent);
	KUNIT_EXPECT_EQ(test, set_memory_x((unsigned long)addr, 1), 0);
	KUNIT_EXPECT_EQ(test, set_memory_nx((unsigned long)addr, 1), 0);
	expect_deferred(test, sent, CPUWORD_TLB);
}

static void vfree_of_executable_memory_is_deferred(struct kunit *test)
{
	struct sent *sent = start(test);
	unsigned long *addr = vmalloc(PAGE_SIZE);
	unsigned long *alias;
	int cpu;

	KUNIT_ASSERT_NOT_NULL(test, addr);
	alias = page_address(vmalloc_to_page(addr));
	set_vm_flush_reset_perms(addr);
	KUNIT_EXPECT_EQ(test, set_memory_rox((unsigned long)addr, 1), 0);
	for_each_cpu(cpu, &sent->cpus)
		KUNIT_EXPECT_EQ(test, on_cpu(test, sent->users[cpu], read_from, addr), 0);

	begin(test, sent);
	vfree(addr);
	expect_deferred(test, sent, CPUWORD_TLB);
	for_each_cpu(cpu, &sent->cpus) {
		KUNIT_EXPECT_NE(test, on_cpu(test, sent->users[cpu], read_from, addr), 0);
		KUNIT_EXPECT_EQ(test, on_cpu(test, sent->users[cpu], read_from, alias), 0);
	}
}

static void strict_purge_flushes_what_another_has_deferred(struct kunit *test)
{
	struct sent *sent = start(test);

	begin(test, sent);
	vfree(vmalloc(PAGE_SIZE));
	vm_unmap_aliases_deferrable();
	expect_deferred(test, sent, CPUWORD_TLB);
	/* Nothing is left to purge.  A fence of the firmware leaves the bit. */
	vm_unmap_aliases();
	KUNIT_EXPECT_GT(test, sent->fences + sent->ipis, 0);
}

static void free_block(void *page)
{
	__free_pages(page, get_order(PMD_SIZE));
}

/* Pages that the linear mapping maps with one leaf. */
static struct page *huge_leaf(struct kunit *test)
{
	struct page *page;
	unsigned int i;

	if (debug_pagealloc_enabled())
		kunit_skip(test, "the linear mapping has no huge leaves");

	/* All are freed at the end: each try gets others. */
	for (i = 0; i < 8; i++) {
		page = alloc_pages(GFP_KERNEL, get_order(PMD_SIZE));
		KUNIT_ASSERT_NOT_NULL(test, page);
		KUNIT_ASSERT_EQ(test, kunit_add_action_or_reset(test, free_block, page), 0);
		if (pmd_leaf(pmdp_get(pmd_off_k((unsigned long)page_address(page)))))
			return page;
	}
	KUNIT_FAIL_AND_ABORT(test, "no huge leaf in the linear mapping");
}

static void split_is_strict(struct kunit *test)
{
	struct sent *sent = start(test);
	struct page *page = huge_leaf(test);
	unsigned long *addr = page_address(page);
	int cpu;

	for_each_cpu(cpu, &sent->cpus)
		KUNIT_ASSERT_EQ(test, on_cpu(test, sent->users[cpu], read_from, addr), 0);

	begin(test, sent);
	KUNIT_EXPECT_EQ(test, set_direct_map_invalid_noflush(page), 0);
	expect_strict(test, sent);
	for_each_cpu(cpu, &sent->cpus)
		KUNIT_EXPECT_NE(test, on_cpu(test, sent->users[cpu], read_from, addr), 0);

	/* The same on a leaf that is a page already. */
	begin(test, sent);
	KUNIT_EXPECT_EQ(test, set_direct_map_default_noflush(page), 0);
	expect_deferred(test, sent, CPUWORD_TLB);
	for_each_cpu(cpu, &sent->cpus)
		KUNIT_EXPECT_EQ(test, on_cpu(test, sent->users[cpu], read_from, addr), 0);
	begin(test, sent);
	KUNIT_EXPECT_EQ(test, set_direct_map_invalid_noflush(page), 0);
	expect_deferred(test, sent, CPUWORD_TLB);
	for_each_cpu(cpu, &sent->cpus)
		KUNIT_EXPECT_NE(test, on_cpu(test, sent->users[cpu], read_from, addr), 0);
	KUNIT_EXPECT_EQ(test, set_direct_map_default_noflush(page), 0);
}

static void linear_mapping_permissions_are_strict(struct kunit *test)
{
	struct sent *sent = start(test);
	struct page *page = alloc_page(GFP_KERNEL);
	unsigned long addr;

	KUNIT_ASSERT_NOT_NULL(test, page);
	addr = (unsigned long)page_address(page);
	/* Not for the split's sake. */
	KUNIT_EXPECT_EQ(test, set_memory_ro(addr, 1), 0);
	begin(test, sent);
	KUNIT_EXPECT_EQ(test, set_memory_rw(addr, 1), 0);
	expect_strict(test, sent);
	__free_page(page);
}

/* --- Text --- */

static void icache_flush_is_strict_unless_deferrable(struct kunit *test)
{
	struct sent *sent = start(test);
	unsigned long addr = (unsigned long)kfree;

	begin(test, sent);
	flush_icache_range_deferrable(addr, addr + 4);
	expect_deferred(test, sent, CPUWORD_ISYNC);

	begin(test, sent);
	flush_icache_range(addr, addr + 4);
	expect_strict(test, sent);

	/* It begins before entry code. */
	addr = (unsigned long)__noinstr_text_start;
	begin(test, sent);
	flush_icache_range_deferrable(addr - 4, addr + 4);
	expect_strict(test, sent);
}

/* To the SBI an empty mask is every hart. */
static void user_text_that_nobody_runs_sends_nothing(struct kunit *test)
{
	struct sent *sent = start(test);
	struct mm_struct *mm = mm_alloc();

	KUNIT_ASSERT_NOT_NULL(test, mm);
	begin(test, sent);
	flush_icache_mm(mm, false);
	expect_deferred(test, sent, 0);
	mmput(mm);
}

static void free_text(void *addr)
{
	execmem_free(addr);
}

/* Nothing has been written yet. */
static void executable_kernel_mapping_sends_nothing(struct kunit *test)
{
	struct sent *sent = start(test);
	void *addr;

	begin(test, sent);
	addr = execmem_alloc(EXECMEM_KPROBES, PAGE_SIZE);
	KUNIT_ASSERT_NOT_NULL(test, addr);
	expect_deferred(test, sent, 0);
	execmem_free(addr);
}

static noinline notrace void probed(void)
{
	asm volatile("addi zero, zero, 1");
}

/* A probe that is not armed yet has copied its instruction to a slot. */
static void slot_of_a_kprobe_is_deferred(struct kunit *test)
{
	struct sent *sent = start(test);
	struct kprobe p = { .addr = (void *)probed, .flags = KPROBE_FLAG_DISABLED };

	begin(test, sent);
	KUNIT_ASSERT_EQ(test, register_kprobe(&p), 0);
	KUNIT_EXPECT_NOT_NULL(test, p.ainsn.api.insn);
	expect_deferred(test, sent, CPUWORD_ISYNC);
	unregister_kprobe(&p);
}

static void patched_text_is_deferred(struct kunit *test)
{
	struct sent *sent = start(test);
	u32 ret = 0x00008067;
	void *addr = execmem_alloc(EXECMEM_BPF, PAGE_SIZE);

	KUNIT_ASSERT_NOT_NULL(test, addr);
	KUNIT_ASSERT_EQ(test, kunit_add_action_or_reset(test, free_text, addr), 0);

	begin(test, sent);
	mutex_lock(&text_mutex);
	KUNIT_EXPECT_EQ(test, patch_text_nosync(addr, &ret, sizeof(ret)), 0);
	mutex_unlock(&text_mutex);
	expect_deferred(test, sent, CPUWORD_ISYNC);
	KUNIT_EXPECT_EQ(test, *(u32 *)addr, ret);

	begin(test, sent);
	mutex_lock(&text_mutex);
	KUNIT_EXPECT_EQ(test, patch_text_set_nosync(addr, 0, sizeof(ret)), 0);
	mutex_unlock(&text_mutex);
	expect_deferred(test, sent, CPUWORD_ISYNC);
	KUNIT_EXPECT_EQ(test, *(u32 *)addr, 0);
}

static void patched_entry_text_is_strict(struct kunit *test)
{
	struct sent *sent = start(test);
	void *addr = __noinstr_text_start;
	u32 insn;

	/* With what is there. */
	memcpy(&insn, addr, sizeof(insn));
	begin(test, sent);
	mutex_lock(&text_mutex);
	KUNIT_EXPECT_EQ(test, patch_text_nosync(addr, &insn, sizeof(insn)), 0);
	mutex_unlock(&text_mutex);
	expect_strict(test, sent);
}

static void patched_text_that_reaches_into_entry_text_is_strict(struct kunit *test)
{
	struct sent *sent = start(test);
	void *addr = __noinstr_text_start - 4;
	u32 insns[2];

	/* With what is there. */
	KUNIT_ASSERT_EQ(test, copy_from_kernel_nofault(insns, addr, sizeof(insns)), 0);
	begin(test, sent);
	mutex_lock(&text_mutex);
	KUNIT_EXPECT_EQ(test, patch_text_nosync(addr, insns, sizeof(insns)), 0);
	mutex_unlock(&text_mutex);
	expect_strict(test, sent);
}

static struct bpf_prog *load_filter(struct kunit *test)
{
	struct sock_filter insns[] = { BPF_STMT(BPF_RET | BPF_K, 0) };
	struct sock_fprog_kern fprog = { .len = ARRAY_SIZE(insns), .filter = insns };
	struct bpf_prog *prog;
	int enabled = bpf_jit_enable;

	bpf_jit_enable = 1;
	KUNIT_ASSERT_EQ(test, bpf_prog_create(&prog, &fprog), 0);
	bpf_jit_enable = enabled;
	KUNIT_EXPECT_TRUE(test, prog->jited);

	return prog;
}

static void bpf_programs_come_and_go_deferred(struct kunit *test)
{
	struct sent *sent = start(test);
	unsigned long end = jiffies + WAIT_JIFFIES;
	struct bpf_prog *first, *prog;
	int cpu;

	if (!IS_ENABLED(CONFIG_BPF_JIT) || !IS_ENABLED(CONFIG_NET))
		kunit_skip(test, "no socket filters, or no JIT for them");

	/* Has the pack allocated that the second goes into, and keeps it. */
	first = load_filter(test);

	begin(test, sent);
	prog = load_filter(test);
	expect_deferred(test, sent, CPUWORD_ISYNC);

	/* A worker frees it. */
	begin(test, sent);
	bpf_prog_destroy(prog);
	for_each_cpu(cpu, &sent->cpus) {
		while (!(cpuword_user_work(sent->users[cpu]) & CPUWORD_ISYNC) &&
		       time_before(jiffies, end))
			msleep(20);
	}
	expect_deferred(test, sent, CPUWORD_ISYNC);
	bpf_prog_destroy(first);
}

static struct kunit_case riscv_cases[] = {
	KUNIT_CASE_SLOW(vmalloc_permissions_are_deferred),
	KUNIT_CASE_SLOW(vfree_of_executable_memory_is_deferred),
	KUNIT_CASE_SLOW(strict_purge_flushes_what_another_has_deferred),
	KUNIT_CASE_SLOW(split_is_strict),
	KUNIT_CASE_SLOW(linear_mapping_permissions_are_strict),
	KUNIT_CASE_SLOW(icache_flush_is_strict_unless_deferrable),
	KUNIT_CASE_SLOW(user_text_that_nobody_runs_sends_nothing),
	KUNIT_CASE_SLOW(executable_kernel_mapping_sends_nothing),
	KUNIT_CASE_SLOW(slot_of_a_kprobe_is_deferred),
	KUNIT_CASE_SLOW(patched_text_is_deferred),
	KUNIT_CASE_SLOW(patched_entry_text_is_strict),
	KUNIT_CASE_SLOW(patched_text_that_reaches_into_entry_text_is_strict),
	KUNIT_CASE_SLOW(bpf_programs_come_and_go_deferred),
	{}
};

static struct kunit_suite riscv_suite = {
	.name = "cpuword_riscv",
	.test_cases = riscv_cases,
};

kunit_test_suite(riscv_suite);
