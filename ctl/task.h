/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Tasks of libdevmapper, which device.c and swap.c are made of. */
#ifndef DMU_CTL_TASK_H
#define DMU_CTL_TASK_H

#include <stdint.h>

#include <libdevmapper.h>

/* What device-mapper knows a device by. */
enum ctl_key { CTL_BY_NAME, CTL_BY_UUID };

/* A task for @name; NULL: out of memory, or a name that DM cannot have. */
struct dm_task *ctl_task_new(int type, const char *name);
/* Why there is no task: libdevmapper makes none without the driver, and does not say so. */
int ctl_task_new_error(void);
/* 0 or -errno of the ioctl. */
int ctl_task_run(struct dm_task *task);
/* Run a task after which device nodes change: with udev, return when its rules are through. */
int ctl_task_run_synced(struct dm_task *task);
/*
 * Run a task of type STATUS, TABLE or INFO that does not wait for I/O; *@task is to be destroyed if
 * not NULL. -ENXIO: no such device.
 */
int ctl_task_query(struct dm_task **task, int type, enum ctl_key key, const char *name,
		   struct dm_info *info);

#endif
