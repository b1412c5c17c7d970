// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Backend "file": an image file or a block device, through the page cache (buffered) or past it
 * (direct). How it is opened, and known again: file.c.
 *
 * Two generations have the store open at the same time; the kernel sees to it that each request is
 * with one of them only.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/falloc.h>
#include <linux/fs.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "lib/backends.h"
#include "lib/backends/file_store.h"

#define PAUSE_MS	5	/* until memory is asked for again */
#define LOG_INTERVAL_MS	10000
#define CLEAN_TRIES	8	/* of pages in the way of a discard */

struct dmu_backend {
	struct dmu_file file;
	pthread_mutex_t flush_lock;	/* one fdatasync at a time; guards: flush_owed */
	atomic_uint flush_failures;	/* changed under flush_lock */
	bool flush_owed;		/* a failure that no flush has told yet */
	_Atomic uint64_t next_log_ms;	/* when lack of memory may be spoken of */
};

/* What "not here" looks like from fallocate and ioctl, on whatever holds the store. */
static int to_unsupported(int err)
{
	if (err == EOPNOTSUPP || err == ENOTTY || err == ENOSYS || err == ENODEV)
		return -EOPNOTSUPP;
	return -err;
}

/*
 * A store that had no memory for a request has not failed. An error would be the end of the file
 * system above us, and waiting only costs time. True: do it again.
 */
static bool is_transient(struct dmu_backend *store, int err)
{
	uint64_t now, next;

	if (err != ENOMEM)
		return err == EINTR;
	now = dmu_now_ms();
	next = atomic_load(&store->next_log_ms);
	if (now >= next && atomic_compare_exchange_strong(&store->next_log_ms, &next,
							  now + LOG_INTERVAL_MS))
		dmu_log(DMU_LOG_WARNING, "file: no memory for the store's I/O: trying again");
	poll(NULL, 0, PAUSE_MS);
	return true;
}

/* ---- requests; called by several threads at once ---- */

static int file_read(struct dmu_backend *store, void *buf, size_t len, uint64_t offset)
{
	ssize_t n;

	while (len) {
		n = pread(store->file.fd, buf, len, offset);
		if (n < 0 && is_transient(store, errno))
			continue;
		if (n < 0)
			return -errno;
		if (!n)
			return -EIO;	/* somebody has cut the image since it was opened */
		buf = (char *)buf + n;
		len -= n;
		offset += n;
	}
	return 0;
}

static int write_all(struct dmu_backend *store, const void *buf, size_t len, uint64_t offset)
{
	ssize_t n;

	while (len) {
		n = pwrite(store->file.fd, buf, len, offset);
		if (n < 0 && is_transient(store, errno))
			continue;
		if (n < 0)
			return -errno;
		if (!n)
			return -EIO;
		buf = (const char *)buf + n;
		len -= n;
		offset += n;
	}
	return 0;
}

/*
 * The kernel tells an open file of a failed writeback once. So a second sync under way at that
 * moment would succeed, and answer for writes that are lost: every sync that began before the
 * failure was known fails too. ENOMEM may be such a failure, so it is no reason to try again.
 * Called with flush_lock held; @seen is flush_failures from before it was taken.
 */
static int store_sync(struct dmu_backend *store, unsigned int seen)
{
	int rc;

	do {
		rc = fdatasync(store->file.fd) ? -errno : 0;
	} while (rc == -EINTR);
	if (rc)
		atomic_fetch_add(&store->flush_failures, 1);
	else if (atomic_load(&store->flush_failures) != seen)
		rc = -EIO;
	return rc;
}

/*
 * Also of a read-only store: the generation before may have written. Read-only file systems know
 * no fdatasync, and have nothing to write back.
 */
static int file_flush(struct dmu_backend *store)
{
	unsigned int seen = atomic_load(&store->flush_failures);
	int rc;

	pthread_mutex_lock(&store->flush_lock);
	rc = store_sync(store, seen);
	if (!rc && store->flush_owed)
		rc = -EIO;
	store->flush_owed = false;
	pthread_mutex_unlock(&store->flush_lock);
	if (!store->file.writable && (rc == -EINVAL || rc == -EROFS))
		rc = 0;
	return rc;
}

/*
 * Of one write that is to be durable. What fails may be any earlier one, whose flush is still to
 * come, and must fail then. For that reason not RWF_DSYNC, which may be told of it, too, at any
 * moment: page caches are not empty because we write past them.
 */
static int store_sync_write(struct dmu_backend *store)
{
	unsigned int seen = atomic_load(&store->flush_failures);
	int rc;

	pthread_mutex_lock(&store->flush_lock);
	rc = store_sync(store, seen);
	if (rc)
		store->flush_owed = true;
	pthread_mutex_unlock(&store->flush_lock);
	/* Not "no space", after which the same may be tried again: what is lost would have been told. */
	return rc ? -EIO : 0;
}

static int file_write(struct dmu_backend *store, const void *buf, size_t len, uint64_t offset,
		      bool fua)
{
	int rc = write_all(store, buf, len, offset);

	return rc || !fua ? rc : store_sync_write(store);
}

