/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The handover as a table: (state, event) -> (next state, actions). Pure: it
 * does no I/O and keeps nothing. daemon/loop.c turns what happens into events
 * and does the actions; PROTOCOL.md tells the same in words.
 *
 * A daemon begins in DMU_STATE_START, passes through the newcomer's states or
 * not, and serves; in the serving states it is the old one of the next handover.
 */
#ifndef DMUSER_TRANSITION_H
#define DMUSER_TRANSITION_H

#include <stdint.h>

enum dmu_state {
	/* Newcomer. */
	DMU_STATE_START,		/* nothing said yet */
	DMU_STATE_ALONE,		/* nobody serves: opens the node itself */
	DMU_STATE_HELLO_SENT,		/* waits for OFFER */
	DMU_STATE_PREPARING,		/* has the OFFER; backend, confinement, self-test */
	DMU_STATE_READY_SENT,		/* waits for DRAINING */
	DMU_STATE_PEER_DRAINING,	/* waits for DRAINED */
	DMU_STATE_PEER_LEAVING,		/* said TAKEN, waits for the old one's end */
	DMU_STATE_FENCING_OLD,		/* killed the old one, waits for its death */
	/* Serving. */
	DMU_STATE_SERVING,		/* no handover */
	DMU_STATE_OFFERED,		/* waits for READY */
	DMU_STATE_FENCING_NEW,		/* killed a newcomer before READY, waits for its death */
	DMU_STATE_DRAINING,		/* takes no request, answers what it holds */
	DMU_STATE_DRAINED,		/* holds nothing, waits for TAKEN: the commit point */
	DMU_STATE_FENCING_READY,	/* killed a newcomer that was READY, waits for its death */
	DMU_STATE_UNDOING,		/* that one is dead: undoes the drain, or joins anew */
	/* Over. */
	DMU_STATE_DONE,			/* leave with status 0 */
	DMU_STATE_FAILED,		/* leave with status 1 */
	DMU_STATE_END
};

enum dmu_event {
	/* Of starting. */
	DMU_EVENT_CONNECTED,		/* to the socket of a serving daemon */
	DMU_EVENT_NO_PEER,		/* nobody holds that socket, or there is no device yet */
	DMU_EVENT_PREPARED,		/* can serve, and may overlap with a peer */
	DMU_EVENT_PREPARED_EXCLUSIVE,	/* can serve, once the peer has stopped */
	DMU_EVENT_PREPARE_FAILED,
	/* Of the peer: its messages, valid in themselves... */
	DMU_EVENT_HELLO,
	DMU_EVENT_OFFER,
	DMU_EVENT_ROOM,			/* for our state */
	DMU_EVENT_READY,
	DMU_EVENT_PEER_DRAINING,
	DMU_EVENT_PEER_DRAINED,
	DMU_EVENT_PEER_EXPORTED,	/* that, and its state is in our room */
	DMU_EVENT_TAKEN,
	DMU_EVENT_REFUSE,
	DMU_EVENT_ABORT,
	DMU_EVENT_WRONG,		/* ...or not; what a message out of order becomes, too */
	/*
	 * ...its end of the socket, and its life (a pidfd; comes again until the peer is dropped).
	 */
	DMU_EVENT_HANGUP,
	DMU_EVENT_PEER_DEAD,
	/* Of this daemon. */
	DMU_EVENT_OFFER_FAILED,		/* it had no descriptors to send, or could not send them */
	DMU_EVENT_DRAIN_FAILED,		/* the kernel refused to begin it, or there is no way back */
	DMU_EVENT_DRAINED,		/* the last request is answered, the last thread has left */
	DMU_EVENT_EXPORT_FAILED,	/* its state does not get out */
	DMU_EVENT_IMPORT_FAILED,	/* nor in */
	DMU_EVENT_SPARED,		/* the peer lives on: it alone has the state */
	DMU_EVENT_UNDONE,		/* the drain is undone, the threads read again */
	DMU_EVENT_UNDO_REFUSED,		/* too late: the drain is complete */
	DMU_EVENT_REJOINED,		/* the threads read again, as a new generation */
	DMU_EVENT_REJOIN_FAILED,
	DMU_EVENT_TARGET_GONE,		/* the device was removed */
	DMU_EVENT_SERVER_FAILED,	/* the last thread has left, with an error */
	DMU_EVENT_TIMEOUT,		/* of the step, since DMU_ACTION_ARM_TIMER */
	DMU_EVENT_TERMINATE,		/* SIGTERM and the like */
	DMU_EVENT_END
};

