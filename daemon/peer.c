// SPDX-License-Identifier: LGPL-2.1-or-later
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

#include "daemon/peer.h"

/* #syscalls main: dup3 close */
int dmu_peer_adopt(struct dmu_context *daemon, int pidfd)
{
	int rc = 0;

	if (dup3(pidfd, daemon->peer_pidfd, O_CLOEXEC) < 0)
		rc = dmu_daemon_blame(daemon, errno, "cannot keep the pidfd: %s",
				      strerrordesc_np(errno));
	close(pidfd);
	daemon->peer.known = !rc;
	return rc;
}

bool dmu_peer_has_died(const struct dmu_context *daemon)
{
	struct pollfd pidfd = { .fd = daemon->peer_pidfd, .events = POLLIN };

	return daemon->peer.known && poll(&pidfd, 1, 0) == 1;
}
