// SPDX-License-Identifier: GPL-2.0-or-later
/* Calls that hang in a page fault: no page ever comes, or only the device itself has the page. */
#include <errno.h>
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "hostile.h"

#define HEADER	sizeof(struct dm_user_message)

/* A read() that delivers nothing takes nothing. */
static void memory_unread(void)
{
	struct dm_user_message m;
	struct target t;
	struct io *io;
	int a, b;

	target_create(&t, NULL);
	a = ch_need(&t);
	b = ch_need(&t);
	io = io_start(&t, IO_WRITE, 0, 4096, 1);
	OK(ch_ready(a, POLLIN), "a request");
	IS(ch_read(a, NULL, HEADER), -EFAULT, "a read to a bad pointer");
	IS(dm_word(t.name, "queued:"), 1, "the request waits");
	IS(dm_word(t.name, "held:"), 0, "no channel holds the request");
	OK(ch_poll(b) & POLLIN, "any channel can get the request");
	IS(ch_join(a, 1, DM_USER_JOIN_CREATE), 0, "a channel that has read nothing can join");
	ch_take_type(b, &m, DM_USER_REQ_MAP_WRITE, NULL);
	IS(ch_answer(b, &m, 0, NULL, 0), 0, "answer");
	IS(io_end(io), 0, "write");
	io = io_start(&t, IO_FSYNC, 0, 0, 0);
	OK(ch_ready(a, POLLIN), "another request");
	IS(ch_read(a, NULL, HEADER), -EFAULT, "a read to a bad pointer");
	IS(ch_drain(a, 0, NULL), 0, "drain");
	OK(ch_poll(a) & POLLHUP, "a generation that holds nothing drains at once");
	ch_take_type(b, &m, DM_USER_REQ_MAP_FLUSH, NULL);
	IS(ch_answer(b, &m, 0, NULL, 0), 0, "the other channel answers");
	IS(io_end(io), 0, "fsync");
	close(a);
	close(b);
	target_remove(&t);
}

/* A request that is taken back before its first byte is read was never the daemon's. */
static void memory_unread_revoked(void)
{
	struct call call = { .what = CALL_READ, .len = HEADER };
	struct dm_user_message m;
	struct target t;
	struct io *io;
	int uffd;

	call.buf = memory_never(4096, &uffd);
	if (!call.buf)
		return;
	target_create(&t, NULL);
	call.fd = ch_need(&t);
	io = io_start(&t, IO_FSYNC, 0, 0, 0);
	OK(ch_ready(call.fd, POLLIN), "a request");
	call_start(&call);
	memory_asked_for(uffd, call.buf, 1);
	take_back(&t);
	OK(UNTIL(dm_word(t.name, "queued:") == 1), "the request comes again");
	close(uffd);
	IS(call_end(&call), HEADER, "the read returns the request, without an error");
	memcpy(&m, call.buf, sizeof(m));
	IS(m.type, DM_USER_REQ_MAP_FLUSH, "type");
	IS(ch_answer(call.fd, &m, 0, NULL, 0), 0, "answer");
	IS(io_end(io), 0, "fsync");
	IS(dm_word(t.name, "held:"), 0, "no request is left");
	close(call.fd);
	target_remove(&t);
}

/* ---- memory that never comes ---- */

