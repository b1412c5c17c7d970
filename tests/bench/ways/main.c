// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * ways CHANGES [WAY]...: for each way, or these, a load in whose course the server changes so many times. After
 * each change, the same load for the same time without one: what drifts hits both alike. Prints what
 * load_report() does, `change` and the time that each change took, and comments.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/bench/ways/ways.h"

#define WINDOW_MS	250	/* at least; a change that takes longer has as much as it takes */
#define QUIET_MS	1000	/* and then as long without, but at most so long */
#define PATIENCE_MS	30000	/* until a stall ends */

static const struct way *const groups[] = { ways_dm_user, ways_table, ways_ublk, ways_nbd };

int store_io(int fd, bool write, void *buf, unsigned int len, uint64_t offset)
{
	ssize_t done = write ? pwrite(fd, buf, len, offset) : pread(fd, buf, len, offset);

	return done < 0 ? -errno : (int)done;
}

/* Its windows are 2n (changed) and 2n + 1. False: it is of no use to go on. */
static bool round_run(const struct way *way, unsigned int n, unsigned int *failed)
{
	uint64_t begin = now_ns(), took;
	bool calm;
	int err;

	load_window(2 * n);
	err = way->change(n);
	printf("%s\tchanged\tchange\t%llu\n", way->name, (unsigned long long)(now_ns() - begin));
	if (err) {
		printf("# %s: change %u: %s\n", way->name, n, strerror(-err));
		(*failed)++;
	}
	took = (now_ns() - begin) / 1000000;
	if (took < WINDOW_MS)
		nap_ms(WINDOW_MS - took);
	/* A stall may outlast the change: all that is late by then counts as well. */
	calm = load_calm(PATIENCE_MS);
	took = (now_ns() - begin) / 1000000;
	load_window(0);
	if (!calm) {
		printf("# %s: change %u: I/O hangs\n", way->name, n);
		return false;
	}
	load_window(2 * n + 1);
	nap_ms(took < QUIET_MS ? took : QUIET_MS);
	load_window(0);
	return load_calm(PATIENCE_MS);
}

static void way_run(const struct way *way, unsigned int changes)
{
	unsigned int n = 1, failed = 0, hung = 0;

	printf("# %s: %s\n", way->name, way->what);
	way->start();
	load_start(way->device);
	/* What is slow the first time only. */
	nap_ms(WINDOW_MS);
	for (; n <= changes && !hung; n++)
		hung = !round_run(way, n, &failed);
	if (hung)
		way->stop();
	load_stop();
	if (!hung)
		way->stop();
	printf("%s\tchanged\tchanges\t%u\n", way->name, n - 1);
	printf("%s\tchanged\tfailed\t%u\n", way->name, failed);
	printf("%s\tchanged\thung\t%u\n", way->name, hung);
	load_report(way->name, "changed", 2);
	load_report(way->name, "quiet", 3);
}

static bool wanted(const struct way *way, int argc, char **argv)
{
	bool any = argc < 3;

	for (int i = 2; i < argc; i++)
		any |= !strcmp(argv[i], way->name);
	return any;
}

int main(int argc, char **argv)
{
	int changes = argc > 1 ? atoi(argv[1]) : 0;

	if (argc == 3 && !strcmp(argv[1], "ublk-server"))
		return ublk_server(argv[2]);
	if (argc == 2 && !strcmp(argv[1], "nbd-server"))
		return nbd_server();
	if (changes < 1 || changes > 400) {
		fprintf(stderr, "usage: ways CHANGES [WAY]... (at most 400 changes)\n");
		return 2;
	}
	setvbuf(stdout, NULL, _IOLBF, 0);
	for (size_t g = 0; g < sizeof(groups) / sizeof(*groups); g++)
		for (const struct way *way = groups[g]; way->name; way++)
			if (wanted(way, argc, argv))
				way_run(way, changes);
	return abi_failures ? 1 : 0;
}
