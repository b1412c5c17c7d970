// SPDX-License-Identifier: LGPL-2.1-or-later
/* Tell stores apart, also those that have the same name or number one after the other. */
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "lib/dmuser.h"

/* A device number may later be another disk's, and a loop device may get another image. */
static int identify_bdev(int fd, const struct stat *st, char *text, size_t len)
{
	uint64_t sequence;

	if (ioctl(fd, BLKGETDISKSEQ, &sequence))
		return -errno;
	snprintf(text, len, "device %u:%u of disk %llu", major(st->st_rdev), minor(st->st_rdev),
		 (unsigned long long)sequence);
	return 0;
}

/* The file system of the image. Without a block device of its own, its number may change. */
static int identify_filesystem(int fd, dev_t device, char *text, size_t len)
{
	struct statfs fs;
	uint32_t id[2] = { 0 };

	if (!major(device)) {
		if (fstatfs(fd, &fs))
			return -errno;
		memcpy(id, &fs.f_fsid, sizeof(id));
	}
	if (id[0] || id[1])
		snprintf(text, len, "%08x%08x", id[0], id[1]);
	else
		snprintf(text, len, "%u:%u", major(device), minor(device));
	return 0;
}

/* An inode number may later be another file's; its time of birth or its generation differs then. */
static int identify_image(int fd, const struct stat *st, char *text, size_t len)
{
	char where[32], when[48] = "";
	struct statx stx;
	long generation = 0;	/* some file systems write only an int of it */
	int rc;

	rc = identify_filesystem(fd, st->st_dev, where, sizeof(where));
	if (rc)
		return rc;
	if (!statx(fd, "", AT_EMPTY_PATH, STATX_BTIME, &stx) && (stx.stx_mask & STATX_BTIME))
		snprintf(when, sizeof(when), ", born %lld.%09u", (long long)stx.stx_btime.tv_sec,
			 stx.stx_btime.tv_nsec);
	else if (!ioctl(fd, FS_IOC_GETVERSION, &generation))
		snprintf(when, sizeof(when), ", generation %u", (unsigned int)generation);
	snprintf(text, len, "inode %llu of %s%s", (unsigned long long)st->st_ino, where, when);
	return 0;
}

int dmu_store_identity(int fd, char *text, size_t len)
{
	struct stat st;

	if (fstat(fd, &st))
		return -errno;
	return S_ISBLK(st.st_mode) ? identify_bdev(fd, &st, text, len) :
			       identify_image(fd, &st, text, len);
}
