// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Backend "file": an image file or a block device, through the page cache (buffered) or past it
 * (direct).
 *
 * There is no exclusive lock: two generations have the store open at the same time, and the kernel
 * sees to it that each request is with one of them only.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/falloc.h>
#include <linux/fs.h>
#include <linux/magic.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "lib/backends.h"

#define SECTOR		512U
#define MAX_BLOCK	4096U
#define PAUSE_MS	5	/* until memory is asked for again */
#define LOG_INTERVAL_MS	10000

struct dmu_backend {
	int fd;
	bool is_bdev;
	enum dmu_cache_mode cache;
	struct dmu_geometry geometry;
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
		n = pread(store->fd, buf, len, offset);
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
		n = pwrite(store->fd, buf, len, offset);
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
		rc = fdatasync(store->fd) ? -errno : 0;
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
	if (store->geometry.read_only && (rc == -EINVAL || rc == -EROFS))
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
	return rc;
}

static int file_write(struct dmu_backend *store, const void *buf, size_t len, uint64_t offset,
		      bool fua)
{
	int rc = write_all(store, buf, len, offset);

	return rc || !fua ? rc : store_sync_write(store);
}

static int allocate(struct dmu_backend *store, int mode, uint64_t offset, uint64_t len)
{
	int rc;

	do {
		rc = fallocate(store->fd, mode | FALLOC_FL_KEEP_SIZE, offset, len);
	} while (rc && is_transient(store, errno));
	return rc ? to_unsupported(errno) : 0;
}

static int bdev_range(struct dmu_backend *store, unsigned long command, uint64_t offset,
		      uint64_t len)
{
	uint64_t range[2] = { offset, len };
	int rc;

	do {
		rc = ioctl(store->fd, command, range);
	} while (rc && is_transient(store, errno));
	return rc ? to_unsupported(errno) : 0;
}

static int file_discard(struct dmu_backend *store, uint64_t offset, uint64_t len)
{
	if (store->is_bdev)
		return bdev_range(store, BLKDISCARD, offset, len);
	return allocate(store, FALLOC_FL_PUNCH_HOLE, offset, len);
}

static int file_write_zeroes(struct dmu_backend *store, uint64_t offset, uint64_t len,
			     bool may_unmap, bool fua)
{
	int rc = -EOPNOTSUPP;

	/* Both leave zeroes, on a block device too, where the second writes them if it must. */
	if (may_unmap)
		rc = allocate(store, FALLOC_FL_PUNCH_HOLE, offset, len);
	if (rc == -EOPNOTSUPP)
		rc = allocate(store, FALLOC_FL_ZERO_RANGE, offset, len);
	return rc || !fua ? rc : store_sync_write(store);
}

static int file_secure_erase(struct dmu_backend *store, uint64_t offset, uint64_t len)
{
	/* A file system keeps no promise about where the old bytes were. */
	return store->is_bdev ? bdev_range(store, BLKSECDISCARD, offset, len) : -EOPNOTSUPP;
}

/* ---- open ---- */

static void say_in_use(const char *source, int rc, char *error, size_t len)
{
	snprintf(error, len, "file: '%s' is in use, mounted or part of another device: %s", source,
		 strerror(-rc));
}

static int open_store(const struct dmu_spec *spec, char *error, size_t len)
{
	int flags = O_CLOEXEC | O_NOCTTY | (spec->read_only ? O_RDONLY : O_RDWR) |
		    (spec->cache == DMU_DIRECT ? O_DIRECT : 0);
	struct stat st;
	int fd, rc;

	/* The next generation opens it from the same words and another working directory. */
	if (spec->source[0] != '/') {
		snprintf(error, len, "file: '%s' is not an absolute path", spec->source);
		return -EINVAL;
	}
	/* Looked at before it is opened: a FIFO would block, a tape would wind. */
	if (!stat(spec->source, &st) && !S_ISREG(st.st_mode) && !S_ISBLK(st.st_mode)) {
		snprintf(error, len, "file: '%s' is neither a file nor a block device",
			 spec->source);
		return -EINVAL;
	}
	fd = open(spec->source, flags);
	if (fd >= 0)
		return fd;
	rc = -errno;
	if (rc == -EINVAL && spec->cache == DMU_DIRECT)
		snprintf(error, len, "file: '%s' cannot do direct I/O (use the option buffered)",
			 spec->source);
	else if (rc == -EBUSY)
		/* A kernel that lets nobody write to mounted devices says so here. */
		say_in_use(spec->source, rc, error, len);
	else
		snprintf(error, len, "file: cannot open '%s' %s: %s", spec->source,
			 spec->read_only ? "read-only" : "read-write", strerror(-rc));
	return rc;
}

