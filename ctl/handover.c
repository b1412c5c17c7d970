// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * dmuserctl handover: start a second stage from a copy in memory. The two daemons agree between
 * themselves which of them serves; dmuserctl only watches, and may be killed at any moment. If no
 * daemon serves, dmuserctl unseals the node for the new daemon, and seals it before it exits; if it
 * is killed first, the next process that takes the lock seals the node: see rundir/node.h.
 */
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "ctl/commands.h"
#include "ctl/device.h"
#include "ctl/output.h"
#include "ctl/program.h"
#include "ctl/waiting.h"
#include "handover/peer.h"
#include "lib/dmuser.h"
#include "rundir/copy.h"
#include "rundir/directory.h"
#include "rundir/listener.h"
#include "rundir/node.h"
#include "rundir/program.h"

#define LEAVE_MS	1000	/* for the old daemon to exit, so that its copy can be removed */
#define DYING_MS	DMU_TIMEOUT_MS	/* for a dying daemon's channels to close */
#define LOOK_MS		20

struct handover {
	const struct ctl_args *args;
	struct ctl_device device;	/* before the handover */
	uint64_t previous;		/* generation that served; 0: none with a number did */
	bool served;
	char program[DMU_PATH_MAX];
	char copy[DMU_PATH_MAX];	/* of the program */
};

static volatile sig_atomic_t told;	/* the signal that came; 0: none */

static void note(int signal)
{
	told = signal;
}

/*
 * From here on a signal that would end dmuserctl is only noted, so that the node is sealed before
 * the end. A closed pipe behind stdout ends nothing.
 */
static void signals_note(void)
{
	static const int ends[] = { SIGINT, SIGTERM, SIGHUP, SIGQUIT };
	const struct sigaction action = { .sa_handler = note };
	struct sigaction before;
	size_t i;

	signal(SIGPIPE, SIG_IGN);
	/* A signal that the caller ignores, as nohup does, stays ignored. */
	for (i = 0; i < sizeof(ends) / sizeof(ends[0]); i++)
		if (!sigaction(ends[i], NULL, &before) && before.sa_handler != SIG_IGN)
			sigaction(ends[i], &action, NULL);
}

static int interrupted(char *error, size_t len)
{
	if (!told)
		return 0;
	snprintf(error, len, "interrupted: nothing was started");
	return -EINTR;
}

static int run_second(const struct handover *handover, char *error, size_t len)
{
	const struct ctl_args *args = handover->args;
	struct ctl_waiting waiting = { .args = args, .previous = handover->previous };
	const struct dmu_program program = {
		.path = handover->copy, .in_memory = true, .patience_ms = -1,
		.waiting = ctl_waiting_say, .arg = &waiting, .told = &told,
	};
	const struct dmu_program_request request = {
		.name = args->name, .run_dir = args->run_dir, .ctl = handover->device.policy.ctl,
		.spec = args->spec, .channels = args->channels, .timeout_ms = args->timeout_ms,
	};
	struct dmu_program_line line;
	char argv0[NAME_MAX + 2];
	int ret = interrupted(error, len);

	if (ret)
		return ret;
	/* systemd's final kill spares root's processes whose name begins with '@'. */
	snprintf(argv0, sizeof(argv0), "@%s", basename(handover->program));
	dmu_program_fill(&line, argv0, &request);
	return dmu_program_run(&program, line.argv, args->name, error, len);
}

/* Describe what serves after a failure, for the error message. */
static void describe_rest(const struct ctl_args *args, char *text, size_t len)
{
	const struct dmu_target_generation *serving;
	struct ctl_device device;

	if (ctl_dm_device(args->name, &device)) {
		snprintf(text, len, "the device is gone");
		return;
	}
	serving = dmu_target_serving(&device.kstatus);
	if (serving)
		snprintf(text, len, "generation %" PRIu64 " still serves", serving->number);
	else
		snprintf(text, len, "no daemon serves, requests %s",
			 device.policy.nodaemon_fail ? "fail" : "wait");
}

