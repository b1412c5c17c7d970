// SPDX-License-Identifier: GPL-2.0
/* How a daemon loses its requests: closed channels, suspends, and no daemon at all. */
#include "suites.h"

#define KB4	SZ_4K

/* A channel with a request in each state: io[0] HELD, [1] RECEIVING, [2] HELD, [3] SENDING. */
static struct dmu_channel *busy_channel(struct dmu_test_env *env, struct dmu_test_io **io)
{
	struct dmu_channel *channel = dmu_test_open(env);
	unsigned int i;

	io[0] = dmu_test_map(env, REQ_OP_WRITE, 0, KB4);
	io[1] = dmu_test_map(env, REQ_OP_READ, 100, KB4);
	io[2] = dmu_test_map(env, REQ_OP_DISCARD, 200, KB4);
	io[3] = dmu_test_map(env, REQ_OP_WRITE, 300, KB4);
	for (i = 0; i < 3; i++)
		dmu_test_read(channel);
	dmu_test_claim(channel);
	dmu_test_send(channel, DMU_TEST_HEADER + 1);
	dmu_test_begin(channel, io[1]->seq, DM_USER_RESP_SUCCESS);
	return channel;
}

/* @list must have the requests of @io in this order. */
static void list_is(struct kunit *test, struct list_head *list, struct dmu_test_io **io,
		    unsigned int count)
{
	struct dmu_request *req;
	unsigned int i = 0;

	list_for_each_entry(req, list, list) {
		if (i >= count || req != io[i]->req) {
			KUNIT_FAIL(test, "request %llu at place %u", req->seq, i);
			return;
		}
		i++;
	}
	dmu_test_is(test, i, count);
}

/* Orphans keep their numbers, and go in order before the requests that wait already. */
static void orphans_requeue(struct kunit *test)
{
	struct dmu_test_env *env = test->priv;
	struct dmu_node *node = &env->node;
	struct dmu_test_io *io[5];
	struct dmu_test_io *order[5];
	struct dmu_channel *channel = busy_channel(env, io), *other = dmu_test_open(env);
	unsigned int i, woken;

	io[4] = dmu_test_map(env, REQ_OP_READ, 0, KB4);
	memcpy(order, io, sizeof(order));
	dmu_generation_join(other, 1, true);
	woken = env->woken;
	dmu_test_close(channel);
	dmu_test_is(test, env->woken, woken + 4);
	dmu_test_is(test, env->woken_all, 0);
	list_is(test, &node->queue, order, 5);
	dmu_test_is(test, node->queued, 5);
	dmu_test_is(test, node->counters.requeued, 4);
	dmu_test_is(test, node->counters.failed, 0);
	dmu_test_is(test, node->unjoined.held, 0);
	dmu_test_is(test, node->unjoined.channels, 0);
	for (i = 0; i < 5; i++) {
		dmu_test_is(test, dmu_test_read(other), 1);
		dmu_test_true(test, dmu_test_answer(other, order[i]->seq, DM_USER_RESP_SUCCESS));
		dmu_test_is(test, order[i]->ended, 1);
		dmu_test_is(test, order[i]->status, BLK_STS_OK);
	}
	dmu_test_is(test, other->generation->answered, 5);
}

/* With orphans:fail, or without a daemon for too long, orphans fail, once, and nothing else. */
static void check_orphans_fail(struct kunit *test, bool policy)
{
	struct dmu_test_env *env = test->priv;
	struct dmu_node *node = &env->node;
	struct dmu_test_io *io[5];
	struct dmu_channel *channel = busy_channel(env, io);
	unsigned int i;

	io[4] = dmu_test_map(env, REQ_OP_READ, 0, KB4);
	node->counters.failed = 0;
	node->config.orphans_fail = policy;
	node->failing = !policy;
	dmu_test_close(channel);
	for (i = 0; i < 4; i++) {
		dmu_test_is(test, io[i]->ended, 1);
		dmu_test_is(test, io[i]->status, BLK_STS_IOERR);
	}
	dmu_test_is(test, io[4]->ended, 0);
	dmu_test_is(test, node->queued, 1);
	dmu_test_is(test, node->counters.failed, 4);
	dmu_test_is(test, node->counters.requeued, 0);
	node->failing = false;
}

