// SPDX-License-Identifier: GPL-2.0
/*
 * Extents: what is mapped against an array of sectors, flushes, remap answers, the pin, and
 * SYNC.
 */
#include <linux/completion.h>
#include <linux/kthread.h>

#include "suites.h"

#define SECTORS		128
#define BACKINGS	2
#define BACKING_SECTORS	4096
#define RW		(DM_USER_EXTENT_READ | DM_USER_EXTENT_WRITE)

/* The node of @test with @max extents, and a channel that may change them. */
static struct dmu_channel *extents_open(struct kunit *test, unsigned int max)
{
	struct dmu_test_env *env = test->priv;
	struct dmu_node *node = &env->node;
	unsigned int i;

	node->extents = dmu_extents_create(max);
	KUNIT_ASSERT_NOT_NULL(test, node->extents);
	node->sectors = SECTORS;
	node->config.logical_block_size = SECTOR_SIZE;
	env->target.config.max_io = 24 * SECTOR_SIZE;
	node->config.backing_count = BACKINGS;
	for (i = 0; i < BACKINGS; i++)
		node->backing_sectors[i] = BACKING_SECTORS;
	env->opened = dmu_test_open(env);
	return env->opened;
}

static int map(struct dmu_channel *channel, u64 sector, u64 len, u64 target, u32 backing,
	       u32 flags)
{
	const struct dm_user_extent extent = {
		.sector = sector, .len = len, .target = target, .backing = backing,
		.flags = flags,
	};

	return dmu_extents_change_one(channel, &extent);
}

/* ---- against a model ---- */

struct place {
	u64 target;
	u32 backing, flags;
};

static u32 below(struct rnd_state *state, u32 limit)
{
	return prandom_u32_state(state) % limit;
}

static bool same_piece(const struct place *model, unsigned int a, unsigned int b)
{
	return model[a].flags == model[b].flags &&
	       (!model[a].flags || (model[a].backing == model[b].backing &&
				    model[b].target - model[a].target == b - a));
}

/* Map a bio, and compare with the model where it went, and with how much of it. */
static void map_bio(struct kunit *test, const struct place *model, unsigned int first,
		    unsigned int sectors, bool write)
{
	struct dmu_test_env *env = test->priv;
	const struct place *place = &model[first];
	struct dmu_test_io *io;
	bool mapped = place->flags & (write ? DM_USER_EXTENT_WRITE : DM_USER_EXTENT_READ);
	unsigned int got, i;

	io = dmu_test_map_nr(env, write ? REQ_OP_WRITE : REQ_OP_READ, first,
			     sectors << SECTOR_SHIFT, 0);
	got = bio_sectors(io->bio);
	/* At least one sector, and none whose answer differs. */
	dmu_test_true(test, got >= 1 && got <= sectors);
	for (i = 1; i < got; i++)
		dmu_test_true(test, same_piece(model, first, first + i));
	dmu_test_true(test, mapped || first % 24 + got <= 24);
	dmu_test_is(test, io->mapped, mapped ? DM_MAPIO_REMAPPED : DM_MAPIO_SUBMITTED);
	dmu_test_is(test, io->backing, mapped ? (int)place->backing : -1);
	if (mapped) {
		dmu_test_is(test, io->bio->bi_iter.bi_sector, place->target);
		dmu_test_land(io);
	}
}

