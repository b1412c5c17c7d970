/* SPDX-License-Identifier: GPL-2.0 */
/* Every difference between the kernels that this module builds for. */
#ifndef DMU_COMPAT_H
#define DMU_COMPAT_H

#include <linux/blkdev.h>
#include <linux/device-mapper.h>
#include <linux/version.h>

/* 6.5: block device modes have a type and names of their own. */
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 5, 0)
#define DMU_MODE_WRITE	BLK_OPEN_WRITE
#else
#define DMU_MODE_WRITE	FMODE_WRITE
#endif

/* 6.9: a driver sets the hardware's limit of discards; the user's is derived. */
static inline void dmu_limits_set_discard(struct queue_limits *limits, unsigned int sectors)
{
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 9, 0)
	limits->max_hw_discard_sectors = sectors;
#else
	limits->max_discard_sectors = sectors;
	limits->max_hw_discard_sectors = sectors;
#endif
}

#endif /* DMU_COMPAT_H */
