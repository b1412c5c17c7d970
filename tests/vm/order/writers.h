/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Threads that write ever newer versions of few blocks, each thread of its own, one write at a time: when a write
 * has ended, the next of the same block follows at once, until they are paused.
 */
#ifndef ORDER_WRITERS_H
#define ORDER_WRITERS_H

#include <stdbool.h>
#include <stdint.h>

#define WRITERS		6
#define WRITER_BLOCKS	3

int writers_start(const char *device);
/* Each completes @more writes, of the block that it is at; then no write is under way. */
void writers_pause(uint64_t more);
/* On, each with its next block. */
void writers_go(void);
/* How many writes thread @writer has completed. */
uint64_t writers_done(unsigned int writer);
/* How many writes failed. */
uint64_t writers_errors(void);
/* For good, though nobody may serve: what is waiting in the device of that name is failed. */
void writers_end(const char *name);
/* Paused: compare every block of @path, read past the page cache, with what was acknowledged last. Blocks lost, or -errno. */
int writers_check(const char *path, const char *where);

#endif
