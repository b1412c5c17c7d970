// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Both stages, from the command line to the exit. The files, in the order in which they run:
 *
 *	options.c	reads the command line
 *	query.c		answers --sources, --files and --identity instead
 *	start.c		descriptors and the run directory: needs no device
 *	loop.c		waits for events, looks them up in handover/transition.c, calls actions.c
 *	  newcomer.c	with --takeover: finds the serving daemon, takes its OFFER; or
 *	  attach.c	no daemon serves: creates the device, or opens its node
 *	  prepare.c	backend, residence, confinement, threads, self-test: up to the first answer
 *	  identity.c	which store the backend serves
 *	  extents.c	lets the kernel map the store, where it can
 *	  store.c	checks that the store is the one that the generation before served
 *	  connection.c	once it serves: answers questions, and welcomes the next newcomer
 *	  status.c	what the daemon reports about itself
 *	  peer.c	the process at the other end of a handover
 *	  state.c	carries the backend's state from the old daemon to the newcomer
 *
 * daemon.h has the struct that they share; steps.c runs the lists of steps in start.c, attach.c and
 * prepare.c.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "daemon/actions.h"
#include "daemon/attach.h"
#include "daemon/loop.h"
#include "daemon/api.h"
#include "daemon/options.h"
#include "daemon/start.h"
#include "rundir/clean.h"

/* Run in the process that serves. Return its exit status. */
static int dmu_daemon_serve(struct dmu_context *daemon)
{
	int status = DMU_EXIT_FAILED;

	if (dmu_steps_run(daemon, dmu_start_steps))
		dmu_daemon_act(daemon, DMU_ACTION_REPORT_FAILURE);
	else
		status = dmu_daemon_run(daemon);
	/*
	 * A daemon that has served leaves everything to the end of the process: only that closes
	 * the channels no earlier than the last thread has left its last system call.
	 */
	if (status == DMU_EXIT_FAILED && !daemon->since_ms && !daemon->filtered)
		dmu_daemon_detach(daemon);
	return status;
}

/*
 * A daemon is dead that had created its device, and could not remove it. Run in its parent, which
 * has printed why: this goes to the log.
 */
static void dmu_daemon_clean_up(const struct dmu_daemon *program,
				const struct dmu_daemon_options *options)
{
	int rc;

	dmu_log_open(program->name, open("/dev/kmsg", O_WRONLY | O_CLOEXEC | O_NOCTTY), -1);
	rc = dmu_daemon_remove_device(options->name);
	if (!rc || rc == -ENXIO)
		dmu_run_clean(options->run_dir, options->name);
}

static bool dmu_daemon_refuse(const char *program, const char *what)
{
	fprintf(stderr, "%s: %s\n", program, what);
	return false;
}

/* Is @program a description that this library understands? */
static bool dmu_daemon_is_sound(const struct dmu_daemon *program)
{
	const struct dmu_backend_ops *const *each, *ops;

	if (program->abi != DMU_ABI)
		return dmu_daemon_refuse("dmuser", "this program was built for another version of "
					 "libdmuser than " DMU_VERSION);
	if (!program->name || !program->stage || !program->purpose || !program->backends)
		return dmu_daemon_refuse("dmuser", "struct dmu_daemon lacks name, stage, purpose "
					 "or backends");
	if (strlen(program->stage) >= sizeof(((struct dmu_wire_status *)0)->stage))
		return dmu_daemon_refuse(program->name, "its stage has too long a name");
	for (each = program->backends; *each; each++) {
		ops = *each;
		if (ops->abi != DMU_ABI)
			return dmu_daemon_refuse(program->name, "a backend was built for another "
						 "version of libdmuser than " DMU_VERSION);
		if (!ops->name || !ops->help || !ops->open || !ops->close || !ops->geometry ||
		    !ops->read)
			return dmu_daemon_refuse(program->name, "a backend lacks name, help, open, "
						 "close, geometry or read");
		if (!ops->maps != !ops->release)
			return dmu_daemon_refuse(program->name, "a backend has maps without "
						 "release, or the reverse");
		if (!ops->syscalls != !ops->syscall_count)
			return dmu_daemon_refuse(program->name, "a backend has syscalls without "
						 "syscall_count, or the reverse");
		if (!ops->state_max != !ops->export_state || (ops->state_max && !ops->begin))
			return dmu_daemon_refuse(program->name, "a backend with state lacks "
						 "state_max, export_state or begin");
	}
	return true;
}

/* #syscalls main: exit_group */
int dmu_daemon_main(const struct dmu_daemon *program, int argc, char **argv)
{
	/* Static, to keep the locked stack small. */
	static struct dmu_context daemon;
	int status;

	dmu_process_begin();
	if (!dmu_daemon_is_sound(program))
		return DMU_EXIT_FAILED;
	dmu_daemon_init(&daemon, program);
	dmu_daemon_options_parse(&daemon.options, program, argc, argv);
	if (daemon.options.query_spec)
		return dmu_query_answer(daemon.options.query, program,
					daemon.options.query_spec);
	if (geteuid() != 0) {
		fprintf(stderr, "%s: only root can serve a device\n", program->name);
		return DMU_EXIT_FAILED;
	}
	/*
	 * Before anything is opened or made: if no daemon serves the device, its I/O waits for this
	 * daemon, whose own start must not wait in reclaim for that I/O.
	 */
	status = dmu_resident_io_flusher();
	if (status) {
		fprintf(stderr, "%s: cannot become an I/O flusher: %s%s\n", program->name,
			strerror(-status), status == -EPERM ? " (CAP_SYS_RESOURCE is needed)" : "");
		return DMU_EXIT_FAILED;
	}
	dmu_resident_mark_argv(argv);
	if (!daemon.options.foreground) {
		/* A daemon that creates a device must survive its starter, to remove the device. */
		daemon.launch.depends = daemon.options.takeover;
		status = dmu_launch_detach(&daemon.launch, program->name);
		if (status == DMU_EXIT_FAILED && daemon.launch.entrusted)
			dmu_daemon_clean_up(program, &daemon.options);
		if (status >= 0)
			return status;
	}
	return dmu_daemon_serve(&daemon);
}