/* Every call that copies hangs at the same time, each on a channel of its own. */
static void memory_never_comes(void)
{
	struct call calls[6] = { 0 };
	struct dm_user_message m;
	struct bystander by;
	struct io *reader, *writer;
	struct target t;
	uint8_t *area;
	int uffd, fd;

	area = memory_never(8 * 4096, &uffd);
	if (!area)
		return;
	bystander_start(&by);
	target_create(&t, NULL);
	writer = io_start(&t, IO_WRITE, 0, 4096, 1);
	for (int i = 0; i < 6; i++)
		calls[i] = (struct call){ .fd = ch_need(&t), .buf = area + i * 4096,
					  .len = HEADER };
	OK(ch_ready(calls[0].fd, POLLIN), "a request");
	calls[0].what = CALL_READ;		/* the header of a request */
	call_start(&calls[0]);
	OK(UNTIL(dm_word(t.name, "held:") == 1), "the request is being read");
	reader = io_start(&t, IO_READ, 65536, 4096, 0);
	ch_take_type(calls[1].fd, &m, DM_USER_REQ_MAP_READ, NULL);
	calls[1].what = CALL_WRITE;		/* the header of an answer */
	calls[2] = (struct call){ .what = CALL_IOCTL, .fd = calls[2].fd, .buf = calls[2].buf,
				  .command = DM_USER_IOC_INFO };
	calls[3] = (struct call){ .what = CALL_IOCTL, .fd = calls[3].fd, .buf = calls[3].buf,
				  .command = DM_USER_IOC_JOIN };
	calls[4] = (struct call){ .what = CALL_IOCTL, .fd = calls[4].fd, .buf = calls[4].buf,
				  .command = DM_USER_IOC_DRAIN };
	calls[5] = (struct call){ .what = CALL_IOCTL, .fd = calls[5].fd, .buf = calls[5].buf,
				  .command = DM_USER_IOC_OPEN };
	for (int i = 1; i < 6; i++)
		call_start(&calls[i]);
	for (int i = 0; i < 6; i++)
		memory_asked_for(uffd, area, 6);
	for (int i = 0; i < 6; i++)
		OK(!calls[i].done, "call %d hangs", i);

	bystander_check(&by, "six calls hang");
	take_back(&t);
	fd = ch_need(&t);
	for (int i = 0; i < 2; i++) {
		uint8_t *payload = abi_buffer(4096);

		NEED(ch_ready(fd, POLLIN) && !ch_take(fd, &m, NULL, 0), "the requests come again");
		abi_fill(payload, 4096, 5);
		IS(ch_answer(fd, &m, 0, payload, 0), 0, "answer on a channel that does not hang");
		free(payload);
	}
	IS(io_end(writer), 0, "write");
	io_end_read(reader, 5);
	IS(dm_suspend(t.name, 0), 0, "a flushing suspend");
	IS(dm_resume(t.name, 0), 0, "resume");
	target_remove(&t);
	IS(ch_read(fd, &m, HEADER), -ENOTBLK, "the target is gone");
	bystander_check(&by, "the target is gone, and six calls hang");
	close(uffd);
	for (int i = 0; i < 6; i++) {
		call_end(&calls[i]);
		/* INFO had its result before the target was removed. */
		OK(calls[i].result < 0 || calls[i].command == DM_USER_IOC_INFO,
		   "call %d ends with an error, not %ld", i, calls[i].result);
		close(calls[i].fd);
	}
	close(fd);
	bystander_stop(&by);
}

/* ---- the device itself as the buffer ---- */

/* Map one page of the device, without read-ahead. */
static void *own_map(int dev, off_t at)
{
	void *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, dev, at);

	NEED(page != MAP_FAILED && !madvise(page, 4096, MADV_RANDOM), "map the device");
	return page;
}

/* Let @c copy the payload of @io from or to a mapping of the device that @c serves: @c hangs. */
static void own_hang(struct call *c, const struct target *t, struct io *io, const char *what)
{
	struct dm_user_message m;

	OK(ch_ready(c->fd, POLLIN), "a request");
	IS(ch_read(c->fd, &m, HEADER), HEADER, "header of the request");
	if (io->op == IO_READ) {
		m.type = 0;
		IS(ch_write(c->fd, &m, HEADER), HEADER, "header of the answer");
	}
	call_start(c);
	OK(UNTIL(dm_word(t->name, "queued:") == 1) && !c->done, "%s", what);
}

