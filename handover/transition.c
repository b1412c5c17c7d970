// SPDX-License-Identifier: LGPL-2.1-or-later
#include <stdbool.h>

#include "handover/transition.h"

/* A pair of state and event. DO() defines it; an all-zero entry is undefined. */
struct dmu_rule {
	bool defined;
	struct dmu_transition transition;
};

#define DO(state, ...)	{ true, { DMU_STATE_##state, { __VA_ARGS__ } } }
#define A(action)	DMU_ACTION_##action

/* As GIVE_UP, but the old daemon may be gone. */
#define LEFT		DO(FAILED, A(REPORT_FAILURE), A(SEND_ABORT), A(LOG_LOST))
/* The newcomer gives up. It reports the reason before ABORT, on which the old daemon kills it. */
#define GIVE_UP		DO(FAILED, A(REPORT_FAILURE), A(SEND_ABORT))
/* The old daemon must be dead before another daemon can have the requests that it held. */
#define FENCE_OLD	DO(FENCING_OLD, A(KILL_PEER), A(ARM_TIMER))
/* The newcomer may hold requests, so it must be dead before the old daemon forgets it. */
#define FENCE_NEW	DO(FENCING_NEW, A(SEND_ABORT), A(KILL_PEER), A(ARM_TIMER))
/* Even without overlap the newcomer may be writing, so it must be dead before we serve on. */
#define FENCE_READY	DO(FENCING_READY, A(SEND_ABORT), A(KILL_PEER), A(ARM_TIMER))
#define ROLL_BACK	DO(SERVING, A(DROP_PEER), A(LOG_ROLLBACK))
/* No other daemon serves. The threads go first, because requests may wait for them. */
#define SUCCEED		DO(SERVING, A(BEGIN), A(GO), A(MAP), A(DROP_PEER), A(SEAL), A(ACCEPT), \
			   A(REPORT_SERVING))
#define LOST		DO(FAILED, A(LOG_LOST))
#define GONE		DO(DONE, A(CLEAN_RUN_DIR))
#define STAY(state)	DO(state, A(LOG_STAYS))
#define WAIT(state)	DO(state, A(LOG_SLOW), A(ARM_TIMER))

