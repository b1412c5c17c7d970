// SPDX-License-Identifier: GPL-2.0-or-later
/* Waiting for requests: blocked, interrupted, polled, not at all, or by io_uring. */
#include <errno.h>
#include <fcntl.h>
#include <liburing.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include "abi.h"
#include "hostile.h"

/* One blocking read of a header in a thread of its own. */
struct reader {
	int fd;
	pthread_t thread;
	atomic_int tid;
	atomic_bool done;
	ssize_t result;
	struct dm_user_message m;
};

static void *reader_thread(void *arg)
{
	struct reader *r = arg;

	r->tid = abi_gettid();
	r->result = ch_read(r->fd, &r->m, sizeof(r->m));
	r->done = true;
	return NULL;
}

/* Returns once it sleeps in read(2). */
static void reader_start(struct reader *r, int fd)
{
	memset(r, 0, sizeof(*r));
	r->fd = fd;
	NEED(!pthread_create(&r->thread, NULL, reader_thread, r), "a thread");
	NEED(UNTIL(r->tid && abi_blocked_in(r->tid, SYS_read)), "read() blocks while there is nothing");
}

static ssize_t reader_end(struct reader *r)
{
	NEED(UNTIL(r->done), "the blocked read returns");
	pthread_join(r->thread, NULL);
	return r->result;
}

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
	OK(UNTIL(abi_blocked_in(reader.tid, SYS_read)), "and the read restarted");
	io = io_start(&t, IO_FSYNC, 0, 0, 0);
	IS(reader_end(&reader), sizeof(reader.m), "until a request comes");
	IS(reader.m.seq, 0, "nothing was lost to the first signal");
	IS(ch_answer(fd, &reader.m, 0, NULL, 0), 0, "answer");
	IS(io_end(io), 0, "fsync");

	reader_start(&reader, fd);
	pthread_kill(reader.thread, SIGUSR1);
	io = io_start(&t, IO_FSYNC, 0, 0, 0);
	if (reader_end(&reader) == -EINTR)
		ch_take_type(fd, &m, DM_USER_REQ_MAP_FLUSH, NULL);
	else
		m = reader.m;
	IS(m.seq, 1, "a signal and a request at once: the request is there");
	IS(ch_answer(fd, &m, 0, NULL, 0), 0, "answer");
	IS(io_end(io), 0, "fsync");
}

/*
 * A reader that is woken for a request, and finds that its generation drains, leaves the request to the reader of
 * the next generation, who sleeps.
 */
static void wait_leave(void)
{
	struct reader old, new;
	struct target t;
	struct io *io;
	int a, b;

	target_create(&t, NULL);
	b = ch_need(&t);
	IS(ch_join(b, 1, DM_USER_JOIN_CREATE), 0, "generation 1");
	for (unsigned int round = 0; round < 200; round++) {
		a = b;
		b = ch_need(&t);
		IS(ch_join(b, round + 2, DM_USER_JOIN_CREATE), 0, "generation %u", round + 2);
		reader_start(&old, a);
		reader_start(&new, b);
		io = io_start(&t, IO_FSYNC, 0, 0, 0);
		for (volatile unsigned int i = 0; i < round * 2000; i++)
			;
		IS(ch_drain(a, 0, NULL), 0, "the old one drains");
		if (reader_end(&old) == sizeof(old.m)) {
			IS(ch_answer(a, &old.m, 0, NULL, 0), 0, "answer by the old one");
			IS(io_end(io), 0, "fsync");
			io = io_start(&t, IO_FSYNC, 0, 0, 0);
		}
		NEED(reader_end(&new) == sizeof(new.m), "the new one gets the request of round %u", round);
		IS(ch_answer(b, &new.m, 0, NULL, 0), 0, "answer by the new one");
		IS(io_end(io), 0, "fsync");
		close(a);
	}
}

/* A daemon under a storm of signals: every request is served once and none is lost. */
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
		NEED(UNTIL(__atomic_load_n(&s[i].tid, __ATOMIC_ACQUIRE)), "daemon %d", i);
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
		OK(abi_filled(store + i * 16384, 4096, 99 * 4 + i), "block %d is the last one written", i);
	IS(dm_message(t.name, "drain 0"), 0, "drain");
	server_join(&s[0]);
	server_join(&s[1]);
	IS(s[0].served + s[1].served, 400, "each request was served once");
}

