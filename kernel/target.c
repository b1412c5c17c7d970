// SPDX-License-Identifier: GPL-2.0
/* The device-mapper target "user": DM's calls, turned into the node's. */
#include <linux/jiffies.h>
#include <linux/kdev_t.h>
#include <linux/module.h>
#include <linux/moduleparam.h>
#include <linux/slab.h>

#include "compat.h"
#include "dmu.h"

#define DM_MSG_PREFIX "user"

/* Longest discard, write zeroes or secure erase: the most that fits a bio, in whole pages. */
#define DMU_MAX_BULK_SECTORS	(round_down(UINT_MAX, PAGE_SIZE) >> SECTOR_SHIFT)

/* Claim backing device @nr of the row for the lifetime of the table. */
static int dmu_claim_backing(struct dmu_target *target, unsigned int nr)
{
	struct dm_target *ti = target->ti;
	dev_t dev = target->config.backings[nr];
	char number[sizeof("4294967295:4294967295")];
	int ret;

	if (dev == disk_devt(dm_disk(dm_table_get_md(ti->table)))) {
		ti->error = "backing: is the device itself";
		return -EINVAL;
	}
	snprintf(number, sizeof(number), "%u:%u", MAJOR(dev), MINOR(dev));
	ret = dm_get_device(ti, number, dm_table_get_mode(ti->table),
			    &target->backings[nr]);
	if (ret)
		ti->error = ret == -EBUSY ? "backing: is in use" : "backing: cannot be opened";
	return ret;
}

static void dmu_release_backings(struct dmu_target *target)
{
	unsigned int i;

	for (i = 0; i < DMU_BACKINGS_MAX; i++)
		if (target->backings[i])
			dm_put_device(target->ti, target->backings[i]);
}

/*
 * Without extents it is only a claim: the daemon does the I/O, and the row sets the limits. With
 * extents the blocks must not be smaller than those of the devices.
 */
static int dmu_claim_backings(struct dmu_target *target)
{
	struct dmu_config *config = &target->config;
	struct dm_target *ti = target->ti;
	struct block_device *bdev;
	unsigned int i;
	int ret;

	for (i = 0; i < config->backing_count; i++) {
		ret = dmu_claim_backing(target, i);
		if (ret)
			return ret;
		bdev = target->backings[i]->bdev;
		if (!config->extents_max)
			continue;
		if (bdev_nr_sectors(bdev) << SECTOR_SHIFT < config->logical_block_size) {
			ti->error = "backing: is smaller than a block";
			return -EINVAL;
		}
		config->logical_block_size = max(config->logical_block_size,
						 bdev_logical_block_size(bdev));
		config->physical_block_size = max(config->physical_block_size,
						  bdev_physical_block_size(bdev));
	}
	return 0;
}

/* Send @bio, of this target, to backing device @nr. */
void dmu_target_redirect(struct dmu_target *target, struct bio *bio, unsigned int nr,
			 sector_t sector)
{
	bio_set_dev(bio, target->backings[nr]->bdev);
	bio->bi_iter.bi_sector = sector;
}

/* The same for @req, which is no request any more. */
void dmu_target_submit(struct dmu_request *req, unsigned int nr, sector_t sector)
{
	dmu_target_redirect(req->target, req->bio, nr, sector);
	dmu_node_submit(req->target->node, req);
}

/* The file system on a live device knows its blocks: refuse larger ones at the load. */
static bool dmu_blocks_fit(const struct dmu_target *target)
{
	struct gendisk *disk = dm_disk(dm_table_get_md(target->ti->table));

	return !get_capacity(disk) ||
	       queue_logical_block_size(disk->queue) >= target->config.logical_block_size;
}

static int dmu_ctr(struct dm_target *ti, unsigned int argc, char **argv)
{
	struct dmu_target *target;
	int ret;

	target = kzalloc(sizeof(*target), GFP_KERNEL);
	if (!target) {
		ti->error = "Cannot allocate memory";
		return -ENOMEM;
	}
	target->ti = ti;
	ret = dmu_config_parse(&target->config, argc, argv, &ti->error);
	if (ret)
		goto err_free;
	ret = dmu_claim_backings(target);
	if (ret)
		goto err_backings;
	ret = -EINVAL;
	if (((ti->begin | ti->len) << SECTOR_SHIFT) & (target->config.logical_block_size - 1)) {
		ti->error = "Start or length is not a multiple of logical_block_size";
		goto err_backings;
	}
	if (target->config.max_io & (target->config.logical_block_size - 1)) {
		ti->error = "max_io is not a multiple of the backing device's blocks";
		goto err_backings;
	}
	if (target->config.extents_max && !dmu_blocks_fit(target)) {
		ti->error = "The live device has smaller blocks than the backing device";
		goto err_backings;
	}
	ret = target->config.extents_max ? 0 :
	      dm_set_target_max_io_len(ti, target->config.max_io >> SECTOR_SHIFT);
	if (ret)
		goto err_backings;
	ret = dmu_node_attach(target, &ti->error);
	if (ret)
		goto err_backings;

	ti->private = target;
	ti->per_io_data_size = sizeof(struct dmu_request);
	/* With extents, one for each backing device; the first goes to the daemon, too. */
	ti->num_flush_bios = target->config.extents_max ? target->config.backing_count : 1;
	ti->flush_supported = true;
	ti->num_discard_bios = target->config.discard;
	ti->discards_supported = target->config.discard;
	ti->num_write_zeroes_bios = target->config.write_zeroes;
	ti->num_secure_erase_bios = target->config.secure_erase;
	return 0;

err_backings:
	dmu_release_backings(target);
	dmu_config_free(&target->config);
err_free:
	kfree(target);
	return ret;
}

