// SPDX-License-Identifier: GPL-2.0-or-later
/* Orphans, and requests without a daemon. */
#include <errno.h>
#include <fcntl.h>
#include <linux/dm-ioctl.h>
#include <liburing.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "abi.h"

static void orphans_requeue(void)
{
	struct dm_user_message m, again;
	uint8_t *buf = abi_buffer(4096);
	struct io *read_io, *write_io;
	struct target t;
	int a, b;

	target_create(&t, NULL);
	a = ch_need(&t);
	b = ch_need(&t);
	read_io = io_start(&t, IO_READ, 0, 4096, 0);
	ch_take_type(a, &m, DM_USER_REQ_MAP_READ, NULL);
	write_io = io_start(&t, IO_WRITE, 8192, 4096, 8);
	OK(ch_ready(a, POLLIN), "a write comes");
	IS(ch_read(a, buf, 40), 40, "header of the write");
	IS(ch_read(a, buf, 100), 100, "a part of the write's payload");
	IS(dm_word(t.name, "held:"), 2, "two requests are held");
	close(a);
	IS(dm_word(t.name, "requeued:"), 2, "both orphans are requeued");

	ch_take_type(b, &again, DM_USER_REQ_MAP_READ, NULL);
	IS(again.seq, m.seq, "the orphan keeps its seq");
	IS(again.sector, m.sector, "the orphan keeps its sector");
	IS(again.len, m.len, "the orphan keeps its length");
	abi_fill(buf, 4096, 7);
	IS(ch_answer(b, &again, 0, buf, 0), 0, "answer");
	io_end_read(read_io, 7);
	ch_take_type(b, &again, DM_USER_REQ_MAP_WRITE, buf);
	IS(again.seq, m.seq + 1, "the second orphan keeps its seq, too");
	OK(abi_filled(buf, 4096, 8), "the orphan's payload starts at its first byte");
	IS(ch_answer(b, &again, 0, NULL, 0), 0, "answer");
	IS(io_end(write_io), 0, "write");
	free(buf);
}

/* The oldest request comes first; an orphan keeps its age. */
static void orphans_oldest(void)
{
	struct dm_user_message m;
	struct target t;
	struct io *old, *fresh;
	int a, b;

	target_create(&t, NULL);
	a = ch_need(&t);
	old = io_start(&t, IO_READ, 0, 4096, 0);
	ch_take_type(a, &m, DM_USER_REQ_MAP_READ, NULL);
	OK(UNTIL(dm_word(t.name, "oldest_ms:") > 500), "the held request ages");
	fresh = io_start(&t, IO_FSYNC, 0, 0, 0);
	OK(UNTIL(dm_word(t.name, "queued:") == 1), "another request waits");
	b = ch_need(&t);
	close(a);
	OK(dm_word(t.name, "oldest_ms:") > 500, "the orphan keeps its age");
	ch_take_type(b, &m, DM_USER_REQ_MAP_READ, NULL);
	IS(ch_answer(b, &m, DM_USER_RESP_ERROR, NULL, 0), 0,
	   "answer to the orphan, which comes first");
	IS(io_end(old), -EIO, "read");
	ch_take_type(b, &m, DM_USER_REQ_MAP_FLUSH, NULL);
	IS(ch_answer(b, &m, 0, NULL, 0), 0, "answer to the newer request");
	IS(io_end(fresh), 0, "fsync");
}

