/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef DMU_CTL_RETIRE_H
#define DMU_CTL_RETIRE_H

#include "ctl/device.h"

/*
 * Replace the table of @device, in use, by rows of dm-linear that say what its extents say. 0, or
 * -errno with @error: then nothing has changed.
 */
int ctl_retire_device(struct ctl_device *device, char *error, size_t len);

#endif
