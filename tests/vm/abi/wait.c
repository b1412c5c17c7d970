// SPDX-License-Identifier: GPL-2.0-or-later
/* Waiting for requests: blocked reads, and the events that wake or end them. */
#include <errno.h>
#include <fcntl.h>
#include <liburing.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "reader.h"

static atomic_uint signals_seen;

static void signal_seen(int number)
{
	signals_seen++;
}

static void signal_handle(int number, int flags)
{
	struct sigaction action = { .sa_handler = signal_seen, .sa_flags = flags };

	sigaction(number, &action, NULL);
}

static void wait_signals(void)
{
	struct dm_user_message m;
	struct reader reader;
	struct target t;
	struct io *io;
	int fd;

	target_create(&t, NULL);
	fd = ch_need(&t);
	signal_handle(SIGUSR1, 0);
	signal_handle(SIGUSR2, SA_RESTART);

	reader_start(&reader, fd);
	pthread_kill(reader.thread, SIGUSR1);
	IS(reader_end(&reader), -EINTR, "a signal ends an idle read");

	reader_start(&reader, fd);
	signals_seen = 0;
	pthread_kill(reader.thread, SIGUSR2);
	OK(UNTIL(signals_seen == 1), "the signal is handled");
	OK(UNTIL(abi_blocked_in(reader.tid, SYS_read)), "the read is restarted");
	io = io_start(&t, IO_FSYNC, 0, 0, 0);
	IS(reader_end(&reader), sizeof(reader.m), "the restarted read gets a request");
	IS(reader.m.seq, 0, "the interrupted read took no request");
	IS(ch_answer(fd, &reader.m, 0, NULL, 0), 0, "answer");
	IS(io_end(io), 0, "fsync");

	reader_start(&reader, fd);
	pthread_kill(reader.thread, SIGUSR1);
	io = io_start(&t, IO_FSYNC, 0, 0, 0);
	if (reader_end(&reader) == -EINTR)
		ch_take_type(fd, &m, DM_USER_REQ_MAP_FLUSH, NULL);
	else
		m = reader.m;
	IS(m.seq, 1, "a signal and a request at once: the request is not lost");
	IS(ch_answer(fd, &m, 0, NULL, 0), 0, "answer");
	IS(io_end(io), 0, "fsync");
}

/*
 * A request wakes a reader, which then finds its generation draining. That reader passes the
 * wake-up on to the sleeping reader of the next generation.
 */
static void wait_leave(void)
{
	struct reader old, new;
	struct target t;
	struct io *io;
	int a, b;

	target_create(&t, NULL);
	b = ch_need(&t);
	IS(ch_join(b, 1, DM_USER_JOIN_CREATE), 0, "create generation 1");
	for (unsigned int round = 0; round < 200; round++) {
		a = b;
		b = ch_need(&t);
		IS(ch_join(b, round + 2, DM_USER_JOIN_CREATE), 0,
		   "create generation %u", round + 2);
		reader_start(&old, a);
		reader_start(&new, b);
		io = io_start(&t, IO_FSYNC, 0, 0, 0);
		for (volatile unsigned int i = 0; i < round * 2000; i++)
			;
		IS(ch_drain(a, 0, NULL), 0, "drain the old generation");
		if (reader_end(&old) == sizeof(old.m)) {
			IS(ch_answer(a, &old.m, 0, NULL, 0), 0, "answer by the old generation");
			IS(io_end(io), 0, "fsync");
			io = io_start(&t, IO_FSYNC, 0, 0, 0);
		}
		NEED(reader_end(&new) == sizeof(new.m),
		     "the new generation gets the request of round %u", round);
		IS(ch_answer(b, &new.m, 0, NULL, 0), 0, "answer by the new generation");
		IS(io_end(io), 0, "fsync");
		close(a);
	}
}

/* Under a storm of signals a daemon serves every request once and loses none. */
static void wait_storm(void)
{
	uint8_t *store = abi_buffer(ABI_SECTORS * 512);
	struct server s[2] = { 0 };
	struct target t;
	struct io *io[4];

	target_create(&t, NULL);
	signal_handle(SIGUSR1, 0);
	for (int i = 0; i < 2; i++) {
		server_start(&s[i], ch_need(&t), store);
		NEED(UNTIL(__atomic_load_n(&s[i].tid, __ATOMIC_ACQUIRE)),
		     "thread %d of the daemon", i);
	}
	for (int round = 0; round < 100; round++) {
		for (int i = 0; i < 4; i++)
			io[i] = io_start(&t, IO_WRITE, i * 16384, 4096, round * 4 + i);
		for (int i = 0; i < 40; i++)
			pthread_kill(s[i % 2].thread, SIGUSR1);
		for (int i = 0; i < 4; i++)
			IS(io_end(io[i]), 0, "write %d of round %d", i, round);
	}
	for (int i = 0; i < 4; i++)
		OK(abi_filled(store + i * 16384, 4096, 99 * 4 + i),
		   "block %d has the bytes of the last round", i);
	IS(dm_message(t.name, "drain 0"), 0, "drain");
	server_join(&s[0]);
	server_join(&s[1]);
	IS(s[0].served + s[1].served, 400, "each request was served once");
}

