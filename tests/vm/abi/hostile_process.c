// SPDX-License-Identifier: GPL-2.0-or-later
/* A channel of several processes: forked, passed on, lost in a socket, kept or closed by exec. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "hostile.h"

#define HEADER	sizeof(struct dm_user_message)

static void wait_for_child(pid_t pid, int want, const char *what)
{
	int status = -1;

	NEED(UNTIL(waitpid(pid, &status, WNOHANG) == pid), "%s ends", what);
	IS(status, want, "status of %s", what);
}

/* Tell the other process that a step is done. */
static void tell(int fd)
{
	if (write(fd, "", 1) != 1)
		_exit(9);
}

static void await(int fd)
{
	char byte;

	if (read(fd, &byte, 1) != 1)
		_exit(8);
}

static void answer_honestly(int fd, struct dm_user_message *m)
{
	uint8_t *payload = abi_buffer(m->len ? m->len : 1);

	sign(payload, m->sector, m->len, HONEST);
	IS(ch_answer(fd, m, 0, payload, 0), 0, "an honest answer");
	free(payload);
}

static void served_by_another(const struct target *t, struct io *io, const char *what)
{
	struct dm_user_message m;
	int fd = ch_need(t);

	ch_take_type(fd, &m, DM_USER_REQ_MAP_READ, NULL);
	answer_honestly(fd, &m);
	NEED(UNTIL(io->done), "%s: the read ends", what);
	OK(is_signed(io->buf, io->offset / 512, io->len, HONEST),
	   "%s: the read has the bytes of the next daemon", what);
	IS(io_end(io), 0, "%s: read", what);
	close(fd);
}

/*
 * The parent opens the channel, reads half a header and exits. The child reads the other half. A
 * grandchild writes a part of the answer, and the child writes the rest.
 */
static void fork_parent(const struct target *t, const int *up, const int *down)
{
	uint8_t *answer = abi_buffer(HEADER + 4096);
	struct dm_user_message m;
	int fd = ch_need(t);
	pid_t pid;

	if (!ch_ready(fd, POLLIN) || ch_read(fd, &m, 20) != 20)
		_exit(1);
	if (fork())
		_exit(0);
	await(down[0]);
	if (ch_read(fd, (uint8_t *)&m + 20, 20) != 20)
		_exit(2);
	memcpy(answer, &(struct dm_user_message){ .seq = m.seq }, HEADER);
	uint8_t *payload = abi_buffer(4096);

	sign(payload, m.sector, 4096, HONEST);
	memcpy(answer + HEADER, payload, 4096);
	pid = fork();
	if (pid == 0)
		_exit(ch_write(fd, answer, 1000) == 1000 ? 0 : 3);
	if (waitpid(pid, NULL, 0) != pid || ch_write(fd, answer + 1000, 3136) != 3136)
		_exit(4);
	tell(up[1]);
	await(down[0]);
	_exit(0);
}

static void process_fork(void)
{
	int up[2], down[2];
	struct bystander by;
	struct target t;
	pid_t pid, child;
	struct io *io;

	bystander_start(&by);
	target_create(&t, NULL);
	NEED(!pipe(up) && !pipe(down), "create pipes");
	io = io_start(&t, IO_READ, 4096, 4096, 0);
	pid = fork();
	if (pid == 0)
		fork_parent(&t, up, down);
	wait_for_child(pid, 0, "the process that opened the channel");
	IS(dm_word(t.name, "channels:"), 1, "a child still has the channel");
	IS(dm_word(t.name, "requeued:"), 0, "no request became an orphan");
	OK(!io->done, "the read waits");
	tell(down[1]);
	await(up[0]);
	NEED(UNTIL(io->done), "the read ends");
	OK(is_signed(io->buf, 8, 4096, HONEST),
	   "the read has the bytes that child and grandchild wrote");
	IS(io_end(io), 0, "read");
	tell(down[1]);
	OK(UNTIL(dm_word(t.name, "channels:") == 0), "the last reference closes the channel");

	/* The owner is killed. A stopped child keeps the channel, and with it the request. */
	io = io_start(&t, IO_READ, 4096, 4096, 0);
	pid = fork();
	if (pid == 0) {
		struct dm_user_message m;
		int fd = ch_need(&t);

		if (ch_take(fd, &m, NULL, 0))
			_exit(1);
		child = fork();
		if (child == 0)
			pause();
		kill(child, SIGSTOP);
		if (write(up[1], &child, sizeof(child)) != sizeof(child))
			_exit(2);
		pause();
	}
	IS(read(up[0], &child, sizeof(child)), sizeof(child), "the child's pid");
	kill(pid, SIGKILL);
	wait_for_child(pid, SIGKILL, "the owner");
	IS(dm_word(t.name, "held:"), 1, "the stopped child's channel holds the request");
	IS(dm_word(t.name, "requeued:"), 0,
	   "the request is not requeued: its holder may still write");
	bystander_check(&by, "a stopped process has the only channel");
	kill(child, SIGKILL);
	served_by_another(&t, io, "killed while stopped");
	target_remove(&t);
	bystander_stop(&by);
}

