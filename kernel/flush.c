// SPDX-License-Identifier: GPL-2.0
/* What a flush must cover: writes that daemons have answered or hold; and where flushes go. */
#include "dmu.h"

/* A daemon gets @req, by @claim. */
void dmu_flush_claimed(struct dmu_node *node, struct dmu_claim *claim,
		       const struct dmu_request *req)
{
	lockdep_assert_held(&node->lock);
	claim->written = node->written;
	claim->writes = dmu_type_writes(req->type);
	if (claim->writes) {
		node->writing++;
		WRITE_ONCE(node->clean, false);
	}
}

/* @claim is about to go. */
void dmu_flush_dropped(struct dmu_node *node, const struct dmu_claim *claim)
{
	lockdep_assert_held(&node->lock);
	node->writing -= claim->writes;
}

/*
 * The daemon has carried out @req. A flush covers what was answered before the daemon got it,
 * though another daemon got that. A write with FUA needs none.
 */
void dmu_flush_answered(struct dmu_node *node, const struct dmu_claim *claim,
			const struct dmu_request *req)
{
	lockdep_assert_held(&node->lock);
	if (dmu_type_writes(req->type) && !(req->bio->bi_opf & REQ_FUA))
		node->written++;
	else if (req->type == DM_USER_REQ_MAP_FLUSH)
		node->flushed = max(node->flushed, claim->written);
}

/* Could a backing device hold writes of this target that no daemon has made? */
bool dmu_flush_needs_backings(const struct dmu_node *node)
{
	return node->extents && READ_ONCE(node->extents->used);
}

/* Has a DROP lost writes that no flush has told of? This one does then. */
bool dmu_flush_is_lost(struct dmu_node *node)
{
	return unlikely(READ_ONCE(node->flush_lost)) && xchg(&node->flush_lost, false);
}

/*
 * The first flush of a set goes to the daemon, if that may hold something, and then to the first
 * backing device: see dmu_request_answer(). Each other one goes to its own.
 */
int dmu_flush_map(struct dmu_target *target, struct bio *bio)
{
	unsigned int nr = dm_bio_get_target_bio_nr(bio);
	struct dmu_node *node = target->node;

	if (dmu_flush_is_lost(node))
		return DM_MAPIO_KILL;
	if (!nr && !READ_ONCE(node->clean))
		return DMU_MAPIO_DAEMON;
	if (!dmu_flush_needs_backings(node)) {
		bio_endio(bio);
		return DM_MAPIO_SUBMITTED;
	}
	dmu_target_redirect(target, bio, nr, 0);
	return DM_MAPIO_REMAPPED;
}

/*
 * The daemons hold nothing that a flush must cover: flushes pass them by until one gets a request
 * that writes. -EBUSY: one holds such a request.
 */
int dmu_flush_declare_clean(struct dmu_channel *channel)
{
	struct dmu_node *node = channel->node;
	int ret;

	spin_lock_bh(&node->lock);
	ret = dmu_generation_check_alone(channel);
	if (!ret && node->writing)
		ret = -EBUSY;
	if (!ret) {
		WRITE_ONCE(node->clean, true);
		node->flushed = node->written;
	}
	spin_unlock_bh(&node->lock);
	return ret;
}
