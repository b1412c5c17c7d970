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

/*
 * 6.5: block device modes have a type and names of their own.
 * 05bdb9965305 ("block: replace fmode_t with a block-specific type for block open flags")
 */
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 5, 0)
#define DMU_MODE_WRITE	BLK_OPEN_WRITE
#else
#define DMU_MODE_WRITE	FMODE_WRITE
#endif

/*
 * 6.4: a class has no owner.
 * 1aaba11da9aa ("driver core: class: remove module * from class_create()")
 */
static inline struct class *dmu_class_create(const char *name)
{
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 4, 0)
	return class_create(name);
#else
	return class_create(THIS_MODULE, name);
#endif
}

/*
 * 6.8: a file can have an anonymous inode of its own, with the security label of @like's inode.
 * Before, modules have only the inode that all files share, whose label SELinux does not check.
 * 4f0b9194bc11 ("fs: Rename anon_inode_getfile_secure() and anon_inode_getfd_secure()"), exported
 * by a7800aa80ea4 ("KVM: Add KVM_CREATE_GUEST_MEMFD ioctl() for guest-specific backing memory")
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

/*
 * 6.9: a driver sets the hardware's limit of discards; the block layer derives max_discard_sectors.
 * 4f563a64732d ("block: add a max_user_discard_sectors queue limit")
 */
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
 * 6.10: a block device has a pointer to its page cache, and no inode.
 * e33aef2c5857 ("block_device: add a pointer to struct address_space (page cache of bdev)")
 */
static inline struct address_space *dmu_bdev_mapping(struct block_device *bdev)
{
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 10, 0)
	return bdev->bd_mapping;
#else
	return bdev->bd_inode->i_mapping;
#endif
}

/*
 * 6.11: polling is one of the queue's limits. Before, it is a flag, which DM sets unless a device
 * below lacks it, and this target has no device below.
 * 8023e144f9d6 ("block: move the poll flag to queue_limits")
 */
static inline void dmu_limits_clear_polling(struct queue_limits *limits)
{
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 11, 0)
	limits->features &= ~BLK_FEAT_POLL;
#endif
}

/*
 * 6.17: write zeroes that unmap have a limit of their own, which must be 0 or that of write zeroes;
 * DM begins with the greatest limit.
 * 0c40d7cb5ef3 ("block: introduce max_{hw|user}_wzeroes_unmap_sectors to queue limits")
 */
static inline void dmu_limits_clear_unmap(struct queue_limits *limits)
{
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 17, 0)
	limits->max_hw_wzeroes_unmap_sectors = 0;
#endif
}

/*
 * Stop polling on the queue of a table that is about to be live. False if it cannot be stopped.
 * 6.11: see above, 8023e144f9d6 ("block: move the poll flag to queue_limits")
 */
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
