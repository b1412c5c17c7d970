// SPDX-License-Identifier: GPL-2.0
/* The fence: a request that overlaps a revoked write waits for it, and no other request does. */
#include <linux/slab.h>

#include "suites.h"

#define FENCES	48
#define WAITERS	64

/* Fence a revoked write of @bytes; its daemon and channel do not matter here. */
static struct dmu_claim *fence(struct dmu_test_env *env, u64 sector, u64 bytes)
{
	struct dmu_claim *claim = kunit_kzalloc(env->test, sizeof(*claim), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(env->test, claim);
	dmu_fence_init(claim);
	claim->msg.sector = sector;
	claim->msg.len = bytes;
	spin_lock_bh(&env->node.lock);
	dmu_fence_add(&env->node, claim);
	spin_unlock_bh(&env->node.lock);
	return claim;
}

/* Remove @claims at once, as the close of a channel does. Returns how many requests it frees. */
static unsigned int unfence_all(struct dmu_test_env *env, struct dmu_claim **claims, unsigned int n)
{
	unsigned int i, woken = env->woken;

	spin_lock_bh(&env->node.lock);
	for (i = 0; i < n; i++)
		dmu_fence_remove(&env->node, claims[i]);
	spin_unlock_bh(&env->node.lock);
	dmu_fence_release(&env->node);
	dmu_test_true(env->test, list_empty(&env->node.released));
	return env->woken - woken;
}

static unsigned int unfence(struct dmu_test_env *env, struct dmu_claim *claim)
{
	return unfence_all(env, &claim, 1);
}

static bool listed(const struct list_head *list, const struct dmu_test_io *io)
{
	const struct dmu_request *req;

	list_for_each_entry(req, list, list)
		if (req == io->req)
			return true;
	return false;
}

/* An interval of sectors ends before the next begins, everywhere on the device. */
static void overlaps(struct kunit *test)
{
	static const struct {
		u64 fence, fence_sectors, io;
		unsigned int io_sectors;
		bool waits;
	} rows[] = {
		{ 100, 8, 100, 8, true },	/* the same */
		{ 100, 8, 92, 8, false },	/* touching, below */
		{ 100, 8, 92, 9, true },	/* ... by one sector */
		{ 100, 8, 108, 8, false },	/* touching, above */
		{ 100, 8, 107, 8, true },	/* ... by one sector */
		{ 100, 8, 102, 1, true },	/* inside */
		{ 100, 1, 100, 1, true },
		{ 100, 1, 99, 1, false },
		{ 100, 1, 101, 1, false },
		{ 100, 8, 0, 1000, true },	/* covering */
		{ 100, 8, 0, 8, false },	/* apart */
		{ 100, 8, 1000, 8, false },
		{ 100, 8, 102, 0, false },	/* a flush */
		{ 100, 8, 0, 0, false },
		{ 100, 0, 100, 8, false },	/* an empty write fences nothing */
		{ 0, 1, 0, 1, true },		/* the start of the device */
		{ 0, 1, 1, 1, false },
		/* The longest discard. */
		{ 0, (1 << 23) - 1, (1 << 23) - 2, 1, true },
		{ 0, (1 << 23) - 1, (1 << 23) - 1, 1, false },
		/* The last sectors that a 64-bit byte offset reaches, and that a u64 holds. */
		{ (1ULL << 55) - 8, 8, (1ULL << 55) - 1, 1, true },
		{ (1ULL << 55) - 8, 8, (1ULL << 55) - 9, 1, false },
		{ U64_MAX - 7, 8, U64_MAX, 1, true },
		{ U64_MAX - 7, 8, U64_MAX - 15, 8, false },
		{ U64_MAX - 7, 8, U64_MAX - 15, 16, true },
		{ 0, 8, U64_MAX - 7, 8, false },
		{ 1ULL << 32, 8, 0, 8, false },	/* no 32 bits are lost */
		{ 1ULL << 32, 8, (1ULL << 32) + 7, 1, true },
	};
	struct dmu_test_env *env = test->priv;
	struct dmu_node *node = &env->node;
	struct dmu_claim *claim;
	struct dmu_test_io *io;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(rows); i++) {
		claim = fence(env, rows[i].fence, rows[i].fence_sectors << SECTOR_SHIFT);
		dmu_test_is(test, node->fenced, !!rows[i].fence_sectors);
		io = dmu_test_map(env, REQ_OP_READ, rows[i].io,
				  rows[i].io_sectors << SECTOR_SHIFT);
		dmu_test_is(test, node->queued, 1);
		if (listed(&node->queue, io) == rows[i].waits ||
		    listed(&claim->waiters, io) != rows[i].waits)
			KUNIT_FAIL(test, "case %u: fence %llu+%llu, request %llu+%u", i,
				   rows[i].fence, rows[i].fence_sectors, rows[i].io,
				   rows[i].io_sectors);
		dmu_test_is(test, unfence(env, claim), rows[i].waits);
		dmu_test_true(test, listed(&node->queue, io));
		dmu_test_is(test, node->fenced, 0);
		dmu_test_is(test, node->queued, 1);
		dmu_request_revoke_all(node, BLK_STS_IOERR);
	}
}

