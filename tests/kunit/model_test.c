// SPDX-License-Identifier: GPL-2.0
/*
 * Random events, to the node and to its model; after each, the two must agree. The seed and the
 * epoch's number determine the events of an epoch.
 */
#include <linux/slab.h>

#include "model.h"
#include "suites.h"

#define EPOCHS	2
#define STEPS	4000

struct run {
	struct dmu_test_env *env;
	struct kunit *test;
	struct rnd_state random;
	struct model model;
	struct dmu_test_io *io[MODEL_REQUESTS];
	struct dmu_channel *channel[MODEL_CHANNELS];
	unsigned int fenced;		/* events after which there was a fence */
};

static u32 below(struct run *run, u32 limit)
{
	return prandom_u32_state(&run->random) % limit;
}

/* A random channel that is open, as an index; -1: there is none. */
static int some_channel(struct run *run)
{
	int c = below(run, MODEL_CHANNELS);

	return run->channel[c] ? c : -1;
}

static void do_map(struct run *run)
{
	static const blk_opf_t opfs[] = {
		[DM_USER_REQ_MAP_READ] = REQ_OP_READ,
		[DM_USER_REQ_MAP_WRITE] = REQ_OP_WRITE,
		[DM_USER_REQ_MAP_FLUSH] = REQ_OP_FLUSH,
		[DM_USER_REQ_MAP_DISCARD] = REQ_OP_DISCARD,
		[DM_USER_REQ_MAP_SECURE_ERASE] = REQ_OP_SECURE_ERASE,
		[DM_USER_REQ_MAP_WRITE_ZEROES] = REQ_OP_WRITE_ZEROES,
	};
	static const u64 types[] = {
		DM_USER_REQ_MAP_READ, DM_USER_REQ_MAP_READ, DM_USER_REQ_MAP_WRITE,
		DM_USER_REQ_MAP_WRITE, DM_USER_REQ_MAP_WRITE, DM_USER_REQ_MAP_FLUSH,
		DM_USER_REQ_MAP_DISCARD, DM_USER_REQ_MAP_SECURE_ERASE,
		DM_USER_REQ_MAP_WRITE_ZEROES,
	};
	unsigned int at = below(run, MODEL_REQUESTS);
	struct model_request *req = &run->model.requests[at];
	struct dmu_test_io *io;
	int mapped;

	if (req->used || run->model.dead)
		return;
	req->type = types[below(run, ARRAY_SIZE(types))];
	req->sector = below(run, 100);
	req->sectors = req->type == DM_USER_REQ_MAP_FLUSH ? 0 : below(run, 16);
	mapped = model_map(&run->model, req);
	io = dmu_test_map(run->env, opfs[req->type], req->sector, req->sectors << SECTOR_SHIFT);
	dmu_test_is(run->test, io->mapped, mapped);
	if (mapped != DM_MAPIO_SUBMITTED)
		return;
	dmu_test_is(run->test, io->seq, req->seq);
	run->io[at] = io;
}

static unsigned int claims_of(const struct model_channel *mc)
{
	unsigned int i, n = 0;

	for (i = 0; i < MODEL_CLAIMS; i++)
		n += mc->claims[i].used;
	return n;
}

/* Channel @c claims the next request. False: there is none for it. */
static bool take_next(struct run *run, int c)
{
	struct model_channel *mc = &run->model.channels[c];
	int ret;

	if (claims_of(mc) == MODEL_CLAIMS)
		return false;
	ret = model_claim(&run->model, mc);
	dmu_test_is(run->test, dmu_test_claim(run->channel[c]), ret);
	if (ret != 1 || !run->channel[c]->out)
		return false;
	if (!model_take(&run->model, mc, run->channel[c]->out->msg.seq)) {
		KUNIT_FAIL(run->test, "request %llu out of turn", run->channel[c]->out->msg.seq);
		return false;
	}
	return true;
}

