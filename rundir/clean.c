// SPDX-License-Identifier: GPL-2.0-or-later
#include <errno.h>
#include <poll.h>
#include <unistd.h>

#include "lib/dmuser.h"
#include "rundir/clean.h"
#include "rundir/copy.h"
#include "rundir/directory.h"
#include "rundir/listener.h"

#define UNUSED_MS	1000	/* for a newcomer to see that the device is gone */

/*
 * The daemons' lock, if no daemon starts or listens there. A daemon that does is of a new device of
 * that name, and the files are its own, or it is a newcomer that has not yet seen the removal:
 * -EBUSY. -ENOENT if there is no directory.
 */
static int lock_unused(const char *run_dir, const char *name)
{
	int fd = dmu_run_lock_start(run_dir, name);

	if (fd == -ESTALE)
		return -EBUSY;
	if (fd < 0 || !dmu_listener_present(run_dir, name))
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
