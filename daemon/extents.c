// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * What is mapped passes the page cache of the store by. So a generation that maps uses the store as
 * one with direct I/O does: beside a buffered one it needs the order exclusive. Before the first
 * request of the newcomer the page cache is then written back and dropped, by the kernel: when it
 * is time, a confined daemon has no descriptor of the store.
 */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/sysmacros.h>

#include "daemon/extents.h"
#include "lib/target.h"

#define DMU_LOOK_MS	20
#define DMU_MAP_MS	1000	/* for a dead daemon's channels to close */
#define DMU_DROP_LOG_MS	10000

/* ---- decide ---- */

static dev_t dmu_extents_store(const struct dmu_backend_ops *ops, const struct dmu_spec *spec)
{
	return ops->maps ? ops->maps(spec) : 0;
}

/* *@backing: the first backing device of a table with extents, or 0. 0 or -errno. */
static int dmu_extents_in_table(const char *name, dev_t *backing)
{
	struct dmu_target_policy policy;
	unsigned int major, minor;
	char row[4096];
	int rc;

	*backing = 0;
	rc = dmu_dm_status(name, true, row, sizeof(row));
	if (!rc)
		rc = dmu_target_policy_parse(&policy, row, false);
	if (!rc && policy.extents && sscanf(policy.backing, "%u:%u", &major, &minor) == 2)
		*backing = makedev(major, minor);
	return rc;
}

bool dmu_extents_for_new_table(const struct dmu_backend_ops *ops, const struct dmu_spec *spec)
{
	return spec->extents != DMU_EXTENTS_NEVER && dmu_extents_store(ops, spec) &&
	       dmu_dm_has_extents();
}

int dmu_extents_fit(const struct dmu_backend_ops *ops, const struct dmu_spec *spec,
		    const char *name, bool *fit)
{
	dev_t store = dmu_extents_store(ops, spec), backing;
	int rc;

	*fit = false;
	if (spec->extents > DMU_EXTENTS_ON || !store)
		return 0;
	rc = dmu_extents_in_table(name, &backing);
	*fit = !rc && backing == store;
	return rc;
}

/* The kernel knows whether the table of these channels has extents, device-mapper knows which. */
static int dmu_extents_fit_table(struct dmu_context *daemon, bool *fit)
{
	struct dm_user_info info;
	int rc = dmu_channel_info(daemon->channels[0], &info);

	*fit = false;
	if (rc || !(info.policy & DM_USER_POLICY_EXTENTS))
		return rc;
	return dmu_extents_fit(daemon->ops, &daemon->spec, daemon->options.name, fit);
}

int dmu_extents_decide(struct dmu_context *daemon, enum dmu_use use)
{
	struct dmu_spec *spec = &daemon->spec;
	bool fit;
	int rc = 0;

	if (use == DMU_USE_NEW)
		fit = spec->extents <= DMU_EXTENTS_ON &&
		      dmu_extents_for_new_table(daemon->ops, spec);
	else
		rc = dmu_extents_fit_table(daemon, &fit);
	if (rc)
		return dmu_daemon_blame(daemon, -rc, "cannot read the table of %s: %s",
					daemon->options.name, strerror(-rc));
	if (spec->extents == DMU_EXTENTS_ON && !dmu_extents_store(daemon->ops, spec))
		return dmu_daemon_blame(daemon, EINVAL, "extents=on: %s is no block device",
					spec->source);
	if (spec->extents == DMU_EXTENTS_ON && !fit)
		return dmu_daemon_blame(daemon, EINVAL, "extents=on: the device has no extents to "
					"%s: it was created without, or by an older kernel module",
					spec->source);
	spec->extents = fit ? DMU_EXTENTS_ON : DMU_EXTENTS_OFF;
	daemon->maps_like_old = fit && spec->cache == DMU_BUFFERED;
	if (fit)
		spec->cache = DMU_DIRECT;
	return 0;
}

bool dmu_extents_are_on(const struct dmu_context *daemon)
{
	return daemon->spec.extents == DMU_EXTENTS_ON;
}

/*
 * The old daemon has chosen the order for the cache mode that HELLO told, or for its own. Beside a
 * buffered one nothing may pass the page cache by.
 */
