/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Whether the kernel maps the store by itself, and that it does. "Maps" means: one extent over all
 * of the device, requests that reach the daemon are remapped, and the store is not open.
 */
#ifndef DMUSER_DAEMON_EXTENTS_H
#define DMUSER_DAEMON_EXTENTS_H

#include "daemon/daemon.h"

/*
 * *@fit: could the kernel map the store of @spec, which is not decided yet, by the table of device
 * @name? 0, or -errno of device-mapper.
 */
int dmu_extents_fit(const struct dmu_backend_ops *ops, const struct dmu_spec *spec,
		    const char *name, bool *fit);
/* Shall the table of a new device have extents, for this generation or a later one? */
bool dmu_extents_for_new_table(const struct dmu_backend_ops *ops, const struct dmu_spec *spec);
/*
 * Decide daemon->spec.extents, and with it the cache mode, before the store is opened for @use. 0,
 * or -EINVAL, blamed: the spec asks for what cannot be.
 */
int dmu_extents_decide(struct dmu_context *daemon, enum dmu_use use);
/* Is it decided that the kernel maps the store? */
bool dmu_extents_are_on(const struct dmu_context *daemon);
/* Check the order of the handover, and that the table maps to the store. 0, or -errno, blamed. */
int dmu_extents_check(struct dmu_context *daemon);
/* No other generation uses the page cache any more, unless the order is exclusive. */
void dmu_extents_prepare(struct dmu_context *daemon);
/*
 * The old daemon has stopped, or is dead, and no request has been answered since: make the store
 * fit for the mode of this one. 0, or -errno, blamed.
 */
int dmu_extents_begin(struct dmu_context *daemon);
/* Let the kernel map the store, once this daemon serves alone. True: nothing is left to be done. */
bool dmu_extents_map(struct dmu_context *daemon);

#endif