static void what_is_mapped_is_what_was_asked_for(struct kunit *test)
{
	struct dmu_channel *channel = extents_open(test, 1000);
	struct dmu_test_env *env = test->priv;
	struct place *model = kunit_kcalloc(test, SECTORS, sizeof(*model), GFP_KERNEL);
	struct dmu_extents_view view;
	struct rnd_state state;
	unsigned int round, i, sectors;

	KUNIT_ASSERT_NOT_NULL(test, model);
	prandom_seed_state(&state, dmu_test_seed);
	for (round = 0; round < 200 * dmu_test_rounds; round++) {
		unsigned int first = below(&state, SECTORS);
		unsigned int len = 1 + below(&state, below(&state, 8) ? 8 : SECTORS);
		struct place place = {
			.target = below(&state, BACKING_SECTORS - SECTORS),
			.backing = below(&state, BACKINGS), .flags = below(&state, 4),
		};

		if (!below(&state, 16))
			first = 0, len = SECTORS;
		len = min(len, SECTORS - first);
		if (!place.flags)
			place = (struct place){ };
		dmu_test_is(test, map(channel, first, len, place.target, place.backing,
				      place.flags), 0);
		for (i = 0; i < len; i++) {
			model[first + i] = place;
			model[first + i].target += place.flags ? i : 0;
		}
		first = below(&state, SECTORS);
		map_bio(test, model, first, 1 + below(&state, SECTORS - first),
			below(&state, 2));
		for (sectors = i = 0; i < SECTORS; i++)
			sectors += !!model[i].flags;
		dmu_extents_status(env->node.extents, &view);
		dmu_test_is(test, view.sectors, sectors);
		/* Not too many for the fixture. */
		if (round % 32 == 31)
			dmu_request_revoke_all(&env->node, BLK_STS_IOERR);
	}
}

static void extents_are_few(struct kunit *test)
{
	struct dmu_channel *channel = extents_open(test, 2);
	struct dmu_test_env *env = test->priv;
	struct dmu_extents_view view;

	dmu_test_is(test, map(channel, 0, 8, 0, 0, RW), 0);
	dmu_test_is(test, map(channel, 16, 8, 0, 0, RW), 0);
	dmu_test_is(test, map(channel, 32, 8, 0, 0, RW), -ENOSPC);
	dmu_test_is(test, map(channel, 0, SECTORS, 0, 0, RW), 0);
	dmu_extents_status(env->node.extents, &view);
	dmu_test_is(test, view.count, 1);
	dmu_test_is(test, map(channel, 8, 8, 0, 0, 0), 0);
	dmu_test_is(test, map(channel, 32, 8, 0, 0, 0), -ENOSPC);
	/* Fewer is possible also from there. */
	dmu_test_is(test, map(channel, 0, SECTORS, 0, 0, 0), 0);
	dmu_extents_status(env->node.extents, &view);
	dmu_test_is(test, view.count, 0);
	dmu_test_is(test, view.sectors, 0);
	dmu_test_is(test, map(channel, 0, 8, BACKING_SECTORS - 7, 0, RW), -ERANGE);
	dmu_test_is(test, map(channel, 0, 8, 0, BACKINGS, RW), -ENXIO);
	dmu_test_is(test, map(channel, SECTORS - 7, 8, 0, 0, RW), -ERANGE);
	dmu_test_is(test, map(channel, 0, U64_MAX, 0, 0, RW), -ERANGE);
	dmu_test_is(test, map(channel, 1, U64_MAX, 0, 0, RW), -EINVAL);
}

/* Trees of several levels are replaced as a whole, and in parts, and freed. */
static void many_extents_come_and_go(struct kunit *test)
{
	const unsigned int many = 20000;
	struct dmu_channel *channel = extents_open(test, 2 * many);
	struct dmu_test_env *env = test->priv;
	struct dmu_extents_view view;
	unsigned int round, i;
	int failed = 0;

	env->node.sectors = 4 * many;
	env->node.backing_sectors[0] = 4 * many;
	for (round = 0; round < 3; round++) {
		/* With holes, then without, then some again. */
		for (i = 0; i < many; i++)
			failed |= map(channel, 4 * i, round ? 4 : 2, round == 1 ? 4 * i : i, 0,
				      RW);
		dmu_extents_status(env->node.extents, &view);
		dmu_test_is(test, view.count, many);
		dmu_test_is(test, view.sectors, many * (round ? 4 : 2));
		if (round == 2)
			break;
		failed |= map(channel, 5, 2 * many, 0, 0, round ? RW : 0);
		failed |= map(channel, 0, 4 * many, 0, 0, round ? 0 : RW);
		dmu_extents_status(env->node.extents, &view);
		dmu_test_is(test, view.count, !round);
		dmu_test_is(test, view.sectors, round ? 0 : 4 * many);
	}
	dmu_test_is(test, failed, 0);
	/* What was freed after a grace period is freed before the test ends. */
	rcu_barrier();
}

