// SPDX-License-Identifier: GPL-2.0
/* The states of a request. dmu.h draws the picture. */
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

/* Take @req, which is about to end, off node->requests: the caller alone ends it. */
void dmu_request_forget(struct dmu_node *node, struct dmu_request *req)
{
	lockdep_assert_held(&node->lock);
	list_del(&req->age);
	node->lacking -= req->lacking;
}

/*
 * End all of @requests. presuspend may give back thousands, without a pause where the kernel does
 * not preempt: DM's workqueue submits them anew, and should not run before DM has marked the device
 * as suspended. In 6.1, bios that may not wait would fail.
 */
static void dmu_request_end_all(struct list_head *requests, blk_status_t status)
{
	struct dmu_request *req, *next;

	list_for_each_entry_safe(req, next, requests, list) {
		dmu_end_request(req, status);
		if (status != BLK_STS_DM_REQUEUE)
			cond_resched();
	}
}

/*
 * DM -> QUEUED. Returns a DM_MAPIO_* for DM, or DMU_MAPIO_AGAIN. DM sets the noflush flag before it
 * calls presuspend, so either this function gives a request back, or it queues it and presuspend
 * revokes it.
 */
int dmu_request_map(struct dmu_target *target, struct bio *bio)
{
	struct dmu_node *node = target->node;
	struct dmu_request *req = dm_per_bio_data(bio, sizeof(*req));
	int type = dmu_bio_type(bio);
	bool ready;

	if (type < 0)
		return DM_MAPIO_KILL;
	req->bio = bio;
	req->type = type;
	req->target = target;
	req->born = jiffies;
	req->claim = NULL;
	req->flight = NULL;
	req->lacking = false;

	spin_lock_bh(&node->lock);
	if (dm_noflush_suspending(target->ti)) {
		spin_unlock_bh(&node->lock);
		return DM_MAPIO_REQUEUE;
	}
	/* If extents map only reads, the table is read-only, and no extent will map a write. */
	if (node->pinned && !(node->read_only && dmu_type_writes(type))) {
		spin_unlock_bh(&node->lock);
		return DMU_MAPIO_AGAIN;
	}
	if (node->failing || node->pinned) {
		node->counters.failed++;
		spin_unlock_bh(&node->lock);
		return DM_MAPIO_KILL;
	}
	req->seq = node->next_seq++;
	list_add_tail(&req->age, &node->requests);
	INIT_LIST_HEAD(&req->list);
	ready = dmu_fence_queue(node, req);
	node->queued++;
	if (dmu_node_in_grace(node))
		dmu_node_begin_grace(node);
	spin_unlock_bh(&node->lock);
	dmu_node_wake(node, ready);
	return DM_MAPIO_SUBMITTED;
}

/* What a read would do: 1: take *@req; 0: end, as the generation drains; -EAGAIN; -ENOTBLK. */
static int dmu_request_peek(struct dmu_channel *channel, struct dmu_request **req)
{
	struct dmu_node *node = channel->node;

	lockdep_assert_held(&node->lock);
	if (node->dead)
		return -ENOTBLK;
	if (channel->generation->state != DM_USER_SERVING)
		return 0;
	/* Queued requests, not revoked yet, may overlap requests that have been revoked. */
	if (node->revoking)
		return -EAGAIN;
	*req = list_first_entry_or_null(&node->queue, struct dmu_request, list);
	return *req ? 1 : -EAGAIN;
}

/* True if a read would not block: it would take a request, or return 0 or an error. */
bool dmu_request_available(struct dmu_channel *channel)
{
	struct dmu_request *req;

	return dmu_request_peek(channel, &req) != -EAGAIN;
}

/*
 * Get memory for the next claim. The reserve serves one request at a time, so a daemon that answers
 * each request before it reads the next never depends on memory that its own device may have to
 * free. The caller has the read turn.
 */
int dmu_request_prepare_claim(struct dmu_channel *channel)
{
	if (channel->spare)
		return 0;
	spin_lock_bh(&channel->lock);
	if (!channel->reserve_used) {
		channel->reserve_used = true;
		channel->spare = &channel->reserve;
	}
	spin_unlock_bh(&channel->lock);
	if (!channel->spare)
		channel->spare = kmem_cache_alloc(dmu_claim_cache,
						  GFP_NOIO | __GFP_NORETRY | __GFP_NOWARN);
	if (!channel->spare)
		return -ENOMEM;
	channel->spare->channel = channel;
	return 0;
}

