// SPDX-License-Identifier: GPL-2.0
/* The ioctls of a channel, as the ABI header defines them. */
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/ioctl.h>
#include <linux/kdev_t.h>
#include <linux/uaccess.h>

#include "compat.h"
#include "dmu.h"

/* The layout of the ABI cannot change. */
static_assert(sizeof(struct dm_user_message) == 40);
static_assert(offsetof(struct dm_user_message, seq) == 0);
static_assert(offsetof(struct dm_user_message, type) == 8);
static_assert(offsetof(struct dm_user_message, flags) == 16);
static_assert(offsetof(struct dm_user_message, sector) == 24);
static_assert(offsetof(struct dm_user_message, len) == 32);
static_assert(offsetof(struct dm_user_message, buf) == 40);
static_assert(sizeof(struct dm_user_info) == 136);
static_assert(offsetof(struct dm_user_info, features) == 8);
static_assert(offsetof(struct dm_user_info, dev_major) == 32);
static_assert(offsetof(struct dm_user_info, sectors) == 40);
static_assert(offsetof(struct dm_user_info, logical_block_size) == 56);
static_assert(offsetof(struct dm_user_info, nodaemon_ms) == 68);
static_assert(offsetof(struct dm_user_info, generation) == 72);
static_assert(offsetof(struct dm_user_info, channels) == 88);
static_assert(offsetof(struct dm_user_info, queued) == 96);
static_assert(offsetof(struct dm_user_info, reserved) == 104);
static_assert(sizeof(struct dm_user_join) == 16);
static_assert(offsetof(struct dm_user_join, flags) == 8);
static_assert(sizeof(struct dm_user_drain) == 16);
static_assert(offsetof(struct dm_user_drain, held) == 8);
static_assert(sizeof(struct dm_user_open) == 8);
static_assert(sizeof(struct dm_user_extent) == 32);
static_assert(offsetof(struct dm_user_extent, flags) == 28);
static_assert(sizeof(struct dm_user_map) == 24);
static_assert(offsetof(struct dm_user_map, sector) == 16);

static u64 dmu_info_policy(const struct dmu_config *config)
{
	return (config->orphans_fail ? DM_USER_POLICY_ORPHANS_FAIL : 0) |
	       (config->nodaemon_fail ? DM_USER_POLICY_NODAEMON_FAIL : 0) |
	       (config->discard ? DM_USER_POLICY_DISCARD : 0) |
	       (config->write_zeroes ? DM_USER_POLICY_WRITE_ZEROES : 0) |
	       (config->secure_erase ? DM_USER_POLICY_SECURE_ERASE : 0) |
	       (config->android ? DM_USER_POLICY_COMPAT_ANDROID : 0) |
	       (config->nospace_wait ? DM_USER_POLICY_NOSPACE_WAIT : 0) |
	       (config->extents_max ? DM_USER_POLICY_EXTENTS : 0);
}

static u64 dmu_info_state(const struct dmu_node *node)
{
	return (node->sealed ? DM_USER_STATE_SEALED : 0) |
	       (node->suspended ? DM_USER_STATE_SUSPENDED : 0) |
	       (node->read_only ? DM_USER_STATE_READ_ONLY : 0) |
	       (node->written != node->flushed ? DM_USER_STATE_UNFLUSHED : 0) |
	       (node->extents && READ_ONCE(node->extents->bypassed) ? DM_USER_STATE_BYPASSED : 0) |
	       (node->pinned ? DM_USER_STATE_PINNED : 0);
}

static void dmu_info_fill(struct dm_user_info *info, struct dmu_channel *channel)
{
	struct dmu_node *node = channel->node;
	const struct dmu_config *config = &node->config;

	lockdep_assert_held(&node->lock);
	*info = (struct dm_user_info) {
		.abi_version = DM_USER_ABI_VERSION,
		.channel_state = channel->generation->state,
		.features = DM_USER_FEATURE_GENERATIONS | DM_USER_FEATURE_ADMISSION |
			    DM_USER_FEATURE_NOWAIT | DM_USER_FEATURE_UNFLUSHED |
			    DM_USER_FEATURE_EXTENTS,
		.policy = dmu_info_policy(config),
		.state = dmu_info_state(node),
		.dev_major = MAJOR(node->dev),
		.dev_minor = MINOR(node->dev),
		.sectors = node->sectors,
		.start = node->start,
		.logical_block_size = config->logical_block_size,
		.physical_block_size = config->physical_block_size,
		.max_io_bytes = config->max_io,
		.nodaemon_ms = config->nodaemon_ms,
		.generation = channel->generation->number,
		.newest_generation = node->newest_generation,
		.channels = node->channel_count,
		.held = channel->generation->held,
		.queued = node->queued,
	};
}

static long dmu_ioctl_info(struct dmu_channel *channel, void __user *arg)
{
	struct dmu_node *node = channel->node;
	struct dm_user_info info;
	bool dead;

	spin_lock_bh(&node->lock);
	dead = node->dead;
	dmu_info_fill(&info, channel);
	spin_unlock_bh(&node->lock);
	if (dead)
		return -ENOTBLK;
	return copy_to_user(arg, &info, sizeof(info)) ? -EFAULT : 0;
}

static long dmu_ioctl_join(struct dmu_channel *channel, void __user *arg)
{
	struct dm_user_join join;

	if (copy_from_user(&join, arg, sizeof(join)))
		return -EFAULT;
	if (join.reserved || join.flags & ~DM_USER_JOIN_CREATE)
		return -EINVAL;
	return dmu_generation_join(channel, join.generation, join.flags & DM_USER_JOIN_CREATE);
}

