/* SPDX-License-Identifier: GPL-2.0-or-later */
/* RUN_DIR/NAME/watch: what dmuser-watch says of itself. */
#ifndef DMUSER_WATCHDOG_H
#define DMUSER_WATCHDOG_H

#include <stdint.h>

#include "rundir/directory.h"

struct dmu_watchdog {
	int pid;
	unsigned int restarts;		/* since it watches */
	unsigned int attempts;		/* since the last daemon died */
	uint64_t down_ms;		/* CLOCK_MONOTONIC since when no daemon serves; 0: one does */
	uint64_t next_ms;		/* CLOCK_MONOTONIC of the next attempt; 0: none is due */
	char reason[DMU_ERROR_MAX];	/* of the last failure, why it is unclear whether a daemon serves, or "" */
};

/* 0; -ENOENT: no dmuser-watch watches it; or another -errno. */
int dmu_watchdog_read(const char *run_dir, const char *name, struct dmu_watchdog *watch);

#endif