/* The daemon reads the next request, more of the last, or that the last was revoked. */
static void do_read(struct run *run)
{
	static const u32 sizes[] = { 1, 39, 40, 41, 100000, 100000, 100000, 100000 };
	int c = some_channel(run);
	struct model_channel *mc = &run->model.channels[c];
	u32 bytes;

	if (c < 0)
		return;
	if (model_in_state(mc, MODEL_SENDING, true)) {
		model_dismiss(&run->model, mc);
		dmu_request_dismiss(run->channel[c]);
		return;
	}
	if (!model_in_state(mc, MODEL_SENDING, false) && !take_next(run, c))
		return;
	bytes = sizes[below(run, ARRAY_SIZE(sizes))];
	model_send(&run->model, mc, bytes);
	dmu_test_send(run->channel[c], bytes);
}

/* Mostly a request that the channel holds; else another channel's, or one that never was. */
static u64 some_seq(struct run *run, int c)
{
	struct model_channel *mc = &run->model.channels[c];
	unsigned int at = below(run, MODEL_CLAIMS), i;

	if (!below(run, 20))
		return below(run, 10) ? below(run, run->model.next_seq + 3) : U64_MAX;
	if (!below(run, 20))
		mc = &run->model.channels[below(run, MODEL_CHANNELS)];
	for (i = 0; i < MODEL_CLAIMS; i++, at = (at + 1) % MODEL_CLAIMS)
		if (mc->claims[at].used && mc->claims[at].state == MODEL_HELD)
			break;
	/* If the channel holds none, the number of an old claim is as good as any. */
	return mc->claims[at].seq;
}

static void do_answer(struct run *run)
{
	static const u64 responses[] = { 0, 0, 0, 0, 1, 2, 3, U64_MAX };
	u64 response = responses[below(run, ARRAY_SIZE(responses))];
	int c = some_channel(run);
	struct model_channel *mc = &run->model.channels[c];
	struct model_claim *claim;
	struct dmu_claim *real;
	u64 seq;

	if (c < 0)
		return;
	claim = model_in_state(mc, MODEL_RECEIVING, false) ?:
		model_in_state(mc, MODEL_RECEIVING, true);
	real = run->channel[c]->in;
	if (claim && real) {
		/* The last byte of the payload that is coming in. */
		dmu_test_is(run->test, real->msg.seq, claim->seq);
		model_answer(&run->model, mc, claim, DM_USER_RESP_SUCCESS);
		dmu_request_answer(run->channel[c], real, DM_USER_RESP_SUCCESS);
		return;
	}
	seq = some_seq(run, c);
	claim = model_begin(&run->model, mc, seq, response);
	real = dmu_test_begin(run->channel[c], seq, response);
	dmu_test_is(run->test, !real, !claim);
	if (!real || !claim)
		return;
	dmu_test_is(run->test, run->channel[c]->in == real, claim->state == MODEL_RECEIVING);
	if (claim->state == MODEL_RECEIVING)
		return;
	model_answer(&run->model, mc, claim, response);
	dmu_request_answer(run->channel[c], real, response);
}

static void do_open_or_close(struct run *run)
{
	int c = below(run, MODEL_CHANNELS);

	if (run->channel[c]) {
		/* A channel stays open for a while, unless it has drained. */
		if (run->channel[c]->generation->state != DM_USER_DRAINED && below(run, 4))
			return;
		model_close(&run->model, &run->model.channels[c]);
		dmu_test_close(run->channel[c]);
		run->channel[c] = NULL;
	} else if (!run->model.dead) {
		model_open(&run->model, &run->model.channels[c]);
		run->channel[c] = dmu_test_open(run->env);
	}
}

static void do_join(struct run *run)
{
	int c = some_channel(run);
	u64 number = run->model.newest + below(run, 4) - 1;
	bool create = below(run, 2);

	if (c < 0)
		return;
	if (!below(run, 50))
		number = below(run, 2) ? 0 : U64_MAX;
	dmu_test_is(run->test, dmu_generation_join(run->channel[c], number, create),
		    model_join(&run->model, &run->model.channels[c], number, create));
}

static void do_drain(struct run *run)
{
	int c = some_channel(run);
	bool undo = below(run, 3);

	if (c < 0)
		return;
	/* Seldom drain at once: a drained generation is of no use, and generation 0 for long. */
	if (!undo && below(run, 8) && (!run->channel[c]->generation->held ||
				       run->channel[c]->generation == &run->env->node.unjoined))
		return;
	dmu_test_is(run->test, !dmu_test_drain(run->channel[c], undo),
		    !!model_drain(&run->model, &run->model.channels[c], undo));
}

