// SPDX-License-Identifier: GPL-2.0
/* What can happen to a request. dmu.h draws the picture. */
#include <linux/poll.h>
#include <linux/slab.h>

#include "dmu.h"

#define DM_MSG_PREFIX "user"

static struct kmem_cache *dmu_claim_cache;

int dmu_request_init(void)
{
	dmu_claim_cache = KMEM_CACHE(dmu_claim, 0);
	return dmu_claim_cache ? 0 : -ENOMEM;
}

void dmu_request_exit(void)
{
	kmem_cache_destroy(dmu_claim_cache);
}

static int dmu_bio_type(const struct bio *bio)
{
	switch (bio_op(bio)) {
	case REQ_OP_READ:
		return DM_USER_REQ_MAP_READ;
	case REQ_OP_WRITE:
		/* DM splits a flush with data: the flush comes first, and empty. */
		if (!bio->bi_iter.bi_size && (bio->bi_opf & REQ_PREFLUSH))
			return DM_USER_REQ_MAP_FLUSH;
		return DM_USER_REQ_MAP_WRITE;
	case REQ_OP_FLUSH:
		return DM_USER_REQ_MAP_FLUSH;
	case REQ_OP_DISCARD:
		return DM_USER_REQ_MAP_DISCARD;
	case REQ_OP_SECURE_ERASE:
		return DM_USER_REQ_MAP_SECURE_ERASE;
	case REQ_OP_WRITE_ZEROES:
		return DM_USER_REQ_MAP_WRITE_ZEROES;
	default:
		return -EOPNOTSUPP;
	}
}

static const struct {
	blk_opf_t opf;
	u64 flag;
} dmu_bio_flag_map[] = {
	{ REQ_FAILFAST_DEV, DM_USER_REQ_MAP_FLAG_FAILFAST_DEV },
	{ REQ_FAILFAST_TRANSPORT, DM_USER_REQ_MAP_FLAG_FAILFAST_TRANSPORT },
	{ REQ_FAILFAST_DRIVER, DM_USER_REQ_MAP_FLAG_FAILFAST_DRIVER },
	{ REQ_SYNC, DM_USER_REQ_MAP_FLAG_SYNC },
	{ REQ_META, DM_USER_REQ_MAP_FLAG_META },
	{ REQ_PRIO, DM_USER_REQ_MAP_FLAG_PRIO },
	{ REQ_NOMERGE, DM_USER_REQ_MAP_FLAG_NOMERGE },
	{ REQ_IDLE, DM_USER_REQ_MAP_FLAG_IDLE },
	{ REQ_INTEGRITY, DM_USER_REQ_MAP_FLAG_INTEGRITY },
	{ REQ_FUA, DM_USER_REQ_MAP_FLAG_FUA },
	{ REQ_PREFLUSH, DM_USER_REQ_MAP_FLAG_PREFLUSH },
	{ REQ_RAHEAD, DM_USER_REQ_MAP_FLAG_RAHEAD },
	{ REQ_BACKGROUND, DM_USER_REQ_MAP_FLAG_BACKGROUND },
	{ REQ_NOWAIT, DM_USER_REQ_MAP_FLAG_NOWAIT },
	{ REQ_NOUNMAP, DM_USER_REQ_MAP_FLAG_NOUNMAP },
	{ REQ_POLLED, DM_USER_REQ_MAP_FLAG_HIPRI },
	{ REQ_SWAP, DM_USER_REQ_MAP_FLAG_SWAP },
};

static u64 dmu_bio_flags(const struct bio *bio)
{
	unsigned int i;
	u64 flags = 0;

	for (i = 0; i < ARRAY_SIZE(dmu_bio_flag_map); i++)
		if (bio->bi_opf & dmu_bio_flag_map[i].opf)
			flags |= dmu_bio_flag_map[i].flag;
	return flags;
}

static bool dmu_type_writes(u64 type)
{
	return type != DM_USER_REQ_MAP_READ && type != DM_USER_REQ_MAP_FLUSH;
}

static void dmu_request_end(struct dmu_request *req, blk_status_t status)
{
	req->bio->bi_status = status;
	bio_endio(req->bio);
}

static void dmu_request_end_all(struct list_head *requests, blk_status_t status)
{
	struct dmu_request *req, *next;

	list_for_each_entry_safe(req, next, requests, list)
		dmu_request_end(req, status);
}

