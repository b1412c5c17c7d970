// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Who acts on one device. It is the parent of all its daemons, as it adopts those whose parents ended: so their
 * process ids stay theirs until it has waited for them, and it can say how each one died.
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
#define TIMEOUT_MS	"120000"	/* of the daemons: longer than anything is stopped */
#define DAEMONS_MAX	8
#define HAS_MAX		512

static struct soak_device *device;
static pid_t old;				/* who serves */
static pid_t asker;				/* the process that was started for a handover; 0: it has ended */
static int asker_status;
static uint64_t usual_us[2] = { 200000, 200000 };	/* a handover alone, and by dmuserctl */
static char output[64], spec[256];
static struct soak_action now;
static pid_t killed[4];				/* by this action: they may take a moment to be dead */
static unsigned int killed_count;
static struct soak_action serves;		/* what made @old */
/* What a daemon of that stage, cache mode and number of channels has: as the first one of these was seen. */
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

/* Wait for all children that have ended. True if @pid is among them, which died of signal *@by (0: none). */
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

/* An end for a loop that waits: dies if that takes too long. */
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

/* What who serves has answered since it does; -1: nobody serves, or two do. */
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
		/* 0: the spare channels of one that drains, or is just exiting. */
		if (sscanf(at, " gen:%u,serving,%*u,%*u,%lld", &number, &that) != 2 || !number)
			continue;
		count = that;
		serving++;
	}
	return serving == 1 ? count : -1;
}

/* The load gets on: whoever serves now answers something, and then something more. */
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

	snprintf(spec, sizeof(spec), "file:%s,%s", device->disk, action->direct ? "direct" : "buffered");
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

/* Who is about to take over: the last in the line of those who started each other. 0: not there, or not any more. */
static pid_t newcomer(void)
{
	struct soak_daemon daemons[DAEMONS_MAX];
	unsigned int i, j, count = soak_daemons(device->name, getpid(), daemons, DAEMONS_MAX);

	for (i = 0; i < count && i < DAEMONS_MAX; i++) {
		for (j = 0; j < count && j < DAEMONS_MAX && daemons[j].parent != daemons[i].pid; j++)
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
 * As a user-mode kernel 6.12 dies of a process that is killed in its fork() (flush_tlb_mm() takes the mark of a
 * half-copied address space for an area of it), -f spares a newcomer until it is a child of who was started.
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
				if (daemons[i].serves && daemons[j].serves && daemons[i].parent == daemons[j].pid)
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

/* @pid, or whoever is the newcomer now. */
static void kill_new(pid_t pid)
{
	if (!pid || !soak_alive(pid))
		pid = victim();
	/* Not even there yet: then it is not to come. */
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
	return device->counts[SOAK_KILLS_OLD] + device->counts[SOAK_KILLS_NEW] + device->counts[SOAK_KILLS_SOLE];
}

static void act_kill(const struct soak_action *action, pid_t known)
{
	unsigned long long before = kills();

	if (action->kind == SOAK_KILL_OLD || action->kind == SOAK_KILL_BOTH)
		kill_old();
	if (action->kind == SOAK_KILL_NEW || action->kind == SOAK_KILL_BOTH)
		kill_new(known);
	/* It came too late for that: then it is who serves now. */
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

/* False: the handover is over, and that was not seen. */
static bool wait_for_aim(enum soak_aim aim, uint64_t begin)
{
	while (asker && !is_reached(aim)) {
		wait_us(0, begin, "the handover comes to where it is to be hit");
		dm_wait_event(LOOK_US / 1000);
		reap(0, NULL);
	}
	return asker != 0;
}

/* Before all else that wants the processor, or not. */
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
	/* To look for it after the next step would take longer than that. */
	known = newcomer();
	if (wait_for_aim(action->aim, begin))
		device->counts[SOAK_AIMED]++;
	soak_sleep_us(action->aim_us);
	act_kill(action, known);
	urgent(false);
}

/* Stop, continue, kill, each at its time from @begin on. */
static void interfere(const struct soak_action *action, uint64_t begin)
{
	bool kills = action->kind > SOAK_KILL_SOLE, stops = action->stop != SOAK_STOP_NOBODY, stopped = false;
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

/* And waited for: a zombie's other threads may live, and hold its channels, a little longer. */
static bool killed_are_dead(void)
{
	while (killed_count && kill(killed[killed_count - 1], 0))
		killed_count--;
	return !killed_count;
}

/* Until nobody changes any more. Who serves then, 0 if nobody. */
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
			/* One whose parent was killed may still have to find out that it cannot serve. */
			if (count == 1 && daemons[0].serves && answered() >= 0)
				return daemons[0].pid;
		}
		wait_a_little(begin, asker ? "who was asked for a handover ends" : "one daemon is left");
	}
}

/* As an administrator would do it. */
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
 * A daemon has what each other of its kind has, or will soon: connections that end close within moments. The first one
 * is known to be ready with its start only after a handover that nobody disturbed.
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
			act_fail("pid %d has %s, not %s as the first of its kind", old, text, known);
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
		act_fail("pid %d, which serves: %s", old, strerror(errno));
	while (!reap(old, &by))
		wait_a_little(begin, "the killed daemon is dead");
	if (by != SIGKILL)
		act_fail("pid %d, which serves, died of signal %d, not ours", old, by);
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
		act_fail("no handover (status 0x%x), pid %d serves, %d did before", asker_status, pid, before);
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
		printf("action %s %llu: %s\n", device->name, (unsigned long long)device->counts[SOAK_ACTIONS], text);
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
		soak_fail("%s: there is not one daemon", device->name);
	/* Of the first daemon, which somebody else started, nothing is known: it has to go before anything counts. */
	old = daemon.pid;
	act(&to_second);
	while (soak_plan_next(plan, &action))
		act(&action);
	/* The last one is of the same kind as the first one was: what that had, this has. */
	act(&to_second);
	exit(0);
}
