/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Every allocation and every copy from or to userspace that a call makes fails once, one at a time
 * (/proc/thread-self/fail-nth). The channels and clients are those of the ABI tests.
 */
#ifndef FAILURES_H
#define FAILURES_H

#include "../abi/abi.h"

#define IO_BYTES	(64 << 10)

/* What a call finds. Made anew for each try, and taken down after it. */
struct world {
	struct target t;
	bool loaded;			/* there is a device, and a table */
	int fd;				/* the channel that the call is about, or -1 */
	int other;			/* a second one, or -1 */
	struct io *io[2];		/* under way, or NULL */
	bool io_may_fail;		/* the call is to fail them */
	struct dm_user_message m;	/* the first of them, when it has been taken */
	uint8_t *buf;			/* IO_BYTES and a header */
	const char *module;		/* its file */
};

struct call {
	const char *name;
	const char *claim;
	void (*before)(struct world *w);	/* nothing fails here... */
	int (*run)(struct world *w);		/* ...but here: 0 or more, or -errno */
	void (*after)(struct world *w, int ret);	/* and here not */
	bool bare;			/* no device before it */
	bool must_fail;			/* it allocates or copies: at least one try must fail */
};

/* Ends with a NULL name. */
extern const struct call calls[];

/* reserve.c */
void reserve_run(void);

#endif
