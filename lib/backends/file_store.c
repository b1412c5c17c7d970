// SPDX-License-Identifier: LGPL-2.1-or-later
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <linux/magic.h>
#include <poll.h>
#include <string.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "lib/backends/file_store.h"

#define SECTOR		512U
#define CLAIM_TRIES	20
#define CLAIM_PAUSE_MS	25

#ifndef BLKGETDISKSEQ
#define BLKGETDISKSEQ	_IOR(0x12, 128, uint64_t)	/* Linux 5.15 */
#endif

static int say_in_use(const struct dmu_file *file, const char *source, char *error, size_t len)
{
	char holder[64];

	if (file->geometry.backing &&
	    dmu_has_holder(file->geometry.backing, 0, holder, sizeof(holder)))
		snprintf(error, len, "file: '%s' is in use by device %s: %s", source, holder,
			 strerror(EBUSY));
	else
		snprintf(error, len, "file: '%s' is in use: mounted, part of another device, or "
			 "open in QEMU: %s", source, strerror(EBUSY));
	return -EBUSY;
}

/*
 * Read-write, unless the spec says otherwise. A store that has become read-only is served as far as
 * it can be if nobody serves the device: with a daemon that lived on, writes would fail, too.
 */
static int open_source(struct dmu_file *file, const struct dmu_spec *spec, enum dmu_use use)
{
	int flags = O_CLOEXEC | O_NOCTTY | (spec->cache == DMU_DIRECT ? O_DIRECT : 0);

	file->writable = !spec->read_only && use != DMU_USE_LOOK;
	file->fd = open(spec->source, flags | (file->writable ? O_RDWR : O_RDONLY));
	if (file->fd < 0 && file->writable && use == DMU_USE_AGAIN &&
	    (errno == EROFS || errno == EACCES || errno == EPERM)) {
		file->writable = false;
		file->fd = open(spec->source, flags | O_RDONLY);
	}
	return file->fd < 0 ? -errno : 0;
}

static int open_store(struct dmu_file *file, const struct dmu_spec *spec, enum dmu_use use,
		      char *error, size_t len)
{
	struct stat st;
	int rc;

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
	rc = open_source(file, spec, use);
	if (rc == -EINVAL && spec->cache == DMU_DIRECT)
		snprintf(error, len, "file: '%s' cannot do direct I/O (use the option buffered)",
			 spec->source);
	else if (rc == -EBUSY)
		/* A kernel that lets nobody write to mounted devices says so here. */
		say_in_use(file, spec->source, error, len);
	else if (rc)
		snprintf(error, len, "file: cannot open '%s' %s: %s", spec->source,
			 file->writable ? "read-write" : "read-only", strerror(-rc));
	return rc;
}

/* ---- in use by others? ---- */

/*
 * QEMU's way to lock an image or a disk, so that each of us refuses what the other has open. A user
 * of it has a read lock on one byte for each thing that it does, and on another for each that it
 * lets nobody else do. There is no write lock, so generations share theirs, and none is let go of
 * between two of them. Source: QEMU's block/file-posix.c, RAW_LOCK_PERM_BASE and RAW_LOCK_SHARED_BASE; the numbers
 * of what is done are the bits of enum BlockPermission.
 */
#define BYTE_DOES	100
#define BYTE_DENIES	200
enum { BYTE_READ, BYTE_WRITE };

static int lock_byte(int fd, int byte)
{
	struct flock lock = { .l_type = F_RDLCK, .l_whence = SEEK_SET, .l_start = byte, .l_len = 1 };

	return fcntl(fd, F_OFD_SETLK, &lock) ? -errno : 0;
}

/* Does anybody else have a lock there? */
static bool is_locked(int fd, int byte)
{
	struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = byte, .l_len = 1 };

	return !fcntl(fd, F_OFD_GETLK, &lock) && lock.l_type != F_UNLCK;
}

static bool is_in_use(const struct dmu_file *file, const char *source)
{
	return is_locked(file->fd, BYTE_DENIES + BYTE_READ) ||
	       (file->writable && is_locked(file->fd, BYTE_DENIES + BYTE_WRITE)) ||
	       is_locked(file->fd, BYTE_DOES + BYTE_WRITE);
}

typedef bool use_fn(const struct dmu_file *file, const char *source);

/*
 * A daemon that died may not be quite gone, and somebody may only try whether a device is free:
 * hence some patience.
 */
static bool stays(const struct dmu_file *file, const char *source, use_fn *is_so)
{
	int tries = CLAIM_TRIES;

	while (is_so(file, source)) {
		if (!--tries)
			return true;
		poll(NULL, 0, CLAIM_PAUSE_MS);
	}
	return false;
}

/*
 * A device that is mounted, or is part of another, has a claim on it; served and written by us at
 * the same time it would be ruined.
 */