/* ---- over sockets ---- */

static void process_passed(void)
{
	uint8_t *payload = abi_buffer(4096);
	struct dm_user_message m;
	struct target t;
	int sock[2], fd;
	struct io *io;
	pid_t pid;

	target_create(&t, NULL);
	NEED(!socketpair(AF_UNIX, SOCK_SEQPACKET, 0, sock), "create a socket pair");
	io = io_start(&t, IO_READ, 4096, 4096, 0);
	fd = ch_need(&t);
	ch_take_type(fd, &m, DM_USER_REQ_MAP_READ, NULL);
	/* This process begins the answer, and the receiver completes it. */
	sign(payload, m.sector, 4096, HONEST);
	m.type = 0;
	IS(ch_write(fd, &m, 17), 17, "a part of a header");
	IS(fd_send(sock[0], fd), 0, "pass the channel on");
	close(fd);
	IS(dm_word(t.name, "channels:"), 1, "the channel is open in the socket");
	OK(!io->done, "the read is not done");
	pid = fork();
	if (pid == 0) {
		fd = fd_receive(sock[1]);
		if (fd < 0 || ch_write(fd, (uint8_t *)&m + 17, 23) != 23 ||
		    ch_write(fd, payload, 4096) != 4096)
			_exit(1);
		_exit(0);
	}
	wait_for_child(pid, 0, "the receiver");
	NEED(UNTIL(io->done), "the read ends");
	OK(is_signed(io->buf, 8, 4096, HONEST), "the read has the bytes that the receiver wrote");
	IS(io_end(io), 0, "read");
	OK(UNTIL(dm_word(t.name, "channels:") == 0), "the receiver's exit closes the channel");

	/* The channel is sent and never received, and the socket is closed. */
	io = io_start(&t, IO_READ, 4096, 4096, 0);
	fd = ch_need(&t);
	ch_take_type(fd, &m, DM_USER_REQ_MAP_READ, NULL);
	IS(fd_send(sock[0], fd), 0, "pass the channel on");
	close(fd);
	IS(dm_word(t.name, "held:"), 1, "the channel in the socket holds the request");
	close(sock[0]);
	close(sock[1]);
	served_by_another(&t, io, "lost in a socket");
	OK(UNTIL(dm_word(t.name, "channels:") == 0), "the channel is closed");
	target_remove(&t);
	free(payload);
}

/* Two socket pairs, in flight in each other, and the channel too: only the collector finds it. */
static void process_garbage(void)
{
	int a[2], b[2], poke[2], fd;
	struct dm_user_message m;
	struct bystander by;
	struct target t;
	struct io *io;

	bystander_start(&by);
	target_create(&t, NULL);
	for (unsigned int round = 0; round < rounds(3); round++) {
		NEED(!socketpair(AF_UNIX, SOCK_STREAM, 0, a) &&
		     !socketpair(AF_UNIX, SOCK_STREAM, 0, b), "create socket pairs");
		io = io_start(&t, IO_READ, 4096, 4096, 0);
		fd = ch_need(&t);
		ch_take_type(fd, &m, DM_USER_REQ_MAP_READ, NULL);
		IS(fd_send(a[0], b[0]) | fd_send(a[0], b[1]) |
		   fd_send(b[0], a[0]) | fd_send(b[0], a[1]), 0, "send the sockets in a circle");
		IS(fd_send(a[0], fd), 0, "send the channel into the circle");
		close(fd);
		for (int i = 0; i < 2; i++) {
			close(a[i]);
			close(b[i]);
		}
		/* The close of any socket makes the kernel collect. */
		OK(UNTIL(!socketpair(AF_UNIX, SOCK_STREAM, 0, poke) && !close(poke[0]) &&
			 !close(poke[1]) && dm_word(t.name, "channels:") == 0),
		   "the collector closes the channel");
		served_by_another(&t, io, "collected");
	}
	target_remove(&t);
	bystander_stop(&by);
}

/* ---- exec ---- */

#define EXEC_FD	"ABI_HOSTILE_FD"

/* The program that a daemon executes: it serves one read on the channel that it got, and exits. */
__attribute__((constructor)) static void exec_main(void)
{
	const char *number = getenv(EXEC_FD);
	struct dm_user_message m;
	int fd;

	if (!number)
		return;
	fd = atoi(number);
	/* Without a channel, which exec has closed, this fails. */
	if (ch_read(fd, &m, HEADER) != HEADER)
		_exit(5);
	answer_honestly(fd, &m);
	_exit(abi_failures ? 6 : 0);
}