/*
 * Two requests come at once for two readers of one request each: both requests are read, whichever
 * reader each of them wakes.
 */
static void wait_pair(void)
{
	struct reader reader[2];
	struct target t;
	struct io *io[2];
	int fd[2];

	target_create(&t, NULL);
	for (int i = 0; i < 2; i++)
		fd[i] = ch_need(&t);
	for (int round = 0; round < 200; round++) {
		/* The second reader may be about to sleep, or not running yet. */
		reader_start(&reader[0], fd[0]);
		for (int i = 0; i < 2; i++)
			io[i] = io_start(&t, IO_READ, i * 4096, 4096, 0);
		reader_begin(&reader[1], fd[1]);
		for (int i = 0; i < 2; i++) {
			NEED(reader_end(&reader[i]) == sizeof(reader[i].m),
			     "reader %d gets a request in round %d", i, round);
			IS(ch_answer(fd[i], &reader[i].m, DM_USER_RESP_ERROR, NULL, 0), 0,
			   "answer");
		}
		for (int i = 0; i < 2; i++)
			IS(io_end(io[i]), -EIO, "read");
	}
}

static void wait_gone(void)
{
	struct dm_user_message m = { 0 };
	struct dm_user_info info;
	struct reader reader;
	struct target t;
	int fd, other;

	target_create(&t, NULL);
	fd = ch_need(&t);
	other = ch_need(&t);
	reader_start(&reader, fd);
	target_remove(&t);
	IS(reader_end(&reader), -ENOTBLK, "the blocked read");
	IS(ch_read(fd, &m, sizeof(m)), -ENOTBLK, "a later read");
	IS(ch_read(other, &m, sizeof(m)), -ENOTBLK, "a read on another channel");
	IS(ch_answer(fd, &m, 0, NULL, 0), -ENOTBLK, "a write");
	IS(ch_info(fd, &info), -ENOTBLK, "info");
	IS(ch_join(fd, 1, DM_USER_JOIN_CREATE), -ENOTBLK, "join");
	IS(ch_drain(fd, 0, NULL), -ENOTBLK, "drain");
	IS(ch_seal(fd), -ENOTBLK, "seal");
	IS(ch_new(fd), -ENOTBLK, "open");
	/* The name is free again while the old channels are still open. */
	target_create(&t, NULL);
	IS(ch_read(fd, &m, sizeof(m)), -ENOTBLK,
	   "an old channel does not belong to the new target");
	target_remove(&t);
	close(fd);
	close(other);
}

static int herd_next(const struct reader *readers, unsigned int done)
{
	for (int i = 0; i < 8; i++)
		if (readers[i].done && !(done & (1 << i)))
			return i;
	return -1;
}

/* One bio wakes one reader, and a blocked reader keeps no request from another reader. */
static void wait_herd(void)
{
	struct reader readers[8];
	unsigned int done = 0;
	struct target t;
	struct io *io;
	int fd[8];

	target_create(&t, NULL);
	for (int i = 0; i < 8; i++) {
		fd[i] = ch_need(&t);
		reader_start(&readers[i], fd[i]);
	}
	for (int round = 0; round < 8; round++) {
		int woken = -1;

		io = io_start(&t, IO_FSYNC, 0, 0, 0);
		NEED(UNTIL((woken = herd_next(readers, done)) >= 0), "a reader wakes");
		done |= 1 << woken;
		IS(reader_end(&readers[woken]), sizeof(readers[woken].m),
		   "the woken reader gets a header");
		IS(readers[woken].m.seq, round, "seq of the request");
		IS(ch_answer(fd[woken], &readers[woken].m, 0, NULL, 0), 0, "answer");
		IS(io_end(io), 0, "fsync");
	}
	for (int i = 0; i < 8; i++)
		close(fd[i]);
}

/* Bind this thread and those that it creates to one processor; @first: run before all others. */
static void one_processor(bool first)
{
	struct sched_param param = { .sched_priority = first };
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(0, &set);
	NEED(!sched_setaffinity(0, sizeof(set), &set), "bind to one processor");
	NEED(!sched_setscheduler(0, first ? SCHED_FIFO : SCHED_OTHER, &param),
	     "set the scheduling policy");
}

/*
 * A request wakes a reader, which cannot run before a signal comes: that reader leaves, and passes
 * the wake-up on to the other, sleeping reader. (A drain itself wakes all readers.)
 */
