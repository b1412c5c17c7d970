/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The tests of the serve loop share a backend in memory that records its last calls, and a server
 * over this backend and a fake control node.
 */
#ifndef FAKE_STORE_H
#define FAKE_STORE_H

#include <pthread.h>

#include "tests/unit/fake_channel.h"

#define SECTOR		512
#define STORE_BYTES	(1 << 20)
#define SECTORS		(STORE_BYTES / SECTOR)
#define MAX_IO		65536

enum call { NONE, READ, WRITE, FLUSH, DISCARD, WRITE_ZEROES, SECURE_ERASE };

struct dmu_backend {
	struct dmu_geometry geometry;
	uint8_t bytes[STORE_BYTES];
	pthread_mutex_t lock;
	pthread_cond_t changed;
	unsigned int calls;
	enum call last, before;
	uint64_t offset, len;
	bool fua, may_unmap;
	int rc;			/* result of every call */
	bool hold;		/* calls wait while this is set */
	unsigned int held;	/* calls that wait */
};

extern struct dmu_backend store;
extern const struct dmu_backend_ops store_ops;

void store_hold(bool hold);
void store_wait_held(unsigned int held);

/* Of the current test. */
extern struct dmu_server *server;
extern const struct dmu_backend_ops *ops;
extern bool remaps;		/* of the server's configuration */

/* cmocka's setup of each test: a new store, no server yet, and store_ops as ops. */
int setup(void **state);
void create(unsigned int channels);
/* create(), and let the server go. */
void start(unsigned int channels);
/* Wait for the event after which exactly @running threads are left. */
void wait_running(unsigned int running);
/* Drain, and wait until no thread is left: an answer counts only just after its write. */
struct dmu_server_stats final_stats(void);
void finish(void);

uint64_t answer_to(uint64_t type, uint64_t flags, uint64_t sector, uint64_t len);
void fill(uint8_t *buf, size_t len, unsigned int seed);
void check_read(unsigned int channel, uint64_t sector, uint64_t len);
void check_write(unsigned int channel, uint64_t sector, uint64_t len, uint64_t flags,
		 unsigned int seed);

#endif
