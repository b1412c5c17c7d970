// SPDX-License-Identifier: GPL-2.0-or-later
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "handover/peer.h"
#include "watch/watch.h"

/* What the kernel says of the target. 0 or -errno. */
static int ask_kernel(const char *name, struct watch_view *view)
{
	struct ctl_policy policy;
	char text[8192];
	int ret;

	ret = dmu_dm_status(name, true, text, sizeof(text));
	if (!ret)
		ret = ctl_policy_parse(&policy, text);
	if (!ret && snprintf(view->ctl, sizeof(view->ctl), "%s", policy.ctl) >= (int)sizeof(view->ctl))
		ret = -EINVAL;
	if (!ret)
		ret = dmu_dm_status(name, false, text, sizeof(text));
	return ret ? ret : ctl_kstatus_parse(&view->kstatus, text);
}

/* The pid of who listens: the kernel's word, not the daemon's. 0: nobody. */
static pid_t listener(const struct watch_options *options)
{
	char path[CTL_PATH_MAX];
	int fd, pid;

	if (ctl_run_path(path, sizeof(path), options->run_dir, options->name, DMU_SOCKET_NAME))
		return -ENAMETOOLONG;
	fd = dmu_peer_connect(path);
	if (fd == -ENOENT || fd == -ECONNREFUSED)
		return 0;
	if (fd < 0)
		return fd;
	pid = dmu_peer_pid(fd);
	close(fd);
	return pid;
}

static bool has_died(int pidfd)
{
	struct pollfd death = { .fd = pidfd, .events = POLLIN };

	return poll(&death, 1, 0) != 0;
}

enum watch_sight watch_look(const struct watch_options *options, struct watch_view *view)
{
	int ret;

	memset(view, 0, sizeof(*view));
	view->pidfd = -1;
	ret = ask_kernel(options->name, view);
	if (ret == -ENXIO)
		return WATCH_GONE;
	if (ret)
		return WATCH_UNCLEAR;
	view->pid = listener(options);
	if (!view->pid)
		return view->kstatus.channels ? WATCH_UNCLEAR : WATCH_NOBODY;
	if (view->pid < 0)
		return WATCH_UNCLEAR;
	view->pidfd = syscall(SYS_pidfd_open, view->pid, 0);
	/* In a handover the dead one's name stands there for a moment. Asked twice: it is that process. */
	if (view->pidfd >= 0 && (has_died(view->pidfd) || listener(options) != view->pid)) {
		close(view->pidfd);
		view->pidfd = -1;
	}
	return view->pidfd < 0 ? WATCH_UNCLEAR : WATCH_SERVED;
}
