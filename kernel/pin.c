// SPDX-License-Identifier: GPL-2.0
/*
 * The pin. Extents map all of a pinned target, and none of them changes, so no daemon gets a
 * request: an administrator's tool can replace the table by rows of dm-linear, under load, and no
 * daemon is in the way. If the tool dies, the device works as before.
 *
 * A bio that looked at the map before all was mapped may yet come to be queued for a daemon. It
 * finds the pin there, under node->lock, and looks again: see dmu_extents_map().
 */
#include "dmu.h"

/* Do extents map all that this table can ask for? */
static bool dmu_pin_covered(struct dmu_node *node)
{
	unsigned int needed = DM_USER_EXTENT_READ;
	sector_t start, sectors;

	lockdep_assert_held(&node->extents->lock);
	spin_lock_bh(&node->lock);
	start = node->start;
	sectors = node->sectors;
	if (!node->read_only)
		needed |= DM_USER_EXTENT_WRITE;
	spin_unlock_bh(&node->lock);
	return !(needed & ~dmu_extents_common(node->extents, start, start + sectors - 1));
}

/*
 * Has no daemon anything of the device: data, a request, or a hold on what comes? Is there no loss
 * that the next flush has to tell?
 */
static bool dmu_pin_idle(const struct dmu_node *node)
{
	lockdep_assert_held(&node->lock);
	return node->clean && list_empty(&node->requests) && !node->fenced && !node->revoking &&
	       !READ_ONCE(node->flush_lost);
}

/*
 * The message "pin". 0, also if @node is pinned; -EBUSY: not all is mapped, or a daemon has, or is
 * about to get, a request; -EOPNOTSUPP; -EINTR: the caller is being killed.
 */
int dmu_pin(struct dmu_node *node)
{
	bool covered, changed;
	int ret = 0;

	if (!node->extents)
		return -EOPNOTSUPP;
	if (mutex_lock_killable(&node->extents->lock))
		return -EINTR;
	covered = dmu_pin_covered(node);
	spin_lock_bh(&node->lock);
	changed = !node->pinned && covered && dmu_pin_idle(node);
	node->pinned |= changed;
	if (!node->pinned)
		ret = -EBUSY;
	spin_unlock_bh(&node->lock);
	mutex_unlock(&node->extents->lock);
	if (changed)
		dmu_node_event(node);
	return ret;
}

/* The message "unpin". 0, also if @node is not pinned, or -EOPNOTSUPP. */
int dmu_unpin(struct dmu_node *node)
{
	bool changed;

	if (!node->extents)
		return -EOPNOTSUPP;
	spin_lock_bh(&node->lock);
	changed = node->pinned;
	node->pinned = false;
	spin_unlock_bh(&node->lock);
	if (changed)
		dmu_node_event(node);
	return 0;
}

/* @node has another table, which may be longer, or for writes. No bio is mapped yet. */
void dmu_pin_fit(struct dmu_node *node)
{
	bool covered;

	if (!node->extents)
		return;
	mutex_lock(&node->extents->lock);
	covered = dmu_pin_covered(node);
	mutex_unlock(&node->extents->lock);
	if (!covered)
		dmu_unpin(node);
}
