// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Devices of the target "user", by libdevmapper. With udev running, a removal waits for its rules;
 * without, libdevmapper makes and removes /dev/mapper/NAME itself.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <linux/dm-ioctl.h>

#include "ctl/args.h"
#include "ctl/device.h"
#include "ctl/output.h"
#include "ctl/task.h"
#include "lib/dmuser.h"

#define CONTROL		"/dev/mapper/control"
#define UDEV_SOCKET	"/run/udev/control"

/* Its messages would stand beside ours: the caller reports each failure, once. */
static void log_silently(int level, const char *file, int line, int dm_errno, const char *format,
			 ...)
{
}

/* The socket alone proves nothing: at shutdown it may outlive udev. */
static bool udev_listens(void)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX, .sun_path = UDEV_SOCKET };
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), ret;

	if (fd < 0)
		return false;
	ret = connect(fd, (struct sockaddr *)&addr, sizeof(addr));
	/* EAGAIN: the backlog is full, so udev lives. */
	if (ret && errno == EAGAIN)
		ret = 0;
	close(fd);
	return !ret;
}

void ctl_dm_init(void)
{
	dm_log_with_errno_init(log_silently);
	if (getenv("DM_DISABLE_UDEV") || !udev_listens())
		dm_udev_set_sync_support(0);
}

/* The first row of target "user" in @task's answer. NULL: there is none. */
static const char *row_find(struct dm_task *task, uint64_t *start, uint64_t *sectors)
{
	char *type, *params;
	void *next = NULL;

	do {
		next = dm_get_next_target(task, next, start, sectors, &type, &params);
		if (type && !strcmp(type, "user"))
			return params ? params : "";
	} while (next);
	return NULL;
}

static int device_table(struct ctl_device *device)
{
	struct dm_task *task;
	struct dm_info info;
	const char *params;
	int ret;

	ret = ctl_task_query(&task, DM_DEVICE_TABLE, CTL_BY_NAME, device->name, &info);
	if (ret)
		goto out;
	params = row_find(task, &device->start, &device->sectors);
	if (!params) {
		ret = -EMEDIUMTYPE;
		goto out;
	}
	snprintf(device->table, sizeof(device->table), "%llu %llu user %s",
		 (unsigned long long)device->start, (unsigned long long)device->sectors, params);
	ret = dmu_target_policy_parse(&device->policy, params, device->kstatus.android);
out:
	if (task)
		dm_task_destroy(task);
	return ret;
}

static int device_find(enum ctl_key key, const char *name, struct ctl_device *device)
{
	const char *params, *uuid;
	struct dm_task *task;
	uint64_t start, sectors;
	struct dm_info info;
	int ret;

	memset(device, 0, sizeof(*device));
	ret = ctl_task_query(&task, DM_DEVICE_STATUS, key, name, &info);
	if (ret)
		goto out;
	snprintf(device->name, sizeof(device->name), "%s", dm_task_get_name(task));
	uuid = dm_task_get_uuid(task);
	snprintf(device->uuid, sizeof(device->uuid), "%s", uuid ? uuid : "");
	device->major = info.major;
	device->minor = info.minor;
	device->open_count = info.open_count;
	device->suspended = info.suspended;
	device->read_only = info.read_only;
	params = row_find(task, &start, &sectors);
	if (params)
		ret = dmu_target_status_parse(&device->kstatus, params);
	else
		ret = info.live_table ? -EMEDIUMTYPE : -ENODATA;
	if (!ret)
		ret = device_table(device);
out:
	if (task)
		dm_task_destroy(task);
	return ret;
}

int ctl_dm_device(const char *name, struct ctl_device *device)
{
	int ret = device_find(CTL_BY_UUID, name, device);

	return ret == -ENXIO ? device_find(CTL_BY_NAME, name, device) : ret;
}

bool ctl_dm_is_ours(const struct ctl_device *device)
{
	return !strncmp(device->uuid, DMU_UUID_PREFIX, strlen(DMU_UUID_PREFIX));
}

