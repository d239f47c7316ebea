// SPDX-License-Identifier: GPL-2.0
/*
 * What arm64's own callers leave to a CPU in user mode, and what they do not.
 */
#include <kunit/test.h>
#include <linux/cacheflush.h>
#include <linux/cpufeature.h>
#include <linux/cpuword_quarantine.h>
#include <linux/vmalloc.h>

#include <asm/insn.h>
#include <asm/pgtable-hwdef.h>
#include <asm/sections.h>
#include <asm/sysreg.h>

#include "compat.h"
#include "usermode.h"

static void deferrable_icache_flush_leaves_isync(struct kunit *test)
{
	struct cpuword_watched w = cpuword_watch(test);
	unsigned long text = (unsigned long)kfree;

	flush_icache_range_deferrable(text, text + AARCH64_INSN_SIZE);
	cpuword_expect_deferred(test, &w, CPUWORD_ISYNC);
}

static void strict_icache_flush_interrupts(struct kunit *test)
{
	struct cpuword_watched w = cpuword_watch(test);
	unsigned long text = (unsigned long)kfree;

	flush_icache_range(text, text + AARCH64_INSN_SIZE);
	cpuword_expect_sent(test, &w);
}

/* The range begins before the danger zone and ends behind it. */
static void icache_flush_of_entry_text_interrupts(struct kunit *test)
{
	struct cpuword_watched w = cpuword_watch(test);

	flush_icache_range_deferrable((unsigned long)__entry_text_start - PAGE_SIZE,
				      (unsigned long)__entry_text_end + PAGE_SIZE);
	cpuword_expect_sent(test, &w);
}

/* As the BPF JIT fills its packs and copies programs into them. */
static void copied_text_leaves_isync(struct kunit *test)
{
	u32 insns[] = { aarch64_insn_gen_nop(), aarch64_insn_gen_nop() };
	u32 yield = aarch64_insn_gen_hint(AARCH64_INSN_HINT_YIELD);
	struct cpuword_watched w;
	u32 *text;

	text = vmalloc(PAGE_SIZE);
	KUNIT_ASSERT_NOT_NULL(test, text);
	w = cpuword_watch(test);

	KUNIT_EXPECT_PTR_EQ(test, aarch64_insn_set(text, yield, sizeof(insns)), text);
	KUNIT_EXPECT_EQ(test, text[1], yield);
	cpuword_expect_deferred(test, &w, CPUWORD_ISYNC);

	KUNIT_EXPECT_PTR_EQ(test, aarch64_insn_copy(text, insns, sizeof(insns)), text);
	KUNIT_EXPECT_MEMEQ(test, text, insns, sizeof(insns));
	cpuword_expect_deferred(test, &w, CPUWORD_ISYNC);

	vfree(text);
}

/* With CnP a CPU could get back, from another, an entry that it has flushed. */
static void deferred_tlbi_disables_cnp(struct kunit *test)
{
	if (!cpuword_tlbi_deferred())
		kunit_skip(test, "boot with cpuword.tlbi=deferred");

	KUNIT_EXPECT_FALSE(test, system_supports_cnp());
	KUNIT_EXPECT_EQ(test, read_sysreg(ttbr1_el1) & TTBRx_EL1_CnP, 0);
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
