// SPDX-License-Identifier: GPL-2.0-or-later
/* Wait for the death of the serving daemon, look for another one, and start one if none serves. */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "lib/launch.h"
#include "rundir/node.h"
#include "rundir/program.h"
#include "watch/watch.h"

#define LOOK_MS		100	/* between two looks while the situation is unclear */
#define SLEEP_MS	1000	/* longest pause without a look */
#define CHECK_MS	10000	/* between two looks while a daemon serves: a death may go unseen */
#define LOCK_MS		3000	/* for a dmuserctl with the lock, which may wait for the device */
#define START_MS	15000	/* for a handover under way to end, and a slow daemon to answer */
#define UNCLEAR_MS	5000	/* before an unclear situation is reported */

struct watch {
	const struct watch_options *options;
	struct watch_state *state;
	struct watch_delay delay;
	struct watch_program program;
	char lack[DMU_ERROR_MAX];	/* why a restart would fail, or "" */
	pid_t pid;			/* the daemon that serves, or served last */
	int pidfd;			/* the serving daemon's; -1: none serves */
	uint64_t generation;		/* the newest known */
	uint64_t since_ms;		/* when the daemon was first seen to serve */
	uint64_t lock_deadline_ms;	/* end of the wait for the lock; 0: no wait */
	uint64_t unclear_ms;		/* when the situation became unclear; 0: it is clear */
};

static void sleep_ms(uint64_t ms)
{
	watch_signals_poll(NULL, 0, ms);
}

static void seal(const struct watch_options *options)
{
	int ret = dmu_node_close(options->run_dir, options->name);

	if (ret)
		dmu_log(DMU_LOG_ERR, "%s: cannot seal the node: %s", options->name, strerror(-ret));
}

void watch_seal_left_open(const struct watch_options *options)
{
	/* If the lock is free, no process is starting a daemon. */
	int lock = dmu_run_lock(options->run_dir, options->name);

	if (lock < 0)
		return;
	if (dmu_node_left_open(options->run_dir, options->name)) {
		dmu_log(DMU_LOG_WARNING, "%s: the node was open: a process was killed in a restart",
			options->name);
		seal(options);
	}
	close(lock);
}

/* Watch the daemon of @view from now on. */
static void adopt(struct watch *watch, const struct watch_view *view)
{
	struct watch_state *state = watch->state;
	char error[DMU_ERROR_MAX];

	if (watch->pidfd >= 0)
		close(watch->pidfd);
	watch->pidfd = view->pidfd;
	watch->pid = view->pid;
	watch->generation = view->kstatus.generation;
	watch->since_ms = dmu_now_ms();
	if (watch_program_keep(&watch->program, view->pid, view->pidfd, error, sizeof(error)))
		dmu_log(DMU_LOG_WARNING, "%s: %s", watch->options->name, error);
	if (watch->program.path[0])
		watch_program_check(&watch->program, watch->options, watch->lack,
				    sizeof(watch->lack));
	if (watch->lack[0])
		dmu_log(DMU_LOG_WARNING, "%s: %s", watch->options->name, watch->lack);
	dmu_log_event("watch", watch->options->name, watch->generation,
		      "pid=%d down_ms=%llu restarts=%u",
		      (int)view->pid,
		      state->told.down_ms ?
		      (unsigned long long)(watch->since_ms - state->told.down_ms) : 0ULL,
		      state->told.restarts);
	state->told.down_ms = 0;
	state->told.next_ms = 0;
	state->told.attempts = 0;
	strcpy(state->told.reason, watch->lack);
	watch_state_write(watch->options, state);
	/* An earlier attempt to seal it has failed. */
	if (dmu_node_left_open(watch->options->run_dir, watch->options->name))
		seal(watch->options);
}

/* Wait until the daemon dies, at most CHECK_MS. */
static void wait_for_death(struct watch *watch)
{
	struct pollfd death = { .fd = watch->pidfd, .events = POLLIN };

	if (watch_signals_poll(&death, 1, CHECK_MS) <= 0)
		return;
	close(watch->pidfd);
	watch->pidfd = -1;
}

/* From now on no daemon serves. */
static void begin(struct watch *watch)
{
	struct watch_state *state = watch->state;
	uint64_t now = dmu_now_ms();

	if (watch->pidfd >= 0)
		close(watch->pidfd);
	watch->pidfd = -1;
	if (now - watch->since_ms >= watch->options->steady_ms)
		watch_delay_reset(&watch->delay);
	state->told.down_ms = now;
	state->told.next_ms = now + watch->delay.ms;
	dmu_log_event("died", watch->options->name, watch->generation, "pid=%d next_ms=%llu",
		      (int)watch->pid, (unsigned long long)watch->delay.ms);
	watch_state_write(watch->options, state);
}

