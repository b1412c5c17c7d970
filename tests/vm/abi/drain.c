// SPDX-License-Identifier: GPL-2.0-or-later
/* Drain: a generation takes no more requests, answers those that it holds, and is drained. */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "abi.h"

static void drain_is(int fd, uint32_t flags, int err, uint32_t state, uint32_t held,
		     const char *when)
{
	struct dm_user_drain drain;

	IS(ch_drain(fd, flags, &drain), err, "%s", when);
	if (err)
		return;
	IS(drain.state, state, "state, %s", when);
	IS(drain.held, held, "held, %s", when);
}

/* A generation of two channels hands over to the next while both channels hold requests. */
static void drain_last_answer(void)
{
	struct dm_user_message m[3];
	uint8_t *buf = abi_buffer(4096), byte;
	struct io *io[4];
	struct target t;
	int a, b, next;

	target_create(&t, NULL);
	a = ch_need(&t);
	b = ch_need(&t);
	next = ch_need(&t);
	IS(ch_join(a, 1, DM_USER_JOIN_CREATE), 0, "create 1");
	IS(ch_join(b, 1, 0), 0, "join 1");
	IS(ch_join(next, 2, DM_USER_JOIN_CREATE), 0, "create 2");
	for (int i = 0; i < 3; i++) {
		io[i] = io_start(&t, IO_READ, i * 4096, 4096, 0);
		ch_take_type(i == 2 ? b : a, &m[i], DM_USER_REQ_MAP_READ, NULL);
	}
	drain_is(a, 0, 0, DM_USER_DRAINING, 3, "drain with three requests held");
	drain_is(b, 0, 0, DM_USER_DRAINING, 3, "drain again, by the other channel");
	io[3] = io_start(&t, IO_READ, 65536, 4096, 0);
	OK(ch_ready(next, POLLIN), "the next generation gets a new request");
	IS(ch_read(a, &byte, 1), 0, "the old generation gets no request");
	IS(ch_read(b, &byte, 1), 0, "the old generation's other channel gets no request");

	for (int i = 0; i < 3; i++) {
		abi_fill(buf, 4096, m[i].sector);
		drain_is(a, 0, 0, DM_USER_DRAINING, 3 - i, "still draining");
		IS(ch_answer(i == 2 ? b : a, &m[i], 0, buf, 0), 0, "answer %d", i);
	}
	for (int i = 0; i < 3; i++)
		io_end_read(io[i], i * 8);
	drain_is(b, 0, 0, DM_USER_DRAINED, 0, "the last answer completes the drain");
	drain_is(a, DM_USER_DRAIN_UNDO, -EALREADY, 0, 0, "a complete drain cannot be undone");
	IS(ch_poll(a) & POLLHUP, POLLHUP, "poll reports the complete drain");
	close(a);
	close(b);
	ch_take_type(next, &m[0], DM_USER_REQ_MAP_READ, NULL);
	IS(m[0].seq, 3, "the next generation gets the request after the old generation's last");
	abi_fill(buf, 4096, 3);
	ch_answer(next, &m[0], 0, buf, 0);
	io_end_read(io[3], 3);
	free(buf);
}

static void drain_undo(void)
{
	struct dm_user_message m, n;
	struct dm_user_info info;
	struct io *io, *other;
	struct target t;
	uint8_t byte;
	int fd;

	target_create(&t, NULL);
	fd = ch_need(&t);
	IS(ch_join(fd, 1, DM_USER_JOIN_CREATE), 0, "create 1");
	drain_is(fd, DM_USER_DRAIN_UNDO, 0, DM_USER_SERVING, 0, "undo without a drain");
	io = io_start(&t, IO_FSYNC, 0, 0, 0);
	ch_take_type(fd, &m, DM_USER_REQ_MAP_FLUSH, NULL);
	drain_is(fd, 0, 0, DM_USER_DRAINING, 1, "drain");
	other = io_start(&t, IO_FSYNC, 0, 0, 0);
	OK(UNTIL(dm_word(t.name, "queued:") == 1), "another request waits");
	IS(ch_read(fd, &byte, 1), 0, "a draining channel gets no request");
	ch_info(fd, &info);
	IS(info.channel_state, DM_USER_DRAINING, "info reports the drain");
	drain_is(fd, DM_USER_DRAIN_UNDO, 0, DM_USER_SERVING, 1, "undo");
	IS(ch_poll(fd), POLLIN | POLLOUT, "the channel serves again");
	ch_take_type(fd, &n, DM_USER_REQ_MAP_FLUSH, NULL);
	IS(ch_answer(fd, &n, 0, NULL, 0), 0, "answer to the new request");
	IS(ch_answer(fd, &m, 0, NULL, 0), 0, "answer to the old request");
	IS(io_end(io), 0, "fsync");
	IS(io_end(other), 0, "fsync");
	drain_is(fd, 0, 0, DM_USER_DRAINED, 0, "a drain without held requests is complete at once");
	drain_is(fd, DM_USER_DRAIN_UNDO, -EALREADY, 0, 0, "undo of a complete drain");
}