static const struct dmu_rule dmu_rules[DMU_STATE_END][DMU_EVENT_END] = {
	/* ---- newcomer ---- */
	[DMU_STATE_START] = {
		[DMU_EVENT_CONNECTED]	= DO(HELLO_SENT, A(SEND_HELLO), A(ARM_TIMER)),
		[DMU_EVENT_NO_PEER]	= DO(ALONE, A(ATTACH), A(PREPARE)),
		[DMU_EVENT_REFUSE]	= DO(FAILED, A(REPORT_FAILURE)),
		[DMU_EVENT_TERMINATE]	= DO(FAILED, A(REPORT_FAILURE)),
	},
	[DMU_STATE_ALONE] = {
		[DMU_EVENT_PREPARED]	= SUCCEED,
		[DMU_EVENT_PREPARED_EXCLUSIVE] = SUCCEED,
		[DMU_EVENT_PREPARE_FAILED] = DO(FAILED, A(REPORT_FAILURE)),
	},
	[DMU_STATE_HELLO_SENT] = {
		[DMU_EVENT_OFFER]	= DO(PREPARING, A(PREPARE)),
		[DMU_EVENT_REFUSE]	= DO(FAILED, A(REPORT_FAILURE)),
		[DMU_EVENT_ABORT]	= DO(FAILED, A(REPORT_FAILURE)),
		[DMU_EVENT_WRONG]	= GIVE_UP,
		/* It died, or has just handed over: ask the daemon that now serves. */
		[DMU_EVENT_HANGUP]	= DO(START, A(DROP_PEER), A(CONNECT)),
		[DMU_EVENT_TIMEOUT]	= GIVE_UP,
		[DMU_EVENT_TERMINATE]	= GIVE_UP,
	},
	[DMU_STATE_PREPARING] = {
		[DMU_EVENT_PREPARED]	= DO(READY_SENT, A(GO), A(SEND_READY), A(ARM_TIMER)),
		[DMU_EVENT_PREPARED_EXCLUSIVE] = DO(READY_SENT, A(SEND_ROOM), A(SEND_READY),
						    A(ARM_TIMER)),
		[DMU_EVENT_PREPARE_FAILED] = GIVE_UP,
	},
	[DMU_STATE_READY_SENT] = {
		[DMU_EVENT_PEER_DRAINING] = DO(PEER_DRAINING, A(ARM_TIMER)),
		/* The old daemon rolls back: it serves on, and kills us if we do not exit. */
		[DMU_EVENT_REFUSE]	= DO(FAILED, A(REPORT_FAILURE)),
		[DMU_EVENT_ABORT]	= DO(FAILED, A(REPORT_FAILURE)),
		[DMU_EVENT_WRONG]	= FENCE_OLD,
		[DMU_EVENT_HANGUP]	= DO(READY_SENT, A(CLOSE_SOCKET)),
		[DMU_EVENT_PEER_DEAD]	= SUCCEED,
		[DMU_EVENT_TARGET_GONE]	= DO(FAILED, A(REPORT_FAILURE)),
		/* The old daemon or an administrator has drained us: we would get no request. */
		[DMU_EVENT_DRAINED]	= GIVE_UP,
		[DMU_EVENT_SERVER_FAILED] = GIVE_UP,
		[DMU_EVENT_TIMEOUT]	= FENCE_OLD,
		[DMU_EVENT_TERMINATE]	= STAY(READY_SENT),
	},

	[DMU_STATE_PEER_DRAINING] = {
		/*
		 * No GO: if we die before the old daemon has heard TAKEN, it serves on from what it
		 * has in memory, which our answers must not have made old. With overlap we serve
		 * already.
		 */
		[DMU_EVENT_PEER_DRAINED] = DO(PEER_LEAVING, A(BEGIN), A(SEND_TAKEN), A(ARM_TIMER)),
		[DMU_EVENT_REFUSE]	= DO(FAILED, A(REPORT_FAILURE)),
		[DMU_EVENT_ABORT]	= DO(FAILED, A(REPORT_FAILURE)),
		[DMU_EVENT_WRONG]	= FENCE_OLD,
		[DMU_EVENT_HANGUP]	= DO(PEER_DRAINING, A(CLOSE_SOCKET)),
		[DMU_EVENT_PEER_DEAD]	= SUCCEED,
		[DMU_EVENT_TARGET_GONE]	= DO(FAILED, A(REPORT_FAILURE)),
		[DMU_EVENT_DRAINED]	= GIVE_UP,
		[DMU_EVENT_SERVER_FAILED] = GIVE_UP,
		[DMU_EVENT_TIMEOUT]	= FENCE_OLD,
		[DMU_EVENT_TERMINATE]	= STAY(PEER_DRAINING),
	},
	/* TAKEN is sent, but only the old daemon's death proves that it arrived in time. */
	[DMU_STATE_PEER_LEAVING] = {
		[DMU_EVENT_BEGIN_FAILED] = GIVE_UP,
		[DMU_EVENT_REFUSE]	= DO(FAILED, A(REPORT_FAILURE)),
		[DMU_EVENT_ABORT]	= DO(FAILED, A(REPORT_FAILURE)),
		[DMU_EVENT_WRONG]	= FENCE_OLD,
		[DMU_EVENT_HANGUP]	= DO(PEER_LEAVING, A(CLOSE_SOCKET)),
		[DMU_EVENT_PEER_DEAD]	= SUCCEED,
		[DMU_EVENT_TARGET_GONE]	= DO(FAILED, A(REPORT_FAILURE)),
		[DMU_EVENT_DRAINED]	= LEFT,
		[DMU_EVENT_SERVER_FAILED] = LEFT,
		[DMU_EVENT_TIMEOUT]	= FENCE_OLD,
		[DMU_EVENT_TERMINATE]	= STAY(PEER_LEAVING),
	},
	[DMU_STATE_FENCING_OLD] = {
		[DMU_EVENT_SPARED]	= GIVE_UP,
		[DMU_EVENT_PEER_DEAD]	= SUCCEED,
		[DMU_EVENT_TARGET_GONE]	= DO(FAILED, A(REPORT_FAILURE)),
		[DMU_EVENT_DRAINED]	= DO(FAILED, A(REPORT_FAILURE), A(LOG_LOST)),
		[DMU_EVENT_SERVER_FAILED] = DO(FAILED, A(REPORT_FAILURE), A(LOG_LOST)),
		[DMU_EVENT_TIMEOUT]	= WAIT(FENCING_OLD),
		[DMU_EVENT_TERMINATE]	= STAY(FENCING_OLD),
	},

	/* ---- serving ---- */
	[DMU_STATE_SERVING] = {
		[DMU_EVENT_HELLO]	= DO(OFFERED, A(SEND_OFFER), A(ARM_TIMER)),
		[DMU_EVENT_BEGIN_FAILED] = DO(FAILED, A(REPORT_FAILURE)),
		/* This daemon has not drained: another process has a channel of this generation. */
		[DMU_EVENT_DRAINED]	= LOST,
		[DMU_EVENT_TARGET_GONE]	= GONE,
		[DMU_EVENT_SERVER_FAILED] = LOST,
		[DMU_EVENT_TERMINATE]	= STAY(SERVING),
	},
	[DMU_STATE_OFFERED] = {
		[DMU_EVENT_OFFER_FAILED] = DO(SERVING, A(SEND_REFUSE), A(DROP_PEER)),
		[DMU_EVENT_ROOM]	= DO(OFFERED),
		[DMU_EVENT_READY]	= DO(DRAINING, A(OPEN_SPARES), A(SEND_DRAINING), A(DRAIN),
					     A(ARM_TIMER)),
		[DMU_EVENT_REFUSE]	= FENCE_NEW,
		[DMU_EVENT_ABORT]	= FENCE_NEW,
		[DMU_EVENT_WRONG]	= FENCE_NEW,
		[DMU_EVENT_HANGUP]	= FENCE_NEW,
		[DMU_EVENT_PEER_DEAD]	= ROLL_BACK,
		/* No ABORT here: the newcomer must take over from us. */
		[DMU_EVENT_DRAINED]	= DO(FAILED),
		[DMU_EVENT_SERVER_FAILED] = DO(FAILED),
		[DMU_EVENT_TARGET_GONE]	= GONE,
		[DMU_EVENT_TIMEOUT]	= FENCE_NEW,
		[DMU_EVENT_TERMINATE]	= STAY(OFFERED),
	},
	[DMU_STATE_FENCING_NEW] = {
		[DMU_EVENT_PEER_DEAD]	= ROLL_BACK,
		[DMU_EVENT_DRAINED]	= LOST,
		[DMU_EVENT_TARGET_GONE]	= GONE,
		[DMU_EVENT_SERVER_FAILED] = LOST,
		[DMU_EVENT_TIMEOUT]	= WAIT(FENCING_NEW),
		[DMU_EVENT_TERMINATE]	= STAY(FENCING_NEW),
	},

	/* ---- serving, with a newcomer that is READY ---- */
	[DMU_STATE_DRAINING] = {
		[DMU_EVENT_DRAINED]	= DO(DRAINED, A(EXPORT), A(SEND_DRAINED), A(ARM_TIMER)),
		[DMU_EVENT_DRAIN_FAILED] = FENCE_READY,
		[DMU_EVENT_REFUSE]	= FENCE_READY,
		[DMU_EVENT_ABORT]	= FENCE_READY,
		[DMU_EVENT_WRONG]	= FENCE_READY,
		[DMU_EVENT_HANGUP]	= FENCE_READY,
		[DMU_EVENT_PEER_DEAD]	= DO(UNDOING, A(UNDO)),
		[DMU_EVENT_TARGET_GONE]	= GONE,
		/* The newcomer gets the unanswered requests when our channels close. */
		[DMU_EVENT_SERVER_FAILED] = DO(FAILED),
		/* The store hangs. The newcomer times out, too, and may kill us to get the rest. */
		[DMU_EVENT_TIMEOUT]	= WAIT(DRAINING),
		[DMU_EVENT_TERMINATE]	= STAY(DRAINING),
	},
	[DMU_STATE_DRAINED] = {
		[DMU_EVENT_EXPORT_FAILED] = FENCE_READY,
		[DMU_EVENT_TAKEN]	= DO(DONE),
		[DMU_EVENT_REFUSE]	= FENCE_READY,
		[DMU_EVENT_ABORT]	= FENCE_READY,
		[DMU_EVENT_WRONG]	= FENCE_READY,
		[DMU_EVENT_HANGUP]	= FENCE_READY,
		[DMU_EVENT_PEER_DEAD]	= DO(UNDOING, A(UNDO)),
		[DMU_EVENT_TARGET_GONE]	= GONE,
		[DMU_EVENT_TIMEOUT]	= FENCE_READY,
		[DMU_EVENT_TERMINATE]	= STAY(DRAINED),
	},
	[DMU_STATE_FENCING_READY] = {
		[DMU_EVENT_PEER_DEAD]	= DO(UNDOING, A(UNDO)),
		[DMU_EVENT_TARGET_GONE]	= GONE,
		[DMU_EVENT_SERVER_FAILED] = LOST,
		[DMU_EVENT_TIMEOUT]	= WAIT(FENCING_READY),
		[DMU_EVENT_TERMINATE]	= STAY(FENCING_READY),
	},
	[DMU_STATE_UNDOING] = {
		[DMU_EVENT_UNDONE]	= ROLL_BACK,
		[DMU_EVENT_UNDO_REFUSED] = DO(UNDOING, A(REJOIN)),
		[DMU_EVENT_REJOINED]	= ROLL_BACK,
		[DMU_EVENT_REJOIN_FAILED] = LOST,
		[DMU_EVENT_TARGET_GONE]	= GONE,
	},
	/* DONE and FAILED have no rules. */
};

