// SPDX-License-Identifier: GPL-2.0-or-later
/* The ioctls, but for drain: info, join, seal, open. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "abi.h"

static int raw(int fd, unsigned long command, void *arg)
{
	int ret = ioctl(fd, command, arg);

	return ret < 0 ? -errno : ret;
}

static void control_info(void)
{
	struct dm_user_info info;
	struct dm_user_message m;
	struct target t;
	struct stat st;
	struct io *io;
	int fd;

	target_create(&t, "orphans:fail nodaemon:fail:1234 discard:off secure_erase:on "
		      "physical_block_size:4096 max_io:65536");
	fd = ch_need(&t);
	memset(&info, 0xff, sizeof(info));
	IS(raw(fd, DM_USER_IOC_INFO, &info), 0, "info");
	IS(info.abi_version, DM_USER_ABI_VERSION, "abi_version");
	OK((info.features & 7) == 7, "features %#llx", (unsigned long long)info.features);
	IS(info.policy, DM_USER_POLICY_ORPHANS_FAIL | DM_USER_POLICY_NODAEMON_FAIL |
	   DM_USER_POLICY_WRITE_ZEROES | DM_USER_POLICY_SECURE_ERASE, "policy");
	IS(info.state, 0, "state");
	IS(info.sectors, ABI_SECTORS, "sectors");
	IS(info.start, 0, "start");
	IS(info.logical_block_size, 512, "logical_block_size");
	IS(info.physical_block_size, 4096, "physical_block_size");
	IS(info.max_io_bytes, 65536, "max_io_bytes");
	IS(info.nodaemon_ms, 1234, "nodaemon_ms");
	IS(info.generation, 0, "generation");
	IS(info.newest_generation, 0, "newest_generation");
	IS(info.channels, 1, "channels");
	IS(info.channel_state, DM_USER_SERVING, "channel_state");
	for (int i = 0; i < 4; i++)
		IS(info.reserved[i], 0, "reserved");
	NEED(!stat(t.dev, &st), "stat the device");
	IS(info.dev_major, major(st.st_rdev), "major");
	IS(info.dev_minor, minor(st.st_rdev), "minor");

	io = io_start(&t, IO_FSYNC, 0, 0, 0);
	OK(ch_ready(fd, POLLIN), "a request");
	ch_info(fd, &info);
	IS(info.queued, 1, "queued");
	IS(info.held, 0, "held");
	IS(ch_take(fd, &m, NULL, 0), 0, "take");
	ch_info(fd, &info);
	IS(info.queued, 0, "queued");
	IS(info.held, 1, "held");
	ch_answer(fd, &m, 0, NULL, 0);
	IS(io_end(io), 0, "fsync");
	io = io_start(&t, IO_WRITE, 0, 4096, 1);
	ch_take_type(fd, &m, DM_USER_REQ_MAP_WRITE, NULL);
	ch_answer(fd, &m, 0, NULL, 0);
	IS(io_end(io), 0, "write");
	ch_info(fd, &info);
	IS(info.state, DM_USER_STATE_UNFLUSHED, "state after a write");
	io = io_start(&t, IO_FSYNC, 0, 0, 0);
	ch_take_type(fd, &m, DM_USER_REQ_MAP_FLUSH, NULL);
	ch_answer(fd, &m, 0, NULL, 0);
	IS(io_end(io), 0, "fsync");
	ch_info(fd, &info);
	IS(info.state, 0, "state after a flush");
	IS(dm_suspend(t.name, 0), 0, "suspend");
	ch_info(fd, &info);
	IS(info.state, DM_USER_STATE_SUSPENDED, "state while suspended");
	IS(dm_resume(t.name, 0), 0, "resume");
	IS(ch_seal(fd), 0, "seal");
	ch_info(fd, &info);
	IS(info.state, DM_USER_STATE_SEALED, "state while sealed");
}

static void control_join(void)
{
	struct dm_user_info info;
	struct dm_user_message m;
	struct target t;
	struct io *io;
	int a, b, c;

	target_create(&t, NULL);
	a = ch_need(&t);
	b = ch_need(&t);
	c = ch_need(&t);
	IS(ch_join(a, 1, 0) < 0, true, "join a generation that does not exist");
	IS(ch_join(a, 2, DM_USER_JOIN_CREATE), -ERANGE, "create with a gap");
	IS(ch_join(a, 0, DM_USER_JOIN_CREATE) < 0, true, "create generation 0");
	IS(ch_join(a, 1, DM_USER_JOIN_CREATE), 0, "create 1");
	IS(ch_join(a, 1, 0), -EBUSY, "join twice");
	IS(ch_join(b, 1, DM_USER_JOIN_CREATE), -EEXIST, "create 1 again");
	IS(ch_join(b, 1, 0), 0, "join 1");
	ch_info(b, &info);
	IS(info.generation, 1, "generation");
	IS(info.newest_generation, 1, "newest_generation");
	IS(ch_join(c, 2, DM_USER_JOIN_CREATE), 0, "create 2");
	close(b);
	b = ch_need(&t);
	IS(ch_join(b, 1, DM_USER_JOIN_CREATE), -ESTALE, "create an old generation");
	IS(ch_join(b, 3, 0) < 0, true, "join the next generation without creating it");
	io = io_start(&t, IO_FSYNC, 0, 0, 0);
	ch_take_type(b, &m, DM_USER_REQ_MAP_FLUSH, NULL);
	IS(ch_join(b, 2, 0), -EBUSY, "join after a read");
	ch_answer(b, &m, 0, NULL, 0);
	IS(io_end(io), 0, "fsync");
	IS(ch_drain(c, 0, NULL), 0, "drain 2");
	close(b);
	b = ch_need(&t);
	IS(ch_join(b, 2, 0), -ESHUTDOWN, "join a draining generation");
	close(c);
	IS(ch_join(b, 2, 0), -ENOENT, "join a generation without channels");
	IS(ch_join(b, 2, DM_USER_JOIN_CREATE) < 0, true, "create generation 2 again");
	IS(ch_join(b, 3, DM_USER_JOIN_CREATE), 0, "create 3");
	IS(dm_word(t.name, "generation:"), 3, "the status has generation:3");
}

static void control_strict(void)
{
	struct dm_user_join join = { .generation = 1, .flags = DM_USER_JOIN_CREATE, .reserved = 1 };
	struct dm_user_drain drain = { .reserved = 1 };
	struct dm_user_open open_arg = { .reserved = 1 };
	void *bad = mmap(NULL, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct dm_user_info info;
	struct iovec iov = { &info, sizeof(info) };
	struct target t;
	int fd;

	target_create(&t, NULL);
	fd = ch_need(&t);
	IS(raw(fd, DM_USER_IOC_JOIN, &join), -EINVAL, "join with a reserved field set");
	join.reserved = 0;
	for (int bit = 1; bit < 32; bit += 5) {
		join.flags = DM_USER_JOIN_CREATE | 1U << bit;
		IS(raw(fd, DM_USER_IOC_JOIN, &join), -EINVAL, "join with flag bit %d", bit);
		drain = (struct dm_user_drain){ .flags = 1U << bit };
		IS(raw(fd, DM_USER_IOC_DRAIN, &drain), -EINVAL, "drain with flag bit %d", bit);
		open_arg = (struct dm_user_open){ .flags = 1U << bit };
		IS(raw(fd, DM_USER_IOC_OPEN, &open_arg), -EINVAL, "open with flag bit %d", bit);
	}
	drain = (struct dm_user_drain){ .reserved = 1 };
	IS(raw(fd, DM_USER_IOC_DRAIN, &drain), -EINVAL, "drain with a reserved field set");
	open_arg = (struct dm_user_open){ .reserved = 1 };
	IS(raw(fd, DM_USER_IOC_OPEN, &open_arg), -EINVAL, "open with a reserved field set");
	IS(raw(fd, DM_USER_IOC_INFO, bad), -EFAULT, "info to a bad pointer");
	IS(raw(fd, DM_USER_IOC_JOIN, bad), -EFAULT, "join from a bad pointer");
	IS(raw(fd, DM_USER_IOC_DRAIN, bad), -EFAULT, "drain from a bad pointer");
	IS(raw(fd, DM_USER_IOC_OPEN, bad), -EFAULT, "open from a bad pointer");
	IS(raw(fd, _IO(DM_USER_IOC_MAGIC, 0x7f), NULL), -ENOTTY, "an unknown command");
	IS(raw(fd, _IOC(_IOC_READ, DM_USER_IOC_MAGIC, 0x40, 8), &info), -ENOTTY,
	   "info of another size");
	IS(ch_info(fd, &info), 0, "info");
	IS(info.newest_generation, 0, "no generation was created");
	IS(info.channel_state, DM_USER_SERVING, "the generation does not drain");
	IS(info.channels, 1, "no other channel was opened");
	IS(lseek(fd, 0, SEEK_SET) < 0 ? -errno : 0, -ESPIPE, "lseek fails");
	IS(preadv2(fd, &iov, 1, 0, RWF_NOWAIT) < 0 ? -errno : 0, -ESPIPE, "preadv2 fails");
	IS(pwrite(fd, &info, sizeof(info), 0) < 0 ? -errno : 0, -ESPIPE, "pwrite fails");
	OK(mmap(NULL, 4096, PROT_READ, MAP_SHARED, fd, 0) == MAP_FAILED, "mmap fails");
}

static void control_seal(void)
{
	struct dm_user_info info;
	struct target t;
	int a, b;

	target_create(&t, NULL);
	a = ch_need(&t);
	IS(ch_join(a, 1, DM_USER_JOIN_CREATE), 0, "create 1");
	IS(ch_seal(a), 0, "seal");
	IS(ch_seal(a), 0, "seal again");
	IS(dm_word(t.name, "sealed:"), 1, "the status has sealed:1");
	IS(ch_open(&t), -EPERM, "open of a sealed node");
	b = ch_new(a);
	NEED(b >= 0, "a new channel from a channel: %s", strerror(-b));
	IS(fcntl(b, F_GETFD), FD_CLOEXEC, "the new channel is close-on-exec");
	IS(fcntl(b, F_GETFL) & O_ACCMODE, O_RDWR, "the new channel is read-write");
	ch_info(b, &info);
	IS(info.generation, 0, "the new channel has joined no generation");
	IS(info.channels, 2, "both channels count");
	IS(ch_join(b, 2, DM_USER_JOIN_CREATE), 0, "the new channel creates the next generation");
	IS(ch_drain(a, 0, NULL), 0, "drain the old generation");
	IS(ch_seal(a), -ESHUTDOWN, "a drained channel cannot seal the node");
	IS(ch_new(a), -ESHUTDOWN, "a drained channel cannot open channels");
	IS(ch_open(&t), -EPERM, "the node is still sealed");
	IS(dm_message(t.name, "unseal"), 0, "unseal");
	close(ch_need(&t));
	IS(dm_message(t.name, "seal"), 0, "message seal");
	IS(ch_open(&t), -EPERM, "the node is sealed again");
	close(a);
	close(b);
	IS(ch_open(&t), -EPERM, "the node stays sealed without channels");
}

/* A confined successor: it serves without privilege and without access to /dev. */
static void successor(int sock)
{
	struct dm_user_message m;
	uint8_t *buf = abi_buffer(4096);
	int fd;

	if (setgid(65534) || setuid(65534))
		_exit(2);
	fd = fd_receive(sock);
	if (fd < 0 || ch_join(fd, 2, DM_USER_JOIN_CREATE) || ch_take(fd, &m, NULL, 0))
		_exit(3);
	abi_fill(buf, 4096, 21);
	_exit(ch_answer(fd, &m, 0, buf, 0) ? 4 : 0);
}

