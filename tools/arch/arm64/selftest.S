/* SPDX-License-Identifier: GPL-2.0 */
/* See tools/zone/selftest.inc. */
	.arch armv8.2-a
	.include "selftest.inc"

	/* 771 to 772 may be replaced by 773 to 774. */
	.macro alternative
	.pushsection .altinstructions, "a"
	.long 771b - ., 773b - .
	.hword 5
	.byte 772b - 771b, 774b - 773b
	.popsection
	.endm

	.macro fault
	.ifdef FAULT_jump_label
771:	nop
	jump_label running_key
	.endif
	.ifdef FAULT_ftrace
	bl traced_noinstr
	.endif
	.ifdef FAULT_kprobe
	probed_nop b
	.endif
	.ifdef FAULT_replacement
771:	nop
	nop
	nop
772:
	.subsection 1
773:	adrp x0, global
	ldr x0, [x0, :lo12:global]
	b 775f
774:
	.previous
775:
	alternative
	.endif
	.ifdef FAULT_replacement_end
	/* No fault: what the branch goes to is not what follows here. */
771:	nop
772:
	.subsection 1
773:	b 774f
774:	adrp x0, global
	ldr x0, [x0, :lo12:global]
	.previous
	alternative
	.endif
	.ifdef FAULT_indirect
	mrs x1, tpidr_el1
	adrp x0, pointer
	add x0, x0, :lo12:pointer
	ldr x0, [x0, x1]
	blr x0
	.endif
	.ifdef FAULT_call
	bl instrumentable
	.endif
	.ifdef FAULT_tail_call
	bl tail_call
	.endif
	.ifdef FAULT_memory
	adrp x0, global
	ldr x0, [x0, :lo12:global]
	.endif
	.ifdef FAULT_store
	adrp x0, global
	add x0, x0, :lo12:global
	stp xzr, xzr, [x0], #16
	.endif
	.ifdef FAULT_pointer
	mrs x1, tpidr_el1
	adrp x0, pointer
	add x0, x0, :lo12:pointer
	ldr x0, [x0, x1]
	ldr x0, [x0, #16]
	.endif
	.ifdef FAULT_spilled
	adrp x0, global
	add x0, x0, :lo12:global
	str x0, [sp, #-16]!
	bl reads_spilled
	add sp, sp, #16
	.endif
	.ifdef FAULT_branch
	cbz x1, 771f
	adrp x0, global
	ldr x0, [x0, :lo12:global]
771:
	.endif
	.ifdef FAULT_switch
	/* As a switch is compiled: entry 1 has the fault. */
	mov w2, w1
	cmp w2, #1
	b.hi 773f
	adrp x3, switch_table
	add x3, x3, :lo12:switch_table
	ldrb w3, [x3, w2, uxtw]
	adr x2, 771f
	add x3, x2, w3, sxtb #2
	br x3
771:	b 773f
772:	adrp x0, global
	ldr x0, [x0, :lo12:global]
773:
	.pushsection .rodata, "a"
switch_table:
	.byte (771b - 771b) / 4, (772b - 771b) / 4
	.popsection
	.endif
	.ifdef FAULT_code
	udf #0
	.endif
	.ifdef FAULT_freed
	/* There is a rule for it, but it is not there any more. */
	adrp x0, system_state
	ldr x0, [x0, :lo12:system_state]
	.endif
	.ifdef FAULT_image
	/* No fault: there is a rule for it. */
	adrp x0, debug_locks
	ldr x0, [x0, :lo12:debug_locks]
	.endif
	.ifdef FAULT_dies
	/* No fault: what comes next is not reached. */
	cbz x1, 771f
	bl __stack_chk_fail
	adrp x0, global
	ldr x0, [x0, :lo12:global]
771:
	.endif
	.ifdef FAULT_returns
	bl __stack_chk_fail
	.endif
	.ifdef FAULT_warns
	/* No fault. */
	bl __warn_printk
771:	brk #0x800
	warning
	.endif
	.ifdef FAULT_prints
	bl __warn_printk
	.endif
	.ifdef FAULT_other_pointer
	bl el0_ia
	.endif
	.ifdef FAULT_pointer_of_rule
	bl el0_ia
	.endif
	.endm

	.section .entry.text, "ax"
__entry_text_start:
	.balign 2048
	.type vectors, @function
vectors:
	.macro vectors_to label
	.rept 4
	.balign 128
	sub sp, sp, #0x150
	b \label
	.endr
	.endm
	.skip 512
	vectors_to el1h_64
	vectors_to el0t_64_sync
	vectors_to el0t_32
	.type el1h_64, @function
el1h_64:
	stp x0, x1, [sp]
	bl el1h_64_handler
	ldp x0, x1, [sp]
	add sp, sp, #0x150
	eret
	.size el1h_64, . - el1h_64
	.type el0t_32, @function
el0t_32:
	stp x0, x1, [sp]
	bl el0t_32_handler
	b .
	.size el0t_32, . - el0t_32
	.type el0t_64_sync, @function
el0t_64_sync:
	stp x0, x1, [sp]
	stp x30, xzr, [sp, #240]
	mov x0, sp
	bl el0t_64_sync_handler
	ldp x0, x1, [sp]
	ldr x30, [sp, #240]
	add sp, sp, #0x150
	eret
__entry_text_end:

	.section .noinstr.text, "ax"
__noinstr_text_start:
	.type el1h_64_handler, @function
el1h_64_handler:
	stp x29, x30, [sp, #-32]!
	.ifdef EL1
	fault
	.endif
	cbz x1, 771f
	bl irqentry_enter
	b 772f
771:	bl ct_nmi_enter
772:	bl instrumentable
	adrp x0, global
	ldr x0, [x0, :lo12:global]
	ldp x29, x30, [sp], #32
	ret
	.size el1h_64_handler, . - el1h_64_handler
	.type el0t_32_handler, @function
el0t_32_handler:
	stp x29, x30, [sp, #-32]!
	.ifdef FAULT_bad_mode
	bl ct_nmi_enter
	.else
	.ifdef FAULT_compat
	bl ct_nmi_enter
	.else
	bl __ct_user_exit
	.endif
	.endif
	bl instrumentable
	ldp x29, x30, [sp], #32
	ret
	.size el0t_32_handler, . - el0t_32_handler
	.type irqentry_enter, @function
irqentry_enter:
	ret
	.size irqentry_enter, . - irqentry_enter
	.type el0_ia, @function
el0_ia:
	stp x29, x30, [sp, #-32]!
	mrs x1, tpidr_el1
	.ifdef FAULT_other_pointer
	adrp x0, pointer
	add x0, x0, :lo12:pointer
	.else
	adrp x0, bp_hardening_data
	add x0, x0, :lo12:bp_hardening_data
	.endif
	ldr x0, [x0, x1]
	blr x0
	ldp x29, x30, [sp], #32
	ret
	.size el0_ia, . - el0_ia
	.type call_smc_arch_workaround_1, @function
call_smc_arch_workaround_1:
	ret
	.size call_smc_arch_workaround_1, . - call_smc_arch_workaround_1
	.type __stack_chk_fail, @function
__stack_chk_fail:
	.ifdef FAULT_returns
	ret
	.endif
	bl panic
	.size __stack_chk_fail, . - __stack_chk_fail
	.type el0t_64_sync_handler, @function
el0t_64_sync_handler:
	stp x29, x30, [sp, #-32]!
	str x19, [sp, #16]
	mov x19, x0
	on_entry
	.ifdef FAULT_frozen_key
	/* No fault: nobody flips this key any more. */
771:	nop
	jump_label frozen_key
	.endif
	.ifndef FAULT_no_hook
	.ifdef FAULT_mode
	cbz x1, 771f
	bl irqentry_enter
	b 772f
	.endif
771:	bl __ct_user_exit
772:	bl instrumentable
	adrp x0, global
	ldr x0, [x0, :lo12:global]
	.endif
	.ifndef FAULT_no_exit
	bl ct_kernel_exit
	.endif
	on_exit
	ldr x0, [x19, #8]
	ldr x19, [sp, #16]
	ldp x29, x30, [sp], #32
	ret
	.size el0t_64_sync_handler, . - el0t_64_sync_handler

	.type __ct_user_exit, @function
__ct_user_exit:
	mrs x1, tpidr_el1
	.ifdef FAULT_unread
	adrp x0, pointer
	add x0, x0, :lo12:pointer
	ldr x0, [x0, x1]
	cbnz x0, 773f
	.endif
	.ifdef FAULT_recursion
	/* No fault: it knows what it does. */
	adrp x0, context_tracking
	add x0, x0, :lo12:context_tracking
	ldr w0, [x0, x1]
	cbnz w0, 773f
	.endif
	adrp x0, cpuword
	add x0, x0, :lo12:cpuword
	add x0, x0, x1
	.ifdef FAULT_cold
	ldr x2, [x0]
	cbnz x2, __ct_user_exit.cold
	.endif
772:
	.ifdef LSE
	.arch_extension lse
	ldaddal x1, x2, [x0]
	.else
1:	ldxr x2, [x0]
	add x3, x2, x1
	stlxr w4, x3, [x0]
	cbnz w4, 1b
	.endif
773:	ret
	.size __ct_user_exit, . - __ct_user_exit
	.type __ct_user_exit.cold, @function
__ct_user_exit.cold:
	adrp x3, global
	ldr x3, [x3, :lo12:global]
	b 772b
	.size __ct_user_exit.cold, . - __ct_user_exit.cold
	.type ct_nmi_enter, @function
ct_nmi_enter:
	mrs x1, tpidr_el1
	adrp x0, cpuword
	add x0, x0, :lo12:cpuword
	add x0, x0, x1
1:	ldxr x2, [x0]
	stlxr w4, x1, [x0]
	cbnz w4, 1b
	ret
	.size ct_nmi_enter, . - ct_nmi_enter

	.type ct_kernel_exit, @function
ct_kernel_exit:
	adrp x0, cpuword
	add x0, x0, :lo12:cpuword
	mrs x1, tpidr_el1
	add x0, x0, x1
	stlr x2, [x0]
	ret
	.size ct_kernel_exit, . - ct_kernel_exit

	.type cpuword_early_slow, @function
cpuword_early_slow:
	stp x29, x30, [sp, #-32]!
	.ifdef WORK
	fault
	.endif
	ldp x29, x30, [sp], #32
	ret
	.size cpuword_early_slow, . - cpuword_early_slow

	traced_function "nop; nop"
	.type tail_call, @function
tail_call:
	b instrumentable
	.type reads_spilled, @function
reads_spilled:
	ldr x1, [sp]
	ldr x1, [x1, #8]
	ret
__noinstr_text_end:

	.text
	.type instrumentable, @function
instrumentable:
	.ifdef FAULT_patcher
	bl __apply_alternatives
	.endif
	ret
	.type panic, @function
panic:
	bl instrumentable
	b panic
	.size panic, . - panic
	.type __warn_printk, @function
__warn_printk:
	ret
	.type __apply_alternatives, @function
__apply_alternatives:
	ret
	.section .init.text, "ax"
	.type apply_alternatives_all, @function
apply_alternatives_all:
	b __apply_alternatives

	.data
	.ifdef FAULT_compat
	object compat_sys_call_table
	.endif

	.section .data..percpu, "aw"
	.type bp_hardening_data, @object
bp_hardening_data:
	.quad 0
	.type pointer, @object
pointer:
	.quad 0
