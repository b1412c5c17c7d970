// SPDX-License-Identifier: GPL-2.0-or-later
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "dm.h"
#include "stamp.h"
#include "writers.h"

#define SYNC_EVERY	6	/* writes */

struct writer {
	pthread_t thread;
	unsigned int number;
	void *buf;
	unsigned int block;		/* the block that it writes until it is paused */
	uint64_t limit;			/* of done, before a pause; guarded by lock */
	uint32_t acked[WRITER_BLOCKS];
	atomic_uint_fast64_t done, errors;
};

static struct writer writers[WRITERS];
static int device_fd;
static atomic_bool over;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;	/* guards: paused, idle */
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static bool paused;
static unsigned int idle;

static void writer_wait(struct writer *w)
{
	pthread_mutex_lock(&lock);
	if (paused && w->done >= w->limit) {
		idle++;
		pthread_cond_broadcast(&changed);
		while (paused)
			pthread_cond_wait(&changed, &lock);
		idle--;
		pthread_cond_broadcast(&changed);
		w->block = (w->block + 1) % WRITER_BLOCKS;
	}
	pthread_mutex_unlock(&lock);
}

static uint32_t block_number(const struct writer *w, unsigned int block)
{
	return w->number * WRITER_BLOCKS + block;
}

static void writer_error(struct writer *w, const char *what)
{
	if (!w->errors++ && !over)
		fprintf(stderr, "fence: thread %u: %s: %s\n", w->number, what, strerror(errno));
}

static void writer_write(struct writer *w, unsigned int block)
{
	uint32_t number = block_number(w, block), version = w->acked[block] + 1;

	stamp_put(w->buf, number, version);
	if (pwrite(device_fd, w->buf, STAMP_BLOCK, (off_t)number * STAMP_BLOCK) != STAMP_BLOCK)
		writer_error(w, "write");
	w->acked[block] = version;
	if (++w->done % SYNC_EVERY == 0 && fdatasync(device_fd))
		writer_error(w, "fdatasync");
}

static void *writer_run(void *arg)
{
	struct writer *w = arg;

	while (!over) {
		writer_wait(w);
		writer_write(w, w->block);
	}
	return NULL;
}

int writers_start(const char *device)
{
	device_fd = open(device, O_RDWR | O_DIRECT | O_CLOEXEC);
	if (device_fd < 0)
		return -errno;
	paused = true;
	for (unsigned int i = 0; i < WRITERS; i++) {
		struct writer *w = &writers[i];

		w->number = i;
		w->buf = aligned_alloc(STAMP_BLOCK, STAMP_BLOCK);
		if (!w->buf)
			return -ENOMEM;
		/* The blocks may hold anything before. */
		for (unsigned int block = 0; block < WRITER_BLOCKS; block++)
			writer_write(w, block);
		if (pthread_create(&w->thread, NULL, writer_run, w))
			return -ENOMEM;
	}
	return 0;
}

void writers_pause(uint64_t more)
{
	pthread_mutex_lock(&lock);
	for (unsigned int i = 0; i < WRITERS; i++)
		writers[i].limit = writers[i].done + more;
	paused = true;
	while (idle < WRITERS)
		pthread_cond_wait(&changed, &lock);
	pthread_mutex_unlock(&lock);
}

void writers_go(void)
{
	pthread_mutex_lock(&lock);
	paused = false;
	pthread_cond_broadcast(&changed);
	while (idle)
		pthread_cond_wait(&changed, &lock);
	pthread_mutex_unlock(&lock);
}

uint64_t writers_done(unsigned int writer)
{
	return writers[writer].done;
}

uint64_t writers_errors(void)
{
	uint64_t errors = 0;

	for (unsigned int i = 0; i < WRITERS; i++)
		errors += writers[i].errors;
	return errors;
}

static bool block_lost(const struct writer *w, unsigned int block, const void *buf,
		       const char *where)
{
	uint32_t number = block_number(w, block), acked = w->acked[block];
	struct stamp stamp;

	stamp_get(buf, number, &stamp);
	if (!stamp.wrong && stamp.oldest == acked && stamp.newest == acked)
		return false;
	printf("lost: block %u %s: version %u was acknowledged, %u to %u found "
	       "(%u foreign words)\n", number, where, acked, stamp.oldest, stamp.newest,
	       stamp.wrong);
	return true;
}

void writers_end(const char *name)
{
	over = true;
	for (unsigned int i = 0; i < WRITERS; i++) {
		if (!writers[i].buf)
			continue;
		/* Again and again: a thread whose write failed may still submit an fdatasync. */
		dm_message(name, "fail");
		usleep(10000);
	}
}

int writers_check(const char *path, const char *where)
{
	int fd = open(path, O_RDONLY | O_DIRECT | O_CLOEXEC), lost = 0;
	const size_t size = WRITERS * WRITER_BLOCKS * STAMP_BLOCK;
	char *all = aligned_alloc(STAMP_BLOCK, size);

	if (fd < 0 || !all || pread(fd, all, size, 0) != (ssize_t)size) {
		lost = -errno;
		goto out;
	}
	for (unsigned int i = 0; i < WRITERS; i++)
		for (unsigned int block = 0; block < WRITER_BLOCKS; block++)
			lost += block_lost(&writers[i], block, all +
					   block_number(&writers[i], block) * STAMP_BLOCK, where);
out:
	free(all);
	if (fd >= 0)
		close(fd);
	return lost;
}