/* A part of an answer, from a daemon that then closes its channel, reaches no reader. */
static void orphans_stale(void)
{
	uint8_t *buf = abi_buffer(16384 + 40);
	struct dm_user_message m;
	struct target t;
	struct io *io;
	int fd;

	target_create(&t, NULL);
	for (size_t part = 1; part < 16384; part = part * 3 + 1) {
		fd = ch_need(&t);
		io = io_start(&t, IO_READ, 0, 16384, 0);
		ch_take_type(fd, &m, DM_USER_REQ_MAP_READ, NULL);
		m.type = 0;
		memcpy(buf, &m, sizeof(m));
		abi_fill(buf + 40, 16384, 666);
		IS(ch_write(fd, buf, 40 + part), 40 + part, "%zu bytes of an answer", part);
		OK(!io->done, "a part of an answer completes nothing");
		close(fd);
		OK(!io->done, "the close completes nothing");
		fd = ch_need(&t);
		ch_take_type(fd, &m, DM_USER_REQ_MAP_READ, NULL);
		abi_fill(buf, 16384, part);
		IS(ch_answer(fd, &m, 0, buf, 0), 0, "the answer of another daemon");
		io_end_read(io, part);
		close(fd);
	}
	free(buf);
}

static void orphans_fail(void)
{
	struct dm_user_message m;
	struct io *read_io, *write_io, *queued;
	struct target t;
	int a, b;

	target_create(&t, "orphans:fail");
	a = ch_need(&t);
	read_io = io_start(&t, IO_READ, 0, 4096, 0);
	ch_take_type(a, &m, DM_USER_REQ_MAP_READ, NULL);
	write_io = io_start(&t, IO_WRITE, 8192, 4096, 8);
	ch_take_type(a, &m, DM_USER_REQ_MAP_WRITE, NULL);
	queued = io_start(&t, IO_FSYNC, 0, 0, 0);
	OK(UNTIL(dm_word(t.name, "queued:") == 1), "a third request waits");
	close(a);
	IS(io_end(read_io), -EIO, "a read that was held");
	IS(io_end(write_io), -EIO, "a write that was held");
	IS(dm_word(t.name, "failed:"), 2, "requests that failed");
	OK(!queued->done, "the request that no channel took still waits");
	b = ch_need(&t);
	ch_take_type(b, &m, DM_USER_REQ_MAP_FLUSH, NULL);
	ch_answer(b, &m, 0, NULL, 0);
	IS(io_end(queued), 0, "the next channel serves the request");
}

static void orphans_killed(void)
{
	struct dm_user_message m;
	struct io *io[8];
	struct target t;
	int ready[2], fd, status;
	char byte;
	pid_t pid;

	target_create(&t, NULL);
	for (int round = 0; round < 8; round++) {
		NEED(!pipe(ready), "create a pipe");
		pid = fork();
		if (pid == 0) {
			fd = ch_need(&t);
			for (int i = 0; i <= round; i++)
				if (ch_take(fd, &m, NULL, i ? 0 : 1))
					_exit(1);
			if (write(ready[1], "", 1) != 1)
				_exit(1);
			ch_take(fd, &m, NULL, 0);
			pause();
		}
		for (int i = 0; i < 8; i++)
			io[i] = io_start(&t, i & 1 ? IO_WRITE : IO_READ, i * 4096, 4096, i);
		IS(read(ready[0], &byte, 1), 1, "the daemon holds %d requests", round + 1);
		kill(pid, SIGKILL);
		waitpid(pid, &status, 0);
		close(ready[0]);
		close(ready[1]);
		OK(UNTIL(dm_word(t.name, "channels:") == 0), "the daemon's channel closes");
		OK(UNTIL(dm_word(t.name, "queued:") == 8), "all requests wait again");
		fd = ch_need(&t);
		for (int i = 0; i < 8; i++) {
			uint8_t *buf = abi_buffer(4096);

			NEED(ch_ready(fd, POLLIN), "request %d", i);
			IS(ch_take(fd, &m, buf, 0), 0, "take");
			if (m.type == DM_USER_REQ_MAP_WRITE)
				OK(abi_filled(buf, 4096, m.sector / 8), "payload of an orphan");
			abi_fill(buf, 4096, 5);
			IS(ch_answer(fd, &m, 0, buf, 0), 0, "answer");
			free(buf);
		}
		for (int i = 0; i < 8; i++)
			if (i & 1)
				IS(io_end(io[i]), 0, "write");
			else
				io_end_read(io[i], 5);
		close(fd);
	}
}