/* Free @claim, which nothing refers to any more. */
void dmu_claim_free(struct dmu_channel *channel, struct dmu_claim *claim)
{
	lockdep_assert_held(&channel->lock);
	if (claim == &channel->reserve)
		channel->reserve_used = false;
	else
		kmem_cache_free(dmu_claim_cache, claim);
}

/* Clear all references to @claim and free it. The caller then calls dmu_fence_release(). */
static void dmu_claim_drop(struct dmu_channel *channel, struct dmu_claim *claim)
{
	lockdep_assert_held(&channel->lock);
	dmu_fence_remove(channel->node, claim);
	dmu_flush_dropped(channel->node, claim);
	rb_erase(&claim->rb, &channel->claims);
	if (channel->in == claim)
		channel->in = NULL;
	if (channel->out == claim)
		channel->out = NULL;
	if (channel->canceled == claim)
		channel->canceled = NULL;
	dmu_claim_free(channel, claim);
}

static bool dmu_claim_before(struct rb_node *a, const struct rb_node *b)
{
	return rb_entry(a, struct dmu_claim, rb)->msg.seq <
	       rb_entry(b, struct dmu_claim, rb)->msg.seq;
}

static int dmu_claim_compare(const void *key, const struct rb_node *rb)
{
	u64 seq = *(const u64 *)key, other = rb_entry(rb, struct dmu_claim, rb)->msg.seq;

	return seq < other ? -1 : seq > other;
}

/* The type that the daemon sees. Android's driver passes on an empty flush as DM sends it. */
static u64 dmu_message_type(const struct dmu_node *node, const struct dmu_request *req)
{
	if (req->type == DM_USER_REQ_MAP_FLUSH && node->config.android)
		return DM_USER_REQ_MAP_WRITE;
	return req->type;
}

static void dmu_claim_init(struct dmu_claim *claim, struct dmu_request *req)
{
	const struct bio *bio = req->bio;

	req->claim = claim;
	claim->req = req;
	claim->state = DMU_REQUEST_SENDING;
	dmu_fence_init(claim);
	dmu_flush_claimed(claim->channel->node, claim, req);
	claim->msg.seq = req->seq;
	claim->msg.type = dmu_message_type(claim->channel->node, req);
	claim->msg.flags = dmu_bio_flags(bio);
	claim->msg.sector = bio->bi_iter.bi_sector;
	claim->msg.len = bio->bi_iter.bi_size;
}

/* QUEUED -> SENDING, with the channel's spare claim. Returns as dmu_request_peek(). */
int dmu_request_claim(struct dmu_channel *channel)
{
	struct dmu_node *node = channel->node;
	struct dmu_claim *claim = channel->spare;
	struct dmu_request *req;
	int ret;

	spin_lock_bh(&node->lock);
	ret = dmu_request_peek(channel, &req);
	if (ret <= 0)
		goto unlock;
	dmu_fence_unqueue(node, req);
	channel->generation->held++;
	channel->taken++;
	channel->spare = NULL;
	dmu_claim_init(claim, req);

	spin_lock(&channel->lock);
	rb_add(&claim->rb, &channel->claims, dmu_claim_before);
	channel->out = claim;
	channel->sent = 0;
	channel->out_iter = req->bio->bi_iter;
	spin_unlock(&channel->lock);
unlock:
	spin_unlock_bh(&node->lock);
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
	struct rb_node *rb;

	lockdep_assert_held(&channel->lock);
	rb = rb_find(&seq, &channel->claims, dmu_claim_compare);
	if (!rb || rb_entry(rb, struct dmu_claim, rb)->state != DMU_REQUEST_HELD)
		return NULL;
	return rb_entry(rb, struct dmu_claim, rb);
}

/*
 * An answer's header has come. If its payload is due: HELD -> RECEIVING, and channel->in is set.
 * NULL: the channel holds no such request. The claim stays until the writer calls
 * dmu_request_answer().
 */
