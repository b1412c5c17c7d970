// SPDX-License-Identifier: GPL-2.0-or-later
/* Answers that are cut off, too long, doubled, late, endless, or from another channel. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "hostile.h"

#define HEADER	sizeof(struct dm_user_message)

/* Allocate an answer of HEADER + @m->len bytes: a header and signed payload. */
static uint8_t *answer_make(const struct dm_user_message *m, enum signer signer)
{
	uint8_t *signed_bytes = abi_buffer(m->len), *answer = abi_buffer(HEADER + m->len);
	struct dm_user_message header = { .seq = m->seq };

	sign(signed_bytes, m->sector, m->len, signer);
	memcpy(answer, &header, HEADER);
	memcpy(answer + HEADER, signed_bytes, m->len);
	free(signed_bytes);
	return answer;
}

static void answer_signed(int fd, const struct dm_user_message *m)
{
	uint8_t *answer = answer_make(m, HONEST);

	IS(ch_answer(fd, m, 0, answer + HEADER, 0), 0, "an honest answer");
	free(answer);
}

static void read_is_honest(struct io *io, const char *what)
{
	NEED(UNTIL(io->done), "%s: the read ends", what);
	if (IS(io->result, 0, "%s: read", what))
		OK(is_signed(io->buf, io->offset / 512, io->len, HONEST),
		   "%s: the reader has the bytes of the completed answer", what);
	io_end(io);
}

static void push(int fd, const void *buf, size_t len)
{
	for (size_t at = 0; at < len; ) {
		ssize_t put = ch_write(fd, buf + at, len - at);

		NEED(put > 0, "write(): %zd", put);
		at += put;
	}
}

/* ---- closed in the middle of a message ---- */

#define CUT_LEN	4096

static void cut_reading(const struct target *t, size_t cut)
{
	uint8_t *buf = abi_buffer(HEADER + CUT_LEN);
	struct dm_user_message m;
	struct io *io = io_start(t, IO_WRITE, 8192, CUT_LEN, cut);
	int fd = ch_need(t);

	OK(ch_ready(fd, POLLIN), "a request");
	for (size_t at = 0; at < cut; ) {
		ssize_t got = ch_read(fd, buf + at, cut - at);

		NEED(got > 0, "read(): %zd", got);
		at += got;
	}
	close(fd);
	fd = ch_need(t);
	ch_take_type(fd, &m, DM_USER_REQ_MAP_WRITE, buf);
	OK(m.sector == 16 && m.len == CUT_LEN && abi_filled(buf, CUT_LEN, cut),
	   "closed after %zu bytes of a request: the next channel gets the whole request", cut);
	IS(ch_answer(fd, &m, 0, NULL, 0), 0, "answer");
	IS(io_end(io), 0, "write");
	close(fd);
	free(buf);
}

static void cut_answering(const struct target *t, enum io_op op, size_t cut)
{
	struct io *io = io_start(t, op, 8192, CUT_LEN, cut);
	struct dm_user_message m;
	int fd = ch_need(t);
	uint8_t *answer;

	NEED(ch_ready(fd, POLLIN) && !ch_take(fd, &m, NULL, 0), "a request");
	answer = answer_make(&m, POISON);
	push(fd, answer, cut);
	OK(!io->done, "%zu bytes of an answer complete nothing", cut);
	close(fd);
	free(answer);
	fd = ch_need(t);
	NEED(ch_ready(fd, POLLIN) && !ch_take(fd, &m, NULL, 0), "the request comes again");
	OK(!io->done, "the close completes nothing");
	if (op == IO_READ) {
		answer_signed(fd, &m);
		read_is_honest(io, "closed while answering");
	} else {
		IS(ch_answer(fd, &m, 0, NULL, 0), 0, "answer");
		IS(io_end(io), 0, "write");
	}
	close(fd);
}

static void answers_closes(void)
{
	unsigned int step = rounds(1) > 1 ? 1 : 6;
	struct bystander by;
	struct target t;

	bystander_start(&by);
	target_create(&t, NULL);
	for (size_t cut = 1; cut <= HEADER; cut += step) {
		cut_reading(&t, cut);
		cut_answering(&t, IO_READ, cut);
		/* The last byte of the header completes the answer to a write. */
		if (cut < HEADER)
			cut_answering(&t, IO_WRITE, cut);
	}
	for (size_t cut = HEADER; cut < HEADER + CUT_LEN; cut += step * 97) {
		cut_reading(&t, cut);
		cut_answering(&t, IO_READ, cut);
	}
	cut_reading(&t, HEADER + CUT_LEN - 1);
	cut_reading(&t, HEADER + CUT_LEN);
	cut_answering(&t, IO_READ, HEADER + CUT_LEN - 1);
	target_remove(&t);
	bystander_stop(&by);
}

