// SPDX-License-Identifier: GPL-2.0
/* What can happen to a request. dmu.h draws the picture. */
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

/* @req is about to end: nobody is to find it any more. */
static void dmu_request_forget(struct dmu_node *node, struct dmu_request *req)
{
	lockdep_assert_held(&node->lock);
	list_del(&req->age);
	node->lacking -= req->lacking;
}

/*
 * What presuspend gives back, without a pause where nothing preempts it, though there may be
 * thousands: DM's work queue submits it anew, and had better not run before DM has said that it is
 * suspended. In 6.1, bios that may not wait would fail.
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
 * DM -> QUEUED. Returns what DM's map function returns. DM sets the noflush flag
 * before it calls presuspend, so a request is either seen here, and given back, or
 * queued and then revoked by presuspend.
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
	req->born = jiffies;
	req->claim = NULL;
	req->lacking = false;

	spin_lock_bh(&node->lock);
	if (dm_noflush_suspending(target->ti)) {
		spin_unlock_bh(&node->lock);
		return DM_MAPIO_REQUEUE;
	}
	if (node->failing) {
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

/* What a read would do: 1 take a request, 0 end (the generation drains), -EAGAIN, -ENOTBLK. */
static int dmu_request_peek(struct dmu_channel *channel, struct dmu_request **req)
{
	struct dmu_node *node = channel->node;

	lockdep_assert_held(&node->lock);
	if (node->dead)
		return -ENOTBLK;
	if (channel->generation->state != DM_USER_SERVING)
		return 0;
	/* What is on the queue may overlap what has been revoked, and is to be revoked, too. */
	if (node->revoking)
		return -EAGAIN;
	*req = list_first_entry_or_null(&node->queue, struct dmu_request, list);
	return *req ? 1 : -EAGAIN;
}

/* True if a read would not block: there is something to take, or to say. */
bool dmu_request_available(struct dmu_channel *channel)
{
	struct dmu_request *req;

	return dmu_request_peek(channel, &req) != -EAGAIN;
}

/*
 * Have memory for the next claim. The reserve serves one request at a time, so
 * that a daemon which answers one before it reads the next never depends on
 * memory that its own device may be needed to free. It is the reader's turn.
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

/* Give @claim, which nothing refers to, back to where it came from. */
void dmu_claim_free(struct dmu_channel *channel, struct dmu_claim *claim)
{
	lockdep_assert_held(&channel->lock);
	if (claim == &channel->reserve)
		channel->reserve_used = false;
	else
		kmem_cache_free(dmu_claim_cache, claim);
}

/* Undo everything that refers to @claim, and free it. The caller calls dmu_fence_release(). */
static void dmu_claim_drop(struct dmu_channel *channel, struct dmu_claim *claim)
{
	lockdep_assert_held(&channel->lock);
	dmu_fence_remove(channel->node, claim);
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

/* The type that the daemon sees. Android's driver passes an empty flush on as DM sends it. */
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
	claim->msg.seq = req->seq;
	claim->msg.type = dmu_message_type(claim->channel->node, req);
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
 * An answer's header has come. If its payload is due: HELD -> RECEIVING, and
 * channel->in is set. NULL: the channel holds no such request. The claim stays
 * until this channel's writer ends it, with dmu_request_answer().
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

/* Claims are gone: @ready requests are on the queue now; @drained: that completed a drain. */
static void dmu_request_dropped(struct dmu_node *node, unsigned int ready, bool drained)
{
	dmu_node_wake(node, ready);
	dmu_fence_release(node);
	if (drained) {
		dmu_node_wake_all(node);
		dmu_node_event(node);
	}
}

/* Whether @req, answered with @response, is to be answered again in a while. */
static bool dmu_request_waits(const struct dmu_node *node, const struct dmu_request *req,
			      u64 response)
{
	lockdep_assert_held(&node->lock);
	return response == DM_USER_RESP_NOSPC && node->config.nospace_wait &&
	       dmu_type_writes(req->type) && !node->failing;
}

/* HELD -> QUEUED, but on the list of what no reader takes for a while. */
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

/* It was, and is, lacking for so many requests; the last of them ended with @status. */
static void dmu_space_changed(struct dmu_node *node, u64 before, u64 now, blk_status_t status)
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

/*
 * HELD or RECEIVING -> ended, or set aside for lack of space. A revoked request has ended already;
 * its claim goes.
 */
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
		dmu_request_forget(node, req);
	}
	lacks = node->lacking;
	dmu_claim_drop(channel, claim);
	spin_unlock(&channel->lock);
	ready = dmu_fence_release_some(node);
	drained = dmu_generation_drop_claim(channel->generation);
	spin_unlock_bh(&node->lock);

	if (req)
		dmu_end_request(req, status);
	dmu_space_changed(node, lacked, lacks, status);
	dmu_request_dropped(node, ready, drained);
}

/*
 * The reader is told that what it was reading is revoked: it can't act on it from now on. It is
 * the reader's turn.
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
 * Orphans, oldest first, are queued again before all others, or end: by the policy, or for want
 * of a daemon. Then they are on @failed. Then what waited for the claims that they are of. Returns
 * how many a reader can have.
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
 * SENDING -> QUEUED, before all others, or ended if I/O fails for want of a daemon: the reader
 * could take no byte of what it claimed, which may have been revoked meanwhile. It is the reader's
 * turn, and channel->sent 0.
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
	/* Nobody waits for it: of what was not read, nothing can be written. */
	dmu_claim_drop(channel, claim);
	spin_unlock(&channel->lock);
	channel->taken--;
	ready = dmu_orphans_place(node, &requests, &failed, false);
	drained = dmu_generation_drop_claim(channel->generation);
	spin_unlock_bh(&node->lock);
	dmu_request_end_all(&failed, BLK_STS_IOERR);
	dmu_request_dropped(node, ready, drained);
}

/* Drop the newest claims of @channel, at most DMU_BATCH. True if that completed a drain. */
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
 * The channel closes: SENDING, HELD, RECEIVING -> QUEUED or ended. Its file is
 * gone, so whoever owned it has left its last system call, or said that it is
 * done with the backing store (see close() in the ABI). The newest go first, so that
 * the oldest are before all others in the end.
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
 * Take the request of @claim, but leave the claim. What was not read at all of a
 * write's payload can't be written.
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

/* Any state -> ended: everything older than @seq that is queued or that a daemon holds. */
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
 * Any state -> ended: everything that is queued or that a daemon holds now. Until all of it fences
 * what it must, no request is handed out, and what is mapped has no place yet.
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

/* The next request to fail for want of a daemon, off its lists, or NULL. */
static struct dmu_request *dmu_request_hopeless(struct dmu_node *node)
{
	struct dmu_request *req;

	lockdep_assert_held(&node->lock);
	if (node->failing) {
		req = dmu_fence_take(node);
	} else if (dmu_node_in_grace(node)) {
		/* Nobody has ever served: none is in a claim. */
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

/* QUEUED -> ended, unless a daemon has come meanwhile. Returns how many. */
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
