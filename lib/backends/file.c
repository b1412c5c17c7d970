// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Backend "file": an image file or a block device, through the page cache (buffered) or past it
 * (direct). file_store.c opens and identifies the store.
 *
 * Two generations have the store open at the same time; the kernel gives each request to only one
 * of them.
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
#include <sys/syscall.h>
#include <unistd.h>

#include "lib/dmuser.h"
#include "lib/backends/file_store.h"

#define PAUSE_MS	5	/* before a retry for lack of memory */
#define LOG_INTERVAL_MS	10000
#define CLEAN_TRIES	8	/* to write back dirty pages in the way of a discard */

struct dmu_backend {
	struct dmu_file file;
	pthread_mutex_t flush_lock;	/* one fdatasync at a time; guards: flush_owed */
	atomic_uint flush_failures;	/* changed under flush_lock */
	bool flush_owed;		/* a failure that no flush has reported yet */
	_Atomic uint64_t next_log_ms;	/* when lack of memory may be logged again */
};

/* fallocate and ioctl report an unsupported operation by several errnos, depending on the store. */
static int to_unsupported(int err)
{
	if (err == EOPNOTSUPP || err == ENOTTY || err == ENOSYS || err == ENODEV)
		return -EOPNOTSUPP;
	return -err;
}

/*
 * True: try again. A store that had no memory for a request has not failed. An error would end the
 * file system on the device, while a wait only costs time.
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

/* #syscalls io: pread64 */
static int file_read(struct dmu_backend *store, const struct dmu_call *call, void *buf, size_t len,
		     uint64_t offset)
{
	ssize_t n;

	while (len) {
		n = pread(store->file.fd, buf, len, offset);
		if (n < 0 && is_transient(store, errno))
			continue;
		if (n < 0)
			return -errno;
		if (!n)
			return -EIO;	/* the image was truncated since it was opened */
		buf = (char *)buf + n;
		len -= n;
		offset += n;
	}
	return 0;
}

/* #syscalls io: pwrite64 */
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
 * The kernel reports a failed writeback to an open file once. A second sync in progress at that
 * moment would succeed, and so confirm writes that are lost. So every sync that began before the
 * failure was known fails too. ENOMEM may be such a failure, so it is not retried. Called with
 * flush_lock held; @seen is the value of flush_failures before that was taken.
 *
 * #syscalls io: fdatasync
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
 * A read-only store is synced, too, because the previous generation may have written. Read-only
 * file systems have no fdatasync and nothing to write back.
 */
static int file_flush(struct dmu_backend *store, const struct dmu_call *call)
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
 * Sync for one durable write. The write that fails may be any earlier one, whose flush is still to
 * come and must then fail. RWF_DSYNC would not do: it may get the report at any moment, because the
 * page cache is not empty though direct I/O bypasses it.
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
	/* Not ENOSPC, after which the request may come again: the loss would count as reported. */
	return rc ? -EIO : 0;
}

static int file_write(struct dmu_backend *store, const struct dmu_call *call, const void *buf,
		      size_t len, uint64_t offset, bool fua)
{
	int rc = write_all(store, buf, len, offset);

	return rc || !fua ? rc : store_sync_write(store);
}

typedef int change_fn(int fd, unsigned long how, uint64_t offset, uint64_t len);

/*
 * All operations that remove bytes. If a block device is claimed, or a claim is tried, the kernel
 * does not truncate the range in the page cache but drops its pages; it keeps a dirty page and
 * fails with EBUSY. So begin to write dirty pages back, up to CLEAN_TRIES times, as others may
 * dirty them again; the next try waits for that I/O. Its result is left to the next flush.
 *
 * #syscalls io: sync_file_range
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

/* #syscalls io: fallocate */
static int call_fallocate(int fd, unsigned long mode, uint64_t offset, uint64_t len)
{
	return fallocate(fd, (int)mode | FALLOC_FL_KEEP_SIZE, offset, len);
}

