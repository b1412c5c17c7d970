// SPDX-License-Identifier: GPL-2.0-or-later
/* Writes revoked from a daemon that may still perform them, and the requests that wait for them. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <linux/dm-ioctl.h>

#include "tests/bench/bench.h"

#define EACH	512

struct bench {
	struct target target;
	struct many many;
	int old, fd;			/* channels: old holds the revoked writes, fd serves */
	unsigned int n;
	struct dm_user_message *held;	/* by old */
};

/* N writes are fenced, and as many wait for them: DM sends again what was revoked. */
static void begin(struct bench *b, unsigned int n, bool same_block)
{
	target_create(&b->target, NULL);
	b->n = n;
	b->old = ch_need(&b->target);
	many_open(&b->many, &b->target, n + BATCH, EACH);
	b->held = calloc(n, sizeof(*b->held));
	NEED(b->held, "memory");
	many_submit(&b->many, 0, n, true, same_block);
	for (unsigned int i = 0; i < n; i++)
		bench_take(b->old, &b->held[i]);
	NEED(!dm_suspend(b->target.name, DM_NOFLUSH_FLAG | DM_SKIP_LOCKFS_FLAG), "suspend");
	NEED(!dm_resume(b->target.name, 0), "resume");
	NEED(UNTIL(dm_word(b->target.name, "queued:") == n), "all wait");
	NEED(dm_word(b->target.name, "fenced:") == n, "for fenced writes");
	b->fd = ch_need(&b->target);
}

/* Serve the remaining requests. */
static double end(struct bench *b)
{
	struct dm_user_message m;

	close(b->old);
	while (b->many.in_flight) {
		bench_take(b->fd, &m);
		bench_answer(b->fd, &m);
		many_reap_now(&b->many);
	}
	many_close(&b->many);
	free(b->held);
	close(b->fd);
	target_remove(&b->target);
	return bench_best();
}

static double run_past(unsigned int n)
{
	struct dm_user_message m[BATCH];
	struct bench b;

	begin(&b, n, false);
	for (int i = 0; i < BATCHES; i++) {
		uint64_t since = bench_now();

		many_submit(&b.many, n, BATCH, true, false);
		bench_note(since, BATCH);
		for (int j = 0; j < BATCH; j++)
			bench_take(b.fd, &m[j]);
		for (int j = 0; j < BATCH; j++)
			bench_answer(b.fd, &m[j]);
		NEED(many_reap(&b.many, BATCH), "I/Os end");
	}
	return end(&b);
}

static double run_wait(unsigned int n)
{
	struct bench b;
	uint64_t since;

	begin(&b, n, false);
	since = bench_now();
	/* Writes to the first block; n wait for other blocks. */
	many_submit(&b.many, n, BATCH, true, true);
	bench_note(since, BATCH);
	return end(&b);
}

static double fence_answer(unsigned int n, bool same_block)
{
	unsigned int at = 0, ops = n < BATCH ? n : BATCH;
	struct bench b;
	uint64_t since;

	begin(&b, n, same_block);
	for (int i = 0; i < BATCHES && at + ops <= n; i++) {
		since = bench_now();
		for (unsigned int j = 0; j < ops; j++)
			bench_answer(b.old, &b.held[at++]);
		bench_note(since, ops);
	}
	return end(&b);
}

static double run_answer(unsigned int n)
{
	return fence_answer(n, false);
}

static double run_same_answer(unsigned int n)
{
	return fence_answer(n, true);
}

static double fence_close(unsigned int n, bool same_block)
{
	struct bench b;
	uint64_t since;

	begin(&b, n, same_block);
	since = bench_now();
	close(b.old);
	bench_note(since, n);
	b.old = -1;
	return end(&b);
}

static double run_close(unsigned int n)
{
	return fence_close(n, false);
}

static double run_same_close(unsigned int n)
{
	return fence_close(n, true);
}

const struct curve bench_fence[] = {
	{ "fence-past", run_past, 10000, "an I/O arrives; N other writes are fenced" },
	{ "fence-wait", run_wait, 10000, "an I/O that must wait arrives; N writes are fenced" },
	{ "fence-answer", run_answer, 10000,
	  "a late answer to one of N fenced writes; another write waits for each" },
	{ "fence-close", run_close, 10000,
	  "close() of a channel with N fenced writes, per write; another write waits for each" },
	{ "same-answer", run_same_answer, 4096, "as fence-answer, all writes to the same block" },
	{ "same-close", run_same_close, 4096, "as fence-close, all writes to the same block" },
	{ 0 }
};
