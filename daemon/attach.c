// SPDX-License-Identifier: LGPL-2.1-or-later
/* Start without a serving daemon: create the device or open its node, and bind the socket. */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "daemon/attach.h"
#include "daemon/extents.h"
#include "daemon/store.h"

/* How long to wait for a dying daemon's channels: they close when its last write has ended. */
#define DMU_ALONE_MS	DMU_TIMEOUT_MS
#define DMU_LOOK_MS	20

int dmu_daemon_open_backend(struct dmu_context *daemon, const struct dmu_spec *spec,
			    enum dmu_use use)
{
	char error[DMU_WIRE_REASON_MAX] = "";
	int rc;

	/* @spec may be daemon->spec itself. */
	memmove(&daemon->spec, spec, sizeof(*spec));
	daemon->ops = dmu_backend_find(daemon->program->backends, spec->backend);
	if (!daemon->ops)
		return dmu_daemon_blame(daemon, EINVAL, "unknown backend '%s'", spec->backend);
	rc = dmu_extents_decide(daemon, use);
	if (rc)
		return rc;
	rc = daemon->ops->open(&daemon->backend, &daemon->spec, use, error, sizeof(error));
	if (rc)
		return dmu_daemon_blame(daemon, -rc, "%s", error);
	daemon->ops->geometry(daemon->backend, &daemon->geometry);
	return 0;
}

static int dmu_attach_open_node(struct dmu_context *daemon)
{
	const char *name = daemon->options.name, *ctl = daemon->options.ctl;
	int fd = dmu_channel_open(ctl);

	if (fd >= 0) {
		daemon->channels[daemon->channel_count++] = fd;
		return 0;
	}
	if (fd == -ENOENT)
		return dmu_daemon_blame(daemon, ENOENT,
					"no control node " DMU_NODE_DIR "/%s: no such device", ctl);
	if (fd == -EPERM && geteuid() == 0)
		return dmu_daemon_blame(daemon, EPERM,
					DMU_NODE_DIR "/%s is sealed and no daemon serves: "
					"run 'dmuserctl unseal %s' first", ctl, name);
	return dmu_daemon_blame(daemon, -fd, "cannot open " DMU_NODE_DIR "/%s: %s", ctl,
				strerror(-fd));
}

static void dmu_attach_add_size(char *args, size_t len, const char *key, uint32_t value)
{
	size_t used = strlen(args);

	if (!strstr(args, key))
		snprintf(args + used, len - used, "%s%s%u", used ? " " : "", key, value);
}

/* The store of a read-only device was claimed already, and there is no extent without a claim. */
static int dmu_attach_without_extents(struct dmu_context *daemon)
{
	struct dmu_spec spec = daemon->options.spec;

	if (spec.extents == DMU_EXTENTS_ON)
		return dmu_daemon_blame(daemon, EBUSY, "extents=on: %s is in use", spec.source);
	spec.extents = DMU_EXTENTS_OFF;
	daemon->ops->close(daemon->backend);
	daemon->backend = NULL;
	return dmu_daemon_open_backend(daemon, &spec, DMU_USE_NEW);
}

/* The row's arguments: those of the spec, and the store's block sizes unless the spec has them. */
static int dmu_attach_create(struct dmu_context *daemon)
{
	const struct dmu_daemon_options *options = &daemon->options;
	char error[DMU_WIRE_REASON_MAX] = "";
	char args[sizeof(daemon->spec.table_args) + 80];
	const struct dmu_geometry *geometry = &daemon->geometry;
	struct dmu_dm_row row = { .ctl = options->ctl, .args = args };
	bool fit;
	int rc;

	/* Check the name first: the error would blame the store, which the existing device has. */
	if (dmu_dm_exists(options->name) == 1)
		return dmu_daemon_blame(daemon, EEXIST, "device name '%s' is in use",
					options->name);
	rc = dmu_daemon_open_backend(daemon, &options->spec, DMU_USE_NEW);
	if (rc)
		return rc;
	snprintf(args, sizeof(args), "%s", daemon->spec.table_args);
	dmu_attach_add_size(args, sizeof(args), "logical_block_size:",
			    geometry->logical_block_size);
	dmu_attach_add_size(args, sizeof(args), "physical_block_size:",
			    geometry->physical_block_size);
	row.sectors = geometry->size / 512;
	row.read_only = geometry->read_only;
	row.backing = geometry->backing;
	row.extents = dmu_extents_for_new_table(daemon->ops, &options->spec);
	rc = dmu_dm_create(options->name, &row, error, sizeof(error));
	if (rc)
		return dmu_daemon_blame(daemon, -rc, "%s", error);
	daemon->created = true;
	dmu_daemon_event(daemon, "table", "sectors=%llu spec=%s",
			 (unsigned long long)row.sectors, daemon->spec.text);
	if (dmu_extents_are_on(daemon)) {
		rc = dmu_extents_fit(daemon->ops, &options->spec, options->name, &fit);
		if (rc)
			return dmu_daemon_blame(daemon, -rc, "cannot read the table of %s: %s",
						options->name, strerror(-rc));
		rc = fit ? 0 : dmu_attach_without_extents(daemon);
		if (rc)
			return rc;
	}
	return dmu_attach_open_node(daemon);
}

