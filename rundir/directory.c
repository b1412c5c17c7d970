// SPDX-License-Identifier: LGPL-2.1-or-later
/* RUN_DIR/NAME has the socket, the tab line and the copies of programs of one device. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <linux/magic.h>

#include "lib/dmuser.h"
#include "rundir/directory.h"

int dmu_run_path(char *path, size_t len, const char *run_dir, const char *name, const char *file)
{
	int n = snprintf(path, len, "%s/%s%s%s", run_dir, name, file ? "/" : "", file ? file : "");

	return n < 0 || (size_t)n >= len ? -ENAMETOOLONG : 0;
}

int dmu_run_open(const char *run_dir, const char *name, const char *file, int flags)
{
	char path[DMU_PATH_MAX];
	int ret = dmu_run_path(path, sizeof(path), run_dir, name, file), fd;

	if (ret)
		return ret;
	fd = open(path, flags | O_CLOEXEC | O_NOFOLLOW, 0600);
	return fd < 0 ? -errno : fd;
}

int dmu_run_make(const char *run_dir, const char *name, bool *made_parent, bool *made, char *error,
		 size_t len)
{
	char path[DMU_PATH_MAX];
	int ret = dmu_run_path(path, sizeof(path), run_dir, name, NULL);

	if (ret) {
		snprintf(error, len, "cannot make %s/%s: %s", run_dir, name, strerror(-ret));
		return ret;
	}
	ret = dmu_trusted_make(run_dir, 0755, made_parent, error, len);
	return ret ? ret : dmu_trusted_make(path, 0700, made, error, len);
}

int dmu_run_prepare(const char *run_dir, const char *name, char *error, size_t len)
{
	char path[DMU_PATH_MAX];
	struct statfs fs;
	int ret;

	ret = dmu_run_make(run_dir, name, NULL, NULL, error, len);
	if (ret)
		return ret;
	dmu_run_path(path, sizeof(path), run_dir, name, NULL);
	if (statfs(path, &fs)) {
		ret = -errno;
		snprintf(error, len, "cannot look at %s: %s", path, strerror(-ret));
		return ret;
	}
	if (fs.f_type == TMPFS_MAGIC || fs.f_type == RAMFS_MAGIC)
		return 0;
	snprintf(error, len,
		 "%s is not on a tmpfs: a daemon run from there could need the device it serves",
		 path);
	return -EINVAL;
}

int dmu_run_lock(const char *run_dir, const char *name)
{
	/* Not the daemons' lock file in it: daemons start while this lock is held. */
	int fd = dmu_run_open(run_dir, name, NULL, O_RDONLY | O_DIRECTORY), ret;

	if (fd < 0)
		return fd;
	if (!flock(fd, LOCK_EX | LOCK_NB))
		return fd;
	ret = -errno;
	close(fd);
	return ret;
}

int dmu_run_lock_start(const char *run_dir, const char *name)
{
	int fd = dmu_run_open(run_dir, name, DMU_LOCK_NAME, O_RDWR | O_CREAT), rc = 0;
	struct stat st;

	if (fd < 0)
		return fd;
	if (flock(fd, LOCK_EX | LOCK_NB))
		rc = errno == EWOULDBLOCK ? -EBUSY : -errno;
	else if (fstat(fd, &st))
		rc = -errno;
	else if (!st.st_nlink)
		rc = -ESTALE;
	if (!rc)
		return fd;
	close(fd);
	return rc;
}

void dmu_run_leave(const char *run_dir, const char *name)
{
	char path[DMU_PATH_MAX];

	/* Files that are left are in use, or not dmuser's: the directory stays. */
	if (!dmu_run_path(path, sizeof(path), run_dir, name, NULL))
		rmdir(path);
}
