/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A device with extents over another device, whose daemon is the test, too. */
#ifndef ABI_EXTENTS_H
#define ABI_EXTENTS_H

#include "abi.h"

#define RW	(DM_USER_EXTENT_READ | DM_USER_EXTENT_WRITE)
#define RO	DM_USER_EXTENT_READ

/* A device with extents, its only channel, and the channel of its backing device. */
struct stack {
	struct target t, below;
	int fd, low;
};

/* The arguments of a row whose backing device is @below, and @more. */
void ext_row(char *args, size_t len, const struct target *below, const char *more);
void ext_create(struct stack *s, const char *more);
int ext_ioctl(int fd, unsigned long command, void *arg);
/* Set ranges; *@done (may be NULL): how many were set. */
int ext_map_all(int fd, const struct dm_user_extent *extents, unsigned int count,
		unsigned int *done);
int ext_map(int fd, uint64_t sector, uint64_t len, uint64_t target, unsigned int flags);
/* The next request on @fd has this type and range; answer it, a read with bytes of its sector. */
void ext_serve(int fd, uint64_t type, uint64_t sector, uint64_t sectors);
/* Answer @m with REMAP. */
int ext_remap(int fd, const struct dm_user_message *m, uint64_t sector, uint64_t backing);
/* The backing device fails its next request. */
void ext_fail(const struct stack *s, uint64_t type);
bool ext_idle(int fd);

#endif
