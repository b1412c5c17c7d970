// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * load [OPTION]... DEVICE: make random reads and writes, and check every byte, until SIGTERM; then
 * read and check all written blocks again, on the device and (-b) on the backing store. A line of
 * counts goes to the status file all the time, so that a script can wait for progress. Exit status
 * 0: no error and no wrong byte (-e: errors are expected, wrong bytes never).
 *
 * Each thread has its own part of the device, so it knows what every block must hold: the version
 * that it wrote last or, if that write failed, this version or the version before. Even threads are
 * direct, odd threads buffered (-d: all are direct, and so seldom flush).
 *
 * -w: the device has a volatile cache that may be lost, which one failing flush reports. All
 * threads are direct, and flush on SIGUSR1 or now and then. Before a flush, each reads the blocks
 * that it has written since its last flush. An older version is a wrong byte if no flush reports a
 * loss; a version from before the last flush always is. Flushes that report a loss are counted
 * (told), and are no errors.
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include <linux/fs.h>

#define BLOCK		4096
#define RUN_MAX		4		/* blocks of one operation */
#define VERIFY_RUN	64		/* blocks of one read at the end */
#define THREADS_MAX	16

/* A block may hold version @after; or @before, if the write of @after failed. 0: unknown. */
struct block {
	uint32_t after, before;
	bool torn;			/* a write failed: either version, or unknown */
	uint32_t flushed;		/* -w: this version or a later one is durable */
};

struct worker {
	pthread_t thread;
	unsigned int number, seed;
	int fd;
	bool buffered;
	uint64_t first, count;		/* blocks */
	struct block *blocks;
	uint32_t version;
	uint8_t *buf;
	atomic_uint_fast64_t ops, errors, wrong, longest_us, begun_us;
	/* -w: */
	bool stale;			/* it has read an old version: wrong unless a flush fails */
	unsigned int told_before;	/* told, at its last flush */
	atomic_uint flushes_done;
};

static struct worker workers[THREADS_MAX];
static unsigned int threads = 4;
static atomic_bool stop;
static bool errors_expected, all_direct, may_lose;
/* Held from a flush until told has counted it: no other flush may succeed in between. */
static pthread_mutex_t flush_lock = PTHREAD_MUTEX_INITIALIZER;
static atomic_uint told, flushes_wanted;
static unsigned int status_ms = 50;	/* between lines of the status file */
static unsigned int pause_ms = 10;	/* between a thread's operations: guests are slow */

static uint64_t now_us(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000000ULL + now.tv_nsec / 1000;
}

static uint64_t word(uint64_t block, uint32_t version, unsigned int i)
{
	uint64_t x = (block << 32 | version) * 0x9e3779b97f4a7c15ULL + i;

	return (x ^ x >> 31) * 0xbf58476d1ce4e5b9ULL;
}

static void block_fill(void *buf, uint64_t block, uint32_t version)
{
	uint64_t *words = buf;

	for (unsigned int i = 0; i < BLOCK / 8; i++)
		words[i] = word(block, version, i);
}

static bool block_is(const void *buf, uint64_t block, uint32_t version)
{
	const uint64_t *words = buf;

	for (unsigned int i = 0; i < BLOCK / 8; i++)
		if (words[i] != word(block, version, i))
			return false;
	return true;
}

static bool block_good(const struct block *b, const void *buf, uint64_t number)
{
	if (!b->after || block_is(buf, number, b->after))
		return true;
	return b->torn && (!b->before || block_is(buf, number, b->before));
}

/* The version in @buf, if it is the flushed version or a later one; else 0. */
static uint32_t block_older(const struct block *b, const void *buf, uint64_t number)
{
	uint32_t version;

	for (version = b->after; version && version >= b->flushed; version--)
		if (block_is(buf, number, version))
			return version;
	return 0;
}

static void worker_error(struct worker *w, const char *what, uint64_t block)
{
	if (!w->errors++ && !errors_expected)
		fprintf(stderr, "load: thread %u: %s of block %llu: %s\n", w->number, what,
			(unsigned long long)block, strerror(errno));
}

