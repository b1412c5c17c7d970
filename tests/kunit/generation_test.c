// SPDX-License-Identifier: GPL-2.0
/* Generations: which a channel may join, and when a generation drains, has drained, and goes. */
#include <linux/slab.h>

#include "suites.h"

/* The node's history when a fresh channel wants to join; the newest generation is 2, if any. */
enum history {
	NOTHING,	/* no generation was ever made */
	SERVING,	/* 2 serves */
	DRAINING,	/* 2 drains */
	DRAINED,	/* 2 has drained, its channel is open */
	LEFT,		/* 2 has gone */
	OLD_SERVES,	/* 1 serves, and so does 2 */
	LAST,		/* the newest is the greatest number of all */
	DEAD,		/* DM destroyed the target */
};

static const struct join {
	enum history history;
	u64 number;
	bool create;
	int result;
} joins[] = {
	{ NOTHING, 0, true, -EINVAL },
	{ NOTHING, 0, false, -EINVAL },
	{ NOTHING, 1, true, 0 },
	{ NOTHING, 1, false, -ERANGE },
	{ NOTHING, 2, true, -ERANGE },
	{ NOTHING, U64_MAX, true, -ERANGE },
	{ NOTHING, U64_MAX, false, -ERANGE },
	{ SERVING, 0, true, -EINVAL },
	{ SERVING, 1, true, -ESTALE },
	{ SERVING, 1, false, -ESTALE },
	{ SERVING, 2, true, -EEXIST },
	{ SERVING, 2, false, 0 },
	{ SERVING, 3, true, 0 },
	{ SERVING, 3, false, -ERANGE },
	{ SERVING, 4, true, -ERANGE },
	{ SERVING, 4, false, -ERANGE },
	{ DRAINING, 1, false, -ESTALE },
	{ DRAINING, 2, true, -EEXIST },
	{ DRAINING, 2, false, -ESHUTDOWN },
	{ DRAINING, 3, true, 0 },
	{ DRAINED, 2, true, -EEXIST },
	{ DRAINED, 2, false, -ESHUTDOWN },
	{ DRAINED, 3, true, 0 },
	{ LEFT, 1, true, -ESTALE },
	{ LEFT, 2, true, -EEXIST },
	{ LEFT, 2, false, -ENOENT },
	{ LEFT, 3, true, 0 },
	{ LEFT, 3, false, -ERANGE },
	{ OLD_SERVES, 1, true, -ESTALE },
	{ OLD_SERVES, 1, false, -ESTALE },
	{ OLD_SERVES, 2, false, 0 },
	{ OLD_SERVES, 3, true, 0 },
	{ LAST, U64_MAX, true, -EEXIST },
	{ LAST, U64_MAX, false, 0 },
	{ LAST, 0, true, -EINVAL },
	{ LAST, 1, true, -ESTALE },
	{ LAST, U64_MAX - 1, true, -ESTALE },
	{ DEAD, 0, true, -EINVAL },
	{ DEAD, 1, true, -ENOTBLK },
	{ DEAD, 2, false, -ENOTBLK },
	{ DEAD, 3, true, -ENOTBLK },
};

static struct dmu_channel *joined(struct dmu_test_env *env, u64 number)
{
	struct dmu_channel *channel = dmu_test_open(env);

	env->node.newest_generation = number - 1;
	dmu_test_is(env->test, dmu_generation_join(channel, number, true), 0);
	return channel;
}

static void make_history(struct dmu_test_env *env, enum history history)
{
	struct dmu_channel *channel;

	if (history == NOTHING)
		return;
	if (history == OLD_SERVES)
		joined(env, 1);
	channel = joined(env, history == LAST ? U64_MAX : 2);
	if (history == DRAINING) {
		dmu_test_map(env, REQ_OP_READ, 0, SZ_4K);
		dmu_test_read(channel);
	}
	if (history == DRAINING || history == DRAINED)
		dmu_test_drain(channel, false);
	if (history == LEFT)
		dmu_test_close(channel);
	env->node.dead = history == DEAD;
}

