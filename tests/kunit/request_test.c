// SPDX-License-Identifier: GPL-2.0
/* From DM to the daemon and back: the transitions that end well, one promise per case. */
#include <linux/delay.h>
#include <linux/interrupt.h>

#include "suites.h"

#define KB4	SZ_4K

/* Each kind of bio becomes its message. */
static void map_types(struct kunit *test)
{
	static const struct {
		blk_opf_t opf;
		unsigned int bytes;
		u64 type;
	} rows[] = {
		{ REQ_OP_READ, KB4, DM_USER_REQ_MAP_READ },
		{ REQ_OP_WRITE, KB4, DM_USER_REQ_MAP_WRITE },
		{ REQ_OP_WRITE | REQ_PREFLUSH, KB4, DM_USER_REQ_MAP_WRITE },
		{ REQ_OP_WRITE | REQ_PREFLUSH, 0, DM_USER_REQ_MAP_FLUSH },
		{ REQ_OP_WRITE | REQ_FUA, KB4, DM_USER_REQ_MAP_WRITE },
		{ REQ_OP_FLUSH, 0, DM_USER_REQ_MAP_FLUSH },
		{ REQ_OP_DISCARD, SZ_1G, DM_USER_REQ_MAP_DISCARD },
		{ REQ_OP_SECURE_ERASE, KB4, DM_USER_REQ_MAP_SECURE_ERASE },
		{ REQ_OP_WRITE_ZEROES, KB4, DM_USER_REQ_MAP_WRITE_ZEROES },
	};
	struct dmu_test_env *env = test->priv;
	struct dmu_channel *channel = dmu_test_open(env);
	struct dmu_claim *claim;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(rows); i++) {
		dmu_test_map(env, rows[i].opf, 8 * i, rows[i].bytes);
		dmu_test_is(test, dmu_test_claim(channel), 1);
		claim = channel->out;
		KUNIT_ASSERT_NOT_NULL(test, claim);
		dmu_test_is(test, claim->msg.seq, i);
		dmu_test_is(test, claim->msg.type, rows[i].type);
		dmu_test_is(test, claim->msg.sector, 8 * i);
		dmu_test_is(test, claim->msg.len, rows[i].bytes);
		dmu_test_send(channel, SIZE_MAX / 2);
	}
	dmu_test_is(test, env->node.unjoined.held, ARRAY_SIZE(rows));
}

/* The target kills bios for which there is no message. */
static void map_refuses_others(struct kunit *test)
{
	static const blk_opf_t opfs[] = {
		REQ_OP_ZONE_OPEN, REQ_OP_ZONE_CLOSE, REQ_OP_ZONE_FINISH, REQ_OP_ZONE_APPEND,
		REQ_OP_ZONE_RESET, REQ_OP_ZONE_RESET_ALL, REQ_OP_DRV_IN, REQ_OP_DRV_OUT,
	};
	struct dmu_test_env *env = test->priv;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(opfs); i++)
		dmu_test_is(test, dmu_test_map(env, opfs[i], 0, KB4)->mapped, DM_MAPIO_KILL);
	dmu_test_is(test, env->node.next_seq, 0);
	dmu_test_is(test, env->node.queued, 0);
}

static void map_flags(struct kunit *test)
{
	static const struct {
		blk_opf_t opf;
		u64 flag;
	} rows[] = {
		{ 0, 0 },
		{ REQ_FAILFAST_DEV, 0x1 },
		{ REQ_FAILFAST_TRANSPORT, 0x2 },
		{ REQ_FAILFAST_DRIVER, 0x4 },
		{ REQ_SYNC, 0x8 },
		{ REQ_META, 0x10 },
		{ REQ_PRIO, 0x20 },
		{ REQ_NOMERGE, 0x40 },
		{ REQ_IDLE, 0x80 },
		{ REQ_INTEGRITY, 0x100 },
		{ REQ_FUA, 0x200 },
		{ REQ_PREFLUSH, 0x400 },
		{ REQ_RAHEAD, 0x800 },
		{ REQ_BACKGROUND, 0x1000 },
		{ REQ_NOWAIT, 0x2000 },
		{ REQ_NOUNMAP, 0x8000 },
		{ REQ_POLLED, 0x10000 },
		{ REQ_SWAP, 0x40000 },
		{ REQ_FUA | REQ_SYNC | REQ_META, 0x218 },
		/* Unknown to the ABI: left out. */
		{ REQ_DRV, 0 },
	};
	struct dmu_test_env *env = test->priv;
	struct dmu_channel *channel = dmu_test_open(env);
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(rows); i++) {
		dmu_test_map(env, REQ_OP_WRITE | rows[i].opf, 0, KB4);
		dmu_test_is(test, dmu_test_claim(channel), 1);
		dmu_test_is(test, channel->out->msg.flags, rows[i].flag);
		dmu_test_send(channel, SIZE_MAX / 2);
	}
}

