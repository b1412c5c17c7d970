// SPDX-License-Identifier: GPL-2.0-or-later
/* Answers: whole, in pieces, with too many bytes, from bad memory, and to requests not held. */
#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <unistd.h>

#include "fuzz.h"

/* Take the first request from the @n-th on that was read to its end off the list. */
static bool take_held(struct fz_channel *c, unsigned int n, struct fz_held *held)
{
	bool found = false;

	fz_lock();
	for (unsigned int i = 0; i < c->held_count && !found; i++) {
		unsigned int at = (n + i) % c->held_count;

		if (!c->held[at].complete)
			continue;
		*held = c->held[at];
		memmove(c->held + at, c->held + at + 1, (c->held_count - at - 1) * sizeof(*held));
		c->held_count--;
		found = true;
	}
	fz_unlock();
	return found;
}

static void fill_payload(struct fz_channel *c, const struct fz_held *held)
{
	uint64_t stores[FZ_IO_SECTORS];

	fz_lock();
	for (unsigned int i = 0; i < held->count; i++)
		stores[i] = fz.sector[held->sector + i].store;
	fz_unlock();
	for (unsigned int i = 0; i < held->count; i++) {
		uint64_t sector[FZ_SECTOR / 8];

		fz_stamp(sector, c->out_token, held->sector + i, stores[i]);
		memcpy(c->image + FZ_HEADER + i * FZ_SECTOR, sector, FZ_SECTOR);
	}
}

/* Lay the answer out. The model's store changes here, before any byte of the answer is sent. */
static bool prepare(struct fz_channel *c, const struct fz_held *held, uint32_t response, bool junk)
{
	struct dm_user_message m = { .seq = held->seq, .type = response, .flags = fz_mix(held->seq),
				     .sector = held->sector + 1, .len = ~0ULL >> held->seq % 64 };
	bool good = response == DM_USER_RESP_SUCCESS;

	c->out = 0;
	c->out_token = 0;
	c->out_held = *held;
	c->out_response = response;
	c->out_junk = junk;
	c->out_cross = false;
	c->out_size = FZ_HEADER;
	if (good && held->type == DM_USER_REQ_MAP_READ && held->count) {
		if (held->count > FZ_IO_SECTORS)
			return false;
		c->out_token = fz_answer_new(held->sector, held->count);
		if (!c->out_token)
			return false;
		fill_payload(c, held);
		c->out_size += held->count * FZ_SECTOR;
	}
	fz_lock();
	if (!good)
		fz_store_error(held->type, held->sector, held->count);
	/* A daemon that answers with an error may have written all the same. */
	if (!junk && fz_type_writes(held->type) && (good || held->seq & 1))
		fz_store_apply(held->sector, held->count, held->token);
	fz_unlock();
	memcpy(c->image, &m, sizeof(m));
	return true;
}

/* The last byte is about to be sent; @whole false: it was not sent. */
static void note_whole(struct fz_channel *c, bool whole)
{
	const struct fz_held *held = &c->out_held;
	struct fz_answer *answer;
	struct fz_write *w;

	if (c->out_junk || c->out_cross || c->out_response != DM_USER_RESP_SUCCESS)
		return;
	fz_lock();
	answer = c->out_token ? fz_answer_find(c->out_token) : NULL;
	if (answer)
		answer->whole = whole;
	w = whole && held->token ? fz_write_find(held->token) : NULL;
	for (unsigned int i = 0; w && i < held->count; i++) {
		unsigned int at = held->sector + i - w->sector;

		if (at < w->count)
			w->acked[at / 64] |= 1ULL << at % 64;
	}
	fz_unlock();
}

static void count_answer(struct fz_channel *c)
{
	const struct fz_held *held = &c->out_held;

	c->answered = held->seq;
	c->has_answered = true;
	c->out_size = 0;
	if (c->out_cross)
		return;
	atomic_fetch_add(&fz.answered[held->type], 1);
	if (c->out_response == DM_USER_RESP_UNSUPPORTED)
		atomic_fetch_add(&fz.unsupported, 1);
	else if (c->out_response != DM_USER_RESP_SUCCESS)
		atomic_fetch_add(&fz.errors, 1);
}

static void sent_error(struct fz_thread *t, struct fz_channel *c, int err, bool hole)
{
	switch (err) {
	case EINVAL:
		/* In a crowd, a revoked request may have got the payload of another like it. */
		if (!c->out_junk && !c->out_cross && !fz.loose && !(c->crowd && fz.revoked))
			fz_broken(t, "P1: the answer to request %" PRIu64
				  ", which this channel holds, was refused", c->out_held.seq);
		atomic_fetch_add(&fz.refused, 1);
		c->out_size = 0;
		return;
	case ENOTBLK:
		if (!fz.wiped)
			fz_broken(t, "P11: ENOTBLK from a node that still exists");
		c->dead = true;
		c->out_size = 0;
		return;
	case EFAULT:
		if (hole || t->failing)
			return;
		break;
	}
	fz_broken(t, "a write failed: %s", strerror(err));
}

