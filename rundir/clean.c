// SPDX-License-Identifier: LGPL-2.1-or-later
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdbool.h>
#include <unistd.h>

#include "lib/dmuser.h"
#include "rundir/clean.h"
#include "rundir/copy.h"
#include "rundir/directory.h"
#include "rundir/listener.h"

#define UNUSED_MS	1000	/* for a newcomer to see that the device is gone */
#define LOOK_MS		50

/* The two locks of RUN_DIR/NAME. */
struct locks {
	int dir; /* the directory: no dmuserctl or dmuser-watch starts a daemon */
	int start;			/* no daemon starts */
};

static void unlock(struct locks *locks)
{
	if (locks->start >= 0)
		close(locks->start);
	if (locks->dir >= 0)
		close(locks->dir);
}

/*
 * Lock a directory that no daemon uses: 0. -EBUSY: a daemon uses it or starts. It belongs to a new
 * device of that name, or is a newcomer that has not yet seen the removal. Or another -errno.
 */
static int lock_unused(struct locks *locks, const char *run_dir, const char *name)
{
	char error[DMU_ERROR_MAX];
	int rc;

	locks->start = -1;
	locks->dir = dmu_run_lock(run_dir, name);
	if (locks->dir < 0)
		return locks->dir == -EWOULDBLOCK ? -EBUSY : locks->dir;
	rc = dmu_trusted_directory(run_dir, error, sizeof(error));
	if (!rc)
		rc = dmu_trusted_check(locks->dir, name, error, sizeof(error));
	if (!rc) {
		locks->start = dmu_run_lock_start(run_dir, name);
		rc = locks->start == -ESTALE ? -EBUSY : locks->start < 0 ? locks->start : 0;
	}
	if (!rc && dmu_listener_present(run_dir, name))
		rc = -EBUSY;
	if (rc)
		unlock(locks);
	return rc;
}

static void clean(const char *run_dir, const char *name, bool copies)
{
	static const char *const files[] = {
		DMU_TAB_NAME, DMU_TAB_NAME ".partial", DMU_STORE_NAME, DMU_STORE_NAME ".partial",
		DMU_SOCKET_NAME, DMU_WATCH_NAME, DMU_OPEN_NAME, DMU_LOCK_NAME,	/* the last */
	};
	uint64_t deadline = dmu_now_ms() + UNUSED_MS;
	struct locks locks;
	size_t i;
	int rc;

	while ((rc = lock_unused(&locks, run_dir, name)) == -EBUSY && dmu_now_ms() < deadline)
		poll(NULL, 0, LOOK_MS);
	if (rc)
		return;
	if (copies)
		dmu_copy_prune(run_dir, name, NULL, 0);
	for (i = 0; i < sizeof(files) / sizeof(files[0]); i++)
		unlinkat(locks.dir, files[i], 0);
	dmu_run_leave(run_dir, name);
	unlock(&locks);
}

void dmu_run_clean(const char *run_dir, const char *name)
{
	clean(run_dir, name, true);
}

void dmu_run_clean_files(const char *run_dir, const char *name)
{
	clean(run_dir, name, false);
}