/* During a noflush suspend DM gets a bio back, and no sequence number is used up. */
static void map_in_suspend(struct kunit *test)
{
	struct dmu_test_env *env = test->priv;
	struct dmu_test_io *io;

	env->noflush = true;
	io = dmu_test_map(env, REQ_OP_WRITE, 0, KB4);
	dmu_test_is(test, io->mapped, DM_MAPIO_REQUEUE);
	env->node.failing = true;
	/* The suspend goes first: a bio that DM can retry does not fail. */
	io = dmu_test_map(env, REQ_OP_WRITE, 0, KB4);
	dmu_test_is(test, io->mapped, DM_MAPIO_REQUEUE);
	dmu_test_is(test, env->node.next_seq, 0);
	dmu_test_is(test, env->node.counters.failed, 0);
	env->noflush = false;
	io = dmu_test_map(env, REQ_OP_WRITE, 0, KB4);
	dmu_test_is(test, io->mapped, DM_MAPIO_KILL);
	dmu_test_is(test, env->node.counters.failed, 1);
	dmu_test_is(test, env->node.queued, 0);
	dmu_test_is(test, env->woken, 0);
	env->node.failing = false;
	io = dmu_test_map(env, REQ_OP_WRITE, 0, KB4);
	dmu_test_is(test, io->mapped, DM_MAPIO_SUBMITTED);
	dmu_test_is(test, io->seq, 0);
	dmu_test_is(test, env->woken, 1);
}

/* An empty flush, sent as Android's empty WRITE, still counts as a flush and fences nothing. */
static void map_android(struct kunit *test)
{
	struct dmu_test_env *env = test->priv;
	struct dmu_channel *channel = dmu_test_open(env);
	struct dmu_node *node = &env->node;
	struct dmu_test_io *io[2];

	node->config.android = true;
	io[0] = dmu_test_map(env, REQ_OP_WRITE | REQ_PREFLUSH, 0, 0);
	io[1] = dmu_test_map(env, REQ_OP_WRITE, 8, KB4);
	dmu_test_is(test, dmu_test_claim(channel), 1);
	dmu_test_is(test, channel->out->msg.type, DM_USER_REQ_MAP_WRITE);
	dmu_test_is(test, channel->out->msg.len, 0);
	dmu_test_is(test, channel->out->msg.flags, DM_USER_REQ_MAP_FLAG_PREFLUSH);
	dmu_test_send(channel, SIZE_MAX / 2);
	dmu_test_is(test, channel->sent, DMU_TEST_HEADER);
	dmu_test_true(test, dmu_test_answer(channel, io[0]->seq, DM_USER_RESP_SUCCESS));
	dmu_test_is(test, node->counters.answered[DM_USER_REQ_MAP_FLUSH], 1);
	dmu_test_is(test, node->counters.answered[DM_USER_REQ_MAP_WRITE], 0);
	dmu_test_is(test, dmu_test_claim(channel), 1);
	dmu_test_is(test, channel->out->msg.len, KB4);
	dmu_test_send(channel, SIZE_MAX / 2);
	dmu_test_true(test, dmu_test_answer(channel, io[1]->seq, DM_USER_RESP_SUCCESS));
	dmu_test_is(test, node->counters.answered[DM_USER_REQ_MAP_WRITE], 1);
	dmu_test_map(env, REQ_OP_WRITE | REQ_PREFLUSH, 0, 0);
	dmu_test_is(test, dmu_test_read(channel), 1);
	dmu_request_revoke_all(node, BLK_STS_DM_REQUEUE);
	dmu_test_is(test, node->fenced, 0);
}

