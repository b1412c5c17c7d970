/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The state of a daemon. Only its main thread touches it. A descriptor of -1 is not open. */
#ifndef DMUSER_DAEMON_H
#define DMUSER_DAEMON_H

#include "daemon/options.h"
#include "daemon/api.h"
#include "daemon/confiner.h"
#include "handover/peer.h"
#include "handover/transition.h"
#include "lib/launch.h"
#include "rundir/rundir.h"

#define DMU_CONNECTIONS_MAX	8
#define DMU_CONNECTS_MAX	4
#define DMU_PAUSE_MS		100	/* between two tries for a descriptor or memory */
#define DMU_BACKEND_FDS_MAX	8
/* The channels, the backend's descriptors, and some twenty of the daemon's own. */
#define DMU_FDS_MAX		(DMU_WIRE_CHANNELS_MAX + DMU_BACKEND_FDS_MAX + 20)

/* The daemon at the other end of a handover. */
struct dmu_peer {
	int socket;
	bool known;		/* its pidfd is at struct dmu_context.peer_pidfd */
	int pid;
	uint64_t generation;	/* that the newcomer was offered */
	struct dmu_wire_hello hello;	/* of a newcomer */
	enum dmu_wire_order order;
};

/* The memfd for a backend's state: see state.c. If the backend has no state, fd stays -1. */
struct dmu_room {
	int fd;			/* the number never changes */
	bool held;		/* fd is a memfd: this newcomer's own, or the next newcomer's */
	uint64_t size;		/* of the memfd, bytes */
	void *map;		/* locked mapping of this newcomer's own memfd; NULL: none */
};

struct dmu_context {
	const struct dmu_daemon *program;
	struct dmu_daemon_options options;
	struct dmu_launch launch;
	struct dmu_rundir rundir;
	int kmsg;

	enum dmu_state state;
	enum dmu_event raised;		/* the next event; DMU_EVENT_END: none, ask poll() */
	/* Why the next REFUSE, ABORT or failure happens: set where the cause is known. */
	struct dmu_wire_reason reason;
	unsigned int connects;

	/* What is served and how. None of it changes once the daemon serves. */
	uint64_t generation;		/* but see DMU_ACTION_REJOIN */
	struct dm_user_info info;	/* as of dmu_daemon_prepare() */
	struct dmu_spec spec;
	const struct dmu_backend_ops *ops;
	struct dmu_backend *backend;
	struct dmu_geometry geometry;
	int channels[DMU_WIRE_CHANNELS_MAX];	/* the server owns them, once there is a server */
	unsigned int channel_count;
	int spares[DMU_WIRE_CHANNELS_MAX];	/* open while it drains: see DMU_ACTION_REJOIN */
	unsigned int spare_count;
	struct dmu_server *server;
	struct dmu_confinement confinement;
	int backend_fds[DMU_BACKEND_FDS_MAX];
	int fds[DMU_FDS_MAX];		/* all descriptors that stay open when it is confined */
	int fd_count;
	void *block;			/* one logical block, for the self-test */
	bool begun;			/* ops->begin has returned 0 */
	/* Of a daemon that lets the kernel map its store: see extents.c. */
	bool maps_like_old;		/* its spec says buffered, unless the old one maps, too */
	bool settled;			/* the store's page cache is written back */
	bool map_tried, mapped;
	uint64_t since_ms;		/* CLOCK_MONOTONIC when it began to serve; 0: not yet */
	bool created;			/* this daemon created the device */
	char store[DMU_SPEC_MAX];	/* BACKEND:IDENTITY; the old daemon's until compared */
	bool filtered;			/* by seccomp: it can open or remove nothing any more */
	bool taken_over;		/* it took an OFFER from a peer */
	enum dmu_wire_cache told_cache;	/* in its HELLO */

	struct dmu_room room;
	struct dmu_peer peer;
	/*
	 * The fixed number of every peer's pidfd, /dev/null while there is no peer: a seccomp
	 * filter names the number before the peer exists.
	 */
	int peer_pidfd;
	int self_pidfd;			/* sent with HELLO and OFFER */
	int listener;
	bool accepting;
	int connections[DMU_CONNECTIONS_MAX];	/* of processes that have sent no message yet */
	uint64_t arrivals[DMU_CONNECTIONS_MAX];	/* ascending numbers: the order of arrival */
	uint64_t next_arrival;
	int timer;			/* expires at the step's timeout */
	int ticker;			/* polls for the first answer */
	unsigned int tick_ms;
	int signals;
};

void dmu_daemon_init(struct dmu_context *daemon, const struct dmu_daemon *program);
/* Store the reason of a failure, one line, and return -@error. */
int dmu_daemon_blame(struct dmu_context *daemon, int error, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
/* Make @event the next event. In an action, this also ends the list of actions. */
void dmu_daemon_raise(struct dmu_context *daemon, enum dmu_event event);
#define dmu_daemon_event(daemon, event, ...) \
	dmu_log_event(event, (daemon)->options.name, (daemon)->generation, __VA_ARGS__)

#endif