static void do_revoke(struct run *run)
{
	blk_status_t status = below(run, 2) ? BLK_STS_DM_REQUEUE : BLK_STS_IOERR;

	model_revoke(&run->model, status);
	dmu_request_revoke_all(&run->env->node, status);
}

/* A read into unmapped memory; the request may be revoked meanwhile. */
static void do_fault(struct run *run)
{
	int c = some_channel(run);
	struct model_channel *mc = &run->model.channels[c];

	if (c < 0 || model_in_state(mc, MODEL_SENDING, false) ||
	    model_in_state(mc, MODEL_SENDING, true) || !take_next(run, c))
		return;
	run->channel[c]->sent = 0;
	if (!below(run, 16))
		do_revoke(run);
	model_give_back(&run->model, mc);
	dmu_request_give_back(run->channel[c]);
}

static void do_policy(struct run *run)
{
	struct model *m = &run->model;

	/* Seldom a policy with which no request passes. */
	m->failing = !below(run, 16);
	m->noflush = !below(run, 8);
	m->orphans_fail = !below(run, 4);
	run->env->node.failing = m->failing;
	run->env->noflush = m->noflush;
	run->env->node.config.orphans_fail = m->orphans_fail;
	model_fail_queued(m);
	dmu_request_fail_queued(&run->env->node);
}

static const struct {
	void (*run)(struct run *run);
	unsigned int weight;
	const char *name;
} events[] = {
	{ do_map, 450, "map" },
	{ do_read, 500, "read" },
	{ do_fault, 30, "read to nowhere" },
	{ do_answer, 400, "answer" },
	{ do_open_or_close, 30, "open or close" },
	{ do_join, 40, "join" },
	{ do_drain, 20, "drain" },
	{ do_revoke, 6, "revoke" },
	{ do_policy, 20, "policy" },
};

/* ---- do they agree? ---- */

static void compare_requests(struct run *run)
{
	struct model_request *req;
	unsigned int i;

	for (i = 0; i < MODEL_REQUESTS; i++) {
		req = &run->model.requests[i];
		if (!req->used)
			continue;
		if (run->io[i]->ended != req->ended ||
		    (req->ended && run->io[i]->status != req->status))
			KUNIT_FAIL(run->test, "request %llu ended %u times (%u), not %u (%u)",
				   req->seq, run->io[i]->ended, run->io[i]->status, req->ended,
				   req->status);
		/* The slot is free for the next request. */
		if (req->ended)
			req->used = false;
	}
}

static u64 seq_of(const struct dmu_claim *claim)
{
	return claim ? claim->msg.seq : U64_MAX;
}

static u64 model_seq_of(const struct model_claim *claim)
{
	return claim ? claim->seq : U64_MAX;
}

static void compare_channel(struct run *run, struct dmu_channel *channel, struct model_channel *mc)
{
	struct model_claim *in = model_in_state(mc, MODEL_RECEIVING, false) ?:
				 model_in_state(mc, MODEL_RECEIVING, true);
	struct dmu_generation *g = channel->generation;
	struct kunit *test = run->test;
	struct dmu_node *node = &run->env->node;
	bool available;

	dmu_test_is(test, seq_of(channel->out),
		    model_seq_of(model_in_state(mc, MODEL_SENDING, false)));
	dmu_test_is(test, seq_of(channel->canceled),
		    model_seq_of(model_in_state(mc, MODEL_SENDING, true)));
	dmu_test_is(test, seq_of(channel->in), model_seq_of(in));
	dmu_test_is(test, dmu_test_count_claims(channel), claims_of(mc));
	dmu_test_is(test, channel->taken, mc->taken);
	dmu_test_is(test, g->number, mc->generation->number);
	dmu_test_is(test, g->state, mc->generation->state);
	dmu_test_is(test, g->channels, mc->generation->channels);
	dmu_test_is(test, g->held, mc->generation->held);
	dmu_test_is(test, g->answered, mc->generation->answered);
	spin_lock_bh(&node->lock);
	available = dmu_request_available(channel);
	spin_unlock_bh(&node->lock);
	dmu_test_is(test, available, model_claim(&run->model, mc) != -EAGAIN);
}

