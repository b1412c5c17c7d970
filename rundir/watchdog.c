// SPDX-License-Identifier: LGPL-2.1-or-later
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "rundir/watchdog.h"

int dmu_watchdog_lock(const char *run_dir, const char *name)
{
	/* A kind of lock that can be asked about without being taken: see dmu_watchdog_read(). */
	struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
	int fd = dmu_run_open(run_dir, name, DMU_WATCH_NAME, O_RDWR | O_CREAT), ret;

	if (fd < 0)
		return fd;
	if (fcntl(fd, F_OFD_SETLK, &lock))
		ret = -errno;
	else if (dmu_watchdog_lost(fd))
		ret = -ESTALE;
	else
		return fd;
	close(fd);
	return ret;
}

int dmu_watchdog_write(int fd, const struct dmu_watchdog *watch)
{
	char line[2 * DMU_ERROR_MAX];
	int n;

	/* The reason comes last, as it has blanks in it. */
	n = snprintf(line, sizeof(line),
		     "pid=%d restarts=%u attempts=%u down_ms=%" PRIu64 " next_ms=%" PRIu64
		     " reason=%s\n",
		     watch->pid, watch->restarts, watch->attempts, watch->down_ms, watch->next_ms,
		     watch->reason);
	errno = EIO;
	return pwrite(fd, line, n, 0) != n || ftruncate(fd, n) ? -errno : 0;
}

bool dmu_watchdog_lost(int fd)
{
	struct stat st;

	return fstat(fd, &st) || !st.st_nlink;
}

void dmu_watchdog_remove(int fd, const char *run_dir, const char *name)
{
	char path[DMU_PATH_MAX];

	if (dmu_watchdog_lost(fd) ||
	    dmu_run_path(path, sizeof(path), run_dir, name, DMU_WATCH_NAME))
		return;
	unlink(path);
	dmu_run_leave(run_dir, name);
}

int dmu_watchdog_read(const char *run_dir, const char *name, struct dmu_watchdog *watch)
{
	char line[2 * DMU_ERROR_MAX];
	struct flock lock = { .l_type = F_RDLCK, .l_whence = SEEK_SET };
	const char *reason;
	ssize_t n;
	int fd, ret;

	fd = dmu_run_open(run_dir, name, DMU_WATCH_NAME, O_RDONLY);
	if (fd < 0)
		return fd;
	/*
	 * The lock is gone with the dmuser-watch that wrote this. It is not tried, as that would be
	 * in the way of another one that begins.
	 */
	ret = fcntl(fd, F_OFD_GETLK, &lock) ? -errno : lock.l_type == F_UNLCK ? -ENOENT : 0;
	n = pread(fd, line, sizeof(line) - 1, 0);
	close(fd);
	if (ret || n <= 0)
		return ret ? ret : -ENOENT;
	line[n] = '\0';
	line[strcspn(line, "\n")] = '\0';
	if (sscanf(line, "pid=%d restarts=%u attempts=%u down_ms=%" SCNu64 " next_ms=%" SCNu64,
		   &watch->pid, &watch->restarts, &watch->attempts, &watch->down_ms,
		   &watch->next_ms) != 5)
		return -EINVAL;
	reason = strstr(line, " reason=");
	snprintf(watch->reason, sizeof(watch->reason), "%.*s", DMU_ERROR_MAX - 1,
		 reason ? reason + strlen(" reason=") : "");
	return 0;
}
