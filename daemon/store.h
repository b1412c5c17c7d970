/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Is it the storage that the generation before us served? */
#ifndef DMUSER_DAEMON_STORE_H
#define DMUSER_DAEMON_STORE_H

#include "daemon/daemon.h"

/*
 * It is what the daemon before served, for all we know; daemon->store is ours then. One
 * that is new to the device is recorded, for a new device before its tab line, and refused if it is
 * another device's. Both 0 or -errno, blamed.
 */
int dmu_store_check(struct dmu_daemon *daemon);
int dmu_store_claim(struct dmu_daemon *daemon);
/* With a takeover: no other device is made of the store, and ours claims it where it can. */
int dmu_store_check_holders(struct dmu_daemon *daemon);

#endif
