// SPDX-License-Identifier: GPL-2.0-or-later
/* Suspend and resume: with a daemon that serves, with one that holds requests, without a daemon. */
#include <errno.h>
#include <fcntl.h>
#include <liburing.h>
#include <linux/dm-ioctl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "abi.h"

/* A suspend that may wait, in a thread of its own. */
struct suspend {
	pthread_t thread;
	uint32_t flags;
	atomic_bool done;
	int result;
};

static void *suspend_thread(void *arg)
{
	struct suspend *s = arg;

	s->result = dm_suspend(ABI_NAME, s->flags | DM_SKIP_LOCKFS_FLAG);
	s->done = true;
	return NULL;
}

static void suspend_start(struct suspend *s, uint32_t flags)
{
	memset(s, 0, sizeof(*s));
	s->flags = flags;
	NEED(!pthread_create(&s->thread, NULL, suspend_thread, s), "create a thread");
}

static int suspend_end(struct suspend *s)
{
	NEED(UNTIL(s->done), "the suspend ends");
	pthread_join(s->thread, NULL);
	return s->result;
}

static void suspend_flush(void)
{
	struct dm_user_message m;
	struct suspend s;
	struct target t;
	struct io *io, *late;
	int fd;

	target_create(&t, NULL);
	fd = ch_need(&t);
	io = io_start(&t, IO_FSYNC, 0, 0, 0);
	ch_take_type(fd, &m, DM_USER_REQ_MAP_FLUSH, NULL);
	suspend_start(&s, 0);
	late = io_start(&t, IO_FSYNC, 0, 0, 0);
	for (int i = 0; i < 50; i++)
		abi_nap();
	OK(!s.done, "a flushing suspend waits for a held request");
	ch_answer(fd, &m, 0, NULL, 0);
	IS(io_end(io), 0, "the held request is answered");
	while (UNTIL(s.done || ch_poll(fd) & POLLIN) && !s.done) {
		/* The later request may have come before the suspend. */
		ch_take_type(fd, &m, DM_USER_REQ_MAP_FLUSH, NULL);
		ch_answer(fd, &m, 0, NULL, 0);
	}
	IS(suspend_end(&s), 0, "the suspend succeeds");
	IS(dm_word(t.name, "suspended:"), 1, "the status has suspended:1");
	IS(dm_resume(t.name, 0), 0, "resume");
	while (UNTIL(late->done || ch_poll(fd) & POLLIN) && !late->done) {
		ch_take_type(fd, &m, DM_USER_REQ_MAP_FLUSH, NULL);
		ch_answer(fd, &m, 0, NULL, 0);
	}
	IS(io_end(late), 0, "the later request is served after the resume");
	IS(dm_word(t.name, "suspended:"), 0, "the status has suspended:0");
}

static void suspend_noflush_nobody(void)
{
	struct dm_user_message m;
	struct suspend s;
	struct target t;
	struct io *io;
	int fd;

	target_create(&t, NULL);
	for (int round = 0; round < 3; round++) {
		io = io_start(&t, IO_READ, 0, 4096, 0);
		OK(UNTIL(dm_word(t.name, "queued:") == 1), "a request waits without a daemon");
		suspend_start(&s, DM_NOFLUSH_FLAG);
		IS(suspend_end(&s), 0, "a noflush suspend needs no daemon");
		IS(dm_word(t.name, "queued:"), 0, "DM has taken the request back");
		OK(!io->done, "the request has not failed");
		IS(dm_resume(t.name, 0), 0, "resume");
		fd = ch_need(&t);
		ch_take_type(fd, &m, DM_USER_REQ_MAP_READ, NULL);
		uint8_t *buf = abi_buffer(4096);

		abi_fill(buf, 4096, round);
		IS(ch_answer(fd, &m, 0, buf, 0), 0, "answer");
		io_end_read(io, round);
		free(buf);
		close(fd);
	}
}

