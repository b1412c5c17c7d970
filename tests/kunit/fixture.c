// SPDX-License-Identifier: GPL-2.0
/* A node, channels and bios for the suites; fakes of node.c and of DM. */
#include <linux/slab.h>

#include "fixture.h"

/* A bio with its request in front of it, where DM puts it. */
struct dmu_test_bio {
	struct dmu_request req;
	struct bio bio;
};

/* A channel of env->channels. */
struct dmu_test_channel {
	struct dmu_channel channel;
	struct list_head list;
};

static struct dmu_test_env *dmu_test_env_of(struct dmu_node *node)
{
	return container_of(node, struct dmu_test_env, node);
}

bool dmu_test_compare(struct kunit *test, const char *file, int line, const char *what, s64 got,
		      s64 want)
{
	if (got != want)
		KUNIT_FAIL(test, "%s.c:%d: %s is %lld, not %lld", file, line, what, got, want);
	return got == want;
}

/* ---- node.c ---- */

void dmu_node_event(struct dmu_node *node)
{
	/* The real function takes and drops references and queues work: not under the lock. */
	lockdep_assert_not_held(&node->lock);
	dmu_test_env_of(node)->events++;
}

void dmu_node_watch(struct dmu_node *node)
{
	lockdep_assert_held(&node->lock);
	dmu_test_env_of(node)->watches++;
}

void dmu_node_wake(struct dmu_node *node, unsigned int requests)
{
	lockdep_assert_not_held(&node->lock);
	dmu_test_env_of(node)->woken += requests;
}

void dmu_node_wake_all(struct dmu_node *node)
{
	dmu_test_env_of(node)->woken_all++;
}

void dmu_node_begin_grace(struct dmu_node *node)
{
	lockdep_assert_held(&node->lock);
	dmu_test_env_of(node)->graces++;
}

void dmu_node_retry_later(struct dmu_node *node)
{
	lockdep_assert_held(&node->lock);
	dmu_test_env_of(node)->retries++;
}

/* ---- end.c ---- */

void dmu_end_request(struct dmu_request *req, blk_status_t status)
{
	req->bio->bi_status = status;
	bio_endio(req->bio);
}

/* ---- target.c ---- */

void dmu_target_redirect(struct dmu_target *target, struct bio *bio, unsigned int nr,
			 sector_t sector)
{
	struct dmu_test_io *io = bio->bi_private;

	io->backing = nr;
	bio->bi_iter.bi_sector = sector;
}

void dmu_target_submit(struct dmu_request *req, unsigned int nr, sector_t sector)
{
	lockdep_assert_not_held(&req->target->node->lock);
	dmu_target_redirect(req->target, req->bio, nr, sector);
}

/* ---- DM ---- */

void dmu_test_accept_partial(struct bio *bio, unsigned int sectors)
{
	struct dmu_test_io *io = bio->bi_private;
	void (*cut)(struct dmu_test_env *env) = io->env->cut;

	/* DM does not survive anything else. */
	dmu_test_true(io->env->test, sectors && sectors <= bio_sectors(bio));
	bio->bi_iter.bi_size = sectors << SECTOR_SHIFT;
	io->env->cut = NULL;
	if (cut)
		cut(io->env);
}

unsigned int dmu_test_bio_nr(const struct bio *bio)
{
	struct dmu_test_io *io = bio->bi_private;

	return io->nr;
}

int dmu_test_noflush_suspending(struct dm_target *ti)
{
	struct dmu_test_env *env = container_of(ti, struct dmu_test_env, ti);

	/* The lock orders this check and the queueing that follows it before or after a revoke. */
	lockdep_assert_held(&env->node.lock);
	return env->noflush;
}

void *dmu_test_per_bio_data(struct bio *bio, size_t size)
{
	struct dmu_test_bio *tb = container_of(bio, struct dmu_test_bio, bio);

	return size == sizeof(tb->req) ? &tb->req : NULL;
}

