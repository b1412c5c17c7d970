/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* dmuserctl and dmuser-watch ask the daemon that listens in RUN_DIR/NAME for its status. */
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
	uint64_t locked_bytes;		/* VmLck now; if /proc has none, as of the start */
};

/* Fill all but the confinement. Return 0, or -errno and @error says why there is no answer. */
int dmu_listener_ask(const char *run_dir, const char *name, struct dmu_listener *daemon,
		     char *error, size_t len);
/* Then fill the confinement; of a daemon too old for the question, from its STATUS. */
void dmu_listener_ask_confinement(const char *run_dir, const char *name,
				  struct dmu_listener *daemon);

/* true: a daemon listens, or the connection failed for another reason than a missing daemon. */
bool dmu_listener_present(const char *run_dir, const char *name);
/* The pid of the process that listens, from the kernel; or -errno of the connection. */
pid_t dmu_listener_pid(const char *run_dir, const char *name);

#endif