static bool dmu_event_is_message(enum dmu_event event)
{
	return event >= DMU_EVENT_HELLO && event <= DMU_EVENT_WRONG;
}

struct dmu_transition dmu_transition(enum dmu_state state, enum dmu_event event)
{
	const struct dmu_transition nothing = { .next = state };

	if ((unsigned int)state >= DMU_STATE_END || (unsigned int)event >= DMU_EVENT_END)
		return nothing;
	if (dmu_rules[state][event].defined)
		return dmu_rules[state][event].transition;
	if (dmu_event_is_message(event) && dmu_rules[state][DMU_EVENT_WRONG].defined)
		return dmu_rules[state][DMU_EVENT_WRONG].transition;
	return nothing;
}

static const char *const dmu_state_names[DMU_STATE_END] = {
	[DMU_STATE_START] = "start", [DMU_STATE_ALONE] = "alone",
	[DMU_STATE_HELLO_SENT] = "hello-sent",
	[DMU_STATE_PREPARING] = "preparing", [DMU_STATE_READY_SENT] = "ready-sent",
	[DMU_STATE_PEER_DRAINING] = "peer-draining", [DMU_STATE_PEER_LEAVING] = "peer-leaving",
	[DMU_STATE_FENCING_OLD] = "fencing-old", [DMU_STATE_SERVING] = "serving",
	[DMU_STATE_OFFERED] = "offered", [DMU_STATE_DRAINING] = "draining",
	[DMU_STATE_DRAINED] = "drained", [DMU_STATE_FENCING_READY] = "fencing-ready",
	[DMU_STATE_UNDOING] = "undoing", [DMU_STATE_FENCING_NEW] = "fencing-new",
	[DMU_STATE_DONE] = "done", [DMU_STATE_FAILED] = "failed",
};

