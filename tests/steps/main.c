// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * steps [-s SCENARIO] [-p POINT] [-f FAULT] [-n STRIDE] [-o OFFSET] [-l]
 *	DEVICE DISK LOADFILE DEVICE DISK LOADFILE
 *
 * Run every case, or those whose names contain the given text, or every STRIDEth of them. The
 * daemons of the second device have state. Exit status 0: all cases ended as promised and, without
 * -s, every step was among the points.
 */
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "tests/steps/steps.h"

#define POINTS_MAX	100
#define CASE_S		240	/* for a case, in which each wait ends after WAIT_S */

struct subject subjects[SUBJECTS];

#define WB	.old = SECOND_WB, .newcomer = SECOND_WB, .stateful = true

static struct scenario scenarios[] = {
	{ .name = "overlap, old", .victim = OLD, .old = SECOND, .newcomer = SECOND },
	{ .name = "overlap, new", .victim = NEW, .old = SECOND, .newcomer = SECOND },
	{ .name = "exclusive, old", .victim = OLD, .old = SECOND, .newcomer = SECOND,
	  .exclusive = true },
	{ .name = "exclusive, new", .victim = NEW, .old = SECOND, .newcomer = SECOND,
	  .exclusive = true },
	{ .name = "from the first stage, old", .victim = OLD, .old = FIRST, .newcomer = SECOND },
	{ .name = "to the first stage, new", .victim = NEW, .old = SECOND, .newcomer = FIRST },
	{ .name = "requests, old", .victim = OLD, .old = SECOND, .io = true, .idle = true },
	{ .name = "requests while draining, old", .victim = OLD, .old = SECOND, .newcomer = SECOND,
	  .io = true },
	{ .name = "newcomer died early, old", .victim = OLD, .old = SECOND, .newcomer = SECOND,
	  .provoked_at = "dmu_prepare_reside", .provocation = FAULT_KILL },
	{ .name = "newcomer died late, old", .victim = OLD, .old = SECOND, .newcomer = SECOND,
	  .provoked_at = "peer-draining, peer-drained", .provocation = FAULT_KILL },
	{ .name = "old one hangs, new", .victim = NEW, .old = SECOND, .newcomer = SECOND,
	  .provoked_at = "offered, ready", .provocation = FAULT_STOP },
	{ .name = "no daemon served, new", .victim = NEW, .newcomer = SECOND, .nobody = true },
	{ .name = "device removed, old", .victim = OLD, .old = FIRST, .newcomer = FIRST,
	  .removed = true },
	{ .name = "device removed, new", .victim = NEW, .old = FIRST, .newcomer = FIRST,
	  .removed = true },
	{ .name = "state, old", .victim = OLD, WB },
	{ .name = "state, new", .victim = NEW, WB },
	{ .name = "state, requests, old", .victim = OLD, WB, .io = true, .idle = true },
	{ .name = "state, requests while draining, old", .victim = OLD, WB, .io = true },
	{ .name = "state, newcomer died late, old", .victim = OLD, WB,
	  .provoked_at = "peer-draining, peer-drained", .provocation = FAULT_KILL },
	{ .name = "state, import fails, old", .victim = OLD, WB,
	  .wb_fault = "import", .provoked_at = "peer-leaving, begin-failed: report-failure",
	  .provocation = FAULT_MEMORY },
	{ .name = "state, old one died, new", .victim = NEW, WB,
	  .provoked_at = "offered, ready", .provocation = FAULT_KILL },
	{ .name = "state, old one hangs, new", .victim = NEW, WB,
	  .provoked_at = "offered, ready", .provocation = FAULT_STOP },
	{ .name = "state, old one hangs late, new", .victim = NEW, WB,
	  .provoked_at = "draining, drained: arm-timer", .provocation = FAULT_STOP, .late = true },
	{ .name = "state, no daemon served, new", .victim = NEW, WB, .nobody = true },
	{ .name = "device made, new", .victim = NEW, .newcomer = FIRST, .nobody = true,
	  .create = true },
};

#define SCENARIOS	(sizeof(scenarios) / sizeof(scenarios[0]))

static const char *only_scenario = "", *only_point = "", *only_fault = "";
static unsigned int stride = 1, offset, cases, ran, bad;

void die(const char *format, ...)
{
	va_list args;

	fflush(stdout);
	fputs("steps: ", stderr);
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fputc('\n', stderr);
	exit(1);
}

