// SPDX-License-Identifier: GPL-2.0
/*
 * The user-mode task of the tests: spins on a page that it shares with them,
 * and makes a system call when told to.  Started by usermode.c as
 * "user_spin MINOR", bound to a CPU.
 */
#include "../../../tools/include/nolibc/nolibc.h"

#include "usermode.h"

#define MISC_MAJOR	10

int main(int argc, char **argv)
{
	volatile struct cpuword_user_page *page;
	unsigned long command, last = 0;
	unsigned int minor = atoi(argv[1]);
	char c;
	int fd;

	/* nolibc's makedev() is for minors below 256, and dynamic ones are not. */
	mknod("/cpuword_user", S_IFCHR | 0600,
	      (minor & 0xff) | MISC_MAJOR << 8 | (minor & ~0xff) << 12);
	fd = open("/cpuword_user", O_RDWR);
	if (fd < 0)
		return 1;
	page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (page == MAP_FAILED)
		return 1;

	page->ready = 1;
	for (;;) {
		page->spins++;
		command = page->command;
		if (command == last)
			continue;
		if (command == CPUWORD_USER_EXIT)
			return 0;
		if (read(fd, &c, 1) < 0)
			return 1;
		last = command;
		page->done = command;
	}
}