static void wait_pass_on(void)
{
	uint8_t *buf = abi_buffer(4096);
	struct io_uring_cqe *cqe;
	struct reader old, new;
	struct io_uring ring;
	struct target t;
	int dev, a, b;

	target_create(&t, NULL);
	one_processor(false);
	signal_handle(SIGUSR1, 0);
	a = ch_need(&t);
	b = ch_need(&t);
	dev = open(t.dev, O_RDONLY | O_DIRECT | O_CLOEXEC);
	NEED(dev >= 0, "open the device");
	NEED(IS(io_uring_queue_init(4, &ring, 0), 0, "io_uring_queue_init"), "set up a ring");
	/* The old reader waits in front of the new reader: the request wakes the old one. */
	reader_start(&old, a);
	reader_start(&new, b);
	one_processor(true);
	io_uring_prep_read(io_uring_get_sqe(&ring), dev, buf, 4096, 0);
	IS(io_uring_submit(&ring), 1, "submit");
	IS(dm_word(t.name, "queued:"), 1, "the request waits, and no reader has run");
	pthread_kill(old.thread, SIGUSR1);
	one_processor(false);
	IS(reader_end(&old), -EINTR, "the old reader leaves without a request");
	NEED(reader_end(&new) == sizeof(new.m), "the new reader gets the request");
	abi_fill(buf, 4096, 1);
	IS(ch_answer(b, &new.m, 0, buf, 0), 0, "answer");
	NEED(UNTIL(!io_uring_peek_cqe(&ring, &cqe)), "the request ends");
	IS(cqe->res, 4096, "read");
	io_uring_queue_exit(&ring);
	close(dev);
	close(a);
	close(b);
	free(buf);
}

#define CLOSERS		4
#define CLOSER_FDS	4

struct closer {
	pthread_t thread;
	pthread_barrier_t *start;
	int fd[CLOSER_FDS];
};

static void *closer_thread(void *arg)
{
	struct closer *closer = arg;

	pthread_barrier_wait(closer->start);
	for (int i = 0; i < CLOSER_FDS; i++)
		close(closer->fd[i]);
	return NULL;
}

/* Leave @fd with a claim of a write that the kernel has already failed. */
static void last_close_leave_claim(const struct target *t, int fd)
{
	struct io *io = io_start(t, IO_WRITE, 0, 4096, 1);
	struct dm_user_message m;

	ch_take_type(fd, &m, DM_USER_REQ_MAP_WRITE, NULL);
	IS(dm_message(t->name, "fail"), 0, "message");
	IS(io_end(io), -EIO, "write");
}

/* All channels close at once, after the target is removed or (@race) meanwhile. */
static void last_close_round(bool race)
{
	struct closer closers[CLOSERS];
	pthread_barrier_t start;
	struct closer *closer;
	struct target t;

	target_create(&t, NULL);
	pthread_barrier_init(&start, NULL, CLOSERS + 1);
	for (int i = 0; i < CLOSERS; i++) {
		closer = &closers[i];
		closer->start = &start;
		for (int k = 0; k < CLOSER_FDS; k++)
			closer->fd[k] = k ? ch_new(closer->fd[0]) : ch_need(&t);
		NEED(!pthread_create(&closer->thread, NULL, closer_thread, closer),
		     "create a thread");
	}
	IS(ch_join(closers[0].fd[0], 1, DM_USER_JOIN_CREATE), 0, "create 1");
	last_close_leave_claim(&t, closers[0].fd[0]);
	if (!race)
		target_remove(&t);
	pthread_barrier_wait(&start);
	if (race)
		target_remove(&t);
	for (int i = 0; i < CLOSERS; i++)
		pthread_join(closers[i].thread, NULL);
	pthread_barrier_destroy(&start);
}

/* The last user of a node frees it, be it a channel or the target. */
static void wait_last_close(void)
{
	for (int round = 0; round < 20; round++)
		last_close_round(round & 1);
}

const struct abi_test abi_wait[] = {
	{ "signals", wait_signals, "P1: a signal while idle dequeues nothing" },
	{ "pair", wait_pair, "P1: each of two requests finds one of two readers" },
	{ "leave", wait_leave, "P3: a reader that leaves for a drain passes its wake-up on" },
	{ "storm", wait_storm, "P1: nothing is lost or doubled in a storm of signals" },
	{ "gone", wait_gone, "P11: every call fails with ENOTBLK once the target is gone" },
	{ "herd", wait_herd, "every blocked reader gets its request" },
	{ "pass_on", wait_pass_on, "P1: a reader that leaves for a signal passes its wake-up on" },
	{ "last_close", wait_last_close, "P11: all channels close at once when the target goes" },
	{ NULL, NULL, NULL }
};
