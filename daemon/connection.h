/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Connections to the handover socket: status requests, and the next newcomer. */
#ifndef DMUSER_DAEMON_CONNECTION_H
#define DMUSER_DAEMON_CONNECTION_H

#include "daemon/daemon.h"

void dmu_daemon_accept(struct dmu_context *daemon);
/* Read what connections[@index] has sent. true: it is a newcomer, which is now the peer. */
bool dmu_daemon_answer(struct dmu_context *daemon, unsigned int index);

#endif
