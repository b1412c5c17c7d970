/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Check that a daemon serves the store that the previous generation served. */
#ifndef DMUSER_DAEMON_STORE_H
#define DMUSER_DAEMON_STORE_H

#include "daemon/daemon.h"

/*
 * dmu_store_check() compares the store with the one that was served last, as far as that is known,
 * and fills daemon->store. dmu_store_claim() records a store that is new to the device, for a new
 * device before its tab line, and refuses the store of another device. Both return 0 or -errno,
 * blamed.
 */
int dmu_store_check(struct dmu_context *daemon);
int dmu_store_claim(struct dmu_context *daemon);
/*
 * After a takeover, refuse a store that another device is made of, and let the device's table claim
 * it if it can. Return 0 or -errno, blamed.
 */
int dmu_store_check_holders(struct dmu_context *daemon);

#endif
