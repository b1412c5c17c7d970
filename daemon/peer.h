/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The process at the other end of a handover. */
#ifndef DMUSER_DAEMON_PEER_H
#define DMUSER_DAEMON_PEER_H

#include "daemon/daemon.h"

/* Move the peer's @pidfd to the peer's fixed number. Return 0 or -errno, blamed. */
int dmu_peer_adopt(struct dmu_context *daemon, int pidfd);
bool dmu_peer_has_died(const struct dmu_context *daemon);

#endif
