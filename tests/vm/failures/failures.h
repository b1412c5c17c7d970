/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Each allocation and each copy from or to userspace that a call makes fails once, one at a time
 * (/proc/thread-self/fail-nth). The channels and clients are those of the ABI tests.
 */
#ifndef FAILURES_H
#define FAILURES_H

#include "../abi/abi.h"

#define IO_BYTES	(64 << 10)

/* The state that a call finds: made for each try, and removed after it. */
struct world {
	struct target t;
	bool loaded;			/* there is a device, and a table */
	int fd;				/* the channel that the call uses, or -1 */
	int other;			/* a second channel, or -1 */
	struct io *io[2];		/* in flight, or NULL */
	bool io_may_fail;		/* the call may fail them */
	struct dm_user_message m;	/* of io[0], once it has been taken */
	uint8_t *buf;			/* IO_BYTES and a header */
	const char *module;		/* file of the module */
};

struct call {
	const char *name;
	const char *claim;
	void (*before)(struct world *w);		/* without failures */
	int (*run)(struct world *w);			/* with a failure: 0 or more, or -errno */
	void (*after)(struct world *w, int ret);	/* without failures */
	bool bare;			/* no device before it */
	bool must_fail;			/* it allocates or copies: at least one try must fail */
};

/* Ends with a NULL name. */
extern const struct call calls[];

/* reserve.c */
void reserve_run(void);

#endif
