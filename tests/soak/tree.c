// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Names are made, linked, moved and removed, in directories that come and go; a model in memory has
 * the expected state. Now and then the kernel drops its caches of every file system: names and
 * inodes, too, must come from the device.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/soak/soak.h"

#define DIRS		8
#define NAMES		8		/* in each directory */
#define SLOTS		(DIRS * NAMES)
#define CONTENT_MAX	6000

enum type {
	NOTHING,
	FILE_,
	SYMLINK,
};

/* Names of one file have the same id. */
struct slot {
	enum type type;
	unsigned int len;		/* of the file */
	uint64_t id;
};

static struct slot slots[SLOTS];
static bool dirs[DIRS];
static uint64_t last_id;
static const struct soak_worker *of;
static uint8_t got[CONTENT_MAX], wanted[CONTENT_MAX];

static void fail(const char *what, const char *path)
{
	soak_fail("tree: %s %s: %s", what, path, strerror(errno));
}

static void dir_path(char path[256], unsigned int dir)
{
	char name[16];

	snprintf(name, sizeof(name), "%u", dir);
	soak_path(path, 256, of, name);
}

static void slot_path(char path[300], unsigned int slot)
{
	char dir[256];

	dir_path(dir, slot / NAMES);
	snprintf(path, 300, "%s/name%u", dir, slot % NAMES);
}

static void target_of(char target[64], uint64_t id)
{
	snprintf(target, 64, "nowhere/%llu", (unsigned long long)id);
}

static unsigned int links_of(uint64_t id)
{
	unsigned int count = 0;

	for (unsigned int i = 0; i < SLOTS; i++)
		count += slots[i].type != NOTHING && slots[i].id == id;
	return count;
}

static void make_dir(unsigned int dir)
{
	char path[256];

	dir_path(path, dir);
	if (!dirs[dir] && mkdir(path, 0700))
		fail("mkdir", path);
	dirs[dir] = true;
}

static void remove_slot(unsigned int i)
{
	char path[300];

	slot_path(path, i);
	if (slots[i].type != NOTHING && unlink(path))
		fail("unlink", path);
	slots[i].type = NOTHING;
}

static void remove_dir(unsigned int dir)
{
	char path[256];

	if (!dirs[dir])
		return;
	for (unsigned int i = 0; i < NAMES; i++)
		remove_slot(dir * NAMES + i);
	dir_path(path, dir);
	if (rmdir(path))
		fail("rmdir", path);
	dirs[dir] = false;
}

static void make_file(struct soak_random *random, unsigned int i)
{
	char path[300];
	int fd;

	remove_slot(i);
	slots[i] = (struct slot){ FILE_, soak_below(random, CONTENT_MAX), ++last_id };
	slot_path(path, i);
	fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd < 0)
		fail("create", path);
	soak_fill(wanted, slots[i].len, slots[i].id);
	soak_write(fd, wanted, slots[i].len, 0, path);
	if (soak_percent(random, 20))
		soak_fsync(fd, false, path);
	close(fd);
}

static void make_symlink(unsigned int i)
{
	char path[300], target[64];

	remove_slot(i);
	slots[i] = (struct slot){ SYMLINK, 0, ++last_id };
	slot_path(path, i);
	target_of(target, slots[i].id);
	if (symlink(target, path))
		fail("symlink", path);
}

static void move(unsigned int from, unsigned int to)
{
	char before[300], after[300];

	/* If both are names of one file, rename() does nothing. */
	if (slots[from].type == NOTHING ||
	    (slots[to].type != NOTHING && slots[from].id == slots[to].id))
		return;
	slot_path(before, from);
	slot_path(after, to);
	if (rename(before, after))
		fail("rename", before);
	slots[to] = slots[from];
	slots[from].type = NOTHING;
}

static void make_link(unsigned int from, unsigned int to)
{
	char before[300], after[300];

	if (slots[from].type != FILE_ || from == to)
		return;
	remove_slot(to);
	slot_path(before, from);
	slot_path(after, to);
	if (link(before, after))
		fail("link", after);
	slots[to] = slots[from];
}

/* All names of the file get the new length. */
static void cut(struct soak_random *random, unsigned int i)
{
	char path[300];
	unsigned int len;

	if (slots[i].type != FILE_ || !slots[i].len)
		return;
	len = soak_below(random, slots[i].len);
	slot_path(path, i);
	if (truncate(path, len))
		fail("truncate", path);
	for (unsigned int j = 0; j < SLOTS; j++)
		if (slots[j].type == FILE_ && slots[j].id == slots[i].id && j != i)
			slots[j].len = len;
	slots[i].len = len;
}

