// SPDX-License-Identifier: GPL-2.0-or-later
/* A log as a database writes it: each record is appended, and durable before the next. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "tests/soak/soak.h"

#define RECORD_MAX	3000U
#define RECORDS		96U		/* in a log; then a new log begins */
#define CHECK_EVERY	24U

struct record {
	uint64_t sequence;
	uint32_t len;			/* of the whole record */
	uint32_t id;
};

static int file = -1;
static uint64_t sequence, first;	/* of the next record, and of this log's first */
static off_t end;

static void path_of(char path[256], const struct soak_worker *worker, uint64_t number)
{
	char name[32];

	snprintf(name, sizeof(name), "%llu", (unsigned long long)number);
	soak_path(path, 256, worker, name);
}

static void check_log(void)
{
	uint8_t got[RECORD_MAX], wanted[RECORD_MAX];
	uint64_t next = first;
	struct record record;
	off_t at = 0;

	soak_forget(file, "append");
	if (lseek(file, 0, SEEK_END) != end)
		soak_fail("append: the log has %lld bytes, not %lld",
			  (long long)lseek(file, 0, SEEK_END), (long long)end);
	for (; at < end; at += record.len) {
		soak_read(file, &record, sizeof(record), at, "append");
		if (record.sequence != next++ || record.len < sizeof(record) ||
		    record.len > RECORD_MAX)
			soak_fail("append: at %lld is record %llu of %u bytes, not record %llu",
				  (long long)at, (unsigned long long)record.sequence, record.len,
				  (unsigned long long)next - 1);
		soak_read(file, got, record.len, at, "append");
		soak_fill(wanted + sizeof(record), record.len - sizeof(record), record.id);
		if (memcmp(got + sizeof(record), wanted + sizeof(record),
			   record.len - sizeof(record)))
			soak_fail("append: record %llu has wrong bytes",
				  (unsigned long long)record.sequence);
	}
	if (next != sequence)
		soak_fail("append: the log ends with record %llu, not %llu",
			  (unsigned long long)next - 1, (unsigned long long)sequence - 1);
}

/* The new log is durable before the old log is removed. */
static void rotate(struct soak_worker *worker)
{
	char path[256], before[256];
	int dir, old = file;

	path_of(before, worker, first);
	path_of(path, worker, sequence);
	file = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	dir = open(worker->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (file < 0 || dir < 0)
		soak_fail("append: %s: %s", path, strerror(errno));
	soak_fsync(file, false, "append");
	soak_fsync(dir, false, "append");
	close(dir);
	if (old >= 0 && (close(old) || unlink(before)))
		soak_fail("append: %s: %s", before, strerror(errno));
	first = sequence;
	end = 0;
}

static void append_begin(struct soak_worker *worker)
{
	rotate(worker);
}

static void append_step(struct soak_worker *worker)
{
	uint8_t bytes[RECORD_MAX];
	struct record record = {
		.sequence = sequence,
		.len = sizeof(record) + soak_below(&worker->random, RECORD_MAX - sizeof(record)),
		.id = soak_below(&worker->random, ~0U),
	};

	memcpy(bytes, &record, sizeof(record));
	soak_fill(bytes + sizeof(record), record.len - sizeof(record), record.id);
	soak_write(file, bytes, record.len, end, "append");
	soak_fsync(file, soak_percent(&worker->random, 75), "append");
	end += record.len;
	sequence++;
	if (sequence - first == RECORDS) {
		check_log();
		rotate(worker);
	} else if (!(sequence % CHECK_EVERY)) {
		check_log();
	}
}

static void append_end(struct soak_worker *worker)
{
	check_log();
}

const struct soak_load_ops soak_append = {
	.kind = "append",
	.begin = append_begin,
	.step = append_step,
	.end = append_end,
};
