// SPDX-License-Identifier: GPL-2.0-or-later
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "watch/watch.h"

int watch_state_open(struct watch_state *state, const char *run_dir, const char *name)
{
	int ret = ctl_run_path(state->path, sizeof(state->path), run_dir, name, CTL_WATCH_NAME);

	if (ret)
		return ret;
	state->fd = open(state->path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (state->fd < 0)
		return -errno;
	if (!flock(state->fd, LOCK_EX | LOCK_NB))
		return 0;
	ret = -errno;
	close(state->fd);
	return ret;
}

void watch_state_write(const struct watch_state *state)
{
	char line[CTL_ERROR_MAX + 128];
	int n;

	/* The reason comes last, as it has blanks in it. */
	n = snprintf(line, sizeof(line),
		     "pid=%d restarts=%u attempts=%u down_ms=%" PRIu64 " next_ms=%" PRIu64 " reason=%s\n",
		     (int)getpid(), state->restarts, state->attempts, state->down_ms, state->next_ms,
		     state->reason);
	if (pwrite(state->fd, line, n, 0) != n || ftruncate(state->fd, n))
		dmu_log(DMU_LOG_WARNING, "cannot write %s", state->path);
}

bool watch_state_lost(const struct watch_state *state)
{
	struct stat st;

	return fstat(state->fd, &st) || !st.st_nlink;
}

void watch_state_remove(const struct watch_state *state, const char *run_dir, const char *name)
{
	if (watch_state_lost(state))
		return;
	unlink(state->path);
	ctl_run_leave(run_dir, name);
}