/* DM -> QUEUED. Returns what DM's map function returns. */
int dmu_request_map(struct dmu_node *node, struct bio *bio)
{
	struct dmu_request *req = dm_per_bio_data(bio, sizeof(*req));
	int type = dmu_bio_type(bio);

	if (type < 0)
		return DM_MAPIO_KILL;
	req->bio = bio;
	req->type = type;
	req->born = jiffies;

	spin_lock(&node->lock);
	if (node->pushback) {
		spin_unlock(&node->lock);
		return DM_MAPIO_REQUEUE;
	}
	if (node->failing) {
		node->counters.failed++;
		spin_unlock(&node->lock);
		return DM_MAPIO_KILL;
	}
	req->seq = node->next_seq++;
	list_add_tail(&req->list, &node->queue);
	node->queued++;
	spin_unlock(&node->lock);
	wake_up_interruptible_poll(&node->wait, EPOLLIN | EPOLLRDNORM);
	return DM_MAPIO_SUBMITTED;
}

/*
 * A daemon that a write was taken from may still carry it out. Until it says that
 * it has, or closes its channel, nothing that overlaps may reach another one.
 */
static bool dmu_request_fenced(struct dmu_node *node, const struct dmu_request *req)
{
	sector_t start = req->bio->bi_iter.bi_sector;
	sector_t end = start + bio_sectors(req->bio);
	const struct dmu_claim *claim;

	lockdep_assert_held(&node->lock);
	list_for_each_entry(claim, &node->fence, fence) {
		sector_t claim_end = claim->msg.sector + (claim->msg.len >> SECTOR_SHIFT);

		if (start < claim_end && claim->msg.sector < end)
			return true;
	}
	return false;
}

static struct dmu_request *dmu_request_first(struct dmu_node *node)
{
	struct dmu_request *req;

	lockdep_assert_held(&node->lock);
	list_for_each_entry(req, &node->queue, list)
		if (!dmu_request_fenced(node, req))
			return req;
	return NULL;
}

/* What a read would do: 1 take a request, 0 end (the generation drains), -EAGAIN, -ENOTBLK. */
static int dmu_request_peek(struct dmu_channel *channel, struct dmu_request **req)
{
	struct dmu_node *node = channel->node;

	lockdep_assert_held(&node->lock);
	if (node->dead)
		return -ENOTBLK;
	if (channel->generation->state != DM_USER_SERVING)
		return 0;
	*req = dmu_request_first(node);
	return *req ? 1 : -EAGAIN;
}

bool dmu_request_available(struct dmu_channel *channel)
{
	struct dmu_request *req;

	return dmu_request_peek(channel, &req) != -EAGAIN;
}

/*
 * Have memory for the next claim. The reserve serves one request at a time, so
 * that a daemon which answers one before it reads the next never depends on
 * memory that its own device may be needed to free. Called with read_mutex held.
 */
int dmu_request_prepare_claim(struct dmu_channel *channel)
{
	if (channel->spare)
		return 0;
	spin_lock(&channel->lock);
	if (!channel->reserve_used) {
		channel->reserve_used = true;
		channel->spare = &channel->reserve;
	}
	spin_unlock(&channel->lock);
	if (!channel->spare)
		channel->spare = kmem_cache_alloc(dmu_claim_cache,
						  GFP_NOIO | __GFP_NORETRY | __GFP_NOWARN);
	return channel->spare ? 0 : -ENOMEM;
}

void dmu_claim_free(struct dmu_channel *channel, struct dmu_claim *claim)
{
	lockdep_assert_held(&channel->lock);
	if (claim == &channel->reserve)
		channel->reserve_used = false;
	else
		kmem_cache_free(dmu_claim_cache, claim);
}

/* Everything that refers to @claim, but its memory. True if it was fencing. */
static bool dmu_claim_unlink(struct dmu_channel *channel, struct dmu_claim *claim)
{
	bool fenced = !list_empty(&claim->fence);

	lockdep_assert_held(&channel->node->lock);
	lockdep_assert_held(&channel->lock);
	hash_del(&claim->hash);
	list_del(&claim->list);
	list_del_init(&claim->fence);
	if (channel->in == claim)
		channel->in = NULL;
	if (channel->out == claim)
		channel->out = NULL;
	return fenced;
}

