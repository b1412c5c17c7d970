// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Count allocated objects: /sys/kernel/slab has the number of objects in use of each cache,
 * after the cache was told to shrink, which takes free objects back from the processors. But a
 * processor that allocates again has a slab of its own again, and the free objects in it count
 * as used.
 */
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/vm/scale/scale.h"

#define SLAB		"/sys/kernel/slab"
#define CACHES_MAX	1024

struct cache {
	char name[64];
	long objects;
	long slab;		/* objects per slab */
};

struct leak {
	unsigned int count;
	struct cache caches[CACHES_MAX];
};

static void leak_write(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);

	if (fd < 0)
		return;
	if (write(fd, text, strlen(text)) < 0)
		printf("# cannot write %s\n", path);
	close(fd);
}

static long leak_read(const char *cache, const char *what)
{
	char path[128];
	long value = -1;
	FILE *file;

	snprintf(path, sizeof(path), SLAB "/%s/%s", cache, what);
	file = fopen(path, "re");
	if (!file)
		return -1;
	if (fscanf(file, "%ld", &value) != 1)
		value = -1;
	fclose(file);
	return value;
}

static void leak_count_cache(struct cache *cache, const char *name)
{
	char path[128];

	strcpy(cache->name, name);
	snprintf(path, sizeof(path), SLAB "/%s/shrink", name);
	leak_write(path, "1");
	cache->objects = leak_read(name, "objects");
	cache->slab = leak_read(name, "objs_per_slab");
}

/*
 * Notes on memory that vfree() gave back, which the kernel keeps until there are many: two for
 * each device of device-mapper, of any target. The cache may have a name that it shares with
 * other caches of its size.
 */
static bool leak_is_lazy(const char *name)
{
	char real[64] = "vmap_area";
	ssize_t len = readlink(SLAB "/vmap_area", real, sizeof(real) - 1);

	if (len > 0)
		real[len] = '\0';
	return !strcmp(name, real);
}

static void leak_count(struct leak *leak)
{
	struct dirent *entry;
	struct cache *cache;
	DIR *dir;

	leak->count = 0;
	leak_write("/proc/sys/vm/drop_caches", "2");
	dir = opendir(SLAB);
	NEED(dir, "the kernel counts its objects in " SLAB);
	while ((entry = readdir(dir)) && leak->count < CACHES_MAX) {
		/* A link is another name of a cache that is listed, too. */
		if (entry->d_type != DT_DIR || entry->d_name[0] == '.' ||
		    strlen(entry->d_name) > 63)
			continue;
		/* Notes on allocations, which stay for a while, are no allocations. */
		if (!strncmp(entry->d_name, "kmemleak", 8) ||
		    !strcmp(entry->d_name, "debug_objects_cache") || leak_is_lazy(entry->d_name))
			continue;
		cache = &leak->caches[leak->count];
		leak_count_cache(cache, entry->d_name);
		leak->count += cache->objects >= 0;
	}
	closedir(dir);
	NEED(leak->count > 10, "%u caches with a count", leak->count);
}

static long leak_before(const struct leak *leak, const char *name)
{
	for (unsigned int i = 0; i < leak->count; i++)
		if (!strcmp(leak->caches[i].name, name))
			return leak->caches[i].objects;
	return 0;
}

/* The number of caches that have grown by @limit objects and a slab; with @say, print them. */
static unsigned int leak_grown(const struct leak *before, const struct leak *after,
			       unsigned int limit, bool say)
{
	unsigned int grown = 0;

	for (unsigned int i = 0; i < after->count; i++) {
		const struct cache *cache = &after->caches[i];
		long was = leak_before(before, cache->name);

		if (cache->objects < was + cache->slab + (long)limit)
			continue;
		grown++;
		if (say)
			printf("# cache %s: %ld objects, %ld before\n", cache->name, cache->objects,
			       was);
	}
	return grown;
}

/*
 * Take the greatest count of several passes: each pass makes names and inodes itself, whose number
 * varies as RCU and KASAN free them.
 */
struct leak *leak_begin(void)
{
	struct leak *leak = calloc(1, sizeof(*leak)), *pass = calloc(1, sizeof(*pass));

	NEED(leak && pass, "memory");
	leak_count(leak);
	for (unsigned int i = 0; i < 10; i++) {
		abi_nap();
		leak_count(pass);
		for (unsigned int c = 0; c < pass->count; c++) {
			long was = leak_before(leak, pass->caches[c].name);

			if (was > pass->caches[c].objects)
				pass->caches[c].objects = was;
		}
		*leak = *pass;
	}
	free(pass);
	return leak;
}

bool leak_end(struct leak *leak, unsigned int limit)
{
	struct leak *now = calloc(1, sizeof(*now));
	bool good;

	NEED(now, "memory");
	/* Objects that RCU has yet to free take some time. */
	good = UNTIL((leak_count(now), !leak_grown(leak, now, limit, false)));
	if (!good)
		leak_grown(leak, now, limit, true);
	free(now);
	free(leak);
	return good;
}