static void nodaemon_wait(void)
{
	struct dm_user_message m;
	struct target t;
	struct io *io;
	int fd;

	target_create(&t, NULL);
	IS(dm_word(t.name, "daemon:"), 0, "the status has daemon:0");
	io = io_start(&t, IO_FSYNC, 0, 0, 0);
	OK(UNTIL(dm_word(t.name, "queued:") == 1), "a request waits");
	OK(UNTIL(dm_word(t.name, "oldest_ms:") > 300), "the request waits for 300 ms");
	OK(!io->done, "the request has not failed");
	fd = ch_need(&t);
	IS(dm_word(t.name, "daemon:"), 1, "the status has daemon:1");
	ch_take_type(fd, &m, DM_USER_REQ_MAP_FLUSH, NULL);
	ch_answer(fd, &m, 0, NULL, 0);
	IS(io_end(io), 0, "a daemon that comes serves the request");
	close(fd);
	io = io_start(&t, IO_FSYNC, 0, 0, 0);
	OK(UNTIL(dm_word(t.name, "queued:") == 1), "another request waits");
	IS(dm_message(t.name, "fail"), 0, "message fail");
	IS(io_end(io), -EIO, "the request fails");
}

static void nodaemon_fail(void)
{
	struct dm_user_message m;
	struct target t;
	struct io *io;
	int fd;

	target_create(&t, "nodaemon:fail:300");
	IS(io_do(&t, IO_FSYNC, 0, 0, 0), -EIO, "a request fails when the time is over");
	IS(io_do(&t, IO_READ, 0, 4096, 0), -EIO, "a later request fails, too");
	fd = ch_need(&t);
	io = io_start(&t, IO_FSYNC, 0, 0, 0);
	ch_take_type(fd, &m, DM_USER_REQ_MAP_FLUSH, NULL);
	ch_answer(fd, &m, 0, NULL, 0);
	IS(io_end(io), 0, "a daemon serves the request");
	io = io_start(&t, IO_READ, 0, 4096, 0);
	ch_take_type(fd, &m, DM_USER_REQ_MAP_READ, NULL);
	close(fd);
	IS(io_end(io), -EIO, "an orphan fails when the time is over");
	/* A draining daemon takes no request, so it does not count as a daemon. */
	fd = ch_need(&t);
	io = io_start(&t, IO_READ, 0, 4096, 0);
	ch_take_type(fd, &m, DM_USER_REQ_MAP_READ, NULL);
	IS(ch_drain(fd, 0, NULL), 0, "drain");
	IS(io_do(&t, IO_FSYNC, 0, 0, 0), -EIO, "a request fails with only a draining daemon");
	IS(ch_answer(fd, &m, DM_USER_RESP_ERROR, NULL, 0), 0, "a draining daemon may still answer");
	IS(io_end(io), -EIO, "the held request fails");
	IS(dm_word(t.name, "errors:"), 1, "the held request failed by its answer");
}

/* Open a channel @us microseconds after the last close, then submit a read, which it must get. */
static void nodaemon_arrive(const struct target *t, struct io_uring *ring, int dev, long us)
{
	uint8_t *buf = abi_buffer(4096);
	struct io_uring_cqe *cqe;
	struct dm_user_message m;
	int fd;

	io_uring_prep_read(io_uring_get_sqe(ring), dev, buf, 4096, 0);
	nanosleep(&(struct timespec){ .tv_nsec = us * 1000 }, NULL);
	fd = ch_need(t);
	NEED(IS(io_uring_submit(ring), 1, "submit"), "a request");
	OK(UNTIL(ch_poll(fd) & POLLIN || !io_uring_peek_cqe(ring, &cqe)),
	   "the read arrives or ends");
	/* Now that there is a daemon, the read may wait without a limit. */
	for (int i = 0; i < 5; i++)
		abi_nap();
	if (OK(ch_poll(fd) & POLLIN, "a read after %ld us reaches the daemon", us)) {
		IS(ch_take(fd, &m, NULL, 0), 0, "take");
		abi_fill(buf, 4096, us);
		IS(ch_answer(fd, &m, 0, buf, 0), 0, "answer");
	}
	NEED(UNTIL(!io_uring_peek_cqe(ring, &cqe)), "the read ends");
	IS(cqe->res, 4096, "read, %ld us after the last daemon", us);
	io_uring_cqe_seen(ring, cqe);
	close(fd);
	free(buf);
}