static void dmu_claim_init(struct dmu_claim *claim, struct dmu_request *req)
{
	const struct bio *bio = req->bio;

	claim->req = req;
	claim->state = DMU_REQUEST_SENDING;
	INIT_LIST_HEAD(&claim->fence);
	claim->msg.seq = req->seq;
	claim->msg.type = req->type;
	claim->msg.flags = dmu_bio_flags(bio);
	claim->msg.sector = bio->bi_iter.bi_sector;
	claim->msg.len = bio->bi_iter.bi_size;
}

/* QUEUED -> SENDING, with the channel's spare claim. Returns what dmu_request_peek() says. */
int dmu_request_claim(struct dmu_channel *channel)
{
	struct dmu_node *node = channel->node;
	struct dmu_claim *claim = channel->spare;
	struct dmu_request *req;
	int ret;

	spin_lock(&node->lock);
	ret = dmu_request_peek(channel, &req);
	if (ret <= 0)
		goto unlock;
	list_del(&req->list);
	node->queued--;
	channel->generation->held++;
	channel->started = true;
	channel->spare = NULL;
	dmu_claim_init(claim, req);

	spin_lock(&channel->lock);
	list_add_tail(&claim->list, &channel->claims);
	hash_add(channel->by_seq, &claim->hash, claim->msg.seq);
	channel->out = claim;
	channel->sent = 0;
	channel->out_iter = req->bio->bi_iter;
	spin_unlock(&channel->lock);
unlock:
	spin_unlock(&node->lock);
	return ret;
}

/* SENDING -> HELD: the daemon has read all of it. */
void dmu_request_sent(struct dmu_channel *channel)
{
	lockdep_assert_held(&channel->lock);
	channel->out->state = DMU_REQUEST_HELD;
	channel->out = NULL;
}

static struct dmu_claim *dmu_claim_find(struct dmu_channel *channel, u64 seq)
{
	struct dmu_claim *claim;

	lockdep_assert_held(&channel->lock);
	hash_for_each_possible(channel->by_seq, claim, hash, seq)
		if (claim->msg.seq == seq && claim->state == DMU_REQUEST_HELD)
			return claim;
	return NULL;
}

/*
 * An answer's header has come. If its payload is due: HELD -> RECEIVING, and
 * channel->in is set. NULL: the channel holds no such request. The claim stays
 * until this channel's writer ends it, with dmu_request_answer().
 */
struct dmu_claim *dmu_request_begin_answer(struct dmu_channel *channel,
					   const struct dm_user_message *answer)
{
	struct dmu_claim *claim;

	spin_lock(&channel->lock);
	claim = dmu_claim_find(channel, answer->seq);
	if (claim && answer->type == DM_USER_RESP_SUCCESS &&
	    claim->msg.type == DM_USER_REQ_MAP_READ && claim->msg.len) {
		claim->state = DMU_REQUEST_RECEIVING;
		channel->in = claim;
		channel->in_left = claim->msg.len;
		if (claim->req)
			channel->in_iter = claim->req->bio->bi_iter;
	}
	spin_unlock(&channel->lock);
	if (!claim) {
		spin_lock(&channel->node->lock);
		channel->node->counters.refused++;
		spin_unlock(&channel->node->lock);
	}
	return claim;
}

static blk_status_t dmu_response_status(u64 response)
{
	switch (response) {
	case DM_USER_RESP_SUCCESS:
		return BLK_STS_OK;
	case DM_USER_RESP_UNSUPPORTED:
		return BLK_STS_NOTSUPP;
	default:
		return BLK_STS_IOERR;
	}
}

static void dmu_count_answer(struct dmu_node *node, struct dmu_generation *generation, u64 type,
			     blk_status_t status)
{
	lockdep_assert_held(&node->lock);
	node->counters.answered[type]++;
	generation->answered++;
	if (status == BLK_STS_NOTSUPP)
		node->counters.unsupported++;
	else if (status)
		node->counters.errors++;
}

/* HELD or RECEIVING -> ended. A revoked request has ended already; its claim goes. */
void dmu_request_answer(struct dmu_channel *channel, struct dmu_claim *claim, u64 response)
{
	blk_status_t status = dmu_response_status(response);
	struct dmu_node *node = channel->node;
	struct dmu_request *req;
	bool wake, drained;

	spin_lock(&node->lock);
	spin_lock(&channel->lock);
	req = claim->req;
	if (req)
		dmu_count_answer(node, channel->generation, claim->msg.type, status);
	wake = dmu_claim_unlink(channel, claim);
	dmu_claim_free(channel, claim);
	spin_unlock(&channel->lock);
	drained = dmu_generation_drop_claim(channel->generation);
	spin_unlock(&node->lock);

	if (req)
		dmu_request_end(req, status);
	if (wake || drained)
		wake_up_all(&node->wait);
	if (drained)
		dmu_node_event(node);
}

