// SPDX-License-Identifier: GPL-2.0-or-later
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "ctl/task.h"
#include "lib/dmuser.h"

struct dm_task *ctl_task_new(int type, const char *name)
{
	struct dm_task *task = dm_task_create(type);

	if (task && name && !dm_task_set_name(task, name)) {
		dm_task_destroy(task);
		return NULL;
	}
	return task;
}

int ctl_task_new_error(void)
{
	int fd = open("/dev/mapper/control", O_RDWR | O_CLOEXEC);

	if (fd < 0)
		return -errno;
	close(fd);
	return -ENOMEM;
}

int ctl_task_run(struct dm_task *task)
{
	int error;

	if (dm_task_run(task))
		return 0;
	error = dm_task_get_errno(task);
	return error ? -error : -EIO;
}

int ctl_task_query(struct dm_task **task, int type, enum ctl_key key, const char *name,
		   struct dm_info *info)
{
	char uuid[sizeof(DMU_UUID_PREFIX) + DMU_NAME_MAX];
	int ret;

	*task = ctl_task_new(type, key == CTL_BY_NAME ? name : NULL);
	if (!*task)
		return ctl_task_new_error();
	snprintf(uuid, sizeof(uuid), DMU_UUID_PREFIX "%s", name);
	if ((key == CTL_BY_UUID && !dm_task_set_uuid(*task, uuid)) || !dm_task_no_flush(*task))
		return -ENOMEM;
	ret = ctl_task_run(*task);
	if (ret)
		return ret;
	if (!dm_task_get_info(*task, info))
		return -EIO;
	return info->exists ? 0 : -ENXIO;
}

int ctl_task_run_synced(struct dm_task *task)
{
	uint32_t cookie = 0;
	int ret;

	if (!dm_task_set_cookie(task, &cookie, 0))
		return -ENOMEM;
	ret = ctl_task_run(task);
	dm_udev_wait(cookie);
	dm_task_update_nodes();
	return ret;
}
