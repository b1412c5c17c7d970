// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The peers, all of which serve RAM: the same RAM disk, or a file in a tmpfs. To measure another
 * mode of dmuser, add a row DMUSER() with its specification.
 */
#include <stdio.h>
#include <string.h>

#include "tests/bench/peers/peers.h"

#define BRD		STORE
#define TMPFS		"/store/file"
#define MIB		"64"		/* STORE_BYTES */
#define DMUSER_NAME	"t"
#define DMUSER_DEVICE	"/dev/mapper/" DMUSER_NAME
#define LOOP		"/dev/loop0"
#define UBLK		"/dev/ublkb0"
#define NBD		"/dev/nbd0"
#define LINEAR		"linear"
#define UBLK_DEPTH	128
#define UBLK_IO_MAX	(1 << 19)

static void run(char *const argv[])
{
	NEED(!process_run(argv), "%s", argv[0]);
}

static void none_start(const struct peer *peer)
{
}

static void none_stop(void)
{
}

static void linear_start(const struct peer *peer)
{
	char row[64];
	char *argv[] = { "dmsetup", "create", "--noudevsync", LINEAR, "--table", row, NULL };

	snprintf(row, sizeof(row), "0 %llu linear %s 0", STORE_BYTES / 512, peer->store);
	run(argv);
}

static void linear_stop(void)
{
	char *argv[] = { "dmsetup", "remove", "--noudevsync", LINEAR, NULL };

	run(argv);
}

static void loop_start(const struct peer *peer)
{
	bool is_file = !strcmp(peer->store, TMPFS);
	char *argv[] = { "losetup", is_file ? "--direct-io=off" : "--direct-io=on", LOOP,
			 (char *)peer->store, NULL };

	run(argv);
}

static void loop_stop(void)
{
	char *argv[] = { "losetup", "-d", LOOP, NULL };

	run(argv);
}

static void peer_ublk_start(const struct peer *peer)
{
	ublk_start(peer->store, UBLK_DEPTH, UBLK_IO_MAX, 0);
}

static void peer_nbd_start(const struct peer *peer)
{
	nbd_start(peer->store);
}

static void first_start(const struct peer *peer)
{
	dm_user_create(DMUSER_NAME, peer->store);
}

static void second_start(const struct peer *peer)
{
	first_start(peer);
	NEED(!dm_user_handover(DMUSER_NAME, peer->store), "a handover to the second stage");
}

static void retired_start(const struct peer *peer)
{
	char *argv[] = { "dmuserctl", "retire", DMUSER_NAME, NULL };

	second_start(peer);
	run(argv);
}

static void retired_stop(void)
{
	char *argv[] = { "dmsetup", "remove", "--noudevsync", DMUSER_NAME, NULL };

	run(argv);
}

static void dmuser_stop(void)
{
	dm_user_remove(DMUSER_NAME);
}

#define DMUSER(name_, start_, spec_, what_) \
	{ "dmuser-" name_, DMUSER_DEVICE, start_, dmuser_stop, spec_, "dmuser, " what_ }
#define DMUSER_CHANNELS(name_, start_, spec_, what_) \
	DMUSER(name_ "-1", start_, spec_ ",channels=1", what_), \
	DMUSER(name_ "-4", start_, spec_ ",channels=4", what_ ", 4 channels")
#define DMUSER_STAGES(name_, spec_, what_) \
	DMUSER_CHANNELS(name_, first_start, spec_, what_), \
	DMUSER_CHANNELS(name_ "-second", second_start, spec_, what_ ", second stage")

#define EXTENTS(name_, parts_, what_) \
	{ "dmuser-extents-" name_, PARTS_DEVICE, parts_extents_start, parts_stop, BRD, \
	  "dmuser, " what_ " extents, RAM disk", parts_ }

const struct peer peers[] = {
	{ "brd", BRD, none_start, none_stop, NULL, "the RAM disk itself" },
	{ "linear", "/dev/mapper/" LINEAR, linear_start, linear_stop, BRD,
	  "dm-linear, RAM disk" },
	{ "linear-16k", PARTS_DEVICE, parts_linear_start, parts_stop, BRD,
	  "dm-linear, 16,384 rows, RAM disk", 16384 },
	{ "loop-tmpfs", LOOP, loop_start, loop_stop, TMPFS, "loop, file in a tmpfs" },
	{ "loop-brd", LOOP, loop_start, loop_stop, BRD, "loop, RAM disk, direct" },
	{ "ublk-null", UBLK, peer_ublk_start, ublk_stop, STORE_NULL, "ublk, answers at once" },
	{ "ublk-tmpfs", UBLK, peer_ublk_start, ublk_stop, TMPFS, "ublk, file in a tmpfs" },
	{ "ublk-brd", UBLK, peer_ublk_start, ublk_stop, BRD, "ublk, RAM disk, direct" },
	{ "nbd-null", NBD, peer_nbd_start, nbd_stop, STORE_NULL, "nbd, answers at once" },
	{ "nbd-tmpfs", NBD, peer_nbd_start, nbd_stop, TMPFS, "nbd, file in a tmpfs" },
	{ "nbd-brd", NBD, peer_nbd_start, nbd_stop, BRD, "nbd, RAM disk, direct" },
	DMUSER("mapped", second_start, "file:" BRD, "RAM disk, mapped by the kernel"),
	{ "dmuser-retired", DMUSER_DEVICE, retired_start, retired_stop, "file:" BRD,
	  "the same, retired" },
	EXTENTS("1k", 1024, "1,024"),
	EXTENTS("16k", 16384, "16,384"),
	EXTENTS("128k", 131072, "131,072"),
	EXTENTS("1m", 1048576, "1,048,576"),
	DMUSER_CHANNELS("null", first_start, "null:" MIB, "answers at once"),
	DMUSER_CHANNELS("memory", first_start, "memory:" MIB, "memory of the daemon"),
	DMUSER_STAGES("tmpfs", "file:" TMPFS ",buffered", "file in a tmpfs"),
	DMUSER_STAGES("brd", "file:" BRD ",direct,extents=off", "RAM disk, direct"),
	DMUSER_STAGES("cached", "file:" BRD ",buffered,extents=off", "RAM disk, buffered"),
	{ },
};

const struct load loads[] = {
	{ .name = "4k-read-qd1", .bytes = 4096, .random = true, .depth = 1, .ios = 2000,
	  .what = "random 4 KiB reads, one at a time" },
	{ .name = "4k-read-qd32", .bytes = 4096, .random = true, .depth = 32, .ios = 2000,
	  .what = "random 4 KiB reads, 32 at a time" },
	{ .name = "4k-write-qd32", .write = true, .bytes = 4096, .random = true, .depth = 32,
	  .ios = 2000, .what = "random 4 KiB writes, 32 at a time" },
	{ .name = "128k-read-qd8", .bytes = 131072, .depth = 8, .ios = 600,
	  .what = "128 KiB reads in order, 8 at a time" },
	{ .name = "128k-write-qd8", .write = true, .bytes = 131072, .depth = 8, .ios = 600,
	  .what = "128 KiB writes in order, 8 at a time" },
	{ .name = "4k-write-fsync", .write = true, .sync = true, .bytes = 4096, .random = true,
	  .depth = 1, .ios = 2000, .what = "random 4 KiB writes, one at a time, each fsynced" },
	{ },
};