/* A daemon that comes at the moment when the time is over gets all later requests. */
static void nodaemon_late(void)
{
	struct io_uring ring;
	struct target t;
	int dev;

	target_create(&t, "nodaemon:fail:20");
	dev = open(t.dev, O_RDONLY | O_DIRECT | O_CLOEXEC);
	NEED(dev >= 0, "open the device");
	NEED(IS(io_uring_queue_init(4, &ring, 0), 0, "io_uring_queue_init"), "set up a ring");
	for (long round = 0; round < 150; round++)
		nodaemon_arrive(&t, &ring, dev, 14000 + round * 100);
	IS(dm_word(t.name, "failed:"), 0, "no request failed");
	io_uring_queue_exit(&ring);
	close(dev);
}

#define ANEW_MS	1500

/* After a resume the whole time runs again: a lower bound, which holds on a slow guest, too. */
static void nodaemon_resume(const struct target *t)
{
	uint64_t begin;

	IS(dm_suspend(t->name, DM_NOFLUSH_FLAG | DM_SKIP_LOCKFS_FLAG), 0, "suspend");
	begin = abi_now_ms();
	IS(dm_resume(t->name, DM_NOFLUSH_FLAG), 0, "resume");
	IS(io_do(t, IO_FSYNC, 0, 0, 0), -EIO, "the request fails without a daemon");
	OK(abi_now_ms() - begin >= ANEW_MS,
	   "the request failed %llu ms after a resume", (unsigned long long)(abi_now_ms() - begin));
}

/* A resume while the time runs, and a resume after it. */
static void nodaemon_anew(void)
{
	struct target t;
	struct io *io;

	target_create(&t, "nodaemon:fail:1500");
	close(ch_need(&t));
	io = io_start(&t, IO_FSYNC, 0, 0, 0);
	OK(UNTIL(io->done || dm_word(t.name, "oldest_ms:") > ANEW_MS / 2),
	   "half of the time is over");
	nodaemon_resume(&t);
	IS(io_end(io), -EIO, "a request from before the resume fails");
	close(ch_need(&t));
	IS(io_do(&t, IO_FSYNC, 0, 0, 0), -EIO, "a request fails when the whole time is over");
	nodaemon_resume(&t);
}

const struct abi_test abi_orphans[] = {
	{ "requeue", orphans_requeue,
	  "P1: another channel gets a closed channel's requests: same seq, from the first byte" },
	{ "oldest", orphans_oldest,
	  "P2, P12: an orphan comes before newer requests, and the status has its age" },
	{ "stale", orphans_stale, "P10: a part of an answer never reaches a reader" },
	{ "fail", orphans_fail, "orphans:fail fails held requests, and no others" },
	{ "killed", orphans_killed,
	  "P4: the requests of a killed daemon wait for the next daemon" },
	{ "wait", nodaemon_wait,
	  "P2: without a daemon requests wait until a daemon comes or `fail` is sent" },
	{ "nodaemon_fail", nodaemon_fail,
	  "nodaemon:fail:MS fails requests after its time, until a daemon comes" },
	{ "nodaemon_anew", nodaemon_anew, "nodaemon:fail:MS starts its time anew at a resume" },
	{ "nodaemon_late", nodaemon_late,
	  "nodaemon:fail:MS fails no request once a daemon is there" },
	{ NULL, NULL, NULL }
};
