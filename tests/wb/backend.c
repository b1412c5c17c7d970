// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Backend "wb", for tests: "file" with a write-back cache in front of it. Written data stays in
 * memory until a flush, or until there is no room for more; reads look there first. Two generations
 * that serve at the same time, or a newcomer without the old daemon's memory, give wrong bytes.
 *
 * Environment, read at the open:
 *
 *	WB_BLOCKS	blocks of 4096 bytes that the cache can hold: 1 to 1024, 64 if not set
 *	WB_FAULT	export: the first export fails, after half of it; import: each import fails;
 *			forget: each import succeeds, and imports nothing; begin: the backend
 *			cannot begin without an import
 *
 * The daemons of main.c have it; no shipped program does.
 */
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "lib/dmuser.h"
#include "tests/wb/wb.h"

#define BLOCK		4096U
#define BLOCKS_MAX	1024U
#define MAGIC		0x6b636162657469ULL

/* A block that is in memory only; each block is in the cache once. */
struct dirty {
	uint64_t number;
	uint8_t *data;
};

enum fault { NO_FAULT, EXPORT_FAILS, IMPORT_FAILS, IMPORT_FORGETS, BEGIN_FAILS };

struct dmu_backend {
	struct dmu_backend *file;
	struct dmu_geometry geometry;
	enum fault fault;
	pthread_mutex_t lock;		/* guards the fields below, and the order of file I/O */
	struct dirty dirty[BLOCKS_MAX];	/* [0, count) are in use, oldest first */
	unsigned int count, max;
	bool flush_owed;		/* data was lost: the next flush must fail */
	uint8_t *memory;
};

/* The memfd for state: this header with the blocks' numbers, and from DATA_AT(0) on their bytes. */
struct state {
	uint64_t magic;
	uint32_t count, flush_owed;
	uint64_t numbers[];
};

#define DATA_AT(i)	(((uint64_t)(i) + 3) * BLOCK)
_Static_assert(sizeof(struct state) + BLOCKS_MAX * sizeof(uint64_t) <= 3 * BLOCK,
	       "the numbers fit");

/* ---- blocks; the caller holds the lock ---- */

static struct dirty *find(struct dmu_backend *wb, uint64_t number)
{
	unsigned int i;

	for (i = 0; i < wb->count; i++)
		if (wb->dirty[i].number == number)
			return &wb->dirty[i];
	return NULL;
}

static void drop(struct dmu_backend *wb, struct dirty *dirty)
{
	const struct dirty last = *dirty;

	memmove(dirty, dirty + 1, (size_t)(&wb->dirty[--wb->count] - dirty) * sizeof(*dirty));
	wb->dirty[wb->count] = last;	/* keeps its memory */
}

static int write_back(struct dmu_backend *wb, const struct dmu_call *call)
{
	struct dirty *oldest = &wb->dirty[0];
	int rc = dmu_backend_file.write(wb->file, call, oldest->data, BLOCK, oldest->number * BLOCK,
					false);

	if (!rc)
		drop(wb, oldest);
	return rc;
}

static int keep(struct dmu_backend *wb, const struct dmu_call *call, uint64_t number,
		const void *bytes)
{
	struct dirty *dirty = find(wb, number);
	int rc = 0;

	if (!dirty && wb->count == wb->max)
		rc = write_back(wb, call);
	if (rc)
		return rc;
	if (!dirty)
		dirty = &wb->dirty[wb->count++];
	dirty->number = number;
	memcpy(dirty->data, bytes, BLOCK);
	return 0;
}

/* ---- requests ---- */

static int wb_read(struct dmu_backend *wb, const struct dmu_call *call, void *buf, size_t len,
		   uint64_t offset)
{
	struct dirty *dirty;
	uint64_t at;
	int rc;

	pthread_mutex_lock(&wb->lock);
	rc = dmu_backend_file.read(wb->file, call, buf, len, offset);
	for (at = 0; !rc && at < len; at += BLOCK) {
		dirty = find(wb, (offset + at) / BLOCK);
		if (dirty)
			memcpy((char *)buf + at, dirty->data, BLOCK);
	}
	pthread_mutex_unlock(&wb->lock);
	return rc;
}

/* A durable write goes past memory, and makes the blocks in memory obsolete. */
static int write_through(struct dmu_backend *wb, const struct dmu_call *call, const void *buf,
			 size_t len, uint64_t offset)
{
	int rc = dmu_backend_file.write(wb->file, call, buf, len, offset, true);
	struct dirty *dirty;
	uint64_t at;

	for (at = 0; !rc && at < len; at += BLOCK) {
		dirty = find(wb, (offset + at) / BLOCK);
		if (dirty)
			drop(wb, dirty);
	}
	return rc;
}