static void compare_node(struct run *run)
{
	struct dmu_node *node = &run->env->node;
	struct dmu_counters *counters = &node->counters;
	struct model *m = &run->model;
	struct kunit *test = run->test;
	unsigned int i;

	dmu_test_is(test, node->queued, model_waiting(m));
	dmu_test_is(test, node->fenced, model_fences(m));
	dmu_test_is(test, node->next_seq, m->next_seq);
	dmu_test_is(test, node->newest_generation, m->newest);
	dmu_test_is(test, counters->errors, m->errors);
	dmu_test_is(test, counters->unsupported, m->unsupported);
	dmu_test_is(test, counters->requeued, m->requeued);
	dmu_test_is(test, counters->failed, m->failed);
	dmu_test_is(test, counters->refused, m->refused);
	for (i = 0; i < ARRAY_SIZE(m->answered); i++)
		dmu_test_is(test, counters->answered[i], m->answered[i]);
}

static bool agree(struct run *run)
{
	unsigned int c;

	compare_requests(run);
	compare_node(run);
	for (c = 0; c < MODEL_CHANNELS; c++)
		if (run->channel[c])
			compare_channel(run, run->channel[c], &run->model.channels[c]);
	return READ_ONCE(run->test->status) != KUNIT_FAILURE;
}

static unsigned int some_event(struct run *run)
{
	unsigned int i, total = 0;
	u32 at;

	for (i = 0; i < ARRAY_SIZE(events); i++)
		total += events[i].weight;
	at = below(run, total);
	for (i = 0; at >= events[i].weight; i++)
		at -= events[i].weight;
	return i;
}

/* DM destroys the last target, after all its I/O has ended. */
static void die(struct run *run)
{
	model_revoke(&run->model, BLK_STS_IOERR);
	dmu_request_revoke_all(&run->env->node, BLK_STS_IOERR);
	run->model.dead = true;
	run->env->node.dead = true;
}

/* Returns false, and reports the event, if node and model disagree. */
static bool run_epoch(struct run *run, unsigned int epoch)
{
	unsigned int step, event;
	bool good = true;

	memset(run->io, 0, sizeof(run->io));
	memset(run->channel, 0, sizeof(run->channel));
	model_init(&run->model);
	prandom_seed_state(&run->random, dmu_test_seed * 1000003 + epoch);
	for (step = 0; good && step < STEPS; step++) {
		if (step == STEPS - STEPS / 20)
			die(run);
		event = some_event(run);
		events[event].run(run);
		model_settle(&run->model);
		run->fenced += !!model_fences(&run->model);
		good = agree(run);
		if (!good)
			KUNIT_FAIL(run->test, "seed %llu, epoch %u, step %u: %s", dmu_test_seed,
				   epoch, step, events[event].name);
	}
	return good;
}

static void like_the_model(struct kunit *test)
{
	struct run *run = kunit_kzalloc(test, sizeof(*run), GFP_KERNEL);
	struct model *m = &run->model;
	u64 answered = 0, requeued = 0, failed = 0, refused = 0;
	unsigned int epoch;
	bool good = true;

	KUNIT_ASSERT_NOT_NULL(test, run);
	run->test = test;
	for (epoch = 0; good && epoch < EPOCHS * dmu_test_rounds; epoch++) {
		run->env = dmu_test_env_create(test);
		KUNIT_ASSERT_NOT_NULL(test, run->env);
		good = run_epoch(run, epoch);
		dmu_test_env_destroy(run->env);
		answered += m->answered[DM_USER_REQ_MAP_READ] + m->answered[DM_USER_REQ_MAP_WRITE];
		requeued += m->requeued;
		failed += m->failed;
		refused += m->refused;
	}
	/* The agreement proves nothing if one of these never happened. */
	dmu_test_true(test, answered && requeued && failed && refused && run->fenced);
	kunit_info(test, "seed %llu, %u events: %llu/%llu/%llu/%llu "
		   "answered/requeued/failed/refused, %u fenced", dmu_test_seed, epoch * STEPS,
		   answered, requeued, failed, refused, run->fenced);
}

static struct kunit_case cases[] = {
	KUNIT_CASE(like_the_model),
	{}
};

struct kunit_suite dmu_model_suite = {
	.name = "dmu_model",
	.suite_init = dmu_test_suite_init,
	.suite_exit = dmu_test_suite_exit,
	.test_cases = cases,
};
