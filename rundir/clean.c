// SPDX-License-Identifier: GPL-2.0-or-later
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/dmuser.h"
#include "rundir/clean.h"
#include "rundir/copy.h"
#include "rundir/directory.h"
#include "rundir/listener.h"

#define UNUSED_MS	1000	/* for a newcomer to see that the device is gone */

/*
 * The daemons' own lock, if no daemon starts or listens there: else the device exists anew, and the
 * files are its daemon's: -EBUSY. -ENOENT if there is no directory.
 */
static int lock_unused(const char *run_dir, const char *name)
{
	int fd = dmu_run_open(run_dir, name, DMU_LOCK_NAME, O_RDWR | O_CREAT);
	struct stat st;

	if (fd < 0)
		return fd;
	if (!flock(fd, LOCK_EX | LOCK_NB) && !fstat(fd, &st) && st.st_nlink &&
	    !dmu_listener_present(run_dir, name))
		return fd;
	close(fd);
	return -EBUSY;
}

void dmu_run_clean(const char *run_dir, const char *name)
{
	static const char *const files[] = {
		DMU_TAB_NAME, DMU_TAB_NAME ".partial", DMU_STORE_NAME, DMU_STORE_NAME ".partial",
		DMU_SOCKET_NAME, DMU_WATCH_NAME, DMU_OPEN_NAME, DMU_LOCK_NAME,	/* the last */
	};
	uint64_t deadline = dmu_now_ms() + UNUSED_MS;
	char path[DMU_PATH_MAX];
	size_t i;
	int lock;

	dmu_copy_prune(run_dir, name, NULL, 0);
	while ((lock = lock_unused(run_dir, name)) == -EBUSY && dmu_now_ms() < deadline)
		poll(NULL, 0, UNUSED_MS / 20);
	if (lock < 0)
		return;
	for (i = 0; i < sizeof(files) / sizeof(files[0]); i++)
		if (!dmu_run_path(path, sizeof(path), run_dir, name, files[i]))
			unlink(path);
	close(lock);
	dmu_run_leave(run_dir, name);
}