struct dmu_claim *dmu_request_begin_answer(struct dmu_channel *channel,
					   const struct dm_user_message *answer)
{
	struct dmu_claim *claim;

	spin_lock_bh(&channel->lock);
	claim = dmu_claim_find(channel, answer->seq);
	if (claim && answer->type == DM_USER_RESP_SUCCESS &&
	    claim->msg.type == DM_USER_REQ_MAP_READ && claim->msg.len) {
		claim->state = DMU_REQUEST_RECEIVING;
		channel->in = claim;
		channel->in_left = claim->msg.len;
		if (claim->req)
			channel->in_iter = claim->req->bio->bi_iter;
	}
	spin_unlock_bh(&channel->lock);
	if (!claim) {
		spin_lock_bh(&channel->node->lock);
		channel->node->counters.refused++;
		spin_unlock_bh(&channel->node->lock);
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
	case DM_USER_RESP_NOSPC:
		return BLK_STS_NOSPC;
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

/* Claims are gone, which put @ready requests on the queue and, if @drained, completed a drain. */
static void dmu_request_dropped(struct dmu_node *node, unsigned int ready, bool drained)
{
	dmu_node_wake(node, ready);
	dmu_fence_release(node);
	if (drained) {
		dmu_node_wake_all(node);
		dmu_node_event(node);
	}
}

/* True if @req, answered with @response, goes back to the daemons after DMU_NOSPACE_MS. */
static bool dmu_request_waits(const struct dmu_node *node, const struct dmu_request *req,
			      u64 response)
{
	lockdep_assert_held(&node->lock);
	return response == DM_USER_RESP_NOSPC && node->config.nospace_wait &&
	       dmu_type_writes(req->type) && !node->failing;
}

/* HELD -> QUEUED, but on the list that no reader takes from for a while. */
static void dmu_request_set_aside(struct dmu_node *node, struct dmu_request *req)
{
	lockdep_assert_held(&node->lock);
	req->claim = NULL;
	list_add_tail(&req->list, &node->nospace);
	node->queued++;
	if (!req->lacking) {
		req->lacking = true;
		node->lacking++;
	}
	dmu_node_retry_later(node);
}

/* An answer with @status has taken the number of requests that lack space from @before to @now. */
void dmu_request_space_changed(struct dmu_node *node, u64 before, u64 now, blk_status_t status)
{
	if (!before == !now)
		return;
	if (now)
		DMWARN_LIMIT("%s: a daemon has no space: writes wait until there is some",
			     node->name);
	else if (!status)
		DMINFO("%s: there is space for all that waited", node->name);
	dmu_node_event(node);
}

/* HELD or RECEIVING -> ended, or set aside for lack of space. If revoked, only the claim goes. */
void dmu_request_answer(struct dmu_channel *channel, struct dmu_claim *claim, u64 response)
{
	blk_status_t status = dmu_response_status(response);
	struct dmu_node *node = channel->node;
	u64 lacked, lacks;
	struct dmu_request *req;
	unsigned int ready;
	bool drained;

	spin_lock_bh(&node->lock);
	spin_lock(&channel->lock);
	lacked = node->lacking;
	req = claim->req;
	if (req && dmu_request_waits(node, req, response)) {
		dmu_request_set_aside(node, req);
		req = NULL;
	} else if (req) {
		dmu_count_answer(node, channel->generation, req->type, status);
		if (!status)
			dmu_flush_answered(node, claim, req);
		dmu_request_forget(node, req);
	}
	lacks = node->lacking;
	dmu_claim_drop(channel, claim);
	spin_unlock(&channel->lock);
	ready = dmu_fence_release_some(node);
	drained = dmu_generation_drop_claim(channel->generation);
	spin_unlock_bh(&node->lock);

	/* It may have waited for the daemon when the loss was found. */
	if (req && !status && req->type == DM_USER_REQ_MAP_FLUSH && dmu_flush_is_lost(node))
		status = BLK_STS_IOERR;
	/* What the daemon's memory held is in the backing device now, perhaps in its cache. */
	if (req && !status && req->type == DM_USER_REQ_MAP_FLUSH &&
	    dmu_flush_needs_backings(node))
		dmu_target_submit(req, 0, 0);
	else if (req)
		dmu_end_request(req, status);
	dmu_request_space_changed(node, lacked, lacks, status);
	dmu_request_dropped(node, ready, drained);
}

/*
 * Tell the reader that the request which it was reading is revoked: it cannot act on it any more.
 * The caller has the read turn.
 */
void dmu_request_dismiss(struct dmu_channel *channel)
{
	struct dmu_node *node = channel->node;
	unsigned int ready;
	bool drained;

	spin_lock_bh(&node->lock);
	spin_lock(&channel->lock);
	dmu_claim_drop(channel, channel->canceled);
	spin_unlock(&channel->lock);
	ready = dmu_fence_release_some(node);
	drained = dmu_generation_drop_claim(channel->generation);
	spin_unlock_bh(&node->lock);
	dmu_request_dropped(node, ready, drained);
}

/*
 * Queue @orphans, oldest first, before all others. If @fail, by policy, or if node->failing, move
 * them to @failed instead. Then place the requests that waited for the orphans' claims. Returns how
 * many a reader can take.
 */
static unsigned int dmu_orphans_place(struct dmu_node *node, struct list_head *orphans,
				      struct list_head *failed, bool fail)
{
	struct dmu_request *req;

	lockdep_assert_held(&node->lock);
	fail |= node->failing;
	list_for_each_entry(req, orphans, list) {
		req->claim = NULL;
		if (fail) {
			dmu_request_forget(node, req);
			node->counters.failed++;
		} else {
			node->queued++;
		}
	}
	if (fail)
		list_splice_tail_init(orphans, failed);
	return dmu_fence_requeue_all(node, orphans) + dmu_fence_release_some(node);
}

/*
 * SENDING -> QUEUED, before all others, or ended if I/O fails for want of a daemon. The reader
 * could take no byte of the request that it claimed, which may have been revoked meanwhile. The
 * caller has the read turn, and channel->sent is 0.
 */
void dmu_request_give_back(struct dmu_channel *channel)
{
	struct dmu_node *node = channel->node;
	struct dmu_claim *claim;
	LIST_HEAD(requests);
	LIST_HEAD(failed);
	unsigned int ready;
	bool drained;

	spin_lock_bh(&node->lock);
	spin_lock(&channel->lock);
	claim = channel->out ?: channel->canceled;
	if (claim->req)
		list_add(&claim->req->list, &requests);
	/* No request waits for this claim: the daemon cannot write what it has not read. */
	dmu_claim_drop(channel, claim);
	spin_unlock(&channel->lock);
	channel->taken--;
	ready = dmu_orphans_place(node, &requests, &failed, false);
	drained = dmu_generation_drop_claim(channel->generation);
	spin_unlock_bh(&node->lock);
	dmu_request_end_all(&failed, BLK_STS_IOERR);
	dmu_request_dropped(node, ready, drained);
}

/* Drop the newest claims of @channel, at most DMU_BATCH. True if this completed a drain. */
static bool dmu_channel_drop_claims(struct dmu_channel *channel, struct list_head *orphans)
{
	struct dmu_claim *claim;
	bool drained = false;
	struct rb_node *rb;
	unsigned int n;

	spin_lock(&channel->lock);
	for (n = 0; n < DMU_BATCH && (rb = rb_last(&channel->claims)); n++) {
		claim = rb_entry(rb, struct dmu_claim, rb);
		if (claim->req)
			list_add(&claim->req->list, orphans);
		dmu_claim_drop(channel, claim);
		drained |= dmu_generation_drop_claim(channel->generation);
	}
	spin_unlock(&channel->lock);
	return drained;
}

/*
 * The channel closes: SENDING, HELD, RECEIVING -> QUEUED or ended. Its file is gone, so its daemon
 * has left its last system call or promises to be done with the backing store (see close() in the
 * ABI). The newest claims go first, so that the oldest requests end up before all others.
 */
void dmu_request_orphan_all(struct dmu_channel *channel)
{
	struct dmu_node *node = channel->node;
	bool drained, done;
	unsigned int ready;
	u64 before;

	do {
		LIST_HEAD(orphans);
		LIST_HEAD(failed);

		spin_lock_bh(&node->lock);
		drained = dmu_channel_drop_claims(channel, &orphans);
		before = node->queued;
		ready = dmu_orphans_place(node, &orphans, &failed, node->config.orphans_fail);
		node->counters.requeued += node->queued - before;
		done = RB_EMPTY_ROOT(&channel->claims);
		if (done) {
			dmu_generation_leave(channel);
			node->channel_count--;
			dmu_node_watch(node);
		}
		spin_unlock_bh(&node->lock);

		dmu_request_end_all(&failed, BLK_STS_IOERR);
		dmu_request_dropped(node, ready, drained);
		cond_resched();
	} while (!done);
}

/*
 * Take the request of @claim, but leave the claim. A write of which the daemon has read no payload
 * needs no fence.
 */
static void dmu_claim_revoke(struct dmu_claim *claim)
{
	struct dmu_channel *channel = claim->channel;
	struct dmu_node *node = channel->node;
	bool seen = true;

	lockdep_assert_held(&node->lock);
	spin_lock(&channel->lock);
	claim->req = NULL;
	if (claim == channel->out) {
		seen = channel->sent > sizeof(claim->msg);
		channel->canceled = claim;
		channel->out = NULL;
	}
	if (seen && dmu_type_writes(claim->msg.type))
		dmu_fence_add(node, claim);
	spin_unlock(&channel->lock);
}

/* Any state -> ended: at most DMU_BATCH of the requests before @seq, queued or held. */
static unsigned int dmu_request_revoke(struct dmu_node *node, u64 seq, struct list_head *revoked)
{
	struct dmu_request *req;
	unsigned int n;

	lockdep_assert_held(&node->lock);
	for (n = 0; n < DMU_BATCH; n++) {
		req = list_first_entry_or_null(&node->requests, struct dmu_request, age);
		if (!req || req->seq >= seq)
			break;
		if (req->claim)
			dmu_claim_revoke(req->claim);
		else
			dmu_fence_unqueue(node, req);
		dmu_request_forget(node, req);
		list_add_tail(&req->list, revoked);
	}
	return n;
}

/*
 * Any state -> ended: all requests that are queued or that a daemon holds now. Until all fences
 * stand, no reader gets a request, and newly mapped requests have no place yet.
 */
void dmu_request_revoke_all(struct dmu_node *node, blk_status_t status)
{
	unsigned int n;
	u64 seq;

	spin_lock_bh(&node->lock);
	seq = node->next_seq;
	node->revoking++;
	spin_unlock_bh(&node->lock);
	do {
		LIST_HEAD(revoked);

		spin_lock_bh(&node->lock);
		n = dmu_request_revoke(node, seq, &revoked);
		if (status != BLK_STS_DM_REQUEUE)
			node->counters.failed += n;
		spin_unlock_bh(&node->lock);
		dmu_request_end_all(&revoked, status);
	} while (n == DMU_BATCH);
	spin_lock_bh(&node->lock);
	node->revoking--;
	spin_unlock_bh(&node->lock);
	dmu_fence_release(node);
	dmu_node_wake_all(node);
	dmu_node_event(node);
}

/* Take the next request to fail for want of a daemon off its lists. NULL: there is none. */
static struct dmu_request *dmu_request_hopeless(struct dmu_node *node)
{
	struct dmu_request *req;

	lockdep_assert_held(&node->lock);
	if (node->failing) {
		req = dmu_fence_take(node);
	} else if (dmu_node_in_grace(node)) {
		/* No daemon has served yet: no request is in a claim. */
		req = list_first_entry_or_null(&node->requests, struct dmu_request, age);
		if (req && time_before(jiffies, dmu_node_grace_end(node, req->born)))
			return NULL;
		if (req)
			dmu_fence_unqueue(node, req);
	} else {
		return NULL;
	}
	if (req)
		dmu_request_forget(node, req);
	return req;
}

/* QUEUED -> ended, unless a daemon has come meanwhile. Returns how many ended. */
unsigned int dmu_request_fail_queued(struct dmu_node *node)
{
	struct dmu_request *req;
	unsigned int n, count = 0;

	do {
		LIST_HEAD(failed);

		spin_lock_bh(&node->lock);
		for (n = 0; n < DMU_BATCH && (req = dmu_request_hopeless(node)); n++)
			list_add_tail(&req->list, &failed);
		node->counters.failed += n;
		spin_unlock_bh(&node->lock);
		dmu_request_end_all(&failed, BLK_STS_IOERR);
		count += n;
	} while (n == DMU_BATCH);
	return count;
}