static bool is_claimed(const struct dmu_file *file, const char *source)
{
	int fd = open(source, O_RDONLY | O_EXCL | O_CLOEXEC);

	if (fd < 0)
		return errno == EBUSY;
	close(fd);
	return false;
}

/*
 * First lock, then look: of two at the same time at least one sees the other. A newcomer beside the
 * generation that serves has nothing to look for, as that one has looked; and a claim on the device
 * is device-mapper's when that is served, and says nothing.
 */
static int lock_store(const struct dmu_file *file, const char *source, enum dmu_use use,
		      char *error, size_t len)
{
	int rc;

	if (use == DMU_USE_LOOK)
		return 0;
	rc = lock_byte(file->fd, BYTE_DOES + BYTE_READ);
	if (!rc && file->writable)
		rc = lock_byte(file->fd, BYTE_DOES + BYTE_WRITE);
	if (!rc)
		rc = lock_byte(file->fd, BYTE_DENIES + BYTE_WRITE);
	/* Not every file system has locks, and not every device that is in use is locked. */
	if ((!rc && use != DMU_USE_SHARED && stays(file, source, is_in_use)) ||
	    (use == DMU_USE_NEW && file->is_bdev && file->writable &&
	     stays(file, source, is_claimed)))
		return say_in_use(file, source, error, len);
	return 0;
}

/* ---- how it is made ---- */

