// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Devices of many parts of 4 KiB, none of which goes on in the store where the one before it ends:
 * rows of dm-linear, or extents of dm-user without a daemon. A device may be larger than the store:
 * then several of its parts lie on the same part of the store.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "lib/dmuser.h"
#include "tests/bench/peers/peers.h"

#define PART_BYTES	4096U
#define PART_SECTORS	(PART_BYTES / 512)
#define STRIDE		7919	/* parts of the store between neighbours; odd: all of it is used */
#define SETTLE_MS	1000	/* for RCU to free what is gone */
#define SLAB		"/sys/kernel/slab/maple_node/"

static struct parts_cost cost;

static uint64_t part_target(unsigned int nr)
{
	return (uint64_t)nr * STRIDE % (STORE_BYTES / PART_BYTES) * PART_SECTORS;
}

/* An empty file for a table. */
static FILE *table_open(void)
{
	int fd = memfd_create("table", MFD_CLOEXEC);
	FILE *table = fdopen(fd, "w+");

	NEED(table, "a file for a table");
	return table;
}

/* Make the device of @table, and close that. */
static void table_create(FILE *table)
{
	char *argv[] = { "dmsetup", "create", "--noudevsync", PARTS_NAME, NULL };

	NEED(!fseek(table, 0, SEEK_SET), "write a table");
	NEED(!process_end(process_start(argv, fileno(table), -1)), "create %s", PARTS_NAME);
	fclose(table);
}

/* ---- memory ---- */

/* The number after @key in a file; @key may be "". */
static uint64_t number_in(const char *path, const char *key)
{
	static char text[16384];
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t len = read(fd, text, sizeof(text) - 1);
	const char *at;

	close(fd);
	text[len > 0 ? len : 0] = '\0';
	at = len > 0 ? strstr(text, key) : NULL;
	NEED(at, "\"%s\" in %s", key, path);
	return strtoull(at + strlen(key), NULL, 10);
}

/* Of all maple trees. Those of processes change only when one begins or ends. */
static uint64_t trees_bytes(void)
{
	int fd = open(SLAB "shrink", O_WRONLY | O_CLOEXEC);

	nap_ms(SETTLE_MS);
	/* Else objects that a processor keeps at hand count as used. */
	NEED(write(fd, "1", 1) == 1, "shrink the slab of maple trees");
	close(fd);
	return number_in(SLAB "objects", "") * number_in(SLAB "slab_size", "");
}

/* Of the kernel, without page caches. Right to some 100 KiB. */
static uint64_t kernel_bytes(void)
{
	nap_ms(SETTLE_MS);
	return (number_in("/proc/meminfo", "SUnreclaim:") +
		number_in("/proc/meminfo", "VmallocUsed:")) * 1024;
}

/* ---- dm-linear ---- */

void parts_linear_start(const struct peer *peer)
{
	uint64_t before = kernel_bytes();
	FILE *table = table_open();

	for (unsigned int i = 0; i < peer->parts; i++)
		fprintf(table, "%u %u linear %s %llu\n", i * PART_SECTORS, PART_SECTORS,
			peer->store, (unsigned long long)part_target(i));
	table_create(table);
	cost = (struct parts_cost) { .bytes = kernel_bytes() - before };
}

/* ---- dm-user ---- */

/* All extents, in the same random order in every run. The caller frees them. */
static struct dm_user_extent *extents_all(unsigned int count)
{
	struct dm_user_extent *extents = calloc(count, sizeof(*extents)), last;
	uint64_t random = RANDOM_SEED;
	unsigned int i, other;

	NEED(extents, "memory for extents");
	for (i = 0; i < count; i++)
		extents[i] = (struct dm_user_extent) {
			.sector = (uint64_t)i * PART_SECTORS,
			.len = PART_SECTORS,
			.target = part_target(i),
			.flags = DM_USER_EXTENT_READ | DM_USER_EXTENT_WRITE,
		};
	while (i > 1) {
		other = random_next(&random) % i--;
		last = extents[i];
		extents[i] = extents[other];
		extents[other] = last;
	}
	return extents;
}

/* Map all by one call: a daemon would map what it has moved, bit by bit. */
void parts_extents_start(const struct peer *peer)
{
	struct dm_user_extent *extents = extents_all(peer->parts);
	FILE *table = table_open();
	uint64_t before, since;
	struct stat st;
	int fd;

	NEED(!stat(peer->store, &st), "%s", peer->store);
	fprintf(table, "0 %llu user 0 0 %s 2 backing:%u:%u extents:on\n",
		(unsigned long long)peer->parts * PART_SECTORS, PARTS_NAME, major(st.st_rdev),
		minor(st.st_rdev));
	table_create(table);
	fd = dmu_channel_open(PARTS_NAME);
	NEED(fd >= 0, "open the control node");
	before = trees_bytes();
	since = now_ns();
	NEED(!dmu_channel_map(fd, extents, peer->parts, NULL), "map all");
	cost.ns = (double)(now_ns() - since) / peer->parts;
	cost.bytes = trees_bytes() - before;
	NEED(!dmu_channel_clean(fd), "flushes need no daemon");
	close(fd);
	free(extents);
}

/* ---- both ---- */

void parts_stop(void)
{
	char *argv[] = { "dmsetup", "remove", "--noudevsync", PARTS_NAME, NULL };

	NEED(!process_run(argv), "remove %s", PARTS_NAME);
}

const struct parts_cost *parts_last_cost(void)
{
	return &cost;
}