struct soft_map {
	struct tasklet_struct tasklet;
	struct dmu_test_env *env;
	struct dmu_test_io *io;
	bool mapped;
};

static void soft_map(struct tasklet_struct *tasklet)
{
	struct soft_map *soft = container_of(tasklet, struct soft_map, tasklet);

	soft->io->mapped = dmu_request_map(&soft->env->target, soft->io->bio);
	WRITE_ONCE(soft->mapped, true);
}

/*
 * A target above may submit in a softirq that interrupts the owner of one of our locks. lockdep
 * reports a lock that this case or another takes with softirqs on.
 */
static void map_in_softirq(struct kunit *test)
{
	struct dmu_test_env *env = test->priv;
	struct dmu_channel *channel = dmu_test_open(env);
	struct soft_map soft = { .env = env };
	unsigned int i;

	soft.io = dmu_test_io_create(env, REQ_OP_WRITE, 0, KB4);
	tasklet_setup(&soft.tasklet, soft_map);
	tasklet_schedule(&soft.tasklet);
	for (i = 0; i < 1000 && !READ_ONCE(soft.mapped); i++)
		msleep(10);
	tasklet_kill(&soft.tasklet);
	dmu_test_true(test, soft.mapped);
	dmu_test_is(test, soft.io->mapped, DM_MAPIO_SUBMITTED);
	soft.io->seq = soft.io->req->seq;
	dmu_test_is(test, dmu_test_read(channel), 1);
	dmu_test_true(test, dmu_test_answer(channel, soft.io->seq, DM_USER_RESP_SUCCESS));
	dmu_test_is(test, soft.io->ended, 1);
}

/* First come, first served; a request wakes one reader, and only one. */
static void queue_order(struct kunit *test)
{
	struct dmu_test_env *env = test->priv;
	struct dmu_channel *channel = dmu_test_open(env);
	unsigned int i;

	for (i = 0; i < 10; i++) {
		dmu_test_map(env, i % 2 ? REQ_OP_READ : REQ_OP_WRITE, 100 - i, KB4);
		dmu_test_is(test, env->woken, i + 1);
		dmu_test_is(test, env->node.queued, i + 1);
	}
	for (i = 0; i < 10; i++) {
		dmu_test_is(test, dmu_test_claim(channel), 1);
		dmu_test_is(test, channel->out->msg.seq, i);
		dmu_test_is(test, env->node.queued, 9 - i);
		dmu_test_send(channel, SIZE_MAX / 2);
	}
	dmu_test_is(test, dmu_test_claim(channel), -EAGAIN);
	dmu_test_is(test, env->woken_all, 0);
}

static void check_claim(struct kunit *test, struct dmu_channel *channel, int want)
{
	struct dmu_node *node = channel->node;
	bool available;

	spin_lock_bh(&node->lock);
	available = dmu_request_available(channel);
	spin_unlock_bh(&node->lock);
	dmu_test_is(test, available, want != -EAGAIN);
	dmu_test_is(test, dmu_test_claim(channel), want);
}

/* The results of a read, in order of precedence: gone, draining, a request, none. */
static void claim_says(struct kunit *test)
{
	struct dmu_test_env *env = test->priv;
	struct dmu_channel *channel = dmu_test_open(env);
	struct dmu_node *node = &env->node;

	check_claim(test, channel, -EAGAIN);
	dmu_test_is(test, channel->taken, 0);
	dmu_test_map(env, REQ_OP_READ, 0, KB4);
	dmu_test_drain(channel, false);
	check_claim(test, channel, 0);
	dmu_test_is(test, node->queued, 1);
	node->dead = true;
	check_claim(test, channel, -ENOTBLK);
	node->dead = false;
	dmu_test_close(channel);
	channel = dmu_test_open(env);
	check_claim(test, channel, 1);
	dmu_test_is(test, channel->taken, 1);
	dmu_test_true(test, !channel->spare);
	dmu_test_is(test, node->unjoined.held, 1);
	dmu_test_is(test, node->queued, 0);
	dmu_test_is(test, dmu_test_claim(channel), -EAGAIN);
}

