/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The socket between two generations: packets with descriptors, who is at the
 * other end, and how to end them. All descriptors are close-on-exec and all
 * sockets non-blocking; every function returns what it says or -errno.
 */
#ifndef DMUSER_PEER_H
#define DMUSER_PEER_H

#include <sys/types.h>

#include "handover/wire.h"

/* Patience with the other daemon, for each step of the protocol. */
#define DMU_TIMEOUT_MS		10000		/* by default */
#define DMU_TIMEOUT_MIN_MS	100
#define DMU_TIMEOUT_MAX_MS	3600000

/* A message as it came. The descriptors are the receiver's to close, see dmu_packet_close(). */
struct dmu_packet {
	struct dmu_wire_message message;
	unsigned int fd_count;
	int fds[DMU_WIRE_FDS_MAX];
};

/* Longest path of a socket, with the NUL. */
#define DMU_SOCKET_PATH_MAX	108

/* For a descriptor that came with HELLO. Needs neither /proc nor the right to signal. */
bool dmu_peer_is_pidfd(int fd);
/* A listening socket at @path, where nothing may be yet. */
int dmu_peer_listen(const char *path);
/*
 * Announce the calling process as the one that listens on an inherited socket: SO_PEERCRED of
 * whoever connects from now on says so.
 */
int dmu_peer_relisten(int listener);
/* true if @fd is a listening SOCK_SEQPACKET Unix socket. */
bool dmu_peer_is_listener(int fd);
/* A connection to @path. -ENOENT, -ECONNREFUSED: nobody listens; -EAGAIN: the backlog is full. */
int dmu_peer_connect(const char *path);
/*
 * The next connection, from a process of uid 0; others are closed and -EPERM returned. -EAGAIN:
 * none waits.
 */
int dmu_peer_accept(int listener);
/*
 * pid of the process at the other end, when it connected or listened. -EPERM unless its uid is 0.
 */
int dmu_peer_pid(int socket);
/* true if @pidfd is one, and of @pid. Reads /proc. */
bool dmu_peer_pidfd_is(int pidfd, pid_t pid);
/* SIGKILL. 0 also if it is dead already. Its death shows as POLLIN on the pidfd. */
int dmu_peer_kill(int pidfd);

/* -EAGAIN: the other end does not read. */
int dmu_peer_send(int socket, const struct dmu_wire_message *message, const int *fds,
		  unsigned int fd_count);
/*
 * 0: @packet is sound, descriptors and all. Otherwise there are no descriptors: -EAGAIN: nothing
 * there; -EPIPE: the other end has closed; -EPROTO: truncated, malformed, or the wrong number of
 * descriptors; -EPROTONOSUPPORT: another version. @packet->message.type is what was said, if
 * anything.
 */
int dmu_peer_receive(int socket, struct dmu_packet *packet);
/* Close the descriptors that came. */
void dmu_packet_close(struct dmu_packet *packet);

#endif
