// SPDX-License-Identifier: GPL-2.0-or-later
/* A channel in the hands of several processes: forked, passed on, lost on the way, taken through exec. */
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

/* Tells the other process that a step is done. */
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
	OK(is_signed(io->buf, io->offset / 512, io->len, HONEST), "%s: with the bytes of the next daemon", what);
	IS(io_end(io), 0, "%s: read", what);
	close(fd);
}

/*
 * The parent opens the channel, reads half a header and dies. The child has the other half, and half of its
 * answer is written by a grandchild.
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
	NEED(!pipe(up) && !pipe(down), "pipes");
	io = io_start(&t, IO_READ, 4096, 4096, 0);
	pid = fork();
	if (pid == 0)
		fork_parent(&t, up, down);
	wait_for_child(pid, 0, "the process that opened the channel");
	IS(dm_word(t.name, "channels:"), 1, "a child still has the channel");
	IS(dm_word(t.name, "requeued:"), 0, "nothing became an orphan");
	OK(!io->done, "the read waits");
	tell(down[1]);
	await(up[0]);
	NEED(UNTIL(io->done), "the read ends");
	OK(is_signed(io->buf, 8, 4096, HONEST), "put together by three processes");
	IS(io_end(io), 0, "read");
	tell(down[1]);
	OK(UNTIL(dm_word(t.name, "channels:") == 0), "the last reference closes the channel");

	/* The owner is killed, a stopped child keeps it, and nobody else is given its request. */
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
	IS(read(up[0], &child, sizeof(child)), sizeof(child), "the child's number");
	kill(pid, SIGKILL);
	wait_for_child(pid, SIGKILL, "the owner");
	IS(dm_word(t.name, "held:"), 1, "the request is held by who is stopped");
	IS(dm_word(t.name, "requeued:"), 0, "it may still touch the store");
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
	NEED(!socketpair(AF_UNIX, SOCK_SEQPACKET, 0, sock), "a socket pair");
	io = io_start(&t, IO_READ, 4096, 4096, 0);
	fd = ch_need(&t);
	ch_take_type(fd, &m, DM_USER_REQ_MAP_READ, NULL);
	/* Half of the answer here, half there. */
	sign(payload, m.sector, 4096, HONEST);
	m.type = 0;
	IS(ch_write(fd, &m, 17), 17, "a part of a header");
	IS(fd_send(sock[0], fd), 0, "pass the channel on");
	close(fd);
	IS(dm_word(t.name, "channels:"), 1, "on its way it is open");
	OK(!io->done, "nothing happens to its request");
	pid = fork();
	if (pid == 0) {
		fd = fd_receive(sock[1]);
		if (fd < 0 || ch_write(fd, (uint8_t *)&m + 17, 23) != 23 || ch_write(fd, payload, 4096) != 4096)
			_exit(1);
		_exit(0);
	}
	wait_for_child(pid, 0, "the receiver");
	NEED(UNTIL(io->done), "the read ends");
	OK(is_signed(io->buf, 8, 4096, HONEST), "answered by two processes");
	IS(io_end(io), 0, "read");
	OK(UNTIL(dm_word(t.name, "channels:") == 0), "closed by the receiver's exit");

	/* Sent, never received, and the socket goes. */
	io = io_start(&t, IO_READ, 4096, 4096, 0);
	fd = ch_need(&t);
	ch_take_type(fd, &m, DM_USER_REQ_MAP_READ, NULL);
	IS(fd_send(sock[0], fd), 0, "pass it on");
	close(fd);
	IS(dm_word(t.name, "held:"), 1, "held by nobody who runs");
	close(sock[0]);
	close(sock[1]);
	served_by_another(&t, io, "lost in a socket");
	OK(UNTIL(dm_word(t.name, "channels:") == 0), "it is closed");
	target_remove(&t);
	free(payload);
}

/* Two sockets, each in flight in the other, and the channel with them: only the collector finds it. */
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
		NEED(!socketpair(AF_UNIX, SOCK_STREAM, 0, a) && !socketpair(AF_UNIX, SOCK_STREAM, 0, b), "sockets");
		io = io_start(&t, IO_READ, 4096, 4096, 0);
		fd = ch_need(&t);
		ch_take_type(fd, &m, DM_USER_REQ_MAP_READ, NULL);
		IS(fd_send(a[0], b[0]) | fd_send(a[0], b[1]) | fd_send(b[0], a[0]) | fd_send(b[0], a[1]), 0,
		   "a circle");
		IS(fd_send(a[0], fd), 0, "and the channel in it");
		close(fd);
		for (int i = 0; i < 2; i++) {
			close(a[i]);
			close(b[i]);
		}
		/* Whoever closes a socket makes the kernel collect. */
		OK(UNTIL(!socketpair(AF_UNIX, SOCK_STREAM, 0, poke) && !close(poke[0]) && !close(poke[1]) &&
			 dm_word(t.name, "channels:") == 0), "the collector closes the channel");
		served_by_another(&t, io, "collected");
	}
	target_remove(&t);
	bystander_stop(&by);
}

