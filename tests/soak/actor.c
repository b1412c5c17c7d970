// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The actor of one device. It is the parent of all daemons of the device: it adopts those whose
 * parents end. So no pid of a daemon is used again before the actor has reaped it, and the actor
 * knows how each daemon died.
 */
#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/soak/soak.h"
#include "tests/vm/order/dm.h"

#define LOOK_US		4000
#define TIMEOUT_MS	"120000"	/* of the daemons: longer than any stop */
#define DAEMONS_MAX	8
#define HAS_MAX		512

static struct soak_device *device;
static pid_t old;				/* the daemon that serves */
static pid_t asker;				/* started for a handover; 0: it has ended */
static int asker_status;
static uint64_t usual_us[2] = { 200000, 200000 };	/* a handover alone, and by dmuserctl */
static char output[64], spec[256];
static struct soak_action now;
static pid_t killed[4];				/* by this action; may take a moment to die */
static unsigned int killed_count;
static struct soak_action serves;		/* the action that made @old */
/* By stage, cache mode and number of channels: the possessions of the first daemon of this kind. */
static char has[2][2][SOAK_CHANNELS_MAX + 1][HAS_MAX];

static void act_fail(const char *format, ...) __attribute__((format(printf, 1, 2), noreturn));

static void act_fail(const char *format, ...)
{
	char what[SOAK_WHY_MAX / 2], text[160], said[256] = "", status[512] = "";
	va_list args;
	FILE *file;

	va_start(args, format);
	vsnprintf(what, sizeof(what), format, args);
	va_end(args);
	soak_action_print(&now, text, sizeof(text));
	file = fopen(output, "re");
	if (file) {
		said[fread(said, 1, sizeof(said) - 1, file)] = '\0';
		fclose(file);
	}
	dm_status(device->name, status, sizeof(status));
	soak_fail("%s: action %llu (%s): %s; said: %s; status: %s", device->name,
		  (unsigned long long)device->counts[SOAK_ACTIONS], text, what, said, status);
}

/* Reap all children that have ended. True: @pid is one of them; signal *@by killed it (0: none). */
static bool reap(pid_t pid, int *by)
{
	bool found = false;
	int status;
	pid_t ended;

	while ((ended = waitpid(-1, &status, WNOHANG)) > 0) {
		if (ended == asker) {
			asker = 0;
			asker_status = status;
		}
		if (ended == pid) {
			found = true;
			*by = WIFSIGNALED(status) ? WTERMSIG(status) : 0;
		}
	}
	return found;
}

/* Sleep in a loop that waits; fail if the loop has waited for too long. */
static void wait_us(uint64_t us, uint64_t begin, const char *what)
{
	if (soak_now_us() - begin > SOAK_LIMIT_S * 1000000ULL)
		act_fail("after %d s still waiting until %s", SOAK_LIMIT_S, what);
	soak_sleep_us(us);
}

static void wait_a_little(uint64_t begin, const char *what)
{
	wait_us(LOOK_US, begin, what);
}

/* Requests that the kernel has mapped to the disk by itself. */
static long long mapped(const char *status)
{
	static const char *const keys[] = {
		" mapped_reads:", " mapped_writes:", " mapped_others:",
	};
	long long sum = 0;
	const char *at;
	size_t i;

	for (i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
		at = strstr(status, keys[i]);
		sum += at ? strtoll(at + strlen(keys[i]), NULL, 10) : 0;
	}
	return sum;
}

/*
 * The number of answers of the generation that serves, and of requests that need none; -1: none
 * serves, or two serve.
 */
static long long answered(void)
{
	unsigned int serving = 0, number;
	char status[1024], *at;
	long long count = -1, that;
	int err;

	err = dm_status(device->name, status, sizeof(status));
	if (err)
		act_fail("no status: %s", strerror(-err));
	if (!strstr(status, " errors:0 ") || !strstr(status, " failed:0 "))
		act_fail("requests failed: %s", status);
	for (at = status; (at = strstr(at, " gen:")); at++) {
		/* 0: the spare channels of a daemon that drains or exits. */
		if (sscanf(at, " gen:%u,serving,%*u,%*u,%lld", &number, &that) != 2 || !number)
			continue;
		count = that + mapped(status);
		serving++;
	}
	return serving == 1 ? count : -1;
}

/* Wait until the serving daemon has answered requests. */
static void wait_for_answers(void)
{
	uint64_t begin = soak_now_us();
	long long first = -1, count;

	for (;;) {
		count = answered();
		if (first < 0)
			first = count;
		else if (count > first)
			return;
		wait_a_little(begin, "requests are answered");
	}
}

