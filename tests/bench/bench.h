/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The cost of an operation as a function of how many objects there are. A curve sets up @n objects,
 * repeats the operation, and returns the cost of one operation in ns of the guest's clock. In the
 * guest of tests/bench/scale this clock counts instructions.
 */
#ifndef BENCH_H
#define BENCH_H

#include <linux/dm-user.h>
#include <stdint.h>

#include "tests/vm/abi/abi.h"
#include "tests/vm/scale/many.h"

#define BATCH	64	/* operations in a row that are timed together */
#define BATCHES	5	/* the cheapest counts: interrupts and other threads only add to it */

struct curve {
	const char *name;
	double (*run)(unsigned int n);
	unsigned int most;		/* the largest @n */
	const char *what;
};

extern const struct curve bench_requests[], bench_fence[], bench_channels[], bench_targets[];

uint64_t bench_now(void);
/* Note one batch of @ops operations that began at @since. */
void bench_note(uint64_t since, unsigned int ops);
/* The cost of an operation in the cheapest batch, ns. */
double bench_best(void);
unsigned int bench_random(unsigned int below);

/* A daemon's steps, without a needless copy or allocation. They NEED to succeed. */
void bench_take(int fd, struct dm_user_message *m);
void bench_answer(int fd, const struct dm_user_message *m);
/* Answer a revoked request: with an error, which needs no payload. The kernel swallows it. */
void bench_answer_late(int fd, const struct dm_user_message *m);

#endif
