/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Replace the table of a device in use. */
#ifndef DMU_CTL_SWAP_H
#define DMU_CTL_SWAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "ctl/device.h"

struct ctl_row {
	uint64_t start, sectors;
	char type[16];			/* DM_MAX_TYPE_NAME of the kernel */
	char params[1024];
};

/*
 * From here on this process needs no I/O of any device to go on: call it before the device may
 * stop. 0, or -errno with @error.
 */
int ctl_swap_reside(char *error, size_t len);
/* The only row of device @name. 0, or -errno; -E2BIG: there are several. */
int ctl_swap_read(const char *name, struct ctl_row *row);
/*
 * Make @rows the table of @device, in one ioctl and without a flush: requests in flight end, or go
 * to the new table, and none fails. 0, or -errno with @error: then the device has its old table.
 */
int ctl_swap(const struct ctl_device *device, const struct ctl_row *rows, unsigned int count,
	     char *error, size_t len);
/* The same with one row of target "error", whatever another program has loaded. */
int ctl_swap_to_error(const struct ctl_device *device);
/* A number in sysfs about block device @number, or about its queue. 0, or -errno. */
int ctl_sysfs_number(dev_t number, const char *key, uint64_t *value);
int ctl_queue_number(dev_t number, const char *key, uint64_t *value);

#endif