/* A request of which no byte could be read is the next again, as if no reader had taken it. */
static void given_back_is_next(struct kunit *test)
{
	struct dmu_test_env *env = test->priv;
	struct dmu_channel *channel = dmu_test_open(env), *other = dmu_test_open(env);
	struct dmu_test_io *first = dmu_test_map(env, REQ_OP_WRITE, 0, KB4);
	struct dmu_test_io *second = dmu_test_map(env, REQ_OP_READ, 0, KB4);
	unsigned int woken = env->woken;
	struct dmu_node *node = &env->node;

	check_claim(test, channel, 1);
	dmu_request_give_back(channel);
	dmu_test_is(test, env->woken, woken + 1);
	dmu_test_is(test, node->queued, 2);
	dmu_test_is(test, node->unjoined.held, 0);
	dmu_test_is(test, channel->taken, 0);
	dmu_test_true(test, !channel->out && !channel->reserve_used);
	dmu_test_is(test, dmu_generation_join(channel, 1, true), 0);
	dmu_test_is(test, dmu_test_read(other), 1);
	dmu_test_true(test, dmu_test_answer(other, first->seq, DM_USER_RESP_SUCCESS));
	dmu_test_is(test, dmu_test_read(other), 1);
	dmu_test_true(test, dmu_test_answer(other, second->seq, DM_USER_RESP_SUCCESS));
	dmu_test_is(test, first->ended + second->ended, 2);
}

/* With no daemon to wait for, a request that is given back fails like those that waited. */
static void given_back_without_daemon(struct kunit *test)
{
	struct dmu_test_env *env = test->priv;
	struct dmu_channel *channel = dmu_test_open(env);
	struct dmu_test_io *io = dmu_test_map(env, REQ_OP_WRITE, 0, KB4);

	check_claim(test, channel, 1);
	dmu_test_drain(channel, false);
	env->node.failing = true;
	dmu_request_give_back(channel);
	dmu_test_is(test, io->ended, 1);
	dmu_test_is(test, io->status, BLK_STS_IOERR);
	dmu_test_is(test, env->node.counters.failed, 1);
	dmu_test_is(test, env->node.queued, 0);
	dmu_test_is(test, channel->generation->state, DM_USER_DRAINED);
}

/* A generation that drains takes no more requests, and has drained with its last answer. */
static void draining_takes_no_more(struct kunit *test)
{
	struct dmu_test_env *env = test->priv;
	struct dmu_channel *channel = dmu_test_open(env);
	struct dmu_test_io *first, *second;
	unsigned int events;

	dmu_generation_join(channel, 1, true);
	first = dmu_test_map(env, REQ_OP_WRITE, 0, KB4);
	second = dmu_test_map(env, REQ_OP_WRITE, 0, KB4);
	dmu_test_claim(channel);
	dmu_test_send(channel, DMU_TEST_HEADER);
	dmu_test_drain(channel, false);
	dmu_test_is(test, channel->generation->state, DM_USER_DRAINING);
	/* A request that was read in part can be read to its end. */
	dmu_test_is(test, dmu_test_read(channel), 1);
	dmu_test_is(test, dmu_test_find(channel, first->seq)->state, DMU_REQUEST_HELD);
	dmu_test_is(test, dmu_test_read(channel), 0);
	events = env->events;
	dmu_test_true(test, dmu_test_answer(channel, first->seq, DM_USER_RESP_SUCCESS));
	dmu_test_is(test, channel->generation->state, DM_USER_DRAINED);
	dmu_test_is(test, env->events, events + 1);
	dmu_test_is(test, first->ended, 1);
	dmu_test_is(test, second->ended, 0);
	dmu_test_is(test, dmu_test_read(channel), 0);
	dmu_test_true(test, !dmu_test_drain(channel, true));
}