/* ---- exec ---- */

#define EXEC_FD	"ABI_HOSTILE_FD"

/* The program that a daemon becomes: this one, which then serves one read of what it was left and ends. */
__attribute__((constructor)) static void exec_main(void)
{
	const char *number = getenv(EXEC_FD);
	struct dm_user_message m;
	int fd;

	if (!number)
		return;
	fd = atoi(number);
	/* The header was read before; its answer was begun. */
	if (ch_read(fd, &m, HEADER) != HEADER)
		_exit(5);
	answer_honestly(fd, &m);
	_exit(abi_failures ? 6 : 0);
}

static void exec_child(const struct target *t, bool keep)
{
	char *arguments[] = { (char *)"abi", NULL }, variable[32], *environment[] = { variable, NULL };
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
	wait_for_child(pid, 0, "the program that a daemon became");
	NEED(UNTIL(io->done), "the read ends");
	OK(is_signed(io->buf, 8, 4096, HONEST), "a channel that is kept serves");
	IS(io_end(io), 0, "read");

	io = io_start(&t, IO_READ, 8192, 4096, 0);
	pid = fork();
	if (pid == 0)
		exec_child(&t, false);
	wait_for_child(pid, 5 << 8, "the program that was left no channel");
	served_by_another(&t, io, "closed by exec");
	target_remove(&t);
}

/* ---- more channels than one should have ---- */

/* The ways round a seal: /proc, a descriptor of the node, the channels that a channel made. */
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
	NEED(node >= 0, "the node itself");
	IS(ch_seal(fd), 0, "seal");
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	IS(open(path, O_RDWR) < 0 ? -errno : 0, -EPERM, "by /proc, of an opened one");
	snprintf(path, sizeof(path), "/proc/self/fd/%d", node);
	IS(open(path, O_RDWR) < 0 ? -errno : 0, -EPERM, "by /proc, of the node");
	snprintf(path, sizeof(path), "/proc/self/fd/%d", made);
	IS(open(path, O_RDWR) < 0 ? -errno : 0, -ENXIO, "by /proc, of a made one");
	IS(ioctl(node, DM_USER_IOC_OPEN, NULL) < 0 ? -errno : 0, -EBADF, "by the node's own descriptor");
	IS(dm_word(t.name, "channels:"), 2, "channels");
	IS(ch_drain(fd, 0, NULL), 0, "drain");
	IS(ch_new(fd), -ESHUTDOWN, "a drained channel makes none");
	IS(ch_new(made), -ESHUTDOWN, "nor does its sister");
	/* Descriptors of the node outlive it, and open nothing. */
	close(fd);
	close(made);
	target_remove(&t);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", node);
	fd = open(path, O_RDWR);
	OK(fd < 0 && (errno == ENODEV || errno == ENXIO), "of a node that is gone: %s", strerror(errno));
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
	OK(made > 8, "%u were made", made);
	for (unsigned int i = 0; i < rounds(20); i++)
		IS(ch_new(fd), -EMFILE, "again");
	for (unsigned int i = 0; i < made; i++)
		close(fds[i]);
	OK(UNTIL(dm_word(t.name, "channels:") == 1), "all of them go, and no other was made");
	close(fd);
	target_remove(&t);
	bystander_stop(&by);
}

const struct abi_test abi_hostile_process[] = {
	{ "fork", process_fork, "P7: a channel closes with its last reference, whoever opened it" },
	{ "passed", process_passed, "P1: passed over a socket in the middle of an answer, or lost there" },
	{ "garbage", process_garbage, "P1: what only the garbage collector finds is closed by it" },
	{ "exec", process_exec, "P1: kept or closed by exec" },
	{ "reopen", process_reopen, "P9: no way round a seal" },
	{ "limit", process_limit, "P10: a channel that cannot be made leaves nothing" },
	{ NULL, NULL, NULL }
};