static void orphans_fail(struct kunit *test)
{
	check_orphans_fail(test, true);
}

static void orphans_fail_without_daemon(struct kunit *test)
{
	check_orphans_fail(test, false);
}

/* A revoked request is no orphan when its channel closes; its fence goes with the channel. */
static void close_after_revoke(struct kunit *test)
{
	struct dmu_test_env *env = test->priv;
	struct dmu_node *node = &env->node;
	struct dmu_test_io *io[4], *again[3];
	struct dmu_channel *channel = busy_channel(env, io);

	dmu_request_revoke_all(node, BLK_STS_DM_REQUEUE);
	dmu_test_is(test, node->fenced, 3);
	again[0] = dmu_test_map(env, REQ_OP_WRITE, 0, KB4);
	again[1] = dmu_test_map(env, REQ_OP_READ, 300, KB4);
	again[2] = dmu_test_map(env, REQ_OP_READ, 200, KB4);
	dmu_test_is(test, node->queued, 3);
	dmu_test_true(test, list_empty(&node->queue));
	dmu_test_close(channel);
	dmu_test_is(test, node->counters.requeued, 0);
	dmu_test_is(test, node->queued, 3);
	dmu_test_is(test, dmu_test_count(&node->queue), 3);
	dmu_test_is(test, again[0]->ended + again[1]->ended + again[2]->ended, 0);
}

/* A revoke ends requests in every state with @status, and counts @failed of them as failed. */
static void check_revoke(struct kunit *test, blk_status_t status, unsigned int failed)
{
	struct dmu_test_env *env = test->priv;
	struct dmu_node *node = &env->node;
	struct dmu_test_io *io[6];
	struct dmu_channel *channel = busy_channel(env, io);
	unsigned int i, events, woken;

	io[4] = dmu_test_map(env, REQ_OP_READ, 0, KB4);
	io[5] = dmu_test_map(env, REQ_OP_WRITE, 0, KB4);
	events = env->events;
	woken = env->woken_all;
	dmu_request_revoke_all(node, status);
	for (i = 0; i < 6; i++) {
		dmu_test_is(test, io[i]->ended, 1);
		dmu_test_is(test, io[i]->status, status);
	}
	dmu_test_is(test, env->events, events + 1);
	dmu_test_is(test, env->woken_all, woken + 1);
	dmu_test_is(test, node->queued, 0);
	dmu_test_true(test, list_empty(&node->queue));
	dmu_test_is(test, node->counters.failed, failed);
	dmu_test_is(test, node->unjoined.held, 4);
	dmu_test_is(test, dmu_test_count_claims(channel), 4);
	dmu_test_true(test, !channel->out);
	dmu_test_true(test, channel->canceled == dmu_test_find(channel, io[3]->seq));
	dmu_test_true(test, channel->in == dmu_test_find(channel, io[1]->seq));
	/* The answers are swallowed: accepted, and not counted. */
	for (i = 0; i < 3; i++)
		dmu_test_is(test, dmu_test_answer(channel, io[i]->seq, DM_USER_RESP_ERROR), i != 1);
	dmu_request_answer(channel, channel->in, DM_USER_RESP_SUCCESS);
	dmu_test_is(test, dmu_test_read(channel), -ECANCELED);
	dmu_test_is(test, node->unjoined.held, 0);
	dmu_test_is(test, node->unjoined.answered, 0);
	dmu_test_is(test, node->counters.errors, 0);
	dmu_test_is(test, node->counters.answered[DM_USER_REQ_MAP_WRITE], 0);
	dmu_test_is(test, node->fenced, 0);
	dmu_test_is(test, dmu_test_read(channel), -EAGAIN);
}

static void suspend_takes_all(struct kunit *test)
{
	check_revoke(test, BLK_STS_DM_REQUEUE, 0);
}

static void fail_takes_all(struct kunit *test)
{
	check_revoke(test, BLK_STS_IOERR, 6);
}

