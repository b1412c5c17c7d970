// SPDX-License-Identifier: GPL-2.0-or-later
#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "tests/soak/soak.h"
#include "tests/vm/order/dm.h"

#define SAY_US		10000000ULL

struct soak *soak;

uint64_t soak_now_us(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000000ULL + now.tv_nsec / 1000;
}

void soak_sleep_us(uint64_t us)
{
	if (us)
		nanosleep(&(struct timespec){ .tv_sec = us / 1000000,
					      .tv_nsec = us % 1000000 * 1000 }, NULL);
}

void soak_fail(const char *format, ...)
{
	va_list args;

	if (!atomic_flag_test_and_set(&soak->failed)) {
		va_start(args, format);
		vsnprintf(soak->why, sizeof(soak->why), format, args);
		va_end(args);
	}
	_exit(1);
}

static unsigned long long sum(enum soak_count count)
{
	unsigned long long all = 0;

	for (unsigned int i = 0; i < soak->device_count; i++)
		all += soak->devices[i].counts[count];
	return all;
}

static unsigned long long load_ops(void)
{
	unsigned long long all = 0;

	for (unsigned int i = 0; i < soak->device_count; i++)
		for (unsigned int j = 0; j < soak->devices[i].load_count; j++)
			all += soak->devices[i].loads[j].ops;
	return all;
}

static unsigned long long requeued(void)
{
	unsigned long long all = 0;
	long long word;

	for (unsigned int i = 0; i < soak->device_count; i++) {
		word = dm_word(soak->devices[i].name, " requeued:");
		if (word > 0)
			all += word;
	}
	return all;
}

/* Print one line of counts. */
static void say(const char *what, uint64_t begin)
{
	static const char *const names[SOAK_COUNTS] = {
		[SOAK_ACTIONS] = "actions", [SOAK_HANDOVERS] = "handovers",
		[SOAK_EXCLUSIVE] = "exclusive", [SOAK_KILLS_OLD] = "old", [SOAK_KILLS_NEW] = "new",
		[SOAK_KILLS_SOLE] = "sole", [SOAK_AIMED] = "aimed",
		[SOAK_ROLLBACKS] = "rolled_back", [SOAK_OVERTAKEN] = "overtaken",
		[SOAK_RESTARTS] = "restarts", [SOAK_STOPS] = "stops", [SOAK_TO_FIRST] = "first",
		[SOAK_TO_SECOND] = "second", [SOAK_BY_CTL] = "dmuserctl",
	};

	printf("%s: seed=%llu seconds=%llu kills=%llu", what, (unsigned long long)soak->seed,
	       (unsigned long long)(soak_now_us() - begin) / 1000000,
	       sum(SOAK_KILLS_OLD) + sum(SOAK_KILLS_NEW) + sum(SOAK_KILLS_SOLE));
	for (unsigned int i = 0; i < SOAK_COUNTS; i++)
		printf(" %s=%llu", names[i], sum(i));
	printf(" orphans=%llu load=%llu\n", requeued(), load_ops());
	fflush(stdout);
}

/* Each load must make progress. */
static void watch_loads(uint64_t now)
{
	static unsigned long long ops[SOAK_DEVICES_MAX][SOAK_LOADS_MAX];
	static uint64_t since[SOAK_DEVICES_MAX][SOAK_LOADS_MAX];

	for (unsigned int i = 0; i < soak->device_count; i++) {
		for (unsigned int j = 0; j < soak->devices[i].load_count; j++) {
			struct soak_load *load = &soak->devices[i].loads[j];

			if (ops[i][j] != load->ops || !since[i][j]) {
				ops[i][j] = load->ops;
				since[i][j] = now;
			} else if (now - since[i][j] > 2 * SOAK_LIMIT_S * 1000000ULL) {
				soak_fail("%s: load %s has done nothing for %d s, after %llu "
					  "operations", soak->devices[i].name, load->kind,
					  2 * SOAK_LIMIT_S, ops[i][j]);
			}
		}
	}
}

/* Is @pid an actor or, if @loads, a load? */
static bool is_one(pid_t pid, bool loads)
{
	for (unsigned int i = 0; i < soak->device_count; i++) {
		if (!loads && soak->devices[i].actor == pid)
			return true;
		for (unsigned int j = 0; loads && j < soak->devices[i].load_count; j++)
			if (soak->devices[i].loads[j].pid == pid)
				return true;
	}
	return false;
}

static unsigned int load_count(void)
{
	unsigned int count = 0;

	for (unsigned int i = 0; i < soak->device_count; i++)
		count += soak->devices[i].load_count;
	return count;
}

