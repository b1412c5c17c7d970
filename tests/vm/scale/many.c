// SPDX-License-Identifier: GPL-2.0-or-later
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "tests/vm/abi/abi.h"
#include "tests/vm/scale/many.h"

#define REAP_AT_ONCE	256

void many_open(struct many *m, const struct target *t, unsigned int count, size_t each)
{
	memset(m, 0, sizeof(*m));
	m->fd = open(t->dev, O_RDWR | O_DIRECT | O_CLOEXEC);
	NEED(m->fd >= 0, "open %s: %s", t->dev, strerror(errno));
	NEED(!syscall(SYS_io_setup, count, &m->context), "%u I/Os at once: %s", count,
	     strerror(errno));
	m->count = count;
	m->each = each;
	m->bytes = abi_buffer(count * each);
	m->iocbs = calloc(count, sizeof(*m->iocbs));
	m->pointers = calloc(count, sizeof(*m->pointers));
	m->done = calloc(count, 1);
	NEED(m->iocbs && m->pointers && m->done, "memory");
}

void many_submit(struct many *m, unsigned int first, unsigned int n, bool write, bool same_block)
{
	long done;

	for (unsigned int i = first; i < first + n; i++) {
		m->iocbs[i] = (struct iocb){
			.aio_data = i,
			.aio_lio_opcode = write ? IOCB_CMD_PWRITE : IOCB_CMD_PREAD,
			.aio_fildes = m->fd,
			.aio_buf = (uintptr_t)(m->bytes + i * m->each),
			.aio_nbytes = m->each,
			.aio_offset = same_block ? 0 : i * m->each,
		};
		m->pointers[i] = &m->iocbs[i];
		m->done[i] = 0;
	}
	for (unsigned int at = 0; at < n; at += done) {
		done = syscall(SYS_io_submit, m->context, n - at, m->pointers + first + at);
		NEED(done > 0, "submit %u I/Os: %s", n - at, strerror(errno));
		m->in_flight += done;
	}
}

static int many_events(struct many *m, unsigned int least, struct timespec *limit)
{
	struct io_event events[REAP_AT_ONCE];
	int got = syscall(SYS_io_getevents, m->context, least, REAP_AT_ONCE, events, limit);

	for (int i = 0; i < got; i++) {
		m->done[events[i].data]++;
		m->failed += events[i].res != (long long)m->each;
		m->in_flight--;
	}
	return got < 0 ? -errno : got;
}

bool many_reap(struct many *m, unsigned int n)
{
	struct timespec limit = { .tv_sec = ABI_WAIT_MS / 1000 };
	int got;

	for (unsigned int at = 0; at < n; at += got) {
		got = many_events(m, 1, &limit);
		if (got == -EINTR)
			got = 0;
		else if (got <= 0)
			return false;
	}
	return true;
}

unsigned int many_reap_now(struct many *m)
{
	struct timespec none = { 0 };
	unsigned int all = 0;
	int got;

	while ((got = many_events(m, 0, &none)) > 0)
		all += got;
	return all;
}

void many_close(struct many *m)
{
	OK(!m->in_flight, "%u I/Os are in flight still", m->in_flight);
	syscall(SYS_io_destroy, m->context);
	close(m->fd);
	free(m->bytes);
	free(m->iocbs);
	free(m->pointers);
	free(m->done);
}