/* A claim that fences nothing is in no request's way, and may be removed twice. */
static void remove_what_is_not_there(struct kunit *test)
{
	struct dmu_test_env *env = test->priv;
	struct dmu_claim *claim = fence(env, 100, 0);

	dmu_test_is(test, unfence(env, claim), 0);
	claim = fence(env, 100, SZ_4K);
	dmu_test_is(test, env->node.fenced, 1);
	dmu_test_is(test, unfence(env, claim), 0);
	dmu_test_is(test, env->node.fenced, 0);
	dmu_test_is(test, unfence(env, claim), 0);
	dmu_test_is(test, env->node.fenced, 0);
}

/* A waiter of a removed fence waits for the next fence in its way, in order. */
static void waiters_move_on(struct kunit *test)
{
	struct dmu_test_env *env = test->priv;
	struct dmu_node *node = &env->node;
	struct dmu_claim *low = fence(env, 0, SZ_4K), *high = fence(env, 8, SZ_4K);
	struct dmu_claim *other = fence(env, 100, SZ_4K);
	struct dmu_test_io *both, *only_low, *only_high, *free, *late;
	struct dmu_request *req;

	both = dmu_test_map(env, REQ_OP_WRITE, 4, SZ_4K);
	only_low = dmu_test_map(env, REQ_OP_WRITE, 0, 512);
	only_high = dmu_test_map(env, REQ_OP_WRITE, 15, 512);
	free = dmu_test_map(env, REQ_OP_WRITE, 16, 512);
	late = dmu_test_map(env, REQ_OP_READ, 7, 1024);
	dmu_test_is(test, dmu_test_count(&node->queue), 1);
	dmu_test_true(test, listed(&node->queue, free));
	dmu_test_is(test, unfence(env, low), 1);
	dmu_test_true(test, listed(&node->queue, only_low));
	dmu_test_true(test, listed(&high->waiters, both));
	dmu_test_true(test, listed(&high->waiters, only_high));
	dmu_test_true(test, listed(&high->waiters, late));
	dmu_test_true(test, list_empty(&low->waiters));
	/* In the order in which they began to wait for this fence. */
	req = list_first_entry(&high->waiters, struct dmu_request, list);
	dmu_test_true(test, req == only_high->req);
	dmu_test_true(test, list_next_entry(req, list) == both->req);
	dmu_test_true(test, list_is_last(&late->req->list, &high->waiters));
	dmu_test_is(test, unfence(env, high), 3);
	dmu_test_is(test, dmu_test_count(&node->queue), 5);
	dmu_test_true(test, list_is_last(&late->req->list, &node->queue));
	dmu_test_is(test, node->queued, 5);
	dmu_test_is(test, unfence(env, other), 0);
}

/*
 * If another fence covers a removed fence, all its waiters move there together, in their order. If
 * none does, each waiter moves to the next fence in its way or to the queue.
 */
