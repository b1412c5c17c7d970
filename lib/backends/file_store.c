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
 * Read-write, unless the spec says otherwise. If no daemon serves the device, a store that has
 * become read-only is served as far as possible: with a daemon that lived on, writes would fail,
 * too.
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

dev_t dmu_file_bdev(const char *source)
{
	struct stat st;

	return !stat(source, &st) && S_ISBLK(st.st_mode) ? st.st_rdev : 0;
}

static int open_store(struct dmu_file *file, const struct dmu_spec *spec, enum dmu_use use,
		      char *error, size_t len)
{
	struct stat st;
	int rc;

	/* The next generation opens the same path from another working directory. */
	if (spec->source[0] != '/') {
		snprintf(error, len, "file: '%s' is not an absolute path", spec->source);
		return -EINVAL;
	}
	/* stat() before open(): a FIFO would block, a tape would wind. */
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
		/* The error of a kernel that forbids writes to mounted devices. */
		say_in_use(file, spec->source, error, len);
	else if (rc)
		snprintf(error, len, "file: cannot open '%s' %s: %s", spec->source,
			 file->writable ? "read-write" : "read-only", strerror(-rc));
	return rc;
}

/* ---- in use by others? ---- */

/*
 * Locks as QEMU takes them on an image or a disk, so each program refuses a store that the other
 * has open. A user of the store read-locks one byte for each operation that it does, and another
 * byte for each operation that it denies to others. There is no write lock, so generations share
 * their locks, and none is released between two generations. Source: QEMU's block/file-posix.c,
 * RAW_LOCK_PERM_BASE and RAW_LOCK_SHARED_BASE; operations have the bit numbers of enum
 * BlockPermission.
 */
#define BYTE_DOES	100
#define BYTE_DENIES	200
enum { BYTE_READ, BYTE_WRITE };

static int lock_byte(int fd, int byte)
{
	struct flock lock = {
		.l_type = F_RDLCK, .l_whence = SEEK_SET, .l_start = byte, .l_len = 1,
	};

	return fcntl(fd, F_OFD_SETLK, &lock) ? -errno : 0;
}

/* True if another open file has a lock on @byte. */
static bool is_locked(int fd, int byte)
{
	struct flock lock = {
		.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = byte, .l_len = 1,
	};

	return !fcntl(fd, F_OFD_GETLK, &lock) && lock.l_type != F_UNLCK;
}

static bool is_in_use(const struct dmu_file *file, const char *source)
{
	return is_locked(file->fd, BYTE_DENIES + BYTE_READ) ||
	       (file->writable && is_locked(file->fd, BYTE_DENIES + BYTE_WRITE)) ||
	       is_locked(file->fd, BYTE_DOES + BYTE_WRITE);
}

typedef bool use_fn(const struct dmu_file *file, const char *source);

/* Retry, because a dead daemon may not be quite gone, and a probe of the device ends soon. */
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

/* A device that is mounted or part of another device is claimed. Our writes would corrupt it. */
static bool is_claimed(const struct dmu_file *file, const char *source)
{
	int fd = open(source, O_RDONLY | O_EXCL | O_CLOEXEC);

	if (fd < 0)
		return errno == EBUSY;
	close(fd);
	return false;
}

/*
 * First lock, then look: of two simultaneous users at least one sees the other. A newcomer beside
 * the serving generation need not look, because that generation has. While the device exists, the
 * claim on the store is device-mapper's and means nothing.
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
	/* Some file systems have no locks, and some users of a device do not lock it. */
	if ((!rc && use != DMU_USE_SHARED && stays(file, source, is_in_use)) ||
	    (use == DMU_USE_NEW && file->is_bdev && file->writable &&
	     stays(file, source, is_claimed)))
		return say_in_use(file, source, error, len);
	return 0;
}

/* ---- geometry ---- */

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
 * A dead process must have no I/O in flight, or a late write of the last generation could overtake
 * a write of the next. A network file system lets a killed process exit while the server still
 * works on its direct write. Buffered writes are in the page cache, which both generations share.
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
 * The smallest unit of direct I/O on a file depends on the file system and the device below. A
 * trial proves nothing: a hole may be read at any alignment. If the file system does not report a
 * unit, use the largest.
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
	/* tmpfs accepts O_DIRECT and needs no alignment. */
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
	/* A served store may grow, to any size. */
	if (size % block && use == DMU_USE_NEW) {
		snprintf(error, len,
			 "file: size of '%s', %llu bytes, is not a multiple of its block size %u%s",
			 spec->source, (unsigned long long)size, block,
			 file->is_bdev ? "" : " (truncated?)");
		return -EINVAL;
	}
	return 0;
}

/* Make the geometry fit a device. The physical block size is only advice, so change that. */
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
		dmu_log(DMU_LOG_WARNING, "file: direct I/O on '%s' needs blocks of %u bytes, so "
			"the device has them, too: a file system made for %u cannot be mounted "
			"(use the option buffered)", spec->source, geometry->logical_block_size,
			SECTOR);
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
		dmu_log(DMU_LOG_WARNING, "file: '%s' has become read-only: writes to the device "
			"fail until it is writable again and a handover has followed",
			spec->source);
	return 0;
}
