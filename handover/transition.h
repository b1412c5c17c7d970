/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The handover as a table: (state, event) -> (next state, actions). It is pure: no I/O and no
 * memory. daemon/loop.c raises the events and runs the actions; PROTOCOL.md describes the protocol.
 *
 * A daemon begins in DMU_STATE_START, may pass through the newcomer's states, and serves. In the
 * serving states it is the old daemon of the next handover.
 */
#ifndef DMUSER_TRANSITION_H
#define DMUSER_TRANSITION_H

#include <stdint.h>

enum dmu_state {
	/* Newcomer. */
	DMU_STATE_START,		/* has sent no message yet */
	DMU_STATE_ALONE,		/* no daemon serves: opens the node itself */
	DMU_STATE_HELLO_SENT,		/* waits for OFFER */
	DMU_STATE_PREPARING,		/* has the OFFER; backend, confinement, self-test */
	DMU_STATE_READY_SENT,		/* waits for DRAINING */
	DMU_STATE_PEER_DRAINING,	/* waits for DRAINED */
	DMU_STATE_PEER_LEAVING,		/* has sent TAKEN, waits for the old daemon's end */
	DMU_STATE_FENCING_OLD,		/* has killed the old daemon, waits for its death */
	/* Serving. */
	DMU_STATE_SERVING,		/* no handover */
	DMU_STATE_OFFERED,		/* waits for READY */
	DMU_STATE_FENCING_NEW,		/* has killed a newcomer, not READY, waits for its death */
	DMU_STATE_DRAINING,		/* takes no request, answers those it holds */
	DMU_STATE_DRAINED,		/* holds no request, waits for TAKEN: the commit point */
	DMU_STATE_FENCING_READY,	/* has killed a READY newcomer, waits for its death */
	DMU_STATE_UNDOING,		/* newcomer is dead: undoes the drain, or joins anew */
	/* Final. */
	DMU_STATE_DONE,			/* leave with status 0 */
	DMU_STATE_FAILED,		/* leave with status 1 */
	DMU_STATE_END
};

enum dmu_event {
	/* Start. */
	DMU_EVENT_CONNECTED,		/* to the socket of a serving daemon */
	DMU_EVENT_NO_PEER,		/* no daemon holds that socket, or there is no device yet */
	DMU_EVENT_PREPARED,		/* can serve, and may overlap with a peer */
	DMU_EVENT_PREPARED_EXCLUSIVE,	/* can serve, once the peer has stopped */
	DMU_EVENT_PREPARE_FAILED,
	/* The peer: its messages, valid in themselves... */
	DMU_EVENT_HELLO,
	DMU_EVENT_OFFER,
	DMU_EVENT_ROOM,			/* for this daemon's state */
	DMU_EVENT_READY,
	DMU_EVENT_PEER_DRAINING,
	DMU_EVENT_PEER_DRAINED,
	DMU_EVENT_TAKEN,
	DMU_EVENT_REFUSE,
	DMU_EVENT_ABORT,
	DMU_EVENT_WRONG,		/* ...or not; also a message out of order */
	DMU_EVENT_HANGUP,		/* the peer has closed the socket */
	DMU_EVENT_PEER_DEAD,		/* by its pidfd; recurs until the peer is dropped */
	/* This daemon. */
	DMU_EVENT_OFFER_FAILED,		/* no descriptors to send, or the send failed */
	DMU_EVENT_DRAIN_FAILED,		/* the kernel refused it, or there is no way back */
	DMU_EVENT_DRAINED,		/* the last request is answered, the last thread has left */
	DMU_EVENT_EXPORT_FAILED,	/* of its state */
	DMU_EVENT_BEGIN_FAILED,
	DMU_EVENT_SPARED,		/* the peer was not killed: it alone has the state */
	DMU_EVENT_UNDONE,		/* the drain is undone, the threads read again */
	DMU_EVENT_UNDO_REFUSED,		/* too late: the drain is complete */
	DMU_EVENT_REJOINED,		/* the threads read again, as a new generation */
	DMU_EVENT_REJOIN_FAILED,
	DMU_EVENT_TARGET_GONE,		/* the device was removed */
	DMU_EVENT_SERVER_FAILED,	/* the last thread has left, with an error */
	DMU_EVENT_TIMEOUT,		/* of the step, from DMU_ACTION_ARM_TIMER on */
	DMU_EVENT_TERMINATE,		/* SIGTERM and the like */
	DMU_EVENT_END
};

