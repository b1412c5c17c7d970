// SPDX-License-Identifier: LGPL-2.1-or-later
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "handover/peer.h"

#define DMU_PEER_BACKLOG	16

static int dmu_peer_socket(const char *path, struct sockaddr_un *address)
{
	int fd;

	if (strlen(path) >= sizeof(address->sun_path))
		return -ENAMETOOLONG;
	memset(address, 0, sizeof(*address));
	address->sun_family = AF_UNIX;
	memcpy(address->sun_path, path, strlen(path));
	fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	return fd < 0 ? -errno : fd;
}

int dmu_peer_listen(const char *path)
{
	struct sockaddr_un address;
	int fd = dmu_peer_socket(path, &address);
	int rc;

	if (fd < 0)
		return fd;
	if (bind(fd, (struct sockaddr *)&address, sizeof(address))) {
		rc = -errno;
		goto err_close;
	}
	if (listen(fd, DMU_PEER_BACKLOG)) {
		rc = -errno;
		goto err_unlink;
	}
	return fd;

err_unlink:
	unlink(path);
err_close:
	close(fd);
	return rc;
}

/* #syscalls main: listen */
int dmu_peer_relisten(int listener)
{
	return listen(listener, DMU_PEER_BACKLOG) ? -errno : 0;
}

static int dmu_peer_option(int fd, int option)
{
	int value = 0;
	socklen_t len = sizeof(value);

	return getsockopt(fd, SOL_SOCKET, option, &value, &len) ? -errno : value;
}

bool dmu_peer_is_listener(int fd)
{
	return dmu_peer_option(fd, SO_DOMAIN) == AF_UNIX &&
	       dmu_peer_option(fd, SO_TYPE) == SOCK_SEQPACKET &&
	       dmu_peer_option(fd, SO_ACCEPTCONN) == 1;
}

int dmu_peer_connect(const char *path)
{
	struct sockaddr_un address;
	int fd = dmu_peer_socket(path, &address);
	int rc;

	if (fd < 0)
		return fd;
	if (connect(fd, (struct sockaddr *)&address, sizeof(address))) {
		rc = -errno;
		close(fd);
		return rc;
	}
	return fd;
}

/* #syscalls main: accept4 */
int dmu_peer_accept(int listener)
{
	int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	int pid;

	if (fd < 0)
		return -errno;
	pid = dmu_peer_pid(fd);
	if (pid < 0) {
		close(fd);
		return pid;
	}
	return fd;
}

/* #syscalls main: getsockopt */
int dmu_peer_pid(int socket)
{
	struct ucred credentials;
	socklen_t len = sizeof(credentials);

	if (getsockopt(socket, SOL_SOCKET, SO_PEERCRED, &credentials, &len))
		return -errno;
	if (credentials.uid != 0)
		return -EPERM;
	/* pid 0 is a process outside this pid namespace. */
	return credentials.pid > 0 ? credentials.pid : -ESRCH;
}

bool dmu_peer_pidfd_is(int pidfd, pid_t pid)
{
	char path[64], line[128];
	bool same = false;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", pidfd);
	file = fopen(path, "re");
	if (!file)
		return false;
	while (fgets(line, sizeof(line), file)) {
		long of;

		if (sscanf(line, "Pid: %ld", &of) == 1)
			same = of == (long)pid;
	}
	fclose(file);
	return same;
}

/* #syscalls main: waitid */
bool dmu_peer_is_pidfd(int fd)
{
	siginfo_t info;

	/* Success or ECHILD (not our child): any other descriptor fails with another errno. */
	return !waitid(P_PIDFD, (id_t)fd, &info, WEXITED | WNOHANG | WNOWAIT) || errno == ECHILD;
}

/* #syscalls main: pidfd_send_signal */
int dmu_peer_kill(int pidfd)
{
	if (syscall(SYS_pidfd_send_signal, pidfd, SIGKILL, NULL, 0) && errno != ESRCH)
		return -errno;
	return 0;
}