static void dmu_test_io_end(struct dmu_test_io *io, struct bio *bio, blk_status_t status)
{
	if (io->ended++)
		return;
	/* As dmu_end_io(); a bio that the map function did not take has no end. */
	if (status != DMU_TEST_GIVEN_BACK)
		dmu_flight_leave(io->req);
	io->status = status;
	io->bio = NULL;
	io->req = NULL;
	kfree(container_of(bio, struct dmu_test_bio, bio));
}

static void dmu_test_end_io(struct bio *bio)
{
	struct dmu_test_io *io = bio->bi_private;

	/* The bio's owner may do anything now, such as submit another bio. */
	lockdep_assert_not_held(&io->env->node.lock);
	dmu_test_io_end(io, bio, bio->bi_status);
	if (io->again)
		dmu_test_map(io->env, REQ_OP_READ, 0, SZ_4K);
	if (io->env->taker)
		io->env->taken += dmu_test_claim(io->env->taker) == 1;
}

struct dmu_test_io *dmu_test_io_create(struct dmu_test_env *env, blk_opf_t opf, sector_t sector,
				       unsigned int bytes)
{
	struct dmu_test_io *io = kzalloc(sizeof(*io), GFP_KERNEL);
	struct dmu_test_bio *tb = kmalloc(sizeof(*tb), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(env->test, io);
	KUNIT_ASSERT_NOT_NULL(env->test, tb);
	/* DM does not clear it: it has the data of an earlier bio. */
	memset(&tb->req, 0xa5, sizeof(tb->req));
	bio_init(&tb->bio, NULL, NULL, 0, opf);
	tb->bio.bi_iter.bi_sector = sector;
	tb->bio.bi_iter.bi_size = bytes;
	tb->bio.bi_end_io = dmu_test_end_io;
	tb->bio.bi_private = io;
	io->env = env;
	io->bio = &tb->bio;
	io->req = &tb->req;
	io->backing = -1;
	list_add_tail(&io->list, &env->ios);
	return io;
}

struct dmu_test_io *dmu_test_map(struct dmu_test_env *env, blk_opf_t opf, sector_t sector,
				 unsigned int bytes)
{
	struct dmu_test_io *io = dmu_test_io_create(env, opf, sector, bytes);

	io->mapped = dmu_request_map(&env->target, io->bio);
	if (io->mapped == DM_MAPIO_SUBMITTED)
		io->seq = io->req->seq;
	else
		dmu_test_io_end(io, io->bio, DMU_TEST_GIVEN_BACK);
	return io;
}

struct dmu_test_io *dmu_test_map_nr(struct dmu_test_env *env, blk_opf_t opf, sector_t sector,
				    unsigned int bytes, unsigned int nr)
{
	struct dmu_test_io *io = dmu_test_io_create(env, opf, sector, bytes);

	io->nr = nr;
	io->mapped = dmu_extents_map(&env->target, io->bio);
	if (io->mapped == DM_MAPIO_SUBMITTED)
		io->seq = io->req->seq;
	else if (io->mapped != DM_MAPIO_REMAPPED)
		dmu_test_io_end(io, io->bio, DMU_TEST_GIVEN_BACK);
	return io;
}

/* The backing device has done what it got. */
void dmu_test_land(struct dmu_test_io *io)
{
	dmu_test_io_end(io, io->bio, BLK_STS_OK);
}

/* ---- the node and its channels ---- */

struct dmu_test_env *dmu_test_env_create(struct kunit *test)
{
	struct dmu_test_env *env = kzalloc(sizeof(*env), GFP_KERNEL);
	struct dmu_node *node;

	if (!env)
		return NULL;
	env->test = test;
	INIT_LIST_HEAD(&env->ios);
	node = &env->node;
	env->target.ti = &env->ti;
	env->target.node = node;
	node->name = "dm-user/kunit";
	spin_lock_init(&node->lock);
	init_waitqueue_head(&node->readers);
	init_waitqueue_head(&node->pollers);
	INIT_LIST_HEAD(&env->channels);
	INIT_LIST_HEAD(&node->requests);
	INIT_LIST_HEAD(&node->queue);
	INIT_LIST_HEAD(&node->released);
	INIT_LIST_HEAD(&node->nospace);
	INIT_LIST_HEAD(&node->blocking);
	node->fence_tree = RB_ROOT_CACHED;
	INIT_LIST_HEAD(&node->generations);
	list_add(&node->unjoined.list, &node->generations);
	return env;
}

/* Remove the device: each request must have ended once, and nothing may remain. */
void dmu_test_env_destroy(struct dmu_test_env *env)
{
	struct dmu_node *node = &env->node;
	struct kunit *test = env->test;
	struct dmu_test_channel *channel, *next;
	struct dmu_test_io *io, *next_io;

	dmu_request_revoke_all(node, BLK_STS_IOERR);
	list_for_each_entry_safe(channel, next, &env->channels, list)
		dmu_test_close(&channel->channel);
	list_for_each_entry_safe(io, next_io, &env->ios, list) {
		if (io->ended != 1)
			KUNIT_FAIL(test, "request %llu ended %u times", io->seq, io->ended);
		kfree(io);
	}
	dmu_test_is(test, node->channel_count, 0);
	dmu_test_is(test, node->queued, 0);
	dmu_test_is(test, node->fenced, 0);
	dmu_test_true(test, list_empty(&node->requests));
	dmu_test_true(test, list_empty(&node->queue));
	dmu_test_true(test, list_empty(&node->released));
	dmu_test_true(test, list_empty(&node->blocking));
	dmu_test_true(test, RB_EMPTY_ROOT(&node->fence_tree.rb_root));
	dmu_test_is(test, node->unjoined.channels, 0);
	dmu_test_is(test, node->unjoined.held, 0);
	dmu_test_is(test, node->generation_count, 0);
	dmu_test_true(test, list_is_singular(&node->generations));
	dmu_test_is(test, node->writing, 0);
	dmu_extents_free(node->extents);
	kfree(env);
}

int dmu_test_suite_init(struct kunit_suite *suite)
{
	return dmu_request_init();
}

/* The cache of claims complains about a claim that was not freed. */
void dmu_test_suite_exit(struct kunit_suite *suite)
{
	dmu_request_exit();
}

int dmu_test_init(struct kunit *test)
{
	test->priv = dmu_test_env_create(test);
	return test->priv ? 0 : -ENOMEM;
}

void dmu_test_exit(struct kunit *test)
{
	if (test->priv)
		dmu_test_env_destroy(test->priv);
}

struct dmu_channel *dmu_test_open(struct dmu_test_env *env)
{
	struct dmu_test_channel *tc = kzalloc(sizeof(*tc), GFP_KERNEL);
	struct dmu_node *node = &env->node;
	struct dmu_channel *channel;

	KUNIT_ASSERT_NOT_NULL(env->test, tc);
	list_add_tail(&tc->list, &env->channels);
	channel = &tc->channel;
	mutex_init(&channel->read.mutex);
	mutex_init(&channel->write.mutex);
	spin_lock_init(&channel->lock);
	channel->claims = RB_ROOT;
	channel->node = node;
	spin_lock_bh(&node->lock);
	channel->generation = &node->unjoined;
	channel->drains = node->unjoined.drains;
	node->unjoined.channels++;
	node->channel_count++;
	spin_unlock_bh(&node->lock);
	return channel;
}

void dmu_test_close(struct dmu_channel *channel)
{
	struct dmu_test_env *env = dmu_test_env_of(channel->node);

	dmu_request_orphan_all(channel);
	spin_lock_bh(&channel->lock);
	if (channel->spare)
		dmu_claim_free(channel, channel->spare);
	spin_unlock_bh(&channel->lock);
	dmu_test_true(env->test, RB_EMPTY_ROOT(&channel->claims));
	dmu_test_true(env->test, !channel->reserve_used);
	dmu_test_true(env->test, !channel->generation);
	list_del(&container_of(channel, struct dmu_test_channel, channel)->list);
	kfree(container_of(channel, struct dmu_test_channel, channel));
}

/* ---- channel.c ---- */

int dmu_test_claim(struct dmu_channel *channel)
{
	int ret = dmu_request_prepare_claim(channel);

	return ret ?: dmu_request_claim(channel);
}

/* Send @bytes more of the request that is being read. */
void dmu_test_send(struct dmu_channel *channel, size_t bytes)
{
	size_t total = DMU_TEST_HEADER;

	spin_lock_bh(&channel->lock);
	if (channel->out) {
		if (channel->out->msg.type == DM_USER_REQ_MAP_WRITE)
			total += channel->out->msg.len;
		channel->sent = min(total, channel->sent + bytes);
		if (channel->sent == total)
			dmu_request_sent(channel);
	}
	spin_unlock_bh(&channel->lock);
}

/* Read a request to its end. Returns 1, the result of dmu_test_claim(), or -ECANCELED. */
int dmu_test_read(struct dmu_channel *channel)
{
	int ret = 1;

	if (channel->canceled) {
		dmu_request_dismiss(channel);
		return -ECANCELED;
	}
	if (!channel->out)
		ret = dmu_test_claim(channel);
	if (ret == 1)
		dmu_test_send(channel, SIZE_MAX / 2);
	return ret;
}

struct dmu_claim *dmu_test_begin(struct dmu_channel *channel, u64 seq, u64 response)
{
	struct dm_user_message answer = { .seq = seq, .type = response };

	return dmu_request_begin_answer(channel, &answer);
}

/* Give a whole answer, with any payload that is due. False: the answer is refused. */
bool dmu_test_answer(struct dmu_channel *channel, u64 seq, u64 response)
{
	struct dmu_claim *claim = dmu_test_begin(channel, seq, response);

	if (claim)
		dmu_request_answer(channel, claim, response);
	return claim;
}

/* Drain the channel's generation, or undo that. False: it is too late for an undo. */
bool dmu_test_drain(struct dmu_channel *channel, bool undo)
{
	struct dmu_node *node = channel->node;
	int ret = 0;

	spin_lock_bh(&node->lock);
	if (undo)
		ret = dmu_generation_undo(node, channel->generation);
	else
		dmu_generation_drain(node, channel->generation, false);
	spin_unlock_bh(&node->lock);
	if (!ret)
		dmu_node_wake_all(node);
	return !ret;
}

/* The claim after @claim; the oldest after NULL. */
struct dmu_claim *dmu_test_next(struct dmu_channel *channel, struct dmu_claim *claim)
{
	struct rb_node *rb = claim ? rb_next(&claim->rb) : rb_first(&channel->claims);

	return rb_entry_safe(rb, struct dmu_claim, rb);
}

/* The channel's claim on request @seq, in whatever state. */
struct dmu_claim *dmu_test_find(struct dmu_channel *channel, u64 seq)
{
	struct dmu_claim *claim;

	for (claim = dmu_test_next(channel, NULL); claim; claim = dmu_test_next(channel, claim))
		if (claim->msg.seq == seq)
			return claim;
	return NULL;
}

unsigned int dmu_test_count_claims(struct dmu_channel *channel)
{
	struct dmu_claim *claim;
	unsigned int n = 0;

	for (claim = dmu_test_next(channel, NULL); claim; claim = dmu_test_next(channel, claim))
		n++;
	return n;
}

unsigned int dmu_test_count(const struct list_head *list)
{
	const struct list_head *entry;
	unsigned int n = 0;

	list_for_each(entry, list)
		n++;
	return n;
}