static void check_file(unsigned int i, const char *path, const struct stat *st)
{
	int fd;

	if (!S_ISREG(st->st_mode) || st->st_size != slots[i].len ||
	    st->st_nlink != links_of(slots[i].id))
		soak_fail("tree: %s has mode 0%o, %lld bytes, %u names, not %u bytes, %u names",
			  path, st->st_mode, (long long)st->st_size, (unsigned int)st->st_nlink,
			  slots[i].len, links_of(slots[i].id));
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		fail("open", path);
	soak_read(fd, got, slots[i].len, 0, path);
	close(fd);
	soak_fill(wanted, slots[i].len, slots[i].id);
	if (memcmp(got, wanted, slots[i].len))
		soak_fail("tree: %s has wrong bytes", path);
}

static void check_slot(unsigned int i)
{
	char path[300], target[64], text[64];
	struct stat st;
	ssize_t len;

	slot_path(path, i);
	if (lstat(path, &st)) {
		if (errno != ENOENT || slots[i].type != NOTHING)
			fail("lost", path);
	} else if (slots[i].type == NOTHING) {
		soak_fail("tree: %s should not be there", path);
	} else if (slots[i].type == FILE_) {
		check_file(i, path, &st);
	} else {
		target_of(target, slots[i].id);
		len = readlink(path, text, sizeof(text));
		if (len != (ssize_t)strlen(target) || memcmp(text, target, len))
			soak_fail("tree: %s points elsewhere", path);
	}
}

static void check_dir(unsigned int dir)
{
	unsigned int names = 0, wanted_names = 0;
	struct dirent *entry;
	char path[256];
	DIR *open_dir;

	for (unsigned int i = 0; i < NAMES; i++) {
		check_slot(dir * NAMES + i);
		wanted_names += slots[dir * NAMES + i].type != NOTHING;
	}
	dir_path(path, dir);
	open_dir = opendir(path);
	if (!open_dir != !dirs[dir])
		fail(dirs[dir] ? "lost" : "should not be there:", path);
	if (!open_dir)
		return;
	while ((entry = readdir(open_dir)))
		names += entry->d_name[0] != '.';
	closedir(open_dir);
	if (names != wanted_names)
		soak_fail("tree: %s lists %u names, not %u", path, names, wanted_names);
}

static void sync_dir(unsigned int dir)
{
	char path[256];
	int fd;

	dir_path(path, dir);
	fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		fail("open", path);
	soak_fsync(fd, false, path);
	close(fd);
}

/* Drop the clean caches of all file systems. The daemons lose nothing: their memory is locked. */
static void forget_everything(void)
{
	int fd = open("/proc/sys/vm/drop_caches", O_WRONLY | O_CLOEXEC);

	if (fd < 0 || write(fd, "3", 1) != 1)
		fail("cannot drop", "caches");
	close(fd);
}

static void check_all(void)
{
	int fd = open(of->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0 || syncfs(fd))
		fail("sync", of->dir);
	close(fd);
	forget_everything();
	for (unsigned int i = 0; i < DIRS; i++)
		check_dir(i);
}

static void tree_begin(struct soak_worker *worker)
{
	of = worker;
	for (unsigned int i = 0; i < DIRS; i++)
		make_dir(i);
}

static void tree_step(struct soak_worker *worker)
{
	struct soak_random *random = &worker->random;
	unsigned int what = soak_below(random, 200);
	unsigned int i = soak_below(random, SLOTS), j = soak_below(random, SLOTS);

	make_dir(i / NAMES);
	make_dir(j / NAMES);
	if (what < 50) {
		make_file(random, i);
	} else if (what < 80) {
		remove_slot(i);
	} else if (what < 110) {
		move(i, j);
	} else if (what < 125) {
		make_link(i, j);
	} else if (what < 135) {
		make_symlink(i);
	} else if (what < 145) {
		cut(random, i);
	} else if (what < 150) {
		remove_dir(i / NAMES);
	} else if (what < 165) {
		sync_dir(i / NAMES);
	} else if (what < 198) {
		check_slot(i);
	} else if (what < 199) {
		forget_everything();
	} else {
		check_all();
	}
}

static void tree_end(struct soak_worker *worker)
{
	check_all();
}

const struct soak_load_ops soak_tree = {
	.kind = "tree",
	.begin = tree_begin,
	.step = tree_step,
	.end = tree_end,
};
