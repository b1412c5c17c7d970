// SPDX-License-Identifier: GPL-2.0-or-later
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "watch/watch.h"

#define STANDBY_MS	500

/* 0; -EWOULDBLOCK: another one has it; -ESTALE: it has just been removed by who had it. */
static int open_locked(struct watch_state *state)
{
	struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
	int ret;

	state->fd = open(state->path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (state->fd < 0)
		return -errno;
	/* A kind of lock that can be asked about without being taken: see dmu_watchdog_read(). */
	if (fcntl(state->fd, F_OFD_SETLK, &lock))
		ret = -errno;
	else
		ret = watch_state_lost(state) ? -ESTALE : 0;
	if (ret)
		close(state->fd);
	return ret;
}

/* While another one watches. 0, or why there is no need to wait any more. */
static int stand_by(const struct watch_options *options)
{
	watch_signals_poll(NULL, 0, STANDBY_MS);
	if (watch_signals_told())
		return -EINTR;
	return dmu_dm_exists(options->name) ? 0 : -ENXIO;
}

void watch_streams_leave(void)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC), fd;

	for (fd = 0; null >= 0 && fd <= STDERR_FILENO; fd++)
		dup2(null, fd);
	if (null > STDERR_FILENO)
		close(null);
}

int watch_state_open(struct watch_state *state, const struct watch_options *options)
{
	int ret = dmu_run_path(state->path, sizeof(state->path), options->run_dir, options->name, DMU_WATCH_NAME);

	while (!ret) {
		ret = open_locked(state);
		if (ret != -ESTALE && (ret != -EWOULDBLOCK || !options->foreground))
			break;
		watch_streams_leave();
		ret = stand_by(options);
	}
	/* The run directory goes with the device. */
	return ret == -ENOENT && !dmu_dm_exists(options->name) ? -ENXIO : ret;
}

void watch_state_write(const struct watch_state *state)
{
	char line[DMU_ERROR_MAX + 128];
	int n;

	/* The reason comes last, as it has blanks in it. */
	n = snprintf(line, sizeof(line),
		     "pid=%d restarts=%u attempts=%u down_ms=%" PRIu64 " next_ms=%" PRIu64
		     " reason=%s\n",
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
	dmu_run_leave(run_dir, name);
}