/* The reserve serves one request at a time; a second request gets an allocated claim. */
static void reserve_is_one(struct kunit *test)
{
	struct dmu_test_env *env = test->priv;
	struct dmu_channel *channel = dmu_test_open(env);
	struct dmu_test_io *io[3];
	unsigned int i;

	for (i = 0; i < 3; i++)
		io[i] = dmu_test_map(env, REQ_OP_READ, 0, KB4);
	dmu_test_is(test, dmu_request_prepare_claim(channel), 0);
	dmu_test_true(test, channel->spare == &channel->reserve);
	dmu_test_is(test, dmu_request_prepare_claim(channel), 0);
	dmu_test_true(test, channel->spare == &channel->reserve);
	dmu_test_read(channel);
	dmu_test_is(test, dmu_request_prepare_claim(channel), 0);
	dmu_test_true(test, channel->spare && channel->spare != &channel->reserve);
	dmu_test_read(channel);
	dmu_test_true(test, channel->reserve_used);
	/* The other claim goes; the reserve stays in use. */
	dmu_test_answer(channel, io[1]->seq, DM_USER_RESP_ERROR);
	dmu_test_true(test, channel->reserve_used);
	dmu_test_answer(channel, io[0]->seq, DM_USER_RESP_ERROR);
	dmu_test_true(test, !channel->reserve_used);
	dmu_test_is(test, dmu_request_prepare_claim(channel), 0);
	dmu_test_true(test, channel->spare == &channel->reserve);
	dmu_test_read(channel);
	dmu_test_is(test, io[2]->ended, 0);
}

static void answers_end_requests(struct kunit *test)
{
	static const struct {
		u64 response;
		blk_status_t status;
		u64 errors, unsupported;
	} rows[] = {
		{ DM_USER_RESP_SUCCESS, BLK_STS_OK, 0, 0 },
		{ DM_USER_RESP_ERROR, BLK_STS_IOERR, 1, 0 },
		{ DM_USER_RESP_UNSUPPORTED, BLK_STS_NOTSUPP, 1, 1 },
		{ DM_USER_RESP_NOSPC, BLK_STS_NOSPC, 2, 1 },
		{ 4, BLK_STS_IOERR, 3, 1 },
		{ U64_MAX, BLK_STS_IOERR, 4, 1 },
	};
	struct dmu_test_env *env = test->priv;
	struct dmu_channel *channel = dmu_test_open(env);
	struct dmu_counters *counters = &env->node.counters;
	struct dmu_test_io *io;
	unsigned int i;

	dmu_generation_join(channel, 1, true);
	for (i = 0; i < ARRAY_SIZE(rows); i++) {
		io = dmu_test_map(env, REQ_OP_WRITE, 0, KB4);
		dmu_test_read(channel);
		dmu_test_is(test, io->ended, 0);
		dmu_test_true(test, dmu_test_answer(channel, io->seq, rows[i].response));
		dmu_test_is(test, io->ended, 1);
		dmu_test_is(test, io->status, rows[i].status);
		dmu_test_is(test, counters->errors, rows[i].errors);
		dmu_test_is(test, counters->unsupported, rows[i].unsupported);
		dmu_test_is(test, counters->answered[DM_USER_REQ_MAP_WRITE], i + 1);
		dmu_test_is(test, channel->generation->answered, i + 1);
		dmu_test_is(test, channel->generation->held, 0);
	}
	dmu_test_is(test, counters->answered[DM_USER_REQ_MAP_READ], 0);
	dmu_test_is(test, counters->failed, 0);
	dmu_test_is(test, counters->refused, 0);
	dmu_test_is(test, env->woken_all, 0);
}

/* The second after which requests without space are queued again has passed. */
static void space_is_asked_for(struct dmu_test_env *env)
{
	spin_lock_bh(&env->node.lock);
	list_splice_tail_init(&env->node.nospace, &env->node.released);
	spin_unlock_bh(&env->node.lock);
	dmu_fence_release(&env->node);
}