static void join(struct kunit *test)
{
	const struct join *join = test->param_value;
	struct dmu_test_env *env = test->priv;
	struct dmu_node *node = &env->node;
	struct dmu_channel *channel;
	struct dmu_generation *was;
	unsigned int events, watches, channels;
	u64 newest;

	make_history(env, join->history);
	channel = dmu_test_open(env);
	spin_lock_bh(&node->lock);
	was = dmu_generation_find(node, join->number);
	spin_unlock_bh(&node->lock);
	channels = was ? was->channels : 0;
	events = env->events;
	watches = env->watches;
	newest = node->newest_generation;
	dmu_test_is(test, dmu_generation_join(channel, join->number, join->create), join->result);
	/* A success is an event; an error is none. */
	dmu_test_is(test, env->events - events, !join->result);
	dmu_test_is(test, env->watches - watches, !join->result);
	if (join->result) {
		dmu_test_true(test, channel->generation == &node->unjoined);
		dmu_test_is(test, node->newest_generation, newest);
	} else {
		dmu_test_is(test, channel->generation->number, join->number);
		dmu_test_is(test, node->newest_generation, join->number);
		dmu_test_is(test, channel->generation->channels, channels + 1);
		dmu_test_is(test, channel->generation->state, DM_USER_SERVING);
		dmu_test_is(test, channel->generation->held, 0);
		dmu_test_is(test, node->unjoined.channels, 0);
		spin_lock_bh(&node->lock);
		was = dmu_generation_find(node, join->number);
		spin_unlock_bh(&node->lock);
		dmu_test_true(test, was == channel->generation);
	}
	node->dead = false;
}

static void describe(const struct join *join, char *desc)
{
	static const char *const histories[] = {
		"nothing", "2 serves", "2 drains", "2 has drained", "2 left", "1 and 2 serve",
		"the greatest serves", "gone",
	};

	scnprintf(desc, KUNIT_PARAM_DESC_SIZE, "%s %llu, %s", join->create ? "create" : "join",
		  join->number, histories[join->history]);
}

KUNIT_ARRAY_PARAM(joins, joins, describe);

/* A channel joins once, and before its first request. */
static void join_once(struct kunit *test)
{
	struct dmu_test_env *env = test->priv;
	struct dmu_channel *channel = joined(env, 1), *reader = dmu_test_open(env);

	dmu_test_is(test, dmu_generation_join(channel, 1, false), -EBUSY);
	dmu_test_is(test, dmu_generation_join(channel, 2, true), -EBUSY);
	dmu_test_is(test, channel->generation->channels, 1);
	dmu_test_map(env, REQ_OP_READ, 0, SZ_4K);
	dmu_test_read(reader);
	dmu_test_is(test, dmu_generation_join(reader, 1, false), -EBUSY);
	/* Nor after that request has ended. */
	dmu_test_answer(reader, 0, DM_USER_RESP_ERROR);
	dmu_test_is(test, dmu_generation_join(reader, 2, true), -EBUSY);
	dmu_test_true(test, reader->generation == &env->node.unjoined);
	dmu_test_is(test, env->node.newest_generation, 1);
}

/* A generation goes with its last channel, and not before. */
static void leave(struct kunit *test)
{
	struct dmu_test_env *env = test->priv;
	struct dmu_node *node = &env->node;
	struct dmu_channel *one = joined(env, 1), *two = dmu_test_open(env);

	dmu_test_is(test, dmu_generation_join(two, 1, false), 0);
	dmu_test_is(test, dmu_test_count(&node->generations), 2);
	dmu_test_close(one);
	dmu_test_is(test, two->generation->channels, 1);
	dmu_test_is(test, two->generation->number, 1);
	dmu_test_is(test, dmu_test_count(&node->generations), 2);
	dmu_test_close(two);
	dmu_test_is(test, dmu_test_count(&node->generations), 1);
	spin_lock_bh(&node->lock);
	dmu_test_true(test, !dmu_generation_find(node, 1));
	dmu_test_true(test, dmu_generation_find(node, 0) == &node->unjoined);
	spin_unlock_bh(&node->lock);
}

/* Generation 0 drains like any other, and serves again when its last channel has gone. */
static void unjoined_come_back(struct kunit *test)
{
	struct dmu_test_env *env = test->priv;
	struct dmu_node *node = &env->node;
	struct dmu_channel *one = dmu_test_open(env), *two = dmu_test_open(env);

	dmu_test_drain(one, false);
	dmu_test_is(test, node->unjoined.state, DM_USER_DRAINED);
	dmu_test_close(one);
	dmu_test_is(test, node->unjoined.state, DM_USER_DRAINED);
	/* A channel that drained with it must stay; a channel opened since may join another. */
	one = dmu_test_open(env);
	dmu_test_is(test, dmu_test_read(one), 0);
	dmu_test_is(test, dmu_generation_join(two, 1, true), -ESHUTDOWN);
	dmu_test_is(test, dmu_generation_join(one, 1, true), 0);
	dmu_test_is(test, dmu_generation_join(two, 1, false), -ESHUTDOWN);
	dmu_test_is(test, node->unjoined.state, DM_USER_DRAINED);
	dmu_test_close(two);
	dmu_test_is(test, node->unjoined.state, DM_USER_SERVING);
	dmu_test_is(test, node->unjoined.channels, 0);
	one = dmu_test_open(env);
	dmu_test_drain(one, false);
	dmu_test_close(one);
	dmu_test_is(test, node->unjoined.state, DM_USER_SERVING);
	dmu_test_is(test, dmu_test_count(&node->generations), 2);
	one = dmu_test_open(env);
	dmu_test_map(env, REQ_OP_READ, 0, SZ_4K);
	dmu_test_is(test, dmu_test_read(one), 1);
}

