// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A swap of the DM table, as Android does it: a linear target over one device that dm-user serves
 * is replaced by a linear target over another, whose daemon was started before. By ioctl from this
 * process: no program starts while the device is suspended. The two daemons have the same store,
 * each by a linear device of its own, because a daemon refuses a store that another device uses.
 */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "tests/bench/ways/ways.h"

#define SECTORS	(STORE_BYTES / 512)

static void store_create(const char *name)
{
	NEED(!dm_create(name) && !dm_load(name, SECTORS, "linear", STORE " 0") &&
	     !dm_resume(name, 0), "%s", name);
}

static int side_create(unsigned int n)
{
	char name[16], store[16], spec[64];
	char *argv[] = { "dmuser-first", name, spec, NULL };

	snprintf(name, sizeof(name), "side%u", n % 2);
	snprintf(store, sizeof(store), "store%u", n % 2);
	snprintf(spec, sizeof(spec), "file:/dev/dm-%d,direct,extents=off", dm_minor(store));
	return process_run(argv) ? -1 : 0;
}

static int side_load(unsigned int n)
{
	char name[16], row[64];

	snprintf(name, sizeof(name), "side%u", n % 2);
	snprintf(row, sizeof(row), "/dev/dm-%d 0", dm_minor(name));
	return dm_load("swap", SECTORS, "linear", row);
}

static void side_remove(unsigned int n)
{
	char name[16];
	char *argv[] = { "dmuserctl", "remove", name, NULL };

	snprintf(name, sizeof(name), "side%u", n % 2);
	NEED(!process_run(argv), "remove %s", name);
}

static unsigned int side;

static void start(void)
{
	char node[32];

	side = 0;
	store_create("store0");
	store_create("store1");
	NEED(!side_create(side), "the first daemon");
	NEED(!dm_create("swap") && !side_load(side) && !dm_resume("swap", 0), "a device to swap");
	/* There is no udev to make the link. */
	snprintf(node, sizeof(node), "/dev/dm-%d", dm_minor("swap"));
	NEED(!symlink(node, "/dev/mapper/swap"), "its link");
}

static void stop(void)
{
	NEED(!unlink("/dev/mapper/swap") && !dm_remove("swap"), "remove the device");
	side_remove(side);
	NEED(!dm_remove("store0") && !dm_remove("store1"), "remove the stores");
}

static int change(bool suspend_first)
{
	int err = side_create(side + 1);

	if (!err && suspend_first)
		err = dm_suspend("swap", 0);
	if (!err)
		err = side_load(side + 1);
	if (!err)
		err = dm_resume("swap", 0);
	if (!err)
		side_remove(side++);
	return err;
}

static int change_suspended(unsigned int n)
{
	return change(true);
}

static int change_loaded(unsigned int n)
{
	return change(false);
}

const struct way ways_table[] = {
	{ "table", "/dev/mapper/swap", start, change_suspended, stop,
	  "DM table swap: suspend, load, resume, to a second dm-user device" },
	{ "table-loaded", "/dev/mapper/swap", start, change_loaded, stop,
	  "DM table swap: load, then suspend and resume in one, to a second dm-user device" },
	{ },
};
