// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * The properties that a process inherits from its starter: a shell with closed descriptors, a
 * service manager that ignores signals, an init script without a console. None may change what the
 * process does.
 */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/ioprio.h>
#include <sched.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "lib/dmuser.h"

/* The next descriptor that is opened must not become standard output. */
static void fill_stdio(void)
{
	int fd;

	for (fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++) {
		if (fcntl(fd, F_GETFD) >= 0)
			continue;
		/* open() returns this number, the lowest free. Without /dev, prevent writes. */
		if (open("/dev/null", O_RDWR | O_NOCTTY) < 0)
			open("/", O_PATH);
	}
}

/* With SIGCHLD ignored, waits for children fail, and a kill may hit a process with a reused pid. */
static void reset_signals(void)
{
	sigset_t none;

	signal(SIGCHLD, SIG_DFL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
}

/* With an idle priority, processes that wait for this one would wait for all others, too. */
static void reset_priority(void)
{
	const struct sched_param param = { 0 };
	int policy = sched_getscheduler(0) & ~SCHED_RESET_ON_FORK;

	if (policy == SCHED_IDLE || policy == SCHED_BATCH)
		sched_setscheduler(0, SCHED_OTHER, &param);
	if (getpriority(PRIO_PROCESS, 0) > 0)
		setpriority(PRIO_PROCESS, 0, 0);
	if (IOPRIO_PRIO_CLASS(syscall(SYS_ioprio_get, IOPRIO_WHO_PROCESS, 0)) == IOPRIO_CLASS_IDLE)
		syscall(SYS_ioprio_set, IOPRIO_WHO_PROCESS, 0, 0);
}

void dmu_process_begin(void)
{
	fill_stdio();
	reset_signals();
	reset_priority();
	umask(077);
	/* Root needs no groups. Without any, setgroups() need not ask a security policy. */
	if (!geteuid() && getgroups(0, NULL) > 0)
		setgroups(0, NULL);
}