/* A daemon that copies from or to a mapping of its own device waits for itself. */
static void memory_own(bool write)
{
	struct call c = { .what = write ? CALL_WRITE : CALL_READ, .len = 4096 };
	uint8_t *payload = abi_buffer(4096);
	struct dm_user_message m;
	struct bystander by;
	struct target t;
	void *first;
	struct io *io;
	int dev, fd;

	bystander_start(&by);
	target_create(&t, NULL);
	dev = open(t.dev, O_RDWR | O_CLOEXEC);
	NEED(dev >= 0, "open the device");
	c.buf = own_map(dev, 4096);
	c.fd = ch_need(&t);
	io = io_start(&t, write ? IO_READ : IO_WRITE, 65536, 4096, 4);
	own_hang(&c, &t, io, "the daemon hangs in a fault that only it could serve");
	bystander_check(&by, "a daemon waits for itself");
	take_back(&t);
	OK(UNTIL(dm_word(t.name, "queued:") == 2) && !c.done,
	   "both requests are taken back, and the daemon hangs");
	fd = ch_need(&t);
	for (int i = 0; i < 2; i++) {
		NEED(ch_ready(fd, POLLIN) && !ch_take(fd, &m, NULL, 0) && m.len == 4096,
		     "another daemon gets the requests");
		sign(payload, m.sector, 4096, HONEST);
		IS(ch_answer(fd, &m, 0, payload, 0), 0, "answer");
	}
	call_end(&c);
	OK(write ? c.result == 4096 : c.result == -ECANCELED,
	   "then the daemon's call ends: %ld", c.result);
	NEED(UNTIL(io->done), "the I/O ends");
	if (write)
		OK(is_signed(io->buf, 128, 4096, HONEST), "the read has the other daemon's bytes");
	IS(io_end(io), 0, "the I/O succeeds");

	/* Again, with another page; then the table is replaced. */
	first = c.buf;
	c.buf = own_map(dev, 32768);
	io = io_start(&t, write ? IO_READ : IO_WRITE, 65536, 4096, 4);
	own_hang(&c, &t, io, "the daemon hangs again");
	IS(dm_wipe(t.name), 0, "replace the table");
	IS(io_end(io), -EIO, "the I/O fails");
	call_end(&c);
	OK(c.result < 0 || write, "the call ends: %ld", c.result);
	munmap(first, 4096);
	munmap(c.buf, 4096);
	close(dev);
	close(fd);
	close(c.fd);
	target_remove(&t);
	free(payload);
	bystander_stop(&by);
}

static void memory_own_read(void)
{
	memory_own(false);
}

static void memory_own_write(void)
{
	memory_own(true);
}

/* In the child: a thread takes the request of another thread's page fault, and keeps it. */
static void own_killed_child(const struct target *t, int ready)
{
	struct call c = { .what = CALL_WRITE, .len = 4096, .fd = ch_need(t) };
	int dev = open(t->dev, O_RDWR | O_CLOEXEC), fd = ch_need(t);
	struct dm_user_message m;

	c.buf = own_map(dev, 4096);
	call_start(&c);
	if (ch_take(fd, &m, NULL, 0) || write(ready, "", 1) != 1)
		_exit(1);
	pause();
	_exit(1);
}

/*
 * A daemon is killed while it holds the request that its own exit waits for: the exit closes the
 * device, which waits for the page, before the channel. Only an administrator can help, and can.
 */
static void memory_own_killed(void)
{
	struct bystander by;
	int ready[2], status;
	struct target t;
	char byte;
	pid_t pid;

	bystander_start(&by);
	target_create(&t, NULL);
	NEED(!pipe(ready), "create a pipe");
	pid = fork();
	if (pid == 0)
		own_killed_child(&t, ready[1]);
	IS(read(ready[0], &byte, 1), 1, "the daemon holds the request of its own fault");
	kill(pid, SIGKILL);
	bystander_check(&by, "a daemon that waits for itself is killed");
	IS(dm_wipe(t.name), 0, "replace the table");
	NEED(UNTIL(waitpid(pid, &status, WNOHANG) == pid), "the daemon dies");
	NEED(UNTIL(dm_remove(t.name) == 0), "the device can be removed");
	bystander_stop(&by);
}

const struct abi_test abi_hostile_hang[] = {
	{ "unread", memory_unread,
	  "P1: a read that fails before its first byte leaves the request to any channel" },
	{ "unread_revoked", memory_unread_revoked,
	  "P2: a request taken back before its first byte is read costs only time" },
	{ "never", memory_never_comes, "P10, P11: calls that hang for ever hold nothing up" },
	{ "own_read", memory_own_read,
	  "P10: a daemon that reads into its own device hurts only itself" },
	{ "own_write", memory_own_write,
	  "P10: a daemon that answers from its own device hurts only itself" },
	{ "own_killed", memory_own_killed,
	  "P10, P11: the exit of a killed daemon waits for itself: forced removal works" },
	{ NULL, NULL, NULL }
};