/*
 * A device that is mounted, or is part of another, has a claim on it; served and written by us at
 * the same time it would be ruined. The claim is only tried: the generations of a target share the
 * store. Others may try at the same moment, hence some patience.
 */
static int check_unclaimed(const char *path)
{
	int fd, tries;

	for (tries = 0; tries < 20; tries++) {
		fd = open(path, O_RDONLY | O_EXCL | O_CLOEXEC);
		if (fd >= 0) {
			close(fd);
			return 0;
		}
		if (errno != EBUSY)
			return -errno;
		usleep(25000);
	}
	return -EBUSY;
}

static int measure_bdev(struct dmu_backend *store, const struct dmu_spec *spec, char *error,
			size_t len)
{
	struct dmu_geometry *geometry = &store->geometry;
	int logical = 0, read_only = 0, rc;
	unsigned int physical = 0;

	if (ioctl(store->fd, BLKGETSIZE64, &geometry->size) ||
	    ioctl(store->fd, BLKSSZGET, &logical) || ioctl(store->fd, BLKPBSZGET, &physical) ||
	    ioctl(store->fd, BLKROGET, &read_only)) {
		rc = -errno;
		snprintf(error, len, "file: cannot measure '%s': %s", spec->source, strerror(-rc));
		return rc;
	}
	geometry->logical_block_size = logical;
	geometry->physical_block_size = physical;
	if (spec->read_only)
		return 0;
	if (read_only) {
		snprintf(error, len, "file: '%s' is a read-only device (use the option ro)",
			 spec->source);
		return -EROFS;
	}
	rc = check_unclaimed(spec->source);
	if (rc)
		say_in_use(spec->source, rc, error, len);
	return rc;
}

/*
 * A killed process must have no I/O under way when it is dead, or a late write of the last
 * generation could overtake one of the next. A network file system lets a killed process go while
 * the server still works on its direct write; its buffered writes are the page cache's, which both
 * generations share.
 */
static int check_direct_ends(int fd, const char *path, char *error, size_t len)
{
	struct statfs fs;

	if (fstatfs(fd, &fs))
		return -errno;
	switch ((uint32_t)fs.f_type) {
	case NFS_SUPER_MAGIC:
	case SMB_SUPER_MAGIC:
	case CIFS_SUPER_MAGIC:
	case SMB2_SUPER_MAGIC:
	case CEPH_SUPER_MAGIC:
	case V9FS_MAGIC:
	case AFS_SUPER_MAGIC:
	case AFS_FS_MAGIC:
		snprintf(error, len,
			 "file: '%s' is on a network file system: no direct I/O (use the option "
			 "buffered)", path);
		return -EINVAL;
	}
	return 0;
}

/*
 * The least unit of direct I/O on a file depends on the file system and on the device below. Trying
 * tells nothing: a hole may be read at any alignment. Who does not say gets the greatest.
 */
static int measure_direct(int fd, const char *path, uint32_t *unit, char *error, size_t len)
{
	struct statfs fs;
	struct statx stx;
	int rc;

	rc = check_direct_ends(fd, path, error, len);
	if (rc)
		return rc;
	*unit = MAX_BLOCK;
	/* tmpfs takes the flag, and knows no alignment. */
	if (!fstatfs(fd, &fs) && fs.f_type == TMPFS_MAGIC) {
		*unit = SECTOR;
		return 0;
	}
	if (statx(fd, "", AT_EMPTY_PATH, STATX_DIOALIGN, &stx) ||
	    !(stx.stx_mask & STATX_DIOALIGN))
		return 0;
	if (!stx.stx_dio_offset_align) {
		snprintf(error, len, "file: '%s' cannot do direct I/O (use the option buffered)",
			 path);
		return -EINVAL;
	}
	*unit = stx.stx_dio_offset_align < SECTOR ? SECTOR : stx.stx_dio_offset_align;
	return 0;
}

