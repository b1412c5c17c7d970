/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What an operation costs as a function of how much of everything there is: a curve is a function that
 * sets up @n of something, does the operation some times, and returns what one cost, in ns of the guest's
 * clock (which counts instructions when the guest runs as tests/bench/scale runs it).
 */
#ifndef BENCH_H
#define BENCH_H

#include <linux/dm-user.h>
#include <stdint.h>

#include "tests/vm/abi/abi.h"
#include "tests/vm/scale/many.h"

#define BATCH	64	/* operations in a row that are timed together */
#define BATCHES	5	/* the cheapest of them counts: interrupts and others' turns only add */

struct curve {
	const char *name;
	double (*run)(unsigned int n);
	unsigned int most;		/* of @n */
	const char *what;
};

extern const struct curve bench_requests[], bench_fence[], bench_channels[], bench_targets[];

uint64_t bench_now(void);
/* Note one batch of @ops operations that began at @since; bench_best() returns the cheapest, per operation. */
void bench_note(uint64_t since, unsigned int ops);
double bench_best(void);
unsigned int bench_random(unsigned int below);

/* A daemon's steps, without a copy or an allocation more than it takes. NEED to succeed. */
void bench_take(int fd, struct dm_user_message *m);
void bench_answer(int fd, const struct dm_user_message *m);
/* To a request that was taken back: an error, which needs no payload. Nobody gets it. */
void bench_answer_late(int fd, const struct dm_user_message *m);

#endif
