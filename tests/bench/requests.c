// SPDX-License-Identifier: GPL-2.0-or-later
/* Requests that wait, and requests that one channel holds. */
#include <stdlib.h>
#include <unistd.h>

#include <linux/dm-ioctl.h>

#include "tests/bench/bench.h"

#define EACH	512

struct bench {
	struct target target;
	struct many many;
	int fd;
	struct dm_user_message *held;	/* n + BATCH */
};

static void begin(struct bench *b, unsigned int n)
{
	target_create(&b->target, NULL);
	b->fd = ch_need(&b->target);
	many_open(&b->many, &b->target, n + BATCH, EACH);
	b->held = calloc(n + BATCH, sizeof(*b->held));
	NEED(b->held, "memory");
}

static void take(struct bench *b, unsigned int first, unsigned int n)
{
	for (unsigned int i = first; i < first + n; i++)
		bench_take(b->fd, &b->held[i]);
}

static void answer(struct bench *b, unsigned int first, unsigned int n)
{
	for (unsigned int i = first; i < first + n; i++)
		bench_answer(b->fd, &b->held[i]);
	NEED(many_reap(&b->many, n), "%u I/Os end", n);
}

static double end(struct bench *b)
{
	take(b, 0, b->many.in_flight);
	answer(b, 0, b->many.in_flight);
	many_close(&b->many);
	free(b->held);
	close(b->fd);
	target_remove(&b->target);
	return bench_best();
}

static double run_submit(unsigned int n)
{
	struct bench b;

	begin(&b, n);
	many_submit(&b.many, BATCH, n, false, false);
	for (int i = 0; i < BATCHES; i++) {
		uint64_t since = bench_now();

		many_submit(&b.many, 0, BATCH, false, false);
		bench_note(since, BATCH);
		/* Serve the first of the queue: the requests change, their number does not. */
		take(&b, 0, BATCH);
		answer(&b, 0, BATCH);
		if (b.many.in_flight > n)
			NEED(many_reap(&b.many, b.many.in_flight - n), "I/Os end");
	}
	return end(&b);
}

static double run_take(unsigned int n)
{
	struct bench b;

	begin(&b, n);
	many_submit(&b.many, 0, n + BATCH, false, false);
	for (int i = 0; i < BATCHES; i++) {
		uint64_t since = bench_now();

		take(&b, 0, BATCH);
		bench_note(since, BATCH);
		answer(&b, 0, BATCH);
		/* The sector of a request tells its I/O. */
		for (int j = 0; j < BATCH; j++)
			many_submit(&b.many, b.held[j].sector, 1, false, false);
	}
	return end(&b);
}

static double run_answer(unsigned int n)
{
	struct bench b;

	begin(&b, n);
	many_submit(&b.many, 0, n + BATCH, false, false);
	take(&b, 0, n + BATCH);
	for (int i = 0; i < BATCHES; i++) {
		uint64_t since;

		/* In random order, which no data structure can predict. */
		for (unsigned int j = 0; j < BATCH; j++) {
			unsigned int k = j + bench_random(n + BATCH - j);
			struct dm_user_message m = b.held[k];

			b.held[k] = b.held[j];
			b.held[j] = m;
		}
		since = bench_now();
		for (unsigned int j = 0; j < BATCH; j++)
			bench_answer(b.fd, &b.held[j]);
		bench_note(since, BATCH);
		NEED(many_reap(&b.many, BATCH), "I/Os end");
		for (unsigned int j = 0; j < BATCH; j++)
			many_submit(&b.many, b.held[j].sector, 1, false, false);
		take(&b, 0, BATCH);
	}
	answer(&b, 0, n + BATCH);
	return end(&b);
}

/* The cost of closing a channel, per request that it holds. */
static double run_close(unsigned int n)
{
	struct bench b;
	uint64_t since;

	begin(&b, n);
	many_submit(&b.many, 0, n, false, false);
	for (int i = 0; i < 3; i++) {
		take(&b, 0, n);
		since = bench_now();
		close(b.fd);
		bench_note(since, n);
		b.fd = ch_need(&b.target);
	}
	return end(&b);
}

/* The cost of a noflush suspend, which revokes the held requests, per request. */
static double run_revoke(unsigned int n)
{
	struct bench b;
	uint64_t since;

	begin(&b, n);
	many_submit(&b.many, 0, n, false, false);
	for (int i = 0; i < 3; i++) {
		take(&b, 0, n);
		since = bench_now();
		NEED(!dm_suspend(b.target.name, DM_NOFLUSH_FLAG | DM_SKIP_LOCKFS_FLAG), "suspend");
		bench_note(since, n);
		NEED(!dm_resume(b.target.name, 0), "resume");
		/* The channel still owes the late answers. */
		for (unsigned int j = 0; j < n; j++)
			bench_answer_late(b.fd, &b.held[j]);
		NEED(UNTIL(dm_word(b.target.name, "queued:") == n), "all are queued again");
	}
	return end(&b);
}

const struct curve bench_requests[] = {
	{ "submit", run_submit, 10000, "an I/O arrives; N requests wait" },
	{ "take", run_take, 10000, "read() of a request; N wait" },
	{ "answer", run_answer, 10000,
	  "write() of the answer to any of N requests that the channel holds" },
	{ "close", run_close, 10000, "close() of a channel that holds N requests, per request" },
	{ "revoke", run_revoke, 10000,
	  "noflush suspend while a channel holds N requests, per request" },
	{ 0 }
};
