/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The daemon that listens in RUN_DIR/NAME, asked for its status by dmuserctl and dmuser-watch. */
#ifndef DMUSER_LISTENER_H
#define DMUSER_LISTENER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "handover/wire.h"

struct dmu_listener {
	struct dmu_wire_status status;
	struct dmu_wire_confinement confinement;
	uint64_t locked_bytes;		/* VmLck now, if /proc says; else when it began */
};

/* All but the confinement. 0, or -errno and @error says why there is no answer. */
int dmu_listener_ask(const char *run_dir, const char *name, struct dmu_listener *daemon, char *error,
		   size_t len);
/* Of a daemon that has been asked. From one too old for the question, what its STATUS says. */
void dmu_listener_ask_confinement(const char *run_dir, const char *name, struct dmu_listener *daemon);

/*
 * A connection to the daemon that listens, whose calls give up after two seconds; -ENOENT, -ECONNREFUSED: none does;
 * -EAGAIN: too many wait for it already; or another -errno.
 */
int dmu_listener_dial(const char *run_dir, const char *name);
/* A daemon listens, or could not be asked. */
bool dmu_listener_present(const char *run_dir, const char *name);
/* The process that made the socket: the kernel's word, not the daemon's. Or -errno of the connection. */
pid_t dmu_listener_pid(const char *run_dir, const char *name);

#endif
