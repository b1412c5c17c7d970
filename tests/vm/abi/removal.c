// SPDX-License-Identifier: GPL-2.0-or-later
/* Removal completes, whatever the daemon does. */
#include <errno.h>
#include <fcntl.h>
#include <linux/dm-ioctl.h>
#include <linux/userfaultfd.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "abi.h"

static void removal_idle(void)
{
	struct target t;
	int fd;

	target_create(&t, NULL);
	target_remove(&t);
	target_create(&t, NULL);
	fd = ch_need(&t);
	target_remove(&t);
	close(fd);
	target_create(&t, NULL);
	close(ch_need(&t));
	target_remove(&t);
}

static void removal_busy(void)
{
	struct dm_user_message m;
	struct target t;
	struct io *io;
	int fd;

	target_create(&t, NULL);
	fd = ch_need(&t);
	io = io_start(&t, IO_WRITE, 0, 4096, 0);
	ch_take_type(fd, &m, DM_USER_REQ_MAP_WRITE, NULL);
	IS(dm_remove(t.name), -EBUSY, "a device in use is not removed");
	IS(ch_answer(fd, &m, DM_USER_RESP_ERROR, NULL, 0), 0, "answer after the refused removal");
	IS(io_end(io), -EIO, "write");
	target_remove(&t);
	IS(ch_answer(fd, &m, 0, NULL, 0), -ENOTBLK, "answer after the removal");
}

/* As `dmsetup remove --force`: the table is replaced while requests are held or wait. */
static void removal_force(bool with_daemon)
{
	struct dm_user_message m;
	struct io *io, *queued;
	struct target t;
	int fd = -1;

	target_create(&t, NULL);
	io = io_start(&t, IO_WRITE, 0, 4096, 0);
	OK(UNTIL(dm_word(t.name, "queued:") == 1), "a request waits");
	if (with_daemon) {
		fd = ch_need(&t);
		ch_take_type(fd, &m, DM_USER_REQ_MAP_WRITE, NULL);
	}
	queued = io_start(&t, IO_READ, 65536, 4096, 0);
	OK(UNTIL(dm_word(t.name, "queued:") == (with_daemon ? 1 : 2)), "another request waits");
	IS(dm_wipe(t.name), 0, "replace the table by one that fails all I/O");
	IS(io_end(io), -EIO, "the first request fails");
	IS(io_end(queued), -EIO, "the second request fails");
	if (with_daemon) {
		IS(ch_answer(fd, &m, 0, NULL, 0), -ENOTBLK, "a late answer");
		IS(ch_read(fd, &m, sizeof(m)), -ENOTBLK, "a read after the late answer");
	}
	target_remove(&t);
}

static void removal_force_live(void)
{
	removal_force(true);
}

static void removal_force_absent(void)
{
	removal_force(false);
}

static void removal_stopped(void)
{
	struct dm_user_message m;
	struct target t;
	int ready[2], status;
	struct io *io;
	pid_t pid;
	char byte;

	target_create(&t, NULL);
	NEED(!pipe(ready), "create a pipe");
	pid = fork();
	if (pid == 0) {
		int fd = ch_need(&t);

		if (ch_take(fd, &m, NULL, 0) || write(ready[1], "", 1) != 1)
			_exit(1);
		ch_take(fd, &m, NULL, 0);
		_exit(ch_take(fd, &m, NULL, 0) == -ENOTBLK ? 0 : 1);
	}
	io = io_start(&t, IO_WRITE, 0, 4096, 0);
	IS(read(ready[0], &byte, 1), 1, "the daemon holds a request");
	kill(pid, SIGSTOP);
	waitpid(pid, &status, WUNTRACED);
	IS(dm_wipe(t.name), 0, "replace the table while the daemon is stopped");
	IS(io_end(io), -EIO, "the stopped daemon's request fails");
	target_remove(&t);
	kill(pid, SIGCONT);
	waitpid(pid, &status, 0);
	IS(status, 0, "the continued daemon gets ENOTBLK");
}

struct stuck {
	int fd;
	pthread_t thread;
	atomic_int tid;
	atomic_bool done;
	bool write;
	void *buf;
	size_t len;
	ssize_t result;
};

static void *stuck_thread(void *arg)
{
	struct stuck *s = arg;

	s->tid = abi_gettid();
	s->result = s->write ? ch_write(s->fd, s->buf, s->len) : ch_read(s->fd, s->buf, s->len);
	s->done = true;
	return NULL;
}

/* Map @len bytes whose page faults wait until *@uffd is closed. */
static void *removal_unresolved(size_t len, int *uffd)
{
	struct uffdio_api api = { .api = UFFD_API };
	struct uffdio_register reg = { .mode = UFFDIO_REGISTER_MODE_MISSING };
	void *area = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	*uffd = syscall(SYS_userfaultfd, O_CLOEXEC);
	NEED(*uffd >= 0, "userfaultfd");
	reg.range.start = (uintptr_t)area;
	reg.range.len = len;
	NEED(!ioctl(*uffd, UFFDIO_API, &api) && !ioctl(*uffd, UFFDIO_REGISTER, &reg),
	     "register the memory");
	return area;
}

