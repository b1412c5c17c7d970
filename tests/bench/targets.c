// SPDX-License-Identifier: GPL-2.0-or-later
/* Many targets. */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "tests/bench/bench.h"

#define MOST	1024
#define OPS	8

static struct target targets[MOST];

static void make(struct target *t, const char *prefix, unsigned int number)
{
	char name[32], ctl[32];

	snprintf(name, sizeof(name), "%s%u", prefix, number);
	snprintf(ctl, sizeof(ctl), "%s-ctl%u", prefix, number);
	target_create_as(t, name, ctl, ABI_SECTORS, NULL);
}

static void begin(unsigned int n)
{
	for (unsigned int i = 0; i < n; i++)
		make(&targets[i], "old", i);
}

static double end(unsigned int n)
{
	for (unsigned int i = 0; i < n; i++)
		target_remove(&targets[i]);
	return bench_best();
}

static double run(unsigned int n, bool create)
{
	struct target mine[OPS];
	uint64_t since;

	begin(n);
	for (int i = 0; i < BATCHES; i++) {
		since = bench_now();
		for (int j = 0; j < OPS; j++)
			make(&mine[j], "new", j);
		if (create)
			bench_note(since, OPS);
		since = bench_now();
		for (int j = 0; j < OPS; j++)
			target_remove(&mine[j]);
		if (!create)
			bench_note(since, OPS);
	}
	return end(n);
}

static double run_create(unsigned int n)
{
	return run(n, true);
}

static double run_remove(unsigned int n)
{
	return run(n, false);
}

static double run_open(unsigned int n)
{
	int fds[BATCH];

	begin(n);
	for (int i = 0; i < BATCHES; i++) {
		uint64_t since = bench_now();

		/* The oldest target: a search that begins at the newest finds it last. */
		for (int j = 0; j < BATCH; j++)
			fds[j] = ch_need(&targets[0]);
		bench_note(since, BATCH);
		for (int j = 0; j < BATCH; j++)
			close(fds[j]);
	}
	return end(n);
}

const struct curve bench_targets[] = {
	{ "create", run_create, 512, "create, load and resume of a device; there are N" },
	{ "remove", run_remove, 512, "remove of a device; there are N others" },
	{ "target-open", run_open, 512, "open() of a channel; there are N devices" },
	{ 0 }
};