static int measure_bdev(struct dmu_file *file, const struct dmu_spec *spec, enum dmu_use use,
			char *error, size_t len)
{
	struct dmu_geometry *geometry = &file->geometry;
	int logical = 0, read_only = 0, rc;
	unsigned int physical = 0;

	if (ioctl(file->fd, BLKGETSIZE64, &geometry->size) ||
	    ioctl(file->fd, BLKSSZGET, &logical) || ioctl(file->fd, BLKPBSZGET, &physical) ||
	    ioctl(file->fd, BLKROGET, &read_only)) {
		rc = -errno;
		snprintf(error, len, "file: cannot measure '%s': %s", spec->source, strerror(-rc));
		return rc;
	}
	geometry->logical_block_size = logical;
	geometry->physical_block_size = physical;
	if (spec->read_only)
		return 0;
	if (read_only && (use == DMU_USE_NEW || use == DMU_USE_SHARED)) {
		snprintf(error, len, "file: '%s' is a read-only device (use the option ro)",
			 spec->source);
		return -EROFS;
	}
	file->writable = file->writable && !read_only;
	return 0;
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
 * tells nothing: a hole may be read at any alignment. A file system that does not say gets the greatest.
 */
static int measure_direct(int fd, const char *path, uint32_t *unit, char *error, size_t len)
{
	struct statfs fs;
	struct statx stx;
	int rc;

	rc = check_direct_ends(fd, path, error, len);
	if (rc)
		return rc;
	*unit = DMU_FILE_BLOCK_MAX;
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

static int measure_image(struct dmu_file *file, const struct dmu_spec *spec, const struct stat *st,
			 char *error, size_t len)
{
	struct dmu_geometry *geometry = &file->geometry;

	geometry->size = st->st_size;
	geometry->logical_block_size = SECTOR;
	geometry->physical_block_size = st->st_blksize;
	return spec->cache != DMU_DIRECT ? 0 :
		measure_direct(file->fd, spec->source, &geometry->logical_block_size, error, len);
}

static bool is_power_of_two(uint32_t number)
{
	return number && !(number & (number - 1));
}

static int check_size(const struct dmu_file *file, const struct dmu_spec *spec, enum dmu_use use,
		      char *error, size_t len)
{
	uint64_t size = file->geometry.size;
	uint32_t block = file->geometry.logical_block_size;

	if (!size) {
		snprintf(error, len, "file: '%s' is empty", spec->source);
		return -EINVAL;
	}
	if (block < SECTOR || block > DMU_FILE_BLOCK_MAX || !is_power_of_two(block)) {
		snprintf(error, len, "file: '%s' has blocks of %u bytes, which is not supported",
			 spec->source, block);
		return -EINVAL;
	}
	/* One that is served may grow, to any size. */
	if (size % block && use == DMU_USE_NEW) {
		snprintf(error, len,
			 "file: size of '%s', %llu bytes, is not a multiple of its block size %u%s",
			 spec->source, (unsigned long long)size, block,
			 file->is_bdev ? "" : " (truncated?)");
		return -EINVAL;
	}
	return 0;
}

/* To what a device can have: a physical block of 16 KiB, or of no sensible size, only is advice. */
static void trim(struct dmu_geometry *geometry)
{
	geometry->size -= geometry->size % geometry->logical_block_size;
	if (geometry->physical_block_size > DMU_FILE_BLOCK_MAX)
		geometry->physical_block_size = DMU_FILE_BLOCK_MAX;
	if (!is_power_of_two(geometry->physical_block_size) ||
	    geometry->physical_block_size < geometry->logical_block_size)
		geometry->physical_block_size = geometry->logical_block_size;
}

static int measure(struct dmu_file *file, const struct dmu_spec *spec, enum dmu_use use,
		   char *error, size_t len)
{
	struct dmu_geometry *geometry = &file->geometry;
	struct stat st;
	int rc;

	if (fstat(file->fd, &st)) {
		rc = -errno;
		snprintf(error, len, "file: cannot look at '%s': %s", spec->source, strerror(-rc));
		return rc;
	}
	file->is_bdev = S_ISBLK(st.st_mode);
	geometry->backing = file->is_bdev ? st.st_rdev : 0;
	rc = file->is_bdev ? measure_bdev(file, spec, use, error, len) :
			     measure_image(file, spec, &st, error, len);
	if (!rc)
		rc = check_size(file, spec, use, error, len);
	if (!rc)
		rc = lock_store(file, spec->source, use, error, len);
	if (rc)
		return rc;
	if (use == DMU_USE_NEW && !file->is_bdev && geometry->logical_block_size > SECTOR)
		dmu_log(DMU_LOG_WARNING, "file: direct I/O on '%s' takes blocks of %u bytes, and so "
			"does the device: a file system made for %u cannot be mounted (use the "
			"option buffered)", spec->source, geometry->logical_block_size, SECTOR);
	geometry->alignment = spec->cache == DMU_DIRECT ? geometry->logical_block_size : 1;
	geometry->read_only = spec->read_only;
	trim(geometry);
	return 0;
}

int dmu_file_open(struct dmu_file *file, const struct dmu_spec *spec, enum dmu_use use,
		  char *error, size_t len)
{
	int rc;

	memset(file, 0, sizeof(*file));
	rc = open_store(file, spec, use, error, len);
	if (rc)
		return rc;
	rc = measure(file, spec, use, error, len);
	if (rc) {
		close(file->fd);
		return rc;
	}
	if (!file->writable && !spec->read_only && use == DMU_USE_AGAIN)
		dmu_log(DMU_LOG_WARNING, "file: '%s' is read-only by now: all that is written to the "
			"device fails, until a handover after that is over", spec->source);
	return 0;
}

/* ---- which one it is ---- */

/* A number may come to be another disk's, or an image behind the same loop device another. */
static int identify_bdev(const struct dmu_file *file, const struct stat *st, char *text, size_t len)
{
	uint64_t sequence;

	if (ioctl(file->fd, BLKGETDISKSEQ, &sequence))
		return -errno;
	snprintf(text, len, "device %u:%u of disk %llu", major(st->st_rdev), minor(st->st_rdev),
		 (unsigned long long)sequence);
	return 0;
}

/* The file system that it is on. Those of no block device of their own may change their number. */
static int identify_filesystem(const struct dmu_file *file, dev_t device, char *text, size_t len)
{
	struct statfs fs;
	uint32_t id[2] = { 0 };

	if (!major(device)) {
		if (fstatfs(file->fd, &fs))
			return -errno;
		memcpy(id, &fs.f_fsid, sizeof(id));
	}
	if (id[0] || id[1])
		snprintf(text, len, "%08x%08x", id[0], id[1]);
	else
		snprintf(text, len, "%u:%u", major(device), minor(device));
	return 0;
}

/* An inode's number may come to be another file's: its birth tells, or its generation. */
static int identify_image(const struct dmu_file *file, const struct stat *st, char *text, size_t len)
{
	char where[32], when[48] = "";
	struct statx stx;
	long generation = 0;	/* of which some file systems write an int */
	int rc;

	rc = identify_filesystem(file, st->st_dev, where, sizeof(where));
	if (rc)
		return rc;
	if (!statx(file->fd, "", AT_EMPTY_PATH, STATX_BTIME, &stx) && (stx.stx_mask & STATX_BTIME))
		snprintf(when, sizeof(when), ", born %lld.%09u", (long long)stx.stx_btime.tv_sec,
			 stx.stx_btime.tv_nsec);
	else if (!ioctl(file->fd, FS_IOC_GETVERSION, &generation))
		snprintf(when, sizeof(when), ", generation %u", (unsigned int)generation);
	snprintf(text, len, "inode %llu of %s%s", (unsigned long long)st->st_ino, where, when);
	return 0;
}

int dmu_file_identity(const struct dmu_file *file, char *text, size_t len)
{
	struct stat st;

	if (fstat(file->fd, &st))
		return -errno;
	return file->is_bdev ? identify_bdev(file, &st, text, len) :
			       identify_image(file, &st, text, len);
}