static pid_t start(const struct soak_action *action)
{
	static char *const programs[] = { "/usr/bin/dmuser-second", "/usr/bin/dmuser-first" };
	char *argv[16], **arg = argv, channels[8];

	snprintf(spec, sizeof(spec), "file:%s,%s", device->disk,
		 action->direct ? "direct" : "buffered");
	snprintf(channels, sizeof(channels), "%u", action->channels);
	if (action->ctl) {
		*arg++ = "dmuserctl";
		*arg++ = "handover";
		*arg++ = "--program";
		*arg++ = programs[action->first];
	} else {
		*arg++ = programs[action->first];
		*arg++ = "--takeover";
	}
	*arg++ = "--timeout";
	*arg++ = TIMEOUT_MS;
	*arg++ = "--channels";
	*arg++ = channels;
	*arg++ = "--";
	*arg++ = (char *)device->name;
	*arg++ = spec;
	*arg = NULL;
	asker = soak_start(argv, output);
	device->counts[SOAK_BY_CTL] += action->ctl;
	return asker;
}

/* The daemon about to take over, last in the chain of parents and children; 0: there is none. */
static pid_t newcomer(void)
{
	struct soak_daemon daemons[DAEMONS_MAX];
	unsigned int i, j, count = soak_daemons(device->name, getpid(), daemons, DAEMONS_MAX);

	for (i = 0; i < count && i < DAEMONS_MAX; i++) {
		for (j = 0; j < count && j < DAEMONS_MAX &&
			    daemons[j].parent != daemons[i].pid; j++)
			;
		if (daemons[i].serves && daemons[i].pid != old && (j == count || j == DAEMONS_MAX))
			return daemons[i].pid;
	}
	return 0;
}

static bool signal_to(pid_t pid, int number)
{
	if (pid <= 0 || !soak_alive(pid) || kill(pid, number))
		return false;
	if (number == SIGKILL)
		killed[killed_count++] = pid;
	return true;
}

static void kill_old(void)
{
	if (signal_to(old, SIGKILL))
		device->counts[SOAK_KILLS_OLD]++;
}

/*
 * A user-mode kernel 6.12 crashes if a process is killed in its fork(): flush_tlb_mm() takes the
 * mark of a half-copied address space for an area of it. So -f spares a newcomer until it is a
 * child of the process that was started.
 */
static pid_t forked_newcomer(void)
{
	uint64_t begin = soak_now_us();
	struct soak_daemon daemons[DAEMONS_MAX];
	unsigned int i, j, count;

	while (soak_alive(old) || newcomer()) {
		reap(0, NULL);
		count = soak_daemons(device->name, getpid(), daemons, DAEMONS_MAX);
		for (i = 0; i < count && i < DAEMONS_MAX; i++)
			for (j = 0; j < count && j < DAEMONS_MAX; j++)
				if (daemons[i].serves && daemons[j].serves &&
				    daemons[i].parent == daemons[j].pid)
					return daemons[i].pid;
		if (!asker)
			return newcomer();
		wait_a_little(begin, "the newcomer has forked");
	}
	return 0;
}

static pid_t victim(void)
{
	return soak->spare_forks ? forked_newcomer() : newcomer();
}

/* Kill @pid or, if that is dead, the present newcomer. */
static void kill_new(pid_t pid)
{
	if (!pid || !soak_alive(pid))
		pid = victim();
	/* There is none yet: kill the process that would start it. */
	if (!pid && asker > 0 && soak_alive(old) && !soak->spare_forks)
		pid = asker;
	if (!signal_to(pid, SIGKILL))
		return;
	if (soak_alive(old))
		device->counts[SOAK_KILLS_NEW]++;
	else
		device->counts[SOAK_KILLS_SOLE]++;
}

static unsigned long long kills(void)
{
	return device->counts[SOAK_KILLS_OLD] + device->counts[SOAK_KILLS_NEW] +
	       device->counts[SOAK_KILLS_SOLE];
}

static void act_kill(const struct soak_action *action, pid_t known)
{
	unsigned long long before = kills();

	if (action->kind == SOAK_KILL_OLD || action->kind == SOAK_KILL_BOTH)
		kill_old();
	if (action->kind == SOAK_KILL_NEW || action->kind == SOAK_KILL_BOTH)
		kill_new(known);
	/* The kill came too late: kill the daemon that serves now. */
	if (before == kills() && signal_to(victim(), SIGKILL))
		device->counts[SOAK_KILLS_SOLE]++;
}