static int dmu_extents_check_order(struct dmu_context *daemon)
{
	struct dm_user_info info;

	if (!daemon->taken_over || daemon->peer.order == DMU_WIRE_EXCLUSIVE)
		return 0;
	if (daemon->told_cache != DMU_WIRE_CACHE_AS_OFFERED)
		return daemon->told_cache == (enum dmu_wire_cache)daemon->spec.cache ? 0 :
			dmu_daemon_blame(daemon, EAGAIN, "the table of %s has changed meanwhile",
					 daemon->options.name);
	if (!daemon->maps_like_old)
		return 0;
	if (dmu_channel_info(daemon->channels[0], &info) ||
	    !(info.state & DM_USER_STATE_BYPASSED))
		return dmu_daemon_blame(daemon, EAGAIN, "the serving daemon does not let the "
					"kernel map %s: give BACKEND:SOURCE", daemon->spec.source);
	return 0;
}

static bool dmu_extents_exist(const struct dmu_context *daemon)
{
	struct dm_user_extent extent;
	uint64_t sector = 0;

	return daemon->info.policy & DM_USER_POLICY_EXTENTS &&
	       dmu_channel_list(daemon->channels[0], &sector, &extent, 1) > 0;
}

/*
 * What is mapped is the store, for a generation that maps as for one that takes the extents back.
 * While the table claims a number, no other disk has it.
 */
int dmu_extents_check(struct dmu_context *daemon)
{
	const dev_t store = daemon->geometry.backing;
	dev_t mapped = 0;
	int rc = dmu_extents_check_order(daemon);

	if (rc || (!dmu_extents_are_on(daemon) && !dmu_extents_exist(daemon)))
		return rc;
	dmu_extents_in_table(daemon->options.name, &mapped);
	if (mapped != store)
		return dmu_daemon_blame(daemon, EXDEV, "%s is device %u:%u, and the table maps to "
					"%u:%u", daemon->spec.source, major(store), minor(store),
					major(mapped), minor(mapped));
	if (!dmu_extents_are_on(daemon) && daemon->info.state & DM_USER_STATE_PINNED)
		return dmu_daemon_blame(daemon, EBUSY, "the device is pinned by a 'dmuserctl "
					"retire' that was killed: repeat it, or unpin");
	return 0;
}

/* ---- the page cache ---- */

/* Call @change until it does not fail with -EBUSY, for @ms at most. */
static int dmu_extents_retry(struct dmu_context *daemon,
			     int (*change)(const struct dmu_context *daemon), unsigned int ms)
{
	uint64_t deadline = dmu_now_ms() + ms;
	int rc;

	while ((rc = change(daemon)) == -EBUSY && dmu_now_ms() < deadline)
		poll(NULL, 0, DMU_LOOK_MS);
	return rc;
}

static int dmu_extents_channel(const struct dmu_context *daemon)
{
	return daemon->server ? dmu_server_channel(daemon->server) : daemon->channels[0];
}

static int dmu_extents_call_drop(const struct dmu_context *daemon)
{
	return dmu_channel_drop(dmu_extents_channel(daemon));
}

/* What a process reads meanwhile does no harm: -EBUSY is no failure here. */
static void dmu_extents_write_back(struct dmu_context *daemon)
{
	int rc = dmu_extents_call_drop(daemon);

	if (rc && rc != -EBUSY)
		dmu_log(DMU_LOG_ERR, "%s: writes to %s are lost, the next flush fails: %s",
			daemon->options.name, daemon->spec.source, strerrordesc_np(-rc));
	daemon->settled = true;
}

/* ---- before there are requests ---- */

/* The old daemon writes to the store through its page cache until it stops. */
static bool dmu_extents_must_wait(const struct dmu_context *daemon)
{
	return daemon->taken_over && daemon->peer.order == DMU_WIRE_EXCLUSIVE;
}

void dmu_extents_prepare(struct dmu_context *daemon)
{
	if (!dmu_extents_are_on(daemon))
		return;
	/* What is written back now need not be while requests wait. */
	dmu_extents_write_back(daemon);
	daemon->settled = !dmu_extents_must_wait(daemon);
}

/* ---- map ---- */

