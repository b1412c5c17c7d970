/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A device of the dm-user target, by libdevmapper. */
#ifndef DMU_CTL_DEVICE_H
#define DMU_CTL_DEVICE_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/target.h"

struct ctl_device {
	char name[128];			/* DM_NAME_LEN of the kernel */
	char uuid[129];
	uint32_t major, minor;
	int32_t open_count;
	bool suspended, read_only;
	uint64_t start, sectors;	/* of the row */
	char table[1024];		/* the row, as dmsetup prints it */
	struct dmu_target_policy policy;
	struct dmu_target_status kstatus;
};

/* Call once, before any other ctl_dm function. */
void ctl_dm_init(void);
/*
 * 0; -ENXIO: no such device; -EMEDIUMTYPE: it has no row of target "user", and @device only what is
 * there without; -ENODATA: likewise, since it has no live table (yet); or another -errno.
 */
int ctl_dm_device(const char *name, struct ctl_device *device);
/* ctl_dm_device(), which prints its error: 0, or CTL_FAILED. */
int ctl_dm_require(const char *name, struct ctl_device *device);
/*
 * A device that was renamed keeps the name of its run directory in its UUID, and is found by
 * either: this gives the first. Valid until the next call.
 */
const char *ctl_dm_first_name(const char *name);
/* Print why ctl_dm_device() of @name failed. */
void ctl_dm_device_error(const char *name, int error);
/* Call @visit for each device with a row of target "user", until it does not return 0. */
int ctl_dm_each(int (*visit)(const struct ctl_device *device, void *context), void *context);
int ctl_dm_message(const struct ctl_device *device, const char *message);
int ctl_dm_remove(const char *name);
/* Send a message that is answered. The caller frees *@answer. */
int ctl_dm_ask(const struct ctl_device *device, const char *message, char **answer);
/* The device was created by a program of this project. */
bool ctl_dm_is_ours(const struct ctl_device *device);
/*
 * A descriptor that polls readable after any DM event, creation or removal since it was last armed.
 * The descriptor, or -errno.
 */
int ctl_dm_events_open(void);
int ctl_dm_events_arm(int fd);

#endif