/* P7: a write held at a noflush suspend is fenced, with all that overlaps it, until its answer. */
static void suspend_fence(void)
{
	struct dm_user_message held, m;
	uint8_t *buf = abi_buffer(4096);
	struct io *io, *apart, *over;
	struct suspend s;
	struct target t;
	int old, new;

	target_create(&t, NULL);
	old = ch_need(&t);
	io = io_start(&t, IO_WRITE, 8192, 4096, 1);
	ch_take_type(old, &held, DM_USER_REQ_MAP_WRITE, NULL);
	suspend_start(&s, DM_NOFLUSH_FLAG);
	IS(suspend_end(&s), 0, "a noflush suspend with a held write");
	IS(dm_word(t.name, "fenced:"), 1, "the write is fenced");
	IS(dm_resume(t.name, 0), 0, "resume");
	new = ch_need(&t);
	OK(UNTIL(dm_word(t.name, "queued:") == 1), "the write waits again");
	IS(ch_poll(new) & POLLIN, 0, "the new channel does not get the write");
	IS(ch_poll(old) & POLLIN, 0, "the old channel does not get the write");
	over = io_start(&t, IO_READ, 11776, 1024, 0);
	OK(UNTIL(dm_word(t.name, "queued:") == 2), "a read that overlaps the write waits, too");
	apart = io_start(&t, IO_READ, 12288, 4096, 0);
	ch_take_type(new, &m, DM_USER_REQ_MAP_READ, NULL);
	IS(m.sector, 24, "a read beside the write does not wait");
	abi_fill(buf, 4096, 2);
	IS(ch_answer(new, &m, 0, buf, 0), 0, "answer");
	io_end_read(apart, 2);
	OK(!io->done && !over->done, "the write and the overlapping read wait");

	IS(ch_answer(old, &held, 0, NULL, 0), 0, "the late answer is ignored");
	OK(!io->done, "the late answer completes nothing");
	IS(dm_word(t.name, "fenced:"), 0, "the fence is gone");
	ch_take_type(new, &m, DM_USER_REQ_MAP_WRITE, buf);
	OK(m.seq != held.seq, "the write comes again, with a new seq");
	OK(abi_filled(buf, 4096, 1), "the write comes again, with its payload");
	IS(ch_answer(old, &held, 0, NULL, 0), -EINVAL, "a second late answer");
	IS(ch_answer(new, &m, 0, NULL, 0), 0, "answer");
	IS(io_end(io), 0, "write");
	ch_take_type(new, &m, DM_USER_REQ_MAP_READ, NULL);
	abi_fill(buf, 1024, 3);
	IS(ch_answer(new, &m, 0, buf, 0), 0, "answer");
	io_end_read(over, 3);
	free(buf);
}

static void suspend_fence_close(void)
{
	static const enum io_op ops[] = { IO_WRITE, IO_DISCARD, IO_ZEROOUT, IO_WRITE_FUA };
	struct dm_user_message m;
	struct suspend s;
	struct target t;
	struct io *io;
	int old, new;

	target_create(&t, NULL);
	for (size_t i = 0; i < sizeof(ops) / sizeof(*ops); i++) {
		old = ch_need(&t);
		io = io_start(&t, ops[i], 8192, 8192, 4);
		OK(ch_ready(old, POLLIN), "a request");
		IS(ch_take(old, &m, NULL, 0), 0, "take");
		suspend_start(&s, DM_NOFLUSH_FLAG);
		IS(suspend_end(&s), 0, "noflush suspend");
		IS(dm_resume(t.name, 0), 0, "resume");
		IS(dm_word(t.name, "fenced:"), 1, "operation %d is fenced", ops[i]);
		new = ch_need(&t);
		OK(UNTIL(dm_word(t.name, "queued:") == 1), "the request waits again");
		IS(ch_poll(new) & POLLIN, 0, "the new channel does not get the fenced request");
		close(old);
		IS(dm_word(t.name, "fenced:"), 0, "the close of the channel removes the fence");
		while (UNTIL(io->done || ch_poll(new) & POLLIN) && !io->done) {
			IS(ch_take(new, &m, NULL, 0), 0, "take");
			IS(ch_answer(new, &m, 0, NULL, 0), 0, "answer");
		}
		IS(io_end(io), 0, "operation %d", ops[i]);
		close(new);
	}
}

