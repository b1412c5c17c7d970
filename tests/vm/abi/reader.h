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

/* Its thread is on its way. */
void reader_begin(struct reader *r, int fd);
/* Returns once it sleeps in read(2). */
void reader_start(struct reader *r, int fd);
/* What the read gave: bytes, or -errno. */
ssize_t reader_end(struct reader *r);

#endif
