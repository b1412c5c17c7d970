/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a daemon knows. Only its main thread touches it. Descriptors are -1 where there is none. */
#ifndef DMUSER_DAEMON_H
#define DMUSER_DAEMON_H

#include "daemon/options.h"
#include "daemon/stage.h"
#include "handover/peer.h"
#include "handover/transition.h"
#include "lib/launch.h"
#include "rundir/rundir.h"

#define DMU_CONNECTIONS_MAX	8
#define DMU_CONNECTS_MAX	4
#define DMU_PAUSE_MS		100	/* without a descriptor or memory, and nothing to wait for */
#define DMU_BACKEND_FDS_MAX	8
/* Channels and the backend's, and some twenty of ours. */
#define DMU_FDS_MAX		(DMU_WIRE_CHANNELS_MAX + DMU_BACKEND_FDS_MAX + 20)

/* The daemon at the other end of a handover. */
struct dmu_peer {
	int socket;
	bool known;		/* the process is: its pidfd is at struct dmu_daemon.peer_pidfd */
	int pid;
	uint64_t generation;	/* the newcomer's; of the old one as far as it is known */
	struct dmu_wire_hello hello;	/* of a newcomer */
	enum dmu_wire_order order;
};

/* For a backend's state: see state.c. Unused, and fd -1, if the backend has none. */
struct dmu_room {
	int fd;			/* the same number for ever */
	bool held;		/* there is a memfd: ours as a newcomer, the newcomer's as the old one */
	uint64_t size;		/* of it, bytes */
	void *map;		/* ours, locked; NULL: not */
	bool imported;		/* this daemon has begun with the state of the one before */
};

struct dmu_daemon {
	const struct dmu_stage *stage;
	struct dmu_daemon_options options;
	struct dmu_launch launch;
	struct dmu_rundir rundir;
	int kmsg;

	enum dmu_state state;
	enum dmu_event raised;		/* the next event; DMU_EVENT_END: none, ask poll() */
	/* Why the next REFUSE, ABORT or failure: said once, where it is known. */
	struct dmu_wire_reason reason;
	unsigned int connects;

	/* What is served and how; constant once it serves. */
	uint64_t generation;		/* but see DMU_ACTION_REJOIN */
	struct dm_user_info info;	/* as it was when prepared */
	struct dmu_spec spec;
	const struct dmu_backend_ops *ops;
	struct dmu_backend *backend;
	struct dmu_geometry geometry;
	int channels[DMU_WIRE_CHANNELS_MAX];	/* the server's, once there is one */
	unsigned int channel_count;
	int spares[DMU_WIRE_CHANNELS_MAX];	/* open while it drains; see DMU_ACTION_REJOIN */
	unsigned int spare_count;
	struct dmu_server *server;
	struct dmu_confinement confinement;
	int backend_fds[DMU_BACKEND_FDS_MAX];
	int fds[DMU_FDS_MAX];		/* all that is to be open when it is confined */
	int fd_count;
	void *block;			/* one logical block, for the self-test */
	uint64_t since_ms;		/* it began to serve; 0: it does not yet */
	bool created;			/* the device, by this daemon */
	char store[DMU_SPEC_MAX];	/* BACKEND:IDENTITY; the old one's until compared */
	bool filtered;			/* system calls are: nothing is opened or removed now */
	bool taken_over;		/* from a peer */

	struct dmu_room room;
	struct dmu_peer peer;
	/*
	 * The number at which every peer's pidfd is put, and /dev/null in between, so that a filter
	 * of system calls can name it before the peer exists.
	 */
	int peer_pidfd;
	int self_pidfd;			/* for the next newcomer */
	int listener;
	bool accepting;
	int connections[DMU_CONNECTIONS_MAX];	/* of processes that have not yet said what for */
	uint64_t arrivals[DMU_CONNECTIONS_MAX];	/* of each, in what order */
	uint64_t next_arrival;
	int timer;			/* of the step */
	int ticker;			/* until the first answer */
	unsigned int tick_ms;
	int signals;
};

void dmu_daemon_init(struct dmu_daemon *daemon, const struct dmu_stage *stage);
/* Remember why, in one line, and return -@error. */
int dmu_daemon_blame(struct dmu_daemon *daemon, int error, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
/* Make an event. In an action, that ends the list of actions it is in. */
void dmu_daemon_raise(struct dmu_daemon *daemon, enum dmu_event event);
/* dmu_log_event() of this daemon. */
#define dmu_daemon_event(daemon, event, ...) \
	dmu_log_event(event, (daemon)->options.name, (daemon)->generation, __VA_ARGS__)

#endif
