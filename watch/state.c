// SPDX-License-Identifier: GPL-2.0-or-later
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "watch/watch.h"

#define STANDBY_MS	500

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
	int ret;

	for (;;) {
		state->fd = dmu_watchdog_lock(options->run_dir, options->name);
		if (state->fd >= 0) {
			state->told.pid = getpid();
			return 0;
		}
		ret = state->fd;
		if (ret != -ESTALE && (ret != -EWOULDBLOCK || !options->foreground))
			break;
		watch_streams_leave();
		ret = stand_by(options);
		if (ret)
			break;
	}
	/* The run directory goes with the device. */
	return ret == -ENOENT && !dmu_dm_exists(options->name) ? -ENXIO : ret;
}

void watch_state_write(const struct watch_options *options, const struct watch_state *state)
{
	int ret = dmu_watchdog_write(state->fd, &state->told);

	if (ret)
		dmu_log(DMU_LOG_WARNING, "%s: cannot write %s/%s/" DMU_WATCH_NAME ": %s",
			options->name, options->run_dir, options->name, strerror(-ret));
}