static void waiters_move_together(struct kunit *test)
{
	struct dmu_test_env *env = test->priv;
	struct dmu_claim *wide, *same[3];
	struct dmu_test_io *io[3];
	struct dmu_request *req;
	unsigned int i;

	for (i = 0; i < 3; i++)
		same[i] = fence(env, 8, SZ_4K);
	for (i = 0; i < 3; i++)
		io[i] = dmu_test_map(env, REQ_OP_WRITE, 7 + i, SZ_4K);
	wide = fence(env, 0, SZ_16K);
	for (i = 0; i < 3; i++) {
		dmu_test_is(test, unfence(env, same[i]), 0);
		dmu_test_true(test, list_empty(&same[i]->waiters));
	}
	dmu_test_is(test, dmu_test_count(&wide->waiters), 3);
	req = list_first_entry(&wide->waiters, struct dmu_request, list);
	dmu_test_true(test, req == io[0]->req);
	dmu_test_true(test, list_is_last(&io[2]->req->list, &wide->waiters));
	/* A fence that covers only a part is in the way of some waiters. */
	same[0] = fence(env, 15, SZ_4K);
	dmu_test_is(test, unfence(env, wide), 1);
	dmu_test_true(test, listed(&env->node.queue, io[0]));
	dmu_test_is(test, dmu_test_count(&same[0]->waiters), 2);
	dmu_test_is(test, unfence(env, same[0]), 2);
}

/* All fences of a channel go at once: their waiters wait for the remaining fences, or no more. */
static void remove_all(struct kunit *test)
{
	struct dmu_test_env *env = test->priv;
	struct dmu_node *node = &env->node;
	struct dmu_claim *mine[4], *other = fence(env, 24, SZ_4K);
	struct dmu_test_io *freed[2], *left[2], *free;
	unsigned int i;

	/* Two fences at one place, one elsewhere, and an empty write that fences nothing. */
	for (i = 0; i < 4; i++)
		mine[i] = fence(env, i < 2 ? 0 : 16, i < 3 ? SZ_4K : 0);
	freed[0] = dmu_test_map(env, REQ_OP_WRITE, 0, SZ_4K);
	left[0] = dmu_test_map(env, REQ_OP_WRITE, 16, SZ_8K);
	left[1] = dmu_test_map(env, REQ_OP_WRITE, 31, 512);
	freed[1] = dmu_test_map(env, REQ_OP_WRITE, 7, SZ_4K + 1024);
	free = dmu_test_map(env, REQ_OP_WRITE, 32, SZ_4K);
	dmu_test_is(test, dmu_test_count(&node->queue), 1);
	dmu_test_is(test, unfence_all(env, mine, 4), 2);
	dmu_test_is(test, node->fenced, 1);
	dmu_test_is(test, dmu_test_count(&node->blocking), 1);
	dmu_test_is(test, dmu_test_count(&node->queue), 3);
	dmu_test_true(test, list_is_first(&free->req->list, &node->queue));
	dmu_test_true(test, listed(&node->queue, freed[0]) && listed(&node->queue, freed[1]));
	dmu_test_is(test, dmu_test_count(&other->waiters), 2);
	dmu_test_true(test, listed(&other->waiters, left[0]) && listed(&other->waiters, left[1]));
	for (i = 0; i < 4; i++)
		dmu_test_true(test, list_empty(&mine[i]->waiters) && !unfence(env, mine[i]));
	dmu_test_is(test, unfence(env, other), 2);
	dmu_test_is(test, dmu_test_count(&node->queue), 5);
	dmu_test_is(test, node->queued, 5);
}

/* Writes to one block that waited for one fence leave it in the order in which they came. */
static void order_is_kept(struct kunit *test)
{
	struct dmu_test_env *env = test->priv;
	struct dmu_channel *channel = dmu_test_open(env);
	struct dmu_claim *claim = fence(env, 0, SZ_64K);
	struct dmu_test_io *io[20], *flush;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(io); i++)
		io[i] = dmu_test_map(env, REQ_OP_WRITE, 8, SZ_4K);
	dmu_test_is(test, dmu_test_claim(channel), -EAGAIN);
	flush = dmu_test_map(env, REQ_OP_FLUSH, 0, 0);
	dmu_test_is(test, dmu_test_read(channel), 1);
	dmu_test_true(test, dmu_test_answer(channel, flush->seq, DM_USER_RESP_SUCCESS));
	dmu_test_is(test, unfence(env, claim), ARRAY_SIZE(io));
	for (i = 0; i < ARRAY_SIZE(io); i++) {
		dmu_test_is(test, dmu_test_read(channel), 1);
		dmu_test_true(test, dmu_test_answer(channel, io[i]->seq, DM_USER_RESP_SUCCESS));
	}
}

