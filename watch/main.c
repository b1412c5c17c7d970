// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * dmuser-watch: restart the daemon of a device when it has died. The files, in the order in which
 * they run:
 *
 *	options.c	reads the command line
 *	home.c		enters a root in memory, and executes the program again from there
 *	state.c		locks RUN_DIR/NAME/watch: one watchdog a device, others stand by
 *	run.c		the loop: wait for a death, look, pause, start
 *	  look.c	finds the daemon that serves
 *	  program.c	keeps a copy of that daemon's program
 *	  delay.c	the pause before the next start
 *	  signals.c	ends the loop
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/launch.h"
#include "rundir/clean.h"
#include "rundir/directory.h"
#include "watch/watch.h"

static int say(const struct watch_options *options, const char *error)
{
	fprintf(stderr, WATCH_PROGRAM ": %s: %s\n", options->name, error);
	return DMU_EXIT_FAILED;
}

struct start {
	struct dmu_launch launch;
};

static void ready(void *arg)
{
	struct start *start = arg;

	watch_streams_leave();
	dmu_launch_succeed(&start->launch);
}

static void log_open(void)
{
	dmu_log_open(WATCH_PROGRAM, open("/dev/kmsg", O_WRONLY | O_CLOEXEC | O_NOCTTY), -1);
}

/* Run in the process that stays. Of the caller's descriptors it keeps the standard ones. */
static int reside(struct start *start, char *error, size_t len)
{
	const int keep[] = { STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO, start->launch.fd };
	int ret;

	ret = dmu_resident_close_fds(keep, start->launch.fd < 0 ? 3 : 4);
	if (!ret)
		ret = dmu_resident_set_limits();
	if (!ret)
		ret = dmu_resident_forbid_core();
	if (!ret)
		ret = dmu_resident_oom_exempt();
	if (!ret)
		ret = dmu_resident_lock_memory();
	if (!ret)
		ret = watch_home_lock();
	if (!ret)
		ret = watch_signals_hold();
	if (ret)
		snprintf(error, len, "cannot become resident: %s", strerror(-ret));
	log_open();
	return ret;
}

static int watch(const struct watch_options *options, struct start *start)
{
	static struct watch_state state;
	char error[DMU_ERROR_MAX] = "";
	int status = DMU_EXIT_FAILED, ret;

	ret = reside(start, error, sizeof(error));
	if (!ret) {
		ret = watch_state_open(&state, options);
		if (options->foreground && (ret == -EINTR || ret == -ENXIO))
			return DMU_EXIT_DONE;
		if (ret)
			snprintf(error, sizeof(error), "%s", ret == -EWOULDBLOCK ?
				 "another " WATCH_PROGRAM " watches it already" : strerror(-ret));
	}
	if (!ret) {
		status = watch_run(options, &state, ready, start, error, sizeof(error));
		dmu_watchdog_remove(state.fd, options->run_dir, options->name);
		/* A confined daemon cannot remove the files of a device that is gone. */
		if (!dmu_dm_exists(options->name))
			dmu_run_clean(options->run_dir, options->name);
	}
	if (status == DMU_EXIT_FAILED) {
		char text[DMU_ERROR_MAX + DMU_NAME_MAX + 3];

		snprintf(text, sizeof(text), "%s: %s", options->name, error);
		if (start->launch.fd < 0) {
			dmu_log(DMU_LOG_ERR, "%s", text);
			say(options, error);
		}
		dmu_launch_fail(&start->launch, text);
	}
	return status;
}

int main(int argc, char **argv)
{
	struct start start = { .launch.fd = -1 };
	struct watch_options options;
	char error[DMU_ERROR_MAX];
	int status;

	dmu_process_begin();
	watch_options_parse(&options, argc, argv);
	if (geteuid() != 0)
		return say(&options, "must be root");
	/* No allocation here, or in a daemon that it starts, may wait for I/O of the device. */
	if (dmu_resident_io_flusher())
		return say(&options, "cannot become an I/O flusher: CAP_SYS_RESOURCE is needed");
	if (!watch_home_entered(argv)) {
		status = dmu_dm_exists(options.name);
		if (status <= 0)
			return say(&options, status ? strerror(-status) : "no such device");
		/* Before the daemon is asked, which may hang. */
		log_open();
		watch_seal_left_open(&options);
		watch_home_enter(&options, argv, error, sizeof(error));
		return say(&options, error);
	}
	if (!options.foreground) {
		status = dmu_launch_detach(&start.launch, WATCH_PROGRAM);
		if (status >= 0)
			return status;
	}
	return watch(&options, &start);
}
