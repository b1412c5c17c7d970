// SPDX-License-Identifier: GPL-2.0
/* Answers that send a request to a backing device. */
#include "dmu.h"

#define DM_MSG_PREFIX "user"

/* Can the bio of @req go to backing device @nr at @sector? */
static bool dmu_remap_valid(const struct dmu_node *node, const struct dmu_request *req, u64 nr,
			    u64 sector)
{
	unsigned int block = node->config.logical_block_size >> SECTOR_SHIFT;

	lockdep_assert_held(&node->lock);
	return req->type != DM_USER_REQ_MAP_FLUSH && nr < node->config.backing_count &&
	       !(sector & (block - 1)) && sector <= node->backing_sectors[nr] &&
	       bio_sectors(req->bio) <= node->backing_sectors[nr] - sector;
}

/*
 * HELD -> on its way to a backing device, which ends it. It is no request any more: only DM waits
 * for it. If the answer asks for what cannot be, the request fails.
 */
void dmu_request_remap(struct dmu_channel *channel, struct dmu_claim *claim,
		       const struct dm_user_message *answer)
{
	struct dmu_node *node = channel->node;
	u64 lacked, lacks;
	struct dmu_request *req;
	bool valid;

	spin_lock_bh(&node->lock);
	spin_lock(&channel->lock);
	lacked = node->lacking;
	req = claim->req;
	valid = req && dmu_remap_valid(node, req, answer->flags, answer->sector);
	if (valid) {
		node->counters.remapped++;
		dmu_extents_use(node->extents);
		channel->generation->answered++;
		/* Before the claim is dropped, so that a sync after the answer waits for it. */
		dmu_flight_board(&node->extents->flights, req);
		dmu_request_forget(node, req);
		claim->req = NULL;
	}
	lacks = node->lacking;
	spin_unlock(&channel->lock);
	spin_unlock_bh(&node->lock);
	dmu_request_space_changed(node, lacked, lacks, BLK_STS_OK);
	if (req && !valid)
		DMWARN_LIMIT("%s: request %llu cannot go to sector %llu of backing device %llu",
			     node->name, answer->seq, answer->sector, answer->flags);
	if (valid)
		dmu_target_submit(req, answer->flags, answer->sector);
	/* It may have been revoked, or is, as far as this is concerned. */
	dmu_request_answer(channel, claim, DM_USER_RESP_ERROR);
}
