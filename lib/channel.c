// SPDX-License-Identifier: LGPL-2.1-or-later
/* A channel is an open of /dev/dm-user/CTL. Only this file uses its ioctls. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>

#include "lib/dmuser.h"

bool dmu_name_valid(const char *name)
{
	static const char allowed[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
				      "0123456789_.+-";
	size_t len = strspn(name, allowed);

	if (!len || len > DMU_NAME_MAX || name[len])
		return false;
	return strcmp(name, ".") && strcmp(name, "..");
}

int dmu_channel_open(const char *ctl)
{
	char path[sizeof(DMU_NODE_DIR) + 1 + DMU_NAME_MAX];
	int fd;

	if (!dmu_name_valid(ctl))
		return -EINVAL;
	snprintf(path, sizeof(path), DMU_NODE_DIR "/%s", ctl);
	fd = open(path, O_RDWR | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

/* #syscalls main: ioctl */
int dmu_channel_dup(int fd)
{
	struct dm_user_open args = { 0 };
	int rc = ioctl(fd, DM_USER_IOC_OPEN, &args);

	return rc < 0 ? -errno : rc;
}

/* #syscalls main: ioctl */
int dmu_channel_info(int fd, struct dm_user_info *info)
{
	memset(info, 0, sizeof(*info));
	return ioctl(fd, DM_USER_IOC_INFO, info) < 0 ? -errno : 0;
}

/* #syscalls main: ioctl */
int dmu_channel_join(int fd, uint64_t generation, bool create)
{
	struct dm_user_join args = {
		.generation = generation,
		.flags = create ? DM_USER_JOIN_CREATE : 0,
	};

	return ioctl(fd, DM_USER_IOC_JOIN, &args) < 0 ? -errno : 0;
}

/* #syscalls main: ioctl */
int dmu_channel_drain(int fd, bool undo)
{
	struct dm_user_drain args = { .flags = undo ? DM_USER_DRAIN_UNDO : 0 };

	return ioctl(fd, DM_USER_IOC_DRAIN, &args) < 0 ? -errno : (int)args.state;
}

/* #syscalls main: ioctl */
int dmu_channel_seal(int fd)
{
	return ioctl(fd, DM_USER_IOC_SEAL) < 0 ? -errno : 0;
}

/* #syscalls main: ioctl */
int dmu_channel_map(int fd, const struct dm_user_extent *extents, unsigned int count,
		    unsigned int *done)
{
	struct dm_user_map args = { .extents = (uintptr_t)extents, .count = count };
	int rc = ioctl(fd, DM_USER_IOC_MAP, &args) < 0 ? -errno : 0;

	if (done)
		*done = args.count == count && rc ? 0 : args.count;
	return rc;
}

/* #syscalls main: ioctl */
int dmu_channel_list(int fd, uint64_t *sector, struct dm_user_extent *extents, unsigned int count)
{
	struct dm_user_map args = {
		.extents = (uintptr_t)extents, .count = count, .sector = *sector,
	};

	if (ioctl(fd, DM_USER_IOC_LIST, &args) < 0)
		return -errno;
	*sector = args.sector;
	return (int)args.count;
}

/* #syscalls main: ioctl */
int dmu_channel_sync(int fd)
{
	return ioctl(fd, DM_USER_IOC_SYNC) < 0 ? -errno : 0;
}

/* #syscalls both: ioctl */
int dmu_channel_clean(int fd)
{
	return ioctl(fd, DM_USER_IOC_CLEAN) < 0 ? -errno : 0;
}

/* #syscalls main: ioctl */
int dmu_channel_drop(int fd)
{
	return ioctl(fd, DM_USER_IOC_DROP) < 0 ? -errno : 0;
}