/*
 * Two readers, each content with one request, and two requests at once: both are read, whoever was woken for
 * which.
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
		/* The second one may be on its way to sleep, or not there yet. */
		reader_start(&reader[0], fd[0]);
		memset(&reader[1], 0, sizeof(reader[1]));
		reader[1].fd = fd[1];
		for (int i = 0; i < 2; i++)
			io[i] = io_start(&t, IO_READ, i * 4096, 4096, 0);
		NEED(!pthread_create(&reader[1].thread, NULL, reader_thread, &reader[1]), "a thread");
		for (int i = 0; i < 2; i++) {
			NEED(reader_end(&reader[i]) == sizeof(reader[i].m), "reader %d of round %d", i, round);
			IS(ch_answer(fd[i], &reader[i].m, DM_USER_RESP_ERROR, NULL, 0), 0, "answer");
		}
		for (int i = 0; i < 2; i++)
			IS(io_end(io[i]), -EIO, "read");
	}
}

static void wait_nonblock(void)
{
	struct dm_user_message m;
	uint8_t buf[64];
	struct iovec iov = { .iov_base = &m, .iov_len = sizeof(m) };
	struct target t;
	struct io *io;
	int fd;

	target_create(&t, NULL);
	fd = ch_need(&t);
	IS(preadv2(fd, &iov, 1, -1, RWF_NOWAIT) < 0 ? -errno : 1, -EAGAIN, "RWF_NOWAIT, nothing there");
	ch_nonblock(fd, true);
	IS(ch_read(fd, buf, sizeof(buf)), -EAGAIN, "O_NONBLOCK, nothing there");
	io = io_start(&t, IO_WRITE, 0, 512, 1);
	OK(ch_ready(fd, POLLIN), "a request comes");
	IS(preadv2(fd, &iov, 1, -1, RWF_NOWAIT), sizeof(m), "RWF_NOWAIT gives it");
	IS(ch_read(fd, buf, 64), 64, "O_NONBLOCK gives a part of the payload");
	IS(ch_poll(fd) & POLLIN, POLLIN, "and poll says that there is more");
	for (int left = 448; left; left -= 64)
		IS(ch_read(fd, buf, 64), 64, "more");
	IS(ch_read(fd, buf, 64), -EAGAIN, "then nothing");
	IS(ch_answer(fd, &m, 0, NULL, 0), 0, "answer");
	IS(io_end(io), 0, "write");
	ch_nonblock(fd, false);
	IS(preadv2(fd, &iov, 1, -1, RWF_NOWAIT) < 0 ? -errno : 1, -EAGAIN, "RWF_NOWAIT again");
}

static void wait_poll(void)
{
	struct epoll_event event = { .events = EPOLLIN | EPOLLRDHUP }, got;
	struct dm_user_message m;
	struct target t;
	struct io *io;
	int fd, ep;

	target_create(&t, NULL);
	fd = ch_need(&t);
	ep = epoll_create1(EPOLL_CLOEXEC);
	IS(epoll_ctl(ep, EPOLL_CTL_ADD, fd, &event), 0, "add to epoll");
	IS(ch_poll(fd), POLLOUT, "idle");
	IS(epoll_wait(ep, &got, 1, 0), 0, "idle, by epoll");
	io = io_start(&t, IO_FSYNC, 0, 0, 0);
	IS(epoll_wait(ep, &got, 1, ABI_WAIT_MS), 1, "epoll wakes for a request");
	IS(got.events, EPOLLIN, "and says so");
	IS(ch_poll(fd), POLLIN | POLLOUT, "a request waits");
	IS(ch_take(fd, &m, NULL, 0), 0, "take it");
	IS(ch_poll(fd), POLLOUT, "it is taken");
	IS(ch_drain(fd, 0, NULL), 0, "drain");
	IS(ch_poll(fd), POLLIN | POLLOUT | POLLRDHUP, "draining, one held");
	IS(epoll_wait(ep, &got, 1, ABI_WAIT_MS), 1, "epoll wakes for the drain");
	OK(got.events & EPOLLRDHUP, "and says so");
	IS(ch_answer(fd, &m, 0, NULL, 0), 0, "the last answer");
	IS(io_end(io), 0, "fsync");
	IS(ch_poll(fd), POLLIN | POLLOUT | POLLRDHUP | POLLHUP, "drained");
	target_remove(&t);
	IS(ch_poll(fd) & (POLLHUP | POLLERR | POLLIN), POLLHUP | POLLERR | POLLIN, "the target is gone");
	close(ep);
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
	IS(ch_read(fd, &m, sizeof(m)), -ENOTBLK, "an old channel is not of the new target");
	target_remove(&t);
	close(fd);
	close(other);
}

