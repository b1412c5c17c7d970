/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* How a newcomer finds the old daemon, and takes its OFFER. */
#ifndef DMUSER_DAEMON_NEWCOMER_H
#define DMUSER_DAEMON_NEWCOMER_H

#include "daemon/daemon.h"

/* Connect to the socket of the serving daemon. Raises CONNECTED, NO_PEER or, blamed, REFUSE. */
void dmu_daemon_connect(struct dmu_context *daemon);
/* Check an OFFER and take all descriptors of @packet. Return 0 or -errno, blamed. */
int dmu_daemon_take_offer(struct dmu_context *daemon, struct dmu_packet *packet);

#endif
