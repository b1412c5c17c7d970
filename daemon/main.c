// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Both stages, from the command line to the exit. What runs when:
 *
 *	options.c	the command line
 *	start.c		descriptors and the run directory: what needs no device
 *	loop.c		waits for what happens, asks handover/transition.c what to do, and has actions.c do it:
 *	  newcomer.c	with --takeover: finds the serving daemon, takes its OFFER; or
 *	  attach.c	nobody serves: creates the device, or opens its node
 *	  prepare.c	backend, residence, confinement, threads, self-test: up to the first answer
 *	  store.c	is it the storage that the generation before served?
 *	  connection.c	once it serves: answers questions, and welcomes the next newcomer
 *	  status.c	what it says of itself
 *	  peer.c	the process at the other end of a handover
 *	  state.c	what only the backend's memory knows goes from the old one to the newcomer
 *
 * daemon.h has all that they share.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "daemon/actions.h"
#include "daemon/attach.h"
#include "daemon/loop.h"
#include "daemon/options.h"
#include "daemon/start.h"

/* In the process that serves. Its exit status. */
static int dmu_daemon_serve(struct dmu_daemon *daemon)
{
	int status = DMU_EXIT_FAILED;

	if (dmu_steps_run(daemon, dmu_start_steps))
		dmu_daemon_act(daemon, DMU_ACTION_REPORT_FAILURE);
	else
		status = dmu_daemon_run(daemon);
	/*
	 * What has served leaves everything else to the end of the process, which closes the
	 * channels when the last thread has left its last system call, and not earlier.
	 */
	if (status == DMU_EXIT_FAILED && !daemon->since_ms && !daemon->filtered)
		dmu_daemon_detach(daemon);
	return status;
}

int dmu_daemon_main(const struct dmu_stage *stage, int argc, char **argv)
{
	/* Static: the locked stack stays small. */
	static struct dmu_daemon daemon;
	int status;

	dmu_process_begin();
	dmu_daemon_init(&daemon, stage);
	dmu_options_parse(&daemon.options, stage, argc, argv);
	if (daemon.options.query_spec)
		return dmu_query_answer(daemon.options.query, stage->program, daemon.options.query_spec);
	if (geteuid() != 0) {
		fprintf(stderr, "%s: only root can serve a device\n", stage->program);
		return DMU_EXIT_FAILED;
	}
	/*
	 * Before anything is opened or made: a device that nobody serves has I/O that only we can
	 * do, and our own start must not wait in reclaim for it.
	 */
	status = dmu_resident_io_flusher();
	if (status) {
		fprintf(stderr, "%s: cannot become an I/O flusher: %s%s\n", stage->program,
			strerror(-status), status == -EPERM ? " (CAP_SYS_RESOURCE is needed)" : "");
		return DMU_EXIT_FAILED;
	}
	dmu_resident_mark_argv(argv);
	if (!daemon.options.foreground) {
		/* A daemon that makes a device must live to remove it. */
		daemon.launch.depends = daemon.options.takeover;
		status = dmu_launch_detach(&daemon.launch, stage->program);
		if (status >= 0)
			return status;
	}
	return dmu_daemon_serve(&daemon);
}