/* A second revoke ends new requests only, and fences nothing twice. */
static void revoke_twice(struct kunit *test)
{
	struct dmu_test_env *env = test->priv;
	struct dmu_node *node = &env->node;
	struct dmu_test_io *io[4], *waiter;
	struct dmu_channel *channel = busy_channel(env, io);
	unsigned int i;

	dmu_request_revoke_all(node, BLK_STS_DM_REQUEUE);
	dmu_test_is(test, node->fenced, 3);
	waiter = dmu_test_map(env, REQ_OP_WRITE, 300, KB4);
	dmu_request_revoke_all(node, BLK_STS_IOERR);
	dmu_test_is(test, node->fenced, 3);
	dmu_test_is(test, waiter->ended, 1);
	dmu_test_is(test, waiter->status, BLK_STS_IOERR);
	dmu_test_is(test, node->counters.failed, 1);
	for (i = 0; i < 4; i++)
		dmu_test_is(test, io[i]->status, BLK_STS_DM_REQUEUE);
	dmu_test_is(test, dmu_test_count_claims(channel), 4);
}

/* A revoked request fences if its daemon may have read enough of it to change data. */
static void revoked_write_fences(struct kunit *test)
{
	static const struct {
		blk_opf_t opf;
		unsigned int bytes;
		size_t read;
		bool fences;
	} rows[] = {
		{ REQ_OP_WRITE, KB4, 0, false },
		{ REQ_OP_WRITE, KB4, 1, false },
		{ REQ_OP_WRITE, KB4, DMU_TEST_HEADER, false },
		{ REQ_OP_WRITE, KB4, DMU_TEST_HEADER + 1, true },
		{ REQ_OP_WRITE, KB4, DMU_TEST_HEADER + KB4 - 1, true },
		{ REQ_OP_WRITE, KB4, DMU_TEST_HEADER + KB4, true },
		{ REQ_OP_WRITE, 0, DMU_TEST_HEADER, false },
		{ REQ_OP_DISCARD, KB4, DMU_TEST_HEADER - 1, false },
		{ REQ_OP_DISCARD, KB4, DMU_TEST_HEADER, true },
		{ REQ_OP_SECURE_ERASE, KB4, DMU_TEST_HEADER, true },
		{ REQ_OP_WRITE_ZEROES, KB4, DMU_TEST_HEADER, true },
		{ REQ_OP_READ, KB4, DMU_TEST_HEADER, false },
		{ REQ_OP_FLUSH, 0, DMU_TEST_HEADER, false },
	};
	struct dmu_test_env *env = test->priv;
	struct dmu_node *node = &env->node;
	struct dmu_channel *channel;
	unsigned int i, woken;

	for (i = 0; i < ARRAY_SIZE(rows); i++) {
		channel = dmu_test_open(env);
		dmu_test_map(env, rows[i].opf, 40, rows[i].bytes);
		dmu_test_claim(channel);
		dmu_test_send(channel, rows[i].read);
		dmu_request_revoke_all(node, BLK_STS_DM_REQUEUE);
		if (!dmu_test_is(test, node->fenced, rows[i].fences))
			KUNIT_FAIL(test, "in case %u", i);
		dmu_test_map(env, REQ_OP_WRITE, 40, 512);
		dmu_test_is(test, list_empty(&node->queue), rows[i].fences);
		/* After the daemon's last word on it, the way is free, and a reader is woken. */
		woken = env->woken;
		if (channel->canceled)
			dmu_test_is(test, dmu_test_read(channel), -ECANCELED);
		else
			dmu_test_answer(channel, dmu_test_next(channel, NULL)->msg.seq,
					DM_USER_RESP_ERROR);
		dmu_test_is(test, env->woken, woken + rows[i].fences);
		dmu_test_is(test, dmu_test_count(&node->queue), 1);
		dmu_request_revoke_all(node, BLK_STS_DM_REQUEUE);
		dmu_test_close(channel);
	}
}

/* The read that reports a revoke ends a drain if the generation holds no other request. */
static void dismissed_ends_drain(struct kunit *test)
{
	struct dmu_test_env *env = test->priv;
	struct dmu_channel *channel = dmu_test_open(env);
	unsigned int events, woken;

	dmu_generation_join(channel, 1, true);
	dmu_test_map(env, REQ_OP_WRITE, 0, KB4);
	dmu_test_claim(channel);
	dmu_test_drain(channel, false);
	dmu_request_revoke_all(&env->node, BLK_STS_DM_REQUEUE);
	dmu_test_is(test, channel->generation->state, DM_USER_DRAINING);
	dmu_test_is(test, channel->generation->held, 1);
	events = env->events;
	woken = env->woken_all;
	dmu_test_is(test, dmu_test_read(channel), -ECANCELED);
	dmu_test_is(test, channel->generation->state, DM_USER_DRAINED);
	dmu_test_is(test, env->events, events + 1);
	dmu_test_is(test, env->woken_all, woken + 1);
	dmu_test_true(test, !channel->canceled);
	dmu_test_is(test, dmu_test_read(channel), 0);
}