enum dmu_action {
	DMU_ACTION_NONE,		/* ends a list of actions */
	DMU_ACTION_CONNECT,		/* again; makes CONNECTED, NO_PEER or REFUSE */
	DMU_ACTION_ATTACH,		/* create or open, bind the socket; or PREPARE_FAILED */
	DMU_ACTION_PREPARE,		/* makes PREPARED, PREPARED_EXCLUSIVE or PREPARE_FAILED */
	DMU_ACTION_GO,			/* let the threads serve; nothing if they do */
	DMU_ACTION_SEAL,		/* the node; if that fails, log it and serve on */
	DMU_ACTION_ACCEPT,		/* answer connections to the socket */
	DMU_ACTION_REPORT_SERVING,	/* to who started this daemon; and the log */
	DMU_ACTION_REPORT_FAILURE,	/* likewise; this handover or start failed */
	DMU_ACTION_SEND_HELLO,
	DMU_ACTION_SEND_OFFER,		/* may make OFFER_FAILED */
	DMU_ACTION_SEND_ROOM,		/* if the backend has state; nothing otherwise */
	DMU_ACTION_SEND_READY,
	DMU_ACTION_SEND_DRAINING,
	DMU_ACTION_SEND_DRAINED,
	DMU_ACTION_SEND_TAKEN,
	DMU_ACTION_SEND_REFUSE,
	DMU_ACTION_SEND_ABORT,
	DMU_ACTION_ARM_TIMER,		/* a new step begins */
	DMU_ACTION_OPEN_SPARES,		/* channels for REJOIN; may make DRAIN_FAILED */
	DMU_ACTION_DRAIN,		/* may make DRAIN_FAILED */
	DMU_ACTION_EXPORT,		/* the state, if there is any; may make EXPORT_FAILED */
	DMU_ACTION_IMPORT,		/* it; may make IMPORT_FAILED */
	DMU_ACTION_UNDO,		/* makes UNDONE, UNDO_REFUSED or TARGET_GONE */
	DMU_ACTION_REJOIN,		/* by the spares; REJOINED, REJOIN_FAILED, TARGET_GONE */
	DMU_ACTION_KILL_PEER,		/* SIGKILL by pidfd, close its socket; or SPARED */
	DMU_ACTION_CLOSE_SOCKET,	/* the peer's; its pidfd is watched on */
	DMU_ACTION_DROP_PEER,		/* forget the peer: socket, pidfd, room, timer */
	DMU_ACTION_LOG_ROLLBACK,
	DMU_ACTION_LOG_SLOW,		/* the step's time is up, and all one can do is wait on */
	DMU_ACTION_LOG_STAYS,		/* a serving daemon does not leave for a signal */
	DMU_ACTION_LOG_LOST,		/* neither daemon serves: another must be started */
	DMU_ACTION_CLEAN_RUN_DIR,	/* the target is gone: leave nothing behind */
	DMU_ACTION_END
};

#define DMU_TRANSITION_ACTIONS	5

struct dmu_transition {
	enum dmu_state next;
	/*
	 * In this order. The first DMU_ACTION_NONE ends the list, and so does one that makes an
	 * event.
	 */
	enum dmu_action actions[DMU_TRANSITION_ACTIONS + 1];
};

/* What to do. Every pair is defined: an event that means nothing in a state changes nothing. */
struct dmu_transition dmu_transition(enum dmu_state state, enum dmu_event event);

const char *dmu_state_name(enum dmu_state state);
const char *dmu_event_name(enum dmu_event event);
const char *dmu_action_name(enum dmu_action action);

#endif