/* ---- too long, doubled and endless ---- */

/* The kernel ignores an answer's fields but seq and type, and takes no payload that is not due. */
static void answers_long(void)
{
	static const enum io_op ops[] = { IO_WRITE, IO_FSYNC, IO_DISCARD };
	uint8_t *noise = abi_buffer(65536);
	struct dm_user_message m, next;
	struct target t;
	struct io *io;
	uint8_t *answer;
	int fd;

	memset(noise, 0xff, 65536);
	target_create(&t, NULL);
	fd = ch_need(&t);
	for (size_t i = 0; i < sizeof(ops) / sizeof(*ops); i++) {
		io = io_start(&t, ops[i], 0, ops[i] == IO_FSYNC ? 0 : 4096, 1);
		NEED(ch_ready(fd, POLLIN) && !ch_take(fd, &m, NULL, 0), "a request");
		memcpy(noise, &(struct dm_user_message){ m.seq, 0, ~0ULL, ~0ULL, ~0ULL }, HEADER);
		IS(ch_write(fd, noise, 65536), HEADER,
		   "operation %d: write() takes only the header", ops[i]);
		IS(io_end(io), 0, "operation %d", ops[i]);
		IS(ch_write(fd, noise, 65536), -EINVAL, "a second answer");
		IS(ch_write(fd, noise + HEADER, 1000), -EINVAL, "payload without a header");
	}

	io = io_start(&t, IO_READ, 4096, 12800, 0);
	ch_take_type(fd, &m, DM_USER_REQ_MAP_READ, NULL);
	answer = answer_make(&m, HONEST);
	memcpy(answer, &(struct dm_user_message){ m.seq, 0, ~0ULL, ~0ULL, 1ULL << 63 }, HEADER);
	memcpy(noise, answer, HEADER + m.len);
	IS(ch_write(fd, noise, 65536), HEADER + m.len,
	   "the answer to a READ has the length of the request, whatever its header says");
	read_is_honest(io, "an answer that claims 2^63 bytes");

	/* A second header in the place of payload is payload. */
	io = io_start(&t, IO_READ, 4096, 4096, 0);
	ch_take_type(fd, &m, DM_USER_REQ_MAP_READ, NULL);
	push(fd, answer_make(&m, HONEST), HEADER);
	push(fd, noise, HEADER);
	OK(!io->done, "the read is not done");
	push(fd, noise + HEADER, 4096 - HEADER);
	NEED(UNTIL(io->done), "the read ends");
	OK(!memcmp(io->buf, noise, 4096), "the read has the bytes that were written");
	IS(io_end(io), 0, "read");

	/* Endless bytes: each call is refused, and the channel stays usable. */
	io = io_start(&t, IO_READ, 0, 4096, 0);
	ch_take_type(fd, &next, DM_USER_REQ_MAP_READ, NULL);
	memset(noise, 0xa5, 65536);
	for (unsigned int i = 0; i < rounds(200); i++)
		IS(ch_write(fd, noise, 65536 - i % 7 * HEADER), -EINVAL,
		   "bytes that begin no answer");
	OK(!io->done, "no request was touched");
	answer_signed(fd, &next);
	read_is_honest(io, "after an endless answer");
	target_remove(&t);
	free(noise);
	free(answer);
}

/* ---- late answers, and answers from other channels and earlier generations ---- */

/*
 * DM takes a request back when the daemon has written a part of the answer. The daemon writes more
 * of that answer before and after another daemon answers the same read.
 */
