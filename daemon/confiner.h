/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a daemon hands to its confinement, and the hooks of one. */
#ifndef DMUSER_CONFINER_H
#define DMUSER_CONFINER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "handover/wire.h"
#include "lib/dmuser.h"

/*
 * What a confinement must leave usable. The caller owns the descriptors. backend_fds, peer_pidfd,
 * status_fd and the room are set before confine(), everything before filter().
 */
struct dmu_confinement {
	const int *backend_fds;
	int backend_fd_count;
	const struct dmu_syscall *backend_syscalls;	/* dmu_backend_ops.syscalls */
	unsigned int backend_syscall_count;
	const int *channels;		/* a rollback puts other channels at these numbers */
	int channel_count;
	int listener;			/* the handover socket */
	int event_fd;			/* the server's */
	int peer_pidfd;			/* the number of each peer's pidfd, for SIGKILL */
	int status_fd;			/* an open /proc/self/status; the caller closes it */
	int room_fd;			/* the number of each room for the state; -1: no state */
	const void *room_map;		/* of the newcomer's own room, to be unmapped; NULL: none */
	uint64_t room_size;
	const int *fds;			/* all descriptors that stay open, those above included */
	int fd_count;
	bool remaps;			/* the I/O threads declare the daemon clean */
	struct dmu_server *server;	/* has the I/O threads, one a channel, which wait */
	/* Out, by verify: */
	uint64_t locked_bytes;		/* VmLck */
	uint32_t proved;		/* DMU_WIRE_CONFINED_* */
	uint32_t filters;		/* seccomp filters on the main thread */
	uint32_t landlock;		/* version; 0: the kernel has none */
	char domain[DMU_WIRE_DOMAIN_MAX];	/* SELinux context; "": there is no SELinux */
};

/*
 * How a daemon confines itself. The hooks run in this order, each may be NULL, and each returns 0
 * or -errno with @error (of @len bytes) naming the step that failed, in one line.
 */
struct dmu_confiner {
	/* Before the threads exist: what they inherit (namespaces, capabilities). */
	int (*confine)(struct dmu_confinement *confinement, char *error, size_t len);
	/* While the threads wait: what covers all of them (seccomp). Nothing is opened after it. */
	int (*filter)(struct dmu_confinement *confinement, char *error, size_t len);
	/* Last: prove the confinement by asking the kernel, and fill the out fields. */
	int (*verify)(struct dmu_confinement *confinement, char *error, size_t len);
};

#endif