static void worker_check(struct worker *w, const uint8_t *buf, uint64_t at, unsigned int run,
			 const char *where)
{
	for (unsigned int i = 0; i < run; i++) {
		const struct block *b = &w->blocks[at + i];

		if (block_good(b, buf + i * BLOCK, w->first + at + i))
			continue;
		if (may_lose && b->flushed != b->after &&
		    (!b->flushed || block_older(b, buf + i * BLOCK, w->first + at + i))) {
			w->stale = true;
			continue;
		}
		if (w->wrong++ < 4)
			fprintf(stderr, "load: thread %u: block %llu has wrong bytes %s, "
				"not version %u\n", w->number,
				(unsigned long long)(w->first + at + i), where, b->after);
	}
}

static void worker_read(struct worker *w, uint64_t at, unsigned int run)
{
	off_t offset = (w->first + at) * BLOCK;

	if (w->buffered)
		posix_fadvise(w->fd, offset, run * BLOCK, POSIX_FADV_DONTNEED);
	if (pread(w->fd, w->buf, run * BLOCK, offset) != (ssize_t)run * BLOCK)
		worker_error(w, "read", w->first + at);
	else
		worker_check(w, w->buf, at, run, "when read");
}

/* A buffered write is known to have happened or failed only after its fsync. */
static bool worker_put(struct worker *w, uint64_t at, unsigned int run)
{
	off_t offset = (w->first + at) * BLOCK;

	if (pwrite(w->fd, w->buf, run * BLOCK, offset) != (ssize_t)run * BLOCK)
		return false;
	if (may_lose || (!w->buffered && rand_r(&w->seed) % 16))
		return true;
	return !fsync(w->fd);
}

/* ---- a volatile cache ---- */

/* Read each block written since the last flush. After a loss, its present version is expected. */
static void worker_reread(struct worker *w, bool lost)
{
	for (uint64_t at = 0; at < w->count; at++) {
		struct block *b = &w->blocks[at];

		if (b->flushed == b->after)
			continue;
		if (pread(w->fd, w->buf, BLOCK, (w->first + at) * BLOCK) != BLOCK)
			worker_error(w, "read", w->first + at);
		else if (!lost)
			worker_check(w, w->buf, at, 1, "before a flush");
		else if (!b->flushed || block_older(b, w->buf, w->first + at))
			b->after = block_older(b, w->buf, w->first + at);
		else
			worker_check(w, w->buf, at, 1, "after a loss");
	}
}

/* True: the flush succeeded. */
static bool worker_fsync(struct worker *w)
{
	int rc;

	pthread_mutex_lock(&flush_lock);
	rc = fsync(w->fd);
	if (rc)
		told++;
	pthread_mutex_unlock(&flush_lock);
	return !rc;
}

static void worker_flush(struct worker *w)
{
	unsigned int wanted = flushes_wanted;
	bool lost;

	worker_reread(w, false);
	while (!worker_fsync(w) && !stop)
		;
	lost = told != w->told_before;
	w->told_before = told;
	if (lost)
		worker_reread(w, true);
	else if (w->stale && !w->wrong++)
		fprintf(stderr, "load: thread %u: a loss that no flush reports\n", w->number);
	w->stale = false;
	for (uint64_t at = 0; at < w->count; at++)
		w->blocks[at].flushed = w->blocks[at].after;
	w->flushes_done = wanted;
}

static void worker_write(struct worker *w, uint64_t at, unsigned int run)
{
	bool good;

	w->version++;
	for (unsigned int i = 0; i < run; i++)
		block_fill(w->buf + i * BLOCK, w->first + at + i, w->version);
	good = worker_put(w, at, run);
	if (!good)
		worker_error(w, "write", w->first + at);
	for (unsigned int i = 0; i < run; i++) {
		struct block *b = &w->blocks[at + i];

		/* A failed write after a failed write: any of three versions, so unknown. */
		b->before = b->torn ? 0 : b->after;
		b->after = w->version;
		b->torn = !good;
	}
}