/* A read is taken back: the old daemon's answer, in part or whole, reaches no reader. */
static void suspend_read_held(void)
{
	struct dm_user_message held, m;
	uint8_t *buf = abi_buffer(4096);
	struct suspend s;
	struct target t;
	struct io *io;
	int old, new;

	target_create(&t, NULL);
	for (int part = 0; part < 4096; part += 1365) {
		old = ch_need(&t);
		io = io_start(&t, IO_READ, 8192, 4096, 0);
		ch_take_type(old, &held, DM_USER_REQ_MAP_READ, NULL);
		abi_fill(buf, 4096, 666);
		held.type = 0;
		IS(ch_write(old, &held, 40), 40, "header of the answer");
		if (part)
			IS(ch_write(old, buf, part), part, "a part of the answer's payload");
		suspend_start(&s, DM_NOFLUSH_FLAG);
		IS(suspend_end(&s), 0, "noflush suspend");
		IS(dm_word(t.name, "fenced:"), 0, "a read is not fenced");
		IS(dm_resume(t.name, 0), 0, "resume");
		new = ch_need(&t);
		ch_take_type(new, &m, DM_USER_REQ_MAP_READ, NULL);
		IS(ch_write(old, buf + part, 4096 - part), 4096 - part,
		   "the rest of the late answer");
		OK(!io->done, "the late answer completes nothing");
		abi_fill(buf, 4096, part);
		IS(ch_answer(new, &m, 0, buf, 0), 0, "answer");
		io_end_read(io, part);
		close(new);
		close(old);
	}
	free(buf);
}

/* A request is taken back while the daemon reads it. */
static void suspend_reading(void)
{
	struct dm_user_message m;
	uint8_t *buf = abi_buffer(4096);
	struct suspend s;
	struct target t;
	struct io *io;
	int fd, other;

	target_create(&t, NULL);
	fd = ch_need(&t);
	io = io_start(&t, IO_WRITE, 8192, 4096, 5);
	OK(ch_ready(fd, POLLIN), "a request");
	IS(ch_read(fd, &m, 40), 40, "header of the request");
	IS(ch_read(fd, buf, 1000), 1000, "a part of the payload");
	suspend_start(&s, DM_NOFLUSH_FLAG);
	IS(suspend_end(&s), 0, "noflush suspend");
	IS(dm_word(t.name, "fenced:"), 1, "a write that was read in part is fenced");
	IS(dm_resume(t.name, 0), 0, "resume");
	OK(UNTIL(dm_word(t.name, "queued:") == 1), "the write waits again");
	other = ch_need(&t);
	IS(ch_poll(other) & POLLIN, 0, "the write waits for its first reader");
	IS(ch_poll(fd) & POLLIN, POLLIN, "poll tells the first reader to read");
	IS(ch_read(fd, buf, 4096), -ECANCELED,
	   "the first reader learns that the kernel took the write back");
	IS(dm_word(t.name, "fenced:"), 0, "the fence ends when the reader knows");
	IS(ch_poll(other) & POLLIN, POLLIN, "any channel may now get the write");
	close(other);
	ch_take_type(fd, &m, DM_USER_REQ_MAP_WRITE, buf);
	OK(abi_filled(buf, 4096, 5), "the next read begins with a new request");
	IS(ch_answer(fd, &m, 0, NULL, 0), 0, "answer");
	IS(io_end(io), 0, "write");
	free(buf);
}

/* After a noflush suspend, a drain completes only with the late answers. */
static void suspend_draining(void)
{
	struct dm_user_message held, m;
	struct dm_user_drain drain;
	struct suspend s;
	struct target t;
	struct io *io;
	int old, new;

	target_create(&t, NULL);
	old = ch_need(&t);
	new = ch_need(&t);
	IS(ch_join(old, 1, DM_USER_JOIN_CREATE), 0, "create 1");
	IS(ch_join(new, 2, DM_USER_JOIN_CREATE), 0, "create 2");
	io = io_start(&t, IO_WRITE, 0, 4096, 5);
	ch_take_type(old, &held, DM_USER_REQ_MAP_WRITE, NULL);
	IS(ch_drain(old, 0, &drain), 0, "drain");
	suspend_start(&s, DM_NOFLUSH_FLAG);
	IS(suspend_end(&s), 0, "noflush suspend");
	IS(dm_resume(t.name, 0), 0, "resume");
	IS(ch_drain(old, 0, &drain), 0, "query the drain");
	IS(drain.state, DM_USER_DRAINING, "not drained: the old write may still be under way");
	IS(ch_answer(old, &held, 0, NULL, 0), 0, "the late answer");
	IS(ch_drain(old, 0, &drain), 0, "query the drain again");
	IS(drain.state, DM_USER_DRAINED, "drained");
	ch_take_type(new, &m, DM_USER_REQ_MAP_WRITE, NULL);
	IS(ch_answer(new, &m, 0, NULL, 0), 0, "answer");
	IS(io_end(io), 0, "write");
}