/* dmu_fence_take() takes every waiting request, those on the queue first; the fences stay. */
static void take(struct kunit *test)
{
	struct dmu_test_env *env = test->priv;
	struct dmu_node *node = &env->node;
	struct dmu_claim *claims[3];
	struct dmu_test_io *io[6];
	struct dmu_request *req;
	LIST_HEAD(taken);
	unsigned int i;

	for (i = 0; i < 3; i++)
		claims[i] = fence(env, 100 * i, SZ_4K);
	for (i = 0; i < 6; i++)
		io[i] = dmu_test_map(env, REQ_OP_READ, i < 4 ? 100 * i : 400, SZ_4K);
	dmu_test_is(test, dmu_test_count(&node->queue), 3);
	dmu_test_is(test, dmu_test_count(&node->blocking), 3);
	spin_lock_bh(&node->lock);
	/* Also the waiters of a claim that has gone meanwhile. */
	dmu_fence_remove(node, claims[1]);
	while ((req = dmu_fence_take(node)))
		list_add_tail(&req->list, &taken);
	spin_unlock_bh(&node->lock);
	dmu_test_is(test, dmu_test_count(&taken), 6);
	req = list_first_entry(&taken, struct dmu_request, list);
	dmu_test_true(test, req == io[3]->req);
	dmu_test_is(test, node->queued, 0);
	dmu_test_true(test, list_empty(&node->queue) && list_empty(&node->released));
	for (i = 0; i < 3; i++)
		dmu_test_true(test, list_empty(&claims[i]->waiters));
	dmu_test_is(test, node->fenced, 2);
	dmu_test_true(test, list_empty(&node->blocking));
	/* Put them back, for the end of the test. */
	list_splice(&taken, &node->queue);
	node->queued = 6;
	for (i = 0; i < 3; i++)
		unfence(env, claims[i]);
}

/* A claim blocks from its first waiter to its last, in whatever order they leave. */
static void blocking(struct kunit *test)
{
	struct dmu_test_env *env = test->priv;
	struct dmu_node *node = &env->node;
	struct dmu_claim *claim = fence(env, 0, SZ_4K);
	struct dmu_test_io *io[2];
	unsigned int round;

	for (round = 0; round < 2; round++) {
		dmu_test_true(test, list_empty(&claim->blocking));
		io[0] = dmu_test_map(env, REQ_OP_READ, 0, SZ_4K);
		io[1] = dmu_test_map(env, REQ_OP_READ, 0, SZ_4K);
		dmu_test_is(test, dmu_test_count(&node->blocking), 1);
		spin_lock_bh(&node->lock);
		dmu_fence_unqueue(node, io[round]->req);
		dmu_test_is(test, dmu_test_count(&node->blocking), 1);
		dmu_test_is(test, dmu_test_count(&claim->waiters), 1);
		dmu_fence_unqueue(node, io[!round]->req);
		spin_unlock_bh(&node->lock);
		dmu_test_true(test, list_empty(&node->blocking));
		dmu_test_is(test, node->queued, 0);
		/* Put them back, for the revoke. */
		list_add(&io[0]->req->list, &node->queue);
		list_add(&io[1]->req->list, &node->queue);
		node->queued = 2;
		dmu_request_revoke_all(node, BLK_STS_IOERR);
	}
	unfence(env, claim);
}

/* More waiters than one hold of the lock moves: each moves once. */
static void many_waiters(struct kunit *test)
{
	const unsigned int count = 5 * DMU_BATCH / 2;
	struct dmu_test_env *env = test->priv;
	struct dmu_claim *claim = fence(env, 0, SZ_4K);
	unsigned int i;

	for (i = 0; i < count; i++)
		dmu_test_map(env, REQ_OP_READ, i % 8, 512);
	dmu_test_is(test, dmu_test_count(&claim->waiters), count);
	dmu_test_is(test, unfence(env, claim), count);
	dmu_test_is(test, dmu_test_count(&env->node.queue), count);
	dmu_test_is(test, env->node.queued, count);
}

