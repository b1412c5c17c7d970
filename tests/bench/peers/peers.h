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
	void (*start)(const struct peer *peer);		/* make the device */
	void (*stop)(void);
	const char *store;	/* a path; of dmuser, BACKEND:SOURCE[,option...] */
	const char *what;
	unsigned int parts;	/* of 4 KiB, see parts.c; 0: the device is one, of STORE_BYTES */
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

/* ---- parts.c: devices that lie on the store in parts; start and stop of peers ---- */

#define PARTS_NAME	"parts"
#define PARTS_DEVICE	"/dev/mapper/" PARTS_NAME

void parts_linear_start(const struct peer *peer);
void parts_extents_start(const struct peer *peer);
void parts_stop(void);

struct parts_cost {
	uint64_t bytes;			/* of the kernel's memory, for all parts */
	double ns;			/* for one extent to be set; 0: not measured */
};

/* Of the device that was made last. */
const struct parts_cost *parts_last_cost(void);

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
/* Read the device, or the first STORE_BYTES of it, once: what its server caches is cached then. */
void load_cache(const char *device);

#define RANDOM_SEED	88172645463325252ULL

/* The next of numbers that are the same in every run. @random: RANDOM_SEED, then left alone. */
uint64_t random_next(uint64_t *random);

#endif