static void suspend_live(void)
{
	uint8_t *store = abi_buffer(ABI_SECTORS * 512);
	struct server s[2] = { 0 };
	struct io *io[4];
	struct target t;

	target_create(&t, NULL);
	for (int i = 0; i < 2; i++)
		server_start(&s[i], ch_need(&t), store);
	for (int round = 0; round < 30; round++) {
		for (int i = 0; i < 4; i++)
			io[i] = io_start(&t, IO_WRITE, i * 65536, 65536, round * 4 + i);
		IS(dm_suspend(t.name, DM_SKIP_LOCKFS_FLAG | (round & 1 ? DM_NOFLUSH_FLAG : 0)), 0,
		   "suspend");
		IS(dm_resume(t.name, 0), 0, "resume");
		for (int i = 0; i < 4; i++)
			IS(io_end(io[i]), 0, "write %d of round %d", i, round);
		for (int i = 0; i < 4; i++)
			OK(abi_filled(store + i * 65536, 65536, round * 4 + i),
			   "bytes of write %d", i);
	}
	IS(dm_message(t.name, "drain 0"), 0, "drain");
	for (int i = 0; i < 2; i++)
		IS(server_join(&s[i]), 0, "the daemon served through all suspends");
}

#define DEEP	2000	/* of the device's 2048 blocks of 4096 bytes */

/* Many writes of one block each, in flight from one ring. */
struct deep {
	struct io_uring ring;
	int dev;
	uint8_t *data;
	struct dm_user_message held[DEEP];	/* by block */
};

static void deep_start(struct deep *deep, const struct target *t)
{
	deep->data = abi_buffer(DEEP * 4096);
	deep->dev = open(t->dev, O_WRONLY | O_DIRECT | O_CLOEXEC);
	NEED(deep->dev >= 0, "open the device");
	NEED(IS(io_uring_queue_init(DEEP, &deep->ring, 0), 0, "io_uring_queue_init"),
	     "set up a ring");
	for (int i = 0; i < DEEP; i++) {
		struct io_uring_sqe *sqe = io_uring_get_sqe(&deep->ring);

		abi_fill(deep->data + i * 4096, 4096, i);
		io_uring_prep_write(sqe, deep->dev, deep->data + i * 4096, 4096, i * 4096);
		io_uring_sqe_set_data64(sqe, i);
	}
	IS(io_uring_submit(&deep->ring), DEEP, "submit writes");
}

static void deep_take(struct deep *deep, int fd)
{
	uint8_t *buf = abi_buffer(4096);
	struct dm_user_message m;

	for (int i = 0; i < DEEP; i++) {
		ch_take_type(fd, &m, DM_USER_REQ_MAP_WRITE, buf);
		NEED(m.len == 4096 && m.sector / 8 < DEEP, "the request is one of the writes");
		OK(abi_filled(buf, 4096, m.sector / 8), "payload of block %llu", m.sector / 8);
		deep->held[m.sector / 8] = m;
	}
	free(buf);
}

/* Check that exactly @count more writes have ended, each with success. */
static void deep_ended(struct deep *deep, unsigned int count)
{
	struct io_uring_cqe *cqe;
	unsigned int ended = 0, head;

	UNTIL(io_uring_get_events(&deep->ring) || io_uring_cq_ready(&deep->ring) >= count);
	io_uring_for_each_cqe(&deep->ring, head, cqe) {
		IS(cqe->res, 4096, "write of block %llu", cqe->user_data);
		ended++;
	}
	io_uring_cq_advance(&deep->ring, ended);
	IS(ended, count, "writes that have ended");
}