/* Space for the descriptors of the largest message, aligned for struct cmsghdr. */
union dmu_peer_control {
	struct cmsghdr align;
	char buf[CMSG_SPACE(DMU_WIRE_FDS_MAX * sizeof(int))];
};

/* #syscalls main: sendmsg */
int dmu_peer_send(int socket, const struct dmu_wire_message *message, const int *fds,
		  unsigned int fd_count)
{
	uint8_t buf[DMU_WIRE_SIZE_MAX];
	union dmu_peer_control control;
	struct iovec iov = { .iov_base = buf };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };
	struct cmsghdr *cmsg;
	int len;

	if (!dmu_wire_fds_valid(message, fd_count))
		return -EINVAL;
	len = dmu_wire_encode(message, buf, sizeof(buf));
	if (len < 0)
		return len;
	iov.iov_len = (size_t)len;
	if (fd_count) {
		memset(&control, 0, sizeof(control));
		msg.msg_control = control.buf;
		msg.msg_controllen = CMSG_SPACE(fd_count * sizeof(int));
		cmsg = CMSG_FIRSTHDR(&msg);
		cmsg->cmsg_level = SOL_SOCKET;
		cmsg->cmsg_type = SCM_RIGHTS;
		cmsg->cmsg_len = CMSG_LEN(fd_count * sizeof(int));
		memcpy(CMSG_DATA(cmsg), fds, fd_count * sizeof(int));
	}
	return sendmsg(socket, &msg, MSG_NOSIGNAL | MSG_DONTWAIT) < 0 ? -errno : 0;
}

/* Take all descriptors that the kernel has installed, even if the message is not sound. */
static void dmu_peer_take_fds(struct msghdr *msg, struct dmu_packet *packet)
{
	struct cmsghdr *cmsg;
	size_t count, i;
	int fd;

	for (cmsg = CMSG_FIRSTHDR(msg); cmsg; cmsg = CMSG_NXTHDR(msg, cmsg)) {
		if (cmsg->cmsg_level != SOL_SOCKET || cmsg->cmsg_type != SCM_RIGHTS)
			continue;
		count = (cmsg->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		for (i = 0; i < count; i++) {
			memcpy(&fd, CMSG_DATA(cmsg) + i * sizeof(int), sizeof(fd));
			/* The control buffer holds at most DMU_WIRE_FDS_MAX. */
			packet->fds[packet->fd_count++] = fd;
		}
	}
}

/*
 * ECONNRESET comes once if the other end closed before it read all our messages. Its own earlier
 * messages are still to be read, and then comes the end.
 */
static int dmu_peer_receive_error(void)
{
	return errno == ECONNRESET || errno == EINTR ? -EAGAIN : -errno;
}

/* #syscalls main: recvmsg */
int dmu_peer_receive(int socket, struct dmu_packet *packet)
{
	uint8_t buf[DMU_WIRE_SIZE_MAX];
	union dmu_peer_control control;
	struct iovec iov = { .iov_base = buf, .iov_len = sizeof(buf) };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = control.buf,
			      .msg_controllen = sizeof(control.buf) };
	ssize_t len;
	int rc;

	memset(packet, 0, sizeof(*packet));
	len = recvmsg(socket, &msg, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
	if (len < 0)
		return dmu_peer_receive_error();
	dmu_peer_take_fds(&msg, packet);
	/* An empty packet looks like the end; it is no message. */
	if (!len)
		rc = -EPIPE;
	else if (msg.msg_flags & (MSG_TRUNC | MSG_CTRUNC))
		rc = -EPROTO;
	else
		rc = dmu_wire_decode(&packet->message, buf, (size_t)len);
	if (!rc && !dmu_wire_fds_valid(&packet->message, packet->fd_count))
		rc = -EPROTO;
	if (rc)
		dmu_packet_close(packet);
	return rc;
}

/* #syscalls main: close */
void dmu_packet_close(struct dmu_packet *packet)
{
	while (packet->fd_count)
		close(packet->fds[--packet->fd_count]);
}