static void dmu_dtr(struct dm_target *ti)
{
	struct dmu_target *target = ti->private;

	if (dmu_node_detach(target))
		dmu_cache_forget(target);
	dmu_release_backings(target);
	dmu_config_free(&target->config);
	kfree(target);
}

static int dmu_map(struct dm_target *ti, struct bio *bio)
{
	struct dmu_target *target = ti->private;

	return target->node->extents ? dmu_extents_map(target, bio) :
				       dmu_request_map(target, bio);
}

static int dmu_end_io(struct dm_target *ti, struct bio *bio, blk_status_t *error)
{
	dmu_flight_leave(dm_per_bio_data(bio, sizeof(struct dmu_request)));
	return DM_ENDIO_DONE;
}

/* A noflush suspend gives DM all unanswered requests back, queued ones and those of daemons. */
static void dmu_presuspend(struct dm_target *ti)
{
	struct dmu_target *target = ti->private;

	if (dm_noflush_suspending(ti))
		dmu_request_revoke_all(target->node, BLK_STS_DM_REQUEUE);
}

static void dmu_postsuspend(struct dm_target *ti)
{
	struct dmu_target *target = ti->private;
	struct dmu_node *node = target->node;

	spin_lock_bh(&node->lock);
	node->suspended = true;
	spin_unlock_bh(&node->lock);
}

static int dmu_preresume(struct dm_target *ti)
{
	return dmu_node_check_queue(ti->private);
}

static void dmu_resume(struct dm_target *ti)
{
	dmu_node_activate(ti->private);
}

/* Age of the oldest request, in milliseconds; 0 if there is none. */
static unsigned int dmu_oldest_ms(struct dmu_node *node)
{
	struct dmu_request *oldest;

	lockdep_assert_held(&node->lock);
	oldest = list_first_entry_or_null(&node->requests, struct dmu_request, age);
	return oldest ? jiffies_to_msecs(jiffies - oldest->born) : 0;
}

static const char *const dmu_generation_states[] = {
	[DM_USER_SERVING] = "serving",
	[DM_USER_DRAINING] = "draining",
	[DM_USER_DRAINED] = "drained",
};

static void dmu_status_info(struct dmu_node *node, char *result, unsigned int maxlen)
{
	const struct dmu_counters *c = &node->counters;
	struct dmu_extents_view view;
	struct dmu_generation *g;
	unsigned int held = 0, sz = 0;

	lockdep_assert_held(&node->lock);
	list_for_each_entry(g, &node->generations, list)
		held += g->held;

	DMEMIT("queued:%llu held:%u fenced:%u channels:%u generation:%llu", node->queued, held,
	       node->fenced, node->channel_count, node->newest_generation);
	DMEMIT(" sealed:%d suspended:%d daemon:%d oldest_ms:%u", node->sealed, node->suspended,
	       node->has_daemon, dmu_oldest_ms(node));
	DMEMIT(" reads:%llu writes:%llu flushes:%llu", c->answered[DM_USER_REQ_MAP_READ],
	       c->answered[DM_USER_REQ_MAP_WRITE], c->answered[DM_USER_REQ_MAP_FLUSH]);
	DMEMIT(" discards:%llu secure_erases:%llu write_zeroes:%llu",
	       c->answered[DM_USER_REQ_MAP_DISCARD], c->answered[DM_USER_REQ_MAP_SECURE_ERASE],
	       c->answered[DM_USER_REQ_MAP_WRITE_ZEROES]);
	DMEMIT(" errors:%llu unsupported:%llu requeued:%llu failed:%llu refused:%llu",
	       c->errors, c->unsupported, c->requeued, c->failed, c->refused);
	if (node->extents) {
		dmu_extents_status(node->extents, &view);
		DMEMIT(" extents:%u mapped:%llu clean:%d remapped:%llu", view.count,
		       view.sectors, node->clean, c->remapped);
		DMEMIT(" mapped_reads:%llu mapped_writes:%llu mapped_others:%llu", view.reads,
		       view.writes, view.others);
		if (node->pinned)
			DMEMIT(" pinned:1");
		if (READ_ONCE(node->flush_lost))
			DMEMIT(" lost:1");
	}
	if (node->config.nospace_wait)
		DMEMIT(" nospace:%llu", node->lacking);
	if (node->config.android)
		DMEMIT(" android:1");
	list_for_each_entry(g, &node->generations, list)
		if (g->channels)
			DMEMIT(" gen:%llu,%s,%u,%u,%llu", g->number,
			       dmu_generation_states[g->state], g->channels, g->held, g->answered);
}