/* A daemon that never joined drains like any other; a join does not let it serve on. */
static void drain_unjoined(void)
{
	struct dm_user_message m;
	struct target t;
	int a, b, next;
	struct io *io;
	uint8_t byte;

	target_create(&t, NULL);
	a = ch_need(&t);
	b = ch_need(&t);
	io = io_start(&t, IO_READ, 0, 4096, 0);
	ch_take_type(a, &m, DM_USER_REQ_MAP_READ, NULL);
	IS(dm_message(t.name, "drain 0"), 0, "drain, by message");
	NEED(IS(ch_drain(b, DM_USER_DRAIN_UNDO, NULL), -EALREADY,
		"a daemon cannot undo a drain by message"), "no undo");
	NEED(IS(ch_join(b, 1, DM_USER_JOIN_CREATE), -ESHUTDOWN,
		"no join while generation 0 drains"), "no join");
	IS(ch_answer(a, &m, DM_USER_RESP_ERROR, NULL, 0), 0, "answer");
	IS(io_end(io), -EIO, "read");
	drain_is(b, DM_USER_DRAIN_UNDO, -EALREADY, 0, 0, "generation 0 has drained");
	NEED(IS(ch_join(b, 1, DM_USER_JOIN_CREATE), -ESHUTDOWN,
		"no join after generation 0 has drained"), "no join");
	IS(ch_read(b, &byte, 1), 0, "a drained channel gets no request");
	/* A channel that opens after the drain began may join. */
	next = ch_need(&t);
	IS(ch_read(next, &byte, 1), 0, "a new channel that has not joined drains, too");
	IS(ch_join(next, 1, DM_USER_JOIN_CREATE), 0, "a new channel may join");
	IS(ch_join(b, 1, 0), -ESHUTDOWN, "a channel from before the drain may not join");
	io_refuse(io_start(&t, IO_READ, 0, 4096, 0), next);
	close(a);
	close(b);
	b = ch_need(&t);
	IS(ch_join(b, 1, 0), 0, "a join once the channels of generation 0 have gone");
	close(b);
	close(next);
}

/* A passed descriptor cannot create generations without limit: loops over them hold a lock. */
static void drain_bounded(void)
{
	int fd[DM_USER_GENERATIONS_MAX + 1], passed;
	struct target t;

	target_create(&t, NULL);
	for (int i = 0; i <= DM_USER_GENERATIONS_MAX; i++)
		fd[i] = i && i < DM_USER_GENERATIONS_PASSED_MAX ? ch_new(fd[0]) : ch_need(&t);
	passed = ch_new(fd[0]);
	for (int i = 0; i < DM_USER_GENERATIONS_MAX; i++) {
		if (i == DM_USER_GENERATIONS_PASSED_MAX)
			IS(ch_join(passed, i + 1, DM_USER_JOIN_CREATE), -ENOSPC,
			   "create by a passed channel");
		IS(ch_join(fd[i], i + 1, DM_USER_JOIN_CREATE), 0, "create %d", i + 1);
	}
	close(passed);
	IS(ch_join(fd[DM_USER_GENERATIONS_MAX], DM_USER_GENERATIONS_MAX + 1, DM_USER_JOIN_CREATE),
	   -ENOSPC, "create one generation too many");
	IS(dm_word(t.name, "generation:"), DM_USER_GENERATIONS_MAX, "the newest generation");
	close(fd[1]);
	IS(ch_join(fd[DM_USER_GENERATIONS_MAX], DM_USER_GENERATIONS_MAX + 1, DM_USER_JOIN_CREATE),
	   0, "create after a generation has gone");
	for (int i = 0; i <= DM_USER_GENERATIONS_MAX; i++)
		if (i != 1)
			close(fd[i]);
}

struct blocked {
	int fd;
	pthread_t thread;
	atomic_int tid;
	atomic_bool done;
	ssize_t result;
};

static void *blocked_thread(void *arg)
{
	struct blocked *b = arg;
	uint8_t buf[40];

	b->tid = abi_gettid();
	b->result = ch_read(b->fd, buf, sizeof(buf));
	b->done = true;
	return NULL;
}

