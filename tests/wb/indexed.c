// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Backend "indexed", for tests: a store that never writes in place. Each write goes to a free slot,
 * then the block's entry in the index at the start of the store names the slot. The index is read
 * at open and at begin, so a generation that begins with an old index gives wrong bytes. Nothing is
 * in memory only, so no death loses anything.
 *
 * Environment, read at the open: INDEXED_FAULT=stale: begin does not read the index anew.
 */
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>

#include "lib/dmuser.h"
#include "tests/wb/wb.h"

#define BLOCK		4096U
#define SPARE		64U	/* slots that no block has; more than threads that write */
#define ENTRIES		(BLOCK / sizeof(uint32_t))	/* of the index, in one of its blocks */

struct dmu_backend {
	struct dmu_backend *file;
	bool stale;
	uint64_t blocks, index_blocks, slots;
	pthread_mutex_t lock;		/* guards the fields below, and writes of the index */
	uint32_t *index;		/* of each block, its slot + 1; 0: never written */
	uint8_t *used;			/* of each slot */
	uint64_t next;			/* where the search for a free slot begins */
};

static uint64_t slot_at(const struct dmu_backend *indexed, uint64_t slot)
{
	return (indexed->index_blocks + slot) * BLOCK;
}

/* ---- the index; the caller holds the lock, or is alone ---- */

static int index_read(struct dmu_backend *indexed)
{
	const struct dmu_call call = { .self_test = false };
	uint64_t i;
	int rc = dmu_backend_file.read(indexed->file, &call, indexed->index,
				       indexed->index_blocks * BLOCK, 0);

	memset(indexed->used, 0, indexed->slots);
	for (i = 0; !rc && i < indexed->blocks; i++) {
		if (indexed->index[i] > indexed->slots)
			return -EUCLEAN;
		if (indexed->index[i])
			indexed->used[indexed->index[i] - 1] = 1;
	}
	return rc;
}

static uint32_t take_slot(struct dmu_backend *indexed)
{
	while (indexed->used[indexed->next])
		indexed->next = (indexed->next + 1) % indexed->slots;
	indexed->used[indexed->next] = 1;
	return (uint32_t)indexed->next;
}

static int name_slot(struct dmu_backend *indexed, const struct dmu_call *call, uint64_t block,
		     uint32_t slot)
{
	const uint32_t old = indexed->index[block];
	const uint64_t at = block / ENTRIES * ENTRIES;
	int rc;

	indexed->index[block] = slot + 1;
	rc = dmu_backend_file.write(indexed->file, call, &indexed->index[at], BLOCK,
				    at * sizeof(uint32_t), false);
	if (rc)
		indexed->index[block] = old;
	else if (old)
		indexed->used[old - 1] = 0;
	return rc;
}

/* ---- requests ---- */

static int indexed_read(struct dmu_backend *indexed, const struct dmu_call *call, void *buf,
			size_t len, uint64_t offset)
{
	uint32_t entry;
	uint64_t at;
	int rc = 0;

	pthread_mutex_lock(&indexed->lock);
	for (at = 0; !rc && at < len; at += BLOCK) {
		entry = indexed->index[(offset + at) / BLOCK];
		if (entry)
			rc = dmu_backend_file.read(indexed->file, call, (char *)buf + at, BLOCK,
						   slot_at(indexed, entry - 1));
		else
			memset((char *)buf + at, 0, BLOCK);
	}
	pthread_mutex_unlock(&indexed->lock);
	return rc;
}

static int indexed_flush(struct dmu_backend *indexed, const struct dmu_call *call)
{
	return dmu_backend_file.flush(indexed->file, call);
}

static int indexed_write(struct dmu_backend *indexed, const struct dmu_call *call,
			 const void *buf, size_t len, uint64_t offset, bool fua)
{
	uint32_t slot;
	uint64_t at;
	int rc = 0;

	pthread_mutex_lock(&indexed->lock);
	for (at = 0; !rc && at < len; at += BLOCK) {
		slot = take_slot(indexed);
		rc = dmu_backend_file.write(indexed->file, call, (const char *)buf + at, BLOCK,
					    slot_at(indexed, slot), false);
		if (!rc)
			rc = name_slot(indexed, call, (offset + at) / BLOCK, slot);
		if (rc)
			indexed->used[slot] = 0;
	}
	pthread_mutex_unlock(&indexed->lock);
	return rc || !fua ? rc : indexed_flush(indexed, call);
}