static int wb_write(struct dmu_backend *wb, const struct dmu_call *call, const void *buf,
		    size_t len, uint64_t offset, bool fua)
{
	uint64_t at;
	int rc = 0;

	pthread_mutex_lock(&wb->lock);
	if (fua)
		rc = write_through(wb, call, buf, len, offset);
	for (at = 0; !fua && !rc && at < len; at += BLOCK)
		rc = keep(wb, call, (offset + at) / BLOCK, (const char *)buf + at);
	pthread_mutex_unlock(&wb->lock);
	return rc;
}

static int wb_flush(struct dmu_backend *wb, const struct dmu_call *call)
{
	int rc = 0;

	pthread_mutex_lock(&wb->lock);
	while (!rc && wb->count)
		rc = write_back(wb, call);
	if (!rc)
		rc = dmu_backend_file.flush(wb->file, call);
	if (!rc && wb->flush_owed) {
		wb->flush_owed = false;
		rc = -EIO;
	}
	pthread_mutex_unlock(&wb->lock);
	return rc;
}

/* ---- state; no request is in flight, so no other thread takes the lock ---- */

static uint64_t wb_state_max(const struct dmu_backend *wb)
{
	return DATA_AT(wb->max);
}

static int put(int room, const void *bytes, size_t len, uint64_t at)
{
	ssize_t n = pwrite(room, bytes, len, (off_t)at);

	return n == (ssize_t)len ? 0 : n < 0 ? -errno : -EIO;
}

static int get(int room, void *bytes, size_t len, uint64_t at)
{
	ssize_t n = pread(room, bytes, len, (off_t)at);

	return n == (ssize_t)len ? 0 : n < 0 ? -errno : -EIO;
}

static int wb_export_state(struct dmu_backend *wb, int room, uint64_t size)
{
	const struct state state = { MAGIC, wb->count, wb->flush_owed };
	unsigned int i;
	int rc;

	if (DATA_AT(wb->count) > size)
		return -EFBIG;
	rc = put(room, &state, sizeof(state), 0);
	for (i = 0; !rc && i < wb->count; i++) {
		if (wb->fault == EXPORT_FAILS && i == wb->count / 2)
			break;
		rc = put(room, &wb->dirty[i].number, sizeof(uint64_t),
			 sizeof(state) + i * sizeof(uint64_t));
		if (!rc)
			rc = put(room, wb->dirty[i].data, BLOCK, DATA_AT(i));
	}
	if (wb->fault == EXPORT_FAILS) {
		wb->fault = NO_FAULT;
		return -EIO;
	}
	if (!rc)
		dmu_log(DMU_LOG_NOTICE, "wb: exported=%u", wb->count);
	return rc;
}

static int import_block(struct dmu_backend *wb, int room, unsigned int i)
{
	struct dirty *dirty = &wb->dirty[i];
	uint64_t number;
	int rc;

	rc = get(room, &number, sizeof(number), sizeof(struct state) + i * sizeof(number));
	if (rc)
		return rc;
	if (number >= wb->geometry.size / BLOCK || find(wb, number))
		return -EPROTO;
	dirty->number = number;
	rc = get(room, dirty->data, BLOCK, DATA_AT(i));
	if (!rc)
		wb->count++;
	return rc;
}

static int import_state(struct dmu_backend *wb, int room, uint64_t size)
{
	struct state state;
	unsigned int i;
	int rc;

	if (wb->fault == IMPORT_FAILS)
		return -EIO;
	if (wb->fault == IMPORT_FORGETS)
		return 0;
	rc = get(room, &state, sizeof(state), 0);
	if (rc)
		return rc;
	if (state.magic != MAGIC || state.count > wb->max || DATA_AT(state.count) > size ||
	    state.flush_owed > 1)
		return -EPROTO;
	for (i = 0; !rc && i < state.count; i++)
		rc = import_block(wb, room, i);
	wb->flush_owed = state.flush_owed;
	if (!rc)
		dmu_log(DMU_LOG_NOTICE, "wb: imported=%u", wb->count);
	return rc;
}

