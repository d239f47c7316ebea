/* SPDX-License-Identifier: GPL-2.0 */
/* As x86_64.S. */
	.arch armv8.2-a

	/* Tables have their ends in sections of their own. */
	.section .data.jump, "aw"
__start___jump_table:
	.section .data.jump_end, "aw"
__stop___jump_table:

	.macro fault
	.ifdef FAULT_jump_label
771:	nop
	.pushsection .data.jump, "aw"
	.long 771b - ., 772f - .
	.quad running_key - .
	.popsection
772:
	.endif
	.ifdef FAULT_ftrace
	bl traced_noinstr
	.endif
	.ifdef FAULT_kprobe
	b .Lprobed_\@
	.pushsection .text, "ax"
	.type probed, @function
probed:
	nop
.Lprobed_\@:
	b .Lback_\@
	.popsection
.Lback_\@:
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
	.pushsection .altinstructions, "a"
	.long 771b - ., 773b - .
	.hword 5
	.byte 772b - 771b, 774b - 773b
	.popsection
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
	.pushsection .altinstructions, "a"
	.long 771b - ., 773b - .
	.hword 5
	.byte 772b - 771b, 774b - 773b
	.popsection
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
	.endm

	.macro on_entry
	.ifndef EXIT
	.ifndef WORK
	fault
	.endif
	.endif
	.endm

	.macro on_exit
	.ifdef EXIT
	fault
	.endif
	.endm

	.section .entry.text, "ax"
__entry_text_start:
	.balign 2048
	.type vectors, @function
vectors:
	.skip 1024
	sub sp, sp, #0x150
	b el0t_64_sync
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
	.type el0t_64_sync_handler, @function
el0t_64_sync_handler:
	stp x29, x30, [sp, #-32]!
	str x19, [sp, #16]
	mov x19, x0
	on_entry
	.ifdef FAULT_frozen_key
	/* No fault: nobody flips this key any more. */
771:	nop
	.pushsection .data.jump, "aw"
	.long 771b - ., 772f - .
	.quad frozen_key - .
	.popsection
772:
	.endif
	.ifndef FAULT_no_hook
	bl __ct_user_exit
	bl instrumentable
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
	adrp x0, cpuword
	add x0, x0, :lo12:cpuword
	mrs x1, tpidr_el1
	add x0, x0, x1
	.ifdef LSE
	.arch_extension lse
	ldaddal x1, x2, [x0]
	.else
1:	ldxr x2, [x0]
	add x3, x2, x1
	stlxr w4, x3, [x0]
	cbnz w4, 1b
	.endif
	ret
	.size __ct_user_exit, . - __ct_user_exit

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

	.type traced_noinstr, @function
traced_noinstr:
	nop
	nop
	ret
	.size traced_noinstr, . - traced_noinstr
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
	ret

	.section .data.mcount, "aw"
__start_mcount_loc:
	.quad traced_noinstr
__stop_mcount_loc:
	.data
	.balign 16
	.type running_key, @object
running_key:
	.quad 0, 0
	.type global, @object
global:
	.quad 0, 0
__start_ro_after_init:
	.type frozen_key, @object
frozen_key:
	.quad 0, 0
__end_ro_after_init:

	.section .data..percpu, "aw"
	.balign 16
	.quad 0
	.type cpuword, @object
cpuword:
	.quad 0
	.type pointer, @object
pointer:
	.quad 0