static void exec_child(const struct target *t, bool keep)
{
	char *arguments[] = { (char *)"abi", NULL }, variable[32],
		*environment[] = { variable, NULL };
	int fd = ch_need(t);
	uint8_t byte;

	if (!ch_ready(fd, POLLIN) || ch_read(fd, &byte, 0) != 0)
		_exit(1);
	if (keep)
		fcntl(fd, F_SETFD, 0);
	snprintf(variable, sizeof(variable), EXEC_FD "=%d", fd);
	if (!keep) {
		struct dm_user_message m;

		if (ch_take(fd, &m, NULL, 0) || ch_write(fd, &m, 30) != 30)
			_exit(2);
	}
	execve("/proc/self/exe", arguments, environment);
	_exit(3);
}

static void process_exec(void)
{
	struct target t;
	struct io *io;
	pid_t pid;

	target_create(&t, NULL);
	io = io_start(&t, IO_READ, 4096, 4096, 0);
	pid = fork();
	if (pid == 0)
		exec_child(&t, true);
	wait_for_child(pid, 0, "the program with a channel");
	NEED(UNTIL(io->done), "the read ends");
	OK(is_signed(io->buf, 8, 4096, HONEST), "a channel that is kept serves");
	IS(io_end(io), 0, "read");

	io = io_start(&t, IO_READ, 8192, 4096, 0);
	pid = fork();
	if (pid == 0)
		exec_child(&t, false);
	wait_for_child(pid, 5 << 8, "the program without a channel");
	served_by_another(&t, io, "closed by exec");
	target_remove(&t);
}

/* ---- unwanted channels ---- */

/* Ways round a seal: /proc, a descriptor of the node, channels from a channel. */
static void process_reopen(void)
{
	char path[64];
	struct target t;
	int fd, made, node;

	target_create(&t, NULL);
	fd = ch_need(&t);
	made = ch_new(fd);
	NEED(made >= 0, "a channel from a channel");
	node = open("/dev/dm-user/" ABI_CTL, O_PATH | O_CLOEXEC);
	NEED(node >= 0, "open the node itself");
	IS(ch_seal(fd), 0, "seal");
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	IS(open(path, O_RDWR) < 0 ? -errno : 0, -EPERM, "open by /proc, a channel of open(2)");
	snprintf(path, sizeof(path), "/proc/self/fd/%d", node);
	IS(open(path, O_RDWR) < 0 ? -errno : 0, -EPERM, "open by /proc, the node");
	snprintf(path, sizeof(path), "/proc/self/fd/%d", made);
	IS(open(path, O_RDWR) < 0 ? -errno : 0, -ENXIO, "open by /proc, a channel of OPEN");
	IS(ioctl(node, DM_USER_IOC_OPEN, NULL) < 0 ? -errno : 0, -EBADF,
	   "OPEN on the node's own descriptor");
	IS(dm_word(t.name, "channels:"), 2, "channels");
	IS(ch_drain(fd, 0, NULL), 0, "drain");
	IS(ch_new(fd), -ESHUTDOWN, "a drained channel opens no channel");
	IS(ch_new(made), -ESHUTDOWN, "another drained channel opens no channel");
	/* A descriptor of the node outlives the node, and opens nothing. */
	close(fd);
	close(made);
	target_remove(&t);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", node);
	fd = open(path, O_RDWR);
	OK(fd < 0 && (errno == ENODEV || errno == ENXIO),
	   "open by /proc, a node that is gone: %s", strerror(errno));
	close(node);
}

static void process_limit(void)
{
	struct rlimit limit = { 64, 64 };
	unsigned int made = 0;
	struct bystander by;
	struct target t;
	int fd, last, fds[64];

	bystander_start(&by);
	target_create(&t, NULL);
	fd = ch_need(&t);
	NEED(!setrlimit(RLIMIT_NOFILE, &limit), "setrlimit");
	while ((last = ch_new(fd)) >= 0 && made < 64)
		fds[made++] = last;
	IS(last, -EMFILE, "no more descriptors");
	OK(made > 8, "%u channels were opened", made);
	for (unsigned int i = 0; i < rounds(20); i++)
		IS(ch_new(fd), -EMFILE, "no more descriptors, again");
	for (unsigned int i = 0; i < made; i++)
		close(fds[i]);
	OK(UNTIL(dm_word(t.name, "channels:") == 1),
	   "all of them are closed, and no other channel was opened");
	close(fd);
	target_remove(&t);
	bystander_stop(&by);
}

const struct abi_test abi_hostile_process[] = {
	{ "fork", process_fork,
	  "P7: a channel closes with its last reference, whichever process opened it" },
	{ "passed", process_passed,
	  "P1: a channel is passed over a socket in the middle of an answer, or lost there" },
	{ "garbage", process_garbage,
	  "P1: a channel that only the garbage collector finds is closed" },
	{ "exec", process_exec, "P1: a channel is kept or closed by exec" },
	{ "reopen", process_reopen, "P9: no way round a seal" },
	{ "limit", process_limit, "P10: an OPEN that fails leaves nothing" },
	{ NULL, NULL, NULL }
};