/* ---- at random, against a model that looks at every pair ---- */

struct chaos {
	struct dmu_test_env *env;
	struct rnd_state random;
	struct dmu_claim fences[FENCES];
	bool up[FENCES];
	struct dmu_test_io *io[WAITERS];	/* or NULL */
	bool free[WAITERS];			/* must be on the queue */
	bool seen[WAITERS];
};

static u32 below(struct chaos *chaos, u32 limit)
{
	return prandom_u32_state(&chaos->random) % limit;
}

static bool in_the_way(const struct dmu_claim *claim, const struct dmu_test_io *io)
{
	u64 start = io->bio->bi_iter.bi_sector;

	return bio_sectors(io->bio) && claim->msg.sector < start + bio_sectors(io->bio) &&
	       start < claim->msg.sector + (claim->msg.len >> SECTOR_SHIFT);
}

static bool free_to_go(struct chaos *chaos, const struct dmu_test_io *io)
{
	unsigned int i;

	for (i = 0; i < FENCES; i++)
		if (chaos->up[i] && in_the_way(&chaos->fences[i], io))
			return false;
	return true;
}

/* Find the requests that have become free to go: there must be @ready. */
static void chaos_settle(struct chaos *chaos, unsigned int ready)
{
	unsigned int i;

	for (i = 0; i < WAITERS; i++) {
		if (!chaos->io[i] || chaos->free[i] || !free_to_go(chaos, chaos->io[i]))
			continue;
		chaos->free[i] = true;
		ready--;
	}
	dmu_test_is(chaos->env->test, ready, 0);
}

/* Put up a fence, or take it down; most of them down unless @many. */
static void chaos_fence(struct chaos *chaos, bool many)
{
	unsigned int at = below(chaos, FENCES);
	struct dmu_claim *claim = &chaos->fences[at];

	if (!chaos->up[at]) {
		if (!many && below(chaos, 8))
			return;
		memset(claim, 0xa5, sizeof(*claim));
		dmu_fence_init(claim);
		claim->msg.sector = below(chaos, 64);
		claim->msg.len = (1 + below(chaos, below(chaos, 8) ? 4 : 40)) << SECTOR_SHIFT;
		chaos->up[at] = true;
		spin_lock_bh(&chaos->env->node.lock);
		dmu_fence_add(&chaos->env->node, claim);
		spin_unlock_bh(&chaos->env->node.lock);
		return;
	}
	chaos->up[at] = false;
	chaos_settle(chaos, unfence(chaos->env, claim));
}

/* A channel with some fences closes. */
static void chaos_close(struct chaos *chaos)
{
	unsigned int at, count = below(chaos, 8), n = 0;
	struct dmu_claim *claims[8];

	while (count--) {
		at = below(chaos, FENCES);
		if (!chaos->up[at])
			continue;
		chaos->up[at] = false;
		claims[n++] = &chaos->fences[at];
	}
	chaos_settle(chaos, unfence_all(chaos->env, claims, n));
}

static void chaos_map(struct chaos *chaos)
{
	unsigned int at = below(chaos, WAITERS);
	u32 sectors = below(chaos, below(chaos, 8) ? 4 : 40);

	if (chaos->io[at])
		return;
	chaos->io[at] = dmu_test_map(chaos->env, REQ_OP_WRITE, below(chaos, 64),
				     sectors << SECTOR_SHIFT);
	chaos->free[at] = free_to_go(chaos, chaos->io[at]);
}