static void dmu_status(struct dm_target *ti, status_type_t type, unsigned int status_flags,
		       char *result, unsigned int maxlen)
{
	struct dmu_target *target = ti->private;
	struct dmu_node *node = target->node;
	unsigned int sz = 0;

	switch (type) {
	case STATUSTYPE_INFO:
		spin_lock_bh(&node->lock);
		dmu_status_info(node, result, maxlen);
		spin_unlock_bh(&node->lock);
		break;
	case STATUSTYPE_TABLE:
		DMEMIT("%s", target->config.row);
		break;
	case STATUSTYPE_IMA:
		DMEMIT_TARGET_NAME_VERSION(ti->type);
		DMEMIT(";");
		break;
	}
}

static int dmu_message_seal(struct dmu_node *node, const char *arg, char *result,
			    unsigned int maxlen)
{
	dmu_node_set_sealed(node, true);
	return 0;
}

static int dmu_message_unseal(struct dmu_node *node, const char *arg, char *result,
			      unsigned int maxlen)
{
	dmu_node_set_sealed(node, false);
	return 0;
}

static int dmu_message_fail(struct dmu_node *node, const char *arg, char *result,
			    unsigned int maxlen)
{
	dmu_request_revoke_all(node, BLK_STS_IOERR);
	return 0;
}

static int dmu_message_unmap(struct dmu_node *node, const char *arg, char *result,
			     unsigned int maxlen)
{
	return dmu_extents_drop(node);
}

static int dmu_message_extents(struct dmu_node *node, const char *arg, char *result,
			       unsigned int maxlen)
{
	return dmu_extents_print(node, result, maxlen);
}

static int dmu_message_pin(struct dmu_node *node, const char *arg, char *result,
			   unsigned int maxlen)
{
	return dmu_pin(node);
}

static int dmu_message_unpin(struct dmu_node *node, const char *arg, char *result,
			     unsigned int maxlen)
{
	return dmu_unpin(node);
}

static int dmu_message_drain(struct dmu_node *node, const char *arg, char *result,
			     unsigned int maxlen)
{
	struct dmu_generation *generation;
	u64 number;
	bool found;

	if (kstrtou64(arg, 10, &number))
		return -EINVAL;
	spin_lock_bh(&node->lock);
	generation = dmu_generation_find(node, number);
	found = generation && generation->channels;
	if (found)
		dmu_generation_drain(node, generation, true);
	spin_unlock_bh(&node->lock);
	if (!found)
		return -ENOENT;
	dmu_node_wake_all(node);
	dmu_node_event(node);
	return 0;
}

static const struct dmu_message {
	const char *name;
	unsigned int argc;
	/* 1: the answer is in @result, which lies over @arg. */
	int (*run)(struct dmu_node *node, const char *arg, char *result, unsigned int maxlen);
} dmu_messages[] = {
	{ "seal", 1, dmu_message_seal },
	{ "unseal", 1, dmu_message_unseal },
	{ "fail", 1, dmu_message_fail },
	{ "unmap", 1, dmu_message_unmap },
	{ "extents", 1, dmu_message_extents },
	{ "pin", 1, dmu_message_pin },
	{ "unpin", 1, dmu_message_unpin },
	{ "drain", 2, dmu_message_drain },
};

/* Only CAP_SYS_ADMIN gets here. */
static int dmu_message(struct dm_target *ti, unsigned int argc, char **argv, char *result,
		       unsigned int maxlen)
{
	struct dmu_target *target = ti->private;
	struct dmu_node *node = target->node;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(dmu_messages); i++)
		if (!strcmp(argv[0], dmu_messages[i].name) && argc == dmu_messages[i].argc)
			return dmu_messages[i].run(node, argc > 1 ? argv[1] : NULL, result, maxlen);
	DMWARN("%s: no message %s with %u arguments, see dmuser(4)", node->name, argv[0], argc - 1);
	return -EINVAL;
}

