// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * ways CHANGES [WAY]...: for each way, or for these, run a load and change the server CHANGES
 * times. After each change, the same load runs for the same time without a change: a drift affects
 * both alike. Print the lines of load_report(), a line `change` with the time that each change
 * took, and comments.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/bench/ways/ways.h"

#define WINDOW_MS	250	/* the least; the window of a longer change ends with it */
#define QUIET_MS	1000	/* the most; otherwise as long as the window with the change */
#define PATIENCE_MS	30000	/* until a stall ends */

static const struct way *const groups[] = { ways_dm_user, ways_table, ways_ublk, ways_nbd };

/* The windows are 2n, with the change, and 2n + 1, without. False: I/O hangs, end this way. */
static bool round_run(const struct way *way, unsigned int n, unsigned int *failed)
{
	uint64_t begin = now_ns(), took;
	bool calm;
	int err;

	load_window(2 * n);
	err = way->change(n);
	printf("%s\tchanged\tchange\t%llu\n", way->name,
	       (unsigned long long)(now_ns() - begin));
	if (err) {
		printf("# %s: change %u: %s\n", way->name, n, strerror(-err));
		(*failed)++;
	}
	took = (now_ns() - begin) / 1000000;
	if (took < WINDOW_MS)
		nap_ms(WINDOW_MS - took);
	/* A stall may outlast the change: the window lasts until no I/O is late. */
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

/* True if no change failed. */
static bool way_run(const struct way *way, unsigned int changes)
{
	unsigned int n = 1, failed = 0, hung = 0;

	printf("# %s: %s\n", way->name, way->what);
	way->start();
	load_start(way->device);
	/* Some I/O is slow the first time only. */
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
	return !failed && !hung;
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
	bool whole = true;

	server_main(argc, argv);
	if (changes < 1 || changes > 400) {
		fprintf(stderr, "usage: ways CHANGES [WAY]... (at most 400 changes)\n");
		return 2;
	}
	setvbuf(stdout, NULL, _IOLBF, 0);
	for (size_t g = 0; g < sizeof(groups) / sizeof(*groups); g++)
		for (const struct way *way = groups[g]; way->name; way++)
			if (wanted(way, argc, argv))
				whole &= way_run(way, changes);
	return whole && !abi_failures ? 0 : 1;
}
