// SPDX-License-Identifier: GPL-2.0-or-later
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <linux/dm-ioctl.h>

#include "dm.h"

union dm_args {
	struct dm_ioctl head;
	char room[8192];
};

static int dm_call(union dm_args *args, unsigned long command, const char *name, uint32_t flags)
{
	int fd = open("/dev/mapper/control", O_RDWR | O_CLOEXEC), err = 0;

	if (fd < 0)
		return -errno;
	args->head.version[0] = DM_VERSION_MAJOR;
	args->head.data_size = sizeof(*args);
	args->head.data_start = sizeof(args->head);
	args->head.flags = flags;
	snprintf(args->head.name, sizeof(args->head.name), "%s", name);
	if (ioctl(fd, command, args) < 0)
		err = -errno;
	close(fd);
	return err;
}

int dm_message(const char *name, const char *text)
{
	union dm_args args = { 0 };
	struct dm_target_msg *msg = (void *)(args.room + sizeof(args.head));

	snprintf(msg->message, 256, "%s", text);
	return dm_call(&args, DM_TARGET_MSG, name, 0);
}

int dm_suspend_noflush(const char *name)
{
	union dm_args args = { 0 };

	return dm_call(&args, DM_DEV_SUSPEND, name,
		       DM_SUSPEND_FLAG | DM_NOFLUSH_FLAG | DM_SKIP_LOCKFS_FLAG);
}

int dm_resume(const char *name)
{
	union dm_args args = { 0 };

	return dm_call(&args, DM_DEV_SUSPEND, name, 0);
}

int dm_status(const char *name, char *text, size_t len)
{
	union dm_args args = { 0 };
	int err = dm_call(&args, DM_TABLE_STATUS, name, DM_NOFLUSH_FLAG);

	if (!err)
		snprintf(text, len, "%s",
			 args.room + args.head.data_start + sizeof(struct dm_target_spec));
	return err;
}

long long dm_word(const char *name, const char *key)
{
	char status[1024];
	const char *at;
	int err = dm_status(name, status, sizeof(status));

	if (err)
		return err;
	at = strstr(status, key);
	return at ? strtoll(at + strlen(key), NULL, 10) : -ENOENT;
}

int dm_wait_event(int timeout_ms)
{
	static int fd = -1;
	struct pollfd event = { .events = POLLIN };
	struct dm_ioctl arm = {
		.version[0] = DM_VERSION_MAJOR, .data_size = sizeof(arm), .data_start = sizeof(arm),
	};

	if (fd < 0) {
		fd = open("/dev/mapper/control", O_RDWR | O_CLOEXEC);
		return fd < 0 ? -errno : 0;
	}
	event.fd = fd;
	if (poll(&event, 1, timeout_ms) < 0 || ioctl(fd, DM_DEV_ARM_POLL, &arm) < 0)
		return -errno;
	return 0;
}
