// SPDX-License-Identifier: GPL-2.0-or-later
/* RUN_DIR/NAME: where the socket, the tab line and the copies of programs of one device live. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <linux/magic.h>

#include "handover/ctl.h"

#define UNUSED_MS	1000	/* for a newcomer to see that the device is gone */

int ctl_run_path(char *path, size_t len, const char *run_dir, const char *name, const char *file)
{
	int n = snprintf(path, len, "%s/%s%s%s", run_dir, name, file ? "/" : "", file ? file : "");

	return n < 0 || (size_t)n >= len ? -ENAMETOOLONG : 0;
}

int ctl_run_prepare(const char *run_dir, const char *name, char *error, size_t len)
{
	char path[CTL_PATH_MAX];
	struct statfs fs;
	int ret;

	ret = ctl_run_path(path, sizeof(path), run_dir, name, NULL);
	if (ret)
		goto fail;
	ret = dmu_trusted_make(run_dir, 0755, NULL, error, len);
	if (!ret)
		ret = dmu_trusted_make(path, 0700, NULL, error, len);
	if (ret)
		return ret;
	if (statfs(path, &fs)) {
		ret = -errno;
		goto fail;
	}
	if (fs.f_type == TMPFS_MAGIC || fs.f_type == RAMFS_MAGIC)
		return 0;
	snprintf(error, len,
		 "%s is not on a tmpfs: a daemon run from there could need the device it serves",
		 path);
	return -EINVAL;
fail:
	snprintf(error, len, "cannot make %s/%s: %s", run_dir, name, strerror(-ret));
	return ret;
}

int ctl_run_lock(const char *run_dir, const char *name)
{
	char path[CTL_PATH_MAX];
	int fd, ret;

	ret = ctl_run_path(path, sizeof(path), run_dir, name, NULL);
	if (ret)
		return ret;
	/* The directory, not the daemons' lock file in it: they start while this one is held. */
	fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	if (!flock(fd, LOCK_EX | LOCK_NB))
		return fd;
	ret = -errno;
	close(fd);
	return ret;
}

/*
 * The daemons' own lock, if nobody starts or listens there: else the device exists anew, and the
 * files are its daemon's: -EBUSY. -ENOENT if there is no directory.
 */
static int lock_unused(const char *run_dir, const char *name)
{
	char path[CTL_PATH_MAX];
	struct stat st;
	int fd, ret;

	ret = ctl_run_path(path, sizeof(path), run_dir, name, DMU_LOCK_NAME);
	if (ret)
		return ret;
	fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return -errno;
	if (!flock(fd, LOCK_EX | LOCK_NB) && !fstat(fd, &st) && st.st_nlink &&
	    !ctl_daemon_listens(run_dir, name))
		return fd;
	close(fd);
	return -EBUSY;
}

void ctl_run_clean(const char *run_dir, const char *name)
{
	static const char *const files[] = {
		DMU_TAB_NAME, DMU_TAB_NAME ".partial", DMU_STORE_NAME, DMU_STORE_NAME ".partial",
		DMU_SOCKET_NAME, CTL_WATCH_NAME, CTL_OPEN_NAME, DMU_LOCK_NAME,	/* the last */
	};
	uint64_t deadline = dmu_now_ms() + UNUSED_MS;
	char path[CTL_PATH_MAX];
	size_t i;
	int lock;

	ctl_copy_prune(run_dir, name, NULL, 0);
	while ((lock = lock_unused(run_dir, name)) == -EBUSY && dmu_now_ms() < deadline)
		poll(NULL, 0, UNUSED_MS / 20);
	if (lock < 0)
		return;
	for (i = 0; i < sizeof(files) / sizeof(files[0]); i++)
		if (!ctl_run_path(path, sizeof(path), run_dir, name, files[i]))
			unlink(path);
	close(lock);
	ctl_run_leave(run_dir, name);
}

void ctl_run_leave(const char *run_dir, const char *name)
{
	char path[CTL_PATH_MAX];

	/* What is still in it is in use, or not ours, and stays. */
	if (!ctl_run_path(path, sizeof(path), run_dir, name, NULL))
		rmdir(path);
}
