// SPDX-License-Identifier: GPL-2.0
/*
 * Without memory, an operation returns an error and changes nothing, and a channel can still serve
 * one request. Allocations fail by fault injection (failslab): the test that loads the module lets
 * it hit allocations that may sleep, too.
 */
#include <linux/sched.h>
#include <linux/slab.h>

#include "suites.h"

/* Make this task's next allocation fail, or none. */
static void fail_next(bool fail)
{
#ifdef CONFIG_FAULT_INJECTION
	WRITE_ONCE(current->fail_nth, fail);
#endif
}

/* Skip the test if allocations cannot be made to fail. */
static void require_failures(struct kunit *test)
{
	void *memory;

	fail_next(true);
	memory = kmalloc(8, GFP_NOIO);
	fail_next(false);
	kfree(memory);
	if (memory)
		kunit_skip(test, "allocations do not fail: see /sys/kernel/debug/failslab");
}

/* A daemon's second request may have to wait for memory; its first never does. */
static void reserve_needs_none(struct kunit *test)
{
	struct dmu_test_env *env = test->priv;
	struct dmu_channel *channel = dmu_test_open(env);
	struct dmu_test_io *first, *second;

	require_failures(test);
	first = dmu_test_map(env, REQ_OP_READ, 0, SZ_4K);
	second = dmu_test_map(env, REQ_OP_READ, 0, SZ_4K);
	fail_next(true);
	dmu_test_is(test, dmu_test_read(channel), 1);
	dmu_test_is(test, dmu_test_claim(channel), -ENOMEM);
	dmu_test_true(test, !channel->spare);
	dmu_test_is(test, env->node.queued, 1);
	dmu_test_is(test, env->node.unjoined.held, 1);
	fail_next(true);
	dmu_test_true(test, dmu_test_answer(channel, first->seq, DM_USER_RESP_ERROR));
	dmu_test_is(test, dmu_test_read(channel), 1);
	dmu_test_true(test, dmu_test_answer(channel, second->seq, DM_USER_RESP_ERROR));
	fail_next(false);
	dmu_test_is(test, first->ended + second->ended, 2);
}

/* After a claim failed for lack of memory, the next may succeed. */
static void claim_tries_again(struct kunit *test)
{
	struct dmu_test_env *env = test->priv;
	struct dmu_channel *channel = dmu_test_open(env);
	struct dmu_test_io *io[2];
	unsigned int i;

	require_failures(test);
	for (i = 0; i < 2; i++)
		io[i] = dmu_test_map(env, REQ_OP_READ, 0, SZ_4K);
	dmu_test_read(channel);
	fail_next(true);
	dmu_test_is(test, dmu_test_read(channel), -ENOMEM);
	fail_next(false);
	dmu_test_is(test, dmu_test_read(channel), 1);
	for (i = 0; i < 2; i++)
		dmu_test_true(test, dmu_test_answer(channel, io[i]->seq, DM_USER_RESP_ERROR));
}

/* Returns fail_nth: still 1 if nothing was allocated. */
static int revoke_and_orphan(struct kunit *test)
{
	struct dmu_test_env *env = test->priv;
	struct dmu_channel *channel = dmu_test_open(env);
	unsigned int i;
	int left = 1;
	u64 seq = 0;

	for (i = 0; i < 3; i++) {
		seq = dmu_test_map(env, REQ_OP_WRITE, 0, SZ_4K)->seq;
		dmu_test_read(channel);
	}
	fail_next(true);
	dmu_request_revoke_all(&env->node, BLK_STS_DM_REQUEUE);
	dmu_test_answer(channel, seq, DM_USER_RESP_SUCCESS);
	dmu_test_drain(channel, false);
	dmu_test_close(channel);
#ifdef CONFIG_FAULT_INJECTION
	left = READ_ONCE(current->fail_nth);
#endif
	fail_next(false);
	return left;
}

static void orphans_need_none(struct kunit *test)
{
	unsigned int i;
	int left = 0;

	require_failures(test);
	/*
	 * KASAN remembers the stack of a free, and may allocate for that the first time, and now
	 * and then to make room for more. Allocations of the code under test would fail each time.
	 */
	for (i = 0; i < 4 && left != 1; i++)
		left = revoke_and_orphan(test);
	dmu_test_is(test, left, 1);
}

static void join_leaves_all_as_it_was(struct kunit *test)
{
	struct dmu_test_env *env = test->priv;
	struct dmu_channel *channel = dmu_test_open(env);

	require_failures(test);
	fail_next(true);
	dmu_test_is(test, dmu_generation_join(channel, 1, true), -ENOMEM);
	fail_next(false);
	dmu_test_true(test, channel->generation == &env->node.unjoined);
	dmu_test_is(test, env->node.newest_generation, 0);
	dmu_test_is(test, env->events + env->watches, 0);
	dmu_test_is(test, dmu_generation_join(channel, 1, true), 0);
}

static void row_says_so(struct kunit *test)
{
	char *argv[] = { "a", "b", "ctl" };
	struct dmu_config config;
	char *error = NULL;

	require_failures(test);
	fail_next(true);
	dmu_test_is(test, dmu_config_parse(&config, ARRAY_SIZE(argv), argv, &error), -ENOMEM);
	fail_next(false);
	KUNIT_EXPECT_STREQ(test, error, "Cannot allocate memory");
}

static struct kunit_case cases[] = {
	KUNIT_CASE(reserve_needs_none),
	KUNIT_CASE(claim_tries_again),
	KUNIT_CASE(orphans_need_none),
	KUNIT_CASE(join_leaves_all_as_it_was),
	KUNIT_CASE(row_says_so),
	{}
};

struct kunit_suite dmu_memory_suite = {
	.name = "dmu_memory",
	.suite_init = dmu_test_suite_init,
	.suite_exit = dmu_test_suite_exit,
	.init = dmu_test_init,
	.exit = dmu_test_exit,
	.test_cases = cases,
};
