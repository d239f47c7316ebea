/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A kernel of a few lines for dangerzone.py --selftest: one entry, one hook, one
 * exit.  Assembled with one FAULT_* defined it has that fault, before the entry
 * hook, after the exit hook (EXIT), or in the work behind the entry hook (WORK).
 */

	/* Tables have their ends in sections of their own. */
	.section .data.jump, "aw"
__start___jump_table:
	.section .data.jump_end, "aw"
__stop___jump_table:
	.section .data.static_call, "aw"
__start_static_call_sites:
	.section .data.static_call_end, "aw"
__stop_static_call_sites:

	.macro fault
	.ifdef FAULT_jump_label
771:	.nops 2
	.pushsection .data.jump, "aw"
	.long 771b - ., 772f - .
	.quad running_key - .
	.popsection
772:
	.endif
	.ifdef FAULT_static_call
771:	call __SCT__func
	.pushsection .data.static_call, "aw"
	.long 771b - ., __SCK__func - .
	.popsection
	.endif
	.ifdef FAULT_ftrace
	call traced_noinstr
	.endif
	.ifdef FAULT_kprobe
	jmp .Lprobed_\@
	.pushsection .text, "ax"
	.type probed, @function
probed:
	nop
.Lprobed_\@:
	jmp .Lback_\@
	.popsection
.Lback_\@:
	.endif
	.ifdef FAULT_late_alternative
771:	lock incq %gs:counter
	.pushsection .smp_locks, "a"
	.long 771b - .
	.popsection
	.endif
	.ifdef FAULT_replacement
771:	.nops 8
772:
	.pushsection .altinstr_replacement, "ax"
773:	movq global, %rax
774:
	.popsection
	.pushsection .altinstructions, "a"
	.long 771b - ., 773b - .
	.long 5
	.byte 772b - 771b, 774b - 773b
	.popsection
	.endif
	.ifdef FAULT_indirect
	call *%gs:pointer
	.endif
	.ifdef FAULT_thunk
	movq %gs:pointer, %rax
	call __x86_indirect_thunk_rax
	.endif
	.ifdef FAULT_call
	call instrumentable
	.endif
	.ifdef FAULT_tail_call
	call tail_call
	.endif
	.ifdef FAULT_memory
	movq global(%rip), %rax
	.endif
	.ifdef FAULT_store
	movq $global, %rdx
	movq $1, 8(%rdx)
	.endif
	.ifdef FAULT_pointer
	movq %gs:pointer, %rdx
	movq 16(%rdx), %rax
	.endif
	.ifdef FAULT_spilled
	pushq $global
	call reads_spilled
	popq %rax
	.endif
	.ifdef FAULT_branch
	cmpq $0, %gs:counter
	je 771f
	movq global(%rip), %rax
771:
	.endif
	.ifdef FAULT_infeasible
	/* No fault: it was either user mode or the kernel that was interrupted. */
	testb $3, 8(%rsp)
	je 771f
	testb $3, 8(%rsp)
	jne 771f
	movq global, %rax
771:
	.endif
	.ifdef FAULT_code
	.byte 0x06
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
	.globl __entry_text_start
__entry_text_start:
	.type entry_SYSCALL_64, @function
entry_SYSCALL_64:
	swapgs
	movq %rsp, %gs:cpu_tss_rw + 20
	movq %gs:pcpu_hot + 24, %rsp
	pushq %rcx
	pushq %r11
	.ifdef ASM_HOOK
	on_entry
771:	jmp 773f
772:
	.pushsection .altinstructions, "a"
	.long 771b - ., 0
	.long 680
	.byte 772b - 771b, 0
	.popsection
	testb $2, %gs:cpuword
	jz 773f
	.ifndef FAULT_no_hook
	lock addq %rcx, %gs:cpuword
	.endif
773:
	.endif
	movq %rsp, %rdi
	call do_syscall_64
	.type syscall_return_via_sysret, @function
syscall_return_via_sysret:
	.ifdef ASM_HOOK
	.ifndef FAULT_no_exit
	addq %rcx, %gs:cpuword
	.endif
	on_exit
	.endif
	popq %r11
	popq %rcx
	movq %gs:cpu_tss_rw + 20, %rsp
	swapgs
	sysretq
	.size entry_SYSCALL_64, . - entry_SYSCALL_64
__entry_text_end:

	.section .noinstr.text, "ax"
__noinstr_text_start:
	.type do_syscall_64, @function
do_syscall_64:
	pushq %rbx
	movq %rdi, %rbx
	.ifndef ASM_HOOK
	on_entry
	.endif
	.ifdef FAULT_frozen_key
	/* No fault: nobody flips this key any more. */
771:	.nops 2
	.pushsection .data.jump, "aw"
	.long 771b - ., 772f - .
	.quad frozen_key - .
	.popsection
772:
	.endif
	.ifndef FAULT_no_hook
	.ifndef ASM_HOOK
	call __ct_user_exit
	.endif
	call instrumentable
	movq global, %rax
	.endif
	.ifndef ASM_HOOK
	.ifndef FAULT_no_exit
	call ct_kernel_exit
	.endif
	on_exit
	.endif
	movq 8(%rbx), %rax
	popq %rbx
	ret
	.size do_syscall_64, . - do_syscall_64

	.type __ct_user_exit, @function
__ct_user_exit:
	movl $1, %eax
	lock xaddq %rax, %gs:cpuword
	ret
	.size __ct_user_exit, . - __ct_user_exit

	.type ct_kernel_exit, @function
ct_kernel_exit:
	movq %gs:this_cpu_off, %rdx
	leaq cpuword(%rdx), %rdx
	movq %rax, (%rdx)
	ret
	.size ct_kernel_exit, . - ct_kernel_exit

	.type cpuword_early_slow, @function
cpuword_early_slow:
	.ifdef WORK
	fault
	.endif
	ret
	.size cpuword_early_slow, . - cpuword_early_slow

	.type traced_noinstr, @function
traced_noinstr:
	.nops 5
	ret
	.size traced_noinstr, . - traced_noinstr
	.type tail_call, @function
tail_call:
	jmp instrumentable
	.type reads_spilled, @function
reads_spilled:
	movq 8(%rsp), %rdx
	movq (%rdx), %rax
	ret
__noinstr_text_end:

	.text
	.type instrumentable, @function
instrumentable:
	movq global, %rax
	ret
	.type __SCT__func, @function
__SCT__func:
	jmp instrumentable
	.type __x86_indirect_thunk_rax, @function
__x86_indirect_thunk_rax:
	jmp *%rax
	.int 0

	.section .data.mcount, "aw"
__start_mcount_loc:
	.quad traced_noinstr
__stop_mcount_loc:
__start_kprobe_blacklist:
	.quad __SCT__func
__stop_kprobe_blacklist:
	.data
	.balign 16
	.type running_key, @object
running_key:
	.quad 0, 0
	.type __SCK__func, @object
__SCK__func:
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
	.globl this_cpu_off
	.type this_cpu_off, @object
this_cpu_off:
	.quad 0
	.globl cpuword
	.type cpuword, @object
cpuword:
	.quad 0
	.type cpu_tss_rw, @object
cpu_tss_rw:
	.skip 104
	.type pcpu_hot, @object
pcpu_hot:
	.skip 64
	.type counter, @object
counter:
	.quad 0
	.type pointer, @object
pointer:
	.quad 0
