// SPDX-License-Identifier: GPL-2.0-or-later
/* main [CURVE]...: print a line `curve TAB n TAB ns` for each point of these curves, or of all. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "tests/bench/bench.h"

static const struct curve *const groups[] = { bench_requests, bench_fence, bench_channels,
					      bench_targets };
static const unsigned int steps[] = { 1, 4, 16, 64, 128, 256, 512, 1024, 2048, 4096, 10000 };

static double best;

uint64_t bench_now(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000000000ULL + now.tv_nsec;
}

void bench_note(uint64_t since, unsigned int ops)
{
	double cost = (double)(bench_now() - since) / ops;

	if (best == 0 || cost < best)
		best = cost;
}

double bench_best(void)
{
	return best;
}

/* The same numbers in every run. */
unsigned int bench_random(unsigned int below)
{
	static uint64_t state = 88172645463325252ULL;

	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return state % below;
}

void bench_take(int fd, struct dm_user_message *m)
{
	static uint8_t payload[4096];

	NEED(ch_read(fd, m, sizeof(*m)) == sizeof(*m), "take a request");
	if (m->type == DM_USER_REQ_MAP_WRITE)
		NEED(ch_read(fd, payload, sizeof(payload)) == (ssize_t)m->len, "take its data");
}

void bench_answer(int fd, const struct dm_user_message *m)
{
	static union {
		struct dm_user_message m;
		uint8_t bytes[sizeof(struct dm_user_message) + 4096];
	} answer;
	size_t len = sizeof(*m) + (m->type == DM_USER_REQ_MAP_READ ? m->len : 0);

	answer.m.seq = m->seq;
	answer.m.type = DM_USER_RESP_SUCCESS;
	NEED(ch_write(fd, &answer, len) == (ssize_t)len, "answer");
}

void bench_answer_late(int fd, const struct dm_user_message *m)
{
	struct dm_user_message answer = { .seq = m->seq, .type = DM_USER_RESP_ERROR };

	NEED(ch_write(fd, &answer, sizeof(answer)) == sizeof(answer), "answer late");
}

static bool wanted(const struct curve *curve, int argc, char **argv)
{
	bool any = argc < 2;

	for (int i = 1; i < argc; i++)
		any |= !strcmp(argv[i], curve->name);
	return any;
}

static void run(const struct curve *curve)
{
	printf("# %s: %s\n", curve->name, curve->what);
	for (size_t i = 0; i < sizeof(steps) / sizeof(*steps) && steps[i] <= curve->most; i++) {
		best = 0;
		/* Twice: in some runs, kernel workers run between the operations of every batch. */
		curve->run(steps[i]);
		printf("%s\t%u\t%.1f\n", curve->name, steps[i], curve->run(steps[i]));
	}
}

int main(int argc, char **argv)
{
	struct rlimit limit = { 20000, 20000 };

	setvbuf(stdout, NULL, _IOLBF, 0);
	NEED(!setrlimit(RLIMIT_NOFILE, &limit), "20,000 descriptors");
	for (size_t g = 0; g < sizeof(groups) / sizeof(*groups); g++)
		for (const struct curve *curve = groups[g]; curve->name; curve++)
			if (wanted(curve, argc, argv))
				run(curve);
	return abi_failures ? 1 : 0;
}