#define RING	16

static void wait_uring(void)
{
	struct dm_user_message m[RING];
	uint8_t *buf = abi_buffer(4096);
	struct io_uring_cqe *cqe;
	struct io_uring ring;
	struct io *io[RING];
	uint64_t seen = 0;
	struct target t;
	int fd;

	target_create(&t, NULL);
	fd = ch_need(&t);
	NEED(IS(io_uring_queue_init(RING * 2, &ring, 0), 0, "io_uring_queue_init"), "a ring");
	for (int i = 0; i < RING; i++) {
		struct io_uring_sqe *sqe = io_uring_get_sqe(&ring);

		io_uring_prep_read(sqe, fd, &m[i], sizeof(m[i]), -1);
		io_uring_sqe_set_data64(sqe, i);
	}
	IS(io_uring_submit(&ring), RING, "submit reads");
	IS(io_uring_peek_cqe(&ring, &cqe), -EAGAIN, "none is done while there is nothing");
	for (int i = 0; i < RING; i++)
		io[i] = io_start(&t, IO_READ, i * 4096, 4096, 0);
	for (int i = 0; i < RING; i++) {
		struct __kernel_timespec limit = { .tv_sec = ABI_WAIT_MS / 1000 };
		const struct dm_user_message *one;

		NEED(IS(io_uring_wait_cqe_timeout(&ring, &cqe, &limit), 0, "read %d ends", i), "all reads");
		IS(cqe->res, sizeof(m[0]), "it has a header");
		one = &m[io_uring_cqe_get_data64(cqe)];
		io_uring_cqe_seen(&ring, cqe);
		NEED(one->seq < RING && one->sector / 8 < RING && one->len == 4096, "a good one");
		seen |= 1 << one->seq;
		abi_fill(buf, 4096, one->sector / 8);
		IS(ch_answer(fd, one, 0, buf, 0), 0, "answer");
	}
	IS(seen, (1 << RING) - 1, "each request came once");
	for (int i = 0; i < RING; i++)
		io_end_read(io[i], i);
	/* Reads still in the ring when the target goes. */
	io_uring_prep_read(io_uring_get_sqe(&ring), fd, &m[0], sizeof(m[0]), -1);
	IS(io_uring_submit(&ring), 1, "submit one more");
	target_remove(&t);
	NEED(IS(io_uring_wait_cqe_timeout(&ring, &cqe, &(struct __kernel_timespec){ .tv_sec = 20 }), 0,
		"it ends"), "an end");
	IS(cqe->res, -ENOTBLK, "with ENOTBLK");
	io_uring_queue_exit(&ring);
	free(buf);
}

static int herd_next(const struct reader *readers, unsigned int done)
{
	for (int i = 0; i < 8; i++)
		if (readers[i].done && !(done & (1 << i)))
			return i;
	return -1;
}

/* One bio wakes one reader, and a blocked reader costs no one else a request. */
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
		int who = -1;

		io = io_start(&t, IO_FSYNC, 0, 0, 0);
		NEED(UNTIL((who = herd_next(readers, done)) >= 0), "somebody wakes");
		done |= 1 << who;
		IS(reader_end(&readers[who]), sizeof(readers[who].m), "it reads a header");
		IS(readers[who].m.seq, round, "the next one");
		IS(ch_answer(fd[who], &readers[who].m, 0, NULL, 0), 0, "answer");
		IS(io_end(io), 0, "fsync");
	}
	for (int i = 0; i < 8; i++)
		close(fd[i]);
}

/* Waits for events of a channel in epoll_pwait(2) and does nothing about them. */
struct idler {
	int ep, quit;
	pthread_t thread;
	atomic_int tid;
	atomic_uint woken;
};

