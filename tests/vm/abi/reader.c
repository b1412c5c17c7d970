// SPDX-License-Identifier: GPL-2.0-or-later
#include <string.h>
#include <sys/syscall.h>

#include "reader.h"

static void *reader_thread(void *arg)
{
	struct reader *r = arg;

	r->tid = abi_gettid();
	r->result = ch_read(r->fd, &r->m, sizeof(r->m));
	r->done = true;
	return NULL;
}

void reader_begin(struct reader *r, int fd)
{
	memset(r, 0, sizeof(*r));
	r->fd = fd;
	NEED(!pthread_create(&r->thread, NULL, reader_thread, r), "create a thread");
}

void reader_start(struct reader *r, int fd)
{
	reader_begin(r, fd);
	NEED(UNTIL(r->tid && abi_blocked_in(r->tid, SYS_read)),
	     "read() blocks while there is no request");
}

ssize_t reader_end(struct reader *r)
{
	NEED(UNTIL(r->done), "the blocked read returns");
	pthread_join(r->thread, NULL);
	return r->result;
}
