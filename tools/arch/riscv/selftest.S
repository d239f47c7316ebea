/* SPDX-License-Identifier: GPL-2.0 */
/* See tools/zone/selftest.inc. */
	.option norelax
	.include "selftest.inc"

	.macro fault
	.ifdef FAULT_jump_label
	.option push
	.option norvc
771:	nop
	.option pop
	jump_label running_key
	.endif
	.ifdef FAULT_ftrace
	call traced_noinstr
	.endif
	.ifdef FAULT_kprobe
	probed_nop j
	.endif
	.ifdef FAULT_replacement
	.option push
	.option norvc
771:	nop
	nop
	nop
772:
	.subsection 1
773:	la a0, global
	ld a0, 0(a0)
774:
	.previous
	.option pop
	.pushsection .alternative, "a"
	.long 771b - ., 773b - .
	.half 0, 12
	.long 5
	.popsection
	.endif
	.ifdef FAULT_indirect
	ld a1, 16(tp)
	jalr a1
	.endif
	.ifdef FAULT_call
	call instrumentable
	.endif
	.ifdef FAULT_tail_call
	call tail_call
	.endif
	.ifdef FAULT_memory
	la a1, global
	ld a0, 0(a1)
	.endif
	.ifdef FAULT_store
	la a1, global
	sw zero, 4(a1)
	.endif
	.ifdef FAULT_pointer
	ld a1, 16(tp)
	ld a1, 8(a1)
	.endif
	.ifdef FAULT_spilled
	la a1, global
	addi sp, sp, -16
	sd a1, 0(sp)
	call reads_spilled
	addi sp, sp, 16
	.endif
	.ifdef FAULT_branch
	beqz a1, 771f
	la a1, global
	ld a1, 0(a1)
771:
	.endif
	.ifdef FAULT_table
	jump_by_table handlers
	.endif
	.ifdef FAULT_table_alternative
	jump_by_table patched
	.endif
	.ifdef FAULT_code
	unimp
	.endif
	.ifdef FAULT_freed
	/* There is a rule for it, but it is not there any more. */
	la a1, system_state
	ld a1, 0(a1)
	.endif
	.ifdef FAULT_image
	/* No fault: there is a rule for it. */
	la a1, debug_locks
	ld a1, 0(a1)
	.endif
	.ifdef FAULT_dies
	/* No fault: what comes next is not reached. */
	beqz a1, 771f
	call __stack_chk_fail
	la a1, global
	ld a1, 0(a1)
771:
	.endif
	.ifdef FAULT_returns
	call __stack_chk_fail
	.endif
	.ifdef FAULT_warns
	/* No fault. */
	call __warn_printk
771:	ebreak
	warning
	.endif
	.ifdef FAULT_prints
	call __warn_printk
	.endif
	.endm

	/* As the vector table: the second handler has the fault. */
	.macro jump_by_table table
	la a2, \table
	slli a1, a1, 3
	add a2, a2, a1
	beqz a1, 773f
	ld a1, 0(a2)
772:	jalr a1
	j 774f
773:	la a1, harmless
	j 772b
774:
	.endm

	.section .irqentry.text, "ax"
	.globl __irqentry_text_start
__irqentry_text_start:
	.type handle_exception, @function
handle_exception:
	csrrw tp, sscratch, tp
	bnez tp, 771f
	csrr tp, sscratch
	sd sp, 0(tp)
771:	sd sp, 8(tp)
	ld sp, 0(tp)
	addi sp, sp, -288
	sd ra, 8(sp)
	csrrc s1, sstatus, t0
	sd s1, 256(sp)
	mv a0, sp
	beqz t1, 771f
	call do_trap_ecall_u
	j 772f
771:	call do_page_fault
772:
	ld ra, 8(sp)
	ld sp, 16(sp)
	sret
__irqentry_text_end:

	.section .noinstr.text, "ax"
__noinstr_text_start:
	.type do_page_fault, @function
do_page_fault:
	addi sp, sp, -16
	sd ra, 8(sp)
	/* The saved status. */
	ld a1, 256(a0)
	andi a1, a1, 256
	.ifdef FAULT_mode
	bnez a1, 771f
	.else
	beqz a1, 771f
	.endif
	call irqentry_enter
	j 772f
771:
	.ifdef FAULT_no_hook
	sret
	.endif
	call __ct_user_exit
