// SPDX-License-Identifier: GPL-2.0-or-later
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "rundir/watchdog.h"

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
	 * The lock is gone with the dmuser-watch that wrote this. It is not tried, as that would be in
	 * the way of another one that begins.
	 */
	ret = fcntl(fd, F_OFD_GETLK, &lock) ? -errno : lock.l_type == F_UNLCK ? -ENOENT : 0;
	n = pread(fd, line, sizeof(line) - 1, 0);
	close(fd);
	if (ret || n <= 0)
		return ret ? ret : -ENOENT;
	line[n] = '\0';
	line[strcspn(line, "\n")] = '\0';
	if (sscanf(line, "pid=%d restarts=%u attempts=%u down_ms=%" SCNu64 " next_ms=%" SCNu64, &watch->pid,
		   &watch->restarts, &watch->attempts, &watch->down_ms, &watch->next_ms) != 5)
		return -EINVAL;
	reason = strstr(line, " reason=");
	snprintf(watch->reason, sizeof(watch->reason), "%.*s", DMU_ERROR_MAX - 1,
		 reason ? reason + strlen(" reason=") : "");
	return 0;
}