static int wb_begin(struct dmu_backend *wb, enum dmu_begin how, int room, uint64_t size)
{
	if (how == DMU_BEGIN_IMPORT)
		return import_state(wb, room, size);
	if (wb->fault == BEGIN_FAILS)
		return -ENODATA;
	wb->flush_owed = how == DMU_BEGIN_LOST;
	if (wb->flush_owed)
		dmu_log(DMU_LOG_WARNING, "wb: writes that were not flushed may be lost: the next "
			"flush fails");
	return 0;
}

/* ---- open ---- */

static int read_environment(struct dmu_backend *wb, char *error, size_t len)
{
	static const char *const faults[] = { "", "export", "import", "forget", "begin" };
	const char *blocks = getenv("WB_BLOCKS"), *fault = getenv("WB_FAULT");
	unsigned int i;

	wb->max = blocks ? (unsigned int)atoi(blocks) : 64;
	if (!wb->max || wb->max > BLOCKS_MAX) {
		snprintf(error, len, "wb: WB_BLOCKS: '%s' is not a number from 1 to %u", blocks,
			 BLOCKS_MAX);
		return -EINVAL;
	}
	for (i = 0; fault && i < sizeof(faults) / sizeof(faults[0]); i++)
		if (!strcmp(fault, faults[i])) {
			wb->fault = i;
			return 0;
		}
	if (fault)
		snprintf(error, len, "wb: WB_FAULT: '%s' is no fault", fault);
	return fault ? -EINVAL : 0;
}

/* Allocate all memory before it is locked. */
static int make_memory(struct dmu_backend *wb)
{
	unsigned int i;

	wb->memory = calloc(wb->max, BLOCK);
	if (!wb->memory)
		return -ENOMEM;
	for (i = 0; i < wb->max; i++)
		wb->dirty[i].data = wb->memory + (size_t)i * BLOCK;
	return 0;
}

static void wb_close(struct dmu_backend *wb)
{
	dmu_backend_file.close(wb->file);
	pthread_mutex_destroy(&wb->lock);
	free(wb->memory);
	free(wb);
}

static int wb_open(struct dmu_backend **backend, const struct dmu_spec *spec, enum dmu_use use,
		   char *error, size_t len)
{
	struct dmu_backend *wb = calloc(1, sizeof(*wb));
	int rc;

	snprintf(error, len, "wb: out of memory");
	if (!wb)
		return -ENOMEM;
	rc = read_environment(wb, error, len);
	if (!rc)
		rc = make_memory(wb);
	if (!rc)
		rc = dmu_backend_file.open(&wb->file, spec, use, error, len);
	if (rc) {
		free(wb->memory);
		free(wb);
		return rc;
	}
	pthread_mutex_init(&wb->lock, NULL);
	dmu_backend_file.geometry(wb->file, &wb->geometry);
	wb->geometry.logical_block_size = BLOCK;
	wb->geometry.physical_block_size = BLOCK;
	wb->geometry.alignment = BLOCK;
	*backend = wb;
	if (wb->geometry.size % BLOCK) {
		snprintf(error, len, "wb: '%s' is not whole blocks of %u bytes", spec->source,
			 BLOCK);
		wb_close(wb);
		return -EINVAL;
	}
	return 0;
}

static void wb_geometry(const struct dmu_backend *wb, struct dmu_geometry *geometry)
{
	*geometry = wb->geometry;
}

static int wb_fds(const struct dmu_backend *wb, int *fds, int max)
{
	return dmu_backend_file.fds(wb->file, fds, max);
}

static int wb_identity(const struct dmu_backend *wb, char *text, size_t len)
{
	return dmu_backend_file.identity(wb->file, text, len);
}

static void wb_sources(const struct dmu_spec *spec,
		       void (*each)(enum dmu_path kind, const char *path, void *arg), void *arg)
{
	dmu_backend_file.sources(spec, each, arg);
}

static const struct dmu_syscall wb_syscalls[] = {
	{ SYS_pwrite64, { { 0 } } },
	{ SYS_fdatasync, { { 0 } } },
};

const struct dmu_backend_ops wb_backend = {
	.abi = DMU_ABI,
	.name = "wb",
	.help = "wb:PATH  a file or block device behind a write-back cache, for tests",
	.sources = wb_sources,
	.open = wb_open,
	.close = wb_close,
	.geometry = wb_geometry,
	.read = wb_read,
	.write = wb_write,
	.flush = wb_flush,
	.fds = wb_fds,
	.syscalls = wb_syscalls,
	.syscall_count = sizeof(wb_syscalls) / sizeof(wb_syscalls[0]),
	.identity = wb_identity,
	.state_max = wb_state_max,
	.export_state = wb_export_state,
	.begin = wb_begin,
};