static const char *const dmu_event_names[DMU_EVENT_END] = {
	[DMU_EVENT_CONNECTED] = "connected", [DMU_EVENT_NO_PEER] = "no-peer",
	[DMU_EVENT_PREPARED] = "prepared", [DMU_EVENT_PREPARED_EXCLUSIVE] = "prepared-exclusive",
	[DMU_EVENT_PREPARE_FAILED] = "prepare-failed", [DMU_EVENT_HELLO] = "hello",
	[DMU_EVENT_OFFER] = "offer", [DMU_EVENT_ROOM] = "room", [DMU_EVENT_READY] = "ready",
	[DMU_EVENT_PEER_DRAINING] = "peer-draining", [DMU_EVENT_PEER_DRAINED] = "peer-drained",
	[DMU_EVENT_TAKEN] = "taken",
	[DMU_EVENT_REFUSE] = "refuse", [DMU_EVENT_ABORT] = "abort", [DMU_EVENT_WRONG] = "wrong",
	[DMU_EVENT_HANGUP] = "hangup", [DMU_EVENT_PEER_DEAD] = "peer-dead",
	[DMU_EVENT_OFFER_FAILED] = "offer-failed", [DMU_EVENT_DRAIN_FAILED] = "drain-failed",
	[DMU_EVENT_DRAINED] = "drained", [DMU_EVENT_EXPORT_FAILED] = "export-failed",
	[DMU_EVENT_BEGIN_FAILED] = "begin-failed", [DMU_EVENT_SPARED] = "spared",
	[DMU_EVENT_UNDONE] = "undone", [DMU_EVENT_UNDO_REFUSED] = "undo-refused",
	[DMU_EVENT_REJOINED] = "rejoined", [DMU_EVENT_REJOIN_FAILED] = "rejoin-failed",
	[DMU_EVENT_TARGET_GONE] = "target-gone", [DMU_EVENT_SERVER_FAILED] = "server-failed",
	[DMU_EVENT_TIMEOUT] = "timeout", [DMU_EVENT_TERMINATE] = "terminate",
};

