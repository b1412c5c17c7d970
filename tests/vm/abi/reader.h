/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef ABI_READER_H
#define ABI_READER_H

#include "abi.h"

/* One blocking read of a header in a thread of its own. */
struct reader {
	int fd;
	pthread_t thread;
	atomic_int tid;
	atomic_bool done;
	ssize_t result;
	struct dm_user_message m;
};

/* Create the thread; it may not have begun to read. */
void reader_begin(struct reader *r, int fd);
/* Create the thread; returns once it sleeps in read(2). */
void reader_start(struct reader *r, int fd);
/* Wait for the read to return: its bytes or -errno. */
ssize_t reader_end(struct reader *r);

#endif