static void deep_suspend(const struct target *t, unsigned int queued)
{
	struct suspend s;

	suspend_start(&s, DM_NOFLUSH_FLAG);
	IS(suspend_end(&s), 0, "noflush suspend");
	IS(dm_word(t->name, "queued:"), 0, "DM has taken all requests back");
	IS(dm_resume(t->name, 0), 0, "resume");
	OK(UNTIL(dm_word(t->name, "queued:") == queued), "%u requests wait again", queued);
	IS(dm_word(t->name, "fenced:"), DEEP, "all writes are fenced");
}

/* No channel gets a fenced request; a request beside the fence is served. */
static void deep_apart(const struct target *t, int old, int new)
{
	const uint64_t last = ABI_SECTORS * 512 - 4096;
	uint8_t *buf = abi_buffer(4096);
	struct dm_user_message m;
	struct io *io;

	for (int i = 0; i < 50; i++) {
		OK(!((ch_poll(old) | ch_poll(new)) & POLLIN), "no channel gets a request");
		ch_nonblock(new, true);
		IS(ch_read(new, &m, sizeof(m)), -EAGAIN, "a read finds no request");
		ch_nonblock(new, false);
		io = io_start(t, IO_READ, last, 4096, 0);
		ch_take_type(new, &m, DM_USER_REQ_MAP_READ, NULL);
		IS(m.sector, last / 512, "a read beside the fence");
		abi_fill(buf, 4096, i);
		IS(ch_answer(new, &m, 0, buf, 0), 0, "answer");
		io_end_read(io, i);
	}
	free(buf);
}

/* As "fence", with more fenced writes than the kernel can afford to walk for each request. */
static void suspend_deep_fence(void)
{
	static struct deep deep;
	uint8_t *store = abi_buffer(ABI_SECTORS * 512);
	struct server server = { 0 };
	struct target t;
	struct io *over;
	int old, new;

	memset(store, 0xaa, ABI_SECTORS * 512);
	target_create(&t, NULL);
	old = ch_need(&t);
	deep_start(&deep, &t);
	deep_take(&deep, old);
	deep_suspend(&t, DEEP);
	deep_suspend(&t, DEEP);
	new = ch_need(&t);
	deep_apart(&t, old, new);
	over = io_start(&t, IO_READ, 100 * 4096, 65536, 0);
	OK(UNTIL(dm_word(t.name, "queued:") == DEEP + 1), "a read across 16 fenced writes waits");
	IS(ch_poll(new) & POLLIN, 0, "no channel gets the read");
	deep_suspend(&t, DEEP + 1);

	for (int i = 1; i < DEEP; i += 2)
		IS(ch_answer(old, &deep.held[i], 0, NULL, 0), 0, "the late answer to block %d", i);
	IS(dm_word(t.name, "fenced:"), DEEP / 2, "half of the fence is gone");
	IS(dm_word(t.name, "queued:"), DEEP + 1, "the late answers completed nothing");
	deep_ended(&deep, 0);
	server_start(&server, new, store);
	deep_ended(&deep, DEEP / 2);
	IS(dm_word(t.name, "queued:"), DEEP / 2 + 1, "the other writes and the read wait");
	OK(!over->done, "the read has not been served");

	close(old);
	deep_ended(&deep, DEEP / 2);
	NEED(UNTIL(over->done), "the read ends");
	for (int i = 0; i < 16; i++)
		OK(abi_filled(over->buf + i * 4096, 4096, 100 + i) || over->buf[i * 4096] == 0xaa,
		   "the read has the old or the new bytes of block %d", 100 + i);
	IS(io_end(over), 0, "read");
	IS(dm_word(t.name, "fenced:"), 0, "no fence is left");
	IS(dm_word(t.name, "queued:"), 0, "no request is left");
	IS(dm_message(t.name, "drain 0"), 0, "drain");
	IS(server_join(&server), 0, "the daemon ends");
	IS(server.served, DEEP + 1, "the daemon served each request once");
	OK(!memcmp(store, deep.data, DEEP * 4096), "all bytes are in the store");
	io_uring_queue_exit(&deep.ring);
	close(deep.dev);
	close(new);
}

