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

/*
 * Claim the store for the lifetime of the table, with or without a daemon. It is only a claim: the
 * daemon does the I/O, and the row sets the limits.
 */
static int dmu_claim_backing(struct dmu_target *target)
{
	struct dm_target *ti = target->ti;
	dev_t dev = target->config.backing;
	char number[sizeof("4294967295:4294967295")];
	int ret;

	if (!dev)
		return 0;
	if (dev == disk_devt(dm_disk(dm_table_get_md(ti->table)))) {
		ti->error = "backing: is the device itself";
		return -EINVAL;
	}
	snprintf(number, sizeof(number), "%u:%u", MAJOR(dev), MINOR(dev));
	ret = dm_get_device(ti, number, dm_table_get_mode(ti->table), &target->backing);
	if (ret)
		ti->error = ret == -EBUSY ? "backing: is in use" : "backing: cannot be opened";
	return ret;
}

static void dmu_release_backing(struct dmu_target *target)
{
	if (target->backing)
		dm_put_device(target->ti, target->backing);
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
	if (((ti->begin | ti->len) << SECTOR_SHIFT) & (target->config.logical_block_size - 1)) {
		ti->error = "Start or length is not a multiple of logical_block_size";
		ret = -EINVAL;
		goto err_config;
	}
	ret = dm_set_target_max_io_len(ti, target->config.max_io >> SECTOR_SHIFT);
	if (ret)
		goto err_config;
	ret = dmu_claim_backing(target);
	if (ret)
		goto err_config;
	ret = dmu_node_attach(target, &ti->error);
	if (ret)
		goto err_backing;

	ti->private = target;
	ti->per_io_data_size = sizeof(struct dmu_request);
	ti->num_flush_bios = 1;
	ti->flush_supported = true;
	ti->num_discard_bios = target->config.discard;
	ti->discards_supported = target->config.discard;
	ti->num_write_zeroes_bios = target->config.write_zeroes;
	ti->num_secure_erase_bios = target->config.secure_erase;
	return 0;

err_backing:
	dmu_release_backing(target);
err_config:
	dmu_config_free(&target->config);
err_free:
	kfree(target);
	return ret;
}

static void dmu_dtr(struct dm_target *ti)
{
	struct dmu_target *target = ti->private;

	dmu_node_detach(target);
	dmu_release_backing(target);
	dmu_config_free(&target->config);
	kfree(target);
}

static int dmu_map(struct dm_target *ti, struct bio *bio)
{
	return dmu_request_map(ti->private, bio);
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

static int dmu_message_seal(struct dmu_node *node, const char *arg)
{
	dmu_node_set_sealed(node, true);
	return 0;
}

static int dmu_message_unseal(struct dmu_node *node, const char *arg)
{
	dmu_node_set_sealed(node, false);
	return 0;
}

static int dmu_message_fail(struct dmu_node *node, const char *arg)
{
	dmu_request_revoke_all(node, BLK_STS_IOERR);
	return 0;
}

static int dmu_message_drain(struct dmu_node *node, const char *arg)
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
	int (*run)(struct dmu_node *node, const char *arg);
} dmu_messages[] = {
	{ "seal", 1, dmu_message_seal },
	{ "unseal", 1, dmu_message_unseal },
	{ "fail", 1, dmu_message_fail },
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
			return dmu_messages[i].run(node, argc > 1 ? argv[1] : NULL);
	DMWARN("%s: no message %s with %u arguments; known: seal, unseal, fail, drain GENERATION",
	       node->name, argv[0], argc - 1);
	return -EINVAL;
}

/*
 * No device below does any of the I/O. Before DM offers write zeroes or secure erase, it asks
 * whether a device lacks them; none is the right answer.
 */
static int dmu_iterate_devices(struct dm_target *ti, iterate_devices_callout_fn fn, void *data)
{
	return 0;
}

static void dmu_io_hints(struct dm_target *ti, struct queue_limits *limits)
{
	const struct dmu_target *target = ti->private;
	const struct dmu_config *config = &target->config;

	dmu_limits_clear_polling(limits);
	limits->logical_block_size = config->logical_block_size;
	limits->physical_block_size = config->physical_block_size;
	limits->io_min = config->physical_block_size;
	if (config->discard) {
		limits->discard_granularity = config->logical_block_size;
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
	.version = {1, 2, 0},
	.features = DM_TARGET_NOWAIT,
	.module = THIS_MODULE,
	.ctr = dmu_ctr,
	.dtr = dmu_dtr,
	.map = dmu_map,
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