/* The process that starts a daemon may hang although the daemon serves. */
static bool somebody_serves(struct watch *watch)
{
	struct watch_view view;

	if (watch_look(watch->options, 0, &view) != WATCH_SERVED)
		return false;
	close(view.pidfd);
	return true;
}

/* Start a daemon. A sealed node is open to root until the start succeeds or fails. */
static int start(struct watch *watch, const struct watch_view *view, char *error, size_t len)
{
	const struct watch_options *options = watch->options;
	const struct dmu_program program = {
		.path = watch->program.path, .patience_ms = (int)options->patience_ms,
	};
	const struct dmu_program_request request = {
		.name = options->name,
		.run_dir = options->run_dir,
		.ctl = view->ctl,
		.timeout_ms = options->timeout_ms,
	};
	struct dmu_program_line line;
	int ret = 0;

	if (view->kstatus.sealed)
		ret = dmu_node_open(options->run_dir, options->name);
	if (ret) {
		snprintf(error, len, "cannot unseal the node: %s", strerror(-ret));
	} else {
		dmu_program_fill(&line, "@dmuser-daemon", &request);
		ret = dmu_program_run(&program, line.argv, options->name, error, len);
	}
	if (view->kstatus.sealed)
		seal(watch->options);
	return ret == -ETIMEDOUT && somebody_serves(watch) ? 0 : ret;
}

/* Of many like failures, log one at each doubling of their number; log every new reason. */
static bool worth_a_line(const struct watch_state *state, const char *error)
{
	return !(state->told.attempts & (state->told.attempts - 1)) ||
	       strcmp(state->told.reason, error) != 0;
}

static void attempt(struct watch *watch, const struct watch_view *view)
{
	struct watch_state *state = watch->state;
	char error[DMU_ERROR_MAX] = "";
	uint64_t began = dmu_now_ms();
	int ret;

	state->told.attempts++;
	state->told.next_ms = 0;
	watch_state_write(watch->options, state);
	ret = start(watch, view, error, sizeof(error));
	watch_delay_grow(&watch->delay);
	if (ret) {
		state->told.next_ms = dmu_now_ms() + watch->delay.ms;
		if (worth_a_line(state, error))
			dmu_log_event("restart-failed", watch->options->name, watch->generation,
				      "attempt=%u next_ms=%llu reason=\"%s\"", state->told.attempts,
				      (unsigned long long)watch->delay.ms, error);
		snprintf(state->told.reason, sizeof(state->told.reason), "%s", error);
	} else {
		state->told.restarts++;
		dmu_log_event("restart", watch->options->name, watch->generation + 1,
			      "attempt=%u down_ms=%llu start_ms=%llu", state->told.attempts,
			      (unsigned long long)(dmu_now_ms() - state->told.down_ms),
			      (unsigned long long)(dmu_now_ms() - began));
	}
	watch_state_write(watch->options, state);
}

/*
 * Take the lock, to keep out of an administrator's handover. If its holder is stuck, perhaps on the
 * device itself, begin without: the daemons' own lock keeps two starts from doing harm.
 */
static bool may_begin(struct watch *watch, int *lock)
{
	*lock = dmu_run_lock(watch->options->run_dir, watch->options->name);
	if (*lock == -EWOULDBLOCK && !watch->lock_deadline_ms)
		watch->lock_deadline_ms = dmu_now_ms() + LOCK_MS;
	return *lock != -EWOULDBLOCK || dmu_now_ms() >= watch->lock_deadline_ms;
}

static bool nobody_still(struct watch *watch, struct watch_view *view)
{
	enum watch_sight sight = watch_look(watch->options, watch->pid, view);

	if (sight == WATCH_SERVED)
		close(view->pidfd);
	return sight == WATCH_NOBODY;
}