/* ---- flushes ---- */

static void each_device_gets_its_flush(struct kunit *test)
{
	struct dmu_channel *channel = extents_open(test, 8);
	struct dmu_test_env *env = test->priv;
	struct dmu_test_io *first, *second, *write;

	dmu_test_is(test, map(channel, 0, 8, 0, 1, RW), 0);
	/* The first goes to the daemon, and then to its device; the second to its own at once. */
	first = dmu_test_map_nr(env, REQ_OP_WRITE | REQ_PREFLUSH, 0, 0, 0);
	second = dmu_test_map_nr(env, REQ_OP_WRITE | REQ_PREFLUSH, 0, 0, 1);
	dmu_test_is(test, first->mapped, DM_MAPIO_SUBMITTED);
	dmu_test_is(test, second->mapped, DM_MAPIO_REMAPPED);
	dmu_test_is(test, second->backing, 1);
	dmu_test_land(second);
	dmu_test_read(channel);
	dmu_test_true(test, dmu_test_answer(channel, first->seq, DM_USER_RESP_SUCCESS));
	dmu_test_is(test, first->ended, 0);
	dmu_test_is(test, first->backing, 0);
	dmu_test_land(first);
	dmu_test_is(test, dmu_flush_declare_clean(channel), 0);
	first = dmu_test_map_nr(env, REQ_OP_WRITE | REQ_PREFLUSH, 0, 0, 0);
	dmu_test_is(test, first->backing, 0);
	dmu_test_land(first);
	write = dmu_test_map_nr(env, REQ_OP_WRITE, 64, SZ_4K, 0);
	dmu_test_true(test, env->node.clean);
	dmu_test_read(channel);
	dmu_test_true(test, !env->node.clean);
	dmu_test_is(test, dmu_flush_declare_clean(channel), -EBUSY);
	dmu_test_answer(channel, write->seq, DM_USER_RESP_SUCCESS);
	dmu_test_is(test, env->node.writing, 0);
	first = dmu_test_map_nr(env, REQ_OP_WRITE | REQ_PREFLUSH, 0, 0, 0);
	dmu_test_is(test, first->backing, -1);
	dmu_test_read(channel);
	dmu_test_answer(channel, first->seq, DM_USER_RESP_SUCCESS);
	dmu_test_is(test, first->backing, 0);
	dmu_test_is(test, first->ended, 0);
	dmu_test_land(first);
	dmu_test_is(test, dmu_flush_declare_clean(channel), 0);
	dmu_test_is(test, env->node.flushed, env->node.written);
}

/* A daemon that dies with a write, or has it taken back, holds it no more. */
static void writes_are_counted_to_the_end(struct kunit *test)
{
	struct dmu_channel *channel = extents_open(test, 8);
	struct dmu_test_env *env = test->priv;
	struct dmu_test_io *io;

	io = dmu_test_map_nr(env, REQ_OP_WRITE, 0, SZ_4K, 0);
	dmu_test_read(channel);
	dmu_test_is(test, env->node.writing, 1);
	dmu_request_revoke_all(&env->node, BLK_STS_IOERR);
	dmu_test_is(test, env->node.writing, 1);
	dmu_test_answer(channel, io->seq, DM_USER_RESP_SUCCESS);
	dmu_test_is(test, env->node.writing, 0);
	dmu_test_map_nr(env, REQ_OP_DISCARD, 0, SZ_4K, 0);
	dmu_test_claim(channel);
	dmu_test_is(test, env->node.writing, 1);
	dmu_request_give_back(channel);
	dmu_test_is(test, env->node.writing, 0);
	dmu_test_read(channel);
	dmu_test_close(channel);
	dmu_test_is(test, env->node.writing, 0);
}