/* With nospace:wait, requests that write wait while others pass; reads and flushes fail. */
static void no_space_waits(struct kunit *test)
{
	struct dmu_test_env *env = test->priv;
	struct dmu_node *node = &env->node;
	struct dmu_channel *channel = dmu_test_open(env);
	struct dmu_test_io *write, *zeroes, *read, *flush;

	node->config.nospace_wait = true;
	write = dmu_test_map(env, REQ_OP_WRITE, 0, KB4);
	zeroes = dmu_test_map(env, REQ_OP_WRITE_ZEROES, 8, KB4);
	read = dmu_test_map(env, REQ_OP_READ, 0, KB4);
	flush = dmu_test_map(env, REQ_OP_WRITE | REQ_PREFLUSH, 0, 0);
	while (dmu_test_claim(channel) == 1)
		dmu_test_send(channel, SIZE_MAX);
	dmu_test_is(test, node->queued, 0);
	dmu_test_true(test, dmu_test_answer(channel, write->seq, DM_USER_RESP_NOSPC));
	dmu_test_true(test, dmu_test_answer(channel, zeroes->seq, DM_USER_RESP_NOSPC));
	dmu_test_true(test, dmu_test_answer(channel, read->seq, DM_USER_RESP_NOSPC));
	dmu_test_true(test, dmu_test_answer(channel, flush->seq, DM_USER_RESP_NOSPC));
	dmu_test_is(test, read->status, BLK_STS_NOSPC);
	dmu_test_is(test, flush->status, BLK_STS_NOSPC);
	dmu_test_is(test, write->ended + zeroes->ended, 0);
	dmu_test_is(test, node->lacking, 2);
	dmu_test_is(test, node->queued, 2);
	dmu_test_is(test, node->counters.errors, 2);
	dmu_test_is(test, channel->generation->held, 0);
	dmu_test_is(test, env->retries, 2);
	dmu_test_is(test, dmu_test_claim(channel), -EAGAIN);

	/* Another channel tries, in vain. */
	space_is_asked_for(env);
	dmu_test_close(channel);
	channel = dmu_test_open(env);
	dmu_test_is(test, dmu_test_read(channel), 1);
	dmu_test_true(test, dmu_test_answer(channel, write->seq, DM_USER_RESP_NOSPC));
	dmu_test_is(test, node->lacking, 2);
	space_is_asked_for(env);
	dmu_test_is(test, dmu_test_read(channel), 1);
	dmu_test_true(test, dmu_test_answer(channel, zeroes->seq, DM_USER_RESP_SUCCESS));
	dmu_test_is(test, zeroes->status, BLK_STS_OK);
	dmu_test_is(test, node->lacking, 1);
	dmu_test_is(test, dmu_test_read(channel), 1);
	dmu_test_true(test, dmu_test_answer(channel, write->seq, DM_USER_RESP_SUCCESS));
	dmu_test_is(test, write->ended, 1);
	dmu_test_is(test, node->lacking + node->queued, 0);
}

/* A request that waits for space ends as a queued request does. */
static void no_space_ends(struct kunit *test)
{
	struct dmu_test_env *env = test->priv;
	struct dmu_node *node = &env->node;
	struct dmu_channel *channel = dmu_test_open(env);
	struct dmu_test_io *io;
	unsigned int i;

	node->config.nospace_wait = true;
	for (i = 0; i < 4; i++) {
		io = dmu_test_map(env, REQ_OP_DISCARD, 0, KB4);
		dmu_test_read(channel);
		/* In the last round the time without a daemon is over: it cannot wait. */
		node->failing = i == 3;
		dmu_test_true(test, dmu_test_answer(channel, io->seq, DM_USER_RESP_NOSPC));
		dmu_test_is(test, io->ended, i == 3);
		if (i == 0)
			dmu_request_revoke_all(node, BLK_STS_DM_REQUEUE);
		if (i == 1)
			dmu_request_revoke_all(node, BLK_STS_IOERR);
		if (i == 2) {
			node->failing = true;
			dmu_test_is(test, dmu_request_fail_queued(node), 1);
			node->failing = false;
		}
		dmu_test_is(test, io->ended, 1);
		dmu_test_is(test, node->lacking + node->queued, 0);
		dmu_test_is(test, dmu_test_count(&node->nospace), 0);
	}
	dmu_test_is(test, io->status, BLK_STS_NOSPC);
	node->failing = false;
}

/* A channel answers the requests that it holds in any order, each once, however many. */
static void answers_in_any_order(struct kunit *test)
{
	const unsigned int count = 512;
	struct dmu_test_env *env = test->priv;
	struct dmu_channel *channel = dmu_test_open(env);
	struct dmu_channel *other = dmu_test_open(env);
	struct dmu_test_io **io = kunit_kcalloc(test, count, sizeof(*io), GFP_KERNEL);
	unsigned int i, at;

	KUNIT_ASSERT_NOT_NULL(test, io);
	for (i = 0; i < count; i++) {
		io[i] = dmu_test_map(env, REQ_OP_READ, i, KB4);
		dmu_test_read(channel);
	}
	for (i = 0; i < count; i++) {
		/* 5 and the count have no common factor: every request is met. */
		at = (i * 5 + 3) % count;
		if (dmu_test_answer(other, io[at]->seq, DM_USER_RESP_SUCCESS) ||
		    !dmu_test_answer(channel, io[at]->seq, DM_USER_RESP_SUCCESS) ||
		    dmu_test_answer(channel, io[at]->seq, DM_USER_RESP_SUCCESS))
			KUNIT_FAIL(test, "answer %u, request %u", i, at);
		if (io[at]->ended != 1 || io[at]->status)
			KUNIT_FAIL(test, "request %u ended %u times", at, io[at]->ended);
		dmu_test_is(test, env->node.unjoined.held, count - i - 1);
	}
	dmu_test_is(test, env->node.counters.refused, 2 * count);
	dmu_test_true(test, !dmu_test_begin(channel, count, DM_USER_RESP_SUCCESS));
	dmu_test_true(test, !dmu_test_begin(channel, U64_MAX, DM_USER_RESP_SUCCESS));
}

