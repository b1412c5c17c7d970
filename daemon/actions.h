/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Do what dmu_transition() asks for. */
#ifndef DMUSER_DAEMON_ACTIONS_H
#define DMUSER_DAEMON_ACTIONS_H

#include "daemon/daemon.h"

void dmu_daemon_act(struct dmu_context *daemon, enum dmu_action action);

#endif
