// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * replay -l LOG [-e EVENTS] [-s MIB] [-m MARK -x IMAGE]: apply the log of a dm-log-writes device
 * to an empty disk in memory, up to each mark of `flushes`, and check that every block that was
 * durable before the mark has that version or a newer one. The log has a write only after a
 * flush below it, or if the write had FUA: a block that was only in a cache is missing. Exit
 * status 0: nothing is missing; 3: a block is missing; 1: another failure.
 *
 * With -m and -x: save the disk as it is at the first mark with that text to IMAGE, and end.
 *
 * The log's format (Documentation/admin-guide/device-mapper/log-writes.rst and
 * drivers/md/dm-log-writes.c, Linux 6.1): little-endian; sector 0 has a superblock; then come
 * entries. An entry is a sector that begins with an entry header, with the text of a mark behind
 * it; the written sectors follow, except for discards, which have none. The superblock has the
 * size of sectors.
 */
#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "events.h"
#include "stamp.h"

#define LOG_MAGIC	0x6a736677736872ULL
#define LOG_VERSION	1
#define LOG_DISCARD	(1 << 2)
#define LOG_MARK	(1 << 3)
#define EXIT_MISSING	3
#define SHOWN_MAX	10

struct log_super {
	uint64_t magic, version, entries;
	uint32_t sector_size;
};

struct log_entry {
	uint64_t sector, sectors, flags, data_len;
};

struct block {
	uint32_t durable;	/* the version that it must have, or a newer one */
	bool changed;		/* since the last mark */
};

static int log_fd;
static off_t log_at;
static uint32_t sector_size;
static uint8_t *disk;
static uint64_t disk_size;
static struct block *blocks;
static uint32_t *changed;	/* numbers of changed blocks */
static uint32_t changed_count;
static FILE *events;
static uint64_t checked, missing, marks, writes;

__attribute__((noreturn)) static void die(const char *what)
{
	printf("replay: %s\n", what);
	exit(1);
}

static void log_read(void *buf, size_t len)
{
	if (pread(log_fd, buf, len, log_at) != (ssize_t)len)
		die("the log cannot be read, or ends early");
	log_at += len;
}

static void touch(uint64_t number)
{
	if (number >= disk_size / STAMP_BLOCK || blocks[number].changed)
		return;
	blocks[number].changed = true;
	changed[changed_count++] = number;
}

static void apply(const struct log_entry *entry)
{
	uint64_t at = le64toh(entry->sector) * sector_size;
	uint64_t len = le64toh(entry->sectors) * sector_size;

	if (at > disk_size || len > disk_size - at)
		die("a write beyond the end of the disk");
	if (le64toh(entry->flags) & LOG_DISCARD)
		memset(disk + at, 0, len);
	else if (len)
		log_read(disk + at, len);
	writes += len > 0;
	for (uint64_t i = at / STAMP_BLOCK; i * STAMP_BLOCK < at + len; i++)
		touch(i);
}

static void check_block(uint32_t number, uint32_t mark)
{
	struct stamp stamp;

	checked++;
	stamp_get(disk + (uint64_t)number * STAMP_BLOCK, number, &stamp);
	if (stamp.oldest >= blocks[number].durable && !stamp.wrong)
		return;
	if (missing++ < SHOWN_MAX)
		printf("missing: block %u at mark %u: version %u was durable, %u to %u is there "
		       "(%u foreign words)\n", number, mark, blocks[number].durable, stamp.oldest,
		       stamp.newest, stamp.wrong);
}

/* Only blocks that changed since the previous mark can be wrong now. */
static void check_mark(uint32_t number)
{
	struct event event;

	while (fread(&event, sizeof(event), 1, events) == 1 && event.block != EVENT_MARK) {
		if (event.block >= disk_size / STAMP_BLOCK)
			die("an event beyond the end of the disk");
		if (event.value > blocks[event.block].durable)
			blocks[event.block].durable = event.value;
		touch(event.block);
	}
	if (event.block != EVENT_MARK || event.value != number)
		die("marks and events do not match");
	for (uint32_t i = 0; i < changed_count; i++) {
		check_block(changed[i], number);
		blocks[changed[i]].changed = false;
	}
	changed_count = 0;
	marks++;
}

static void save(const char *image)
{
	int fd = open(image, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	for (uint64_t at = 0; at < disk_size; at += 1 << 20)
		if (fd < 0 || write(fd, disk + at, 1 << 20) != 1 << 20)
			die("the image cannot be written");
	close(fd);
	exit(0);
}

static void replay(uint64_t entries, const char *wanted, const char *image)
{
	uint8_t *sector = malloc(sector_size + 1);
	struct log_entry entry;

	if (!sector)
		die("no memory");
	while (entries--) {
		char *text = (char *)sector + sizeof(entry);

		log_read(sector, sector_size);
		sector[sector_size] = '\0';
		memcpy(&entry, sector, sizeof(entry));
		if (!(le64toh(entry.flags) & LOG_MARK)) {
			apply(&entry);
			continue;
		}
		if (image && !strcmp(text, wanted))
			save(image);
		if (events && !strncmp(text, EVENT_MARK_PREFIX, strlen(EVENT_MARK_PREFIX)))
			check_mark(strtoul(text + strlen(EVENT_MARK_PREFIX), NULL, 10));
	}
	if (image)
		die("there is no such mark");
}

int main(int argc, char **argv)
{
	const char *log = NULL, *path = NULL, *mark = "", *image = NULL;
	struct log_super super;
	struct event event;
	int option;

	disk_size = 4 << 20;
	while ((option = getopt(argc, argv, "l:e:s:m:x:")) != -1) {
		switch (option) {
		case 'l':
			log = optarg;
			break;
		case 'e':
			path = optarg;
			break;
		case 's':
			disk_size = strtoull(optarg, NULL, 10) << 20;
			break;
		case 'm':
			mark = optarg;
			break;
		case 'x':
			image = optarg;
			break;
		default:
			return 1;
		}
	}
	if (!log || !disk_size || (!path && !image))
		die("options are missing");
	log_fd = open(log, O_RDONLY | O_CLOEXEC);
	events = path ? fopen(path, "re") : NULL;
	disk = calloc(1, disk_size);
	blocks = calloc(disk_size / STAMP_BLOCK, sizeof(*blocks));
	changed = calloc(disk_size / STAMP_BLOCK, sizeof(*changed));
	if (log_fd < 0 || (path && !events) || !disk || !blocks || !changed)
		die(strerror(errno));
	log_read(&super, sizeof(super));
	sector_size = le32toh(super.sector_size);
	if (le64toh(super.magic) != LOG_MAGIC || le64toh(super.version) != LOG_VERSION ||
	    sector_size < 512 || sector_size > 4096)
		die("this is no log of dm-log-writes");
	log_at = sector_size;
	replay(le64toh(super.entries), mark, image);
	if (fread(&event, sizeof(event), 1, events) == 1)
		die("the log has fewer marks than there were");
	printf("replay: %llu marks, %llu writes, %llu blocks checked, %llu missing\n",
	       (unsigned long long)marks, (unsigned long long)writes, (unsigned long long)checked,
	       (unsigned long long)missing);
	return missing ? EXIT_MISSING : 0;
}