static void *worker_run(void *arg)
{
	struct worker *w = arg;

	while (!stop) {
		unsigned int run = rand_r(&w->seed) % RUN_MAX + 1;
		uint64_t at = rand_r(&w->seed) % (w->count - run);
		uint64_t begin = now_us(), took;

		w->begun_us = begin;
		if (rand_r(&w->seed) % 2)
			worker_read(w, at, run);
		else
			worker_write(w, at, run);
		if (may_lose && (flushes_wanted != w->flushes_done || !(rand_r(&w->seed) % 256)))
			worker_flush(w);
		took = now_us() - begin;
		if (took > w->longest_us)
			w->longest_us = took;
		w->begun_us = 0;
		w->ops++;
		if (pause_ms)
			nanosleep(&(struct timespec){ .tv_nsec = pause_ms * 1000000L }, NULL);
	}
	return NULL;
}

static bool is_written(const struct worker *w, uint64_t at, unsigned int run)
{
	for (unsigned int i = 0; i < run; i++)
		if (w->blocks[at + i].after)
			return true;
	return false;
}

/* Read all written blocks from @path, and check them. */
static int verify(const char *path, const char *where)
{
	int fd = open(path, O_RDONLY | O_DIRECT | O_CLOEXEC);
	const size_t len = VERIFY_RUN * BLOCK;
	uint8_t *buf;

	if (fd < 0) {
		fprintf(stderr, "load: %s: %s\n", path, strerror(errno));
		return -errno;
	}
	buf = aligned_alloc(BLOCK, len);
	if (!buf)
		abort();
	for (unsigned int t = 0; t < threads; t++) {
		struct worker *w = &workers[t];

		for (uint64_t at = 0; at < w->count; at += VERIFY_RUN) {
			if (!is_written(w, at, VERIFY_RUN))
				continue;
			if (pread(fd, buf, len, (w->first + at) * BLOCK) != (ssize_t)len)
				worker_error(w, "last read", w->first + at);
			else
				worker_check(w, buf, at, VERIFY_RUN, where);
		}
	}
	free(buf);
	close(fd);
	return 0;
}

struct totals {
	uint64_t ops, errors, wrong, longest_ms, waiting_ms, slowest_ops;
	unsigned int flushes;		/* requested by SIGUSR1 and done by all threads */
};

static void totals_get(struct totals *all)
{
	uint64_t now = now_us();

	memset(all, 0, sizeof(*all));
	all->slowest_ops = ~0ULL;
	all->flushes = ~0U;
	for (unsigned int t = 0; t < threads; t++) {
		struct worker *w = &workers[t];
		uint64_t begun = w->begun_us, longest = w->longest_us / 1000, ops = w->ops;

		all->ops += ops;
		all->errors += w->errors;
		all->wrong += w->wrong;
		if (ops < all->slowest_ops)
			all->slowest_ops = ops;
		if (w->flushes_done < all->flushes)
			all->flushes = w->flushes_done;
		if (longest > all->longest_ms)
			all->longest_ms = longest;
		if (begun && now > begun && (now - begun) / 1000 > all->waiting_ms)
			all->waiting_ms = (now - begun) / 1000;
	}
}

/* The line has a fixed length and is written at once: a reader sees one whole line. */
static void totals_put(int fd)
{
	struct totals all;
	char line[256];
	int len;

	totals_get(&all);
	len = snprintf(line, sizeof(line),
		       "ops=%010llu errors=%010llu wrong=%010llu longest_ms=%010llu "
		       "waiting_ms=%010llu least=%010llu told=%010u flushes=%010u pid=%010d\n",
		       (unsigned long long)all.ops, (unsigned long long)all.errors,
		       (unsigned long long)all.wrong, (unsigned long long)all.longest_ms,
		       (unsigned long long)all.waiting_ms, (unsigned long long)all.slowest_ops,
		       told, all.flushes, (int)getpid());
	if (pwrite(fd, line, len, 0) != len)
		perror("load: status file");
}

