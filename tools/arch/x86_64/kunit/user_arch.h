/* SPDX-License-Identifier: GPL-2.0 */
/* Ways into the kernel, for user_spin.c. */
#define EFLAGS_TF	0x100
#define SA_RESTORER	0x04000000

/* struct ucontext begins with five words and sigcontext's registers. */
enum { UC_REGS = 5, REG_IP = 16, REG_FLAGS = 17 };

struct kernel_sigaction {
	void		(*handler)(int sig, void *info, void *context);
	unsigned long	flags;
	void		(*restorer)(void);
	unsigned long	mask;
};

static __attribute__((naked)) void restorer(void)
{
	__asm__ volatile("mov %0, %%eax; syscall" : : "i" (__NR_rt_sigreturn));
}

static void handle(int sig, void *info, void *context)
{
	unsigned long *regs = (unsigned long *)context + UC_REGS;

	if (sig == SIGILL)
		regs[REG_IP] += 2;		/* ud2 */
	regs[REG_FLAGS] &= ~EFLAGS_TF;
}

static void set_up_signals(void)
{
	struct kernel_sigaction sa = {
		.handler = handle,
		.flags = SA_RESTORER | 4,	/* SA_SIGINFO */
		.restorer = restorer,
	};

	syscall(__NR_rt_sigaction, SIGTRAP, &sa, NULL, sizeof(sa.mask));
	syscall(__NR_rt_sigaction, SIGILL, &sa, NULL, sizeof(sa.mask));
}

/* The red zone is below what is pushed. */
#define SET_TF	"sub $128, %%rsp; pushfq; orl $0x100, (%%rsp); popfq; " \
		"lea 128(%%rsp), %%rsp; "

static void enter(enum cpuword_user_entry entry)
{
	long ret;

	switch (entry) {
	case CPUWORD_ENTRY_INT80:		/* getpid(), by its 32-bit number */
		__asm__ volatile("int $0x80" : "=a" (ret) : "a" (20) : "memory",
				 "r8", "r9", "r10", "r11");
		break;
	case CPUWORD_ENTRY_BREAKPOINT:
		__asm__ volatile("int3" : : : "memory");
		break;
	case CPUWORD_ENTRY_INVALID_OPCODE:
		__asm__ volatile("ud2" : : : "memory");
		break;
	case CPUWORD_ENTRY_SINGLE_STEP:
		__asm__ volatile(SET_TF "nop" : : : "memory", "cc");
		break;
	case CPUWORD_ENTRY_STEP_SYSCALL:
		__asm__ volatile(SET_TF "syscall; nop"
				 : "=a" (ret) : "a" (__NR_getpid)
				 : "memory", "cc", "rcx", "r11");
		break;
	default:
		break;
	}
}
