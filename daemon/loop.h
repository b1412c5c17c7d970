/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What happens -> events -> transition table -> actions. */
#ifndef DMUSER_DAEMON_LOOP_H
#define DMUSER_DAEMON_LOOP_H

#include "daemon/daemon.h"

/* Up to the end. The exit status. */
int dmu_daemon_run(struct dmu_daemon *daemon);

#endif