/* Likewise a swallowed answer, and the close of one channel of several. */
static void swallowed_ends_drain(struct kunit *test)
{
	struct dmu_test_env *env = test->priv;
	struct dmu_channel *one = dmu_test_open(env), *two = dmu_test_open(env);
	struct dmu_test_io *io[2];
	unsigned int events;

	dmu_generation_join(one, 1, true);
	dmu_generation_join(two, 1, false);
	io[0] = dmu_test_map(env, REQ_OP_WRITE, 0, KB4);
	io[1] = dmu_test_map(env, REQ_OP_WRITE, 100, KB4);
	dmu_test_read(one);
	dmu_test_read(two);
	dmu_test_drain(two, false);
	dmu_request_revoke_all(&env->node, BLK_STS_DM_REQUEUE);
	dmu_test_close(one);
	dmu_test_is(test, two->generation->state, DM_USER_DRAINING);
	dmu_test_is(test, two->generation->channels, 1);
	events = env->events;
	dmu_test_true(test, dmu_test_answer(two, io[1]->seq, DM_USER_RESP_SUCCESS));
	dmu_test_is(test, two->generation->state, DM_USER_DRAINED);
	dmu_test_is(test, env->events, events + 1);
	dmu_test_is(test, two->generation->answered, 0);
}

/* The close of the channel that held the last request ends its generation's drain. */
static void close_ends_drain(struct kunit *test)
{
	struct dmu_test_env *env = test->priv;
	struct dmu_channel *one = dmu_test_open(env), *two = dmu_test_open(env);

	dmu_generation_join(one, 1, true);
	dmu_generation_join(two, 1, false);
	dmu_test_map(env, REQ_OP_WRITE, 0, KB4);
	dmu_test_read(one);
	dmu_test_drain(two, false);
	dmu_test_is(test, two->generation->state, DM_USER_DRAINING);
	dmu_test_close(one);
	dmu_test_is(test, two->generation->state, DM_USER_DRAINED);
	dmu_test_true(test, !dmu_test_drain(two, true));
	dmu_test_is(test, env->node.queued, 1);
}

/* No daemon came: requests on the queue and behind a fence fail, held requests do not. */
static void no_daemon_fails_waiting(struct kunit *test)
{
	struct dmu_test_env *env = test->priv;
	struct dmu_node *node = &env->node;
	struct dmu_channel *old = dmu_test_open(env), *channel = dmu_test_open(env);
	struct dmu_test_io *held, *queued, *waiting;

	dmu_test_map(env, REQ_OP_WRITE, 0, KB4);
	dmu_test_read(old);
	dmu_request_revoke_all(node, BLK_STS_DM_REQUEUE);
	held = dmu_test_map(env, REQ_OP_READ, 100, KB4);
	dmu_test_read(channel);
	queued = dmu_test_map(env, REQ_OP_READ, 200, KB4);
	waiting = dmu_test_map(env, REQ_OP_READ, 0, KB4);
	/* A daemon came after all. */
	dmu_request_fail_queued(node);
	dmu_test_is(test, queued->ended + waiting->ended, 0);
	dmu_test_is(test, node->queued, 2);
	node->failing = true;
	dmu_request_fail_queued(node);
	dmu_test_is(test, queued->ended, 1);
	dmu_test_is(test, waiting->ended, 1);
	dmu_test_is(test, queued->status, BLK_STS_IOERR);
	dmu_test_is(test, waiting->status, BLK_STS_IOERR);
	dmu_test_is(test, held->ended, 0);
	dmu_test_is(test, node->queued, 0);
	dmu_test_is(test, node->counters.failed, 2);
	dmu_request_fail_queued(node);
	dmu_test_is(test, node->counters.failed, 2);
	dmu_test_true(test, dmu_test_answer(channel, held->seq, DM_USER_RESP_SUCCESS));
	node->failing = false;
}