static void restart(struct watch *watch)
{
	uint64_t now = dmu_now_ms();
	struct watch_view now_seen;
	int lock;

	if (!watch->state->told.down_ms)
		begin(watch);
	if (now < watch->state->told.next_ms) {
		now = watch->state->told.next_ms - now;
		sleep_ms(now < SLEEP_MS ? now : SLEEP_MS);
		return;
	}
	if (!may_begin(watch, &lock)) {
		sleep_ms(LOOK_MS);
		return;
	}
	watch->lock_deadline_ms = 0;
	/* The previous holder of the lock was killed during a start, and left the node open. */
	if (lock >= 0 && dmu_node_left_open(watch->options->run_dir, watch->options->name))
		seal(watch->options);
	/* Look again under the lock: the first look may be old. */
	if (nobody_still(watch, &now_seen))
		attempt(watch, &now_seen);
	if (lock >= 0)
		close(lock);
}

/* At the beginning a daemon must serve, since its program is kept. */
static int watch_begin(struct watch *watch, char *error, size_t len)
{
	uint64_t deadline = dmu_now_ms() + START_MS;
	struct watch_view view;
	enum watch_sight sight;

	watch_seal_left_open(watch->options);
	while ((sight = watch_look(watch->options, 0, &view)) == WATCH_UNCLEAR &&
	       dmu_now_ms() < deadline)
		sleep_ms(LOOK_MS);
	if (sight != WATCH_SERVED) {
		snprintf(error, len, "%s", sight == WATCH_GONE ? "no such device" :
			 sight == WATCH_NOBODY ?
			 "no daemon serves it: run 'dmuserctl handover' first" : view.why);
		return -ESRCH;
	}
	adopt(watch, &view);
	if (watch->program.path[0])
		return 0;
	snprintf(error, len, "cannot keep the program of pid %d (see the kernel log)",
		 (int)watch->pid);
	return -EACCES;
}

/* Report an unclear situation once it has lasted for UNCLEAR_MS. */
static void wonder(struct watch *watch, const struct watch_view *view)
{
	struct watch_state *state = watch->state;

	if (!watch->unclear_ms)
		watch->unclear_ms = dmu_now_ms();
	if (!state->told.down_ms && dmu_now_ms() - watch->unclear_ms >= UNCLEAR_MS &&
	    strcmp(state->told.reason, view->why)) {
		dmu_log(DMU_LOG_WARNING, "%s: %s", watch->options->name, view->why);
		snprintf(state->told.reason, sizeof(state->told.reason), "%s", view->why);
		watch_state_write(watch->options, state);
	}
	sleep_ms(LOOK_MS);
}

/* The watched daemon still serves; @pidfd is another descriptor of it. */
static void stay(struct watch *watch, int pidfd)
{
	close(pidfd);
	if (!strcmp(watch->state->told.reason, watch->lack))
		return;
	strcpy(watch->state->told.reason, watch->lack);
	watch_state_write(watch->options, watch->state);
}

/* Wait, look, and act on the result. */
static enum watch_sight step(struct watch *watch)
{
	enum watch_sight sight;
	struct watch_view view;

	if (watch->pidfd >= 0)
		wait_for_death(watch);
	sight = watch_look(watch->options, watch->pid, &view);
	if (sight == WATCH_SERVED && (watch->pidfd < 0 || view.pid != watch->pid))
		adopt(watch, &view);
	else if (sight == WATCH_SERVED)
		stay(watch, view.pidfd);
	else if (sight == WATCH_NOBODY && !dmu_watchdog_lost(watch->state->fd))
		restart(watch);
	else if (sight == WATCH_UNCLEAR)
		wonder(watch, &view);
	if (sight != WATCH_UNCLEAR)
		watch->unclear_ms = 0;
	return sight;
}

int watch_run(const struct watch_options *options, struct watch_state *state,
	      void (*ready)(void *arg), void *arg, char *error, size_t len)
{
	struct watch watch = {
		.options = options, .state = state, .pidfd = -1,
		.delay.max_ms = options->delay_max_ms,
	};
	struct watch_view view;

	if (watch_begin(&watch, error, len))
		return DMU_EXIT_FAILED;
	ready(arg);
	while (!watch_signals_told()) {
		if (step(&watch) == WATCH_GONE)
			return DMU_EXIT_DONE;
		/* Most likely the file went with the device. */
		if (!dmu_watchdog_lost(state->fd))
			continue;
		if (watch_look(options, watch.pid, &view) == WATCH_GONE)
			return DMU_EXIT_DONE;
		snprintf(error, len,
			 "%s/%s/" DMU_WATCH_NAME " was removed: nothing watches the device now",
			 options->run_dir, options->name);
		return DMU_EXIT_FAILED;
	}
	dmu_log(DMU_LOG_WARNING, "%s: ended by a signal: nothing watches the device now",
		options->name);
	return DMU_EXIT_DONE;
}
