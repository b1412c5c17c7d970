// SPDX-License-Identifier: GPL-2.0-or-later
#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "handover/peer.h"
#include "rundir/listener.h"
#include "watch/watch.h"

/* Ask the kernel for the policy and the status of the target. 0 or -errno. */
static int ask_kernel(const char *name, struct watch_view *view)
{
	struct dmu_target_policy policy;
	char text[8192];
	int ret;

	ret = dmu_dm_status(name, true, text, sizeof(text));
	if (!ret)
		ret = dmu_target_policy_parse(&policy, text, false);
	if (!ret && snprintf(view->ctl, sizeof(view->ctl), "%s", policy.ctl) >=
		    (int)sizeof(view->ctl))
		ret = -EINVAL;
	if (!ret)
		ret = dmu_dm_status(name, false, text, sizeof(text));
	return ret ? ret : dmu_target_status_parse(&view->kstatus, text);
}

/* The pid of the process that listens, from the kernel; 0: none; or -errno. */
static pid_t listener(const struct watch_options *options)
{
	pid_t pid = dmu_listener_pid(options->run_dir, options->name);

	return pid == -ENOENT || pid == -ECONNREFUSED ? 0 : pid;
}

bool watch_has_died(int pidfd)
{
	struct pollfd death = { .fd = pidfd, .events = POLLIN };

	return poll(&death, 1, 0) != 0;
}

/* A daemon listens before it serves, and its start may hang. */
static bool says_that_it_serves(const struct watch_options *options)
{
	struct dmu_listener daemon;
	char error[DMU_ERROR_MAX];

	return !dmu_listener_ask(options->run_dir, options->name, &daemon, error, sizeof(error));
}

__attribute__((format(printf, 2, 3)))
static enum watch_sight unclear(struct watch_view *view, const char *format, ...)
{
	va_list args;

	if (view->pidfd >= 0)
		close(view->pidfd);
	view->pidfd = -1;
	va_start(args, format);
	vsnprintf(view->why, sizeof(view->why), format, args);
	va_end(args);
	return WATCH_UNCLEAR;
}

enum watch_sight watch_look(const struct watch_options *options, pid_t known,
			    struct watch_view *view)
{
	int ret;

	memset(view, 0, sizeof(*view));
	view->pidfd = -1;
	ret = ask_kernel(options->name, view);
	/* Also when the device has a table of another target: it is retired. */
	if (ret == -ENXIO || ret == -EMEDIUMTYPE)
		return WATCH_GONE;
	if (ret)
		return unclear(view, "cannot ask the kernel about it: %s", strerror(-ret));
	view->pid = listener(options);
	if (!view->pid && !view->kstatus.channels)
		return WATCH_NOBODY;
	if (!view->pid)
		return unclear(view, "no process listens, but a process has a channel of it");
	if (view->pid < 0)
		return unclear(view, "cannot reach the daemon: %s",
			       view->pid == -EAGAIN ? "it does not answer" : strerror(-view->pid));
	view->pidfd = syscall(SYS_pidfd_open, view->pid, 0);
	/*
	 * During a handover the socket names the dead daemon for a moment. Two equal answers: the
	 * pidfd is of the process that listens.
	 */
	if (view->pidfd < 0 || watch_has_died(view->pidfd) || listener(options) != view->pid)
		return unclear(view, "pid %d listened, but is dead", (int)view->pid);
	if (view->pid != known && !says_that_it_serves(options))
		return unclear(view, "pid %d listens, but does not say that it serves",
			       (int)view->pid);
	return WATCH_SERVED;
}
