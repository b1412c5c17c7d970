// SPDX-License-Identifier: GPL-2.0-or-later
#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/steps/run.h"

#define MALLOC_KB	64

static void problem(struct result *result, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

static void problem(struct result *result, const char *format, ...)
{
	va_list args;

	if (result->problem[0])
		return;
	va_start(args, format);
	vsnprintf(result->problem, sizeof(result->problem), format, args);
	va_end(args);
}

/* ---- events of the tracer ---- */

static void newcomer_forked(struct run *run)
{
	struct tracee launcher = run->sides[NEW], *tracee = &run->sides[NEW];
	unsigned long child = 0;
	int status;

	ptrace(PTRACE_GETEVENTMSG, launcher.pid, 0, &child);
	if (run->stray != (pid_t)child && waitpid((pid_t)child, &status, __WALL) != (pid_t)child)
		die("no child");
	tracee_inherit(tracee, &launcher, (pid_t)child);
	run->forked = true;
	tracee_disarm(&launcher);
	ptrace(PTRACE_DETACH, launcher.pid, 0, 0);
	tracee_forget(&launcher);
	if (tracee->breakpoint_count) {
		ptrace(PTRACE_CONT, child, 0, 0);
	} else {
		ptrace(PTRACE_DETACH, child, 0, 0);
		tracee->thread_count = 0;
	}
}

/* Handle one event. False: there is none. */
static bool listen_once(struct run *run)
{
	int status;
	pid_t pid = waitpid(-1, &status, __WALL | WNOHANG);

	if (pid <= 0)
		return false;
	if (pid == run->launcher && !WIFSTOPPED(status)) {
		run->launcher = 0;
		run->launcher_status = status;
		if (!run->forked)
			run->sides[NEW].dead = true;
	} else if (pid == run->launcher && status >> 16 == PTRACE_EVENT_FORK) {
		newcomer_forked(run);
	} else {
		enum role role = OLD;

		while (role <= NEW && !tracee_owns(&run->sides[role], pid))
			role++;
		if (role <= NEW)
			tracee_stopped(&run->sides[role], pid, status);
		else if (WIFSTOPPED(status))
			run->stray = pid;
	}
	return true;
}

/* A launcher that was killed while it was traced has been reaped: note its end. */
static void heard_of_death(struct run *run)
{
	if (run->launcher && !run->forked && run->sides[NEW].dead) {
		run->launcher = 0;
		run->launcher_status = -1;
	}
}

/* ---- time ---- */

static bool side_there(const struct run *run, enum role role)
{
	const struct tracee *tracee = &run->sides[role];

	return tracee->pid && !tracee->dead && proc_lives(tracee->pid);
}

static bool side_stopped(const struct run *run, enum role role)
{
	return proc_state(run->sides[role].pid, run->sides[role].pid) == 'T';
}

/*
 * Time passes only when every process waits for it: then the first timer expires. With @go_on, a
 * stopped process goes on when no other has a timer. True: nothing will happen any more.
 */
static bool time_passes(const struct run *run, bool go_on)
{
	long long left, least = -1;
	enum role role, first = OLD;

	if (run->launcher && !run->forked && !run->unseen)
		return false;
	for (role = OLD; role <= NEW; role++) {
		/* Another process may wait for its death, which comes soon. */
		if (proc_dies(&run->sides[role]))
			return false;
		if (!side_there(run, role) || side_stopped(run, role))
			continue;
		if (!proc_quiet(&run->sides[role]))
			return false;
		left = timer_left(&run->sides[role]);
		if (left >= 0 && (least < 0 || left < least)) {
			least = left;
			first = role;
		}
	}
	if (least >= 0) {
		timer_expire(&run->sides[first]);
		return false;
	}
	for (role = OLD; role <= NEW && go_on; role++) {
		if (!side_there(run, role) || !side_stopped(run, role))
			continue;
		if (timer_left(&run->sides[role]) >= 0)
			timer_expire(&run->sides[role]);
		kill(run->sides[role].pid, SIGCONT);
		return false;
	}
	return true;
}

static bool too_long(const struct run *run)
{
	return now_us() > run->deadline;
}

/* Wait until this side waits for another process, or is gone. */
static void settle(struct run *run, enum role role)
{
	while (!too_long(run) && side_there(run, role) && !side_stopped(run, role) &&
	       !proc_quiet(&run->sides[role]))
		if (!listen_once(run))
			nap();
}

/* ---- to the point ---- */

/* The newcomer serves, and the old daemon is gone: there are no more points. */
static bool served(const struct run *run)
{
	return !side_there(run, OLD) && side_there(run, NEW) && proc_quiet(&run->sides[NEW]);
}

/* The newcomer has failed, and the old daemon has rolled back: there are no more points. */
static bool failed(const struct run *run)
{
	return !side_there(run, NEW) && side_there(run, OLD) && proc_quiet(&run->sides[OLD]) &&
	       timer_left(&run->sides[OLD]) < 0;
}

/* Call @visit at each point of the victim until it returns true. False: it never did. */
static bool to_point(const struct scenario *scenario, struct run *run,
		     bool (*visit)(const struct tracee *tracee, void *arg), void *arg)
{
	struct tracee *victim = &run->sides[scenario->victim];
	struct tracee *other = &run->sides[!scenario->victim];
	bool provoked = !scenario->provoked_at;

	while (!too_long(run)) {
		bool heard = listen_once(run);

		if (other->held && !strcmp(other->at.name, scenario->provoked_at)) {
			if (!fault_inject(other, scenario->provocation))
				die("%s: cannot provoke the other side", scenario->name);
			heard_of_death(run);
			provoked = true;
		} else if (other->held) {
			tracee_continue(other);
		}
		/* The victim stays at its point until the other side rests, or is at its own. */
		if (victim->held && !provoked && side_there(run, !scenario->victim) &&
		    !proc_quiet(other)) {
			nap();
		} else if (victim->held) {
			if (provoked && visit(victim, arg))
				return true;
			tracee_continue(victim);
		} else if (!heard) {
			nap();
			/* The effect of the other side's fault may take time to show. */
			if (scenario->provoked_at && provoked && time_passes(run, false))
				return false;
			if (!scenario->io && !run->launcher && !side_there(run, scenario->victim))
				return false;
			if (!scenario->io && !run->launcher && (served(run) || failed(run)))
				return false;
		}
	}
	return false;
}

static bool is_point(const struct tracee *tracee, void *point)
{
	return point_same(&tracee->at, point);
}

static void begin(const struct scenario *scenario, struct run *run)
{
	bool traced = scenario->victim == NEW || scenario->provoked_at;

	scene_set(scenario, run);
	if (scenario->victim == OLD || scenario->provoked_at) {
		tracee_seize(&run->sides[OLD], scenario->io);
		tracee_arm(&run->sides[OLD], scenario->io);
	}
	if (!scenario->io)
		scene_newcomer(scenario, run, traced);
}

/* Wait until nothing will happen any more. */
static void finish(const struct scenario *scenario, struct run *run, struct result *result)
{
	while (!too_long(run)) {
		if (listen_once(run))
			continue;
		if (time_passes(run, true) && !run->launcher)
			return;
		nap();
	}
	problem(result, "the case does not end: old %c, new %c, launcher %s",
		proc_state(run->sides[OLD].pid, run->sides[OLD].pid) ?: '-',
		proc_state(run->sides[NEW].pid, run->sides[NEW].pid) ?: '-',
		run->launcher ? "waits" : "has ended");
}

/* ---- the end ---- */

static char letter_of(const struct scenario *scenario, const struct run *run,
		      const struct seen *after)
{
	if (!after->pid)
		return side_there(run, OLD) || side_there(run, NEW) ? '?' : '-';
	if (run->sides[NEW].pid == after->pid || (run->unseen && after->pid != run->before.pid))
		return 'n';
	if (scenario->nobody || scenario->create || after->pid != run->before.pid)
		return '?';
	return after->generation == run->before.generation ? 'o' : 'O';
}

/* @letters are of a handover; without an old daemon or without a newcomer, less is promised. */
static bool promised(const struct scenario *scenario, const struct run *run, const char *letters,
		     char letter)
{
	for (; *letters; letters++) {
		char may = *letters;

		if (may == 'a')
			may = scenario->idle || run->before.sealed ? '-' :
			      scenario->stateful ? 'N' : 'n';
		if (may == 'N' && scenario->idle)
			may = '-';
		if (may == 'n' && scenario->idle)
			may = 'o';
		if (may == 'n' && scenario->nobody && scenario->stateful)
			may = 'N';
		if (may == 'o' && (scenario->nobody || scenario->create))
			may = '-';
		/* The state may have been lost with nothing in it that was not flushed. */
		if (may == letter || (may == 'N' && letter == 'n'))
			return true;
	}
	return false;
}

static void wait_fds(pid_t pid, unsigned int wanted)
{
	uint64_t deadline = now_us() + 5000000;

	while (proc_fds(pid) > wanted && now_us() < deadline)
		nap();
}

static void check_survivor(const struct scenario *scenario, const struct run *run,
			   const struct seen *after, struct result *result)
{
	bool is_new = result->letter == 'n';
	unsigned int fds = is_new ? scenario->fds : run->before.fds;
	enum dmu_cache_mode cache = is_new ? scenario->cache : run->before.cache;
	unsigned long locked = result->letter == 'n' ? scenario->locked_kb : run->before.locked_kb;

	if (run->other_memory && locked)
		locked += MALLOC_KB;
	/* The kernel maps the disk, unless the mode is buffered: then the daemon has it open. */
	if (fds && cache == DMU_DIRECT && after->cache == DMU_BUFFERED)
		fds++;
	if (fds)
		wait_fds(after->pid, fds);
	/* Fewer are no leak: a daemon may serve without the kernel's log, for example. */
	if (fds && proc_fds(after->pid) > fds)
		problem(result, "the serving daemon has %u descriptors, more than %u",
			proc_fds(after->pid), fds);
	if (locked && after->locked_kb > locked)
		problem(result, "the serving daemon has %lu KiB locked, more than %lu",
			after->locked_kb, locked);
	if (proc_keeps_room(after->pid))
		problem(result, "the serving daemon keeps a room for state");
	if (result->letter == 'n' && after->generation <= run->before.generation)
		problem(result, "the newcomer is generation %llu",
			(unsigned long long)after->generation);
	if (result->letter == 'n' && !scenario->nobody && !scenario->create && !after->sealed)
		problem(result, "the node is not sealed");
	if (result->letter != 'n' && after->sealed != run->before.sealed)
		problem(result, "the node is %ssealed", after->sealed ? "" : "not ");
	if (result->letter == 'n' && run->launcher_status)
		problem(result, "the newcomer serves, but its launcher says otherwise (%#x): %s",
			run->launcher_status, daemon_said());
	if (result->letter != 'n' && !scenario->idle && !run->launcher_status)
		problem(result, "the newcomer does not serve, but its launcher says that it does");
}

/* A daemon that has the state reports no loss; without the state, one flush may fail. */
static void check_state(const struct run *run, struct result *result)
{
	const char *wrong = load_flushes();
	uint64_t told;

	if (wrong)
		problem(result, "%s", wrong);
	told = load_word("told=") - run->told;
	if (result->letter == 'n' && told)
		result->letter = 'N';
	/* Fewer, if all was flushed: a loss that no flush tells of is a wrong byte to the load. */
	if (told > (result->letter == 'N' || result->letter == '-'))
		problem(result, "%c, and %llu flushes tell of a loss", result->letter,
			(unsigned long long)told);
}

static void check_rest(const struct scenario *scenario, const char *name, struct result *result)
{
	const unsigned int wanted = SUBJECTS + (scenario->create || scenario->removed);
	uint64_t deadline = now_us() + 20000000;
	unsigned int zombies = 0, lives = 0;
	const char *said_of_load;
	long long errors = 0;

	/* init reaps zombies in time; the kernel closes channels after the last thread's end. */
	do {
		if (dm_word(name, "channels:") == 4) {
			lives = world_daemons(&zombies);
			if (!zombies && lives == wanted)
				break;
		}
		nap();
	} while (now_us() < deadline);
	if (zombies || lives != wanted)
		problem(result, "%u daemons and %u zombies", lives, zombies);
	if (dm_word(name, "channels:") != 4)
		problem(result, "%lld channels", dm_word(name, "channels:"));
	if (scenario->stateful)
		errors = (long long)load_word("told=");
	if (dm_word(name, "failed:") || dm_word(name, "errors:") != errors)
		problem(result, "%lld requests failed, %lld errors", dm_word(name, "failed:"),
			dm_word(name, "errors:"));
	if (scenario->create || scenario->removed)
		return;
	said_of_load = load_goes_on();
	if (said_of_load)
		problem(result, "%s", said_of_load);
}

/* No daemon serves, or there is no device: do what an administrator would. */
static bool serve_again(const struct scenario *scenario, const struct run *run)
{
	const char *const takeover[] = { "--takeover", MADE, MADE_STORE, NULL };
	const char *const create[] = { MADE, MADE_STORE, NULL };

	if (!scenario->create)
		return daemon_restart(run->name, scenario->nobody && !scenario->stateful ?
				      SECOND : scenario->old);
	return daemon_start(FIRST, dm_word(MADE, "channels:") >= 0 ? takeover : create);
}

/*
 * After the removal, the old daemon has ended, a newcomer has failed unless it served already, and
 * nothing prevents another device of that name.
 */
static void look_at_nothing(const struct scenario *scenario, const struct run *run,
			    const struct place *place, struct result *result)
{
	const char *const create[] = { MADE, MADE_STORE, NULL };
	unsigned int zombies, lives = world_daemons(&zombies);
	uint64_t deadline = now_us() + 20000000;

	while ((zombies || lives != SUBJECTS) && now_us() < deadline) {
		nap();
		lives = world_daemons(&zombies);
	}
	result->letter = 'x';
	if (zombies || lives != SUBJECTS)
		problem(result, "%u daemons and %u zombies", lives, zombies);
	if (dm_word(MADE, "channels:") >= 0)
		problem(result, "the device still exists");
	if (!access("/dev/dm-user/" MADE, F_OK))
		problem(result, "the control node still exists");
	if (!run->launcher_status && scenario->victim == NEW &&
	    expect_state(place) < DMU_STATE_PEER_LEAVING)
		problem(result, "the newcomer's launcher says that it serves");
	if (!daemon_start(FIRST, create))
		problem(result, "a device of that name cannot be made again: %s", daemon_said());
}

static void look_at_end(const struct scenario *scenario, struct run *run, struct result *result)
{
	struct seen after;

	world_look(run->name, &after);
	result->letter = letter_of(scenario, run, &after);
	if (after.pid)
		check_survivor(scenario, run, &after, result);
	else if (result->letter == '-' && !serve_again(scenario, run))
		problem(result, "no daemon serves, and a restart fails: %s", daemon_said());
	if (result->letter == '?')
		problem(result, "another daemon serves, or a daemon lives and does not serve "
			"(pid %d)", after.pid);
	if (scenario->stateful)
		check_state(run, result);
	check_rest(scenario, run->name, result);
}

static void clean_up(const struct scenario *scenario, struct run *run)
{
	for (enum role role = OLD; role <= NEW; role++)
		tracee_forget(&run->sides[role]);
	if (scenario->create || scenario->removed)
		scene_remove_made();
}

/* ---- the two kinds of run ---- */

struct found {
	struct point *points;
	unsigned int count, max;
};

static bool note_point(const struct tracee *tracee, void *arg)
{
	struct found *found = arg;

	for (unsigned int i = 0; i < found->count; i++)
		if (point_same(&found->points[i], &tracee->at))
			return false;
	if (found->count == found->max)
		die("too many points");
	found->points[found->count++] = tracee->at;
	/* The I/O threads pass the same points again and again. */
	return tracee->thread_count > 1 && found->count == 5;
}

unsigned int case_points(struct scenario *scenario, struct point *points, unsigned int max)
{
	struct found found = { .points = points, .max = max };
	struct result result = { 0 };
	struct seen after;
	struct run run;

	begin(scenario, &run);
	to_point(scenario, &run, note_point, &found);
	if (scenario->io && !scenario->idle)
		scene_newcomer(scenario, &run, false);
	while (run.launcher && !run.forked)
		if (!listen_once(&run))
			nap();
	for (enum role role = OLD; role <= NEW; role++)
		if (run.sides[role].thread_count)
			tracee_release(&run.sides[role], 0);
	finish(scenario, &run, &result);
	world_look(run.name, &after);
	scenario->fds = scene_fds(&run, &run.sides[scenario->idle ? OLD :
						   run.sides[NEW].pid == after.pid ? NEW : OLD]);
	scenario->locked_kb = after.locked_kb;
	scenario->cache = after.cache;
	look_at_end(scenario, &run, &result);
	if (result.problem[0])
		die("%s, without a fault: %s", scenario->name, result.problem);
	if (!found.count)
		die("%s: the victim does not reach its first point", scenario->name);
	if (!scenario->provoked_at && !scenario->idle && result.letter != 'n' &&
	    result.letter != 'N')
		die("%s, without a fault: %c, and the newcomer's launcher says: %s",
		    scenario->name, result.letter, daemon_said());
	clean_up(scenario, &run);
	return found.count;
}

/*
 * While an I/O thread is held at a point, the handover may go on until it needs that thread. With
 * the newcomer dead, the old daemon rolls back, wherever it is.
 */
static struct place place_of(const struct scenario *scenario, const struct point *point)
{
	struct place place = point->place;

	if (scenario->provoked_at && scenario->victim == OLD) {
		bool early = place.state == DMU_STATE_SERVING || place.state == DMU_STATE_OFFERED ||
			     place.state == DMU_STATE_FENCING_NEW;

		place = (struct place){ .state = early ? DMU_STATE_FENCING_NEW : DMU_STATE_UNDOING,
					.event = early ? DMU_EVENT_END : DMU_EVENT_UNDO_REFUSED,
					.action = DMU_ACTION_NONE };
	}
	if (scenario->io)
		place = (struct place){ .state = scenario->idle ? DMU_STATE_SERVING :
								  DMU_STATE_DRAINING,
					.event = DMU_EVENT_END, .action = DMU_ACTION_NONE };
	place.stateful = scenario->stateful;
	if (scenario->provoked_at && scenario->victim == NEW) {
		place.hangs = scenario->provocation == FAULT_STOP;
		place.died = scenario->provocation == FAULT_KILL;
		place.late = scenario->late;
	}
	return place;
}

void case_run(const struct scenario *scenario, const struct point *point, enum fault fault,
	      struct result *result)
{
	struct place place = place_of(scenario, point);
	const char *letters = expect_outcome(&place, fault);
	enum role victim = scenario->victim;
	struct run run;
	bool happened = false;

	memset(result, 0, sizeof(*result));
	begin(scenario, &run);
	if (!to_point(scenario, &run, is_point, (void *)point)) {
		problem(result, "the victim never reached this point");
	} else {
		if (scenario->io && !scenario->idle)
			scene_newcomer(scenario, &run, false);
		while (run.launcher && !run.forked && victim == OLD)
			if (!listen_once(&run))
				nap();
		settle(&run, !victim);
		if (scenario->io)
			settle(&run, victim);
		run.unseen = victim == NEW && !run.forked;
		run.other_memory = fault == FAULT_MEMORY;
		happened = fault == FAULT_REMOVE ? !dm_remove(MADE) :
						   fault_inject(&run.sides[victim], fault);
		heard_of_death(&run);
	}
	for (enum role role = OLD; role <= NEW; role++)
		if (run.sides[role].thread_count)
			tracee_release(&run.sides[role], 0);
	finish(scenario, &run, result);
	if (fault == FAULT_REMOVE)
		look_at_nothing(scenario, &run, &place, result);
	else
		look_at_end(scenario, &run, result);
	if (!happened)
		result->letter = '.';
	else if (!letters)
		problem(result, "nothing is promised here");
	else if (!promised(scenario, &run, letters, result->letter))
		problem(result, "%c, not %s", result->letter, letters);
	clean_up(scenario, &run);
}
