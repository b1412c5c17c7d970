// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * steal PID FD: take a channel from process PID, as a tracer may, and print "stolen". Then for each
 * line on standard input try everything that a channel allows, and print "NAME RESULT" for each
 * attempt: a number or the name of an errno. No attempt waits.
 *
 * steal PATH: ask the daemon that listens at PATH for its status, and print its answer's length.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

#include <linux/dm-user.h>

#include "handover/wire.h"

static void say(const char *name, long result)
{
	if (result < 0)
		printf("%s %s\n", name, strerrorname_np(errno));
	else
		printf("%s %ld\n", name, result);
	fflush(stdout);
}

static void try_all(int fd)
{
	/* The answer SUCCESS to the request with number 0. */
	struct dm_user_message answer = { .seq = 0, .type = 0 };
	struct dm_user_join next = { .flags = DM_USER_JOIN_CREATE };
	struct dm_user_drain undo = { .flags = DM_USER_DRAIN_UNDO };
	struct dm_user_open open_arg = { 0 };
	struct dm_user_info info = { 0 };
	char buf[4096];

	say("info", ioctl(fd, DM_USER_IOC_INFO, &info));
	printf("channel_state %u\nheld %u\n", info.channel_state, info.held);
	say("read", read(fd, buf, sizeof(buf)));
	say("write", write(fd, &answer, sizeof(answer)));
	next.generation = info.newest_generation + 1;
	say("join", ioctl(fd, DM_USER_IOC_JOIN, &next));
	say("undo", ioctl(fd, DM_USER_IOC_DRAIN, &undo));
	say("seal", ioctl(fd, DM_USER_IOC_SEAL));
	say("open", ioctl(fd, DM_USER_IOC_OPEN, &open_arg));
	say("reopen", open("/dev/dm-user/t", O_RDWR | O_CLOEXEC));
	snprintf(buf, sizeof(buf), "/proc/self/fd/%d", fd);
	say("by-proc", open(buf, O_RDWR | O_CLOEXEC));
	printf("end\n");
	fflush(stdout);
}

/* Without our library, as a foreign program would. */
static int ask(const char *path)
{
	const unsigned char request[16] = { 0x44, 0x4d, 0x55, 0x52, DMU_WIRE_VERSION, 0,
					    DMU_WIRE_STATUS_REQUEST, 0, sizeof(request) };
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	char answer[DMU_WIRE_SIZE_MAX];
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	ssize_t size = -1;

	snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
	if (fd >= 0 && !connect(fd, (struct sockaddr *)&address, sizeof(address))) {
		/* The daemon may have closed an unwelcome connection already. */
		size = send(fd, request, sizeof(request), MSG_NOSIGNAL);
		if (size > 0 || errno == EPIPE)
			size = recv(fd, answer, sizeof(answer), 0);
	}
	say("answer", size);
	return 0;
}

int main(int argc, char **argv)
{
	int pidfd, fd;
	char line[64];

	if (argc == 2)
		return ask(argv[1]);
	if (argc != 3) {
		fprintf(stderr, "usage: steal PID FD | PATH\n");
		return 2;
	}
	pidfd = (int)syscall(SYS_pidfd_open, atoi(argv[1]), 0);
	fd = pidfd < 0 ? -1 : (int)syscall(SYS_pidfd_getfd, pidfd, atoi(argv[2]), 0);
	if (fd < 0 || fcntl(fd, F_SETFL, O_NONBLOCK)) {
		say("steal", -1);
		return 1;
	}
	printf("stolen\n");
	fflush(stdout);
	while (fgets(line, sizeof(line), stdin))
		try_all(fd);
	return 0;
}
