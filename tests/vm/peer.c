// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * peer SOCKET WHAT: a newcomer that speaks the handover's protocol badly, on purpose. Print the
 * type of each answer, one per line, with the reason of a refusal; or "closed"; or "silence" after
 * SILENCE_MS.
 *
 *	older, newer	send a HELLO of protocol version 0, 2
 *	unknown		send a message of an unknown type
 *	garbage		send bytes that are no message
 *	no-pidfd	send a HELLO without a descriptor
 *	false-pidfd	send a HELLO with a descriptor that is no pidfd
 *	ready		send READY without HELLO
 *	twice		send HELLO, get the OFFER, send HELLO again; stay until killed
 *	mute		send HELLO, get the OFFER, and send nothing; likewise
 *	leave		send HELLO, get the OFFER, and close; likewise
 *	stale		send HELLO, get the OFFER, close, wait for a line on standard input; then
 *			join by a channel of that OFFER, and send READY on a new connection
 *	slow		send nothing while 20 other connections ask for the status, one after the
 *			other; then send STATUS_REQUEST
 *
 * For stale there are two processes: the process of the pidfd dies, and the other keeps the
 * descriptors.
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <linux/dm-user.h>

#include "handover/peer.h"

#define SILENCE_MS	60000

static const char *path;

static void die(const char *what)
{
	printf("peer: %s: %s\n", what, strerror(errno));
	exit(1);
}

static int dial(void)
{
	int fd = dmu_peer_connect(path);

	if (fd < 0) {
		errno = -fd;
		die("connect");
	}
	return fd;
}

/* Print the next message. Returns its type; 0: the connection ended, or silence. */
static int hear(int fd, struct dmu_packet *packet)
{
	struct pollfd readable = { .fd = fd, .events = POLLIN };
	int rc;

	if (poll(&readable, 1, SILENCE_MS) != 1) {
		printf("silence\n");
		return 0;
	}
	rc = dmu_peer_receive(fd, packet);
	if (rc == -EPIPE || rc == -ECONNRESET) {
		printf("closed\n");
		return 0;
	}
	if (rc) {
		errno = -rc;
		die("receive");
	}
	printf("%s", dmu_wire_type_name(packet->message.type));
	if (packet->message.type == DMU_WIRE_REFUSE || packet->message.type == DMU_WIRE_ABORT)
		printf(" %s", packet->message.reason.reason);
	printf("\n");
	fflush(stdout);
	return packet->message.type;
}

static void hear_all(int fd)
{
	struct dmu_packet packet;

	while (hear(fd, &packet))
		;
}

/* Send raw bytes, with descriptor @pidfd unless that is -1. */
static void send_raw(int fd, const void *bytes, size_t len, int pidfd)
{
	union {
		struct cmsghdr header;
		char space[CMSG_SPACE(sizeof(int))];
	} control = { 0 };
	struct iovec iov = { (void *)bytes, len };
	struct msghdr message = { .msg_iov = &iov, .msg_iovlen = 1 };

	if (pidfd >= 0) {
		message.msg_control = &control;
		message.msg_controllen = sizeof(control);
		control.header.cmsg_level = SOL_SOCKET;
		control.header.cmsg_type = SCM_RIGHTS;
		control.header.cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(&control.header), &pidfd, sizeof(int));
	}
	if (sendmsg(fd, &message, MSG_NOSIGNAL) < 0)
		die("send");
}

static size_t hello(uint8_t *bytes)
{
	struct dmu_wire_message message = {
		.type = DMU_WIRE_HELLO, .hello = { .cache = DMU_WIRE_CACHE_AS_OFFERED },
	};

	return dmu_wire_encode(&message, bytes, DMU_WIRE_SIZE_MAX);
}

/* Send a HELLO with byte @byte of its header set to @value; @byte 0: a right HELLO. */
static void say_hello(int fd, unsigned int byte, uint8_t value)
{
	int pidfd = syscall(SYS_pidfd_open, getpid(), 0);
	uint8_t bytes[DMU_WIRE_SIZE_MAX];
	size_t len = hello(bytes);

	if (byte)
		bytes[byte] = value;
	send_raw(fd, bytes, len, pidfd);
	close(pidfd);
}

