// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Requests. On a usual channel one thread at a time reads, any number of bytes. On a crowd's
 * channel any number of threads read, each with room for the largest piece. So each gets a whole
 * header or a whole payload, and its length tells which.
 */
#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "fuzz.h"

static bool has_payload(const struct dm_user_message *m)
{
	return m->type == DM_USER_REQ_MAP_WRITE && m->len;
}

static void check_header(struct fz_thread *t, const struct fz_channel *c,
			 const struct dm_user_message *m, uint64_t begun, uint64_t *token)
{
	uint64_t block = fz.block * FZ_SECTOR;
	bool has;

	if (m->type > DM_USER_REQ_MAP_WRITE_ZEROES || m->type == DM_USER_REQ_MAP_WRITE_SAME ||
	    m->flags >= DM_USER_REQ_MAP_FLAG_SWAP * 2 || m->len % block || m->sector % fz.block ||
	    m->sector + m->len / FZ_SECTOR > FZ_SECTORS ||
	    (m->type == DM_USER_REQ_MAP_FLUSH && m->len))
		fz_broken(t, "a request of type %llu flags %#llx sector %llu len %llu", m->type,
			  m->flags, m->sector, m->len);
	fz_lock();
	has = fz_client_has(m->type, m->sector, m->len / FZ_SECTOR, token);
	if (m->seq >= fz.seq_max)
		fz.seq_max = m->seq + 1;
	fz_unlock();
	/*
	 * The I/O may have ended between the read and now: the request was revoked, and perhaps the
	 * channel that got it next has answered; or this channel was closed.
	 */
	if (!has && !fz_event_since(&fz.fail, begun) && !fz_event_since(&fz.revoke, begun) &&
	    !c->gone && !fz.excused)
		fz_broken(t, "P1: a request for no I/O: type %llu sector %llu len %llu seq %llu",
			  m->type, m->sector, m->len, m->seq);
}

static struct fz_held *held_add(struct fz_channel *c)
{
	if (c->held_count == FZ_HELD) {
		c->forgot = true;
		memmove(c->held, c->held + 1, (FZ_HELD - 1) * sizeof(*c->held));
		c->held_count--;
	}
	return &c->held[c->held_count++];
}

/* A header has been read to its end. */
static void note_header(struct fz_thread *t, struct fz_channel *c,
			const struct dm_user_message *m, uint64_t begun)
{
	struct fz_held *held;
	uint64_t token = 0;

	check_header(t, c, m, begun, &token);
	fz_lock();
	held = held_add(c);
	*held = (struct fz_held){ .seq = m->seq, .type = m->type, .sector = m->sector,
				  .count = m->len / FZ_SECTOR, .complete = !has_payload(m) };
	if (fz_type_writes(m->type))
		held->token = token;
	if (!held->complete && c->loose.complete && c->loosed > begun &&
	    c->loose.sector == held->sector && c->loose.count == held->count) {
		held->token = c->loose.token;
		held->complete = true;
		c->loose.complete = false;
	}
	fz_unlock();
}

/* A payload must be of one client write to these sectors that had not ended. Returns its token. */
static uint64_t check_payload(struct fz_thread *t, const uint8_t *data, unsigned int sector,
			      unsigned int count, uint64_t begun, bool crowd)
{
	uint64_t token, first = 0, store;
	struct fz_write *w = NULL;

	for (unsigned int i = sector; i < sector + count; i++, data += FZ_SECTOR) {
		if (!fz_stamped(data, &token, i, &store))
			fz_broken(t, "P1: a daemon got for sector %u data that no client wrote "
				  "there: %016" PRIx64 " %016" PRIx64, i, *(uint64_t *)data,
				  *(uint64_t *)(data + 8));
		if (!w) {
			first = token;
			w = fz_write_find(token);
			if (!w || w->sector > sector || w->sector + w->count < sector + count)
				fz_broken(t, "P1: a daemon got for %u+%u another write", sector,
					  count);
			if (w->done && w->done < begun)
				fz_broken(t, "P1: a daemon got for %u+%u a write that had ended",
					  sector, count);
		}
		if (token != first)
			fz_broken(t, "P1: a daemon got for %u+%u two writes mixed", sector, count);
		w->crowd |= crowd;
		w->seen[(i - w->sector) / 64] |= 1ULL << (i - w->sector) % 64;
	}
	return first;
}