/* A drain of generation 0 that was undone keeps no channel from joining. */
static void unjoined_undone(struct kunit *test)
{
	struct dmu_test_env *env = test->priv;
	struct dmu_channel *one = dmu_test_open(env), *two = dmu_test_open(env);

	dmu_test_map(env, REQ_OP_READ, 0, SZ_4K);
	dmu_test_read(one);
	dmu_test_drain(one, false);
	dmu_test_is(test, dmu_generation_join(two, 1, true), -ESHUTDOWN);
	dmu_test_true(test, dmu_test_drain(one, true));
	dmu_test_is(test, dmu_generation_join(two, 1, true), 0);
}

/* The number of generations with channels is limited: the next needs one of them to go. */
static void not_without_end(struct kunit *test)
{
	struct dmu_channel *channel, *first = NULL;
	struct dmu_test_env *env = test->priv;
	unsigned int i;

	for (i = 1; i <= DM_USER_GENERATIONS_MAX; i++) {
		channel = dmu_test_open(env);
		first = first ?: channel;
		dmu_test_is(test, dmu_generation_join(channel, i, true), 0);
	}
	channel = dmu_test_open(env);
	dmu_test_is(test, dmu_generation_join(channel, i, true), -ENOSPC);
	dmu_test_is(test, env->node.newest_generation, DM_USER_GENERATIONS_MAX);
	dmu_test_is(test, dmu_generation_join(dmu_test_open(env), i - 1, false), 0);
	dmu_test_close(first);
	dmu_test_is(test, dmu_generation_join(channel, i, true), 0);
}

/* A serving daemon cannot use up the generations with channels that it made itself. */
static void room_for_openers(struct kunit *test)
{
	struct dmu_channel *passed, *opened;
	struct dmu_test_env *env = test->priv;
	unsigned int i;

	for (i = 1; i <= DM_USER_GENERATIONS_PASSED_MAX; i++) {
		passed = dmu_test_open(env);
		passed->passed = true;
		dmu_test_is(test, dmu_generation_join(passed, i, true), 0);
	}
	passed = dmu_test_open(env);
	passed->passed = true;
	dmu_test_is(test, dmu_generation_join(passed, i, true), -ENOSPC);
	opened = dmu_test_open(env);
	dmu_test_is(test, dmu_generation_join(opened, i, true), 0);
	/* A join that creates no generation needs no room. */
	dmu_test_is(test, dmu_generation_join(passed, i, false), 0);
}

/* An administrator's drain cannot be undone; a daemon's own drain can. */
static void ordered_is_for_good(struct kunit *test)
{
	struct dmu_test_env *env = test->priv;
	struct dmu_channel *channel = joined(env, 1), *newcomer;
	struct dmu_node *node = &env->node;

	dmu_test_map(env, REQ_OP_READ, 0, SZ_4K);
	dmu_test_is(test, dmu_test_read(channel), 1);
	dmu_test_drain(channel, false);
	dmu_test_true(test, dmu_test_drain(channel, true));
	dmu_test_drain(channel, false);
	spin_lock_bh(&node->lock);
	dmu_generation_drain(node, channel->generation, true);
	spin_unlock_bh(&node->lock);
	dmu_test_is(test, channel->generation->state, DM_USER_DRAINING);
	dmu_test_true(test, !dmu_test_drain(channel, true));
	dmu_test_is(test, channel->generation->state, DM_USER_DRAINING);
	/* Likewise for generation 0, until its last channel has gone. */
	channel = dmu_test_open(env);
	dmu_test_map(env, REQ_OP_READ, 0, SZ_4K);
	dmu_test_is(test, dmu_test_read(channel), 1);
	newcomer = dmu_test_open(env);
	spin_lock_bh(&node->lock);
	dmu_generation_drain(node, &node->unjoined, true);
	spin_unlock_bh(&node->lock);
	dmu_test_true(test, !dmu_test_drain(channel, true));
	dmu_test_is(test, dmu_generation_join(newcomer, 2, true), -ESHUTDOWN);
	dmu_test_close(newcomer);
	dmu_test_close(channel);
	channel = dmu_test_open(env);
	dmu_test_is(test, dmu_test_read(channel), 1);
	dmu_test_drain(channel, false);
	dmu_test_true(test, dmu_test_drain(channel, true));
}

