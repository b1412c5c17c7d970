/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a daemon knows, and the pieces that work on it. Private to handover/.
 *
 *	daemon.c	from the command line to the exit
 *	attach.c	nobody serves: create the device, or open its node
 *	store.c		is it the storage that the generation before us served?
 *	state.c		what only a backend's memory knows, from one generation to the next
 *	steps.c		lists of steps
 *	prepare.c	everything up to the first answer: backend, residence, confinement, threads
 *	loop.c		what happens -> events -> transition.c -> actions
 *	actions.c	the actions
 *	newcomer.c	how a newcomer finds the old one, and what it makes of its OFFER
 *	connection.c	who connects: status requests, and the next newcomer
 *
 * Only the main thread touches it. Descriptors are -1 where there is none.
 */
#ifndef DMUSER_CONTEXT_H
#define DMUSER_CONTEXT_H

#include "handover/daemon.h"
#include "handover/launch.h"
#include "handover/peer.h"
#include "handover/rundir.h"
#include "handover/transition.h"

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
	int connections[DMU_CONNECTIONS_MAX];	/* who has connected and not yet said what for */
	uint64_t arrivals[DMU_CONNECTIONS_MAX];	/* of each, in what order */
	uint64_t next_arrival;
	int timer;			/* of the step */
	int ticker;			/* until the first answer */
	unsigned int tick_ms;
	int signals;
};

/* Remember why, in one line, and return -@error. */
int dmu_daemon_blame(struct dmu_daemon *daemon, int error, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
/* Make an event. In an action, that ends the list of actions it is in. */
void dmu_daemon_raise(struct dmu_daemon *daemon, enum dmu_event event);
/* dmu_log_event() of this daemon. */
#define dmu_daemon_event(daemon, event, ...) \
	dmu_log_event(event, (daemon)->options.name, (daemon)->generation, __VA_ARGS__)

/* One of a list that ends with { NULL, NULL }. tests/steps has a daemon die at each of them. */
struct dmu_step {
	const char *name;	/* of the function */
	int (*run)(struct dmu_daemon *daemon);	/* 0 or -errno, blamed */
};

#define DMU_STEP(function)	{ #function, function }

extern const struct dmu_step dmu_start_steps[];		/* daemon.c */
extern const struct dmu_step dmu_attach_steps[];	/* attach.c */
extern const struct dmu_step dmu_prepare_steps[];	/* prepare.c */

/*
 * steps.c: all of them, in order, up to the first that fails or a signal to end. 0 or -errno,
 * blamed.
 */
int dmu_steps_run(struct dmu_daemon *daemon, const struct dmu_step *steps);

/* attach.c. 0 or -errno, blamed. */
int dmu_daemon_attach(struct dmu_daemon *daemon);
/* A spec, from wherever it comes; and its backend, opened and measured. */
int dmu_daemon_open_backend(struct dmu_daemon *daemon, const struct dmu_spec *spec,
			    enum dmu_use use);
/* Take the device, the channels and the run directory back, after a start that failed. */
void dmu_daemon_detach(struct dmu_daemon *daemon);

/* prepare.c. 0 or -errno, blamed. */
int dmu_daemon_prepare(struct dmu_daemon *daemon);

/*
 * store.c. It is what the daemon before served, for all we know; daemon->store is ours then. One
 * that is new to the device is recorded, for a new device before its tab line, and refused if it is
 * another device's. Both 0 or -errno, blamed.
 */
int dmu_store_check(struct dmu_daemon *daemon);
int dmu_store_claim(struct dmu_daemon *daemon);
/* BACKEND:IDENTITY of an open backend. 0 or -errno. */
int dmu_store_describe(const struct dmu_backend_ops *ops, const struct dmu_backend *backend,
		       const struct dmu_spec *spec, char *store, size_t len);
/* With a takeover: no other device is made of the store, and ours claims it where it can. */
int dmu_store_check_holders(struct dmu_daemon *daemon);

/*
 * state.c. All seals that there are: content, size, and that no other is set any more. Functions
 * that can fail: 0 or -errno, blamed.
 */
#define DMU_ROOM_SEALS		(F_SEAL_SHRINK | F_SEAL_GROW)	/* from the beginning */
#define DMU_STATE_SEALS		(F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE)
bool dmu_state_is_kept(const struct dmu_daemon *daemon);
/* The room's number, and for who takes over the room. When memory is locked. */
int dmu_state_prepare(struct dmu_daemon *daemon);
/* A ROOM has come, before READY. Takes the descriptor. */
int dmu_state_take_room(struct dmu_daemon *daemon, struct dmu_packet *packet);
/* The old one's state to the newcomer's room. Nothing if there is none. */
int dmu_state_export(struct dmu_daemon *daemon);
/* From there. */
int dmu_state_import(struct dmu_daemon *daemon);
/* The threads are about to go. */
void dmu_state_begin(struct dmu_daemon *daemon);
void dmu_state_clear_room(struct dmu_daemon *daemon);

/* actions.c */
void dmu_daemon_act(struct dmu_daemon *daemon, enum dmu_action action);

/* newcomer.c: to the socket of whoever serves. Raises CONNECTED, NO_PEER or, blamed, REFUSE. */
void dmu_daemon_connect(struct dmu_daemon *daemon);
/* An OFFER has come. Takes all of @packet's descriptors. 0 or -errno, blamed. */
int dmu_daemon_take_offer(struct dmu_daemon *daemon, struct dmu_packet *packet);

/* connection.c */
void dmu_daemon_accept(struct dmu_daemon *daemon);
/* Something has come on connections[@index]. true: it is a newcomer, and now the peer. */
bool dmu_daemon_answer(struct dmu_daemon *daemon, unsigned int index);

/* Put a peer's pidfd in its place; it is closed. */
int dmu_daemon_adopt_pidfd(struct dmu_daemon *daemon, int pidfd);

/* loop.c */
bool dmu_daemon_peer_died(const struct dmu_daemon *daemon);
/* The exit status. */
int dmu_daemon_run(struct dmu_daemon *daemon);

#endif
