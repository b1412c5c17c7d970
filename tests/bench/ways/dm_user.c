// SPDX-License-Identifier: GPL-2.0-or-later
/* dm-user: a handover by dmuserctl, and a restart after a crash. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "tests/bench/ways/ways.h"

#define DIRECT		"file:" STORE ",direct,extents=off"
#define BUFFERED	"file:" STORE ",buffered,extents=off"
#define OTHER		"file:/dev/ram1,direct,extents=off"
#define PATIENCE	"60000"		/* ms: guests are emulated */

void dm_user_create(const char *name, const char *spec)
{
	char *argv[] = { "dmuserctl", "create", "--timeout", PATIENCE, (char *)name, (char *)spec,
			 NULL };

	NEED(!process_run(argv), "create %s", name);
}

int dm_user_handover(const char *name, const char *spec)
{
	char *argv[] = { "dmuserctl", "handover", "--timeout", PATIENCE, (char *)name,
			 (char *)spec, NULL };

	return process_run(argv) ? -EIO : 0;
}

void dm_user_remove(const char *name)
{
	char *argv[] = { "dmuserctl", "remove", (char *)name, NULL };

	NEED(!process_run(argv), "remove %s", name);
}

/* The handover from first to second stage is not measured; those after it are second to second. */
static void start(void)
{
	dm_user_create("t", DIRECT);
	NEED(!dm_user_handover("t", DIRECT), "the first handover");
}

static void stop(void)
{
	dm_user_remove("t");
}

static int change_overlap(unsigned int n)
{
	return dm_user_handover("t", DIRECT);
}

static int change_exclusive(unsigned int n)
{
	return dm_user_handover("t", n % 2 ? BUFFERED : DIRECT);
}

static int change_crashed(unsigned int n)
{
	pid_t pid = process_find("dmuser-second");

	NEED(pid, "a daemon to kill");
	process_kill_other(pid);
	return dm_user_handover("t", DIRECT);
}

static void start_two(void)
{
	start();
	dm_user_create("u", OTHER);
	NEED(!dm_user_handover("u", OTHER), "the first handover of the other");
}

static void stop_two(void)
{
	stop();
	dm_user_remove("u");
}

static int change_beside(unsigned int n)
{
	return dm_user_handover("u", OTHER);
}

const struct way ways_dm_user[] = {
	{ "handover", "/dev/mapper/t", start, change_overlap, stop,
	  "dm-user, from second stage to second stage, overlapped" },
	{ "beside", "/dev/mapper/t", start_two, change_beside, stop_two,
	  "control: the same handover of another device, which no process uses" },
	{ "exclusive", "/dev/mapper/t", start, change_exclusive, stop,
	  "dm-user, between direct and buffered I/O, not overlapped" },
	{ "crash", "/dev/mapper/t", start, change_crashed, stop,
	  "dm-user, daemon killed, then another one started" },
	{ },
};