static int indexed_begin(struct dmu_backend *indexed, enum dmu_begin how, int room, uint64_t size)
{
	static const char *const words[] = {
		[DMU_BEGIN_FIRST] = "first", [DMU_BEGIN_IMPORT] = "import",
		[DMU_BEGIN_LOST] = "lost",
	};

	if (room >= 0 || size)
		return -EPROTO;
	dmu_log(DMU_LOG_NOTICE, "indexed: begin=%s", words[how]);
	return indexed->stale ? 0 : index_read(indexed);
}

/* ---- open ---- */

static void indexed_close(struct dmu_backend *indexed)
{
	dmu_backend_file.close(indexed->file);
	pthread_mutex_destroy(&indexed->lock);
	free(indexed->index);
	free(indexed->used);
	free(indexed);
}

/* Share the store out. All memory is allocated before it is locked. */
static int measure(struct dmu_backend *indexed)
{
	struct dmu_geometry geometry;

	dmu_backend_file.geometry(indexed->file, &geometry);
	if (geometry.size / BLOCK < 2 * SPARE)
		return -ENOSPC;
	indexed->index_blocks = (geometry.size / BLOCK + ENTRIES - 1) / ENTRIES;
	indexed->slots = geometry.size / BLOCK - indexed->index_blocks;
	indexed->blocks = indexed->slots - SPARE;
	if (posix_memalign((void **)&indexed->index, BLOCK, indexed->index_blocks * BLOCK))
		return -ENOMEM;
	indexed->used = malloc(indexed->slots);
	return indexed->used ? 0 : -ENOMEM;
}

static int indexed_open(struct dmu_backend **backend, const struct dmu_spec *spec,
			enum dmu_use use, char *error, size_t len)
{
	struct dmu_backend *indexed = calloc(1, sizeof(*indexed));
	const char *fault = getenv("INDEXED_FAULT");
	int rc;

	snprintf(error, len, "indexed: out of memory");
	if (!indexed)
		return -ENOMEM;
	indexed->stale = fault && !strcmp(fault, "stale");
	rc = dmu_backend_file.open(&indexed->file, spec, use, error, len);
	if (rc) {
		free(indexed);
		return rc;
	}
	pthread_mutex_init(&indexed->lock, NULL);
	rc = measure(indexed);
	if (!rc)
		rc = index_read(indexed);
	if (rc) {
		snprintf(error, len, "indexed: '%s': %s", spec->source, strerror(-rc));
		indexed_close(indexed);
		return rc;
	}
	*backend = indexed;
	return 0;
}

static void indexed_geometry(const struct dmu_backend *indexed, struct dmu_geometry *geometry)
{
	*geometry = (struct dmu_geometry){
		.size = indexed->blocks * BLOCK, .logical_block_size = BLOCK,
		.physical_block_size = BLOCK, .alignment = BLOCK,
	};
}

static int indexed_fds(const struct dmu_backend *indexed, int *fds, int max)
{
	return dmu_backend_file.fds(indexed->file, fds, max);
}

static int indexed_identity(const struct dmu_backend *indexed, char *text, size_t len)
{
	return dmu_backend_file.identity(indexed->file, text, len);
}

static void indexed_sources(const struct dmu_spec *spec,
			    void (*each)(enum dmu_path kind, const char *path, void *arg),
			    void *arg)
{
	dmu_backend_file.sources(spec, each, arg);
}

static const struct dmu_syscall indexed_syscalls[] = {
	{ SYS_pwrite64, { { 0 } } },
	{ SYS_fdatasync, { { 0 } } },
};

const struct dmu_backend_ops indexed_backend = {
	.abi = DMU_ABI,
	.name = "indexed",
	.help = "indexed:PATH  blocks in any order behind an index, for tests",
	.sources = indexed_sources,
	.open = indexed_open,
	.close = indexed_close,
	.geometry = indexed_geometry,
	.read = indexed_read,
	.write = indexed_write,
	.flush = indexed_flush,
	.fds = indexed_fds,
	.syscalls = indexed_syscalls,
	.syscall_count = sizeof(indexed_syscalls) / sizeof(indexed_syscalls[0]),
	.identity = indexed_identity,
	.begin = indexed_begin,
};
