/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The main loop: descriptors -> events -> transition table -> actions. */
#ifndef DMUSER_DAEMON_LOOP_H
#define DMUSER_DAEMON_LOOP_H

#include "daemon/daemon.h"

/* Run until the daemon ends. Return its exit status. */
int dmu_daemon_run(struct dmu_context *daemon);

#endif