/* ---- answers that remap ---- */

static bool remap(struct dmu_channel *channel, u64 seq, u64 backing, u64 sector)
{
	const struct dm_user_message answer = {
		.seq = seq, .type = DM_USER_RESP_REMAP, .flags = backing, .sector = sector,
	};
	struct dmu_claim *claim = dmu_test_begin(channel, seq, DM_USER_RESP_REMAP);

	if (claim)
		dmu_request_remap(channel, claim, &answer);
	return claim;
}

static void answers_remap_what_fits(struct kunit *test)
{
	static const struct {
		u64 backing, sector;
		bool valid;
	} rows[] = {
		{ 0, 0, true }, { 1, BACKING_SECTORS - 8, true }, { 1, BACKING_SECTORS - 7 },
		{ 0, BACKING_SECTORS }, { 0, U64_MAX }, { 0, U64_MAX - 7 }, { BACKINGS, 0 },
		{ U64_MAX, 0 },
	};
	struct dmu_channel *channel = extents_open(test, 8);
	struct dmu_test_env *env = test->priv;
	struct dmu_test_io *io;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(rows); i++) {
		io = dmu_test_map_nr(env, i & 1 ? REQ_OP_WRITE : REQ_OP_READ, 0, SZ_4K, 0);
		dmu_test_read(channel);
		dmu_test_true(test, remap(channel, io->seq, rows[i].backing, rows[i].sector));
		dmu_test_is(test, channel->generation->held, 0);
		dmu_test_true(test, list_empty(&env->node.requests));
		dmu_test_is(test, io->ended, !rows[i].valid);
		if (io->ended) {
			dmu_test_is(test, io->status, BLK_STS_IOERR);
			continue;
		}
		dmu_test_is(test, io->backing, rows[i].backing);
		dmu_test_is(test, io->bio->bi_iter.bi_sector, rows[i].sector);
		dmu_test_land(io);
	}
	dmu_test_is(test, env->node.counters.remapped, 2);
	/* Not a flush, and not what was taken back. */
	io = dmu_test_map_nr(env, REQ_OP_WRITE | REQ_PREFLUSH, 0, 0, 0);
	dmu_test_read(channel);
	dmu_test_true(test, remap(channel, io->seq, 0, 0));
	dmu_test_is(test, io->status, BLK_STS_IOERR);
	io = dmu_test_map_nr(env, REQ_OP_WRITE, 0, SZ_4K, 0);
	dmu_test_read(channel);
	dmu_request_revoke_all(&env->node, BLK_STS_DM_REQUEUE);
	dmu_test_is(test, env->node.fenced, 1);
	dmu_test_true(test, remap(channel, io->seq, 0, 0));
	dmu_test_is(test, io->backing, -1);
	dmu_test_is(test, env->node.fenced, 0);
	dmu_test_is(test, env->node.counters.remapped, 2);
}