/*
 * No process answers at the socket, but a daemon may serve nevertheless: the socket's name may be
 * lost. So ask the kernel, which knows the channels. The channels of a killed daemon close a moment
 * after its socket.
 */
static int dmu_attach_await_alone(struct dmu_context *daemon)
{
	const struct dmu_daemon_options *options = &daemon->options;
	uint64_t deadline = dmu_now_ms() + DMU_ALONE_MS;
	struct dm_user_info info;
	int rc;

	for (;;) {
		rc = dmu_channel_info(daemon->channels[0], &info);
		if (rc)
			return dmu_daemon_blame(daemon, -rc, "cannot ask the kernel about %s: %s",
						options->name, strerror(-rc));
		if (info.channels <= daemon->channel_count)
			return 0;
		if (dmu_now_ms() >= deadline)
			break;
		poll(NULL, 0, DMU_LOOK_MS);
	}
	return dmu_daemon_blame(daemon, EBUSY,
				"%llu channels of " DMU_NODE_DIR "/%s are held by a process that "
				"does not listen in %s: end it first",
				(unsigned long long)(info.channels - daemon->channel_count),
				options->ctl, daemon->rundir.path);
}

static int dmu_attach_existing(struct dmu_context *daemon)
{
	struct dmu_daemon_options *options = &daemon->options;
	char error[DMU_WIRE_REASON_MAX] = "";
	const struct dmu_spec *spec = &options->spec;
	int rc;

	rc = dmu_attach_open_node(daemon);
	if (!rc)
		rc = dmu_attach_await_alone(daemon);
	if (rc)
		return rc;
	if (!options->spec_given) {
		spec = &daemon->spec;
		rc = dmu_rundir_read_tab(&daemon->rundir, options->name, &daemon->spec, error,
					 sizeof(error));
	}
	if (rc)
		return dmu_daemon_blame(daemon, -rc, "no BACKEND:SOURCE given, and %s", error);
	return dmu_daemon_open_backend(daemon, spec, DMU_USE_AGAIN);
}

/* Open the wanted number of channels; channels[0] is open already. */
static int dmu_attach_channels(struct dmu_context *daemon)
{
	unsigned int count = daemon->options.channels;
	int fd;

	if (!count)
		count = daemon->spec.channels ? daemon->spec.channels : DMU_CHANNELS_DEFAULT;
	while (daemon->channel_count < count) {
		fd = dmu_channel_dup(daemon->channels[0]);
		if (fd < 0)
			return dmu_daemon_blame(daemon, -fd, "cannot open %u channels: %s", count,
						strerror(-fd));
		daemon->channels[daemon->channel_count++] = fd;
	}
	return 0;
}

static int dmu_attach_device(struct dmu_context *daemon)
{
	return daemon->options.takeover ? dmu_attach_existing(daemon) : dmu_attach_create(daemon);
}

static int dmu_attach_listen(struct dmu_context *daemon)
{
	daemon->listener = dmu_rundir_listen(&daemon->rundir);
	if (daemon->listener < 0)
		return dmu_daemon_blame(daemon, -daemon->listener, "cannot listen in %s: %s",
					daemon->rundir.path, strerror(-daemon->listener));
	return 0;
}

static int dmu_attach_write_tab(struct dmu_context *daemon)
{
	const struct dmu_daemon_options *options = &daemon->options;
	int rc;

	/* At a takeover the spec is written once it is served: see DMU_ACTION_REPORT_SERVING. */
	if (options->takeover)
		return 0;
	rc = dmu_store_claim(daemon);
	if (rc)
		return rc;
	rc = dmu_rundir_write_tab(&daemon->rundir, options->name, daemon->spec.text);
	if (rc)
		return dmu_daemon_blame(daemon, -rc, "cannot write %s/" DMU_TAB_NAME ": %s",
					daemon->rundir.path, strerror(-rc));
	return 0;
}

const struct dmu_step dmu_attach_steps[] = {
	DMU_STEP(dmu_attach_device),
	DMU_STEP(dmu_attach_channels),
	DMU_STEP(dmu_attach_listen),
	DMU_STEP(dmu_attach_write_tab),
	{ NULL, NULL },
};

int dmu_daemon_attach(struct dmu_context *daemon)
{
	return dmu_steps_run(daemon, dmu_attach_steps);
}

int dmu_daemon_remove_device(const char *name)
{
	int rc;

	/* A process that waits for its request keeps the device open. */
	dmu_dm_message(name, "fail");
	rc = dmu_dm_remove(name);
	if (rc && rc != -ENXIO)
		dmu_log(DMU_LOG_ERR, "cannot remove device %s: %s", name, strerror(-rc));
	return rc;
}

void dmu_daemon_detach(struct dmu_context *daemon)
{
	unsigned int i;

	/* Threads that exist have never run: no request is held. */
	for (i = 0; i < daemon->channel_count; i++)
		close(daemon->channels[i]);
	daemon->channel_count = 0;
	if (daemon->created)
		dmu_daemon_remove_device(daemon->options.name);
	dmu_rundir_undo(&daemon->rundir);
}
