// SPDX-License-Identifier: GPL-2.0
/* The model of model.h. Slow on purpose: what is obvious needs no test. */
#include <linux/device-mapper.h>
#include <linux/errno.h>
#include <linux/kernel.h>

#include "model.h"

#define HEADER	40	/* bytes of a message without its payload */

void model_init(struct model *m)
{
	memset(m, 0, sizeof(*m));
	m->now = 1ULL << 32;
	m->first = m->now - 1;
	m->generations[0].used = true;
}

static bool model_overlap(const struct model_request *req, const struct model_claim *claim)
{
	return req->sectors && claim->sectors && req->sector < claim->sector + claim->sectors &&
	       claim->sector < req->sector + req->sectors;
}

static bool model_fenced(const struct model *m, const struct model_request *req)
{
	const struct model_claim *claim;
	unsigned int c, i;

	for (c = 0; c < MODEL_CHANNELS; c++) {
		for (i = 0; i < MODEL_CLAIMS; i++) {
			claim = &m->channels[c].claims[i];
			if (claim->used && claim->fences && model_overlap(req, claim))
				return true;
		}
	}
	return false;
}

void model_settle(struct model *m)
{
	struct model_request *req;

	for (req = m->requests; req < m->requests + MODEL_REQUESTS; req++) {
		if (req->used && req->waiting && !req->since && !model_fenced(m, req))
			req->since = req->back ? m->first : m->now;
		req->back = false;
	}
	m->now++;
	m->first--;
}

static void model_end(struct model_request *req, blk_status_t status)
{
	req->waiting = false;
	req->ended = true;
	req->status = status;
}

int model_map(struct model *m, struct model_request *req)
{
	if (m->noflush)
		return DM_MAPIO_REQUEUE;
	if (m->failing) {
		m->failed++;
		return DM_MAPIO_KILL;
	}
	req->used = true;
	req->waiting = true;
	req->back = false;
	req->ended = false;
	req->since = 0;
	req->seq = m->next_seq++;
	return DM_MAPIO_SUBMITTED;
}

/* The time since which the next request may go; 0 if none may go. */
static u64 model_oldest(const struct model *m)
{
	const struct model_request *req;
	u64 oldest = 0;

	for (req = m->requests; req < m->requests + MODEL_REQUESTS; req++)
		if (req->used && req->waiting && req->since && (!oldest || req->since < oldest))
			oldest = req->since;
	return oldest;
}

int model_claim(struct model *m, struct model_channel *c)
{
	if (m->dead)
		return -ENOTBLK;
	if (c->generation->state != DM_USER_SERVING)
		return 0;
	return model_oldest(m) ? 1 : -EAGAIN;
}

/* The channel took request @seq. False: another request was the next. */
bool model_take(struct model *m, struct model_channel *c, u64 seq)
{
	struct model_request *req;
	struct model_claim *claim;

	for (req = m->requests; req < m->requests + MODEL_REQUESTS; req++)
		if (req->used && req->waiting && req->seq == seq)
			break;
	if (req == m->requests + MODEL_REQUESTS || !req->since || req->since != model_oldest(m))
		return false;
	for (claim = c->claims; claim->used; claim++)
		;
	*claim = (struct model_claim) {
		.used = true,
		.state = MODEL_SENDING,
		.req = req,
		.seq = seq,
		.type = req->type,
		.sector = req->sector,
		.sectors = req->sectors,
	};
	req->waiting = false;
	c->taken++;
	c->generation->held++;
	return true;
}

struct model_claim *model_find(struct model_channel *c, u64 seq)
{
	struct model_claim *claim;

	for (claim = c->claims; claim < c->claims + MODEL_CLAIMS; claim++)
		if (claim->used && claim->seq == seq)
			return claim;
	return NULL;
}

/* The first claim in @state: at most one is SENDING, at most one is RECEIVING. */
struct model_claim *model_in_state(struct model_channel *c, enum model_state state, bool revoked)
{
	struct model_claim *claim;

	for (claim = c->claims; claim < c->claims + MODEL_CLAIMS; claim++)
		if (claim->used && claim->state == state && !claim->req == revoked)
			return claim;
	return NULL;
}

void model_send(struct model *m, struct model_channel *c, u64 bytes)
{
	struct model_claim *claim = model_in_state(c, MODEL_SENDING, false);
	u64 total = HEADER;

	if (claim->type == DM_USER_REQ_MAP_WRITE)
		total += claim->sectors * 512;
	claim->sent = min(total, claim->sent + bytes);
	if (claim->sent == total)
		claim->state = MODEL_HELD;
}

static void model_drop(struct model_channel *c, struct model_claim *claim)
{
	struct model_generation *g = c->generation;

	claim->used = false;
	g->held--;
	if (!g->held && g->state == DM_USER_DRAINING)
		g->state = DM_USER_DRAINED;
}

void model_dismiss(struct model *m, struct model_channel *c)
{
	model_drop(c, model_in_state(c, MODEL_SENDING, true));
}

static void model_requeue(struct model_request *req)
{
	req->waiting = true;
	req->back = true;
	req->since = 0;
}

/* The reader could not take the first byte. */
void model_give_back(struct model *m, struct model_channel *c)
{
	struct model_claim *claim = model_in_state(c, MODEL_SENDING, false) ?:
				    model_in_state(c, MODEL_SENDING, true);

	if (claim->req && m->failing) {
		model_end(claim->req, BLK_STS_IOERR);
		m->failed++;
	} else if (claim->req) {
		model_requeue(claim->req);
	}
	c->taken--;
	model_drop(c, claim);
}

struct model_claim *model_begin(struct model *m, struct model_channel *c, u64 seq, u64 response)
{
	struct model_claim *claim = model_find(c, seq);

