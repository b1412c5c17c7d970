/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Processes that connect: status requests, and the next newcomer. */
#ifndef DMUSER_DAEMON_CONNECTION_H
#define DMUSER_DAEMON_CONNECTION_H

#include "daemon/daemon.h"

void dmu_daemon_accept(struct dmu_daemon *daemon);
/* Something has come on connections[@index]. true: it is a newcomer, and now the peer. */
bool dmu_daemon_answer(struct dmu_daemon *daemon, unsigned int index);

#endif