static void a_fence_keeps_from_mapping(struct kunit *test)
{
	struct dmu_channel *channel = extents_open(test, 8);
	struct dmu_test_env *env = test->priv;
	struct dmu_test_io *old, *io;

	old = dmu_test_map_nr(env, REQ_OP_WRITE, 0, SZ_4K, 0);
	dmu_test_read(channel);
	dmu_request_revoke_all(&env->node, BLK_STS_IOERR);
	dmu_test_is(test, map(channel, 0, SECTORS, 0, 0, RW), 0);
	io = dmu_test_map_nr(env, REQ_OP_WRITE, 0, SZ_4K, 0);
	dmu_test_is(test, io->backing, -1);
	dmu_test_is(test, dmu_test_claim(channel), -EAGAIN);
	/* What does not overlap is mapped. */
	io = dmu_test_map_nr(env, REQ_OP_READ, 8, SZ_4K, 0);
	dmu_test_is(test, io->backing, 0);
	dmu_test_land(io);
	/* While a revoke is under way, a write that is held may become a fence anywhere. */
	env->node.revoking++;
	io = dmu_test_map_nr(env, REQ_OP_READ, 8, SZ_4K, 0);
	dmu_test_is(test, io->backing, -1);
	env->node.revoking--;
	dmu_fence_release(&env->node);
	dmu_test_answer(channel, old->seq, DM_USER_RESP_SUCCESS);
	dmu_test_is(test, dmu_test_read(channel), 1);
	io = dmu_test_map_nr(env, REQ_OP_WRITE, 0, SZ_4K, 0);
	dmu_test_is(test, io->backing, 0);
	dmu_test_land(io);
}

/* ---- the pin ---- */

static void a_pin_needs_all_and_no_daemon(struct kunit *test)
{
	struct dmu_channel *channel = extents_open(test, 8);
	struct dmu_test_env *env = test->priv;
	struct dmu_node *node = &env->node;
	struct dmu_test_io *io;

	dmu_test_is(test, map(channel, 0, SECTORS - 8, 0, 0, RW), 0);
	dmu_test_is(test, dmu_flush_declare_clean(channel), 0);
	dmu_test_is(test, dmu_pin(node), -EBUSY);
	dmu_test_is(test, map(channel, SECTORS - 8, 8, 0, 0, DM_USER_EXTENT_READ), 0);
	dmu_test_is(test, dmu_pin(node), -EBUSY);
	dmu_test_is(test, map(channel, SECTORS - 8, 8, 0, 0, RW), 0);
	dmu_test_is(test, map(channel, 64, 8, 0, 0, 0), 0);
	dmu_test_is(test, dmu_pin(node), -EBUSY);
	/* A read that is queued, held, and taken back. */
	dmu_test_is(test, map(channel, 0, 8, 0, 0, 0), 0);
	io = dmu_test_map_nr(env, REQ_OP_READ, 0, SZ_4K, 0);
	dmu_test_is(test, map(channel, 0, SECTORS, 0, 0, RW), 0);
	dmu_test_is(test, dmu_pin(node), -EBUSY);
	dmu_test_read(channel);
	dmu_test_true(test, node->clean);
	dmu_test_is(test, dmu_pin(node), -EBUSY);
	dmu_request_revoke_all(node, BLK_STS_IOERR);
	dmu_test_is(test, dmu_pin(node), 0);
	dmu_test_is(test, dmu_unpin(node), 0);
	dmu_test_answer(channel, io->seq, DM_USER_RESP_SUCCESS);
	/* A write of a daemon, which may still write it. */
	dmu_test_is(test, map(channel, 0, 8, 0, 0, 0), 0);
	io = dmu_test_map_nr(env, REQ_OP_WRITE, 0, SZ_4K, 0);
	dmu_test_read(channel);
	dmu_request_revoke_all(node, BLK_STS_IOERR);
	dmu_test_is(test, map(channel, 0, SECTORS, 0, 0, RW), 0);
	dmu_test_is(test, dmu_pin(node), -EBUSY);
	dmu_test_answer(channel, io->seq, DM_USER_RESP_SUCCESS);
	dmu_test_is(test, dmu_pin(node), -EBUSY);
	dmu_test_is(test, dmu_flush_declare_clean(channel), 0);
	node->revoking++;
	dmu_test_is(test, dmu_pin(node), -EBUSY);
	node->revoking--;
	env->events = 0;
	dmu_test_is(test, dmu_pin(node), 0);
	dmu_test_is(test, dmu_pin(node), 0);
	dmu_test_is(test, env->events, 1);
}