/* ---- a usual channel ---- */

/* The message ended early: the kernel revoked the request. */
static void forget_message(struct fz_channel *c)
{
	unsigned int left = 0;

	fz_lock();
	for (unsigned int i = 0; i < c->held_count; i++)
		if (c->held[i].complete)
			c->held[left++] = c->held[i];
	/* In a crowd, a thread may have read one of them to its end and not have noted it yet. */
	c->forgot |= c->crowd && left < c->held_count;
	c->held_count = left;
	fz_unlock();
	if (!c->crowd)
		c->in_header = c->in_payload = 0;
}

static void take_header_bytes(struct fz_thread *t, struct fz_channel *c, size_t n)
{
	if (n > FZ_HEADER - c->in_header)
		fz_broken(t, "a read gave %zu bytes where %zu were due of a header", n,
			  FZ_HEADER - c->in_header);
	memcpy((uint8_t *)&c->message + c->in_header, t->scratch, n);
	c->in_header += n;
	if (c->in_header < FZ_HEADER)
		return;
	note_header(t, c, &c->message, c->begun);
	c->in_payload = 0;
	if (!has_payload(&c->message))
		c->in_header = 0;
}

static void take_payload_bytes(struct fz_thread *t, struct fz_channel *c, size_t n)
{
	uint64_t token;

	if (n > c->message.len - c->in_payload)
		fz_broken(t, "a read gave %zu bytes where %llu were due of a payload", n,
			  c->message.len - c->in_payload);
	memcpy(c->payload + c->in_payload, t->scratch, n);
	c->in_payload += n;
	if (c->in_payload < c->message.len)
		return;
	fz_lock();
	token = check_payload(t, c->payload, c->message.sector, c->message.len / FZ_SECTOR,
			      c->begun, false);
	for (unsigned int i = 0; i < c->held_count; i++)
		if (c->held[i].seq == c->message.seq && !c->held[i].complete) {
			c->held[i].token = token;
			c->held[i].complete = true;
		}
	fz_unlock();
	c->in_header = 0;
}

/* ---- a crowd's ---- */

static void crowd_piece(struct fz_thread *t, struct fz_channel *c, size_t n, uint64_t begun)
{
	struct fz_held piece = { .complete = true };
	bool found = false;

	if (n == FZ_HEADER) {
		note_header(t, c, (struct dm_user_message *)t->scratch, begun);
		return;
	}
	/* The piece is short if the kernel revoked the request. */
	piece.count = n / FZ_SECTOR;
	if (!piece.count)
		return;
	piece.sector = ((uint64_t *)t->scratch)[1];
	if (piece.sector + piece.count > FZ_SECTORS)
		fz_broken(t, "P1: a piece of %zu bytes for sector %u", n, piece.sector);
	fz_lock();
	piece.token = check_payload(t, t->scratch, piece.sector, piece.count, 0, true);
	for (unsigned int i = c->held_count; i && !found; i--) {
		struct fz_held *held = &c->held[i - 1];

		found = !held->complete && held->sector == piece.sector &&
			held->count == piece.count;
		if (found) {
			held->token = piece.token;
			held->complete = true;
		}
	}
	if (!found) {
		c->loose = piece;
		c->loosed = fz_tick();
	}
	fz_unlock();
}

/* ---- both ---- */

static void check_error(struct fz_thread *t, struct fz_channel *c, int err, enum fz_how how)
{
	switch (err) {
	case EAGAIN:
	case EINTR:
		return;
	case ECANCELED:
		if (!fz.revoked)
			fz_broken(t, "P1: ECANCELED, but no request was revoked");
		forget_message(c);
		return;
	case ENOTBLK:
		if (!fz.wiped)
			fz_broken(t, "P11: ENOTBLK from a node that still exists");
		c->dead = true;
		return;
	case ENOMEM:
		if (t->failing)
			return;
		break;
	case EFAULT:
		if (how == FZ_HOLE || t->failing)
			return;
		break;
	}
	fz_broken(t, "a read failed: %s", strerror(err));
}