typedef int change_fn(int fd, unsigned long how, uint64_t offset, uint64_t len);

/*
 * All that takes bytes away. Where somebody has a claim on a block device, or tries for one, the
 * kernel does not cut the range out of the page cache but drops its pages; one that is dirty it
 * keeps, and says EBUSY. So begin to write them, as often as others dirty them again, within
 * reason: the next try waits for that to end. Nothing here asks how it ended: that is a flush's.
 */
static int change(struct dmu_backend *store, change_fn *call, unsigned long how, uint64_t offset,
		  uint64_t len)
{
	unsigned int cleaned = 0;
	int err;

	while (call(store->file.fd, how, offset, len)) {
		err = errno;
		if (err == EBUSY && cleaned++ < CLEAN_TRIES)
			sync_file_range(store->file.fd, offset, len, SYNC_FILE_RANGE_WRITE);
		else if (!is_transient(store, err))
			return to_unsupported(err);
	}
	return 0;
}

static int call_fallocate(int fd, unsigned long mode, uint64_t offset, uint64_t len)
{
	return fallocate(fd, (int)mode | FALLOC_FL_KEEP_SIZE, offset, len);
}

static int call_ioctl(int fd, unsigned long command, uint64_t offset, uint64_t len)
{
	uint64_t range[2] = { offset, len };

	return ioctl(fd, command, range);
}

/* A hint: where it cannot be followed, it has been taken. */
static int file_discard(struct dmu_backend *store, uint64_t offset, uint64_t len)
{
	int rc;

	if (store->file.is_bdev)
		rc = change(store, call_ioctl, BLKDISCARD, offset, len);
	else
		rc = change(store, call_fallocate, FALLOC_FL_PUNCH_HOLE, offset, len);
	return rc == -EBUSY ? 0 : rc;
}

static int write_zeroes(struct dmu_backend *store, uint64_t offset, uint64_t len)
{
	/* Not const: that would be as many bytes of the program. */
	static uint8_t zeroes[16384] __attribute__((aligned(DMU_FILE_BLOCK_MAX)));
	size_t part;
	int rc = 0;

	for (; len && !rc; offset += part, len -= part) {
		part = len < sizeof(zeroes) ? len : sizeof(zeroes);
		rc = write_all(store, zeroes, part, offset);
	}
	return rc;
}

static int file_write_zeroes(struct dmu_backend *store, uint64_t offset, uint64_t len,
			     bool may_unmap, bool fua)
{
	int rc = -EOPNOTSUPP;

	/* Both leave zeroes, on a block device too, where the second writes them if it must. */
	if (may_unmap)
		rc = change(store, call_fallocate, FALLOC_FL_PUNCH_HOLE, offset, len);
	if (rc == -EOPNOTSUPP)
		rc = change(store, call_fallocate, FALLOC_FL_ZERO_RANGE, offset, len);
	if (rc == -EBUSY)
		rc = write_zeroes(store, offset, len);
	return rc || !fua ? rc : store_sync_write(store);
}

static int file_secure_erase(struct dmu_backend *store, uint64_t offset, uint64_t len)
{
	/* A file system keeps no promise about where the old bytes were. */
	return store->file.is_bdev ? change(store, call_ioctl, BLKSECDISCARD, offset, len) : -EOPNOTSUPP;
}

/* ---- the store ---- */

static void file_close(struct dmu_backend *store)
{
	pthread_mutex_destroy(&store->flush_lock);
	close(store->file.fd);
	free(store);
}

static int file_open(struct dmu_backend **backend, const struct dmu_spec *spec, enum dmu_use use,
		     char *error, size_t len)
{
	struct dmu_backend *store = calloc(1, sizeof(*store));
	int rc;

	if (!store) {
		snprintf(error, len, "file: '%s': out of memory", spec->source);
		return -ENOMEM;
	}
	rc = dmu_file_open(&store->file, spec, use, error, len);
	if (rc) {
		free(store);
		return rc;
	}
	pthread_mutex_init(&store->flush_lock, NULL);
	*backend = store;
	return 0;
}

static void file_sources(const struct dmu_spec *spec, void (*each)(const char *path, void *arg),
			 void *arg)
{
	each(spec->source, arg);
}

static void file_geometry(const struct dmu_backend *store, struct dmu_geometry *geometry)
{
	*geometry = store->file.geometry;
}

static int file_fds(const struct dmu_backend *store, int *fds, int max)
{
	if (max > 0)
		fds[0] = store->file.fd;
	return 1;
}

static int file_identity(const struct dmu_backend *store, char *text, size_t len)
{
	return dmu_file_identity(&store->file, text, len);
}

const struct dmu_backend_ops dmu_backend_file = {
	.name = "file",
	.help = "file:PATH  an image file or a block device",
	.sources = file_sources,
	.open = file_open,
	.close = file_close,
	.geometry = file_geometry,
	.read = file_read,
	.write = file_write,
	.flush = file_flush,
	.discard = file_discard,
	.write_zeroes = file_write_zeroes,
	.secure_erase = file_secure_erase,
	.fds = file_fds,
	.identity = file_identity,
};
