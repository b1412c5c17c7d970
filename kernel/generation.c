// SPDX-License-Identifier: GPL-2.0
/* Generations: the channels that drain together. */
#include <linux/slab.h>

#include "dmu.h"

/* The generation @number, or NULL. It may be gone once the lock is dropped. */
struct dmu_generation *dmu_generation_find(struct dmu_node *node, u64 number)
{
	struct dmu_generation *generation;

	lockdep_assert_held(&node->lock);
	/* Callers mostly want the newest generation, which is the last. */
	list_for_each_entry_reverse(generation, &node->generations, list)
		if (generation->number == number)
			return generation;
	return NULL;
}

/* @channel, which has no claim any more, leaves its generation. The last channel frees that. */
void dmu_generation_leave(struct dmu_channel *channel)
{
	struct dmu_node *node = channel->node;
	struct dmu_generation *generation = channel->generation;

	lockdep_assert_held(&node->lock);
	channel->generation = NULL;
	if (--generation->channels)
		return;
	if (generation == &node->unjoined) {
		/* Channels that never join may come and go; a drain ends with the last of them. */
		generation->state = DM_USER_SERVING;
		generation->undone = false;
		generation->ordered = false;
		return;
	}
	list_del(&generation->list);
	node->generation_count--;
	kfree(generation);
}

/*
 * The last generations are for daemons that open the node: a serving daemon, which can pass
 * channels on, cannot keep them out.
 */
static unsigned int dmu_generations_max(const struct dmu_channel *channel)
{
	return channel->passed ? DM_USER_GENERATIONS_PASSED_MAX : DM_USER_GENERATIONS_MAX;
}

static int dmu_generation_check(struct dmu_channel *channel, u64 number, bool create)
{
	struct dmu_node *node = channel->node;
	struct dmu_generation *generation;

	lockdep_assert_held(&node->lock);
	if (node->dead)
		return -ENOTBLK;
	if (channel->generation != &node->unjoined || channel->taken)
		return -EBUSY;
	/* A channel that drains cannot serve on in another generation; a newer channel can. */
	if (node->unjoined.state != DM_USER_SERVING && channel->drains != node->unjoined.drains)
		return -ESHUTDOWN;
	if (number < node->newest_generation)
		return -ESTALE;
	if (create) {
		if (number == node->newest_generation)
			return -EEXIST;
		if (number != node->newest_generation + 1)
			return -ERANGE;
		return node->generation_count < dmu_generations_max(channel) ? 0 : -ENOSPC;
	}
	if (number > node->newest_generation)
		return -ERANGE;
	generation = dmu_generation_find(node, number);
	if (!generation)
		return -ENOENT;
	return generation->state == DM_USER_SERVING ? 0 : -ESHUTDOWN;
}

/* DM_USER_IOC_JOIN, with its errors. May sleep. */
int dmu_generation_join(struct dmu_channel *channel, u64 number, bool create)
{
	struct dmu_node *node = channel->node;
	struct dmu_generation *generation = NULL;
	int ret;

	if (!number)
		return -EINVAL;
	if (create) {
		generation = kzalloc(sizeof(*generation), GFP_NOIO | __GFP_ACCOUNT);
		if (!generation)
			return -ENOMEM;
		generation->number = number;
	}
	spin_lock_bh(&node->lock);
	ret = dmu_generation_check(channel, number, create);
	if (ret)
		goto unlock;
	dmu_generation_leave(channel);
	if (create) {
		list_add_tail(&generation->list, &node->generations);
		node->generation_count++;
		node->newest_generation = number;
		channel->generation = generation;
		generation = NULL;
	} else {
		channel->generation = dmu_generation_find(node, number);
	}
	channel->generation->channels++;
	dmu_node_watch(node);
unlock:
	spin_unlock_bh(&node->lock);
	kfree(generation);
	if (!ret)
		dmu_node_event(node);
	return ret;
}

/* @ordered: by message. The caller then, unlocked, calls dmu_node_wake_all(), dmu_node_event(). */
void dmu_generation_drain(struct dmu_node *node, struct dmu_generation *generation, bool ordered)
{
	lockdep_assert_held(&node->lock);
	if (generation->state == DM_USER_SERVING) {
		/* A drain after an undone drain is the same drain, or no new channel could join. */
		if (!generation->undone || ordered)
			generation->drains++;
		generation->state = generation->held ? DM_USER_DRAINING : DM_USER_DRAINED;
		dmu_node_watch(node);
	}
	if (ordered)
		generation->ordered = true;
}

/* Likewise. 0; -EALREADY: the drain is complete, or an administrator's. */
int dmu_generation_undo(struct dmu_node *node, struct dmu_generation *generation)
{
	lockdep_assert_held(&node->lock);
	if (generation->state == DM_USER_SERVING)
		return 0;
	if (generation->state == DM_USER_DRAINED || generation->ordered)
		return -EALREADY;
	generation->state = DM_USER_SERVING;
	generation->undone = true;
	dmu_node_watch(node);
	return 0;
}

/* A claim of @generation is gone. True if that completed its drain: the caller wakes all. */
bool dmu_generation_drop_claim(struct dmu_generation *generation)
{
	if (--generation->held || generation->state != DM_USER_DRAINING)
		return false;
	generation->state = DM_USER_DRAINED;
	return true;
}

/*
 * May @channel change extents, or declare the generation clean? Its generation must serve, be the
 * newest, and have all channels but drained ones. The node must not be pinned.
 */
int dmu_generation_check_alone(const struct dmu_channel *channel)
{
	const struct dmu_generation *generation = channel->generation, *other;
	const struct dmu_node *node = channel->node;

	lockdep_assert_held(&node->lock);
	if (node->dead)
		return -ENOTBLK;
	if (generation->state != DM_USER_SERVING)
		return -ESHUTDOWN;
	if (generation->number != node->newest_generation)
		return -ESTALE;
	/* A drained one holds no request, for good. */
	list_for_each_entry(other, &node->generations, list)
		if (other != generation && other->channels && other->state != DM_USER_DRAINED)
			return -EBUSY;
	return node->pinned ? -EBUSY : 0;
}