	if (!claim || claim->state != MODEL_HELD) {
		m->refused++;
		return NULL;
	}
	if (claim->type == DM_USER_REQ_MAP_READ && claim->sectors &&
	    response == DM_USER_RESP_SUCCESS)
		claim->state = MODEL_RECEIVING;
	return claim;
}

void model_answer(struct model *m, struct model_channel *c, struct model_claim *claim,
		  u64 response)
{
	blk_status_t status = BLK_STS_IOERR;

	if (response == DM_USER_RESP_SUCCESS)
		status = BLK_STS_OK;
	if (response == DM_USER_RESP_UNSUPPORTED)
		status = BLK_STS_NOTSUPP;
	if (response == DM_USER_RESP_NOSPC)
		status = BLK_STS_NOSPC;
	if (claim->req) {
		model_end(claim->req, status);
		m->answered[claim->type]++;
		c->generation->answered++;
		m->errors += status == BLK_STS_IOERR || status == BLK_STS_NOSPC;
		m->unsupported += status == BLK_STS_NOTSUPP;
	}
	model_drop(c, claim);
}

void model_open(struct model *m, struct model_channel *c)
{
	memset(c, 0, sizeof(*c));
	c->used = true;
	c->generation = &m->generations[0];
	c->generation->channels++;
}

static void model_leave(struct model *m, struct model_channel *c)
{
	struct model_generation *g = c->generation;

	g->channels--;
	if (!g->channels && g == &m->generations[0])
		g->state = DM_USER_SERVING;
	else if (!g->channels)
		g->used = false;
}

void model_close(struct model *m, struct model_channel *c)
{
	struct model_claim *claim;

	for (claim = c->claims; claim < c->claims + MODEL_CLAIMS; claim++) {
		if (!claim->used)
			continue;
		if (claim->req && (m->orphans_fail || m->failing)) {
			model_end(claim->req, BLK_STS_IOERR);
			m->failed++;
		} else if (claim->req) {
			model_requeue(claim->req);
			m->requeued++;
		}
		model_drop(c, claim);
	}
	model_leave(m, c);
	c->used = false;
}

int model_join(struct model *m, struct model_channel *c, u64 number, bool create)
{
	struct model_generation *g, *free = NULL, *found = NULL;

	for (g = m->generations; g < m->generations + MODEL_GENERATIONS; g++) {
		if (g->used && g->number == number)
			found = g;
		if (!g->used)
			free = g;
	}
	if (!number)
		return -EINVAL;
	if (m->dead)
		return -ENOTBLK;
	if (c->taken || c->generation != &m->generations[0])
		return -EBUSY;
	if (c->drained && m->generations[0].state != DM_USER_SERVING)
		return -ESHUTDOWN;
	if (number < m->newest)
		return -ESTALE;
	if (create && number == m->newest)
		return -EEXIST;
	if (number > m->newest + create)
		return -ERANGE;
	if (!create && !found)
		return -ENOENT;
	if (!create && found->state != DM_USER_SERVING)
		return -ESHUTDOWN;
	if (create) {
		found = free;
		*found = (struct model_generation) { .used = true, .number = number };
		m->newest = number;
	}
	model_leave(m, c);
	c->generation = found;
	found->channels++;
	return 0;
}

int model_drain(struct model *m, struct model_channel *c, bool undo)
{
	struct model_generation *g = c->generation;
	unsigned int i;

	if (!undo && g == &m->generations[0] && g->state == DM_USER_SERVING)
		for (i = 0; i < MODEL_CHANNELS; i++)
			m->channels[i].drained |= m->channels[i].generation == g;
	if (undo && g->state == DM_USER_DRAINED)
		return -EALREADY;
	if (undo)
		g->state = DM_USER_SERVING;
	else if (g->held)
		g->state = DM_USER_DRAINING;
	else
		g->state = DM_USER_DRAINED;
	return 0;
}

static void model_end_waiting(struct model *m, blk_status_t status)
{
	struct model_request *req;

	for (req = m->requests; req < m->requests + MODEL_REQUESTS; req++) {
		if (!req->used || !req->waiting)
			continue;
		model_end(req, status);
		m->failed += status != BLK_STS_DM_REQUEUE;
	}
}

void model_revoke(struct model *m, blk_status_t status)
{
	struct model_claim *claim;
	unsigned int c, i;

	model_end_waiting(m, status);
	for (c = 0; c < MODEL_CHANNELS; c++) {
		for (i = 0; i < MODEL_CLAIMS; i++) {
			claim = &m->channels[c].claims[i];
			if (!claim->used || !claim->req)
				continue;
			model_end(claim->req, status);
			m->failed += status != BLK_STS_DM_REQUEUE;
			claim->req = NULL;
			/* The daemon acts upon no write before it has read a byte of payload. */
			claim->fences = claim->type != DM_USER_REQ_MAP_READ &&
					claim->type != DM_USER_REQ_MAP_FLUSH &&
					(claim->state != MODEL_SENDING || claim->sent > HEADER);
		}
	}
}

void model_fail_queued(struct model *m)
{
	if (m->failing)
		model_end_waiting(m, BLK_STS_IOERR);
}

unsigned int model_waiting(const struct model *m)
{
	unsigned int i, n = 0;

	for (i = 0; i < MODEL_REQUESTS; i++)
		n += m->requests[i].used && m->requests[i].waiting;
	return n;
}

unsigned int model_fences(const struct model *m)
{
	unsigned int c, i, n = 0;

	for (c = 0; c < MODEL_CHANNELS; c++)
		for (i = 0; i < MODEL_CLAIMS; i++)
			n += m->channels[c].claims[i].used && m->channels[c].claims[i].fences &&
			     m->channels[c].claims[i].sectors;
	return n;
}