static int workers_make(const char *device, uint64_t size)
{
	uint64_t each;
	int fd;

	fd = open(device, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || (!size && ioctl(fd, BLKGETSIZE64, &size))) {
		fprintf(stderr, "load: %s: %s\n", device, strerror(errno));
		return -1;
	}
	close(fd);
	each = size / BLOCK / threads / 256 * 256;
	if (each < 2 * RUN_MAX) {
		fprintf(stderr, "load: %s is too small\n", device);
		return -1;
	}
	for (unsigned int t = 0; t < threads; t++) {
		struct worker *w = &workers[t];

		w->number = t;
		w->seed = t + 1;
		w->buffered = t & 1 && !all_direct && !may_lose;
		w->first = t * each;
		w->count = each;
		w->blocks = calloc(each, sizeof(*w->blocks));
		w->buf = aligned_alloc(BLOCK, RUN_MAX * BLOCK);
		w->fd = open(device, O_RDWR | O_CLOEXEC | (w->buffered ? 0 : O_DIRECT));
		if (!w->blocks || !w->buf || w->fd < 0) {
			fprintf(stderr, "load: %s: %s\n", device, strerror(errno));
			return -1;
		}
	}
	return 0;
}

static void on_term(int number)
{
	stop = true;
}

static void on_usr1(int number)
{
	flushes_wanted++;
}

static int load(const char *device, const char *backing, int status)
{
	struct totals all;
	int err = 0;

	for (unsigned int t = 0; t < threads; t++)
		if (pthread_create(&workers[t].thread, NULL, worker_run, &workers[t]))
			return 1;
	while (!stop) {
		totals_put(status);
		nanosleep(&(struct timespec){ .tv_nsec = status_ms * 1000000L }, NULL);
	}
	for (unsigned int t = 0; t < threads; t++) {
		pthread_join(workers[t].thread, NULL);
		if (may_lose)
			worker_flush(&workers[t]);
		else if (fsync(workers[t].fd) && !errors_expected)
			worker_error(&workers[t], "last fsync", 0);
	}
	err |= verify(device, "in the end");
	if (backing)
		err |= verify(backing, "on the backing store");
	totals_put(status);
	totals_get(&all);
	printf("load: %llu operations, %llu errors, %llu wrong blocks, longest %llu ms\n",
	       (unsigned long long)all.ops, (unsigned long long)all.errors,
	       (unsigned long long)all.wrong, (unsigned long long)all.longest_ms);
	return err || all.wrong || (all.errors && !errors_expected);
}

int main(int argc, char **argv)
{
	const char *backing = NULL, *status = "/dev/null";
	uint64_t size = 0;
	int option, fd;

	while ((option = getopt(argc, argv, "b:dei:p:s:S:t:w")) != -1) {
		switch (option) {
		case 'd':
			all_direct = true;
			break;
		case 'b':
			backing = optarg;
			break;
		case 'e':
			errors_expected = true;
			break;
		case 'i':
			status_ms = atoi(optarg);
			break;
		case 'p':
			pause_ms = atoi(optarg);
			break;
		case 's':
			status = optarg;
			break;
		case 'S':
			size = strtoull(optarg, NULL, 0) << 20;
			break;
		case 't':
			threads = atoi(optarg);
			break;
		case 'w':
			may_lose = true;
			break;
		default:
			return 2;
		}
	}
	if (optind != argc - 1 || !threads || threads > THREADS_MAX || pause_ms > 999 ||
	    status_ms > 999) {
		fprintf(stderr, "usage: load [-b BACKING] [-d] [-e] [-i STATUS_MS] [-p PAUSE_MS] "
				"[-s STATUSFILE] [-S MIB] [-t THREADS] [-w] DEVICE\n");
		return 2;
	}
	signal(SIGTERM, on_term);
	signal(SIGUSR1, on_usr1);
	fd = open(status, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (fd < 0 || workers_make(argv[optind], size))
		return 1;
	return load(argv[optind], backing, fd);
}
