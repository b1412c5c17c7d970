// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The guest's /init: make the environment that a script may rely on (docs/design.md, section 7),
 * run the script START, and power off. In C and static because each program that a shell would call
 * costs some 50 ms under TCG.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <termios.h>
#include <unistd.h>

#include "tests/vm/guest/guest.h"

#define HOME_DIR	"/usr/lib/dmuser-guest"
#define START		HOME_DIR "/start"	/* made by tests/vm/run */
#define MODULES		HOME_DIR "/modules"	/* made by tests/vm/mkbase: paths, in load order */

static void complain(const char *what, const char *which)
{
	dprintf(STDERR_FILENO, "guest init: %s %s: %s\n", what, which, strerror(errno));
}

static void mounts_make(void)
{
	static const struct {
		const char *type, *on, *options;
		bool optional;
	} mounts[] = {
		{ "devtmpfs", "/dev", "mode=0755", false },
		{ "proc", "/proc", NULL, false },
		{ "sysfs", "/sys", NULL, false },
		{ "devpts", "/dev/pts", "mode=0620,ptmxmode=0666", false },
		{ "tmpfs", "/dev/shm", "mode=1777", false },
		{ "tmpfs", "/run", "mode=0755", false },
		{ "tmpfs", "/tmp", "mode=1777", false },
		{ "debugfs", "/sys/kernel/debug", NULL, true },
		{ "tracefs", "/sys/kernel/tracing", NULL, true },
		{ "cgroup2", "/sys/fs/cgroup", NULL, true },
	};

	for (size_t i = 0; i < sizeof(mounts) / sizeof(mounts[0]); i++) {
		mkdir(mounts[i].on, 0755);
		if (mount(mounts[i].type, mounts[i].on, mounts[i].type, 0, mounts[i].options) &&
		    !mounts[i].optional)
			complain("mount", mounts[i].on);
	}
}

static void links_make(void)
{
	static const char *const links[][2] = {
		{ "/proc/self/fd", "/dev/fd" },
		{ "fd/0", "/dev/stdin" },
		{ "fd/1", "/dev/stdout" },
		{ "fd/2", "/dev/stderr" },
		{ "/proc/mounts", "/etc/mtab" },
		/* Not earlier: a booting kernel would call it some ten times in vain, for 1 s. */
		{ HOME_DIR "/modprobe", "/usr/sbin/modprobe" },
	};

	for (size_t i = 0; i < sizeof(links) / sizeof(links[0]); i++) {
		if (symlink(links[i][0], links[i][1]))
			complain("link", links[i][1]);
	}
	mkdir("/dev/mapper", 0755);
}

/* Load the devices' drivers, one after the other: so vda is the first disk. */
static void modules_load(void)
{
	char path[4096];
	FILE *list = fopen(MODULES, "r");

	if (!list) {
		complain("open", MODULES);
		return;
	}
	while (fgets(path, sizeof(path), list)) {
		path[strcspn(path, "\n")] = '\0';

		int fd = open(path, O_RDONLY | O_CLOEXEC);

		if (fd < 0 || (syscall(SYS_finit_module, fd, "", 0) && errno != EEXIST))
			complain("load", path);
		if (fd >= 0)
			close(fd);
	}
	fclose(list);
}

static void loopback_up(void)
{
	struct ifreq request = { .ifr_name = "lo", .ifr_flags = IFF_UP | IFF_RUNNING };
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	if (fd < 0 || ioctl(fd, SIOCSIFFLAGS, &request))
		complain("bring up", "lo");
	if (fd >= 0)
		close(fd);
}

/* A user-mode kernel has no virtio: its first terminal lines are the ports, ubd disks its disks. */
static bool user_mode;

static int line_open(const char *path)
{
	int fd = open(path, O_WRONLY | O_NOCTTY | O_CLOEXEC);
	struct termios mode;

	if (fd < 0 || tcgetattr(fd, &mode)) {
		complain("open", path);
		return fd;
	}
	cfmakeraw(&mode);
	tcsetattr(fd, TCSANOW, &mode);
	return fd;
}

static void disks_link(void)
{
	char ubd[] = "ubda", disk[] = "/dev/vda", path[16];

	for (; ubd[3] < 'i'; ubd[3]++, disk[7]++) {
		snprintf(path, sizeof(path), "/dev/%s", ubd);
		if (!access(path, F_OK) && symlink(ubd, disk))
			complain("link", disk);
	}
}

/* Open the virtio port with @name in /sys/class/virtio-ports/PORT/name. -1: there is none. */
static int port_open(const char *name)
{
	DIR *dir = opendir("/sys/class/virtio-ports");
	struct dirent *entry;
	int found = -1;

	while (dir && found < 0 && (entry = readdir(dir))) {
		char path[512], is[64] = "";
		FILE *file;

		snprintf(path, sizeof(path), "/sys/class/virtio-ports/%s/name", entry->d_name);
		file = fopen(path, "r");
		if (!file)
			continue;
		if (fgets(is, sizeof(is), file))
			is[strcspn(is, "\n")] = '\0';
		fclose(file);
		snprintf(path, sizeof(path), "/dev/%s", entry->d_name);
		if (!strcmp(is, name))
			found = open(path, O_WRONLY | O_CLOEXEC);
	}
	if (dir)
		closedir(dir);
	if (found < 0)
		complain("open port", name);
	return found;
}

int main(void)
{
	static char *const environment[] = {
		"PATH=/usr/sbin:/usr/bin", "HOME=/root", "TERM=dumb", "LC_ALL=C",
		/* There is no udev: libdevmapper makes the links in /dev/mapper itself. */
		"DM_DISABLE_UDEV=1", NULL,
	};
	char *argv[] = { START, NULL };

	mounts_make();
	links_make();
	modules_load();
	loopback_up();
	user_mode = !access("/proc/exitcode", F_OK);
	if (user_mode)
		disks_link();
	if (sethostname("guest", strlen("guest")))
		complain("name", "the host");
	environ = (char **)environment;

	struct guest_ports ports = {
		.output = user_mode ? line_open("/dev/ttyS0") : port_open("output"),
		.status = user_mode ? line_open("/dev/ttyS1") : port_open("status"),
		.kernel_log = user_mode ? line_open("/dev/ttyS2") : port_open("kernel-log"),
	};

	if (ports.output >= 0 && ports.status >= 0)
		guest_supervise(&ports, argv);
	reboot(RB_POWER_OFF);
	return 1;
}