/* A payload is due after SUCCESS to a read that is not empty, and after no other answer. */
static void payload_when_due(struct kunit *test)
{
	static const struct {
		blk_opf_t opf;
		unsigned int bytes;
		u64 response;
		bool due;
	} rows[] = {
		{ REQ_OP_READ, KB4, DM_USER_RESP_SUCCESS, true },
		{ REQ_OP_READ, KB4, DM_USER_RESP_ERROR, false },
		{ REQ_OP_READ, KB4, DM_USER_RESP_UNSUPPORTED, false },
		{ REQ_OP_READ, 0, DM_USER_RESP_SUCCESS, false },
		{ REQ_OP_WRITE, KB4, DM_USER_RESP_SUCCESS, false },
		{ REQ_OP_DISCARD, KB4, DM_USER_RESP_SUCCESS, false },
		{ REQ_OP_FLUSH, 0, DM_USER_RESP_SUCCESS, false },
	};
	struct dmu_test_env *env = test->priv;
	struct dmu_channel *channel = dmu_test_open(env);
	struct dmu_test_io *io;
	struct dmu_claim *claim;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(rows); i++) {
		io = dmu_test_map(env, rows[i].opf, 24, rows[i].bytes);
		dmu_test_read(channel);
		claim = dmu_test_begin(channel, io->seq, rows[i].response);
		KUNIT_ASSERT_NOT_NULL(test, claim);
		dmu_test_is(test, channel->in == claim, rows[i].due);
		dmu_test_is(test, claim->state,
			    rows[i].due ? DMU_REQUEST_RECEIVING : DMU_REQUEST_HELD);
		if (rows[i].due) {
			dmu_test_is(test, channel->in_left, rows[i].bytes);
			dmu_test_is(test, channel->in_iter.bi_sector, 24);
			dmu_test_is(test, channel->in_iter.bi_size, rows[i].bytes);
		}
		dmu_test_is(test, io->ended, 0);
		dmu_request_answer(channel, claim, rows[i].response);
		dmu_test_true(test, !channel->in);
		dmu_test_is(test, io->ended, 1);
	}
}

