/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The word's user transitions, in assembly: beside the switch of CR3, so that
 * only a few instructions of .entry.text run in the kernel while the word still
 * says USER.
 *
 * Included by calling.h.  Interrupts are off, and GS is the kernel's.  With PTI
 * the user page tables map the words: on entry the word changes before CR3
 * does, on exit after it.  C goes on in ct_user_entered(), and begins with
 * ct_user_leaving().  NMIs keep the context; they count in ct_nmi_enter().
 *
 * These macros run before the CPU's bugs are mitigated on entry, and after that
 * ends on exit.  They have no RET, no CALL and no indirect branch, and with the
 * user's CR3 they use only the word.  After a SWAPGS that a mispredicted branch
 * can reach, FENCE_SWAPGS_USER_ENTRY comes first: there GS may be the user's.
 *
 * On a system without a tracked CPU the alternatives jump past the macros, and
 * the word does not change.  With PTI this jump is one more than without
 * CONFIG_CPUWORD_ASM_ENTRY.
 */

#ifdef CONFIG_CPUWORD_ASM_ENTRY

/* As cpuword_enter(), one full barrier.  A CPU not tracked stays KERNEL. */
.macro CPUWORD_ENTER scratch_reg:req
	testb	$CPUWORD_USER, PER_CPU_VAR(cpuword)
	jz	.Lentered_\@
	movabsq	$CPUWORD_USER_ENTER, \scratch_reg
	lock addq \scratch_reg, PER_CPU_VAR(cpuword)
.Lentered_\@:
.endm

/*
 * As cpuword_exit(), a release, if ct_user_leaving() said so: an NMI that came
 * from user mode has left the word USER.  No other CPU may write the word now,
 * so the addition needs no lock.
 */
.macro CPUWORD_EXIT scratch_reg:req
	testb	$CPUWORD_LAZY, PER_CPU_VAR(cpuword)
	jz	.Lexited_\@
	movabsq	$CPUWORD_USER_EXIT, \scratch_reg
	addq	\scratch_reg, PER_CPU_VAR(cpuword)
.Lexited_\@:
.endm

/*
 * A CR3 write without NOFLUSH is the flush that the word asks for, except of
 * the other ASIDs, which arch_cpuword_entry_did() marks.  It serialises, too.
 */
.macro ENTER_FROM_USER scratch_reg:req
	ALTERNATIVE_2 "jmp .Lend_\@", "jmp .Lcr3_\@", X86_FEATURE_PTI, \
		"", X86_FEATURE_CPUWORD

	CPUWORD_ENTER \scratch_reg
	ALTERNATIVE "jmp .Lend_\@", "", X86_FEATURE_PTI
	testb	$CPUWORD_FLUSH_TLB, PER_CPU_VAR(cpuword)
	jz	.Lcr3_\@
	mov	%cr3, \scratch_reg
	andq	$(~PTI_USER_PGTABLE_AND_PCID_MASK), \scratch_reg
	mov	\scratch_reg, %cr3
	jmp	.Lend_\@

.Lcr3_\@:
	mov	%cr3, \scratch_reg
	ADJUST_KERNEL_CR3 \scratch_reg
	mov	\scratch_reg, %cr3
.Lend_\@:
.endm

.macro EXIT_TO_USER_NOSTACK scratch_reg:req scratch_reg2:req
	ALTERNATIVE_2 "jmp .Lend_\@", "jmp .Lcr3_\@", X86_FEATURE_PTI, \
		"", X86_FEATURE_CPUWORD

	SWITCH_TO_USER_CR3_NOSTACK \scratch_reg \scratch_reg2
	CPUWORD_EXIT \scratch_reg
	jmp	.Lend_\@

.Lcr3_\@:
	SWITCH_TO_USER_CR3 \scratch_reg \scratch_reg2
.Lend_\@:
.endm

.macro EXIT_TO_USER_STACK scratch_reg:req
	ALTERNATIVE_2 "jmp .Lend_\@", "jmp .Lcr3_\@", X86_FEATURE_PTI, \
		"", X86_FEATURE_CPUWORD

	SWITCH_TO_USER_CR3_STACK \scratch_reg
	CPUWORD_EXIT \scratch_reg
	jmp	.Lend_\@

.Lcr3_\@:
	pushq	%rax
	SWITCH_TO_USER_CR3 scratch_reg=\scratch_reg scratch_reg2=%rax
	popq	%rax
.Lend_\@:
.endm

#else /* !CONFIG_CPUWORD_ASM_ENTRY */

.macro ENTER_FROM_USER scratch_reg:req
	SWITCH_TO_KERNEL_CR3 \scratch_reg
.endm

.macro EXIT_TO_USER_NOSTACK scratch_reg:req scratch_reg2:req
	SWITCH_TO_USER_CR3_NOSTACK \scratch_reg \scratch_reg2
.endm

.macro EXIT_TO_USER_STACK scratch_reg:req
	SWITCH_TO_USER_CR3_STACK \scratch_reg
.endm

#endif /* CONFIG_CPUWORD_ASM_ENTRY */
