// SPDX-License-Identifier: GPL-2.0
/*
 * What the page cache has of the backing devices. Bios pass it by: dirty pages would overwrite what
 * they wrote, and clean pages would hide it. extents->bypassed is set while there are extents, and
 * after them and after a remap until the page cache is dropped.
 */
#include <linux/blkdev.h>
#include <linux/buffer_head.h>
#include <linux/fs.h>
#include <linux/pagemap.h>

#include "compat.h"
#include "dmu.h"

/*
 * Backing device @nr of the table that is live or will be, or NULL. With references, also on the
 * disk of a partition, for the time after the table.
 */
static struct block_device *dmu_cache_get(struct dmu_node *node, unsigned int nr)
{
	struct block_device *bdev = NULL;
	struct dmu_target *target;

	mutex_lock(&node->targets_lock);
	target = node->live ?: list_first_entry_or_null(&node->targets, struct dmu_target, list);
	if (target && target->backings[nr]) {
		bdev = target->backings[nr]->bdev;
		ihold(dmu_bdev_mapping(bdev)->host);
		get_device(disk_to_dev(bdev->bd_disk));
	}
	mutex_unlock(&node->targets_lock);
	return bdev;
}

static void dmu_cache_put(struct block_device *bdev)
{
	struct device *disk = disk_to_dev(bdev->bd_disk);

	iput(dmu_bdev_mapping(bdev)->host);
	put_device(disk);
}

/*
 * Write back and drop all pages. -EBUSY: another process made a page dirty again. A failed
 * writeback that no file has reported, now or earlier, fails the next flush: the file that it would
 * be reported to may be closed.
 */
static int dmu_cache_drop_one(struct dmu_node *node, struct block_device *bdev)
{
	struct address_space *mapping = dmu_bdev_mapping(bdev);
	int lost = sync_blockdev(bdev), busy;
	errseq_t seen = errseq_sample(&mapping->wb_err);

	lost = errseq_check_and_advance(&mapping->wb_err, &seen) ?: lost;
	if (lost)
		WRITE_ONCE(node->flush_lost, true);
	invalidate_bdev(bdev);	/* the buffers that processors keep at hand, too */
	busy = invalidate_inode_pages2(mapping);
	return busy ? -EBUSY : lost;
}

/* 0, -EBUSY or the error of a writeback. May sleep for long. */
int dmu_cache_drop(struct dmu_node *node)
{
	struct dmu_extents *extents = node->extents;
	struct block_device *bdev;
	unsigned int i;
	int ret = 0, one;

	/* First: what bypasses the page cache meanwhile sets it again. */
	if (!READ_ONCE(extents->count))
		WRITE_ONCE(extents->bypassed, false);
	for (i = 0; i < DMU_BACKINGS_MAX; i++) {
		bdev = dmu_cache_get(node, i);
		if (!bdev)
			continue;
		one = dmu_cache_drop_one(node, bdev);
		dmu_cache_put(bdev);
		ret = ret ?: one;
	}
	if (ret == -EBUSY || READ_ONCE(extents->count))
		WRITE_ONCE(extents->bypassed, true);
	return ret;
}

/* @target is the last of its node: no daemon will drop what it has left old. Waits for no I/O. */
void dmu_cache_forget(struct dmu_target *target)
{
	unsigned int i;

	for (i = 0; i < DMU_BACKINGS_MAX; i++)
		if (target->backings[i])
			invalidate_bdev(target->backings[i]->bdev);
}
