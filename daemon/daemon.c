// SPDX-License-Identifier: LGPL-2.1-or-later
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "daemon/daemon.h"

int dmu_daemon_blame(struct dmu_context *daemon, int error, const char *format, ...)
{
	va_list args;

	daemon->reason.error = (uint32_t)error;
	va_start(args, format);
	vsnprintf(daemon->reason.reason, sizeof(daemon->reason.reason), format, args);
	va_end(args);
	return -error;
}

void dmu_daemon_raise(struct dmu_context *daemon, enum dmu_event event)
{
	daemon->raised = event;
}

void dmu_daemon_init(struct dmu_context *daemon, const struct dmu_daemon *program)
{
	unsigned int i;

	memset(daemon, 0, sizeof(*daemon));
	daemon->program = program;
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