static void stale_half(const struct target *t, int slow, int quick, size_t part, bool fail)
{
	struct io *io = io_start(t, IO_READ, 65536, 12800, 0);
	struct dm_user_message m, again;
	uint8_t *answer;

	ch_take_type(slow, &m, DM_USER_REQ_MAP_READ, NULL);
	answer = answer_make(&m, POISON);
	push(slow, answer, part);
	if (fail) {
		IS(dm_message(t->name, "fail"), 0, "message fail");
		NEED(UNTIL(io->done), "the read ends");
		IS(io->result, -EIO, "a read that was answered in part fails");
		OK(is_untouched_or_signed(io->buf, 128, 12800),
		   "no foreign byte came into the buffer");
		memset(io->buf, 0xee, 12800);
		push(slow, answer + part, HEADER + 12800 - part);
		OK(is_untouched_or_signed(io->buf, 128, 12800) && io->buf[0] == 0xee,
		   "the rest of the answer does not reach the buffer");
		io_end(io);
	} else {
		take_back(t);
		ch_take_type(quick, &again, DM_USER_REQ_MAP_READ, NULL);
		OK(again.seq != m.seq, "DM submits the read again, with a new seq");
		push(slow, answer + part, 1);
		OK(!io->done, "the late answer completes nothing");
		answer_signed(quick, &again);
		push(slow, answer + part + 1, HEADER + 12800 - part - 1);
		read_is_honest(io, "answered in part, then taken back");
	}
	IS(ch_write(slow, answer, HEADER + 12800), -EINVAL, "a second late answer");
	free(answer);
}

static void answers_stale(void)
{
	static const size_t parts[] = { 1, 39, 40, 41, 40 + 4095, 40 + 4096, 40 + 12799 };
	struct bystander by;
	struct target t;
	int slow, quick;

	bystander_start(&by);
	target_create(&t, NULL);
	slow = ch_need(&t);
	quick = ch_need(&t);
	for (size_t i = 0; i < sizeof(parts) / sizeof(*parts); i++) {
		stale_half(&t, slow, quick, parts[i], false);
		stale_half(&t, slow, quick, parts[i], true);
	}
	close(slow);
	close(quick);
	target_remove(&t);
	bystander_stop(&by);
}

/* Many channels know the same seq: only the channel that holds the request can answer it. */
static void answers_strangers(void)
{
	struct dm_user_message m, other_m, again;
	struct target t, other;
	struct io *io, *other_io;
	int a, b, c, x;

	target_create(&t, NULL);
	target_create_as(&other, ABI_NAME "2", ABI_CTL "2", 2048, NULL);
	a = ch_need(&t);
	b = ch_need(&t);
	c = ch_need(&t);
	x = ch_need(&other);
	IS(ch_join(a, 1, DM_USER_JOIN_CREATE), 0, "create 1");
	IS(ch_join(b, 1, 0), 0, "join 1");
	IS(ch_join(c, 2, DM_USER_JOIN_CREATE), 0, "create 2");
	io = io_start(&t, IO_READ, 0, 4096, 0);
	ch_take_type(a, &m, DM_USER_REQ_MAP_READ, NULL);
	other_io = io_start(&other, IO_READ, 0, 4096, 0);
	ch_take_type(x, &other_m, DM_USER_REQ_MAP_READ, NULL);
	IS(m.seq, other_m.seq, "seq on two devices");
	IS(ch_write(b, answer_make(&m, POISON), HEADER + 4096), -EINVAL,
	   "answer by a channel of the same generation");
	IS(ch_write(c, answer_make(&m, POISON), HEADER + 4096), -EINVAL,
	   "answer by the next generation");
	answer_signed(x, &other_m);
	read_is_honest(other_io, "the other device");
	OK(!io->done, "the other device's answer does not reach the request");

	IS(ch_drain(a, 0, NULL), 0, "drain 1");
	close(a);
	ch_take_type(c, &again, DM_USER_REQ_MAP_READ, NULL);
	IS(again.seq, m.seq, "an orphan keeps its seq");
	IS(ch_write(b, answer_make(&m, POISON), HEADER + 4096), -EINVAL,
	   "answer by the old generation");
	IS(ch_write(x, answer_make(&m, POISON), HEADER + 4096), -EINVAL,
	   "answer by the other device's channel");
	OK(!io->done, "no refused answer reached the request");
	answer_signed(c, &again);
	read_is_honest(io, "the orphan");
	IS(ch_write(c, answer_make(&m, POISON), HEADER + 4096), -EINVAL,
	   "a second answer to the orphan");
	close(b);
	close(c);
	target_remove(&t);
	close(x);
	target_remove(&other);
}

/* ---- at random ---- */

#define HELD	8

struct fickle {
	int fd;
	struct dm_user_message held[HELD];
	unsigned int count;
	unsigned int seed;
};

static void fickle_take(struct fickle *f)
{
	while (f->count < HELD && ch_poll(f->fd) & POLLIN &&
	       !ch_take(f->fd, &f->held[f->count], NULL, rand_r(&f->seed) % 3 * 13))
		f->count++;
}