static int polled_attribute(const struct target *t)
{
	char path[64], text[16] = "";
	FILE *file;

	snprintf(path, sizeof(path), "/sys/block/%s/queue/io_poll", t->dev + strlen("/dev/"));
	file = fopen(path, "re");
	NEED(file && fgets(text, sizeof(text), file), "%s", path);
	fclose(file);
	return atoi(text);
}

/* Serve the only read of @ring if channel @fd gets it; return the result of the read. */
static int polled_end(struct io_uring *ring, int fd, uint8_t *buf)
{
	struct io_uring_cqe *cqe;
	struct dm_user_message m;
	uint8_t *answer = abi_buffer(4096);
	int result;

	abi_fill(answer, 4096, 6);
	while (UNTIL(!io_uring_peek_cqe(ring, &cqe) || ch_poll(fd) & POLLIN) &&
	       ch_poll(fd) & POLLIN) {
		ch_take_type(fd, &m, DM_USER_REQ_MAP_READ, NULL);
		IS(ch_answer(fd, &m, 0, answer, 0), 0, "answer");
	}
	NEED(UNTIL(!io_uring_peek_cqe(ring, &cqe)), "the read ends");
	result = cqe->res;
	if (result == 4096)
		OK(abi_filled(buf, 4096, 6), "the read has the right bytes");
	io_uring_cqe_seen(ring, cqe);
	free(answer);
	return result;
}

/*
 * DM keeps polled I/O until its owner polls. An owner that does not poll must not hold up a
 * suspend, so the device does not poll: a polled read is refused, or served like any other read.
 */
static void suspend_polled(void)
{
	uint8_t *buf = abi_buffer(4096);
	struct io_uring ring;
	struct suspend s;
	struct target t;
	int fd, dev, result;

	target_create(&t, NULL);
	fd = ch_need(&t);
	dev = open(t.dev, O_RDONLY | O_DIRECT | O_CLOEXEC);
	NEED(dev >= 0, "open the device");
	NEED(IS(io_uring_queue_init(4, &ring, IORING_SETUP_IOPOLL), 0, "io_uring_queue_init"),
	     "set up a ring");
	for (int round = 0; round < 6; round++) {
		struct dm_user_message m;

		IS(polled_attribute(&t), 0, "the device does not poll");
		io_uring_prep_read(io_uring_get_sqe(&ring), dev, buf, 4096, 0);
		IS(io_uring_submit(&ring), 1, "submit");
		/* In every other round the daemon takes the read before the suspend. */
		if (round & 1 && ch_poll(fd) & POLLIN)
			ch_take_type(fd, &m, DM_USER_REQ_MAP_READ, NULL);
		suspend_start(&s, DM_NOFLUSH_FLAG);
		IS(suspend_end(&s), 0, "noflush suspend, with the read not reaped");
		IS(dm_resume(t.name, 0), 0, "resume");
		result = polled_end(&ring, fd, buf);
		OK(result == 4096 || result == -EOPNOTSUPP, "polled read: %d", result);
	}
	io_uring_queue_exit(&ring);
	close(dev);
	close(fd);
	free(buf);
}

const struct abi_test abi_suspend[] = {
	{ "flush", suspend_flush, "P6: a flushing suspend waits for held requests" },
	{ "nobody", suspend_noflush_nobody,
	  "P2: noflush suspend and resume without a daemon lose nothing" },
	{ "fence", suspend_fence, "P7: requests that overlap a revoked write wait for its daemon" },
	{ "fence_close", suspend_fence_close,
	  "P7: the close of the channel ends the fence, for every kind of write" },
	{ "read_held", suspend_read_held,
	  "P10: a late answer to a revoked read reaches no reader" },
	{ "reading", suspend_reading,
	  "after a revoke, the reader of the request gets ECANCELED, then the next request" },
	{ "draining", suspend_draining, "P7: a drain completes only with the late answers" },
	{ "live", suspend_live, "P2: suspends under load with a live daemon" },
	{ "polled", suspend_polled,
	  "P2: a polled read that its owner does not reap holds up no suspend" },
	{ "deep_fence", suspend_deep_fence,
	  "P7: two thousand revoked writes, answered late or never" },
	{ NULL, NULL, NULL }
};
