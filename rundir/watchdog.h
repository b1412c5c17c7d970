/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* RUN_DIR/NAME/watch, which dmuser-watch holds locked and writes, and dmuserctl reads. */
#ifndef DMUSER_WATCHDOG_H
#define DMUSER_WATCHDOG_H

#include <stdbool.h>
#include <stdint.h>

#include "rundir/directory.h"

struct dmu_watchdog {
	int pid;
	unsigned int restarts;		/* since it watches */
	unsigned int attempts;		/* since the last daemon died */
	uint64_t down_ms;		/* CLOCK_MONOTONIC of the last death; 0: a daemon serves */
	uint64_t next_ms;		/* CLOCK_MONOTONIC of the next attempt; 0: none is due */
	/*
	 * Of the last failure, why a restart would fail, or why it is unclear whether a daemon
	 * serves; or "".
	 */
	char reason[DMU_ERROR_MAX];
};

/*
 * Create and lock the file: one dmuser-watch a device. Its descriptor, -EWOULDBLOCK: another one
 * has it, -ESTALE: its last owner has just removed it, or another -errno.
 */
int dmu_watchdog_lock(const char *run_dir, const char *name);
/* Replace the content of the file that the caller has locked. 0 or -errno. */
int dmu_watchdog_write(int fd, const struct dmu_watchdog *watch);
/* The file was removed, as with its device. The path may be another watchdog's by now. */
bool dmu_watchdog_lost(int fd);
/* Remove the file, unless it is lost, and RUN_DIR/NAME if that was all in it. */
void dmu_watchdog_remove(int fd, const char *run_dir, const char *name);

/* 0; -ENOENT: no dmuser-watch watches it; or another -errno. */
int dmu_watchdog_read(const char *run_dir, const char *name, struct dmu_watchdog *watch);

#endif
