// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * peers ROUNDS TIMES [NAME]...: what an I/O of each load costs on each peer, or on and of those
 * that are named. A batch is TIMES as many I/Os as the load says. Each round begins with another
 * peer. Prints lines `round TAB peer TAB load TAB batch TAB ns TAB switches`, the last two per I/O,
 * and before them lines `# peer TAB NAME TAB WHAT` and `# load TAB NAME TAB WHAT`. For peers that
 * lie on their store in parts, also lines `# memory TAB NAME TAB PARTS TAB BYTES`, and lines with
 * the load `map`: the ns to set one extent.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/bench/peers/peers.h"

#define BATCHES		2
#define MAX		64	/* peers, and loads */

static const struct peer *chosen_peers[MAX];
static const struct load *chosen_loads[MAX];
static unsigned int peer_count, load_count;

static bool is_among(const char *name, char *const *names)
{
	for (; *names; names++)
		if (!strcmp(*names, name))
			return true;
	return false;
}

/* Choose the peers that are among @names, or all if there is none; likewise the loads. */
static void choose(char *const *names)
{
	unsigned int count = 0, i;

	while (names[count])
		count++;
	for (i = 0; peers[i].name; i++)
		if (is_among(peers[i].name, names))
			chosen_peers[peer_count++] = &peers[i];
	for (i = 0; loads[i].name; i++)
		if (is_among(loads[i].name, names))
			chosen_loads[load_count++] = &loads[i];
	NEED(peer_count + load_count == count, "names of peers or loads, each once");
	if (!peer_count)
		for (; peers[peer_count].name; peer_count++)
			chosen_peers[peer_count] = &peers[peer_count];
	if (!load_count)
		for (; loads[load_count].name; load_count++)
			chosen_loads[load_count] = &loads[load_count];
}

/* What is compared is not schedulers, nor the merging of neighbours: an I/O is a request. */
static void queue_set(const char *device, const char *attribute, const char *value)
{
	char path[PATH_MAX], *real = realpath(device, NULL);
	int fd;

	NEED(real, "%s", device);
	snprintf(path, sizeof(path), "/sys/block/%s/queue/%s", strrchr(real, '/') + 1, attribute);
	free(real);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	/* A device without a queue of requests has no scheduler. */
	if (fd < 0 && errno == ENOENT)
		return;
	NEED(fd >= 0, "open %s: %s", path, strerror(errno));
	NEED(write(fd, value, strlen(value)) > 0, "%s: %s", path, value);
	close(fd);
}

static void report_parts(unsigned int round, const struct peer *peer)
{
	const struct parts_cost *cost = parts_last_cost();

	if (round == 1)
		printf("# memory\t%s\t%u\t%llu\n", peer->name, peer->parts,
		       (unsigned long long)cost->bytes);
	if (cost->ns)
		printf("%u\t%s\tmap\t1\t%.1f\t%.3f\n", round, peer->name, cost->ns, 0.0);
}

static void measure(unsigned int round, const struct peer *peer, unsigned int times)
{
	struct batch batches[BATCHES];

	peer->start(peer);
	if (peer->parts)
		report_parts(round, peer);
	queue_set(peer->device, "scheduler", "none");
	queue_set(peer->device, "nomerges", "2");
	load_cache(peer->device);
	for (unsigned int i = 0; i < load_count; i++) {
		const struct load *load = chosen_loads[i];

		load_batches(peer->device, load, load->ios * times, batches, BATCHES);
		for (unsigned int j = 0; j < BATCHES; j++)
			printf("%u\t%s\t%s\t%u\t%.1f\t%.3f\n", round, peer->name, load->name,
			       j + 1, batches[j].ns, batches[j].switches);
	}
	peer->stop();
}

int main(int argc, char **argv)
{
	int rounds = argc > 2 ? atoi(argv[1]) : 0, times = argc > 2 ? atoi(argv[2]) : 0;

	server_main(argc, argv);
	if (rounds < 1 || times < 1) {
		fprintf(stderr, "usage: peers ROUNDS TIMES [NAME]...\n");
		return 2;
	}
	setvbuf(stdout, NULL, _IOLBF, 0);
	choose(argv + 3);
	for (unsigned int i = 0; i < peer_count; i++)
		printf("# peer\t%s\t%s\n", chosen_peers[i]->name, chosen_peers[i]->what);
	for (unsigned int i = 0; i < load_count; i++)
		printf("# load\t%s\t%s\n", chosen_loads[i]->name, chosen_loads[i]->what);
	for (int round = 0; round < rounds; round++)
		for (unsigned int i = 0; i < peer_count; i++)
			measure(round + 1, chosen_peers[(round + i) % peer_count], times);
	return 0;
}
