/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * dmuser-watch restarts the daemon of a device when none serves it. It lives in memory: the device
 * may be the root file system, from which nothing can be read meanwhile.
 */
#ifndef DMU_WATCH_H
#define DMU_WATCH_H

#include <poll.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "lib/dmuser.h"
#include "lib/target.h"
#include "rundir/directory.h"
#include "rundir/watchdog.h"

#define WATCH_PROGRAM	"dmuser-watch"

struct watch_options {
	const char *name;		/* of the device */
	const char *run_dir;
	uint64_t timeout_ms;		/* of each started daemon; 0: its default */
	uint64_t patience_ms;		/* a daemon that takes longer to start is killed */
	uint64_t delay_max_ms;		/* the longest pause before a restart */
	uint64_t steady_ms;		/* a daemon that served so long is restarted at once */
	bool foreground;
};

/* --help, --version and usage errors exit. */
void watch_options_parse(struct watch_options *options, int argc, char **argv);

/* ---- signals that end it (signals.c) ---- */

/* From here on signals are delivered only in watch_signals_poll(). 0 or -errno. */
int watch_signals_hold(void);
/* true: a signal has told this process to end. */
bool watch_signals_told(void);
/* poll(); if such a signal has come or comes, return early, below 0. */
int watch_signals_poll(struct pollfd *fds, unsigned int count, uint64_t ms);

/* ---- the pause before a restart (delay.c; pure) ---- */

struct watch_delay {
	uint64_t ms;			/* before the next restart */
	uint64_t max_ms;		/* limit of ms */
};

/* Call it after each restart, failed or not. */
void watch_delay_grow(struct watch_delay *delay);
/* Call it after a daemon has served long enough. */
void watch_delay_reset(struct watch_delay *delay);

/* ---- a root in memory (home.c) ---- */

/* true: this process runs in that root already. */
bool watch_home_entered(char **argv);
/*
 * Enter a root directory in memory, which has /dev, /proc, /sys, the run directory, the store of
 * @name outside of /dev, copies of the small files that its backend needs, and nothing else; and
 * execute a copy of this program there. Return only on failure: -errno and @error.
 */
int watch_home_enter(const struct watch_options *options, char **argv, char *error, size_t len);
/*
 * Map the files in that memory, which keeps them out of swap: all later mappings of a process that
 * has locked its memory are locked. 0 or -errno.
 */
int watch_home_lock(void);

/* ---- the daemon's program (program.c) ---- */

struct watch_program {
	char path[64];			/* in the root in memory; "": none */
	void *locked;			/* a mapping of all of it, which keeps it out of swap */
	size_t size;
};

/*
 * Keep a copy of the program that @pid, of @pidfd, runs, in place of the copy kept so far. 0; or
 * -errno and @error, and the old copy stays.
 */
int watch_program_keep(struct watch_program *program, pid_t pid, int pidfd, char *error,
		       size_t len);
/*
 * Ask the kept program which small files it needs for what is served now: the root in memory has
 * those of the watchdog's start. @lack: why a restart would fail, or "".
 */
void watch_program_check(const struct watch_program *program, const struct watch_options *options,
			 char *lack, size_t len);

/*
 * Put /dev/null in place of the caller's standard streams: their reader may wait for the device,
 * and they may lie on a file system that is to be unmounted.
 */
void watch_streams_leave(void);

/* ---- RUN_DIR/NAME/watch (state.c) ---- */

struct watch_state {
	int fd;				/* of dmu_watchdog_lock() */
	struct dmu_watchdog told;
};

/*
 * 0; -EWOULDBLOCK: another dmuser-watch watches the device. With @options->foreground wait for its
 * end, until a signal ends this process, -EINTR, or the device is gone, -ENXIO.
 */
int watch_state_open(struct watch_state *state, const struct watch_options *options);
void watch_state_write(const struct watch_options *options, const struct watch_state *state);

/* ---- the daemon that serves (look.c) ---- */

enum watch_sight {
	WATCH_SERVED,			/* by @pid, whose @pidfd is the caller's */
	WATCH_NOBODY,			/* no daemon serves */
	WATCH_UNCLEAR,			/* a daemon comes, goes or does not answer: look again */
	WATCH_GONE,			/* there is no such device of the target */
};

struct watch_view {
	pid_t pid;
	int pidfd;
	char why[DMU_ERROR_MAX];	/* the situation is unclear */
	char ctl[DMU_NAME_MAX + 1];	/* of the control node */
	struct dmu_target_status kstatus;	/* as far as the kernel has answered */
};

bool watch_has_died(int pidfd);
/*
 * Find the daemon that serves. @known counts as serving if it listens; another daemon must also
 * answer. This takes some seconds at most.
 */
enum watch_sight watch_look(const struct watch_options *options, pid_t known,
			    struct watch_view *view);

/*
 * Seal a node that a process has left open that was killed while it started a daemon. Nothing, if a
 * process starts one.
 */
void watch_seal_left_open(const struct watch_options *options);

/*
 * Call @ready(@arg) once a daemon is watched. Then watch until the device is gone or a signal
 * comes. Return an exit status.
 */
int watch_run(const struct watch_options *options, struct watch_state *state,
	      void (*ready)(void *arg), void *arg, char *error, size_t len);

#endif
