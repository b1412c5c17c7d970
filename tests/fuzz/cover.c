// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Coverage by KCOV, of the module alone: nothing else is built with KCOV_INSTRUMENT=y. An edge is a
 * pair of consecutive places and the kind of the operation that reached them. So the same code
 * reached by another kind of operation counts as new.
 */
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <linux/kcov.h>

#include "fuzz.h"

#define COVER_WORDS	(1 << 16)
#define EDGE_BITS	18
#define PC_BITS		16

static uint8_t edges[1 << EDGE_BITS];
static uint8_t pcs[1 << PC_BITS];
static unsigned int edge_count, pc_count;
static uint64_t module_base;

static void find_module(void)
{
	FILE *in = fopen("/sys/module/dm_user/sections/.text", "r");

	if (!in)
		return;
	if (fscanf(in, "%" SCNx64, &module_base) != 1)
		module_base = 0;
	fclose(in);
}

bool fz_cover_present(void)
{
	return fz_threads[0].cover;
}

void fz_cover_thread(struct fz_thread *t)
{
	void *map;
	int fd;

	if (!module_base)
		find_module();
	fd = open("/sys/kernel/debug/kcov", O_RDWR | O_CLOEXEC);
	if (fd < 0)
		return;
	if (!ioctl(fd, KCOV_INIT_TRACE, COVER_WORDS)) {
		map = mmap(NULL, COVER_WORDS * sizeof(uint64_t), PROT_READ | PROT_WRITE,
			   MAP_SHARED, fd, 0);
		if (map != MAP_FAILED && !ioctl(fd, KCOV_ENABLE, KCOV_TRACE_PC))
			t->cover = map;
	}
	/* The descriptor stays open: closing it would end the tracing. */
}

void fz_cover_mark(struct fz_thread *t, unsigned int kind)
{
	if (t->cover)
		t->marks[t->mark_count++] = kind << 24 |
					    __atomic_load_n(&t->cover[0], __ATOMIC_RELAXED);
}

static bool note(uint8_t *seen, uint64_t at, unsigned int *count)
{
	if (seen[at])
		return false;
	seen[at] = 1;
	++*count;
	return true;
}

unsigned int fz_cover_collect(struct fz_thread *t)
{
	unsigned int mark = 0, fresh = 0, kind = 0;
	uint64_t count, before = 0;

	if (!t->cover)
		return 0;
	count = __atomic_load_n(&t->cover[0], __ATOMIC_RELAXED);
	for (uint64_t i = 0; i < count; i++) {
		uint64_t pc = t->cover[i + 1] - module_base;

		while (mark < t->mark_count && (t->marks[mark] & 0xffffff) <= i) {
			kind = t->marks[mark++] >> 24;
			before = 0;
		}
		note(pcs, fz_mix(pc) >> (64 - PC_BITS), &pc_count);
		fresh += note(edges, fz_mix(before * 3 + pc + ((uint64_t)kind << 32)) >>
				     (64 - EDGE_BITS), &edge_count);
		before = pc;
	}
	__atomic_store_n(&t->cover[0], 0, __ATOMIC_RELAXED);
	t->mark_count = 0;
	return fresh;
}

unsigned int fz_cover_pcs(void)
{
	return pc_count;
}

unsigned int fz_cover_edges(void)
{
	return edge_count;
}