static void sent(struct fz_thread *t, struct fz_channel *c, size_t n)
{
	c->out += n;
	if (c->out < c->out_size)
		return;
	if (c->out_junk)
		fz_broken(t, "P1: an answer to request %" PRIu64
			  ", which this channel does not hold, was accepted", c->out_held.seq);
	if (c->out_cross)
		fz.loose = true;
	count_answer(c);
}

/*
 * Make one write of @want bytes, and of @beyond more than are due. @hole: unmapped memory follows
 * them, which the kernel does not read if the request was revoked.
 */
static void send_bytes(struct fz_thread *t, struct fz_channel *c, size_t want, size_t beyond,
		       bool hole)
{
	size_t due = c->out_size - c->out;
	struct iovec iov[3] = { { c->image + c->out, want } };
	unsigned int count = 1;
	ssize_t n;

	if (hole) {
		want = iov[0].iov_len = want < due ? want : due - 1;
		iov[count++] = (struct iovec){ FZ_NOWHERE, 64 };
	} else if (want > due) {
		want = iov[0].iov_len = due;
	}
	if (beyond && want == due)
		iov[count++] = (struct iovec){ t->scratch, beyond };
	if (want == due)
		note_whole(c, true);
	t->ops++;
	if (count > 1)
		n = writev(c->fd, iov, count);
	else if (c->out % 3 == 1)
		n = pwritev2(c->fd, iov, 1, -1, RWF_NOWAIT);
	else
		n = write(c->fd, iov[0].iov_base, want);
	if (n < 0)
		n = -errno;
	if (want == due && n != (ssize_t)due)
		note_whole(c, false);
	if (n < 0)
		sent_error(t, c, -n, hole);
	else if (n > (ssize_t)due || (n > (ssize_t)want && !(hole && fz.revoked)) ||
		 (n < (ssize_t)want && !t->failing))
		fz_broken(t, "a write of %zu bytes took %zd, at %u of %u", want, n, c->out,
			  c->out_size);
	else
		sent(t, c, n);
}

/* Begin an answer unless one is in progress. False: no answer could begin. */
static bool begin(struct fz_channel *c, unsigned int n, uint32_t response)
{
	struct fz_held held;

	if (c->out_size)
		return true;
	if (!take_held(c, n, &held))
		return false;
	if (prepare(c, &held, response, false))
		return true;
	c->forgot = true;
	c->out_size = 0;
	return false;
}

static uint32_t choose_response(uint64_t r)
{
	if (r & 0x1f)
		return DM_USER_RESP_SUCCESS;
	if (r & 0x80)
		return DM_USER_RESP_NOSPC;
	return r & 0x100 ? DM_USER_RESP_ERROR :
	       r & 0x200 ? DM_USER_RESP_UNSUPPORTED : 4 + (r >> 40);
}

bool fz_answer_one(struct fz_thread *t, struct fz_channel *c, unsigned int n, uint32_t response)
{
	bool found;

	if (!fz_channel_writing(c))
		return false;
	/* First finish an answer that another operation has begun. */
	while (c->out_size && !c->dead)
		send_bytes(t, c, c->out_size, 0, false);
	found = !c->dead && begin(c, n, response);
	while (found && c->out_size && !c->dead)
		send_bytes(t, c, c->out_size, 0, false);
	fz_channel_done(&c->writing);
	return found;
}

/* A slow daemon keeps its requests until the kernel revokes them, and answers late. */
static bool too_slow(const struct fz_channel *c, uint64_t r)
{
	return c->slow && r >> 40 & 0x1f;
}

static void run_answer(struct fz_thread *t, const struct fz_op *op, size_t want, size_t beyond,
		       bool hole)
{
	struct fz_channel *c = fz_channel_get(t, op->channel);
	uint64_t r = fz_op_random(op);

	if (!c)
		return;
	if (!too_slow(c, r) && fz_channel_writing(c)) {
		if (begin(c, op->a, choose_response(r)))
			send_bytes(t, c, want, beyond, hole);
		fz_channel_done(&c->writing);
	}
	fz_channel_put(c);
}

void fz_run_answer(struct fz_thread *t, const struct fz_op *op)
{
	run_answer(t, op, FZ_IO_BYTES + FZ_PAGE, op->b & 0xe ? 0 : 1 + op->b % 61, false);
}