static const char *const dmu_action_names[DMU_ACTION_END] = {
	[DMU_ACTION_NONE] = "none", [DMU_ACTION_CONNECT] = "connect",
	[DMU_ACTION_ATTACH] = "attach",
	[DMU_ACTION_PREPARE] = "prepare", [DMU_ACTION_GO] = "go", [DMU_ACTION_SEAL] = "seal",
	[DMU_ACTION_ACCEPT] = "accept", [DMU_ACTION_REPORT_SERVING] = "report-serving",
	[DMU_ACTION_REPORT_FAILURE] = "report-failure", [DMU_ACTION_SEND_HELLO] = "send-hello",
	[DMU_ACTION_SEND_OFFER] = "send-offer", [DMU_ACTION_SEND_ROOM] = "send-room",
	[DMU_ACTION_SEND_READY] = "send-ready",
	[DMU_ACTION_SEND_DRAINING] = "send-draining", [DMU_ACTION_SEND_DRAINED] = "send-drained",
	[DMU_ACTION_SEND_TAKEN] = "send-taken",
	[DMU_ACTION_SEND_REFUSE] = "send-refuse", [DMU_ACTION_SEND_ABORT] = "send-abort",
	[DMU_ACTION_ARM_TIMER] = "arm-timer", [DMU_ACTION_OPEN_SPARES] = "open-spares",
	[DMU_ACTION_DRAIN] = "drain", [DMU_ACTION_EXPORT] = "export",
	[DMU_ACTION_BEGIN] = "begin", [DMU_ACTION_MAP] = "map", [DMU_ACTION_UNDO] = "undo",
	[DMU_ACTION_REJOIN] = "rejoin",
	[DMU_ACTION_KILL_PEER] = "kill-peer", [DMU_ACTION_CLOSE_SOCKET] = "close-socket",
	[DMU_ACTION_DROP_PEER] = "drop-peer", [DMU_ACTION_LOG_ROLLBACK] = "log-rollback",
	[DMU_ACTION_LOG_SLOW] = "log-slow", [DMU_ACTION_LOG_STAYS] = "log-stays",
	[DMU_ACTION_LOG_LOST] = "log-lost", [DMU_ACTION_CLEAN_RUN_DIR] = "clean-run-dir",
};

static const char *dmu_name_of(const char *const *names, unsigned int value, unsigned int end)
{
	return value < end ? names[value] : "?";
}

const char *dmu_state_name(enum dmu_state state)
{
	return dmu_name_of(dmu_state_names, state, DMU_STATE_END);
}

const char *dmu_event_name(enum dmu_event event)
{
	return dmu_name_of(dmu_event_names, event, DMU_EVENT_END);
}

const char *dmu_action_name(enum dmu_action action)
{
	return dmu_name_of(dmu_action_names, action, DMU_ACTION_END);
}