/* #syscalls io: ioctl */
static int call_ioctl(int fd, unsigned long command, uint64_t offset, uint64_t len)
{
	uint64_t range[2] = { offset, len };

	return ioctl(fd, command, range);
}

/* A discard is a hint: succeed if the store is busy. */
static int file_discard(struct dmu_backend *store, const struct dmu_call *call, uint64_t offset,
			uint64_t len)
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
	/* Not const: a constant would add as many bytes to the program. */
	static uint8_t zeroes[16384] __attribute__((aligned(DMU_FILE_BLOCK_MAX)));
	size_t part;
	int rc = 0;

	for (; len && !rc; offset += part, len -= part) {
		part = len < sizeof(zeroes) ? len : sizeof(zeroes);
		rc = write_all(store, zeroes, part, offset);
	}
	return rc;
}

static int file_write_zeroes(struct dmu_backend *store, const struct dmu_call *call,
			     uint64_t offset, uint64_t len, bool may_unmap, bool fua)
{
	int rc = -EOPNOTSUPP;

	/* Both leave zeroes, also on a block device, where the second writes them if it must. */
	if (may_unmap)
		rc = change(store, call_fallocate, FALLOC_FL_PUNCH_HOLE, offset, len);
	if (rc == -EOPNOTSUPP)
		rc = change(store, call_fallocate, FALLOC_FL_ZERO_RANGE, offset, len);
	if (rc == -EBUSY)
		rc = write_zeroes(store, offset, len);
	return rc || !fua ? rc : store_sync_write(store);
}

static int file_secure_erase(struct dmu_backend *store, const struct dmu_call *call,
			     uint64_t offset, uint64_t len)
{
	/* A file system does not promise where the old bytes were. */
	return store->file.is_bdev ? change(store, call_ioctl, BLKSECDISCARD, offset, len) :
				     -EOPNOTSUPP;
}

/* ---- the store ---- */

static dev_t file_maps(const struct dmu_spec *spec)
{
	return dmu_file_bdev(spec->source);
}

static void file_release(struct dmu_backend *store)
{
	close(store->file.fd);
	store->file.fd = -1;
}

static void file_close(struct dmu_backend *store)
{
	pthread_mutex_destroy(&store->flush_lock);
	if (store->file.fd >= 0)
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

static void file_sources(const struct dmu_spec *spec,
			 void (*each)(enum dmu_path kind, const char *path, void *arg), void *arg)
{
	each(DMU_PATH_STORE, spec->source, arg);
}

static void file_geometry(const struct dmu_backend *store, struct dmu_geometry *geometry)
{
	*geometry = store->file.geometry;
}

static int file_fds(const struct dmu_backend *store, int *fds, int max)
{
	if (store->file.fd < 0)
		return 0;
	if (max > 0)
		fds[0] = store->file.fd;
	return 1;
}

static int file_identity(const struct dmu_backend *store, char *text, size_t len)
{
	return dmu_store_identity(store->file.fd, text, len);
}

/* Neither mode of fallocate() makes a file any longer. */
static const struct dmu_syscall file_syscalls[] = {
	{ SYS_pwrite64, { { 0 } } },
	{ SYS_fdatasync, { { 0 } } },
	{ SYS_sync_file_range, { { 3, SYNC_FILE_RANGE_WRITE } } },
	{ SYS_fallocate, { { 1, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE } } },
	{ SYS_fallocate, { { 1, FALLOC_FL_ZERO_RANGE | FALLOC_FL_KEEP_SIZE } } },
	{ SYS_ioctl, { { 1, BLKDISCARD } } },
	{ SYS_ioctl, { { 1, BLKSECDISCARD } } },
};

const struct dmu_backend_ops dmu_backend_file = {
	.abi = DMU_ABI,
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
	.maps = file_maps,
	.release = file_release,
	.fds = file_fds,
	.syscalls = file_syscalls,
	.syscall_count = sizeof(file_syscalls) / sizeof(file_syscalls[0]),
	.identity = file_identity,
};
