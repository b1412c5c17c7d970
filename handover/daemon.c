// SPDX-License-Identifier: GPL-2.0-or-later
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "handover/context.h"
#include "handover/options.h"

int dmu_daemon_blame(struct dmu_daemon *daemon, int error, const char *format, ...)
{
	va_list args;

	daemon->reason.error = (uint32_t)error;
	va_start(args, format);
	vsnprintf(daemon->reason.reason, sizeof(daemon->reason.reason), format, args);
	va_end(args);
	return -error;
}

void dmu_daemon_raise(struct dmu_daemon *daemon, enum dmu_event event)
{
	daemon->raised = event;
}

static void dmu_daemon_init(struct dmu_daemon *daemon, const struct dmu_stage *stage)
{
	unsigned int i;

	memset(daemon, 0, sizeof(*daemon));
	daemon->stage = stage;
	daemon->state = DMU_STATE_START;
	daemon->raised = DMU_EVENT_END;
	daemon->launch.fd = -1;
	daemon->rundir.lock = -1;
	daemon->rundir.tab = -1;
	daemon->kmsg = -1;
	daemon->confinement.status_fd = -1;
	daemon->peer.socket = -1;
	daemon->peer_pidfd = -1;
	daemon->room.fd = -1;
	daemon->self_pidfd = -1;
	daemon->listener = -1;
	daemon->timer = -1;
	daemon->ticker = -1;
	daemon->signals = -1;
	for (i = 0; i < DMU_CONNECTIONS_MAX; i++)
		daemon->connections[i] = -1;
}

/* Signals come by descriptor; the threads are made with all of them blocked. */
static int dmu_daemon_open_signals(void)
{
	sigset_t set;

	signal(SIGPIPE, SIG_IGN);
	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGHUP);
	sigaddset(&set, SIGQUIT);
	if (sigprocmask(SIG_BLOCK, &set, NULL))
		return -1;
	return signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

/* After it the process has all the descriptors that it makes for itself. */
static int dmu_start_descriptors(struct dmu_daemon *daemon)
{
	daemon->kmsg = open("/dev/kmsg", O_WRONLY | O_CLOEXEC | O_NOCTTY);
	dmu_log_open(daemon->stage->program, daemon->kmsg,
		     daemon->options.foreground ? STDERR_FILENO : -1);
	daemon->signals = dmu_daemon_open_signals();
	daemon->timer = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	daemon->ticker = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	daemon->self_pidfd = (int)syscall(SYS_pidfd_open, getpid(), 0);
	daemon->peer_pidfd = open("/dev/null", O_RDWR | O_CLOEXEC);
	if (daemon->signals < 0 || daemon->timer < 0 || daemon->ticker < 0 ||
	    daemon->self_pidfd < 0 || daemon->peer_pidfd < 0)
		return dmu_daemon_blame(daemon, errno, "cannot open descriptors: %s",
					strerror(errno));
	return 0;
}

static int dmu_start_rundir(struct dmu_daemon *daemon)
{
	char error[DMU_WIRE_REASON_MAX];
	int rc = dmu_rundir_open(&daemon->rundir, &daemon->options, error, sizeof(error));

	return rc ? dmu_daemon_blame(daemon, -rc, "%s", error) : 0;
}

/* Everything that needs no device. */
const struct dmu_step dmu_start_steps[] = {
	DMU_STEP(dmu_start_descriptors),
	DMU_STEP(dmu_start_rundir),
	{ NULL, NULL },
};

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
	status = dmu_options_parse(&daemon.options, stage, argc, argv);
	if (status >= 0)
		return status;
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
		/* Who makes a device must be able to remove it. */
		daemon.launch.depends = daemon.options.takeover;
		status = dmu_launch_detach(&daemon.launch, stage->program);
		if (status >= 0)
			return status;
	}
	return dmu_daemon_serve(&daemon);
}