static int measure(struct dmu_backend *store, const struct dmu_spec *spec, char *error, size_t len)
{
	struct dmu_geometry *geometry = &store->geometry;
	struct stat st;
	int rc;

	if (fstat(store->fd, &st))
		return -errno;
	store->is_bdev = S_ISBLK(st.st_mode);
	if (store->is_bdev) {
		rc = measure_bdev(store, spec, error, len);
		if (rc)
			return rc;
	} else {
		geometry->size = st.st_size;
		geometry->logical_block_size = SECTOR;
		rc = store->cache != DMU_DIRECT ? 0 :
			measure_direct(store->fd, spec->source, &geometry->logical_block_size,
				       error, len);
		if (rc)
			return rc;
		geometry->physical_block_size =
			st.st_blksize >= (blksize_t)MAX_BLOCK ? MAX_BLOCK : SECTOR;
	}
	geometry->alignment = store->cache == DMU_DIRECT ? geometry->logical_block_size : 1;
	geometry->read_only = spec->read_only;
	if (geometry->physical_block_size < geometry->logical_block_size)
		geometry->physical_block_size = geometry->logical_block_size;
	return 0;
}

static int check_size(const struct dmu_backend *store, const struct dmu_spec *spec, char *error,
		      size_t len)
{
	uint64_t size = store->geometry.size;
	uint32_t block = store->geometry.logical_block_size;

	if (!size) {
		snprintf(error, len, "file: '%s' is empty", spec->source);
		return -EINVAL;
	}
	if (block < SECTOR || block > MAX_BLOCK || (block & (block - 1))) {
		snprintf(error, len, "file: '%s' has blocks of %u bytes, which is not supported",
			 spec->source, block);
		return -EINVAL;
	}
	if (size % block) {
		snprintf(error, len,
			 "file: size of '%s', %llu bytes, is not a multiple of its block size %u%s",
			 spec->source, (unsigned long long)size, block,
			 store->is_bdev ? "" : " (truncated?)");
		return -EINVAL;
	}
	return 0;
}

static void file_close(struct dmu_backend *store)
{
	pthread_mutex_destroy(&store->flush_lock);
	close(store->fd);
	free(store);
}

static int file_open(struct dmu_backend **backend, const struct dmu_spec *spec, char *error,
		     size_t len)
{
	struct dmu_backend *store = calloc(1, sizeof(*store));
	int rc;

	snprintf(error, len, "file: '%s': out of memory or unreadable", spec->source);
	if (!store)
		return -ENOMEM;
	store->fd = open_store(spec, error, len);
	if (store->fd < 0) {
		rc = store->fd;
		goto free_store;
	}
	store->cache = spec->cache;
	rc = measure(store, spec, error, len);
	if (!rc)
		rc = check_size(store, spec, error, len);
	if (rc)
		goto close_fd;
	pthread_mutex_init(&store->flush_lock, NULL);
	if (len)
		*error = '\0';
	*backend = store;
	return 0;

close_fd:
	close(store->fd);
free_store:
	free(store);
	return rc;
}

static void file_geometry(const struct dmu_backend *store, struct dmu_geometry *geometry)
{
	*geometry = store->geometry;
}

static int file_fds(const struct dmu_backend *store, int *fds, int max)
{
	if (max > 0)
		fds[0] = store->fd;
	return 1;
}

/* Two devices of one number, or two names of one inode, share a page cache. Nothing else does. */
static int file_identity(const struct dmu_backend *store, char *text, size_t len)
{
	struct stat st;

	if (fstat(store->fd, &st))
		return -errno;
	if (store->is_bdev)
		snprintf(text, len, "device %u:%u", major(st.st_rdev), minor(st.st_rdev));
	else
		snprintf(text, len, "inode %llu of %u:%u", (unsigned long long)st.st_ino,
			 major(st.st_dev), minor(st.st_dev));
	return 0;
}

const struct dmu_backend_ops dmu_backend_file = {
	.name = "file",
	.help = "file:PATH  an image file or a block device",
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
