// SPDX-License-Identifier: LGPL-2.1-or-later
/* A newcomer meets the serving daemon. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "daemon/newcomer.h"
#include "daemon/peer.h"

void dmu_daemon_connect(struct dmu_context *daemon)
{
	int fd, rc = 0;

	if (daemon->connects++ == DMU_CONNECTS_MAX) {
		dmu_daemon_blame(daemon, ECONNRESET,
				 "the serving daemon closed the connection %d times",
				 DMU_CONNECTS_MAX);
		return dmu_daemon_raise(daemon, DMU_EVENT_REFUSE);
	}
	fd = dmu_rundir_connect(&daemon->rundir);
	if (fd == -ECONNREFUSED)
		return dmu_daemon_raise(daemon, DMU_EVENT_NO_PEER);
	if (fd >= 0) {
		rc = dmu_peer_pid(fd);
		daemon->peer.pid = rc;
		daemon->peer.socket = fd;
	}
	if (fd >= 0 && rc >= 0)
		return dmu_daemon_raise(daemon, DMU_EVENT_CONNECTED);
	if (fd >= 0 && rc == -EPERM)
		dmu_daemon_blame(daemon, EPERM, "the process that listens in %s is not root's",
				 daemon->rundir.path);
	else
		dmu_daemon_blame(daemon, fd < 0 ? -fd : -rc,
				 "cannot reach the serving daemon by %s/" DMU_SOCKET_NAME ": %s",
				 daemon->rundir.path, strerror(fd < 0 ? -fd : -rc));
	dmu_daemon_raise(daemon, DMU_EVENT_REFUSE);
}

/* Check that all of @fds are unused channels of one device. */
static int dmu_offer_check_channels(struct dmu_context *daemon, const int *fds, unsigned int count)
{
	struct dm_user_info first, info;
	unsigned int i;
	int rc;

	for (i = 0; i < count; i++) {
		rc = dmu_channel_info(fds[i], &info);
		if (rc)
			return dmu_daemon_blame(daemon, EPROTO,
						"an offered descriptor is no channel: %s",
						strerror(-rc));
		if (!i)
			first = info;
		if (info.generation || info.dev_major != first.dev_major ||
		    info.dev_minor != first.dev_minor)
			return dmu_daemon_blame(daemon, EPROTO,
						"the offered channels do not belong together");
	}
	return 0;
}

/*
 * The old daemon may be confined, and this one is not yet: a pidfd of another process than the
 * listening one must not make this daemon kill that process.
 */
static int dmu_offer_check(struct dmu_context *daemon, const struct dmu_packet *packet)
{
	const struct dmu_wire_offer *offer = &packet->message.offer;
	const struct dmu_daemon_options *options = &daemon->options;

	if (strcmp(offer->name, options->name))
		return dmu_daemon_blame(daemon, EPROTO, "the other daemon serves %s", offer->name);
	if (!dmu_peer_pidfd_is(packet->fds[0], daemon->peer.pid))
		return dmu_daemon_blame(daemon, EPROTO,
					"the offered pidfd is not of the process that listens (%d)",
					daemon->peer.pid);
	if (!dmu_peer_is_listener(packet->fds[1]))
		return dmu_daemon_blame(daemon, EPROTO,
					"the offered descriptor is no listening socket");
	return dmu_offer_check_channels(daemon, packet->fds + DMU_WIRE_OFFER_FDS,
					offer->channels);
}

/*
 * The spec comes from the tab file, which only root writes: a confined daemon that an attacker has
 * taken over must not choose what this daemon opens.
 */
static int dmu_offer_choose_spec(struct dmu_context *daemon, const struct dmu_wire_offer *offer)
{
	char error[DMU_WIRE_REASON_MAX / 2] = "";
	int rc;

	if (daemon->options.spec_given) {
		daemon->spec = daemon->options.spec;
		return 0;
	}
	rc = dmu_rundir_read_tab(&daemon->rundir, daemon->options.name, &daemon->spec, error,
				 sizeof(error));
	if (rc)
		return dmu_daemon_blame(daemon, -rc, "no BACKEND:SOURCE given, and %s", error);
	if (strcmp(daemon->spec.text, offer->spec))
		return dmu_daemon_blame(daemon, EPROTO,
					"the other daemon says that it serves %s, but %s/"
					DMU_TAB_NAME " says %s: give BACKEND:SOURCE",
					offer->spec, daemon->rundir.path, daemon->spec.text);
	return 0;
}

int dmu_daemon_take_offer(struct dmu_context *daemon, struct dmu_packet *packet)
{
	const struct dmu_wire_offer *offer = &packet->message.offer;
	unsigned int i;
	int rc;

	rc = dmu_offer_check(daemon, packet);
	if (!rc)
		rc = dmu_offer_choose_spec(daemon, offer);
	if (rc)
		goto err_close;
	daemon->listener = packet->fds[1];
	for (i = 0; i < offer->channels; i++)
		daemon->channels[i] = packet->fds[DMU_WIRE_OFFER_FDS + i];
	daemon->channel_count = offer->channels;
	packet->fd_count = 0;
	memcpy(daemon->options.ctl, offer->ctl, sizeof(daemon->options.ctl));
	memcpy(daemon->store, offer->store, sizeof(daemon->store));
	daemon->generation = offer->generation;
	daemon->peer.order = offer->order;
	daemon->taken_over = true;
	return dmu_peer_adopt(daemon, packet->fds[0]);

err_close:
	dmu_packet_close(packet);
	return rc;
}
