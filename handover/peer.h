/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The socket between two generations: packets with descriptors, and the identity and the killing of
 * the process at the other end. All descriptors are close-on-exec and all sockets non-blocking.
 * Functions return -errno on failure.
 */
#ifndef DMUSER_PEER_H
#define DMUSER_PEER_H

#include <sys/types.h>

#include "handover/wire.h"

/* Timeout of each step of the protocol. */
#define DMU_TIMEOUT_MS		10000		/* by default */
#define DMU_TIMEOUT_MIN_MS	100
#define DMU_TIMEOUT_MAX_MS	3600000

/* A received message. The receiver closes the descriptors, see dmu_packet_close(). */
struct dmu_packet {
	struct dmu_wire_message message;
	unsigned int fd_count;
	int fds[DMU_WIRE_FDS_MAX];
};

/* Longest path of a socket, with the NUL. */
#define DMU_SOCKET_PATH_MAX	108

/* For the descriptor of HELLO. Needs neither /proc nor the right to signal. */
bool dmu_peer_is_pidfd(int fd);
/* A listening socket at @path, which must not exist. */
int dmu_peer_listen(const char *path);
/* Make SO_PEERCRED of future connections to an inherited socket name the calling process. */
int dmu_peer_relisten(int listener);
/* true if @fd is a listening SOCK_SEQPACKET Unix socket. */
bool dmu_peer_is_listener(int fd);
/* A connection to @path. -ENOENT, -ECONNREFUSED: no process listens; -EAGAIN: backlog full. */
int dmu_peer_connect(const char *path);
/* The next connection. -EPERM: it was not from uid 0, and is closed; -EAGAIN: none waits. */
int dmu_peer_accept(int listener);
/* pid of the process at the other end, as it connected or listened. -EPERM: its uid is not 0. */
int dmu_peer_pid(int socket);
/* true if @pidfd is a pidfd of @pid. Reads /proc. */
bool dmu_peer_pidfd_is(int pidfd, pid_t pid);
/* Send SIGKILL. 0 also if the process is dead. Its death shows as POLLIN on the pidfd. */
int dmu_peer_kill(int pidfd);

/* 0, or -EAGAIN: the other end does not read. */
int dmu_peer_send(int socket, const struct dmu_wire_message *message, const int *fds,
		  unsigned int fd_count);
/*
 * 0: @packet is sound, with its descriptors. On failure it has none. -EAGAIN: no packet; -EPIPE:
 * the other end has closed; -EPROTO: truncated, malformed, or the wrong number of descriptors;
 * -EPROTONOSUPPORT: another version. @packet->message.type is the header's type, if it came.
 */
int dmu_peer_receive(int socket, struct dmu_packet *packet);
/* Close the received descriptors. */
void dmu_packet_close(struct dmu_packet *packet);

#endif