/* A daemon thread hangs in a page fault in the middle of read() or write(). */
static void removal_fault(bool write)
{
	struct pollfd fault = { .events = POLLIN };
	struct dm_user_message m;
	struct stuck s = { .write = write };
	struct target t;
	struct io *io;
	int uffd;

	target_create(&t, NULL);
	s.fd = ch_need(&t);
	s.buf = removal_unresolved(65536, &uffd);
	s.len = 4096;
	io = io_start(&t, write ? IO_READ : IO_WRITE, 0, 4096, 0);
	OK(ch_ready(s.fd, POLLIN), "a request");
	IS(ch_read(s.fd, &m, 40), 40, "header of the request");
	if (write) {
		m.type = 0;
		IS(ch_write(s.fd, &m, 40), 40, "header of the answer");
	}
	NEED(!pthread_create(&s.thread, NULL, stuck_thread, &s), "create a thread");
	fault.fd = uffd;
	NEED(poll(&fault, 1, ABI_WAIT_MS) == 1, "the daemon hangs in a page fault");
	OK(!s.done, "the call has not returned");
	IS(dm_suspend(t.name, DM_NOFLUSH_FLAG | DM_SKIP_LOCKFS_FLAG), 0,
	   "noflush suspend meanwhile");
	IS(dm_resume(t.name, 0), 0, "resume");
	OK(UNTIL(dm_word(t.name, "queued:") == 1), "the request waits again");
	IS(dm_message(t.name, "fail"), 0, "message fail meanwhile");
	IS(io_end(io), -EIO, "the request fails");
	io = io_start(&t, IO_READ, 0, 4096, 0);
	OK(UNTIL(dm_word(t.name, "queued:") == 1), "another request waits");
	IS(dm_wipe(t.name), 0, "replace the table meanwhile");
	IS(io_end(io), -EIO, "the other request fails");
	target_remove(&t);
	close(uffd);
	NEED(UNTIL(s.done), "the call returns once its page is there");
	pthread_join(s.thread, NULL);
	if (write)
		OK(s.result == 4096 || s.result == -ENOTBLK || s.result == -ECANCELED,
		   "write() returns %zd", s.result);
	else
		OK(s.result == -ECANCELED || s.result == -ENOTBLK, "read() returns %zd", s.result);
}

static void removal_fault_read(void)
{
	removal_fault(false);
}

static void removal_fault_write(void)
{
	removal_fault(true);
}

/* A daemon is killed in a page fault of read(): the next daemon gets its request. */
static void removal_fault_killed(void)
{
	struct dm_user_message m;
	struct target t;
	struct io *io;
	int fd, ready[2], status;
	char byte;
	pid_t pid;

	target_create(&t, NULL);
	NEED(!pipe(ready), "create a pipe");
	io = io_start(&t, IO_WRITE, 0, 4096, 9);
	OK(UNTIL(dm_word(t.name, "queued:") == 1), "a request");
	pid = fork();
	if (pid == 0) {
		int uffd, mine = ch_need(&t);
		void *area = removal_unresolved(4096, &uffd);

		if (ch_read(mine, &m, 40) != 40 || write(ready[1], "", 1) != 1)
			_exit(1);
		ch_read(mine, area, 4096);
		_exit(1);
	}
	IS(read(ready[0], &byte, 1), 1, "the daemon is about to hang");
	kill(pid, SIGKILL);
	waitpid(pid, &status, 0);
	fd = ch_need(&t);
	uint8_t *buf = abi_buffer(4096);

	ch_take_type(fd, &m, DM_USER_REQ_MAP_WRITE, buf);
	OK(abi_filled(buf, 4096, 9), "payload");
	ch_answer(fd, &m, 0, NULL, 0);
	IS(io_end(io), 0, "the next daemon serves the request");
	free(buf);
}

const struct abi_test abi_removal[] = {
	{ "idle", removal_idle,
	  "P11: remove without a daemon, with an idle daemon, and after a daemon" },
	{ "busy", removal_busy, "remove of a device in use is refused and does no harm" },
	{ "force_live", removal_force_live,
	  "P11: forced removal under a daemon that holds requests" },
	{ "force_absent", removal_force_absent, "P11: forced removal with requests and no daemon" },
	{ "stopped", removal_stopped, "P11: forced removal with a stopped daemon" },
	{ "fault_read", removal_fault_read,
	  "P10: a daemon that hangs in a page fault of read() blocks nothing" },
	{ "fault_write", removal_fault_write,
	  "P10: a daemon that hangs in a page fault of write() blocks nothing" },
	{ "fault_killed", removal_fault_killed,
	  "P4: the request of a daemon killed in a page fault goes to the next daemon" },
	{ NULL, NULL, NULL }
};