void fz_run_answer_chunk(struct fz_thread *t, const struct fz_op *op)
{
	run_answer(t, op, 1 + (op->b & 3 ? (op->b >> 8) % 60 : (op->b >> 8) % 5000), 0, false);
}

void fz_run_answer_hole(struct fz_thread *t, const struct fz_op *op)
{
	run_answer(t, op, op->b & 3 ? (op->b >> 8) % 700 : 0, 0, true);
}

/* ---- answers that a daemon must not send ---- */

static bool other_held(const struct fz_channel *c, uint64_t r, struct fz_held *held)
{
	const struct fz_channel *other = &fz_channels[r % FZ_CHANNELS];
	bool found;

	fz_lock();
	found = other != c && other->state == FZ_OPEN && other->held_count;
	if (found) {
		*held = other->held[(r >> 8) % other->held_count];
		fz_store_error(held->type, held->sector, held->count);
	}
	fz_unlock();
	return found;
}

static void send_junk(struct fz_thread *t, struct fz_channel *c, const struct fz_op *op)
{
	struct fz_held held = { .seq = fz.seq_max + 1000000 + op->b,
				.type = DM_USER_REQ_MAP_FLUSH };
	uint64_t r = fz_op_random(op);
	bool cross = false, half = false;

	switch (op->b % 4) {
	case 0:
		if (c->has_answered)
			held.seq = c->answered;
		break;
	case 1:
		cross = other_held(c, r, &held);
		break;
	case 2:
		/* The request that is being read. */
		half = !c->crowd && fz_channel_reading(c);
		if (half && c->in_header == FZ_HEADER)
			held.seq = c->message.seq;
		break;
	}
	if (prepare(c, &held, DM_USER_RESP_ERROR, true)) {
		c->out_junk = !cross;
		c->out_cross = cross;
		send_bytes(t, c, half || op->a % 4 ? FZ_HEADER : 1U + op->a / 4 % 39, op->a & 64,
			   false);
	}
	/* Once the request has been read to its end, answering it is not wrong any more. */
	while (half && c->out_size && !c->dead)
		send_bytes(t, c, FZ_HEADER, 0, false);
	if (half)
		fz_channel_done(&c->reading);
}

void fz_run_junk(struct fz_thread *t, const struct fz_op *op)
{
	struct fz_channel *c = fz_channel_get(t, op->channel);

	if (!c)
		return;
	if (fz_channel_writing(c)) {
		if (!c->out_size)
			send_junk(t, c, op);
		fz_channel_done(&c->writing);
	}
	fz_channel_put(c);
}

/* ---- a good daemon ---- */

void fz_run_serve(struct fz_thread *t, const struct fz_op *op)
{
	struct fz_channel *c = fz_channel_get(t, op->channel);
	ssize_t n;

	if (!c)
		return;
	n = fz_read(t, c, FZ_WHOLE, fz_op_random(op));
	if (n == FZ_HEADER && !c->crowd && c->in_header == FZ_HEADER)
		fz_read(t, c, FZ_WHOLE, 0);
	if (!too_slow(c, fz_op_random(op)))
		fz_answer_one(t, c, op->a, choose_response(fz_op_random(op)));
	fz_channel_put(c);
}

/* Store held writes, as a daemon may long before it answers; of a write read in part, that part. */
void fz_run_apply(struct fz_thread *t, const struct fz_op *op)
{
	struct fz_channel *c = fz_channel_get(t, op->channel);
	uint64_t token, store;

	if (!c)
		return;
	fz_lock();
	for (unsigned int i = 0; i < c->held_count && !c->gone; i++)
		if (c->held[i].complete && fz_type_writes(c->held[i].type))
			fz_store_apply(c->held[i].sector, c->held[i].count, c->held[i].token);
	fz_unlock();
	if (!c->crowd && fz_channel_reading(c)) {
		fz_lock();
		if (!c->gone && c->in_header == FZ_HEADER && c->in_payload >= FZ_SECTOR &&
		    fz_stamped(c->payload, &token, c->message.sector, &store))
			fz_store_apply(c->message.sector, c->in_payload / FZ_SECTOR, token);
		fz_unlock();
		fz_channel_done(&c->reading);
	}
	fz_channel_put(c);
}

/* Forget a request: this daemon never answers it. */
void fz_run_forget(struct fz_thread *t, const struct fz_op *op)
{
	struct fz_channel *c = fz_channel_get(t, op->channel);
	struct fz_held held;

	if (!c)
		return;
	if (take_held(c, op->a, &held))
		c->forgot = true;
	fz_channel_put(c);
}
