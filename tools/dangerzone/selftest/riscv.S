/* SPDX-License-Identifier: GPL-2.0 */
/* As x86_64.S. */
	.option norelax

	/* Tables have their ends in sections of their own. */
	.section .data.jump, "aw"
__start___jump_table:
	.section .data.jump_end, "aw"
__stop___jump_table:

	.macro fault
	.ifdef FAULT_jump_label
	.option push
	.option norvc
771:	nop
	.option pop
	.pushsection .data.jump, "aw"
	.long 771b - ., 772f - .
	.quad running_key - .
	.popsection
772:
	.endif
	.ifdef FAULT_ftrace
	call traced_noinstr
	.endif
	.ifdef FAULT_kprobe
	j .Lprobed_\@
	.pushsection .text, "ax"
	.type probed, @function
probed:
	nop
.Lprobed_\@:
	j .Lback_\@
	.popsection
.Lback_\@:
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
	/* As the vector table: the second handler has the fault. */
	la a2, handlers
	slli a1, a1, 3
	add a2, a2, a1
	beqz a1, 773f
	ld a1, 0(a2)
772:	jalr a1
	j 774f
773:	la a1, harmless
	j 772b
774:
	.endif
	.ifdef FAULT_code
	unimp
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

	.section .irqentry.text, "ax"
	.globl __irqentry_text_start
__irqentry_text_start:
	.type handle_exception, @function
handle_exception:
	csrrw tp, sscratch, tp
	sd sp, 8(tp)
	ld sp, 0(tp)
	addi sp, sp, -288
	sd ra, 8(sp)
	mv a0, sp
	call do_trap_ecall_u
	ld ra, 8(sp)
	ld sp, 16(sp)
	sret
__irqentry_text_end:

	.section .noinstr.text, "ax"
__noinstr_text_start:
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
	.pushsection .data.jump, "aw"
	.long 771b - ., 772f - .
	.quad frozen_key - .
	.popsection
772:
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

	.macro word
	lw a1, 32(tp)
	la a2, __per_cpu_offset
	slli a1, a1, 3
	add a1, a1, a2
	ld a1, 0(a1)
	la a2, cpuword
	add a1, a1, a2
	.endm

	.type __ct_user_exit, @function
__ct_user_exit:
	word
	amoadd.d.aqrl a0, a3, (a1)
	ret
	.size __ct_user_exit, . - __ct_user_exit

	.type ct_kernel_exit, @function
ct_kernel_exit:
	word
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

	.type traced_noinstr, @function
traced_noinstr:
	nop
	nop
	ret
	.size traced_noinstr, . - traced_noinstr
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
	ret

	.section .rodata, "a"
	.type handlers, @object
handlers:
	.quad harmless, harmful
	.type handlers_end, @object
handlers_end:
	.quad 0
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
	.type __per_cpu_offset, @object
__per_cpu_offset:
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