/* More claims and requests than one hold of the lock moves: each is taken once, and in order. */
static void many_at_once(struct kunit *test)
{
	const unsigned int count = 5 * DMU_BATCH / 2;
	struct dmu_test_env *env = test->priv;
	struct dmu_node *node = &env->node;
	struct dmu_channel *channel = dmu_test_open(env);
	struct dmu_test_io *io;
	unsigned int i;

	for (i = 0; i < count; i++) {
		dmu_test_map(env, REQ_OP_WRITE, 8 * i, KB4);
		dmu_test_read(channel);
	}
	dmu_test_map(env, REQ_OP_WRITE, 0, KB4);
	dmu_test_close(channel);
	dmu_test_is(test, node->counters.requeued, count);
	dmu_test_is(test, node->queued, count + 1);
	/* The oldest request is the next, and the one that was never taken is the last. */
	channel = dmu_test_open(env);
	for (i = 0; i <= count; i++) {
		dmu_test_is(test, dmu_test_claim(channel), 1);
		dmu_test_is(test, channel->out->msg.seq, i);
		dmu_test_send(channel, SIZE_MAX / 2);
	}
	for (i = 0; i < count; i++)
		dmu_test_map(env, REQ_OP_READ, 8 * i, KB4);
	dmu_request_revoke_all(node, BLK_STS_DM_REQUEUE);
	dmu_test_is(test, node->queued, 0);
	dmu_test_is(test, node->fenced, count + 1);
	list_for_each_entry(io, &env->ios, list)
		dmu_test_is(test, io->ended, 1);
	io = dmu_test_map(env, REQ_OP_READ, 0, KB4);
	dmu_test_is(test, node->queued, 1);
	node->failing = true;
	for (i = 0; i < count; i++)
		dmu_test_is(test, dmu_test_map(env, REQ_OP_READ, 0, KB4)->mapped, DM_MAPIO_KILL);
	node->failing = false;
	for (i = 0; i < count; i++)
		dmu_test_map(env, REQ_OP_READ, 8 * i, KB4);
	node->failing = true;
	dmu_request_fail_queued(node);
	dmu_test_is(test, node->queued, 0);
	dmu_test_is(test, io->ended, 1);
	dmu_test_is(test, node->counters.failed, 2 * count + 1);
	node->failing = false;
}

/* A request that arrives during a revoke waits for a write that the revoke fences later. */
static void revoke_fences_newcomers(struct kunit *test)
{
	struct dmu_test_env *env = test->priv;
	struct dmu_channel *channel = dmu_test_open(env), *other = dmu_test_open(env);
	struct dmu_node *node = &env->node;
	struct dmu_test_io *first, *late;
	unsigned int i;

	/* The end of the first submits a read where the last writes, which is of another batch. */
	first = dmu_test_map(env, REQ_OP_READ, 1000, KB4);
	first->again = true;
	for (i = 0; i < DMU_BATCH; i++)
		dmu_test_map(env, REQ_OP_READ, 2000, KB4);
	dmu_test_map(env, REQ_OP_WRITE, 0, KB4);
	while (dmu_test_read(channel) == 1)
		;
	dmu_test_is(test, node->queued, 0);
	dmu_request_revoke_all(node, BLK_STS_IOERR);
	late = list_last_entry(&env->ios, struct dmu_test_io, list);
	dmu_test_is(test, late->ended, 0);
	dmu_test_is(test, node->queued, 1);
	dmu_test_is(test, node->fenced, 1);
	dmu_test_is(test, dmu_test_read(other), -EAGAIN);
	dmu_test_close(channel);
	dmu_test_is(test, dmu_test_read(other), 1);
	dmu_test_true(test, dmu_test_answer(other, late->seq, DM_USER_RESP_ERROR));
}

