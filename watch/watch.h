/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * dmuser-watch: restarts the daemon of a device that nobody serves. It lives in memory, since the device may be
 * the root file system, of which nothing can be read just then.
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
	uint64_t timeout_ms;		/* of the daemon that is started; 0: its default */
	uint64_t patience_ms;		/* for a daemon to start; then it is killed */
	uint64_t delay_max_ms;		/* between two restarts, at most */
	uint64_t steady_ms;		/* served for so long: the next restart is at once again */
	bool foreground;
};

/* --help, --version and usage errors exit. */
void watch_options_parse(struct watch_options *options, int argc, char **argv);

/* ---- to be told to end (signals.c) ---- */

/* From here on signals come in watch_signals_poll() only. 0 or -errno. */
int watch_signals_hold(void);
/* One has come that ends us. */
bool watch_signals_told(void);
/* poll(), which returns early, below 0, when one comes. */
int watch_signals_poll(struct pollfd *fds, unsigned int count, uint64_t ms);

/* ---- the pause before a restart (delay.c; pure) ---- */

struct watch_delay {
	uint64_t ms;			/* before the next restart */
	uint64_t max_ms;		/* never more */
};

/* A restart was tried, whatever came of it. */
void watch_delay_grow(struct watch_delay *delay);
/* It has served long enough. */
void watch_delay_reset(struct watch_delay *delay);

/* ---- a root in memory (home.c) ---- */

/* This process runs from there already. */
bool watch_home_entered(char **argv);
/*
 * Enter a root directory in memory that has /dev, /proc, /sys, the run directory and what @name is served from if
 * that is a file elsewhere, and nothing else; and run this program anew, from a copy in it. Returns only on
 * failure: -errno and @error.
 */
int watch_home_enter(const struct watch_options *options, char **argv, char *error, size_t len);

/* ---- the daemon's program (program.c) ---- */

struct watch_program {
	char path[64];			/* in the root in memory; "": none */
	void *locked;			/* all of it, mapped, so that it is never swapped */
	size_t size;
};

/* Keep a copy of what @pid, of @pidfd, runs in place of the one kept. 0, or -errno and @error; that one stays then. */
int watch_program_keep(struct watch_program *program, pid_t pid, int pidfd, char *error, size_t len);

/*
 * Nothing is read from what the caller gave us, or written to it, from now on: its reader may wait for the device, and it
 * may lie on what is to be unmounted while we stand by.
 */
void watch_streams_leave(void);

/* ---- RUN_DIR/NAME/watch (state.c) ---- */

struct watch_state {
	int fd;				/* of dmu_watchdog_lock() */
	struct dmu_watchdog told;
};

/*
 * 0; -EWOULDBLOCK: another dmuser-watch watches the device. With @options->foreground the call waits for its end, until
 * a signal ends this process, -EINTR, or the device is gone, -ENXIO.
 */
int watch_state_open(struct watch_state *state, const struct watch_options *options);
void watch_state_write(const struct watch_state *state);

/* ---- who serves (look.c) ---- */

enum watch_sight {
	WATCH_SERVED,			/* by @pid, whose @pidfd is the caller's */
	WATCH_NOBODY,
	WATCH_UNCLEAR,			/* somebody is coming, going, or cannot be reached: look again */
	WATCH_GONE,			/* there is no such device */
};

struct watch_view {
	pid_t pid;
	int pidfd;
	char why[DMU_ERROR_MAX];	/* it is unclear */
	char ctl[DMU_NAME_MAX + 1];	/* of the control node */
	struct dmu_target_status kstatus;	/* as far as the kernel said it */
};

bool watch_has_died(int pidfd);
/* @known is believed to serve if it listens; anybody else must say so. Takes no more than some seconds. */
enum watch_sight watch_look(const struct watch_options *options, pid_t known, struct watch_view *view);

/* Watch until the device is gone or we are told to end, an exit status. Calls @ready(@arg) when it does. */
int watch_run(const struct watch_options *options, struct watch_state *state, void (*ready)(void *arg), void *arg,
	      char *error, size_t len);

#endif
