// SPDX-License-Identifier: GPL-2.0
/*
 * The fence. A daemon that a write was revoked from may still carry it out. Until
 * it says that it has, or closes its channel, what overlaps must not reach
 * another daemon: a late old write would overwrite newer data. Such requests wait
 * on the claim that is in their way, so that the queue has none of them.
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
	INIT_LIST_HEAD(&claim->fence);
	INIT_LIST_HEAD(&claim->waiters);
}

/* The request of @claim is revoked, and may be carried out yet: what overlaps waits from now on. */
void dmu_fence_add(struct dmu_node *node, struct dmu_claim *claim)
{
	lockdep_assert_held(&node->lock);
	if (!claim->msg.len)
		return;
	list_add_tail(&claim->fence, &node->fence);
	dmu_fence_tree_insert(claim, &node->fence_tree);
	node->fenced++;
}

/*
 * @claim is in nobody's way any more. Who waited for it is added to @waiters, for
 * dmu_fence_queue_all(), unless another claim covers all of this one: then all of
 * them overlap that one, too, and wait for it without being looked at one by one.
 */
void dmu_fence_remove(struct dmu_node *node, struct dmu_claim *claim, struct list_head *waiters)
{
	struct list_head *next = waiters;
	struct dmu_claim *other;

	lockdep_assert_held(&node->lock);
	if (list_empty(&claim->fence))
		return;
	list_del_init(&claim->fence);
	dmu_fence_tree_remove(claim, &node->fence_tree);
	node->fenced--;
	if (list_empty(&claim->waiters))
		return;
	other = dmu_fence_tree_iter_first(&node->fence_tree, dmu_claim_first(claim),
					  dmu_claim_last(claim));
	if (other && dmu_claim_first(other) <= dmu_claim_first(claim) &&
	    dmu_claim_last(other) >= dmu_claim_last(claim))
		next = &other->waiters;
	list_splice_tail_init(&claim->waiters, next);
}

/* Where @req belongs: on the queue, or where it must wait before that. */
static struct list_head *dmu_fence_place(struct dmu_node *node, const struct dmu_request *req)
{
	sector_t start = req->bio->bi_iter.bi_sector;
	struct dmu_claim *claim = NULL;

	lockdep_assert_held(&node->lock);
	if (bio_sectors(req->bio))
		claim = dmu_fence_tree_iter_first(&node->fence_tree, start,
						  start + bio_sectors(req->bio) - 1);
	return claim ? &claim->waiters : &node->queue;
}

/* Put @req there, behind all others. True if a reader can have it. */
bool dmu_fence_queue(struct dmu_node *node, struct dmu_request *req)
{
	struct list_head *place = dmu_fence_place(node, req);

	list_move_tail(&req->list, place);
	return place == &node->queue;
}

/* The same for a list of them. How many a reader can have: dmu_node_wake() for these. */
unsigned int dmu_fence_queue_all(struct dmu_node *node, struct list_head *requests)
{
	struct dmu_request *req, *next;
	unsigned int ready = 0;

	list_for_each_entry_safe(req, next, requests, list)
		ready += dmu_fence_queue(node, req);
	return ready;
}

/* Put them there in their order, before all others. How many a reader can have. */
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

/* Take everything that waits, on the queue or on a claim. */
void dmu_fence_take_all(struct dmu_node *node, struct list_head *requests)
{
	struct dmu_claim *claim;

	lockdep_assert_held(&node->lock);
	list_splice_tail_init(&node->queue, requests);
	list_for_each_entry(claim, &node->fence, fence)
		list_splice_tail_init(&claim->waiters, requests);
	node->queued = 0;
}
