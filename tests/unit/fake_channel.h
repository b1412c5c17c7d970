/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A control node in memory: the other end of the serve loop, for unit tests. A test pushes requests
 * and waits for their answers. It can make the node cut reads and writes to pieces, fail them, take
 * a request back, drain and vanish.
 */
#ifndef FAKE_CHANNEL_H
#define FAKE_CHANNEL_H

#include "lib/dmuser.h"

#define FAKE_CHANNELS_MAX	4

struct fake_answer {
	uint64_t type;		/* DM_USER_RESP_* */
	uint8_t *payload;	/* of a successful READ; the caller frees it */
};

extern const struct dmu_transport fake_transport;

/* Begin with @count channels; @fds gets their descriptors, which are of /dev/null. */
void fake_open(int *fds, unsigned int count);
/* End; every request that was pushed must have been answered. */
void fake_finish(void);

/* The longest piece that a read or write moves; 0: no limit. */
void fake_cut(size_t read_bytes, size_t write_bytes);
/* The next @times reads (or writes) of channel @index return @rc before anything moves. */
void fake_fail_reads(unsigned int index, int rc, unsigned int times);
void fake_fail_writes(unsigned int index, int rc, unsigned int times);
/*
 * The read that would move byte @at of the next request of channel @index returns @rc, and the
 * request is lost.
 */
void fake_take_back(unsigned int index, size_t at, int rc);
/* From now on reads that would begin a request return 0, or (false) wait again. */
void fake_drain(bool draining);
/* From now on all reads and writes return -ENOTBLK. */
void fake_vanish(void);

/* Queue a request on channel @index; @payload is that of a WRITE, or NULL. Returns the seq. */
uint64_t fake_push(unsigned int index, uint64_t type, uint64_t flags, uint64_t sector, uint64_t len,
		   const void *payload);
/* Wait (10 s at most) for the answer to @seq. */
struct fake_answer fake_wait(uint64_t seq);
/* fake_wait() that frees the payload and returns the type of the answer. */
uint64_t fake_wait_type(uint64_t seq);

#endif
