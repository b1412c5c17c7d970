// SPDX-License-Identifier: GPL-2.0-or-later
/* The stream: requests are read and answers are written in pieces of any size. */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

#include "abi.h"

#define HEADER	sizeof(struct dm_user_message)

/* One write and one read of @len bytes, read and answered in pieces of @in and @out bytes. */
static void stream_cut(const struct target *t, int fd, size_t len, size_t in, size_t out)
{
	uint64_t tag = len * 1000003 + in * 1009 + out;
	uint8_t *payload = abi_buffer(len);
	struct dm_user_message m;
	struct io *io;

	io = io_start(t, IO_WRITE, 8192, len, tag);
	IS(ch_take(fd, &m, payload, in), 0, "take a write of %zu in pieces of %zu", len, in);
	NEED(m.type == DM_USER_REQ_MAP_WRITE && m.len == len && m.sector == 16,
	     "header of a write of %zu, read in pieces of %zu", len, in);
	OK(abi_filled(payload, len, tag), "payload of %zu bytes read in pieces of %zu", len, in);
	IS(ch_answer(fd, &m, DM_USER_RESP_SUCCESS, NULL, out), 0, "answer in pieces of %zu", out);
	IS(io_end(io), 0,
	   "write of %zu, read in pieces of %zu, answered in pieces of %zu", len, in, out);

	io = io_start(t, IO_READ, 8192, len, 0);
	IS(ch_take(fd, &m, NULL, in), 0, "take a read of %zu in pieces of %zu", len, in);
	NEED(m.type == DM_USER_REQ_MAP_READ && m.len == len,
	     "header of a read of %zu, read in pieces of %zu", len, in);
	IS(ch_answer(fd, &m, DM_USER_RESP_SUCCESS, payload, out), 0,
	   "answer in pieces of %zu", out);
	io_end_read(io, tag);
	free(payload);
}

static void stream_pieces(void)
{
	static const size_t pieces[] = { 1, 7, 39, 40, 41, 513, 4096, 0 };
	static const size_t lengths[] = { 512, 4096, 12800 };
	const size_t count = sizeof(pieces) / sizeof(*pieces);
	struct target t;
	int fd;

	target_create(&t, NULL);
	fd = ch_need(&t);
	for (size_t l = 0; l < sizeof(lengths) / sizeof(*lengths); l++)
		for (size_t i = 0; i < count; i++)
			for (size_t o = 0; o < count; o++)
				stream_cut(&t, fd, lengths[l], pieces[i], pieces[o]);
	stream_cut(&t, fd, 256 << 10, 0, 0);
	stream_cut(&t, fd, 256 << 10, 4097, 4095);
}