static void *idler_thread(void *arg)
{
	struct idler *idler = arg;
	struct epoll_event event;

	idler->tid = abi_gettid();
	while (epoll_pwait(idler->ep, &event, 1, -1, NULL) == 1 && event.data.fd != idler->quit)
		idler->woken++;
	return NULL;
}

static void idler_start(struct idler *idler, int fd)
{
	struct epoll_event event = { .events = EPOLLIN | EPOLLEXCLUSIVE | EPOLLET, .data.fd = fd };
	struct epoll_event quit = { .events = EPOLLIN };

	memset(idler, 0, sizeof(*idler));
	idler->ep = epoll_create1(EPOLL_CLOEXEC);
	idler->quit = quit.data.fd = eventfd(0, EFD_CLOEXEC);
	NEED(!epoll_ctl(idler->ep, EPOLL_CTL_ADD, fd, &event), "an exclusive poller");
	NEED(!epoll_ctl(idler->ep, EPOLL_CTL_ADD, idler->quit, &quit), "its end");
	NEED(!pthread_create(&idler->thread, NULL, idler_thread, idler), "a thread");
}

static void idler_end(struct idler *idler)
{
	IS(eventfd_write(idler->quit, 1), 0, "end the poller");
	pthread_join(idler->thread, NULL);
	close(idler->quit);
	close(idler->ep);
}

/* Every request reaches the reader of @fd, which sleeps when it comes; so does @idler. */
static void exclusive_serve(const struct target *t, struct idler *idler, int fd)
{
	uint8_t *buf = abi_buffer(4096);
	struct reader reader;
	struct io *io;

	for (int i = 0; i < 6; i++) {
		reader_start(&reader, fd);
		NEED(UNTIL(idler->tid && abi_blocked_in(idler->tid, SYS_epoll_pwait)),
		     "the poller sleeps");
		io = io_start(t, IO_READ, i * 4096, 4096, 0);
		IS(reader_end(&reader), sizeof(reader.m), "the reader gets request %d", i);
		abi_fill(buf, 4096, i);
		IS(ch_answer(fd, &reader.m, 0, buf, 0), 0, "answer");
		io_end_read(io, i);
	}
	free(buf);
}

/* A poller that asks for exclusive wake-ups and then does nothing costs no reader a request. */
static void wait_exclusive(void)
{
	struct idler idler;
	struct target t;
	int a, b;

	target_create(&t, NULL);
	a = ch_need(&t);
	b = ch_need(&t);
	IS(ch_join(a, 1, DM_USER_JOIN_CREATE), 0, "create 1");
	IS(ch_join(b, 2, DM_USER_JOIN_CREATE), 0, "create 2");
	idler_start(&idler, a);
	exclusive_serve(&t, &idler, b);
	/* It can't even take one now. */
	idler.woken = 0;
	IS(ch_drain(a, 0, NULL), 0, "drain the poller's generation");
	OK(UNTIL(idler.woken), "which it is told");
	exclusive_serve(&t, &idler, b);
	idler_end(&idler);
	close(a);
	close(b);
}

/* Every poller is told of a request, also those that ask for exclusive wake-ups: another may do nothing. */
static void wait_pollers(void)
{
	struct idler idlers[3];
	struct dm_user_message m;
	struct target t;
	struct io *io;
	int fd[3];

	target_create(&t, NULL);
	for (int i = 0; i < 3; i++) {
		fd[i] = ch_need(&t);
		idler_start(&idlers[i], fd[i]);
		NEED(UNTIL(idlers[i].tid && abi_blocked_in(idlers[i].tid, SYS_epoll_pwait)), "poller %d sleeps", i);
		idlers[i].woken = 0;
	}
	io = io_start(&t, IO_FSYNC, 0, 0, 0);
	for (int i = 0; i < 3; i++)
		OK(UNTIL(idlers[i].woken), "poller %d is told", i);
	ch_take_type(fd[2], &m, DM_USER_REQ_MAP_FLUSH, NULL);
	IS(ch_answer(fd[2], &m, 0, NULL, 0), 0, "answer");
	IS(io_end(io), 0, "fsync");
	for (int i = 0; i < 3; i++) {
		idler_end(&idlers[i]);
		close(fd[i]);
	}
}

