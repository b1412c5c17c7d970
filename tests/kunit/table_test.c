// SPDX-License-Identifier: GPL-2.0
/* Every state of a request, and every event in that state: dmu.h's picture as a table. */
#include "suites.h"

#define SECTOR	1000
#define BYTES	SZ_8K

enum event {
	READ_ON,	/* its daemon reads as far as there is something to read */
	OK,		/* ... answers it: the header */
	ERROR,
	UNSUPPORTED,
	JUNK,		/* an answer of no known type */
	STRANGER,	/* another channel answers it */
	PAYLOAD,	/* the last byte of the answer's payload */
	CLOSE,		/* its channel closes */
	CLOSE_FAIL,	/* likewise, with orphans:fail */
	SUSPEND,	/* noflush: DM takes it back */
	FAIL,		/* message "fail" */
	NO_DAEMON,	/* no daemon came within the policy's time */
	DRAIN,		/* its daemon drains */
	UNDO,		/* likewise, and undoes it at once */
	EVENTS
};

static const char *const event_names[EVENTS] = {
	"read on", "answer SUCCESS", "answer ERROR", "answer UNSUPPORTED", "answer of no type",
	"answer by another channel", "payload's last byte", "close", "close, orphans fail",
	"noflush suspend", "message fail", "no daemon", "drain", "drain and undo",
};

enum state {
	QUEUED,
	WAITING,	/* fenced: a revoked write is in its way */
	HEADER_HALF,	/* read in part */
	HEADER,		/* read up to the payload */
	BODY,		/* read up to a part of the payload */
	HELD,
	RECEIVING,
	ENDED,
	/* Revoked by a suspend in that state: */
	TAKEN_HEADER_HALF,
	TAKEN_HEADER,
	TAKEN_BODY,
	TAKEN_HELD,
	TAKEN_RECEIVING,
	STATES
};

static const char *const state_names[STATES] = {
	"queued", "waiting", "half a header", "a header", "half a payload", "held", "receiving",
	"ended", "half a header, revoked", "a header, revoked", "half a payload, revoked",
	"held, revoked", "receiving, revoked",
};

/*
 * The state after the event, a letter each:
 *	the request	Q queued, W waiting, S sending, H held, R receiving;
 *			ended with: o OK, i I/O error, u not supported, r requeue to DM
 *	the claim	- none, s sending, h held, r receiving; as a capital, it fences
 *	the answer	. none or taken, ! refused
 */