/* A daemon that drains and undoes the drain again and again keeps no newcomer from joining. */
static void drain_again_is_the_same(struct kunit *test)
{
	struct dmu_test_env *env = test->priv;
	struct dmu_channel *channel = dmu_test_open(env), *newcomer;
	unsigned int i;

	dmu_test_map(env, REQ_OP_READ, 0, SZ_4K);
	dmu_test_is(test, dmu_test_read(channel), 1);
	newcomer = dmu_test_open(env);
	dmu_test_drain(channel, false);
	dmu_test_is(test, dmu_generation_join(newcomer, 1, true), -ESHUTDOWN);
	for (i = 1; i < 4; i++) {
		newcomer = dmu_test_open(env);
		dmu_test_true(test, dmu_test_drain(channel, true));
		dmu_test_drain(channel, false);
		dmu_test_is(test, dmu_generation_join(newcomer, i, true), 0);
	}
}

/* SERVING -> DRAINING -> DRAINED, and back from DRAINING only; other generations stay. */
static void drain(struct kunit *test)
{
	struct dmu_test_env *env = test->priv;
	struct dmu_channel *channel = joined(env, 1), *next = joined(env, 2);
	struct dmu_test_io *io[2];
	unsigned int woken;

	dmu_test_true(test, dmu_test_drain(channel, true));
	dmu_test_is(test, channel->generation->state, DM_USER_SERVING);
	io[0] = dmu_test_map(env, REQ_OP_WRITE, 0, SZ_4K);
	io[1] = dmu_test_map(env, REQ_OP_WRITE, 0, SZ_4K);
	dmu_test_read(channel);
	dmu_test_read(channel);
	woken = env->woken_all;
	dmu_test_true(test, dmu_test_drain(channel, false));
	/* Its blocked readers must return. */
	dmu_test_true(test, env->woken_all > woken);
	dmu_test_is(test, channel->generation->state, DM_USER_DRAINING);
	dmu_test_true(test, dmu_test_drain(channel, false));
	dmu_test_is(test, channel->generation->state, DM_USER_DRAINING);
	dmu_test_answer(channel, io[0]->seq, DM_USER_RESP_SUCCESS);
	dmu_test_is(test, channel->generation->state, DM_USER_DRAINING);
	dmu_test_true(test, dmu_test_drain(channel, true));
	dmu_test_is(test, channel->generation->state, DM_USER_SERVING);
	dmu_test_answer(channel, io[1]->seq, DM_USER_RESP_SUCCESS);
	dmu_test_is(test, channel->generation->state, DM_USER_SERVING);
	dmu_test_true(test, dmu_test_drain(channel, false));
	dmu_test_is(test, channel->generation->state, DM_USER_DRAINED);
	dmu_test_true(test, dmu_test_drain(channel, false));
	dmu_test_is(test, channel->generation->state, DM_USER_DRAINED);
	dmu_test_true(test, !dmu_test_drain(channel, true));
	dmu_test_is(test, channel->generation->state, DM_USER_DRAINED);
	dmu_test_is(test, next->generation->state, DM_USER_SERVING);
	dmu_test_is(test, next->generation->answered, 0);
}

/* The last claim of a generation that drains, and no other, completes the drain. */
static void drop_claim(struct kunit *test)
{
	static const struct {
		unsigned int state, held;
		bool completes;
		unsigned int after;
	} rows[] = {
		{ DM_USER_SERVING, 1, false, DM_USER_SERVING },
		{ DM_USER_SERVING, 2, false, DM_USER_SERVING },
		{ DM_USER_DRAINING, 2, false, DM_USER_DRAINING },
		{ DM_USER_DRAINING, 1, true, DM_USER_DRAINED },
	};
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(rows); i++) {
		struct dmu_generation generation = {
			.state = rows[i].state,
			.held = rows[i].held,
		};

		dmu_test_is(test, dmu_generation_drop_claim(&generation), rows[i].completes);
		dmu_test_is(test, generation.state, rows[i].after);
		dmu_test_is(test, generation.held, rows[i].held - 1);
	}
}

static struct kunit_case cases[] = {
	KUNIT_CASE_PARAM(join, joins_gen_params),
	KUNIT_CASE(join_once),
	KUNIT_CASE(leave),
	KUNIT_CASE(unjoined_come_back),
	KUNIT_CASE(unjoined_undone),
	KUNIT_CASE(not_without_end),
	KUNIT_CASE(room_for_openers),
	KUNIT_CASE(ordered_is_for_good),
	KUNIT_CASE(drain_again_is_the_same),
	KUNIT_CASE(drain),
	KUNIT_CASE(drop_claim),
	{}
};

struct kunit_suite dmu_generation_suite = {
	.name = "dmu_generation",
	.suite_init = dmu_test_suite_init,
	.suite_exit = dmu_test_suite_exit,
	.init = dmu_test_init,
	.exit = dmu_test_exit,
	.test_cases = cases,
};