static void say(int fd, enum dmu_wire_type type)
{
	struct dmu_wire_message message = { .type = type };
	int rc = dmu_peer_send(fd, &message, NULL, 0);

	if (rc) {
		errno = -rc;
		die("send");
	}
}

static void expect_offer(int fd, struct dmu_packet *packet)
{
	if (hear(fd, packet) != DMU_WIRE_OFFER)
		exit(1);
}

static void tell(const char *what, long result)
{
	printf("%s %s\n", what, result < 0 ? strerrorname_np(errno) : result ? "some" : "end");
}

/* Use an OFFER that was withdrawn. */
static void use(const struct dmu_packet *packet)
{
	int channel = packet->fds[DMU_WIRE_OFFER_FDS], fd;
	struct dm_user_join join = {
		.generation = packet->message.offer.generation, .flags = DM_USER_JOIN_CREATE,
	};
	struct pollfd readable = { .fd = channel, .events = POLLIN };

	tell("join", ioctl(channel, DM_USER_IOC_JOIN, &join) ? -1 : 1);
	join.generation = 1;
	join.flags = 0;
	tell("join-older", ioctl(channel, DM_USER_IOC_JOIN, &join) ? -1 : 1);
	tell("poll", poll(&readable, 1, 0));
	fd = dial();
	say(fd, DMU_WIRE_READY);
	hear_all(fd);
}

static void stale(int fd)
{
	struct dmu_packet packet;
	pid_t pid = fork();
	int c;

	if (pid < 0)
		die("fork");
	if (!pid) {
		/* The old daemon kills the process of this HELLO's pidfd. */
		say_hello(fd, 0, 0);
		pause();
	}
	expect_offer(fd, &packet);
	kill(pid, SIGKILL);
	close(fd);
	do
		c = getchar();
	while (c != '\n' && c != EOF);
	use(&packet);
}

static void slow(int fd)
{
	unsigned int i;

	for (i = 0; i < 20; i++) {
		int other = dial();

		say(other, DMU_WIRE_STATUS_REQUEST);
		hear_all(other);
		close(other);
	}
	say(fd, DMU_WIRE_STATUS_REQUEST);
}

int main(int argc, char **argv)
{
	static const struct {
		const char *name;
		unsigned int byte;	/* of the header */
		uint8_t value;
	} versions[] = { { "older", 4, 0 }, { "newer", 4, 2 }, { "unknown", 6, 200 } };
	struct dmu_packet packet;
	uint8_t bytes[DMU_WIRE_SIZE_MAX];
	const char *what;
	size_t i;
	int fd;

	if (argc != 3) {
		fprintf(stderr, "usage: peer SOCKET WHAT\n");
		return 2;
	}
	path = argv[1];
	what = argv[2];
	fd = dial();
	for (i = 0; i < sizeof(versions) / sizeof(versions[0]); i++) {
		if (strcmp(what, versions[i].name))
			continue;
		say_hello(fd, versions[i].byte, versions[i].value);
		hear_all(fd);
		return 0;
	}
	if (!strcmp(what, "garbage")) {
		send_raw(fd, "garbage", 7, -1);
	} else if (!strcmp(what, "no-pidfd")) {
		send_raw(fd, bytes, hello(bytes), -1);
	} else if (!strcmp(what, "false-pidfd")) {
		send_raw(fd, bytes, hello(bytes), eventfd(0, EFD_CLOEXEC));
	} else if (!strcmp(what, "ready")) {
		say(fd, DMU_WIRE_READY);
	} else if (!strcmp(what, "slow")) {
		slow(fd);
	} else if (!strcmp(what, "stale")) {
		stale(fd);
		return 0;
	} else {
		say_hello(fd, 0, 0);
		expect_offer(fd, &packet);
		if (!strcmp(what, "leave"))
			close(fd);
		else if (!strcmp(what, "twice"))
			say_hello(fd, 0, 0);
		else if (strcmp(what, "mute"))
			return 2;
		if (strcmp(what, "leave"))
			hear_all(fd);
		pause();
	}
	hear_all(fd);
	return 0;
}