/* Take the lock, unless the caller has it. */
static int take_lock(const struct ctl_args *args, int *lock, char *error, size_t len)
{
	int ret;

	if (*lock >= 0)
		return 0;
	ret = dmu_run_prepare(args->run_dir, args->name, error, len);
	if (ret)
		return ret;
	*lock = dmu_run_lock(args->run_dir, args->name);
	if (*lock >= 0)
		return 0;
	snprintf(error, len, "%s", *lock == -EWOULDBLOCK ?
		 "another dmuserctl is handing it over" : strerror(-*lock));
	return *lock;
}

/* Check everything that can be refused before a new daemon exists. */
static int prepare(struct handover *handover, int *lock, char *error, size_t len)
{
	const struct ctl_args *args = handover->args;
	const struct dmu_target_generation *serving;
	int ret;

	ret = ctl_program_find(args, CTL_SECOND_STAGE, handover->program,
			       sizeof(handover->program), error, len);
	if (!ret)
		ret = take_lock(args, lock, error, len);
	if (ret)
		return ret;
	if (dmu_node_left_open(args->run_dir, args->name))
		dmu_node_close(args->run_dir, args->name);
	/* Look again under the lock: the device may have changed. */
	ret = ctl_dm_device(args->name, &handover->device);
	if (ret) {
		snprintf(error, len, "the device is gone");
		return ret;
	}
	serving = dmu_target_serving(&handover->device.kstatus);
	handover->served = handover->device.kstatus.daemon || serving;
	handover->previous = serving ? serving->number : 0;
	return dmu_copy_make(handover->copy, sizeof(handover->copy), handover->program,
			     args->run_dir, args->name, handover->device.kstatus.generation + 1,
			     error, len);
}

/* Wait until the program that goes on without dmuserctl has opened the node, or LEAVE_MS. */
static void await_channel(const struct handover *handover)
{
	uint64_t deadline = dmu_now_ms() + LEAVE_MS;
	struct ctl_device device;

	while (!ctl_dm_device(handover->args->name, &device) && !device.kstatus.channels &&
	       dmu_now_ms() < deadline)
		poll(NULL, 0, LOOK_MS);
}

/* No daemon is left to give a channel: a request for a restart is the explicit unseal. */
static int restart(struct handover *handover, char *error, size_t len)
{
	bool unseal = handover->device.kstatus.sealed;
	int ret = interrupted(error, len);

	if (ret)
		return ret;
	handover->served = false;
	if (unseal) {
		ret = dmu_node_open(handover->args->run_dir, handover->args->name);
		if (ret) {
			snprintf(error, len, "cannot unseal the node: %s", strerror(-ret));
			return ret;
		}
	}
	ret = run_second(handover, error, len);
	if (ret == -EINTR && unseal)
		await_channel(handover);
	if (unseal)
		dmu_node_close(handover->args->run_dir, handover->args->name);
	return ret;
}

/*
 * true: the old daemon died before it could hand anything over. Wait for its channels: they close
 * after its socket, and later still if its last writes are under way in a slow store.
 */
static bool is_abandoned(struct handover *handover)
{
	const struct ctl_args *args = handover->args;
	uint64_t deadline = dmu_now_ms() + DYING_MS;

	while (!told && !ctl_dm_device(args->name, &handover->device)) {
		if (!handover->device.kstatus.daemon && !handover->device.kstatus.channels)
			return true;
		if (dmu_listener_present(args->run_dir, args->name) || dmu_now_ms() >= deadline)
			return false;
		poll(NULL, 0, LOOK_MS);
	}
	return false;
}

/* Start the new daemon and wait until it serves alone. On failure all is as it was. */
static int replace(struct handover *handover, char *error, size_t len)
{
	int ret;

	if (handover->served) {
		ret = run_second(handover, error, len);
		if (ret && ret != -EINTR && is_abandoned(handover))
			ret = restart(handover, error, len);
	} else {
		ret = restart(handover, error, len);
	}
	/* After -EINTR the program that goes on runs from the copy. */
	if (ret && ret != -EINTR)
		unlink(handover->copy);
	return ret;
}

