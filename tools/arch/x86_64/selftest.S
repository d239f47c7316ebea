/* SPDX-License-Identifier: GPL-2.0 */
/* See tools/zone/selftest.inc. */
	.include "selftest.inc"
	table static_call, __start_static_call_sites, __stop_static_call_sites

	.macro fault
	.ifdef FAULT_jump_label
771:	.nops 2
	jump_label running_key
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
	probed_nop jmp
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
	.ifdef FAULT_freed
	/* There is a rule for it, but it is not there any more. */
	movq system_state(%rip), %rax
	.endif
	.ifdef FAULT_image
	/* No fault: there is a rule for it. */
	movq debug_locks(%rip), %rax
	.endif
	.ifdef FAULT_dies
	/* No fault: what comes next is not reached. */
	cmpq $0, %gs:counter
	je 771f
	call __stack_chk_fail
	movq global(%rip), %rax
771:
	.endif
	.ifdef FAULT_returns
	call __stack_chk_fail
	.endif
	.ifdef FAULT_warns
	/* No fault. */
	call __warn_printk
771:	ud2
	warning
	.endif
	.ifdef FAULT_prints
	call __warn_printk
	.endif
	.ifdef FAULT_return_thunk
	call returns_by_thunk
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
	.long 703
	.byte 772b - 771b, 0
	.popsection
	testb $2, %gs:cpuword
	jz 773f
	.ifndef FAULT_no_hook
	lock addq %rcx, %gs:cpuword(%rip)
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
	/* From the kernel without the hook, unless that was an idle task. */
	.type asm_exc_page_fault, @function
asm_exc_page_fault:
	pushq %rax
	movq %rsp, %rdi
	call exc_page_fault
	popq %rax
	iretq
	.size asm_exc_page_fault, . - asm_exc_page_fault
__entry_text_end:

	.section .noinstr.text, "ax"
__noinstr_text_start:
	.type exc_page_fault, @function
exc_page_fault:
	.ifdef ASM_HOOK
	lock xaddq %rax, %gs:cpuword
	.else
	/* The saved CS. */
	testb $3, 8(%rdi)
	.ifdef FAULT_mode
	je 771f
	.else
	jne 771f
	.endif
	call irqentry_enter
	jmp 772f
771:	call __ct_user_exit
772:	call instrumentable
	movq global, %rax
	.endif
	.ifndef FAULT_no_exit
	call ct_kernel_exit
	.endif
	ret
	.size exc_page_fault, . - exc_page_fault
	.type irqentry_enter, @function
irqentry_enter:
	ret
	.size irqentry_enter, . - irqentry_enter
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
	jump_label frozen_key
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
	.ifdef FAULT_unread
	cmpq $0, %gs:counter
	jne 773f
	.endif
	.ifdef FAULT_recursion
	/* No fault: it knows what it does. */
	incq %gs:context_tracking
	jne 773f
	.endif
	.ifdef FAULT_profiled
	/* No fault: this is not the RMW that it has found to be not due. */
	cmpq $0, %gs:cpuword(%rip)
	je 772f
	movq global(%rip), %rax
	lock addq $1, debug_locks(%rip)
	jmp 773f
	.endif
	.ifdef FAULT_cold
	cmpq $0, %gs:cpuword
	jne __ct_user_exit.cold
	.endif
772:	movl $1, %eax
	lock xaddq %rax, %gs:cpuword
773:	ret
	.size __ct_user_exit, . - __ct_user_exit
	.type __ct_user_exit.cold, @function
__ct_user_exit.cold:
	movq global, %rax
	jmp 772b
	.size __ct_user_exit.cold, . - __ct_user_exit.cold

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

	traced_function ".nops 5"
	.type tail_call, @function
tail_call:
	jmp instrumentable
	.type reads_spilled, @function
reads_spilled:
	movq 8(%rsp), %rdx
	movq (%rdx), %rax
	ret

	.section .noinstr.text, "ax"
	.type __stack_chk_fail, @function
__stack_chk_fail:
	.ifdef FAULT_returns
	ret
	.endif
	call panic
	.size __stack_chk_fail, . - __stack_chk_fail
	.type returns_by_thunk, @function
returns_by_thunk:
	jmp retbleed_return_thunk
	.size returns_by_thunk, . - returns_by_thunk
__noinstr_text_end:

	.text
	.type instrumentable, @function
instrumentable:
	.ifdef FAULT_patcher
	call apply_alternatives
	.endif
	movq global, %rax
	ret
	.type panic, @function
panic:
	call instrumentable
	jmp panic
	.size panic, . - panic
	.type __warn_printk, @function
__warn_printk:
	ret
	.type retbleed_return_thunk, @function
retbleed_return_thunk:
	ret
	.type apply_alternatives, @function
apply_alternatives:
	ret
	.section .init.text, "ax"
	.type alternative_instructions, @function
alternative_instructions:
	jmp apply_alternatives
	.text
	.type __SCT__func, @function
__SCT__func:
	jmp instrumentable
	.type __x86_indirect_thunk_rax, @function
__x86_indirect_thunk_rax:
	jmp *%rax
	.int 0

	.data
__start_kprobe_blacklist:
	.quad __SCT__func
__stop_kprobe_blacklist:
	.balign 16
	object __SCK__func

	.section .data..percpu, "aw"
	.globl this_cpu_off
	.type this_cpu_off, @object
this_cpu_off:
	.quad 0
	.globl cpuword
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
