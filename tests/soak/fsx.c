// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * One file, written, read, mapped, cut and punched at random, through the page cache and past it.
 * A copy of it in memory has the expected content. Apple's fsx does the same.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "tests/soak/soak.h"

#define SIZE_MAX_BYTES	(512 << 10)
#define RUN_MAX		(32 << 10)
#define ALIGN		4096U

static uint8_t *model, *buf;
static size_t size;
static int file, direct;			/* of the same file */
static bool cannot_punch;
static uint64_t version;

static void compare(const uint8_t *bytes, size_t at, size_t len, const char *how)
{
	size_t i;

	if (!memcmp(bytes, model + at, len))
		return;
	for (i = 0; bytes[i] == model[at + i]; i++)
		;
	soak_fail("fsx: wrong byte at %zu, %s of %zu at %zu: 0x%02x, not 0x%02x; size %zu", at + i,
		  how, len, at, bytes[i], model[at + i], size);
}

/* Choose a place for up to RUN_MAX bytes below @below, in units of @unit. False: there is none. */
static bool place(struct soak_random *random, size_t below, size_t unit, size_t *at, size_t *len)
{
	if (below < unit)
		return false;
	*at = soak_below(random, below / unit) * unit;
	*len = (1 + soak_below(random, RUN_MAX / unit)) * unit;
	if (*len > below - *at)
		*len = (below - *at) / unit * unit;
	return true;
}

static void write_some(struct soak_random *random, int fd, size_t unit)
{
	size_t at, len;

	if (!place(random, SIZE_MAX_BYTES, unit, &at, &len))
		return;
	soak_fill(buf, len, ++version);
	soak_write(fd, buf, len, at, "fsx");
	memcpy(model + at, buf, len);
	if (at + len > size)
		size = at + len;
}

static void read_some(struct soak_random *random, int fd, size_t unit, const char *how)
{
	size_t at, len;

	if (!place(random, size, unit, &at, &len))
		return;
	soak_read(fd, buf, len, at, "fsx");
	compare(buf, at, len, how);
}

static void map_some(struct soak_random *random, bool writes)
{
	size_t at, len, page;
	uint8_t *map;

	if (!place(random, size, 1, &at, &len))
		return;
	page = at / ALIGN * ALIGN;
	map = mmap(NULL, at - page + len, PROT_READ | (writes ? PROT_WRITE : 0), MAP_SHARED, file,
		   page);
	if (map == MAP_FAILED)
		soak_fail("fsx: mmap: %s", strerror(errno));
	compare(map + at - page, at, len, "mapped read");
	if (writes) {
		soak_fill(buf, len, ++version);
		memcpy(map + at - page, buf, len);
		memcpy(model + at, buf, len);
		if (soak_percent(random, 30) && msync(map, at - page + len, MS_SYNC))
			soak_fail("fsx: msync: %s", strerror(errno));
	}
	munmap(map, at - page + len);
}

static void cut(struct soak_random *random)
{
	size_t to = soak_below(random, SIZE_MAX_BYTES);

	if (ftruncate(file, to))
		soak_fail("fsx: truncate: %s", strerror(errno));
	/* Bytes beyond the end are zero when the file grows again. */
	if (to < size)
		memset(model + to, 0, size - to);
	size = to;
}

static void punch(struct soak_random *random)
{
	size_t at, len;

	if (cannot_punch || !place(random, size, 1, &at, &len))
		return;
	if (!fallocate(file, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, at, len))
		memset(model + at, 0, len);
	else if (errno == EOPNOTSUPP)
		cannot_punch = true;
	else
		soak_fail("fsx: punch: %s", strerror(errno));
}

static void check_all(const char *how)
{
	off_t end = lseek(file, 0, SEEK_END);

	if (end != (off_t)size)
		soak_fail("fsx: the file has %lld bytes, not %zu", (long long)end, size);
	for (size_t at = 0; at < size; at += RUN_MAX) {
		size_t len = size - at < RUN_MAX ? size - at : RUN_MAX;

		soak_read(file, buf, len, at, "fsx");
		compare(buf, at, len, how);
	}
}

static void fsx_begin(struct soak_worker *worker)
{
	char path[256];

	soak_path(path, sizeof(path), worker, "");
	model = calloc(1, SIZE_MAX_BYTES);
	buf = aligned_alloc(ALIGN, RUN_MAX);
	file = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	direct = open(path, O_RDWR | O_DIRECT | O_CLOEXEC);
	if (!model || !buf || file < 0 || direct < 0)
		soak_fail("%s: %s", path, strerror(errno));
}

static void fsx_step(struct soak_worker *worker)
{
	struct soak_random *random = &worker->random;
	unsigned int what = soak_below(random, 100);

	if (what < 20) {
		write_some(random, file, 1);
	} else if (what < 35) {
		write_some(random, direct, ALIGN);
	} else if (what < 50) {
		read_some(random, file, 1, "read");
	} else if (what < 65) {
		read_some(random, direct, ALIGN, "direct read");
	} else if (what < 75) {
		map_some(random, true);
	} else if (what < 80) {
		map_some(random, false);
	} else if (what < 84) {
		cut(random);
	} else if (what < 88) {
		punch(random);
	} else if (what < 96) {
		soak_fsync(file, soak_percent(random, 50), "fsx");
	} else {
		soak_forget(file, "fsx");
		check_all("read from the device");
	}
}

static void fsx_end(struct soak_worker *worker)
{
	soak_forget(file, "fsx");
	check_all("last read");
}

const struct soak_load_ops soak_fsx = {
	.kind = "fsx",
	.begin = fsx_begin,
	.step = fsx_step,
	.end = fsx_end,
};