/* What becomes of orphans; called with the node's lock held, ends nothing itself. */
static blk_status_t dmu_orphan_fate(struct dmu_node *node, struct list_head *orphans)
{
	struct dmu_request *req;
	unsigned int count = 0;

	lockdep_assert_held(&node->lock);
	list_for_each_entry(req, orphans, list)
		count++;
	if (node->pushback)
		return BLK_STS_DM_REQUEUE;
	if (node->config.orphans_fail || node->failing) {
		node->counters.failed += count;
		return BLK_STS_IOERR;
	}
	node->counters.requeued += count;
	node->queued += count;
	list_splice_init(orphans, &node->queue);
	return BLK_STS_OK;
}

/*
 * The channel closes: SENDING, HELD, RECEIVING -> QUEUED or ended. Its file is
 * gone, so whoever owned it has left its last system call, or said that it is
 * done with the backing store (see close() in the ABI).
 */
void dmu_request_orphan_all(struct dmu_channel *channel)
{
	struct dmu_node *node = channel->node;
	struct dmu_claim *claim, *next;
	blk_status_t status;
	LIST_HEAD(orphans);

	spin_lock(&node->lock);
	list_del(&channel->list);
	node->channel_count--;
	spin_lock(&channel->lock);
	list_for_each_entry_safe(claim, next, &channel->claims, list) {
		if (claim->req)
			list_add_tail(&claim->req->list, &orphans);
		dmu_claim_unlink(channel, claim);
		dmu_claim_free(channel, claim);
		dmu_generation_drop_claim(channel->generation);
	}
	spin_unlock(&channel->lock);
	status = dmu_orphan_fate(node, &orphans);
	dmu_generation_leave(channel);
	spin_unlock(&node->lock);

	if (status)
		dmu_request_end_all(&orphans, status);
	wake_up_all(&node->wait);
}

/* Take what @channel holds, but leave the claims of what its daemon has read. */
static void dmu_channel_revoke(struct dmu_channel *channel, struct list_head *revoked)
{
	struct dmu_node *node = channel->node;
	struct dmu_claim *claim, *next;

	lockdep_assert_held(&node->lock);
	spin_lock(&channel->lock);
	list_for_each_entry_safe(claim, next, &channel->claims, list) {
		if (!claim->req)
			continue;
		list_add_tail(&claim->req->list, revoked);
		claim->req = NULL;
		if (claim == channel->out) {
			/* Not read to its end: the daemon can't act on it. */
			dmu_claim_unlink(channel, claim);
			dmu_claim_free(channel, claim);
			channel->canceled = true;
			dmu_generation_drop_claim(channel->generation);
		} else if (dmu_type_writes(claim->msg.type)) {
			list_add_tail(&claim->fence, &node->fence);
		}
	}
	spin_unlock(&channel->lock);
}

/* Any state -> ended: everything that is queued or that a daemon holds. */
void dmu_request_revoke_all(struct dmu_node *node, blk_status_t status)
{
	struct dmu_channel *channel;
	struct dmu_request *req;
	LIST_HEAD(revoked);

	spin_lock(&node->lock);
	list_splice_init(&node->queue, &revoked);
	node->queued = 0;
	list_for_each_entry(channel, &node->channels, list)
		dmu_channel_revoke(channel, &revoked);
	if (status != BLK_STS_DM_REQUEUE)
		list_for_each_entry(req, &revoked, list)
			node->counters.failed++;
	spin_unlock(&node->lock);

	dmu_request_end_all(&revoked, status);
	wake_up_all(&node->wait);
	dmu_node_event(node);
}

/* QUEUED -> ended: nobody has come to serve. */
void dmu_request_fail_queued(struct dmu_node *node)
{
	LIST_HEAD(failed);

	spin_lock(&node->lock);
	list_splice_init(&node->queue, &failed);
	node->counters.failed += node->queued;
	node->queued = 0;
	spin_unlock(&node->lock);
	dmu_request_end_all(&failed, BLK_STS_IOERR);
}