static const struct row {
	enum state state;
	u64 type;
	const char *after[EVENTS];
} rows[] = {
	/* READ_ON, OK, ERROR, UNSUPPORTED, JUNK, STRANGER, PAYLOAD,
	 * CLOSE, CLOSE_FAIL, SUSPEND, FAIL, NO_DAEMON, DRAIN, UNDO
	 */
	{ QUEUED, DM_USER_REQ_MAP_READ, {
	  "Hh.", "Q-!", "Q-!", "Q-!", "Q-!", "Q-!", "Q-.",
	  "Q-.", "Q-.", "r-.", "i-.", "i-.", "Q-.", "Q-." } },
	{ WAITING, DM_USER_REQ_MAP_READ, {
	  "W-.", "W-!", "W-!", "W-!", "W-!", "W-!", "W-.",
	  "W-.", "W-.", "r-.", "i-.", "i-.", "W-.", "W-." } },
	{ HEADER_HALF, DM_USER_REQ_MAP_READ, {
	  "Hh.", "Ss!", "Ss!", "Ss!", "Ss!", "Ss!", "Ss.",
	  "Q-.", "i-.", "rs.", "is.", "Ss.", "Ss.", "Ss." } },
	{ HELD, DM_USER_REQ_MAP_READ, {
	  "Hh.", "Rr.", "i-.", "u-.", "i-.", "Hh!", "Hh.",
	  "Q-.", "i-.", "rh.", "ih.", "Hh.", "Hh.", "Hh." } },
	{ RECEIVING, DM_USER_REQ_MAP_READ, {
	  "Rr.", "Rr!", "Rr!", "Rr!", "Rr!", "Rr!", "o-.",
	  "Q-.", "i-.", "rr.", "ir.", "Rr.", "Rr.", "Rr." } },
	{ ENDED, DM_USER_REQ_MAP_READ, {
	  "o-.", "o-!", "o-!", "o-!", "o-!", "o-!", "o-.",
	  "o-.", "o-.", "o-.", "o-.", "o-.", "o-.", "o-." } },
	{ TAKEN_HEADER_HALF, DM_USER_REQ_MAP_READ, {
	  "r-.", "rs!", "rs!", "rs!", "rs!", "rs!", "rs.",
	  "r-.", "r-.", "rs.", "rs.", "rs.", "rs.", "rs." } },
	{ TAKEN_HELD, DM_USER_REQ_MAP_READ, {
	  "rh.", "rr.", "r-.", "r-.", "r-.", "rh!", "rh.",
	  "r-.", "r-.", "rh.", "rh.", "rh.", "rh.", "rh." } },
	{ TAKEN_RECEIVING, DM_USER_REQ_MAP_READ, {
	  "rr.", "rr!", "rr!", "rr!", "rr!", "rr!", "r-.",
	  "r-.", "r-.", "rr.", "rr.", "rr.", "rr.", "rr." } },

	{ QUEUED, DM_USER_REQ_MAP_WRITE, {
	  "Hh.", "Q-!", "Q-!", "Q-!", "Q-!", "Q-!", "Q-.",
	  "Q-.", "Q-.", "r-.", "i-.", "i-.", "Q-.", "Q-." } },
	{ WAITING, DM_USER_REQ_MAP_WRITE, {
	  "W-.", "W-!", "W-!", "W-!", "W-!", "W-!", "W-.",
	  "W-.", "W-.", "r-.", "i-.", "i-.", "W-.", "W-." } },
	{ HEADER_HALF, DM_USER_REQ_MAP_WRITE, {
	  "Hh.", "Ss!", "Ss!", "Ss!", "Ss!", "Ss!", "Ss.",
	  "Q-.", "i-.", "rs.", "is.", "Ss.", "Ss.", "Ss." } },
	{ HEADER, DM_USER_REQ_MAP_WRITE, {
	  "Hh.", "Ss!", "Ss!", "Ss!", "Ss!", "Ss!", "Ss.",
	  "Q-.", "i-.", "rs.", "is.", "Ss.", "Ss.", "Ss." } },
	{ BODY, DM_USER_REQ_MAP_WRITE, {
	  "Hh.", "Ss!", "Ss!", "Ss!", "Ss!", "Ss!", "Ss.",
	  "Q-.", "i-.", "rS.", "iS.", "Ss.", "Ss.", "Ss." } },
	{ HELD, DM_USER_REQ_MAP_WRITE, {
	  "Hh.", "o-.", "i-.", "u-.", "i-.", "Hh!", "Hh.",
	  "Q-.", "i-.", "rH.", "iH.", "Hh.", "Hh.", "Hh." } },
	{ ENDED, DM_USER_REQ_MAP_WRITE, {
	  "o-.", "o-!", "o-!", "o-!", "o-!", "o-!", "o-.",
	  "o-.", "o-.", "o-.", "o-.", "o-.", "o-.", "o-." } },
	{ TAKEN_HEADER_HALF, DM_USER_REQ_MAP_WRITE, {
	  "r-.", "rs!", "rs!", "rs!", "rs!", "rs!", "rs.",
	  "r-.", "r-.", "rs.", "rs.", "rs.", "rs.", "rs." } },
	{ TAKEN_HEADER, DM_USER_REQ_MAP_WRITE, {
	  "r-.", "rs!", "rs!", "rs!", "rs!", "rs!", "rs.",
	  "r-.", "r-.", "rs.", "rs.", "rs.", "rs.", "rs." } },
	{ TAKEN_BODY, DM_USER_REQ_MAP_WRITE, {
	  "r-.", "rS!", "rS!", "rS!", "rS!", "rS!", "rS.",
	  "r-.", "r-.", "rS.", "rS.", "rS.", "rS.", "rS." } },
	{ TAKEN_HELD, DM_USER_REQ_MAP_WRITE, {
	  "rH.", "r-.", "r-.", "r-.", "r-.", "rH!", "rH.",
	  "r-.", "r-.", "rH.", "rH.", "rH.", "rH.", "rH." } },

	/* No payload in either direction; a flush writes nothing of its own. */
	{ HEADER_HALF, DM_USER_REQ_MAP_FLUSH, {
	  "Hh.", "Ss!", "Ss!", "Ss!", "Ss!", "Ss!", "Ss.",
	  "Q-.", "i-.", "rs.", "is.", "Ss.", "Ss.", "Ss." } },
	{ HELD, DM_USER_REQ_MAP_FLUSH, {
	  "Hh.", "o-.", "i-.", "u-.", "i-.", "Hh!", "Hh.",
	  "Q-.", "i-.", "rh.", "ih.", "Hh.", "Hh.", "Hh." } },
	{ TAKEN_HELD, DM_USER_REQ_MAP_FLUSH, {
	  "rh.", "r-.", "r-.", "r-.", "r-.", "rh!", "rh.",
	  "r-.", "r-.", "rh.", "rh.", "rh.", "rh.", "rh." } },
	{ HEADER_HALF, DM_USER_REQ_MAP_DISCARD, {
	  "Hh.", "Ss!", "Ss!", "Ss!", "Ss!", "Ss!", "Ss.",
	  "Q-.", "i-.", "rs.", "is.", "Ss.", "Ss.", "Ss." } },
	{ HELD, DM_USER_REQ_MAP_DISCARD, {
	  "Hh.", "o-.", "i-.", "u-.", "i-.", "Hh!", "Hh.",
	  "Q-.", "i-.", "rH.", "iH.", "Hh.", "Hh.", "Hh." } },
	{ HELD, DM_USER_REQ_MAP_SECURE_ERASE, {
	  "Hh.", "o-.", "i-.", "u-.", "i-.", "Hh!", "Hh.",
	  "Q-.", "i-.", "rH.", "iH.", "Hh.", "Hh.", "Hh." } },
	{ HELD, DM_USER_REQ_MAP_WRITE_ZEROES, {
	  "Hh.", "o-.", "i-.", "u-.", "i-.", "Hh!", "Hh.",
	  "Q-.", "i-.", "rH.", "iH.", "Hh.", "Hh.", "Hh." } },
};

