// SPDX-License-Identifier: GPL-2.0-or-later
/* Calls that do not wait: poll(2), epoll, O_NONBLOCK and RWF_NOWAIT. */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include "hostile.h"
#include "reader.h"

static void poll_nonblock(void)
{
	struct dm_user_message m;
	uint8_t buf[64];
	struct iovec iov = { .iov_base = &m, .iov_len = sizeof(m) };
	struct target t;
	struct io *io;
	int fd;

	target_create(&t, NULL);
	fd = ch_need(&t);
	IS(preadv2(fd, &iov, 1, -1, RWF_NOWAIT) < 0 ? -errno : 1, -EAGAIN,
	   "RWF_NOWAIT without a request");
	ch_nonblock(fd, true);
	IS(ch_read(fd, buf, sizeof(buf)), -EAGAIN, "O_NONBLOCK without a request");
	io = io_start(&t, IO_WRITE, 0, 512, 1);
	OK(ch_ready(fd, POLLIN), "a request comes");
	IS(preadv2(fd, &iov, 1, -1, RWF_NOWAIT), sizeof(m), "RWF_NOWAIT returns the header");
	IS(ch_read(fd, buf, 64), 64, "O_NONBLOCK returns a part of the payload");
	IS(ch_poll(fd) & POLLIN, POLLIN, "poll reports the rest of the payload");
	for (int left = 448; left; left -= 64)
		IS(ch_read(fd, buf, 64), 64, "another part of the payload");
	IS(ch_read(fd, buf, 64), -EAGAIN, "O_NONBLOCK after the payload");
	IS(ch_answer(fd, &m, 0, NULL, 0), 0, "answer");
	IS(io_end(io), 0, "write");
	ch_nonblock(fd, false);
	IS(preadv2(fd, &iov, 1, -1, RWF_NOWAIT) < 0 ? -errno : 1, -EAGAIN,
	   "RWF_NOWAIT on a blocking descriptor");
}

static void poll_events(void)
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
	IS(ch_poll(fd), POLLOUT, "poll, idle");
	IS(epoll_wait(ep, &got, 1, 0), 0, "epoll, idle");
	io = io_start(&t, IO_FSYNC, 0, 0, 0);
	IS(epoll_wait(ep, &got, 1, ABI_WAIT_MS), 1, "epoll wakes for a request");
	IS(got.events, EPOLLIN, "epoll reports the request");
	IS(ch_poll(fd), POLLIN | POLLOUT, "poll, a request waits");
	IS(ch_take(fd, &m, NULL, 0), 0, "take the request");
	IS(ch_poll(fd), POLLOUT, "poll, the request is taken");
	IS(ch_drain(fd, 0, NULL), 0, "drain");
	IS(ch_poll(fd), POLLIN | POLLOUT | POLLRDHUP, "poll, draining with one request held");
	IS(epoll_wait(ep, &got, 1, ABI_WAIT_MS), 1, "epoll wakes for the drain");
	OK(got.events & EPOLLRDHUP, "epoll reports the drain");
	IS(ch_answer(fd, &m, 0, NULL, 0), 0, "the last answer");
	IS(io_end(io), 0, "fsync");
	IS(ch_poll(fd), POLLIN | POLLOUT | POLLRDHUP | POLLHUP, "poll, drained");
	target_remove(&t);
	IS(ch_poll(fd) & (POLLHUP | POLLERR | POLLIN), POLLHUP | POLLERR | POLLIN,
	   "poll, the target is gone");
	close(ep);
}

/* A thread that waits for events of a channel in epoll_pwait(2) and only counts them. */
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
	NEED(!epoll_ctl(idler->ep, EPOLL_CTL_ADD, fd, &event), "add the channel to epoll");
	NEED(!epoll_ctl(idler->ep, EPOLL_CTL_ADD, idler->quit, &quit), "add the eventfd to epoll");
	NEED(!pthread_create(&idler->thread, NULL, idler_thread, idler), "create a thread");
}