static void a_pin_keeps_what_it_needs(struct kunit *test)
{
	static const blk_opf_t opfs[] = { REQ_OP_READ, REQ_OP_WRITE, REQ_OP_WRITE | REQ_FUA,
					  REQ_OP_DISCARD, REQ_OP_WRITE_ZEROES };
	struct dmu_channel *channel = extents_open(test, 8);
	struct dmu_test_env *env = test->priv;
	struct dmu_node *node = &env->node;
	struct dmu_test_io *io;
	unsigned int i;

	dmu_test_is(test, map(channel, 0, 64, 0, 1, RW), 0);
	dmu_test_is(test, map(channel, 64, SECTORS - 64, 0, 0, RW), 0);
	dmu_test_is(test, dmu_flush_declare_clean(channel), 0);
	dmu_test_is(test, dmu_pin(node), 0);
	dmu_test_is(test, map(channel, 0, 8, 0, 0, RW), -EBUSY);
	dmu_test_is(test, dmu_flush_declare_clean(channel), -EBUSY);
	dmu_test_is(test, dmu_extents_drop(node), -EBUSY);
	/* Whatever comes is mapped, also if daemons have been gone for too long. */
	node->failing = true;
	dmu_request_revoke_all(node, BLK_STS_IOERR);
	node->revoking++;
	for (i = 0; i < ARRAY_SIZE(opfs); i++) {
		io = dmu_test_map_nr(env, opfs[i], 32, i & 1 ? 0 : SZ_4K, 0);
		dmu_test_is(test, io->mapped, DM_MAPIO_REMAPPED);
		dmu_test_land(io);
	}
	node->revoking--;
	for (i = 0; i < BACKINGS; i++) {
		io = dmu_test_map_nr(env, REQ_OP_WRITE | REQ_PREFLUSH, 0, 0, i);
		dmu_test_is(test, io->backing, i);
		dmu_test_land(io);
	}
	/* A table that is longer is not pinned; the same is. */
	dmu_pin_fit(node);
	dmu_test_true(test, node->pinned);
	node->sectors++;
	dmu_pin_fit(node);
	dmu_test_true(test, !node->pinned);
	dmu_test_is(test, dmu_unpin(node), 0);
	dmu_test_is(test, map(channel, 0, 8, 0, 0, RW), 0);
}

static void a_pin_of_a_read_only_table(struct kunit *test)
{
	struct dmu_channel *channel = extents_open(test, 8);
	struct dmu_test_env *env = test->priv;
	struct dmu_node *node = &env->node;
	struct dmu_test_io *io;

	node->read_only = true;
	dmu_test_is(test, map(channel, 0, SECTORS, 0, 0, DM_USER_EXTENT_WRITE), 0);
	dmu_test_is(test, dmu_flush_declare_clean(channel), 0);
	dmu_test_is(test, dmu_pin(node), -EBUSY);
	dmu_test_is(test, map(channel, 0, SECTORS, 0, 0, DM_USER_EXTENT_READ), 0);
	dmu_test_is(test, dmu_pin(node), 0);
	io = dmu_test_map_nr(env, REQ_OP_WRITE, 0, SZ_4K, 0);
	dmu_test_is(test, io->mapped, DM_MAPIO_KILL);
	io = dmu_test_map_nr(env, REQ_OP_READ, 0, SZ_4K, 0);
	dmu_test_is(test, io->mapped, DM_MAPIO_REMAPPED);
	dmu_test_land(io);
	node->read_only = false;
	dmu_pin_fit(node);
	dmu_test_true(test, !node->pinned);
}

static void pin_all(struct dmu_test_env *env)
{
	struct dmu_channel *channel = env->opened;

	dmu_test_is(env->test, map(channel, 0, SECTORS, 0, 1, RW), 0);
	dmu_test_is(env->test, dmu_flush_declare_clean(channel), 0);
	dmu_test_is(env->test, dmu_pin(&env->node), 0);
}