/* A reader takes the first request of the queue, which must be free to go. */
static void chaos_take(struct chaos *chaos)
{
	struct dmu_node *node = &chaos->env->node;
	struct dmu_request *req;
	unsigned int i;

	req = list_first_entry_or_null(&node->queue, struct dmu_request, list);
	if (!req)
		return;
	for (i = 0; i < WAITERS; i++) {
		if (!chaos->io[i] || chaos->io[i]->req != req)
			continue;
		dmu_test_true(chaos->env->test, chaos->free[i]);
		spin_lock_bh(&node->lock);
		dmu_fence_unqueue(node, req);
		list_del(&req->age);
		spin_unlock_bh(&node->lock);
		chaos->io[i] = NULL;
		bio_endio(req->bio);
		return;
	}
	KUNIT_FAIL(chaos->env->test, "request %llu is unknown", req->seq);
}

/* Each request on @list must be in its place: the queue (no @claim), or a fence in its way. */
static void chaos_see(struct chaos *chaos, struct list_head *list, struct dmu_claim *claim)
{
	struct dmu_request *req;
	unsigned int i;

	list_for_each_entry(req, list, list) {
		for (i = 0; i < WAITERS; i++)
			if (chaos->io[i] && chaos->io[i]->req == req)
				break;
		if (i == WAITERS || chaos->seen[i] || chaos->free[i] == !!claim ||
		    (claim && !in_the_way(claim, chaos->io[i]))) {
			KUNIT_FAIL(chaos->env->test, "request %llu: wrong place", req->seq);
			return;
		}
		chaos->seen[i] = true;
	}
}

static void chaos_check(struct chaos *chaos)
{
	struct dmu_node *node = &chaos->env->node;
	unsigned int i, up = 0, waiting = 0, blocking = 0;

	memset(chaos->seen, 0, sizeof(chaos->seen));
	chaos_see(chaos, &node->queue, NULL);
	for (i = 0; i < FENCES; i++) {
		if (!chaos->up[i])
			continue;
		chaos_see(chaos, &chaos->fences[i].waiters, &chaos->fences[i]);
		blocking += !list_empty(&chaos->fences[i].waiters);
		up++;
	}
	for (i = 0; i < WAITERS; i++) {
		waiting += !!chaos->io[i];
		if (chaos->io[i] && !chaos->seen[i])
			KUNIT_FAIL(chaos->env->test, "request %llu is lost", chaos->io[i]->seq);
	}
	dmu_test_is(chaos->env->test, node->fenced, up);
	dmu_test_is(chaos->env->test, dmu_test_count(&node->blocking), blocking);
	dmu_test_is(chaos->env->test, node->queued, waiting);
}

static void like_the_model(struct kunit *test)
{
	struct chaos *chaos = kunit_kzalloc(test, sizeof(*chaos), GFP_KERNEL);
	unsigned int step, failed = 0;

	KUNIT_ASSERT_NOT_NULL(test, chaos);
	chaos->env = test->priv;
	prandom_seed_state(&chaos->random, dmu_test_seed);
	for (step = 0; step < 2000 * dmu_test_rounds && !failed; step++) {
		/* Few fences and many fences, in turns. */
		if (below(chaos, 2))
			chaos_fence(chaos, (step / 500) % 2);
		if (!below(chaos, 10))
			chaos_close(chaos);
		if (below(chaos, 2))
			chaos_map(chaos);
		else
			chaos_take(chaos);
		chaos_check(chaos);
		failed = READ_ONCE(test->status) == KUNIT_FAILURE;
	}
	kunit_info(test, "seed %llu, %u steps", dmu_test_seed, step);
	for (step = 0; step < FENCES; step++)
		if (chaos->up[step])
			unfence(chaos->env, &chaos->fences[step]);
}

static struct kunit_case cases[] = {
	KUNIT_CASE(overlaps),
	KUNIT_CASE(remove_what_is_not_there),
	KUNIT_CASE(waiters_move_on),
	KUNIT_CASE(waiters_move_together),
	KUNIT_CASE(remove_all),
	KUNIT_CASE(order_is_kept),
	KUNIT_CASE(take),
	KUNIT_CASE(blocking),
	KUNIT_CASE(many_waiters),
	KUNIT_CASE(like_the_model),
	{}
};

struct kunit_suite dmu_fence_suite = {
	.name = "dmu_fence",
	.suite_init = dmu_test_suite_init,
	.suite_exit = dmu_test_suite_exit,
	.init = dmu_test_init,
	.exit = dmu_test_exit,
	.test_cases = cases,
};
