// SPDX-License-Identifier: GPL-2.0-or-later
#include <poll.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "ctl/leave.h"
#include "rundir/directory.h"
#include "rundir/listener.h"

#define EXIT_MS		5000

int ctl_leave_watch(const struct ctl_args *args)
{
	char error[DMU_ERROR_MAX];
	struct dmu_listener daemon;

	if (dmu_listener_ask(args->run_dir, args->name, &daemon, error, sizeof(error)))
		return -1;
	return syscall(SYS_pidfd_open, daemon.status.pid, 0);
}

void ctl_leave_await(int pidfd)
{
	struct pollfd fd = { .fd = pidfd, .events = POLLIN };

	if (pidfd < 0)
		return;
	poll(&fd, 1, EXIT_MS);
	close(pidfd);
}
