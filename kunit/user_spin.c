// SPDX-License-Identifier: GPL-2.0
/*
 * The user-mode task of the tests: spins on a page that it shares with them,
 * and makes a system call when told to.  Started by usermode.c as
 * "user_spin MINOR RUNTIME", bound to a CPU.
 */
#include "../../../tools/include/nolibc/nolibc.h"

#include "usermode.h"

#define MISC_MAJOR	10
#define MANY		2000
#define PAGE		4096
#define NR_PAGES	1024

#ifdef __x86_64__

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

	my_syscall4(__NR_rt_sigaction, SIGTRAP, &sa, NULL, sizeof(sa.mask));
	my_syscall4(__NR_rt_sigaction, SIGILL, &sa, NULL, sizeof(sa.mask));
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

#else

static void set_up_signals(void) { }
static void enter(enum cpuword_user_entry entry) { }

#endif

/*
 * The scheduler's server for fair tasks would interrupt the CPU, up to a second
 * after one has run there.  Turned off only once, and by a fair task: to stop one
 * that is not at work makes 6.12 warn.
 */
static int stop_fair_server(const char *runtime)
{
	int fd = open(runtime, O_RDWR);
	char c;

	if (fd < 0) {
		mkdir(CPUWORD_USER_DEBUGFS, 0700);
		mount("debugfs", CPUWORD_USER_DEBUGFS, "debugfs", 0, NULL);
		fd = open(runtime, O_RDWR);
	}
	if (fd < 0 || read(fd, &c, 1) != 1 || (c != '0' && write(fd, "0", 1) != 1))
		return -1;
	return close(fd);
}

int main(int argc, char **argv)
{
	volatile struct cpuword_user_page *page;
	unsigned long command, last = 0;
	unsigned int minor = atoi(argv[1]);
	int fd, i, touched = 0;
	char c, *pages;
	pid_t pid;

	/* nolibc's makedev() is for minors below 256, and dynamic ones are not. */
	mknod("/cpuword_user", S_IFCHR | 0600,
	      (minor & 0xff) | MISC_MAJOR << 8 | (minor & ~0xff) << 12);
	fd = open("/cpuword_user", O_RDWR);
	if (fd < 0)
		return 1;
	page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (page == MAP_FAILED)
		return 1;

	pages = mmap(NULL, NR_PAGES * PAGE, PROT_READ | PROT_WRITE,
		     MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (pages == MAP_FAILED)
		return 1;
	set_up_signals();
	if (stop_fair_server(argv[2]))
		return 1;

	page->ready = 1;
	for (;;) {
		page->spins++;
		command = page->command;
		if (command == last)
			continue;
		if (command == CPUWORD_USER_EXIT)
			return 0;

		switch (page->entry) {
		case CPUWORD_ENTRY_SYSCALL:
			if (read(fd, &c, 1) < 0)
				return 1;
			break;
		case CPUWORD_ENTRY_MANY_SYSCALLS:
			for (i = 0; i < MANY; i++)
				read(fd, &c, 1);
			break;
		case CPUWORD_ENTRY_PAGE_FAULT:
			pages[touched++ % NR_PAGES * PAGE] = 1;
			break;
		case CPUWORD_ENTRY_FORK:
			pid = fork();
			if (!pid)
				return 0;
			waitpid(pid, NULL, 0);
			break;
		default:
			enter(page->entry);
		}
		last = command;
		page->done = command;
	}
}