static const blk_opf_t opfs[] = {
	[DM_USER_REQ_MAP_READ] = REQ_OP_READ,
	[DM_USER_REQ_MAP_WRITE] = REQ_OP_WRITE,
	[DM_USER_REQ_MAP_FLUSH] = REQ_OP_FLUSH,
	[DM_USER_REQ_MAP_DISCARD] = REQ_OP_DISCARD,
	[DM_USER_REQ_MAP_SECURE_ERASE] = REQ_OP_SECURE_ERASE,
	[DM_USER_REQ_MAP_WRITE_ZEROES] = REQ_OP_WRITE_ZEROES,
};

/* One cell of the table at work. */
struct cell {
	struct dmu_test_env *env;
	struct dmu_channel *channel;	/* NULL: it closed */
	struct dmu_channel *stranger;	/* another daemon's; if WAITING, for a write of it */
	struct dmu_test_io *io;
};

/* The letter for a claim's state, by enum dmu_request_state. */
static char claim_letter(struct cell *cell)
{
	struct dmu_claim *claim = NULL;

	if (cell->channel)
		claim = dmu_test_find(cell->channel, cell->io->seq);
	if (!claim)
		return '-';
	return (RB_EMPTY_NODE(&claim->fence_rb) ? " shr" : " SHR")[claim->state];
}

static bool listed(const struct list_head *list, const struct dmu_request *req)
{
	const struct dmu_request *other;

	list_for_each_entry(other, list, list)
		if (other == req)
			return true;
	return false;
}

static char request_letter(struct cell *cell)
{
	struct dmu_test_io *io = cell->io;
	struct dmu_node *node = &cell->env->node;
	struct dmu_claim *claim;

	if (io->ended) {
		switch (io->status) {
		case BLK_STS_OK: return 'o';
		case BLK_STS_IOERR: return 'i';
		case BLK_STS_NOTSUPP: return 'u';
		case BLK_STS_DM_REQUEUE: return 'r';
		default: return '?';
		}
	}
	if (listed(&node->queue, io->req))
		return 'Q';
	list_for_each_entry(claim, &node->blocking, blocking)
		if (listed(&claim->waiters, io->req))
			return 'W';
	claim = cell->channel ? dmu_test_find(cell->channel, io->seq) : NULL;
	return claim && claim->req == io->req ? "?SHR"[claim->state] : '?';
}

/* Revoke a write that another daemon has read: requests that overlap it wait. */
static void put_fence(struct cell *cell)
{
	dmu_test_map(cell->env, REQ_OP_WRITE, SECTOR, BYTES);
	dmu_test_read(cell->stranger);
	dmu_request_revoke_all(&cell->env->node, BLK_STS_DM_REQUEUE);
}