static long dmu_ioctl_drain(struct dmu_channel *channel, void __user *arg)
{
	struct dmu_node *node = channel->node;
	struct dmu_generation *generation;
	struct dm_user_drain drain;
	int ret = 0;

	if (copy_from_user(&drain, arg, sizeof(drain)))
		return -EFAULT;
	if (drain.reserved || drain.flags & ~DM_USER_DRAIN_UNDO)
		return -EINVAL;

	spin_lock_bh(&node->lock);
	generation = channel->generation;
	if (node->dead)
		ret = -ENOTBLK;
	else if (drain.flags & DM_USER_DRAIN_UNDO)
		ret = dmu_generation_undo(node, generation);
	else
		dmu_generation_drain(node, generation, false);
	drain.state = generation->state;
	drain.held = generation->held;
	spin_unlock_bh(&node->lock);
	if (ret)
		return ret;
	/* Readers return, or look at the queue again. */
	dmu_node_wake_all(node);
	dmu_node_event(node);
	return copy_to_user(arg, &drain, sizeof(drain)) ? -EFAULT : 0;
}

/* Only a channel of a serving generation may seal. */
static long dmu_ioctl_seal(struct dmu_channel *channel)
{
	struct dmu_node *node = channel->node;
	bool changed = false;
	int ret = 0;

	spin_lock_bh(&node->lock);
	if (node->dead)
		ret = -ENOTBLK;
	else if (channel->generation->state != DM_USER_SERVING)
		ret = -ESHUTDOWN;
	else
		changed = dmu_node_mark_sealed(node, true);
	spin_unlock_bh(&node->lock);
	if (changed)
		dmu_node_event(node);
	return ret;
}

static long dmu_ioctl_open(struct file *from, void __user *arg)
{
	struct dmu_channel *channel = from->private_data;
	struct dm_user_open open;
	struct dmu_channel *fresh;
	struct file *file;
	int ret, fd;

	if (copy_from_user(&open, arg, sizeof(open)))
		return -EFAULT;
	if (open.flags || open.reserved)
		return -EINVAL;
	fd = get_unused_fd_flags(O_CLOEXEC);
	if (fd < 0)
		return fd;
	ret = dmu_channel_create(channel->node, channel, &fresh);
	if (ret)
		goto err_fd;
	file = dmu_anon_file("[dm-user]", &dmu_channel_fops, fresh, O_RDWR, from);
	if (IS_ERR(file)) {
		ret = PTR_ERR(file);
		goto err_channel;
	}
	dmu_channel_setup_file(file, fresh);
	fd_install(fd, file);
	return fd;

err_channel:
	dmu_channel_destroy(fresh);
err_fd:
	put_unused_fd(fd);
	return ret;
}

static bool dmu_ioctl_too_late(struct dmu_node *node)
{
	bool dead;

	spin_lock_bh(&node->lock);
	dead = node->dead;
	spin_unlock_bh(&node->lock);
	return dead;
}

/* MAP and LIST. What was done before an error is told with it. */
static long dmu_ioctl_map(struct dmu_channel *channel, void __user *arg, bool list)
{
	struct dmu_node *node = channel->node;
	struct dm_user_map map;
	int ret;

	if (copy_from_user(&map, arg, sizeof(map)))
		return -EFAULT;
	if (map.reserved)
		return -EINVAL;
	if (dmu_ioctl_too_late(node))
		return -ENOTBLK;
	ret = list ? dmu_extents_list(node->extents, &map) : dmu_extents_change(channel, &map);
	return copy_to_user(arg, &map, sizeof(map)) ? -EFAULT : ret;
}

static long dmu_ioctl_sync(struct dmu_channel *channel)
{
	struct dmu_node *node = channel->node;

	return dmu_ioctl_too_late(node) ? -ENOTBLK :
					   dmu_flights_sync(&node->extents->flights);
}

static long dmu_ioctl_drop(struct dmu_channel *channel)
{
	struct dmu_node *node = channel->node;

	return dmu_ioctl_too_late(node) ? -ENOTBLK : dmu_cache_drop(node);
}

static long dmu_ioctl_extents(struct dmu_channel *channel, unsigned int cmd, void __user *user)
{
	switch (cmd) {
	case DM_USER_IOC_MAP:
		return dmu_ioctl_map(channel, user, false);
	case DM_USER_IOC_LIST:
		return dmu_ioctl_map(channel, user, true);
	case DM_USER_IOC_SYNC:
		return dmu_ioctl_sync(channel);
	case DM_USER_IOC_CLEAN:
		return dmu_flush_declare_clean(channel);
	case DM_USER_IOC_DROP:
		return dmu_ioctl_drop(channel);
	default:
		return -ENOTTY;
	}
}

long dmu_channel_ioctl(struct file *file, unsigned int cmd, unsigned long arg)
{
	struct dmu_channel *channel = file->private_data;
	void __user *user = (void __user *)arg;

	switch (cmd) {
	case DM_USER_IOC_INFO:
		return dmu_ioctl_info(channel, user);
	case DM_USER_IOC_JOIN:
		return dmu_ioctl_join(channel, user);
	case DM_USER_IOC_DRAIN:
		return dmu_ioctl_drain(channel, user);
	case DM_USER_IOC_SEAL:
		return dmu_ioctl_seal(channel);
	case DM_USER_IOC_OPEN:
		return dmu_ioctl_open(file, user);
	}
	/* Without extents: there are no further commands. */
	return channel->node->extents ? dmu_ioctl_extents(channel, cmd, user) : -ENOTTY;
}
