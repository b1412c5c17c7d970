/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The rows and columns of the table of `make bench`: block devices that are served in different
 * ways, and loads for each of them.
 */
#ifndef PEERS_H
#define PEERS_H

#include <stdbool.h>
#include <stdint.h>

#include "tests/bench/ways/ways.h"

struct peer {
	const char *name;
	const char *device;
	void (*start)(const struct peer *peer);		/* make the device, of STORE_BYTES */
	void (*stop)(void);
	const char *store;	/* a path; of dmuser, BACKEND:SOURCE[,option...] */
	const char *what;
};

struct load {
	const char *name;
	bool write, random;
	bool sync;			/* an fsync after each write; depth is 1 */
	unsigned int bytes, depth;
	unsigned int ios;		/* in a batch */
	const char *what;
};

/* Both end with a NULL name. */
extern const struct peer peers[];
extern const struct load loads[];

/* ---- load.c ---- */

struct batch {
	double ns;			/* per I/O */
	double switches;		/* context switches of all processes, per I/O */
};

/*
 * Run @load on @device: after a batch of half the size, which does not count, @count batches of
 * @ios I/Os each. An I/O that fails ends the program.
 */
void load_batches(const char *device, const struct load *load, unsigned int ios,
		  struct batch *batches, unsigned int count);
/* Read the device once: what its server caches is cached then. */
void load_cache(const char *device);

#endif