static void control_pass(void)
{
	struct target t;
	int sock[2], a, b, status = 0;
	struct io *io;
	pid_t pid;

	target_create(&t, NULL);
	a = ch_need(&t);
	IS(ch_join(a, 1, DM_USER_JOIN_CREATE), 0, "create 1");
	IS(ch_seal(a), 0, "seal");
	NEED(!socketpair(AF_UNIX, SOCK_SEQPACKET, 0, sock), "create a socket pair");
	pid = fork();
	if (pid == 0)
		successor(sock[1]);
	close(sock[1]);
	b = ch_new(a);
	NEED(b >= 0, "a new channel");
	IS(fd_send(sock[0], b), 0, "send a descriptor");
	close(b);
	IS(ch_drain(a, 0, NULL), 0, "drain");
	close(a);
	io = io_start(&t, IO_READ, 0, 4096, 0);
	io_end_read(io, 21);
	waitpid(pid, &status, 0);
	IS(status, 0, "wait status of the successor");
	OK(UNTIL(dm_word(t.name, "channels:") == 0),
	   "the successor's channel closes when the process ends");
}

static void control_admission(void)
{
	struct target t;
	int status = 0;
	pid_t pid;

	target_create(&t, NULL);
	chmod("/dev/dm-user/" ABI_CTL, 0666);
	pid = fork();
	if (pid == 0) {
		if (setgid(65534) || setuid(65534))
			_exit(2);
		_exit(ch_open(&t) == -EPERM ? 0 : 3);
	}
	waitpid(pid, &status, 0);
	IS(status, 0, "a user without CAP_SYS_ADMIN gets EPERM, whatever the mode of the node");
	IS(dm_word(t.name, "channels:"), 0, "no channel is open");

}

const struct abi_test abi_control[] = {
	{ "info", control_info, "P12: info reports the row, the device and the state" },
	{ "join", control_join,
	  "join fails with an errno of its own if the number is stale, empty, draining or a gap" },
	{ "strict", control_strict, "P10: reserved fields, flags, sizes and pointers are checked" },
	{ "seal", control_seal, "P9: of a sealed node, only open channels give further channels" },
	{ "pass", control_pass, "P8: a channel passed over a socket serves without any privilege" },
	{ "admission", control_admission, "P9: only CAP_SYS_ADMIN opens the node" },
	{ NULL, NULL, NULL }
};