static bool is_reached(enum soak_aim aim)
{
	char status[1024];
	const char *at;

	if (dm_status(device->name, status, sizeof(status)))
		return false;
	at = strstr(status, " gen:");
	if (aim == SOAK_AIM_JOIN)
		return at && strstr(at + 1, " gen:");
	return at && (strstr(at, ",draining,") || strstr(at, ",drained,"));
}

/* False: the handover ended before the aim was seen. */
static bool wait_for_aim(enum soak_aim aim, uint64_t begin)
{
	while (asker && !is_reached(aim)) {
		wait_us(0, begin, "the handover reaches the moment of the kill");
		dm_wait_event(LOOK_US / 1000);
		reap(0, NULL);
	}
	return asker != 0;
}

/* Take the processor before all other tasks, or no longer. */
static void urgent(bool on)
{
	struct sched_param param = { .sched_priority = on };

	if (sched_setscheduler(0, on ? SCHED_FIFO : SCHED_OTHER, &param))
		act_fail("cannot become urgent: %s", strerror(errno));
}

static void kill_aimed(const struct soak_action *action, uint64_t begin)
{
	pid_t known;

	urgent(true);
	wait_for_aim(SOAK_AIM_JOIN, begin);
	/* Find the newcomer now: a search after the aim would take longer than the next step. */
	known = newcomer();
	if (wait_for_aim(action->aim, begin))
		device->counts[SOAK_AIMED]++;
	soak_sleep_us(action->aim_us);
	act_kill(action, known);
	urgent(false);
}

/* Stop, continue and kill, each at its time after @begin. */
static void interfere(const struct soak_action *action, uint64_t begin)
{
	bool kills = action->kind > SOAK_KILL_SOLE, stops = action->stop != SOAK_STOP_NOBODY;
	bool stopped = false;
	uint64_t usual = usual_us[action->ctl], at, elapsed;
	unsigned int resume_at = action->stop_at + action->stop_for;
	pid_t pid = 0;

	while (kills || stops || stopped) {
		at = kills ? action->kill_at : ~0U;
		if (stops && action->stop_at < at)
			at = action->stop_at;
		if (stopped && resume_at < at)
			at = resume_at;
		elapsed = soak_now_us() - begin;
		if (elapsed < at * usual / 1000)
			soak_sleep_us(at * usual / 1000 - elapsed);
		if (stops && at == action->stop_at) {
			stops = false;
			reap(0, NULL);
			pid = action->stop == SOAK_STOP_OLD ? old : victim();
			stopped = signal_to(pid, SIGSTOP);
			device->counts[SOAK_STOPS] += stopped;
		} else if (stopped && at == resume_at) {
			stopped = false;
			kill(pid, SIGCONT);
		} else {
			kills = false;
			reap(0, NULL);
			act_kill(action, 0);
		}
	}
}

/* Dead and reaped: other threads of a zombie may live, and hold its channels, a little longer. */
static bool killed_are_dead(void)
{
	while (killed_count && kill(killed[killed_count - 1], 0))
		killed_count--;
	return !killed_count;
}

/* Wait until the daemons change no more. Returns the daemon that serves; 0: there is none. */
static pid_t settle(void)
{
	struct soak_daemon daemons[DAEMONS_MAX];
	uint64_t begin = soak_now_us();
	unsigned int count;
	int by;

	for (;;) {
		reap(0, &by);
		if (!asker && killed_are_dead()) {
			count = soak_daemons(device->name, getpid(), daemons, DAEMONS_MAX);
			if (!count)
				return 0;
			/* A daemon may still have to notice the death of its parent, and exit. */
			if (count == 1 && daemons[0].serves && answered() >= 0)
				return daemons[0].pid;
		}
		wait_a_little(begin, asker ? "the process started for a handover ends" :
				     "one daemon is left");
	}
}

/* Start a daemon as an administrator would. */
static pid_t restart(const struct soak_action *action)
{
	pid_t pid;
	int err;

	if (!action->ctl) {
		err = dm_message(device->name, "unseal");
		if (err)
			act_fail("unseal: %s", strerror(-err));
	}
	start(action);
	pid = settle();
	if (asker_status || !pid)
		act_fail("no restart after all daemons died (status 0x%x)", asker_status);
	device->counts[SOAK_RESTARTS]++;
	return pid;
}

static bool has_spares(void)
{
	char status[1024];

	return !dm_status(device->name, status, sizeof(status)) && strstr(status, " gen:0,");
}