/* Wait for @left actors or loads to exit with status 0; any other end fails the soak. */
static void wait_for(unsigned int left, bool loads, uint64_t begin)
{
	uint64_t said = soak_now_us(), now;
	int status;
	pid_t pid;

	while (left) {
		pid = waitpid(-1, &status, WNOHANG);
		now = soak_now_us();
		if (pid > 0 && (status || !is_one(pid, loads)))
			soak_fail("process %d ended with status 0x%x", pid, status);
		left -= pid > 0;
		if (pid > 0)
			continue;
		if (!soak->stop)
			watch_loads(now);
		if (now - said > SAY_US) {
			say("so far", begin);
			said = now;
		}
		soak_sleep_us(50000);
	}
}

static void actors_start(unsigned long handovers, unsigned long kills)
{
	unsigned int count = soak->device_count;

	for (unsigned int i = 0; i < count; i++) {
		struct soak_plan plan = {
			.handovers = handovers / count + (i < handovers % count),
			.kills = kills / count + (i < kills % count),
			.aimed = soak->aimed,
		};
		pid_t pid;

		soak_seed(&plan.random, soak->seed, i);
		soak_seed(&plan.aims, soak->seed, SOAK_DEVICES_MAX + i);
		pid = fork();
		if (pid < 0)
			soak_fail("fork: %s", strerror(errno));
		if (!pid)
			soak_act(&soak->devices[i], &plan);
		soak->devices[i].actor = pid;
	}
}

static void loads_start(void)
{
	static const struct soak_load_ops *const loads[] = { &soak_fsx, &soak_append, &soak_tree,
							     &soak_fio };

	for (unsigned int i = 0; i < soak->device_count; i++)
		for (unsigned int j = 0; *soak->devices[i].dir &&
					 j < sizeof(loads) / sizeof(loads[0]); j++)
			soak_load_start(&soak->devices[i], loads[j]);
}

/* Runs in a child: the parent must report why it failed. */
static void run(unsigned long handovers, unsigned long kills)
{
	uint64_t begin = soak_now_us();

	/* Die with the parent; loads and actors die with this process. */
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	loads_start();
	actors_start(handovers, kills);
	wait_for(soak->device_count, false, begin);
	soak->stop = true;
	wait_for(load_count(), true, begin);
	say("soak", begin);
	exit(0);
}

/* NAME:DISK[:DIR] */
static bool device_add(char *text)
{
	struct soak_device *device = &soak->devices[soak->device_count];

	if (soak->device_count == SOAK_DEVICES_MAX)
		return false;
	device->name = strsep(&text, ":");
	device->disk = strsep(&text, ":");
	device->dir = text ? text : "";
	soak->device_count++;
	return device->disk && *device->disk && *device->name;
}

static int usage(void)
{
	fprintf(stderr, "usage: soak [-a PERCENT] [-f] [-n HANDOVERS] [-k KILLS] [-s SEED] "
			"[-p PAUSE_MS] [-v] NAME:DISK[:DIR]...\n");
	return 2;
}

int main(int argc, char **argv)
{
	unsigned long handovers = 100, kills = 100;
	int option, status;
	pid_t pid;

	soak = mmap(NULL, sizeof(*soak), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (soak == MAP_FAILED)
		return 1;
	soak->seed = 1;
	soak->pause_ms = 30;
	soak->aimed = 50;
	while ((option = getopt(argc, argv, "a:fn:k:s:p:v")) != -1) {
		switch (option) {
		case 'a':
			soak->aimed = strtoul(optarg, NULL, 10);
			break;
		case 'f':
			soak->spare_forks = true;
			break;
		case 'n':
			handovers = strtoul(optarg, NULL, 10);
			break;
		case 'k':
			kills = strtoul(optarg, NULL, 10);
			break;
		case 's':
			soak->seed = strtoull(optarg, NULL, 10);
			break;
		case 'p':
			soak->pause_ms = strtoul(optarg, NULL, 10);
			break;
		case 'v':
			soak->verbose = true;
			break;
		default:
			return usage();
		}
	}
	for (; optind < argc; optind++)
		if (!device_add(argv[optind]))
			return usage();
	if (!soak->device_count)
		return usage();
	pid = fork();
	if (!pid)
		run(handovers, kills);
	if (pid < 0 || waitpid(pid, &status, 0) != pid)
		return 1;
	if (!status)
		return 0;
	if (!*soak->why)
		snprintf(soak->why, sizeof(soak->why), "status 0x%x", status);
	printf("soak: FAILED: seed=%llu: %s\n", (unsigned long long)soak->seed, soak->why);
	return 1;
}
