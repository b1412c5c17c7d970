/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Threads that write ever newer versions of a few blocks, each thread its own, one write at a
 * time. When a write ends, the next write of the same block follows at once, until the threads
 * are paused.
 */
#ifndef ORDER_WRITERS_H
#define ORDER_WRITERS_H

#include <stdbool.h>
#include <stdint.h>

#define WRITERS		6
#define WRITER_BLOCKS	3

int writers_start(const char *device);
/* Pause each thread after @more writes of its block; on return no write is in flight. */
void writers_pause(uint64_t more);
/* Let the threads go on, each with its next block. */
void writers_go(void);
/* The number of writes that thread @writer has completed. */
uint64_t writers_done(unsigned int writer);
/* The number of writes and syncs that failed. */
uint64_t writers_errors(void);
/* End the threads for good, even if no daemon serves: fail the I/O that waits in device @name. */
void writers_end(const char *name);
/*
 * While the threads are paused, compare every block of @path, read past the page cache, with its
 * last acknowledged version. Returns the number of lost blocks, or -errno.
 */
int writers_check(const char *path, const char *where);

#endif
