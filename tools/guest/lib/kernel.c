// SPDX-License-Identifier: GPL-2.0
#include "kernel.h"
#include "text.h"

void mount_all(void)
{
	mount("proc", "/proc", "proc", 0, NULL);
	mount("sysfs", "/sys", "sysfs", 0, NULL);
	mount("debugfs", "/sys/kernel/debug", "debugfs", 0, NULL);
	mount("tracefs", "/sys/kernel/tracing", "tracefs", 0, NULL);
}

void mount_dev(void)
{
	mount("devtmpfs", "/dev", "devtmpfs", 0, NULL);
}

int load_module(const char *path, const char *parameters)
{
	int fd = open(path, O_RDONLY), flags = 0, err = 0;
	long n = strlen(path);

	if (fd < 0)
		return errno;
	/* One that is not .ko is compressed: the kernel unpacks it. */
	if (n < 3 || strcmp(path + n - 3, ".ko"))
		flags = 4;	/* MODULE_INIT_COMPRESSED_FILE */
	if (syscall(__NR_finit_module, fd, parameters, flags) < 0)
		err = errno;
	close(fd);
	return err;
}

int unload_module(const char *name)
{
	return syscall(__NR_delete_module, name, O_NONBLOCK) < 0 ? errno : 0;
}

int run_test_vmalloc(const char *path, long count)
{
	char parameters[PATH];
	int err;

	join(parameters, "run_test_mask=1024 nr_pages=4096 test_loop_count=",
	     itoa(count), NULL);
	err = load_module(path, parameters);
	/* EAGAIN is how the module says that it is done. */
	return err == EAGAIN ? 0 : err;
}

int flip_static_key(const char *feature, long count)
{
	static const char features[] = "/sys/kernel/debug/sched/features";
	char off[32];

	join(off, "NO_", feature, NULL);
	while (count--)
		if (put(features, off) || put(features, feature))
			return -1;
	return 0;
}

void restart(void)
{
	reboot(LINUX_REBOOT_CMD_RESTART);
	/* QEMU runs with -no-reboot; should it not stop, the host knows the last line. */
	for (;;)
		sleep(1000);
}