/*
 * Without extents, no device below does any of the I/O. Before DM offers write zeroes or secure
 * erase, it asks whether a device lacks them; none is the right answer.
 */
static int dmu_iterate_devices(struct dm_target *ti, iterate_devices_callout_fn fn, void *data)
{
	const struct dmu_target *target = ti->private;
	sector_t block = target->config.logical_block_size >> SECTOR_SHIFT, len;
	struct dm_dev *dev;
	unsigned int i;
	int ret = 0;

	if (!target->config.extents_max)
		return 0;
	for (i = 0; i < target->config.backing_count && !ret; i++) {
		dev = target->backings[i];
		len = min(ti->len, bdev_nr_sectors(dev->bdev));
		ret = fn(ti, dev, 0, round_down(len, block), data);
	}
	return ret;
}

static void dmu_io_hints(struct dm_target *ti, struct queue_limits *limits)
{
	const struct dmu_target *target = ti->private;
	const struct dmu_config *config = &target->config;

	dmu_limits_clear_polling(limits);
	/* With extents, these are the limits of the devices below so far. */
	limits->logical_block_size = max(limits->logical_block_size, config->logical_block_size);
	limits->physical_block_size = max(limits->physical_block_size,
					  config->physical_block_size);
	limits->io_min = max(limits->io_min, config->physical_block_size);
	if (config->discard) {
		limits->discard_granularity = max(config->extents_max ?
						  limits->discard_granularity : 0,
						  config->logical_block_size);
		dmu_limits_set_discard(limits, DMU_MAX_BULK_SECTORS);
	}
	if (config->write_zeroes)
		limits->max_write_zeroes_sectors = DMU_MAX_BULK_SECTORS;
	/* The target does not know whether a daemon unmaps where it writes zeroes. */
	dmu_limits_clear_unmap(limits);
	if (config->secure_erase)
		limits->max_secure_erase_sectors = DMU_MAX_BULK_SECTORS;
}

static struct target_type dmu_target_type = {
	.name = "user",
	.version = {1, 3, 0},
	.features = DM_TARGET_NOWAIT,
	.module = THIS_MODULE,
	.ctr = dmu_ctr,
	.dtr = dmu_dtr,
	.map = dmu_map,
	.end_io = dmu_end_io,
	.presuspend = dmu_presuspend,
	.postsuspend = dmu_postsuspend,
	.preresume = dmu_preresume,
	.resume = dmu_resume,
	.status = dmu_status,
	.message = dmu_message,
	.iterate_devices = dmu_iterate_devices,
	.io_hints = dmu_io_hints,
};

/* compat= of the module: the default for rows without the argument compat:. */
static int dmu_compat_set(const char *value, const struct kernel_param *param)
{
	bool android;
	int ret = dmu_compat_parse(value, &android);

	if (!ret)
		WRITE_ONCE(dmu_compat_default, android);
	return ret;
}

static int dmu_compat_get(char *buffer, const struct kernel_param *param)
{
	return sysfs_emit(buffer, "%s\n", READ_ONCE(dmu_compat_default) ? "android" : "none");
}

static const struct kernel_param_ops dmu_compat_ops = {
	.set = dmu_compat_set,
	.get = dmu_compat_get,
};

module_param_cb(compat, &dmu_compat_ops, NULL, 0644);
MODULE_PARM_DESC(compat, "none or android: for table rows that do not say compat:");

static int __init dmu_init(void)
{
	int ret;

	ret = dmu_end_init();
	if (ret)
		return ret;
	ret = dmu_request_init();
	if (ret)
		goto err_end;
	/* Unbound: its work may end thousands of bios. */
	dmu_workqueue = alloc_workqueue("dm-user", WQ_MEM_RECLAIM | WQ_UNBOUND, 0);
	if (!dmu_workqueue) {
		ret = -ENOMEM;
		goto err_request;
	}
	ret = dmu_device_init();
	if (ret)
		goto err_workqueue;
	ret = dm_register_target(&dmu_target_type);
	if (ret)
		goto err_device;
	return 0;

err_device:
	dmu_device_exit();
err_workqueue:
	destroy_workqueue(dmu_workqueue);
err_request:
	dmu_request_exit();
err_end:
	dmu_end_exit();
	return ret;
}

static void __exit dmu_exit(void)
{
	dm_unregister_target(&dmu_target_type);
	dmu_device_exit();
	destroy_workqueue(dmu_workqueue);
	dmu_request_exit();
	dmu_end_exit();
}

module_init(dmu_init);
module_exit(dmu_exit);

MODULE_AUTHOR("The dmuser authors");
MODULE_DESCRIPTION(DM_NAME " target whose I/O is answered by userspace");
MODULE_LICENSE("GPL");
MODULE_VERSION("0.1.0");