uint64_t now_us(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

static char case_name[200];

/* Exit and clean nothing up: the tester may want to look at it. */
static void case_hangs(int number)
{
	static const char end[] = ": no end\n";

	if (write(STDERR_FILENO, case_name, strlen(case_name)) > 0 &&
	    write(STDERR_FILENO, end, strlen(end)) > 0)
		_exit(1);
	_exit(2);
}

static void case_begins(const struct scenario *scenario, const char *point, const char *fault)
{
	snprintf(case_name, sizeof(case_name), "\nsteps: %s | %s | %s", scenario->name, point,
		 fault);
	alarm(CASE_S);
}

void nap(void)
{
	nanosleep(&(struct timespec){ .tv_nsec = 2000000 }, NULL);
}

/* ---- every step is covered ---- */

static bool seen_event[DMU_STATE_END][DMU_EVENT_END];
static const char *seen_steps[POINTS_MAX];
static unsigned int seen_step_count;

static bool step_seen(const char *name)
{
	for (unsigned int i = 0; i < seen_step_count; i++)
		if (!strcmp(seen_steps[i], name))
			return true;
	return false;
}

static void note_seen(const struct point *points, unsigned int count)
{
	for (unsigned int i = 0; i < count; i++) {
		if (points[i].kind == POINT_EVENT)
			seen_event[points[i].place.state][points[i].place.event] = true;
		if (points[i].kind == POINT_STEP && !step_seen(points[i].function) &&
		    seen_step_count < POINTS_MAX)
			seen_steps[seen_step_count++] = points[i].function;
	}
}

/* Pairs of state and event that no scenario reaches, each with the reason. */
static const struct {
	enum dmu_state state;
	enum dmu_event event;
	const char *why;
} elsewhere[] = {
	{ DMU_STATE_START, DMU_EVENT_REFUSE, "the end of a newcomer that holds nothing" },
	{ DMU_STATE_ALONE, DMU_EVENT_PREPARE_FAILED, "likewise" },
	{ DMU_STATE_HELLO_SENT, DMU_EVENT_REFUSE, "likewise" },
	{ DMU_STATE_HELLO_SENT, DMU_EVENT_WRONG, "likewise" },
	{ DMU_STATE_HELLO_SENT, DMU_EVENT_HANGUP, "back to the start, which is in all scenarios" },
	{ DMU_STATE_PREPARING, DMU_EVENT_PREPARE_FAILED,
	  "the end of a newcomer that the old one waits for" },
	{ DMU_STATE_READY_SENT, DMU_EVENT_REFUSE, "likewise" },
	{ DMU_STATE_READY_SENT, DMU_EVENT_HANGUP, "as peer-leaving, hangup" },
	{ DMU_STATE_READY_SENT, DMU_EVENT_PEER_DEAD, "as peer-leaving, peer-dead" },
	{ DMU_STATE_READY_SENT, DMU_EVENT_SERVER_FAILED, "channels fail" },
	{ DMU_STATE_READY_SENT, DMU_EVENT_TERMINATE, "a line of the log" },
	{ DMU_STATE_PEER_DRAINING, DMU_EVENT_REFUSE, "as ready-sent" },
	{ DMU_STATE_PEER_DRAINING, DMU_EVENT_WRONG, "as ready-sent, timeout" },
	{ DMU_STATE_PEER_DRAINING, DMU_EVENT_HANGUP, "as peer-leaving, hangup" },
	{ DMU_STATE_PEER_DRAINING, DMU_EVENT_PEER_DEAD, "as peer-leaving, peer-dead" },
	{ DMU_STATE_PEER_DRAINING, DMU_EVENT_SERVER_FAILED, "channels fail" },
	{ DMU_STATE_PEER_DRAINING, DMU_EVENT_TERMINATE, "a line of the log" },
	{ DMU_STATE_PEER_LEAVING, DMU_EVENT_BEGIN_FAILED,
	  "the end of a newcomer: a scenario has what the old one sees of it" },
	{ DMU_STATE_PEER_LEAVING, DMU_EVENT_REFUSE, "as ready-sent" },
	{ DMU_STATE_PEER_LEAVING, DMU_EVENT_WRONG, "as ready-sent, timeout" },
	{ DMU_STATE_PEER_LEAVING, DMU_EVENT_SERVER_FAILED, "channels fail" },
	{ DMU_STATE_PEER_LEAVING, DMU_EVENT_TERMINATE, "a line of the log" },
	{ DMU_STATE_FENCING_OLD, DMU_EVENT_TARGET_GONE, "the device is removed" },
	{ DMU_STATE_FENCING_OLD, DMU_EVENT_SERVER_FAILED, "channels fail" },
	{ DMU_STATE_FENCING_OLD, DMU_EVENT_TIMEOUT, "a line of the log" },
	{ DMU_STATE_FENCING_OLD, DMU_EVENT_TERMINATE, "a line of the log" },
	{ DMU_STATE_SERVING, DMU_EVENT_BEGIN_FAILED, "the end of a daemon that is alone" },
	{ DMU_STATE_SERVING, DMU_EVENT_DRAINED, "a stranger in this generation" },
	{ DMU_STATE_SERVING, DMU_EVENT_TARGET_GONE, "the device is removed" },
	{ DMU_STATE_SERVING, DMU_EVENT_TERMINATE, "a line of the log" },
	{ DMU_STATE_OFFERED, DMU_EVENT_OFFER_FAILED, "the newcomer is refused" },
	{ DMU_STATE_OFFERED, DMU_EVENT_PEER_DEAD,
	  "as fencing-new, peer-dead: its socket closes first" },
	{ DMU_STATE_OFFERED, DMU_EVENT_DRAINED, "channels fail" },
	{ DMU_STATE_OFFERED, DMU_EVENT_TARGET_GONE, "the device is removed" },
	{ DMU_STATE_OFFERED, DMU_EVENT_TERMINATE, "a line of the log" },
	{ DMU_STATE_FENCING_NEW, DMU_EVENT_DRAINED, "channels fail" },
	{ DMU_STATE_FENCING_NEW, DMU_EVENT_TARGET_GONE, "the device is removed" },
	{ DMU_STATE_FENCING_NEW, DMU_EVENT_TIMEOUT, "a line of the log" },
	{ DMU_STATE_FENCING_NEW, DMU_EVENT_TERMINATE, "a line of the log" },
	{ DMU_STATE_DRAINING, DMU_EVENT_WRONG, "as drained, hangup" },
	{ DMU_STATE_DRAINING, DMU_EVENT_PEER_DEAD, "as fencing-ready, peer-dead" },
	{ DMU_STATE_DRAINING, DMU_EVENT_TARGET_GONE, "the device is removed" },
	{ DMU_STATE_DRAINING, DMU_EVENT_SERVER_FAILED, "channels fail" },
	{ DMU_STATE_DRAINING, DMU_EVENT_TIMEOUT, "a line of the log" },
	{ DMU_STATE_DRAINING, DMU_EVENT_TERMINATE, "a line of the log" },
	{ DMU_STATE_DRAINED, DMU_EVENT_PEER_DEAD,
	  "as fencing-ready, peer-dead: its socket closes first" },
	{ DMU_STATE_DRAINED, DMU_EVENT_TARGET_GONE, "the device is removed" },
	{ DMU_STATE_DRAINED, DMU_EVENT_TERMINATE, "a line of the log" },
	{ DMU_STATE_FENCING_READY, DMU_EVENT_TARGET_GONE, "the device is removed" },
	{ DMU_STATE_FENCING_READY, DMU_EVENT_SERVER_FAILED, "channels fail" },
	{ DMU_STATE_FENCING_READY, DMU_EVENT_TIMEOUT, "a line of the log" },
	{ DMU_STATE_FENCING_READY, DMU_EVENT_TERMINATE, "a line of the log" },
	{ DMU_STATE_UNDOING, DMU_EVENT_REJOIN_FAILED, "channels fail" },
	{ DMU_STATE_UNDOING, DMU_EVENT_TARGET_GONE, "the device is removed" },
};

static bool same_transition(enum dmu_state state, enum dmu_event a, enum dmu_event b)
{
	const struct dmu_transition one = dmu_transition(state, a), two = dmu_transition(state, b);

	return one.next == two.next && !memcmp(one.actions, two.actions, sizeof(one.actions));
}

/* Events that have the same actions and next state in @state are one step. */
static bool is_covered(enum dmu_state state, enum dmu_event event)
{
	for (enum dmu_event other = 0; other < DMU_EVENT_END; other++)
		if (seen_event[state][other] && same_transition(state, event, other))
			return true;
	for (size_t i = 0; i < sizeof(elsewhere) / sizeof(elsewhere[0]); i++)
		if (elsewhere[i].state == state &&
		    same_transition(state, event, elsewhere[i].event))
			return true;
	return false;
}

static unsigned int forgotten_steps(const struct dmu_step *steps)
{
	unsigned int count = 0;

	for (; steps->run; steps++) {
		if (step_seen(steps->name))
			continue;
		printf("not ok - no scenario reaches %s\n", steps->name);
		count++;
	}
	return count;
}

static unsigned int forgotten(void)
{
	unsigned int count = forgotten_steps(dmu_start_steps) + forgotten_steps(dmu_attach_steps) +
			     forgotten_steps(dmu_prepare_steps);

	for (const char *const *name = images[SECOND_WB].state_functions; *name; name++) {
		if (step_seen(*name))
			continue;
		printf("not ok - no scenario reaches %s\n", *name);
		count++;
	}
	for (enum dmu_state state = 0; state < DMU_STATE_END; state++) {
		for (enum dmu_event event = 0; event < DMU_EVENT_END; event++) {
			const struct dmu_transition transition = dmu_transition(state, event);

			if (transition.next == state && transition.actions[0] == DMU_ACTION_NONE)
				continue;
			if (is_covered(state, event))
				continue;
			printf("not ok - no scenario reaches %s, %s\n", dmu_state_name(state),
			       dmu_event_name(event));
			count++;
		}
	}
	return count;
}

/* ---- the table ---- */

/* Does @name contain a part of @wanted? Its parts have + between them. */
static bool is_wanted(const char *name, const char *wanted)
{
	char part[NAME_MAX_STEPS];
	size_t len;

	if (!*wanted)
		return true;
	for (; *wanted; wanted += len + (wanted[len] == '+')) {
		len = strcspn(wanted, "+");
		snprintf(part, sizeof(part), "%.*s", (int)len, wanted);
		if (len && strstr(name, part))
			return true;
	}
	return false;
}

static void one_case(const struct scenario *scenario, const struct point *point, enum fault fault)
{
	struct result result;

	if (scenario->removed != (fault == FAULT_REMOVE))
		return;
	if (!is_wanted(fault_names[fault], only_fault) || !stride || cases++ % stride != offset) {
		printf(" %7s", "");
		return;
	}
	case_begins(scenario, point->name, fault_names[fault]);
	case_run(scenario, point, fault, &result);
	ran++;
	printf(" %6c%s", result.letter, result.problem[0] ? "!" : " ");
	fflush(stdout);
	if (!result.problem[0])
		return;
	bad++;
	printf("\nnot ok - %s | %s | %s: %s\n%-52s", scenario->name, point->name,
	       fault_names[fault], result.problem, "");
}

static void one_scenario(struct scenario *scenario)
{
	static struct point points[POINTS_MAX];
	unsigned int count, before = ran;
	uint64_t begun = now_us();

	case_begins(scenario, "all points", "none");
	count = case_points(scenario, points, POINTS_MAX);
	note_seen(points, count);
	printf("\n%-52s", scenario->name);
	for (enum fault fault = 0; fault < FAULTS; fault++)
		if (scenario->removed == (fault == FAULT_REMOVE))
			printf(" %7s", fault_names[fault]);
	printf("\n");
	for (unsigned int i = 0; i < count; i++) {
		if (!is_wanted(points[i].name, only_point))
			continue;
		printf("%-52s", points[i].name);
		for (enum fault fault = 0; fault < FAULTS; fault++)
			one_case(scenario, &points[i], fault);
		printf("\n");
	}
	printf("# %u cases, %llu ms\n", ran - before,
	       (unsigned long long)(now_us() - begun) / 1000);
}

int main(int argc, char **argv)
{
	int option;

	while ((option = getopt(argc, argv, "s:p:f:n:o:l")) != -1) {
		switch (option) {
		case 's':
			only_scenario = optarg;
			break;
		case 'p':
			only_point = optarg;
			break;
		case 'f':
			only_fault = optarg;
			break;
		case 'n':
			stride = (unsigned int)atoi(optarg);
			break;
		case 'o':
			offset = (unsigned int)atoi(optarg);
			break;
		case 'l':
			stride = 0;
			break;
		default:
			return 2;
		}
	}
	if (optind != argc - 3 * SUBJECTS)
		return 2;
	for (int i = 0; i < SUBJECTS; i++, optind += 3)
		subjects[i] = (struct subject){ .name = argv[optind], .disk = argv[optind + 1],
						.load = argv[optind + 2] };
	signal(SIGALRM, case_hangs);
	images_open();
	faults_open();
	for (unsigned int i = 0; i < SCENARIOS; i++)
		if (is_wanted(scenarios[i].name, only_scenario))
			one_scenario(&scenarios[i]);
	if (!*only_scenario)
		bad += forgotten();
	printf("\n%u cases, %u not as promised\n", ran, bad);
	return bad || (!ran && stride);
}