/*
 * A daemon must have the same possessions as the first of its kind, perhaps after a moment: it has
 * to close connections that ended. That first daemon is known to have completed its start only
 * after a handover without a kill.
 */
static void check_possessions(void)
{
	char text[HAS_MAX], *known = has[serves.first][serves.direct][serves.channels];
	uint64_t begin = soak_now_us();
	bool spares;

	for (;;) {
		soak_possessions(old, text, sizeof(text));
		spares = has_spares();
		if (!*known && now.kind == SOAK_HANDOVER && !spares)
			strcpy(known, text);
		if ((!*known || !strcmp(known, text)) && !spares)
			return;
		if (soak_now_us() - begin > 20000000ULL && spares)
			act_fail("pid %d keeps spare channels", old);
		if (soak_now_us() - begin > 20000000ULL)
			act_fail("pid %d has %s, not %s as the first of its kind", old, text,
				 known);
		soak_sleep_us(LOOK_US);
	}
}

static void note_server(pid_t pid, const struct soak_action *action)
{
	if (pid == old)
		return;
	old = pid;
	serves = *action;
	if (action->first)
		device->counts[SOAK_TO_FIRST]++;
	else
		device->counts[SOAK_TO_SECOND]++;
}

static void act_kill_sole(const struct soak_action *action)
{
	uint64_t begin = soak_now_us();
	int by = -1;

	if (kill(old, SIGKILL))
		act_fail("pid %d, the daemon that serves: %s", old, strerror(errno));
	while (!reap(old, &by))
		wait_a_little(begin, "the killed daemon is dead");
	if (by != SIGKILL)
		act_fail("pid %d, the daemon that serves, died of signal %d, not of SIGKILL", old,
			 by);
	device->counts[SOAK_KILLS_SOLE]++;
	note_server(restart(action), action);
}

static void act_handover(const struct soak_action *action)
{
	uint64_t begin = soak_now_us(), took;
	pid_t before = old, pid;

	start(action);
	if (action->aim == SOAK_AIM_NOTHING)
		interfere(action, begin);
	else
		kill_aimed(action, begin);
	pid = settle();
	took = soak_now_us() - begin;
	if (action->kind == SOAK_HANDOVER && (asker_status || !pid || pid == before))
		act_fail("no handover (status 0x%x), pid %d serves, %d did before", asker_status,
			 pid, before);
	if (!pid) {
		pid = restart(action);
	} else if (pid == before) {
		device->counts[SOAK_ROLLBACKS]++;
	} else if (action->kind == SOAK_HANDOVER) {
		device->counts[SOAK_HANDOVERS]++;
		if (action->direct != serves.direct)
			device->counts[SOAK_EXCLUSIVE]++;
		if (action->stop == SOAK_STOP_NOBODY)
			usual_us[action->ctl] = (3 * usual_us[action->ctl] + took) / 4;
	} else {
		device->counts[SOAK_OVERTAKEN]++;
	}
	note_server(pid, action);
}

static void act(const struct soak_action *action)
{
	char text[160];

	now = *action;
	device->counts[SOAK_ACTIONS]++;
	if (soak->verbose) {
		soak_action_print(action, text, sizeof(text));
		printf("action %s %llu: %s\n", device->name,
		       (unsigned long long)device->counts[SOAK_ACTIONS], text);
		fflush(stdout);
	}
	soak_sleep_us(action->pause_ms * 1000ULL);
	if (action->kind == SOAK_KILL_SOLE)
		act_kill_sole(action);
	else
		act_handover(action);
	wait_for_answers();
	check_possessions();
}

void soak_act(struct soak_device *of, struct soak_plan *plan)
{
	struct soak_action action, to_second = { .kind = SOAK_HANDOVER, .channels = 4 };
	struct soak_daemon daemon;

	device = of;
	snprintf(output, sizeof(output), "/tmp/soak.%s", device->name);
	signal(SIGPIPE, SIG_IGN);
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (prctl(PR_SET_CHILD_SUBREAPER, 1))
		soak_fail("cannot adopt processes: %s", strerror(errno));
	if (soak_daemons(device->name, 0, &daemon, 1) != 1 || !daemon.serves)
		soak_fail("%s: there is no daemon, or more than one", device->name);
	/* Replace the daemon that the script started: its stage and mode are unknown. */
	old = daemon.pid;
	act(&to_second);
	while (soak_plan_next(plan, &action))
		act(&action);
	/* The last daemon is of the same kind as that: it must have the same possessions. */
	act(&to_second);
	exit(0);
}