/* A flush covers the writes that were answered before its last daemon got it, and no others. */
static void flush_covers_what_was_answered(struct kunit *test)
{
	struct dmu_test_env *env = test->priv;
	struct dmu_node *node = &env->node;
	struct dmu_channel *a = dmu_test_open(env), *b = dmu_test_open(env);
	struct dmu_test_io *write[4], *flush, *read;

	write[0] = dmu_test_map(env, REQ_OP_WRITE, 0, KB4);
	write[1] = dmu_test_map(env, REQ_OP_DISCARD, 8, KB4);
	flush = dmu_test_map(env, REQ_OP_WRITE | REQ_PREFLUSH, 0, 0);
	write[2] = dmu_test_map(env, REQ_OP_WRITE_ZEROES, 16, KB4);
	read = dmu_test_map(env, REQ_OP_READ, 0, KB4);
	while (dmu_test_read(a) == 1)
		;
	/* An answer that is no success leaves nothing to flush. */
	dmu_test_answer(a, write[0]->seq, DM_USER_RESP_ERROR);
	dmu_test_answer(a, read->seq, DM_USER_RESP_SUCCESS);
	dmu_test_is(test, node->written, 0);
	dmu_test_answer(a, write[1]->seq, DM_USER_RESP_SUCCESS);
	dmu_test_is(test, node->written, 1);
	/* The flush goes to another daemon, which gets it after the discard was answered. */
	dmu_test_close(a);
	while (dmu_test_read(b) == 1)
		;
	dmu_test_answer(b, write[2]->seq, DM_USER_RESP_SUCCESS);
	dmu_test_answer(b, flush->seq, DM_USER_RESP_SUCCESS);
	dmu_test_is(test, node->written, 2);
	dmu_test_is(test, node->flushed, 1);
	flush = dmu_test_map(env, REQ_OP_WRITE | REQ_PREFLUSH, 0, 0);
	dmu_test_read(b);
	dmu_test_answer(b, flush->seq, DM_USER_RESP_ERROR);
	dmu_test_is(test, node->flushed, 1);
	flush = dmu_test_map(env, REQ_OP_WRITE | REQ_PREFLUSH, 0, 0);
	dmu_test_read(b);
	dmu_test_answer(b, flush->seq, DM_USER_RESP_SUCCESS);
	dmu_test_is(test, node->flushed, node->written);
	/* A write with FUA needs no flush. */
	read = dmu_test_map(env, REQ_OP_WRITE | REQ_FUA, 0, KB4);
	dmu_test_read(b);
	dmu_test_answer(b, read->seq, DM_USER_RESP_SUCCESS);
	dmu_test_is(test, node->flushed, node->written);
	/* Of two flushes, the older one's answer comes last. */
	flush = dmu_test_map(env, REQ_OP_WRITE | REQ_PREFLUSH, 0, 0);
	write[3] = dmu_test_map(env, REQ_OP_SECURE_ERASE, 0, KB4);
	while (dmu_test_read(b) == 1)
		;
	dmu_test_answer(b, write[3]->seq, DM_USER_RESP_SUCCESS);
	read = dmu_test_map(env, REQ_OP_WRITE | REQ_PREFLUSH, 0, 0);
	dmu_test_read(b);
	dmu_test_answer(b, read->seq, DM_USER_RESP_SUCCESS);
	dmu_test_answer(b, flush->seq, DM_USER_RESP_SUCCESS);
	dmu_test_is(test, node->flushed, 3);
}

/* The claim of each new request starts where its bio does. */
static void claim_starts_anew(struct kunit *test)
{
	struct dmu_test_env *env = test->priv;
	struct dmu_channel *channel = dmu_test_open(env);

	dmu_test_map(env, REQ_OP_WRITE, 8, KB4);
	dmu_test_map(env, REQ_OP_WRITE, 80, 2 * KB4);
	dmu_test_read(channel);
	dmu_test_true(test, !channel->out);
	dmu_test_is(test, channel->sent, DMU_TEST_HEADER + KB4);
	dmu_test_claim(channel);
	dmu_test_is(test, channel->sent, 0);
	dmu_test_is(test, channel->out_iter.bi_sector, 80);
	dmu_test_is(test, channel->out_iter.bi_size, 2 * KB4);
	dmu_test_is(test, channel->out->state, DMU_REQUEST_SENDING);
	dmu_test_is(test, dmu_test_count_claims(channel), 2);
}

static struct kunit_case cases[] = {
	KUNIT_CASE(map_types),
	KUNIT_CASE(map_refuses_others),
	KUNIT_CASE(map_flags),
	KUNIT_CASE(map_in_suspend),
	KUNIT_CASE(map_android),
	KUNIT_CASE(map_in_softirq),
	KUNIT_CASE(queue_order),
	KUNIT_CASE(claim_says),
	KUNIT_CASE(given_back_is_next),
	KUNIT_CASE(given_back_without_daemon),
	KUNIT_CASE(claim_starts_anew),
	KUNIT_CASE(draining_takes_no_more),
	KUNIT_CASE(reserve_is_one),
	KUNIT_CASE(answers_end_requests),
	KUNIT_CASE(flush_covers_what_was_answered),
	KUNIT_CASE(no_space_waits),
	KUNIT_CASE(no_space_ends),
	KUNIT_CASE(answers_in_any_order),
	KUNIT_CASE(payload_when_due),
	{}
};

struct kunit_suite dmu_request_suite = {
	.name = "dmu_request",
	.suite_init = dmu_test_suite_init,
	.suite_exit = dmu_test_suite_exit,
	.init = dmu_test_init,
	.exit = dmu_test_exit,
	.test_cases = cases,
};