const char *ctl_dm_first_name(const char *name)
{
	static struct ctl_device device;
	const char *first = device.uuid + strlen(DMU_UUID_PREFIX);

	if (device_find(CTL_BY_UUID, name, &device) != -ENXIO ||
	    device_find(CTL_BY_NAME, name, &device) == -ENXIO ||
	    !ctl_dm_is_ours(&device) || !dmu_name_valid(first))
		return name;
	return first;
}

void ctl_dm_device_error(const char *name, int error)
{
	switch (error) {
	case -ENXIO:
		ctl_error("%s: no such device", name);
		break;
	case -EMEDIUMTYPE:
		ctl_error("%s: not a device of the dm-user target", name);
		break;
	case -ENODATA:
		ctl_error("%s: the device has no live table", name);
		break;
	case -EINVAL:
		ctl_error("%s: the kernel's status of it makes no sense", name);
		break;
	case -ENOENT:
	case -ENODEV:
		ctl_error("%s: no device-mapper in this kernel (%s: %s; are the modules dm-mod and "
			  "dm-user loaded?)", name, CONTROL, strerror(-error));
		break;
	default:
		ctl_error("%s: cannot ask device-mapper: %s", name, strerror(-error));
	}
}

int ctl_dm_require(const char *name, struct ctl_device *device)
{
	int ret = ctl_dm_device(name, device);

	if (!ret)
		return CTL_DONE;
	if (ret == -EMEDIUMTYPE && ctl_dm_is_ours(device))
		ctl_error("%s: not a device of the dm-user target any more: it was retired "
			  "('dmuserctl attach' undoes that), or fails all I/O after a "
			  "'remove --force'", name);
	else
		ctl_dm_device_error(name, ret);
	return CTL_FAILED;
}

int ctl_dm_each(int (*visit)(const struct ctl_device *device, void *context), void *context)
{
	struct ctl_device device;
	struct dm_names *names;
	struct dm_task *task;
	unsigned int next;
	int ret;

	task = ctl_task_new(DM_DEVICE_LIST, NULL);
	if (!task)
		return ctl_task_new_error();
	ret = ctl_task_run(task);
	if (ret)
		goto out;
	names = dm_task_get_names(task);
	if (!names || !names->dev)
		goto out;
	do {
		/* A device that is gone by now, or of another target, is left out. */
		if (!device_find(CTL_BY_NAME, names->name, &device)) {
			ret = visit(&device, context);
			if (ret)
				break;
		}
		next = names->next;
		names = (struct dm_names *)((char *)names + next);
	} while (next);
out:
	dm_task_destroy(task);
	return ret;
}

int ctl_dm_ask(const struct ctl_device *device, const char *message, char **answer)
{
	struct dm_task *task = ctl_task_new(DM_DEVICE_TARGET_MSG, device->name);
	const char *said = NULL;
	int ret = -ENOMEM;

	if (task && dm_task_set_sector(task, device->start) && dm_task_set_message(task, message))
		ret = ctl_task_run(task);
	if (!ret && answer) {
		said = dm_task_get_message_response(task);
		*answer = strdup(said ? said : "");
		ret = *answer ? 0 : -ENOMEM;
	}
	if (task)
		dm_task_destroy(task);
	return ret;
}

int ctl_dm_message(const struct ctl_device *device, const char *message)
{
	return ctl_dm_ask(device, message, NULL);
}

int ctl_dm_remove(const char *name)
{
	struct dm_task *task = ctl_task_new(DM_DEVICE_REMOVE, name);
	int ret = -ENOMEM;

	/* Retry while udev has the device open after an event, and for no other process. */
	if (task && (!dm_udev_get_sync_support() || dm_task_retry_remove(task)))
		ret = ctl_task_run_synced(task);
	if (task)
		dm_task_destroy(task);
	return ret;
}

int ctl_dm_events_open(void)
{
	int fd = open(CONTROL, O_RDWR | O_CLOEXEC), ret;

	if (fd < 0)
		return -errno;
	ret = ctl_dm_events_arm(fd);
	if (!ret)
		return fd;
	close(fd);
	return ret;
}

int ctl_dm_events_arm(int fd)
{
	/* 4.37: the first that can be polled. */
	struct dm_ioctl arm = { .version = { 4, 37, 0 }, .data_size = sizeof(arm) };

	return ioctl(fd, DM_DEV_ARM_POLL, &arm) ? -errno : 0;
}
