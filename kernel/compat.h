/* SPDX-License-Identifier: GPL-2.0 */
/* Every difference between the kernels that this module builds for. */
#ifndef DMU_COMPAT_H
#define DMU_COMPAT_H

#include <linux/anon_inodes.h>
#include <linux/blkdev.h>
#include <linux/device-mapper.h>
#include <linux/device/class.h>
#include <linux/fs.h>
#include <linux/module.h>
#include <linux/version.h>

/* 6.5: block device modes have a type and names of their own. */
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 5, 0)
#define DMU_MODE_WRITE	BLK_OPEN_WRITE
#else
#define DMU_MODE_WRITE	FMODE_WRITE
#endif

/* 6.4: a class has no owner. */
static inline struct class *dmu_class_create(const char *name)
{
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 4, 0)
	return class_create(name);
#else
	return class_create(THIS_MODULE, name);
#endif
}

/*
 * 6.8: an anonymous inode of its own for a file, which has the security label that @like's has.
 * Before, modules have only the one that all share, and of which no label is asked.
 */
static inline struct file *dmu_anon_file(const char *name, const struct file_operations *fops,
					 void *private, int flags, struct file *like)
{
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 8, 0)
	return anon_inode_create_getfile(name, fops, private, flags, file_inode(like));
#else
	return anon_inode_getfile(name, fops, private, flags);
#endif
}

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

/*
 * 6.11: whether a queue polls is one of its limits. Before, it is a flag, which DM
 * sets when no device below says otherwise, and we have none.
 */
static inline void dmu_limits_clear_polling(struct queue_limits *limits)
{
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 11, 0)
	limits->features &= ~BLK_FEAT_POLL;
#endif
}

/* The queue of a table that is about to be live. False if it polls and goes on to. */
static inline bool dmu_queue_stop_polling(struct request_queue *queue)
{
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 11, 0)
	return !(queue->limits.features & BLK_FEAT_POLL);
#else
	blk_queue_flag_clear(QUEUE_FLAG_POLL, queue);
	return true;
#endif
}

#endif /* DMU_COMPAT_H */
