/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The daemon that both stages are. A stage's main.c is its struct dmu_stage and
 * a call of dmu_daemon_main(); it differs from the other in how it is confined.
 */
#ifndef DMUSER_STAGE_H
#define DMUSER_STAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "handover/wire.h"
#include "lib/dmuser.h"

/*
 * What a confinement must leave in place. The descriptors are the caller's. From before confine():
 * backend_fds, peer_pidfd, status_fd, room; from before filter(): all.
 */
struct dmu_confinement {
	const int *backend_fds;
	int backend_fd_count;
	const int *channels;		/* their numbers; what has them changes in a rollback */
	int channel_count;
	int listener;			/* the handover socket */
	int event_fd;			/* of the server */
	int peer_pidfd;			/* number at which each peer's pidfd will be, for SIGKILL */
	int status_fd;			/* an open /proc/self/status; the caller closes it */
	int room_fd;			/* number of each room for the state; -1: there is none */
	const void *room_map;		/* of the first one, to be unmapped; NULL: not mapped */
	uint64_t room_size;
	const int *fds;			/* all that are to be open, with those above */
	int fd_count;
	struct dmu_server *server;	/* has the I/O threads, one a channel, which wait */
	/* Out, by verify: */
	uint64_t locked_bytes;		/* VmLck */
	uint32_t proved;		/* DMU_WIRE_CONFINED_* */
	uint32_t filters;		/* of system calls, on the main thread */
	uint32_t landlock;		/* version; 0: the kernel has none */
	char domain[DMU_WIRE_DOMAIN_MAX];	/* SELinux context; "": there is no SELinux */
};

/*
 * A stage. The hooks run in this order, each may be NULL, and each returns 0 or -errno with @error
 * (of @len bytes) naming in one line the step that failed.
 */
struct dmu_stage {
	const char *program;		/* "dmuser-first": ident of log lines */
	const char *name;		/* "first", for STATUS */
	const char *purpose;		/* for --help */
	bool takeover_only;		/* never creates a device */
	/* Before the threads exist: what they inherit (namespaces, capabilities). */
	int (*confine)(struct dmu_confinement *confinement, char *error, size_t len);
	/*
	 * With the threads made and waiting: what covers them all (seccomp). Nothing is opened
	 * after it.
	 */
	int (*filter)(struct dmu_confinement *confinement, char *error, size_t len);
	/* Then: prove from the kernel's answers that it holds; fills @confinement's out fields. */
	int (*verify)(struct dmu_confinement *confinement, char *error, size_t len);
};

/* All there is: parse, daemonise, serve, hand over. Returns the exit status of main(). */
int dmu_daemon_main(const struct dmu_stage *stage, int argc, char **argv);

#endif