static void reach(struct cell *cell, enum state state, u64 type)
{
	unsigned int bytes = type == DM_USER_REQ_MAP_FLUSH ? 0 : BYTES;
	enum state before = state;

	if (state >= TAKEN_HEADER_HALF)
		before = state - TAKEN_HEADER_HALF + HEADER_HALF;
	if (state == WAITING)
		put_fence(cell);
	cell->io = dmu_test_map(cell->env, opfs[type], SECTOR, bytes);
	if (before > WAITING && before < HELD) {
		dmu_test_claim(cell->channel);
		dmu_test_send(cell->channel, before == HEADER_HALF ? DMU_TEST_HEADER / 2 :
			      DMU_TEST_HEADER + (before == BODY));
	} else if (before >= HELD) {
		dmu_test_read(cell->channel);
	}
	if (before == RECEIVING)
		dmu_test_begin(cell->channel, cell->io->seq, DM_USER_RESP_SUCCESS);
	if (before == ENDED)
		dmu_test_answer(cell->channel, cell->io->seq, DM_USER_RESP_SUCCESS);
	if (state >= TAKEN_HEADER_HALF)
		dmu_request_revoke_all(&cell->env->node, BLK_STS_DM_REQUEUE);
}

static void answer(struct cell *cell, struct dmu_channel *channel, u64 response)
{
	struct dmu_claim *claim = dmu_test_begin(channel, cell->io->seq, response);

	/* If a payload is due, the answer ends with event PAYLOAD. */
	if (claim && channel->in != claim)
		dmu_request_answer(channel, claim, response);
}

static void close_channel(struct cell *cell, bool fail)
{
	cell->env->node.config.orphans_fail = fail;
	dmu_test_close(cell->channel);
	cell->channel = NULL;
}

static void happen(struct cell *cell, enum event event)
{
	struct dmu_channel *channel = cell->channel;
	struct dmu_node *node = &cell->env->node;
	struct dmu_claim *in;

	switch (event) {
	case READ_ON:
		dmu_test_read(channel);
		break;
	case OK:
	case ERROR:
	case UNSUPPORTED:
		answer(cell, channel, event - OK + DM_USER_RESP_SUCCESS);
		break;
	case JUNK:
		answer(cell, channel, U64_MAX);
		break;
	case STRANGER:
		answer(cell, cell->stranger, DM_USER_RESP_SUCCESS);
		break;
	case PAYLOAD:
		in = channel->in;
		if (in)
			dmu_request_answer(channel, in, DM_USER_RESP_SUCCESS);
		break;
	case CLOSE:
	case CLOSE_FAIL:
		close_channel(cell, event == CLOSE_FAIL);
		break;
	case SUSPEND:
		dmu_request_revoke_all(node, BLK_STS_DM_REQUEUE);
		break;
	case FAIL:
		dmu_request_revoke_all(node, BLK_STS_IOERR);
		break;
	case NO_DAEMON:
		node->failing = true;
		dmu_request_fail_queued(node);
		break;
	case DRAIN:
		dmu_test_drain(channel, false);
		break;
	case UNDO:
		dmu_test_drain(channel, false);
		dmu_test_drain(channel, true);
		break;
	case EVENTS:
		break;
	}
}

static void check_cell(struct kunit *test, const struct row *row, enum event event)
{
	struct cell cell = { .env = dmu_test_env_create(test) };
	char got[4] = {};
	u64 refused;

	KUNIT_ASSERT_NOT_NULL(test, cell.env);
	cell.channel = dmu_test_open(cell.env);
	cell.stranger = dmu_test_open(cell.env);
	dmu_generation_join(cell.channel, 1, true);
	reach(&cell, row->state, row->type);
	refused = cell.env->node.counters.refused;
	happen(&cell, event);
	got[0] = request_letter(&cell);
	got[1] = claim_letter(&cell);
	got[2] = cell.env->node.counters.refused != refused ? '!' : '.';
	if (strcmp(got, row->after[event]))
		KUNIT_FAIL(test, "%s: %s, not %s", event_names[event], got, row->after[event]);
	/* This ends the remaining requests, and checks that each ended once. */
	dmu_test_env_destroy(cell.env);
}

static void every_event(struct kunit *test)
{
	const struct row *row = test->param_value;
	enum event event;

	for (event = 0; event < EVENTS; event++)
		check_cell(test, row, event);
}

static void describe(const struct row *row, char *desc)
{
	static const char *const types[] = {
		"read", "write", "flush", "discard", "secure erase", "", "write zeroes",
	};

	scnprintf(desc, KUNIT_PARAM_DESC_SIZE, "%s, %s", types[row->type],
		  state_names[row->state]);
}

KUNIT_ARRAY_PARAM(rows, rows, describe);

static struct kunit_case cases[] = {
	KUNIT_CASE_PARAM(every_event, rows_gen_params),
	{}
};

struct kunit_suite dmu_table_suite = {
	.name = "dmu_table",
	.suite_init = dmu_test_suite_init,
	.suite_exit = dmu_test_suite_exit,
	.test_cases = cases,
};