772:	call instrumentable
	la a0, global
	ld a0, 0(a0)
	.ifndef FAULT_no_exit
	call ct_kernel_exit
	.endif
	ld ra, 8(sp)
	addi sp, sp, 16
	ret
	.size do_page_fault, . - do_page_fault
	.type irqentry_enter, @function
irqentry_enter:
	ret
	.size irqentry_enter, . - irqentry_enter

	.type do_trap_ecall_u, @function
do_trap_ecall_u:
	addi sp, sp, -32
	sd ra, 24(sp)
	sd s1, 8(sp)
	mv s1, a0
	on_entry
	.ifdef FAULT_frozen_key
	/* No fault: nobody flips this key any more. */
	.option push
	.option norvc
771:	nop
	.option pop
	jump_label frozen_key
	.endif
	.ifndef FAULT_no_hook
	call __ct_user_exit
	call instrumentable
	la a0, global
	ld a0, 0(a0)
	.endif
	.ifndef FAULT_no_exit
	call ct_kernel_exit
	.endif
	on_exit
	ld a0, 8(s1)
	ld ra, 24(sp)
	ld s1, 8(sp)
	addi sp, sp, 32
	ret
	.size do_trap_ecall_u, . - do_trap_ecall_u

	.macro percpu name
	lw a1, 32(tp)
	la a2, __per_cpu_offset
	slli a1, a1, 3
	add a1, a1, a2
	ld a1, 0(a1)
	la a2, \name
	add a1, a1, a2
	.endm

	.type __ct_user_exit, @function
__ct_user_exit:
	.ifdef FAULT_unread
	ld a1, 40(tp)
	beqz a1, 773f
	.endif
	.ifdef FAULT_recursion
	/* No fault: it knows what it does. */
	percpu context_tracking
	lw a1, 0(a1)
	bnez a1, 773f
	.endif
	percpu cpuword
	.ifdef FAULT_cold
	ld a0, 0(a1)
	beqz a0, __ct_user_exit.cold
	.endif
772:	amoadd.d.aqrl a0, a3, (a1)
773:	ret
	.size __ct_user_exit, . - __ct_user_exit
	.type __ct_user_exit.cold, @function
__ct_user_exit.cold:
	la a0, global
	ld a0, 0(a0)
	j 772b
	.size __ct_user_exit.cold, . - __ct_user_exit.cold
	.type __stack_chk_fail, @function
__stack_chk_fail:
	.ifdef FAULT_returns
	ret
	.endif
	call panic
	.size __stack_chk_fail, . - __stack_chk_fail

	.type ct_kernel_exit, @function
ct_kernel_exit:
	percpu cpuword
	fence rw, w
	sd a3, 0(a1)
	ret
	.size ct_kernel_exit, . - ct_kernel_exit

	.type cpuword_early_slow, @function
cpuword_early_slow:
	addi sp, sp, -16
	sd ra, 8(sp)
	.ifdef WORK
	fault
	.endif
	ld ra, 8(sp)
	addi sp, sp, 16
	ret
	.size cpuword_early_slow, . - cpuword_early_slow

	traced_function "nop; nop"
	.type tail_call, @function
tail_call:
	tail instrumentable
	.type reads_spilled, @function
reads_spilled:
	ld a1, 0(sp)
	ld a1, 8(a1)
	ret
	.type harmless, @function
harmless:
	ret
	.type harmful, @function
harmful:
	la a1, global
	ld a1, 0(a1)
	ret
__noinstr_text_end:

	.text
	.type instrumentable, @function
instrumentable:
	.ifdef FAULT_patcher
	call _apply_alternatives
	.endif
	ret
	.type panic, @function
panic:
	call instrumentable
	j panic
	.size panic, . - panic
	.type __warn_printk, @function
__warn_printk:
	ret
	.type _apply_alternatives, @function
_apply_alternatives:
	ret
	.section .init.text, "ax"
	.type apply_boot_alternatives, @function
apply_boot_alternatives:
	tail _apply_alternatives

	.section .rodata, "a"
	.type handlers, @object
handlers:
	.quad harmless, harmful
	.type patched, @object
patched:
	.quad harmless
771:	.quad harmless
	.type handlers_end, @object
handlers_end:
	.quad 0, harmful
	.section .alternative, "a"
	.long 771b - ., handlers_end + 8 - .
	.half 0, 8
	.long 5
	.data
	object __per_cpu_offset