/* true: the previous generation, which would serve beside the new one, has left. */
static bool has_left(const struct handover *handover, const struct dmu_target_status *status)
{
	unsigned int i;

	for (i = 0; handover->previous && i < status->generation_count; i++)
		if (status->generations[i].number == handover->previous &&
		    status->generations[i].channels &&
		    strcmp(status->generations[i].state, "drained"))
			return false;
	return true;
}

/* The previous daemon is dead: another process holds its channels, which are useless by now. */
static void warn_of_thieves(const struct handover *handover, const struct dmu_target_status *status)
{
	unsigned int i;

	for (i = 0; i < status->generation_count; i++)
		if (status->generations[i].number == handover->previous &&
		    status->generations[i].channels)
			ctl_error("%s: another process holds %" PRIu64
				  " drained channels of generation %" PRIu64, handover->args->name,
				  status->generations[i].channels, handover->previous);
}

static int report(const struct handover *handover, uint64_t ms)
{
	const struct ctl_args *args = handover->args;
	const struct dmu_target_generation *serving;
	struct ctl_device device;
	json_t *json;

	if (ctl_dm_require(args->name, &device))
		return CTL_FAILED;
	serving = dmu_target_serving(&device.kstatus);
	if (!serving || serving->number <= handover->previous) {
		ctl_error("%s: the new daemon reported success, but does not serve", args->name);
		return CTL_FAILED;
	}
	if (!has_left(handover, &device.kstatus)) {
		ctl_error("%s: generation %" PRIu64 " serves, but generation %" PRIu64
			  " has not left", args->name, serving->number, handover->previous);
		return CTL_FAILED;
	}
	warn_of_thieves(handover, &device.kstatus);
	if (!(args->given & CTL_JSON)) {
		printf("%s: generation %" PRIu64 " serves, ", args->name, serving->number);
		if (handover->previous)
			printf("%" PRIu64 " has left", handover->previous);
		else
			printf("%s", handover->served ?
			       "its predecessor has left" : "no daemon served before");
		printf("; %" PRIu64 " ms\n", ms);
		return CTL_DONE;
	}
	json = json_pack("{s:s, s:I, s:I, s:b, s:o}", "name", args->name, "generation",
			 (json_int_t)serving->number, "ms", (json_int_t)ms, "sealed",
			 (int)device.kstatus.sealed, "program", ctl_json_text(handover->copy));
	json_object_set_new(json, "previous",
			    handover->previous ? json_integer(handover->previous) : json_null());
	json_object_set_new(json, "restarted", json_boolean(!handover->served));
	return ctl_json_print(json);
}

int ctl_handover(const struct ctl_args *args)
{
	return ctl_handover_locked(args, -1);
}

int ctl_handover_locked(const struct ctl_args *args, int callers_lock)
{
	struct handover handover = { .args = args };
	char error[DMU_ERROR_MAX], rest[80];
	int ret, lock = callers_lock;
	uint64_t begin;

	if (ctl_dm_require(args->name, &handover.device))
		return CTL_FAILED;
	begin = dmu_now_ms();
	signals_note();
	ret = prepare(&handover, &lock, error, sizeof(error));
	if (!ret)
		ret = replace(&handover, error, sizeof(error));
	if (!ret) {
		ret = report(&handover, dmu_now_ms() - begin);
		dmu_copy_prune(args->run_dir, args->name, handover.copy, LEAVE_MS);
	} else {
		describe_rest(args, rest, sizeof(rest));
		ctl_error("%s: no handover, %s: %s", args->name, rest, error);
		dmu_run_leave(args->run_dir, args->name);
		ret = CTL_FAILED;
	}
	if (lock >= 0 && lock != callers_lock)
		close(lock);
	if (told && ret && callers_lock < 0) {
		signal(told, SIG_DFL);
		raise(told);
	}
	return ret;
}