/* read() returns header or payload, never both, and never parts of two requests. */
static void stream_borders(void)
{
	uint8_t *buf = abi_buffer(65536);
	struct dm_user_message *m = (void *)buf;
	struct dm_user_message first, second;
	struct io *a, *b;
	struct target t;
	int fd;

	target_create(&t, NULL);
	fd = ch_need(&t);
	a = io_start(&t, IO_WRITE, 0, 4096, 1);
	OK(UNTIL(dm_word(t.name, "queued:") == 1), "the first request waits");
	b = io_start(&t, IO_WRITE, 4096, 4096, 2);
	OK(UNTIL(dm_word(t.name, "queued:") == 2), "both requests wait");

	IS(ch_read(fd, buf, 65536), HEADER, "a read of the header stops at its end");
	first = *m;
	IS(ch_read(fd, buf, 65536), 4096, "a read of the payload stops at its end");
	OK(abi_filled(buf, 4096, 1), "payload of the first request");
	IS(ch_read(fd, buf, 65536), HEADER, "the next header");
	second = *m;
	OK(second.seq == first.seq + 1, "the requests come in order of arrival");
	IS(ch_read(fd, buf, 100), 100, "a part of the second request's payload");
	IS(ch_answer(fd, &first, DM_USER_RESP_SUCCESS, NULL, 0), 0, "an answer between two reads");
	IS(io_end(a), 0, "the first request is done");
	IS(ch_read(fd, buf + 100, 65536 - 100), 3996, "the rest of the second request's payload");
	OK(abi_filled(buf, 4096, 2), "payload of the second request");
	IS(ch_read(fd, buf, 0), 0, "a read of 0 bytes returns 0");

	/* Of a longer buffer, write() consumes one message. */
	memset(buf, 0, 65536);
	m->seq = second.seq;
	IS(ch_write(fd, buf, 65536), HEADER, "write() takes one message");
	IS(io_end(b), 0, "the second request is done");

	a = io_start(&t, IO_READ, 0, 512, 0);
	b = io_start(&t, IO_READ, 512, 512, 0);
	ch_take_type(fd, &first, DM_USER_REQ_MAP_READ, NULL);
	ch_take_type(fd, &second, DM_USER_REQ_MAP_READ, NULL);
	memset(buf, 0, 65536);
	m->seq = first.seq;
	abi_fill(m->buf, 512, first.sector);
	*(struct dm_user_message *)(buf + HEADER + 512) =
		(struct dm_user_message){ .seq = second.seq };
	abi_fill(buf + 2 * HEADER + 512, 512, second.sector);
	for (size_t at = 0, end = 2 * (HEADER + 512); at < end; ) {
		ssize_t put = ch_write(fd, buf + at, end - at);

		NEED(put > 0 && put <= (ssize_t)(HEADER + 512),
		     "write() takes at most one answer: %zd", put);
		at += put;
	}
	io_end_read(a, 0);
	io_end_read(b, 1);
	free(buf);
}

static void stream_iovecs(void)
{
	static const size_t cuts[] = { 1, 2, 36, 1, 0, 3, 509, 1023, 1, 2560 };
	uint8_t *buf = abi_buffer(8192);
	struct iovec iov[10];
	struct dm_user_message m;
	struct target t;
	struct io *io;
	int fd;

	target_create(&t, NULL);
	fd = ch_need(&t);
	io = io_start(&t, IO_WRITE, 4096, 4096, 5);
	iov[0] = (struct iovec){ buf, 13 };
	iov[1] = (struct iovec){ buf + 13, 1 };
	iov[2] = (struct iovec){ buf + 14, 8000 };
	IS(readv(fd, iov, 3), HEADER, "a header in three pieces");
	memcpy(&m, buf, sizeof(m));
	NEED(m.len == 4096 && m.sector == 8, "the header is right");
	for (size_t i = 0, at = 0; i < 10; at += cuts[i++])
		iov[i] = (struct iovec){ buf + at, cuts[i] };
	iov[9].iov_len = 8192 - (4096 + 40 - 2560);
	IS(readv(fd, iov, 10), 4096, "a payload in ten pieces at odd borders");
	OK(abi_filled(buf, 4096, 5), "the payload is right");
	IS(ch_answer(fd, &m, 0, NULL, 0), 0, "answer");
	IS(io_end(io), 0, "write");

	io = io_start(&t, IO_READ, 4096, 4096, 0);
	ch_take_type(fd, &m, DM_USER_REQ_MAP_READ, NULL);
	m.type = DM_USER_RESP_SUCCESS;
	memmove(buf + HEADER, buf, 4096);
	memcpy(buf, &m, HEADER);
	for (size_t i = 0, at = 0; i < 10; at += cuts[i++])
		iov[i] = (struct iovec){ buf + at, cuts[i] };
	IS(writev(fd, iov, 10), 4096 + HEADER, "an answer in ten pieces at odd borders");
	io_end_read(io, 5);
	free(buf);
}

#define MANY	24

