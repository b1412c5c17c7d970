// SPDX-License-Identifier: GPL-2.0
/*
 * The fence. A daemon may still carry out a write that was revoked from it. Until it answers or
 * closes its channel, no overlapping request may reach another daemon: the late old write would
 * overwrite newer data. Overlapping requests wait on the claim in their way, not on the queue.
 */
#include <linux/interval_tree_generic.h>

#include "dmu.h"

static inline u64 dmu_claim_first(const struct dmu_claim *claim)
{
	return claim->msg.sector;
}

static inline u64 dmu_claim_last(const struct dmu_claim *claim)
{
	return claim->msg.sector + (claim->msg.len >> SECTOR_SHIFT) - 1;
}

INTERVAL_TREE_DEFINE(struct dmu_claim, fence_rb, u64, fence_last, dmu_claim_first, dmu_claim_last,
		     static inline, dmu_fence_tree)

/* A fresh claim fences nothing. */
void dmu_fence_init(struct dmu_claim *claim)
{
	RB_CLEAR_NODE(&claim->fence_rb);
	INIT_LIST_HEAD(&claim->waiters);
	INIT_LIST_HEAD(&claim->blocking);
}

/* The daemon may still carry out @claim's revoked request: make overlapping requests wait. */
void dmu_fence_add(struct dmu_node *node, struct dmu_claim *claim)
{
	lockdep_assert_held(&node->lock);
	if (!claim->msg.len)
		return;
	dmu_fence_tree_insert(claim, &node->fence_tree);
	node->fenced++;
}

/*
 * @claim fences nothing any more. Its waiters are released, and the caller goes on with
 * dmu_fence_release_some(). But if another claim covers all of @claim, all waiters overlap that
 * claim, too, and move to it without a look at each.
 */
void dmu_fence_remove(struct dmu_node *node, struct dmu_claim *claim)
{
	struct dmu_claim *other;

	lockdep_assert_held(&node->lock);
	if (RB_EMPTY_NODE(&claim->fence_rb))
		return;
	dmu_fence_tree_remove(claim, &node->fence_tree);
	RB_CLEAR_NODE(&claim->fence_rb);
	node->fenced--;
	if (list_empty(&claim->waiters))
		return;
	list_del_init(&claim->blocking);
	other = dmu_fence_tree_iter_first(&node->fence_tree, dmu_claim_first(claim),
					  dmu_claim_last(claim));
	if (!other || dmu_claim_first(other) > dmu_claim_first(claim) ||
	    dmu_claim_last(other) < dmu_claim_last(claim)) {
		list_splice_tail_init(&claim->waiters, &node->released);
		return;
	}
	if (list_empty(&other->waiters))
		list_add_tail(&other->blocking, &node->blocking);
	list_splice_tail_init(&claim->waiters, &other->waiters);
}

/* The list where @req belongs: the queue, or a list on which it must wait before that. */
static struct list_head *dmu_fence_place(struct dmu_node *node, const struct dmu_request *req)
{
	sector_t start = req->bio->bi_iter.bi_sector;
	struct dmu_claim *claim;

	lockdep_assert_held(&node->lock);
	if (!bio_sectors(req->bio))
		return &node->queue;
	/* A request that is about to be revoked may become a fence. */
	if (node->revoking)
		return &node->released;
	claim = dmu_fence_tree_iter_first(&node->fence_tree, start,
					  start + bio_sectors(req->bio) - 1);
	if (!claim)
		return &node->queue;
	if (list_empty(&claim->waiters))
		list_add_tail(&claim->blocking, &node->blocking);
	return &claim->waiters;
}

/* Take @req, which no daemon holds, off the list that it waits on. */
void dmu_fence_unqueue(struct dmu_node *node, struct dmu_request *req)
{
	struct list_head *head = req->list.next;

	lockdep_assert_held(&node->lock);
	/* If @req is alone on its list, both its neighbours are the head. */
	if (head == req->list.prev && head != &node->queue && head != &node->released &&
	    head != &node->nospace)
		list_del_init(&container_of(head, struct dmu_claim, waiters)->blocking);
	list_del_init(&req->list);
	node->queued--;
}

/* Does @bio overlap a write that a daemon may still carry out? */
bool dmu_fence_overlaps(struct dmu_node *node, const struct bio *bio)
{
	sector_t start = bio->bi_iter.bi_sector;

	lockdep_assert_held(&node->lock);
	return dmu_fence_tree_iter_first(&node->fence_tree, start, start + bio_sectors(bio) - 1);
}

/* Put @req in its place, behind all others. True if a reader can take it. */
bool dmu_fence_queue(struct dmu_node *node, struct dmu_request *req)
{
	struct list_head *place = dmu_fence_place(node, req);

	list_move_tail(&req->list, place);
	return place == &node->queue;
}

/* Put @requests in their places, in order and before all others. How many a reader can take. */
unsigned int dmu_fence_requeue_all(struct dmu_node *node, struct list_head *requests)
{
	struct dmu_request *req, *next;
	struct list_head *place;
	unsigned int ready = 0;

	list_for_each_entry_safe_reverse(req, next, requests, list) {
		place = dmu_fence_place(node, req);
		list_move(&req->list, place);
		ready += place == &node->queue;
	}
	return ready;
}

/*
 * Put at most DMU_BATCH released requests in their places; the caller then calls
 * dmu_fence_release() for the rest. Returns how many a reader can take.
 */
unsigned int dmu_fence_release_some(struct dmu_node *node)
{
	unsigned int n, ready = 0;

	lockdep_assert_held(&node->lock);
	if (node->revoking)
		return 0;
	for (n = 0; n < DMU_BATCH && !list_empty(&node->released); n++)
		ready += dmu_fence_queue(node, list_first_entry(&node->released,
								struct dmu_request, list));
	return ready;
}

/*
 * Put all released requests in their places, also those that another caller has left, and wake
 * readers. During a revoke do nothing: dmu_request_revoke_all() calls this at its end. May sleep.
 */
void dmu_fence_release(struct dmu_node *node)
{
	unsigned int ready;
	bool more = true;

	while (more && !list_empty(&node->released)) {
		spin_lock_bh(&node->lock);
		more = !node->revoking;
		ready = dmu_fence_release_some(node);
		spin_unlock_bh(&node->lock);
		dmu_node_wake(node, ready);
		cond_resched();
	}
}

/* Take any request that no daemon holds off its list; NULL: there is none. */
struct dmu_request *dmu_fence_take(struct dmu_node *node)
{
	struct dmu_request *req;
	struct dmu_claim *claim;

	lockdep_assert_held(&node->lock);
	if (!list_empty(&node->queue)) {
		req = list_first_entry(&node->queue, struct dmu_request, list);
	} else if (!list_empty(&node->released)) {
		req = list_first_entry(&node->released, struct dmu_request, list);
	} else if (!list_empty(&node->nospace)) {
		req = list_first_entry(&node->nospace, struct dmu_request, list);
	} else if (!list_empty(&node->blocking)) {
		claim = list_first_entry(&node->blocking, struct dmu_claim, blocking);
		req = list_first_entry(&claim->waiters, struct dmu_request, list);
	} else {
		return NULL;
	}
	dmu_fence_unqueue(node, req);
	return req;
}
