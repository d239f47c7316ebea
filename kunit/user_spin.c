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

/* Other ways into the kernel, which only some architectures have. */
#ifdef CPUWORD_USER_ARCH
#include "user_arch.h"
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
		if (command == CPUWORD_USER_QUIT)
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
