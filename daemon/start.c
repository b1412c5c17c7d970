// SPDX-License-Identifier: LGPL-2.1-or-later
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "daemon/start.h"

/* Signals come by descriptor. The threads start with all signals blocked. */
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

/* Open all descriptors that the daemon makes for itself. */
static int dmu_start_descriptors(struct dmu_context *daemon)
{
	daemon->kmsg = open("/dev/kmsg", O_WRONLY | O_CLOEXEC | O_NOCTTY);
	dmu_log_open(daemon->program->name, daemon->kmsg,
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

static int dmu_start_rundir(struct dmu_context *daemon)
{
	char error[DMU_WIRE_REASON_MAX];
	int rc = dmu_rundir_open(&daemon->rundir, daemon->options.run_dir, daemon->options.name,
				 error, sizeof(error));

	return rc ? dmu_daemon_blame(daemon, -rc, "%s", error) : 0;
}

const struct dmu_step dmu_start_steps[] = {
	DMU_STEP(dmu_start_descriptors),
	DMU_STEP(dmu_start_rundir),
	{ NULL, NULL },
};