/* This thread and those that it makes run on one processor; @first: this one before all others. */
static void one_processor(bool first)
{
	struct sched_param param = { .sched_priority = first };
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(0, &set);
	NEED(!sched_setaffinity(0, sizeof(set), &set), "one processor");
	NEED(!sched_setscheduler(0, first ? SCHED_FIFO : SCHED_OTHER, &param), "a scheduler");
}

/*
 * A request wakes one reader, which cannot run before a signal comes: it leaves, and passes the wake-up on to the
 * other, which sleeps. (A drain wakes all by itself.)
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
	NEED(IS(io_uring_queue_init(4, &ring, 0), 0, "io_uring_queue_init"), "a ring");
	/* It waits in front of the other: it is woken. */
	reader_start(&old, a);
	reader_start(&new, b);
	one_processor(true);
	io_uring_prep_read(io_uring_get_sqe(&ring), dev, buf, 4096, 0);
	IS(io_uring_submit(&ring), 1, "submit");
	IS(dm_word(t.name, "queued:"), 1, "the request is there, and nobody has run since");
	pthread_kill(old.thread, SIGUSR1);
	one_processor(false);
	IS(reader_end(&old), -EINTR, "it leaves without");
	NEED(reader_end(&new) == sizeof(new.m), "the other gets it");
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

/* A write that would have to wait for another says so, poll does too, and who polls is told when it need not. */
static void wait_turn(void)
{
	struct call call = { .what = CALL_WRITE, .len = sizeof(struct dm_user_message) };
	struct epoll_event event = { .events = EPOLLOUT | EPOLLET }, got;
	struct iovec iov = { &call, 1 };
	uint8_t *buf = abi_buffer(4096);
	struct dm_user_message m;
	struct target t;
	struct io *io;
	int uffd, ep;

	call.buf = memory_never(4096, &uffd);
	if (!call.buf) {
		puts("# no userfaultfd here");
		return;
	}
	target_create(&t, NULL);
	call.fd = ch_need(&t);
	io = io_start(&t, IO_READ, 0, 4096, 0);
	ch_take_type(call.fd, &m, DM_USER_REQ_MAP_READ, NULL);
	IS(ch_poll(call.fd), POLLOUT, "nobody writes");
	call_start(&call);
	memory_asked_for(uffd, call.buf, 1);
	IS(ch_poll(call.fd), 0, "another would wait for it");
	IS(pwritev2(call.fd, &iov, 1, -1, RWF_NOWAIT) < 0 ? -errno : 1, -EAGAIN, "RWF_NOWAIT");
	ep = epoll_create1(EPOLL_CLOEXEC);
	NEED(!epoll_ctl(ep, EPOLL_CTL_ADD, call.fd, &event), "poll for it");
	IS(epoll_wait(ep, &got, 1, 0), 0, "not yet");
	/* All zeroes: success, of request 0. */
	close(uffd);
	IS(call_end(&call), sizeof(m), "the header of its answer");
	IS(epoll_wait(ep, &got, 1, ABI_WAIT_MS), 1, "that it is over is told");
	IS(got.events, EPOLLOUT, "and what is possible now");
	abi_fill(buf, 4096, 7);
	IS(ch_write(call.fd, buf, 4096), 4096, "the payload");
	io_end_read(io, 7);
	close(ep);
	close(call.fd);
	free(buf);
	target_remove(&t);
}

/*
 * One answer by io_uring, whose memory is not there yet, while task work is pending: a poll that another request of
 * the same submission has just completed.
 */
static int disturbed_write(struct io_uring *ring, int event, int fd, void *area, size_t len)
{
	struct __kernel_timespec limit = { .tv_sec = ABI_WAIT_MS / 1000 };
	struct io_uring_sqe *sqe[3];
	uint64_t one = 1;
	int res = 0;

	for (int i = 0; i < 3; i++)
		sqe[i] = io_uring_get_sqe(ring);
	io_uring_prep_poll_add(sqe[0], event, POLLIN);
	io_uring_prep_write(sqe[1], event, &one, sizeof(one), -1);
	io_uring_prep_write(sqe[2], fd, area, len, -1);
	for (int i = 0; i < 3; i++)
		io_uring_sqe_set_data64(sqe[i], i);
	NEED(IS(io_uring_submit(ring), 3, "submit"), "three requests");
	for (int done = 0; done < 3; done++) {
		struct io_uring_cqe *cqe;

		NEED(IS(io_uring_wait_cqe_timeout(ring, &cqe, &limit), 0, "request ends"), "an end");
		if (io_uring_cqe_get_data64(cqe) == 2)
			res = cqe->res;
		io_uring_cqe_seen(ring, cqe);
	}
	IS(read(event, &one, sizeof(one)), sizeof(one), "the event was there");
	return res;
}