/* Hold MANY reads, answer them in the order @order, and check that each gets its own bytes. */
static void stream_order(const struct target *t, int fd, const unsigned int *order, uint64_t salt)
{
	struct dm_user_message m[MANY];
	uint8_t *buf = abi_buffer(4096);
	struct io *io[MANY];

	for (unsigned int i = 0; i < MANY; i++)
		io[i] = io_start(t, IO_READ, i * 8192, 4096, 0);
	for (unsigned int i = 0; i < MANY; i++)
		ch_take_type(fd, &m[i], DM_USER_REQ_MAP_READ, NULL);
	IS(dm_word(t->name, "held:"), MANY, "the channel holds all requests");
	for (unsigned int i = 0; i < MANY; i++) {
		const struct dm_user_message *one = &m[order[i]];

		abi_fill(buf, 4096, salt + one->sector / 16);
		IS(ch_answer(fd, one, DM_USER_RESP_SUCCESS, buf, i % 3 ? 0 : 1000), 0,
		   "answer %u", i);
	}
	for (unsigned int i = 0; i < MANY; i++)
		io_end_read(io[i], salt + i);
	free(buf);
}

static void stream_disorder(void)
{
	unsigned int order[MANY], seed = 1;
	struct target t;
	int fd;

	target_create(&t, NULL);
	fd = ch_need(&t);
	for (unsigned int i = 0; i < MANY; i++)
		order[i] = MANY - 1 - i;
	stream_order(&t, fd, order, 100);
	for (unsigned int round = 0; round < 4; round++) {
		for (unsigned int i = MANY - 1; i; i--) {
			unsigned int j = rand_r(&seed) % (i + 1), was = order[i];

			order[i] = order[j];
			order[j] = was;
		}
		stream_order(&t, fd, order, 1000 * (round + 2));
	}
}

#define CHANNELS	4

static void stream_channels(void)
{
	uint8_t *store = abi_buffer(ABI_SECTORS * 512);
	struct server servers[CHANNELS] = { 0 };
	struct dm_user_message m[CHANNELS];
	struct io *io[CHANNELS];
	int fd[CHANNELS];
	uint64_t served = 0;
	struct target t;

	target_create(&t, NULL);
	for (int i = 0; i < CHANNELS; i++)
		fd[i] = ch_need(&t);
	IS(dm_word(t.name, "channels:"), CHANNELS, "channels");
	for (int i = 0; i < CHANNELS; i++)
		io[i] = io_start(&t, IO_READ, i * 4096, 4096, 0);
	for (int i = 0; i < CHANNELS; i++)
		ch_take_type(fd[i], &m[i], DM_USER_REQ_MAP_READ, NULL);
	for (int i = CHANNELS - 1; i >= 0; i--) {
		abi_fill(store, 4096, m[i].sector);
		IS(ch_answer(fd[i], &m[i], 0, store, 0), 0, "answer on channel %d", i);
	}
	for (int i = 0; i < CHANNELS; i++)
		io_end_read(io[i], i * 8);

	for (int i = 0; i < CHANNELS; i++) {
		servers[i].chunk = i * 1000;
		server_start(&servers[i], fd[i], store);
	}
	for (int round = 0; round < 40; round++) {
		for (int i = 0; i < CHANNELS; i++)
			io[i] = io_start(&t, IO_WRITE, i * 65536, 4096 << (round % 5),
					 round * 8 + i);
		for (int i = 0; i < CHANNELS; i++)
			IS(io_end(io[i]), 0, "write %d of round %d", i, round);
		for (int i = 0; i < CHANNELS; i++)
			io[i] = io_start(&t, IO_READ, i * 65536, 4096 << (round % 5), 0);
		for (int i = 0; i < CHANNELS; i++)
			io_end_read(io[i], round * 8 + i);
	}
	IS(dm_message(t.name, "drain 0"), 0, "drain");
	for (int i = 0; i < CHANNELS; i++) {
		IS(server_join(&servers[i]), 0, "channel %d leaves at the drain", i);
		served += servers[i].served;
		close(fd[i]);
	}
	IS(served, 40 * 2 * CHANNELS, "requests served");
	target_remove(&t);
}

const struct abi_test abi_stream[] = {
	{ "pieces", stream_pieces,
	  "reads and answers in pieces of any size, in every combination" },
	{ "borders", stream_borders, "a call never crosses a header, a payload or a message" },
	{ "iovecs", stream_iovecs, "readv and writev with borders anywhere" },
	{ "disorder", stream_disorder, "answers in any order reach their own requests" },
	{ "channels", stream_channels, "several channels at once" },
	{ NULL, NULL, NULL }
};