/* A queued request that overlaps what a revoke has already fenced is not handed out. */
static void revoke_hands_nothing_out(struct kunit *test)
{
	struct dmu_test_env *env = test->priv;
	struct dmu_channel *channel = dmu_test_open(env);
	unsigned int i;

	env->taker = dmu_test_open(env);
	for (i = 0; i < DMU_BATCH; i++)
		dmu_test_map(env, REQ_OP_WRITE, 8 * i, KB4);
	while (dmu_test_read(channel) == 1)
		;
	for (i = 0; i < DMU_BATCH; i++)
		dmu_test_map(env, REQ_OP_WRITE, 8 * i, KB4);
	dmu_request_revoke_all(&env->node, BLK_STS_IOERR);
	dmu_test_is(test, env->taken, 0);
	dmu_test_is(test, env->node.queued, 0);
	dmu_test_is(test, env->node.fenced, DMU_BATCH);
	env->taker = NULL;
}

/* A revoke ends the requests that exist when it begins, not those submitted as its I/O ends. */
static void revoke_ends(struct kunit *test)
{
	struct dmu_test_env *env = test->priv;
	struct dmu_test_io *old = dmu_test_map(env, REQ_OP_READ, 0, KB4), *io;
	unsigned int i;

	/* A whole batch: the revoke must look for another. */
	for (i = 1; i < DMU_BATCH; i++)
		dmu_test_map(env, REQ_OP_READ, 0, KB4);
	old->again = true;
	dmu_request_revoke_all(&env->node, BLK_STS_IOERR);
	dmu_test_is(test, old->ended, 1);
	io = list_last_entry(&env->ios, struct dmu_test_io, list);
	dmu_test_true(test, io != old);
	dmu_test_is(test, io->ended, 0);
	dmu_test_is(test, env->node.queued, 1);
}

/* Each request has its own time to wait for the first daemon. */
static void grace_is_each_ones_own(struct kunit *test)
{
	struct dmu_test_env *env = test->priv;
	struct dmu_node *node = &env->node;
	struct dmu_test_io *old, *young;

	node->config.nodaemon_fail = true;
	node->config.grace_ms = 60000;
	old = dmu_test_map(env, REQ_OP_WRITE, 0, KB4);
	dmu_test_is(test, env->graces, 1);
	young = dmu_test_map(env, REQ_OP_WRITE, 8, KB4);
	dmu_test_is(test, dmu_request_fail_queued(node), 0);
	dmu_test_is(test, old->ended + young->ended, 0);
	old->req->born -= msecs_to_jiffies(60000);
	dmu_test_is(test, dmu_request_fail_queued(node), 1);
	dmu_test_is(test, old->ended, 1);
	dmu_test_is(test, old->status, BLK_STS_IOERR);
	dmu_test_is(test, young->ended, 0);
	dmu_test_is(test, node->queued, 1);
	dmu_test_is(test, node->counters.failed, 1);
	/* Once a daemon has served, there is no such limit. */
	young->req->born -= msecs_to_jiffies(60000);
	node->had_daemon = true;
	dmu_request_fail_queued(node);
	dmu_test_is(test, young->ended, 0);
	dmu_test_map(env, REQ_OP_WRITE, 16, KB4);
	dmu_test_is(test, env->graces, 2);
}

static struct kunit_case cases[] = {
	KUNIT_CASE(orphans_requeue),
	KUNIT_CASE(orphans_fail),
	KUNIT_CASE(orphans_fail_without_daemon),
	KUNIT_CASE(close_after_revoke),
	KUNIT_CASE(suspend_takes_all),
	KUNIT_CASE(fail_takes_all),
	KUNIT_CASE(revoke_twice),
	KUNIT_CASE(revoked_write_fences),
	KUNIT_CASE(dismissed_ends_drain),
	KUNIT_CASE(swallowed_ends_drain),
	KUNIT_CASE(close_ends_drain),
	KUNIT_CASE(no_daemon_fails_waiting),
	KUNIT_CASE(many_at_once),
	KUNIT_CASE(revoke_fences_newcomers),
	KUNIT_CASE(revoke_hands_nothing_out),
	KUNIT_CASE(revoke_ends),
	KUNIT_CASE(grace_is_each_ones_own),
	{}
};

struct kunit_suite dmu_revoke_suite = {
	.name = "dmu_revoke",
	.suite_init = dmu_test_suite_init,
	.suite_exit = dmu_test_suite_exit,
	.init = dmu_test_init,
	.exit = dmu_test_exit,
	.test_cases = cases,
};