/* io_uring's task work is no signal: it interrupts no read and no write. */
static void wait_task_work(void)
{
	const size_t len = sizeof(struct dm_user_message) + 65536;
	int fd, file, event = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	char path[] = "/tmp/answer.XXXXXX";
	struct dm_user_message m;
	struct io_uring ring;
	struct target t;
	struct io *io;
	uint8_t *area;
	int res;

	file = mkstemp(path);
	NEED(file >= 0 && !ftruncate(file, len + 4096), "a file");
	unlink(path);
	target_create(&t, NULL);
	fd = ch_need(&t);
	NEED(IS(io_uring_queue_init(16, &ring, 0), 0, "io_uring_queue_init"), "a ring");
	io = io_start(&t, IO_READ, 0, 65536, 0);
	ch_take_type(fd, &m, DM_USER_REQ_MAP_READ, NULL);
	NEED(pwrite(file, &(struct dm_user_message){ .seq = m.seq }, sizeof(m), 0) == sizeof(m), "the header");
	/* Present in the file, and not in this address space. */
	area = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_PRIVATE, file, 0);
	NEED(area != MAP_FAILED, "memory");
	for (size_t at = 0; at < len; at += res) {
		madvise(area, len, MADV_DONTNEED);
		res = disturbed_write(&ring, event, fd, area + at, at ? len - at : sizeof(m) + 100);
		NEED(OK(res > 0, "write at %zu: %d", at, res), "progress");
	}
	IS(io_end(io), 0, "read");
	munmap(area, len);
	io_uring_queue_exit(&ring);
	close(fd);
	close(file);
	close(event);
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

/* A write on @fd's claims that nobody waits for any more. */
static void last_close_leave_claim(const struct target *t, int fd)
{
	struct io *io = io_start(t, IO_WRITE, 0, 4096, 1);
	struct dm_user_message m;

	ch_take_type(fd, &m, DM_USER_REQ_MAP_WRITE, NULL);
	IS(dm_message(t->name, "fail"), 0, "message");
	IS(io_end(io), -EIO, "write");
}

/* All channels close at once, after the target is gone or (@race) while it goes. */
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
		NEED(!pthread_create(&closer->thread, NULL, closer_thread, closer), "a thread");
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

/* The node goes with the last of its users, whoever that is. */
static void wait_last_close(void)
{
	for (int round = 0; round < 20; round++)
		last_close_round(round & 1);
}

const struct abi_test abi_wait[] = {
	{ "signals", wait_signals, "P1: a signal while idle dequeues nothing" },
	{ "pair", wait_pair, "P1: each of two requests finds one of two readers" },
	{ "leave", wait_leave, "P3: a reader that leaves a drain passes on the wake-up for what it does not take" },
	{ "storm", wait_storm, "P1: nothing is lost or doubled in a storm of signals" },
	{ "nonblock", wait_nonblock, "O_NONBLOCK and RWF_NOWAIT say EAGAIN" },
	{ "poll", wait_poll, "poll and epoll: idle, request, draining, drained, gone" },
	{ "gone", wait_gone, "P11: ENOTBLK once the target is gone, for everything" },
	{ "uring", wait_uring, "io_uring keeps many reads in flight on one channel" },
	{ "herd", wait_herd, "every blocked reader gets its request" },
	{ "exclusive", wait_exclusive,
	  "a poller that never reads keeps no request from a blocked reader" },
	{ "pollers", wait_pollers, "a request is told to all pollers" },
	{ "pass_on", wait_pass_on, "P1: a reader that a signal takes away passes on the wake-up for what it does not take" },
	{ "turn", wait_turn, "EAGAIN for another's write: poll agrees, and tells when that is over" },
	{ "task_work", wait_task_work, "io_uring's task work is no signal" },
	{ "last_close", wait_last_close, "P11: all channels close at once when the target goes" },
	{ NULL, NULL, NULL }
};