static void drain_blocked(void)
{
	struct blocked readers[4];
	struct dm_user_message m;
	struct target t;
	struct io *io;
	int fd[4], other;

	target_create(&t, NULL);
	for (int i = 0; i < 4; i++) {
		fd[i] = ch_need(&t);
		IS(ch_join(fd[i], 1, i ? 0 : DM_USER_JOIN_CREATE), 0, "join 1");
		readers[i] = (struct blocked){ .fd = fd[i] };
		NEED(!pthread_create(&readers[i].thread, NULL, blocked_thread, &readers[i]),
		     "create a thread");
		NEED(UNTIL(readers[i].tid && abi_blocked_in(readers[i].tid, SYS_read)),
		     "a blocked read");
	}
	other = ch_need(&t);
	IS(ch_join(other, 2, DM_USER_JOIN_CREATE), 0, "create 2");
	IS(dm_message(t.name, "drain 7"), -ENOENT,
	   "drain a generation that does not exist, by message");
	IS(dm_message(t.name, "drain 1"), 0, "drain 1, by message");
	for (int i = 0; i < 4; i++) {
		NEED(UNTIL(readers[i].done), "the blocked read returns");
		IS(readers[i].result, 0, "the blocked read returns 0");
		pthread_join(readers[i].thread, NULL);
	}
	io = io_start(&t, IO_FSYNC, 0, 0, 0);
	ch_take_type(other, &m, DM_USER_REQ_MAP_FLUSH, NULL);
	IS(m.seq, 0, "the blocked reads took no request");
	ch_answer(other, &m, 0, NULL, 0);
	IS(io_end(io), 0, "fsync");
}

static void drain_partial(void)
{
	struct dm_user_message m;
	uint8_t *buf = abi_buffer(4096);
	struct target t;
	struct io *io;
	int fd;

	target_create(&t, NULL);
	fd = ch_need(&t);
	IS(ch_join(fd, 1, DM_USER_JOIN_CREATE), 0, "create 1");
	io = io_start(&t, IO_WRITE, 0, 4096, 33);
	OK(ch_ready(fd, POLLIN), "a request");
	IS(ch_read(fd, &m, 10), 10, "ten bytes of the header");
	drain_is(fd, 0, 0, DM_USER_DRAINING, 1, "drain");
	IS(ch_read(fd, (uint8_t *)&m + 10, 64), 30, "the rest of the header");
	IS(ch_read(fd, buf, 1000), 1000, "a part of the payload");
	IS(ch_read(fd, buf + 1000, 4096), 3096, "the rest of the payload");
	OK(abi_filled(buf, 4096, 33), "the payload is right");
	IS(ch_read(fd, buf, 1), 0, "a read after the last byte");
	IS(ch_answer(fd, &m, 0, NULL, 1), 0, "answer");
	IS(io_end(io), 0, "write");
	drain_is(fd, 0, 0, DM_USER_DRAINED, 0, "drained");
	free(buf);
}

/* Every request is served once while generations follow one another under load. */
static void drain_relay(void)
{
	uint8_t *store = abi_buffer(ABI_SECTORS * 512);
	struct server s[2][2] = { 0 };
	struct io *io[6];
	uint64_t served = 0;
	struct target t;
	int fd;

	target_create(&t, NULL);
	for (int generation = 1; generation <= 20; generation++) {
		struct server *mine = s[generation & 1], *old = s[~generation & 1];

		memset(mine, 0, sizeof(s[0]));
		for (int i = 0; i < 2; i++) {
			fd = ch_need(&t);
			IS(ch_join(fd, generation, i ? 0 : DM_USER_JOIN_CREATE), 0,
			   "join %d", generation);
			mine[i].fd = fd;
		}
		for (int i = 0; i < 6; i++)
			io[i] = io_start(&t, IO_WRITE, i * 32768, 16384, generation * 6 + i);
		for (int i = 0; i < 2; i++)
			server_start(&mine[i], mine[i].fd, store);
		if (generation > 1)
			IS(ch_drain(old[0].fd, 0, NULL), 0, "drain %d", generation - 1);
		for (int i = 0; i < 2 && generation > 1; i++) {
			IS(server_join(&old[i]), 0, "generation %d leaves", generation - 1);
			served += old[i].served;
			close(old[i].fd);
		}
		for (int i = 0; i < 6; i++)
			IS(io_end(io[i]), 0, "write %d", i);
		for (int i = 0; i < 6; i++)
			OK(abi_filled(store + i * 32768, 16384, generation * 6 + i),
			   "bytes of write %d", i);
	}
	IS(dm_message(t.name, "drain 20"), 0, "drain the last generation");
	for (int i = 0; i < 2; i++) {
		IS(server_join(&s[0][i]), 0, "the last generation leaves");
		served += s[0][i].served;
	}
	IS(served, 20 * 6, "each request was served once");
	IS(dm_word(t.name, "generation:"), 20, "generation");
	free(store);
}

const struct abi_test abi_drain[] = {
	{ "last_answer", drain_last_answer,
	  "P1: the last answer completes a drain; the next generation goes on" },
	{ "undo", drain_undo, "P4: a drain can be undone until it is complete" },
	{ "blocked", drain_blocked,
	  "blocked reads of a draining generation return 0 and lose nothing" },
	{ "partial", drain_partial, "a request read in part can be read to its end" },
	{ "relay", drain_relay, "P2: twenty generations under writes: no error, no request twice" },
	{ "unjoined", drain_unjoined,
	  "P4: generation 0 drains like any other; a join does not evade the drain" },
	{ "bounded", drain_bounded, "P12: the number of generations of a node is limited" },
	{ NULL, NULL, NULL }
};
