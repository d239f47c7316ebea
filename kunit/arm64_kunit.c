// SPDX-License-Identifier: GPL-2.0
/*
 * What arm64's own callers leave to a CPU in user mode, and what they do not.
 */
#include <kunit/test.h>
#include <linux/cpuword_quarantine.h>
#include <linux/delay.h>
#include <linux/kernel_stat.h>
#include <linux/vmalloc.h>

#include <asm/cacheflush.h>
#include <asm/cpufeature.h>
#include <asm/insn.h>
#include <asm/patching.h>
#include <asm/pgtable-hwdef.h>
#include <asm/sections.h>
#include <asm/sysreg.h>

#include "usermode.h"

/* A task in user mode, and how often its CPU has been interrupted so far. */
static struct cpuword_user *quiet_user(struct kunit *test, u64 *interrupts)
{
	struct cpuword_user *user = cpuword_user_start(test, cpuword_user_cpu(test));

	/* Let what the start itself has left behind pass. */
	msleep(500);
	*interrupts = kstat_cpu_irqs_sum(user->cpu);

	return user;
}

static unsigned long work_of(struct cpuword_user *user)
{
	return atomic_long_read(cpuword_of(user->cpu)) & CPUWORD_WORK_MASK;
}

static void expect_isync_deferred(struct kunit *test, struct cpuword_user *user,
				  u64 interrupts)
{
	KUNIT_EXPECT_EQ(test, kstat_cpu_irqs_sum(user->cpu), interrupts);
	KUNIT_EXPECT_EQ(test, work_of(user), CPUWORD_ISYNC);

	cpuword_user_syscall(test, user);
	KUNIT_EXPECT_EQ(test, work_of(user), 0);
}

static void expect_synced_at_once(struct kunit *test, struct cpuword_user *user,
				  u64 interrupts)
{
	KUNIT_EXPECT_GT(test, kstat_cpu_irqs_sum(user->cpu), interrupts);
	cpuword_user_wait_spinning(test, user);
	KUNIT_EXPECT_EQ(test, work_of(user), 0);
}

static void deferrable_icache_flush_leaves_isync(struct kunit *test)
{
	unsigned long text = (unsigned long)kfree;
	struct cpuword_user *user;
	u64 interrupts;

	user = quiet_user(test, &interrupts);
	flush_icache_range_deferrable(text, text + AARCH64_INSN_SIZE);
	expect_isync_deferred(test, user, interrupts);
}

static void strict_icache_flush_interrupts(struct kunit *test)
{
	unsigned long text = (unsigned long)kfree;
	struct cpuword_user *user;
	u64 interrupts;

	user = quiet_user(test, &interrupts);
	flush_icache_range(text, text + AARCH64_INSN_SIZE);
	expect_synced_at_once(test, user, interrupts);
}

/* The range begins before the danger zone and ends behind it. */
static void icache_flush_of_entry_text_interrupts(struct kunit *test)
{
	struct cpuword_user *user;
	u64 interrupts;

	user = quiet_user(test, &interrupts);
	flush_icache_range_deferrable((unsigned long)__entry_text_start - PAGE_SIZE,
				      (unsigned long)__entry_text_end + PAGE_SIZE);
	expect_synced_at_once(test, user, interrupts);
}

/* As the BPF JIT fills its packs and copies programs into them. */
static void copied_text_leaves_isync(struct kunit *test)
{
	u32 insns[] = { aarch64_insn_gen_nop(), aarch64_insn_gen_nop() };
	u32 yield = aarch64_insn_gen_hint(AARCH64_INSN_HINT_YIELD);
	struct cpuword_user *user;
	u64 interrupts;
	u32 *text;

	text = vmalloc(PAGE_SIZE);
	KUNIT_ASSERT_NOT_NULL(test, text);
	user = quiet_user(test, &interrupts);

	KUNIT_EXPECT_PTR_EQ(test, aarch64_insn_set(text, yield, sizeof(insns)), text);
	KUNIT_EXPECT_EQ(test, text[1], yield);
	expect_isync_deferred(test, user, interrupts);

	interrupts = kstat_cpu_irqs_sum(user->cpu);
	KUNIT_EXPECT_PTR_EQ(test, aarch64_insn_copy(text, insns, sizeof(insns)), text);
	KUNIT_EXPECT_MEMEQ(test, text, insns, sizeof(insns));
	expect_isync_deferred(test, user, interrupts);

	vfree(text);
}

/* With CnP a CPU could get back, from another, an entry that it has flushed. */
static void deferred_tlbi_disables_cnp(struct kunit *test)
{
	if (!cpuword_tlbi_deferred())
		kunit_skip(test, "boot with cpuword.tlbi=deferred");

	KUNIT_EXPECT_FALSE(test, system_supports_cnp());
	KUNIT_EXPECT_EQ(test, read_sysreg(ttbr1_el1) & TTBR_CNP_BIT, 0);
}

static struct kunit_case arm64_cases[] = {
	KUNIT_CASE_SLOW(deferrable_icache_flush_leaves_isync),
	KUNIT_CASE_SLOW(strict_icache_flush_interrupts),
	KUNIT_CASE_SLOW(icache_flush_of_entry_text_interrupts),
	KUNIT_CASE_SLOW(copied_text_leaves_isync),
	KUNIT_CASE(deferred_tlbi_disables_cnp),
	{}
};

static struct kunit_suite arm64_suite = {
	.name = "cpuword_arm64",
	.test_cases = arm64_cases,
};

kunit_test_suite(arm64_suite);