enum dmu_action {
	DMU_ACTION_NONE,		/* ends a list of actions */
	DMU_ACTION_CONNECT,		/* again; raises CONNECTED, NO_PEER or REFUSE */
	DMU_ACTION_ATTACH,		/* create or open, bind the socket; or PREPARE_FAILED */
	DMU_ACTION_PREPARE,		/* raises PREPARED, PREPARED_EXCLUSIVE or PREPARE_FAILED */
	DMU_ACTION_GO,			/* let the threads serve, unless they do already */
	DMU_ACTION_SEAL,		/* the node; on failure, log and serve on */
	DMU_ACTION_ACCEPT,		/* answer connections to the socket */
	DMU_ACTION_REPORT_SERVING,	/* to the process that started this daemon, and the log */
	DMU_ACTION_REPORT_FAILURE,	/* likewise, of this handover or start */
	DMU_ACTION_SEND_HELLO,
	DMU_ACTION_SEND_OFFER,		/* may raise OFFER_FAILED */
	DMU_ACTION_SEND_ROOM,		/* if the backend has state */
	DMU_ACTION_SEND_READY,
	DMU_ACTION_SEND_DRAINING,
	DMU_ACTION_SEND_DRAINED,
	DMU_ACTION_SEND_TAKEN,
	DMU_ACTION_SEND_REFUSE,
	DMU_ACTION_SEND_ABORT,
	DMU_ACTION_ARM_TIMER,		/* a new step begins */
	DMU_ACTION_OPEN_SPARES,		/* channels for REJOIN; may raise DRAIN_FAILED */
	DMU_ACTION_DRAIN,		/* may raise DRAIN_FAILED */
	DMU_ACTION_EXPORT,		/* the state, if there is any; may raise EXPORT_FAILED */
	DMU_ACTION_BEGIN,		/* the backend, once; may raise BEGIN_FAILED */
	DMU_ACTION_MAP,			/* let the kernel map the store, if it is to */
	DMU_ACTION_UNDO,		/* raises UNDONE, UNDO_REFUSED or TARGET_GONE */
	DMU_ACTION_REJOIN,		/* by the spares; REJOINED, REJOIN_FAILED or TARGET_GONE */
	DMU_ACTION_KILL_PEER,		/* SIGKILL by pidfd, close its socket; or SPARED */
	DMU_ACTION_CLOSE_SOCKET,	/* the peer's; its pidfd is still watched */
	DMU_ACTION_DROP_PEER,		/* forget the peer: socket, pidfd, room, timer */
	DMU_ACTION_LOG_ROLLBACK,
	DMU_ACTION_LOG_SLOW,		/* the step's time is up, and the daemon can only wait on */
	DMU_ACTION_LOG_STAYS,		/* a serving daemon does not leave on a signal */
	DMU_ACTION_LOG_LOST,		/* neither daemon serves: another must be started */
	DMU_ACTION_CLEAN_RUN_DIR,	/* the target is gone: leave nothing behind */
	DMU_ACTION_END
};

#define DMU_TRANSITION_ACTIONS	7

struct dmu_transition {
	enum dmu_state next;
	/* In this order, to the first DMU_ACTION_NONE or the first action that raises an event. */
	enum dmu_action actions[DMU_TRANSITION_ACTIONS + 1];
};

/* Every pair is defined: an event that has no rule in a state changes nothing. */
struct dmu_transition dmu_transition(enum dmu_state state, enum dmu_event event);

const char *dmu_state_name(enum dmu_state state);
const char *dmu_event_name(enum dmu_event event);
const char *dmu_action_name(enum dmu_action action);

#endif
