// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Finds which block devices a file or a device lies on, through file systems and devices made of
 * devices (device-mapper, md, loop). A file that a daemon waits for must not lie on the device that
 * it serves.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/btrfs.h>
#include <linux/magic.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "lib/dmuser.h"

#define DEPTH	8	/* devices on devices; the kernel has such a limit, too */

static bool device_lies_on(dev_t at, dev_t device, int depth);
static bool file_lies_on(int fd, dev_t device, int depth);

/* Read the first line of a file that only some devices have. */
static bool sysfs_line(const char *path, char *line, int size)
{
	FILE *file = fopen(path, "re");
	bool some;

	if (!file)
		return false;
	some = fgets(line, size, file);
	fclose(file);
	line[some ? strcspn(line, "\n") : 0] = '\0';
	return some;
}

/* True for the device that is looked for; @path is its directory. */
typedef bool device_fn(const char *path, dev_t device, const void *context);

/* True if @is_it is true for a block device that the sysfs directory @path lists. */
static bool any_device(const char *path, device_fn *is_it, const void *context)
{
	char name[PATH_MAX], number[PATH_MAX + sizeof("/dev")], line[32];
	unsigned int major, minor;
	struct dirent *entry;
	bool found = false;
	DIR *dir = opendir(path);

	while (dir && !found && (entry = readdir(dir))) {
		snprintf(name, sizeof(name), "%s/%s", path, entry->d_name);
		snprintf(number, sizeof(number), "%s/dev", name);
		if (entry->d_name[0] != '.' && sysfs_line(number, line, sizeof(line)) &&
		    sscanf(line, "%u:%u", &major, &minor) == 2)
			found = is_it(name, makedev(major, minor), context);
	}
	if (dir)
		closedir(dir);
	return found;
}

struct below {
	dev_t device;
	int depth;
};

static bool lies_below(const char *path, dev_t at, const void *context)
{
	const struct below *below = context;

	return device_lies_on(at, below->device, below->depth);
}

static bool any_lies_on(const char *path, dev_t device, int depth)
{
	const struct below below = { .device = device, .depth = depth };

	return any_device(path, lies_below, &below);
}

static bool loop_lies_on(dev_t at, dev_t device, int depth)
{
	char path[64], line[PATH_MAX];
	bool found;
	int fd;

	snprintf(path, sizeof(path), "/sys/dev/block/%u:%u/loop/backing_file", major(at),
		 minor(at));
	if (!sysfs_line(path, line, sizeof(line)))
		return false;
	fd = open(line, O_PATH | O_CLOEXEC);
	if (fd < 0)
		return false;
	found = file_lies_on(fd, device, depth);
	close(fd);
	return found;
}

static bool device_lies_on(dev_t at, dev_t device, int depth)
{
	char path[64];

	if (at == device || !depth)
		return at == device;
	snprintf(path, sizeof(path), "/sys/dev/block/%u:%u/slaves", major(at), minor(at));
	return any_lies_on(path, device, depth - 1) || loop_lies_on(at, device, depth - 1);
}

/* btrfs may have many devices, and st_dev is the number of none of them. */
static bool btrfs_lies_on(int fd, dev_t device, int depth)
{
	struct btrfs_ioctl_fs_info_args info = { 0 };
	const __u8 *id = info.fsid;
	char path[96];
	int rc;

	/* @fd may be an O_PATH descriptor. */
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0)
		return false;
	rc = ioctl(fd, BTRFS_IOC_FS_INFO, &info);
	close(fd);
	if (rc)
		return false;
	snprintf(path, sizeof(path), "/sys/fs/btrfs/%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-"
		 "%02x%02x%02x%02x%02x%02x/devices", id[0], id[1], id[2], id[3], id[4], id[5],
		 id[6], id[7], id[8], id[9], id[10], id[11], id[12], id[13], id[14], id[15]);
	return any_lies_on(path, device, depth - 1);
}

static bool file_lies_on(int fd, dev_t device, int depth)
{
	struct statfs fs;
	struct stat st;

	if (!depth || fstat(fd, &st))
		return false;
	if (S_ISBLK(st.st_mode))
		return device_lies_on(st.st_rdev, device, depth);
	if (!major(st.st_dev) && !fstatfs(fd, &fs) && (uint32_t)fs.f_type == BTRFS_SUPER_MAGIC)
		return btrfs_lies_on(fd, device, depth);
	return device_lies_on(st.st_dev, device, depth);
}

bool dmu_lies_on(int fd, dev_t device)
{
	return file_lies_on(fd, device, DEPTH);
}

/* ---- holders: devices made of a device ---- */

struct holder {
	dev_t but;
	char *name;
	size_t len;
};

static bool is_holder(const char *path, dev_t device, const void *context)
{
	const struct holder *holder = context;
	char name[PATH_MAX], line[128];

	if (device == holder->but)
		return false;
	/* A read-only device does not write. */
	snprintf(name, sizeof(name), "%s/ro", path);
	if (sysfs_line(name, line, sizeof(line)) && !strcmp(line, "1"))
		return false;
	snprintf(name, sizeof(name), "%s/dm/name", path);
	if (!sysfs_line(name, line, sizeof(line)))
		snprintf(line, sizeof(line), "%s", strrchr(path, '/') + 1);
	snprintf(holder->name, holder->len, "%s", line);
	return true;
}

/* Look for holders of the device with the directory @path, but not of its partitions. */
static bool has_holder(const char *path, dev_t device, const void *context)
{
	char name[PATH_MAX];

	snprintf(name, sizeof(name), "%s/holders", path);
	return any_device(name, is_holder, context);
}

bool dmu_has_holder(dev_t device, dev_t but, char *name, size_t len)
{
	const struct holder holder = { .but = but, .name = name, .len = len };
	char path[64], disk[80];

	snprintf(path, sizeof(path), "/sys/dev/block/%u:%u", major(device), minor(device));
	snprintf(disk, sizeof(disk), "%s/partition", path);
	if (has_holder(path, device, &holder) || any_device(path, has_holder, &holder))
		return true;
	if (access(disk, F_OK))
		return false;
	snprintf(disk, sizeof(disk), "%s/..", path);
	return has_holder(disk, device, &holder);
}