static struct dm_user_extent dmu_extents_all(const struct dmu_context *daemon, unsigned int flags)
{
	return (struct dm_user_extent){
		.sector = daemon->info.start, .len = daemon->info.sectors, .flags = flags,
		.target = flags ? daemon->info.start : 0,
	};
}

static int dmu_extents_call_map(const struct dmu_context *daemon)
{
	const struct dm_user_extent all = dmu_extents_all(daemon,
		daemon->geometry.read_only ? DM_USER_EXTENT_READ :
					     DM_USER_EXTENT_READ | DM_USER_EXTENT_WRITE);

	return dmu_channel_map(dmu_extents_channel(daemon), &all, 1, NULL);
}

static int dmu_extents_call_unmap(const struct dmu_context *daemon)
{
	const struct dm_user_extent all = dmu_extents_all(daemon, 0);

	return dmu_channel_map(dmu_extents_channel(daemon), &all, 1, NULL);
}

/* An earlier generation has mapped or remapped. In doubt it has. */
static bool dmu_extents_are_left(const struct dmu_context *daemon)
{
	struct dm_user_info info;

	if (!(daemon->info.policy & DM_USER_POLICY_EXTENTS))
		return false;
	return dmu_channel_info(dmu_extents_channel(daemon), &info) ||
	       info.state & DM_USER_STATE_BYPASSED;
}

/* For a daemon that does all I/O itself, after generations that have not. */
static int dmu_extents_unmap(struct dmu_context *daemon)
{
	int rc = dmu_extents_retry(daemon, dmu_extents_call_unmap, daemon->options.timeout_ms);

	/* From here on nothing passes the page cache by, once what was mapped has ended. */
	if (!rc)
		rc = dmu_channel_sync(dmu_extents_channel(daemon));
	if (rc && daemon->spec.cache == DMU_BUFFERED)
		return dmu_daemon_blame(daemon, -rc, "cannot take the extents back: %s",
					strerrordesc_np(-rc));
	/* Direct I/O goes together with what is mapped. */
	if (rc)
		dmu_log(DMU_LOG_ERR, "%s: cannot take the extents back: %s", daemon->options.name,
			strerrordesc_np(-rc));
	if (daemon->spec.cache != DMU_BUFFERED)
		return 0;
	/* There is no way back: no other daemon could do better. */
	while ((rc = dmu_extents_retry(daemon, dmu_extents_call_drop, DMU_DROP_LOG_MS)) == -EBUSY)
		dmu_log(DMU_LOG_WARNING, "%s: requests wait: a process keeps pages of %s",
			daemon->options.name, daemon->spec.source);
	if (rc)
		dmu_log(DMU_LOG_ERR, "%s: writes to %s are lost, the next flush fails: %s",
			daemon->options.name, daemon->spec.source, strerrordesc_np(-rc));
	return 0;
}

int dmu_extents_begin(struct dmu_context *daemon)
{
	if (dmu_extents_are_on(daemon)) {
		if (!daemon->settled)
			dmu_extents_write_back(daemon);
		return 0;
	}
	/* The old daemon, while it lives, may still have to serve on. */
	if (daemon->state != DMU_STATE_SERVING || !dmu_extents_are_left(daemon))
		return 0;
	return dmu_extents_unmap(daemon);
}

bool dmu_extents_map(struct dmu_context *daemon)
{
	int rc;

	if (!dmu_extents_are_on(daemon) || daemon->mapped)
		return true;
	/* In a handover it is not alone. */
	if (daemon->state != DMU_STATE_SERVING)
		return false;
	rc = dmu_extents_retry(daemon, dmu_extents_call_map, daemon->map_tried ? 0 : DMU_MAP_MS);
	if (rc && !daemon->map_tried)
		dmu_log(DMU_LOG_WARNING, "%s: the kernel does not map %s yet: %s",
			daemon->options.name, daemon->spec.source, strerrordesc_np(-rc));
	daemon->map_tried = true;
	if (rc)
		return false;
	daemon->mapped = true;
	/* If a daemon holds a write, a later flush does this. */
	dmu_channel_clean(dmu_extents_channel(daemon));
	dmu_daemon_event(daemon, "mapped", "sectors=%llu",
			 (unsigned long long)daemon->info.sectors);
	return true;
}