static void idler_end(struct idler *idler)
{
	IS(eventfd_write(idler->quit, 1), 0, "end the poller");
	pthread_join(idler->thread, NULL);
	close(idler->quit);
	close(idler->ep);
}

/* Every request reaches the reader of @fd; the reader and @idler sleep when it comes. */
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

/* A poller that asks for exclusive wake-ups and never reads keeps no request from a reader. */
static void poll_exclusive(void)
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
	/* From now on the poller's channel can take no request. */
	idler.woken = 0;
	IS(ch_drain(a, 0, NULL), 0, "drain the poller's generation");
	OK(UNTIL(idler.woken), "the drain wakes the poller");
	exclusive_serve(&t, &idler, b);
	idler_end(&idler);
	close(a);
	close(b);
}

/* A request wakes every poller, exclusive pollers too: any of them may do nothing. */
static void poll_all(void)
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
		NEED(UNTIL(idlers[i].tid && abi_blocked_in(idlers[i].tid, SYS_epoll_pwait)),
		     "poller %d sleeps", i);
		idlers[i].woken = 0;
	}
	io = io_start(&t, IO_FSYNC, 0, 0, 0);
	for (int i = 0; i < 3; i++)
		OK(UNTIL(idlers[i].woken), "the request wakes poller %d", i);
	ch_take_type(fd[2], &m, DM_USER_REQ_MAP_FLUSH, NULL);
	IS(ch_answer(fd[2], &m, 0, NULL, 0), 0, "answer");
	IS(io_end(io), 0, "fsync");
	for (int i = 0; i < 3; i++) {
		idler_end(&idlers[i]);
		close(fd[i]);
	}
}

/* During a write, another write gets EAGAIN and poll agrees; the end of a write wakes pollers. */
static void poll_turn(void)
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
	if (!call.buf)
		return;
	target_create(&t, NULL);
	call.fd = ch_need(&t);
	io = io_start(&t, IO_READ, 0, 4096, 0);
	ch_take_type(call.fd, &m, DM_USER_REQ_MAP_READ, NULL);
	IS(ch_poll(call.fd), POLLOUT, "poll, no write in progress");
	call_start(&call);
	memory_asked_for(uffd, call.buf, 1);
	IS(ch_poll(call.fd), 0, "poll, a write in progress");
	IS(pwritev2(call.fd, &iov, 1, -1, RWF_NOWAIT) < 0 ? -errno : 1, -EAGAIN,
	   "RWF_NOWAIT during another write");
	ep = epoll_create1(EPOLL_CLOEXEC);
	NEED(!epoll_ctl(ep, EPOLL_CTL_ADD, call.fd, &event), "add the channel to epoll");
	IS(epoll_wait(ep, &got, 1, 0), 0, "epoll, a write in progress");
	/* The header is all zeroes: SUCCESS for request 0. */
	close(uffd);
	IS(call_end(&call), sizeof(m), "the write of the header");
	IS(epoll_wait(ep, &got, 1, ABI_WAIT_MS), 1, "epoll wakes at the end of the write");
	IS(got.events, EPOLLOUT, "epoll reports POLLOUT");
	abi_fill(buf, 4096, 7);
	IS(ch_write(call.fd, buf, 4096), 4096, "the write of the payload");
	io_end_read(io, 7);
	close(ep);
	close(call.fd);
	free(buf);
	target_remove(&t);
}

const struct abi_test abi_poll[] = {
	{ "nonblock", poll_nonblock, "O_NONBLOCK and RWF_NOWAIT give EAGAIN" },
	{ "events", poll_events, "poll and epoll: idle, request, draining, drained, gone" },
	{ "exclusive", poll_exclusive,
	  "a poller that never reads keeps no request from a blocked reader" },
	{ "all", poll_all, "a request wakes all pollers" },
	{ "turn", poll_turn,
	  "EAGAIN during another write: poll agrees, and reports the end of that write" },
	{ NULL, NULL, NULL }
};