/* Where the bytes go: one buffer, its pieces, a piece before unmapped memory, or absent pages. */
static unsigned int read_place(struct fz_thread *t, struct iovec *iov, enum fz_how how,
			       uint64_t random, size_t due)
{
	size_t room = FZ_IO_BYTES + FZ_PAGE, at = 0, n;
	unsigned int count = 0;

	if (how == FZ_CHUNK)
		room = 1 + (random & 1 ? random >> 8 : (random >> 8) % 48) % due;
	if (how == FZ_HOLE) {
		n = random % 3 ? (random >> 8) % 700 : 0;
		iov[0] = (struct iovec){ t->scratch, n };
		iov[1] = (struct iovec){ FZ_NOWHERE, 64 };
		return 2;
	}
	if (!(random >> 60))
		madvise(t->scratch, room, MADV_DONTNEED);
	if (how == FZ_VECTOR)
		while (count < 4 && at < room) {
			n = 1 + (random >> (8 + 8 * count)) % 600;
			iov[count++] = (struct iovec){ t->scratch + at, n };
			at += n;
		}
	else
		iov[count++] = (struct iovec){ t->scratch, room };
	return count;
}

static ssize_t read_into(struct fz_thread *t, struct fz_channel *c, const struct iovec *iov,
			 unsigned int count, bool sleeps)
{
	t->ops++;
	if (sleeps || c->nonblock)
		return count > 1 ? readv(c->fd, iov, count) :
				   read(c->fd, iov->iov_base, iov->iov_len);
	return preadv2(c->fd, iov, count, -1, RWF_NOWAIT);
}

static void check_zero(struct fz_thread *t)
{
	if (!fz.drained && !fz.wiped)
		fz_broken(t, "a read gave 0, but no drain was requested");
}

static ssize_t read_counted(struct fz_thread *t, struct fz_channel *c, enum fz_how how,
			    uint64_t random, uint64_t begun)
{
	size_t due = FZ_HEADER - c->in_header;
	struct iovec iov[4];
	unsigned int count;
	bool sleeps;
	ssize_t n;

	if (c->crowd && how != FZ_SLEEP)
		how = FZ_WHOLE;
	if (!c->crowd && c->in_header == FZ_HEADER)
		due = c->message.len - c->in_payload;
	count = read_place(t, iov, how, random, due);
	sleeps = how == FZ_SLEEP && !c->nonblock && fz_block_begin(t);
	n = read_into(t, c, iov, count, sleeps);
	if (n < 0)
		n = -errno;
	if (sleeps)
		fz_block_end(t);
	if (c->gone)
		return -EBADF;
	if (n < 0)
		check_error(t, c, -n, how);
	else if (!n && iov[0].iov_len)
		check_zero(t);
	else if (n && c->crowd)
		crowd_piece(t, c, n, begun);
	else if (n && c->in_header < FZ_HEADER)
		take_header_bytes(t, c, n);
	else if (n)
		take_payload_bytes(t, c, n);
	return n;
}

ssize_t fz_read(struct fz_thread *t, struct fz_channel *c, enum fz_how how, uint64_t random)
{
	uint64_t begun = fz_tick();
	ssize_t n;

	if (c->crowd)
		return read_counted(t, c, how, random, begun);
	if (!fz_channel_reading(c))
		return -EBUSY;
	if (!c->in_header)
		c->begun = begun;
	n = read_counted(t, c, how, random, begun);
	fz_channel_done(&c->reading);
	return n;
}

static void run_read(struct fz_thread *t, const struct fz_op *op, enum fz_how how)
{
	struct fz_channel *c = fz_channel_get(t, op->channel);

	if (!c)
		return;
	fz_read(t, c, how, fz_op_random(op));
	fz_channel_put(c);
}

void fz_run_take(struct fz_thread *t, const struct fz_op *op)
{
	run_read(t, op, FZ_WHOLE);
}

void fz_run_chunk(struct fz_thread *t, const struct fz_op *op)
{
	run_read(t, op, FZ_CHUNK);
}

void fz_run_readv(struct fz_thread *t, const struct fz_op *op)
{
	run_read(t, op, FZ_VECTOR);
}

void fz_run_hole(struct fz_thread *t, const struct fz_op *op)
{
	run_read(t, op, FZ_HOLE);
}

void fz_run_wait(struct fz_thread *t, const struct fz_op *op)
{
	run_read(t, op, FZ_SLEEP);
}