/* The node is pinned after the look at the map, and before the bio is queued. */
static void a_bio_that_looked_before_the_pin_is_mapped(struct kunit *test)
{
	struct dmu_channel *channel = extents_open(test, 8);
	struct dmu_test_env *env = test->priv;
	struct dmu_test_io *io;

	env->cut = pin_all;
	io = dmu_test_map_nr(env, REQ_OP_WRITE, 16, 16 << SECTOR_SHIFT, 0);
	dmu_test_is(test, io->mapped, DM_MAPIO_REMAPPED);
	dmu_test_is(test, io->backing, 1);
	dmu_test_is(test, env->node.queued, 0);
	dmu_test_is(test, dmu_test_claim(channel), -EAGAIN);
	dmu_test_land(io);
}

/* ---- SYNC ---- */

struct sync {
	struct dmu_extents *extents;
	struct completion done;
	int ret;
};

static int sync_run(void *arg)
{
	struct sync *sync = arg;

	sync->ret = dmu_flights_sync(&sync->extents->flights);
	complete(&sync->done);
	return 0;
}

/* Run a SYNC in a thread of its own. */
static void sync_start(struct kunit *test, struct sync *sync)
{
	struct dmu_test_env *env = test->priv;

	sync->extents = env->node.extents;
	init_completion(&sync->done);
	KUNIT_ASSERT_FALSE(test, IS_ERR(kthread_run(sync_run, sync, "dmu-test-sync")));
}

static bool sync_ends(struct sync *sync, unsigned int seconds)
{
	return wait_for_completion_timeout(&sync->done, seconds ? seconds * HZ : HZ / 20);
}

static void sync_waits_for_what_was_mapped(struct kunit *test)
{
	struct dmu_channel *channel = extents_open(test, 8);
	struct dmu_test_env *env = test->priv;
	struct dmu_test_io *before, *after;
	struct sync sync;

	dmu_test_is(test, dmu_flights_sync(&env->node.extents->flights), 0);
	dmu_test_is(test, map(channel, 0, SECTORS, 0, 0, RW), 0);
	before = dmu_test_map_nr(env, REQ_OP_READ, 0, SZ_4K, 0);
	dmu_test_is(test, map(channel, 0, SECTORS, 8, 0, RW), 0);
	sync_start(test, &sync);
	dmu_test_true(test, !sync_ends(&sync, 0));
	/* What comes while it waits does not keep it. */
	after = dmu_test_map_nr(env, REQ_OP_READ, 0, SZ_4K, 0);
	dmu_test_is(test, after->bio->bi_iter.bi_sector, 8);
	dmu_test_land(before);
	dmu_test_true(test, sync_ends(&sync, 60));
	dmu_test_is(test, sync.ret, 0);
	sync_start(test, &sync);
	dmu_test_true(test, !sync_ends(&sync, 0));
	dmu_test_land(after);
	dmu_test_true(test, sync_ends(&sync, 60));
}

static struct kunit_case cases[] = {
	KUNIT_CASE(what_is_mapped_is_what_was_asked_for),
	KUNIT_CASE(extents_are_few),
	KUNIT_CASE(many_extents_come_and_go),
	KUNIT_CASE(each_device_gets_its_flush),
	KUNIT_CASE(writes_are_counted_to_the_end),
	KUNIT_CASE(answers_remap_what_fits),
	KUNIT_CASE(a_fence_keeps_from_mapping),
	KUNIT_CASE(a_pin_needs_all_and_no_daemon),
	KUNIT_CASE(a_pin_keeps_what_it_needs),
	KUNIT_CASE(a_pin_of_a_read_only_table),
	KUNIT_CASE(a_bio_that_looked_before_the_pin_is_mapped),
	KUNIT_CASE(sync_waits_for_what_was_mapped),
	{}
};

struct kunit_suite dmu_extents_suite = {
	.name = "dmu_extents",
	.suite_init = dmu_test_suite_init,
	.suite_exit = dmu_test_suite_exit,
	.init = dmu_test_init,
	.exit = dmu_test_exit,
	.test_cases = cases,
};