/* Answer a random held request with honest bytes, in a random way. */
static void fickle_answer(struct fickle *f)
{
	unsigned int which = rand_r(&f->seed) % f->count, way = rand_r(&f->seed) % 8;
	struct dm_user_message m = f->held[which];
	size_t len = m.type == DM_USER_REQ_MAP_READ ? m.len : 0;
	uint8_t *answer = answer_make(&m, HONEST);
	struct dm_user_message *header = (void *)answer;

	if (way == 0) {
		header->seq = m.seq + 1000 + rand_r(&f->seed);
		IS(ch_write(f->fd, answer, HEADER + len), -EINVAL, "an unknown seq");
	} else if (way == 1) {
		header->type = 1 + rand_r(&f->seed) % 3;
		IS(ch_write(f->fd, answer, HEADER + len), HEADER, "an error, with payload");
		f->held[which] = f->held[--f->count];
	} else {
		header->flags = header->sector = header->len = rand_r(&f->seed);
		for (size_t at = 0; at < HEADER + len; ) {
			size_t want = 1 + rand_r(&f->seed) % (HEADER + len - at);

			push(f->fd, answer + at, want);
			at += want;
		}
		if (way == 2)
			IS(ch_write(f->fd, answer, HEADER + len), -EINVAL, "a second answer");
		f->held[which] = f->held[--f->count];
	}
	free(answer);
}

/* Begin an answer, close the channel, and open another. */
static void fickle_leave(struct fickle *f, const struct target *t)
{
	struct dm_user_message m = f->held[0];
	uint8_t *answer = answer_make(&m, POISON);
	size_t len = HEADER + (m.type == DM_USER_REQ_MAP_READ ? m.len : 0);

	push(f->fd, answer, 1 + rand_r(&f->seed) % (len - 1));
	free(answer);
	close(f->fd);
	f->fd = ch_need(t);
	f->count = 0;
}

/* Seeded: calls and their order are the same in each run, except for the order of requests. */
static void answers_random(void)
{
	struct fickle f[2] = { { .seed = 1 }, { .seed = 2 } };
	unsigned int ended = 0, seed = 3, want = rounds(60);
	struct io *io[12] = { 0 };
	struct bystander by;
	struct target t;
	uint64_t end = abi_now_ms() + ABI_WAIT_MS;

	bystander_start(&by);
	target_create(&t, NULL);
	f[0].fd = ch_need(&t);
	f[1].fd = ch_need(&t);
	while (ended < want && abi_now_ms() < end) {
		for (int i = 0; i < 12; i++) {
			if (io[i] && io[i]->done) {
				if (io[i]->result == 0 && io[i]->op == IO_READ)
					OK(is_signed(io[i]->buf, io[i]->offset / 512,
						     io[i]->len, HONEST),
					   "a successful read has the bytes of a completed answer");
				io_end(io[i]);
				io[i] = NULL;
				ended++;
			}
			if (!io[i])
				io[i] = io_start(&t, rand_r(&seed) % 3 ? IO_READ : IO_WRITE,
						 rand_r(&seed) % 256 * 4096,
						 512 << rand_r(&seed) % 7, 1);
		}
		for (int i = 0; i < 2; i++) {
			fickle_take(&f[i]);
			if (f[i].count && rand_r(&seed) % 10 == 0)
				fickle_leave(&f[i], &t);
			while (f[i].count > HELD / 2)
				fickle_answer(&f[i]);
		}
		while (f[0].count + f[1].count)
			fickle_answer(&f[f[0].count ? 0 : 1]);
		abi_nap();
	}
	OK(ended >= want, "%u of %u requests ended", ended, want);
	IS(dm_wipe(t.name), 0, "replace the table");
	for (int i = 0; i < 12; i++)
		if (io[i])
			io_end(io[i]);
	close(f[0].fd);
	close(f[1].fd);
	target_remove(&t);
	bystander_stop(&by);
}

const struct abi_test abi_hostile_answers[] = {
	{ "closes", answers_closes,
	  "P1, P10: closed at any byte of a message; the next channel serves the request" },
	{ "long", answers_long, "P10: too long, doubled and endless answers have no effect" },
	{ "stale", answers_stale,
	  "P10: a part of an answer to a request taken back reaches no reader" },
	{ "strangers", answers_strangers,
	  "P1: only the channel that holds a request can answer it" },
	{ "random", answers_random,
	  "P1, P10: answers of every kind in any order, from two channels that come and go" },
	{ NULL, NULL, NULL }
};
