// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * The proof: before it sends READY, the daemon reads its own state back from the kernel, and
 * refuses to serve if anything differs. Half of it comes before the filter of system calls, which
 * forbids the calls that it needs, and all calls that could change that state again.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "second_stage/walls.h"

#define ARRAY_SIZE(array)	(sizeof(array) / sizeof((array)[0]))
#define DMU_OPEN_MAX	256	/* descriptors; the daemon has at most 92 */
/* VmSize counts the kernel's own mappings (vdso and its data), which cannot be locked. */
#define DMU_UNLOCKED_MAX	64	/* KiB */

/* ---- descriptors of /proc ---- */

static void dmu_proof_shut(struct dmu_walls *walls)
{
	close(walls->self);
	close(walls->fds);
	walls->self = -1;
	walls->fds = -1;
}

/* Parse the number in the line of @text that begins with @key ("\nKey:"). */
static bool dmu_proof_number(const char *text, const char *key, unsigned long *number)
{
	const char *at = strstr(text, key);

	if (!at)
		return false;
	*number = strtoul(at + strlen(key), NULL, 10);
	return true;
}

static int dmu_proof_read(struct dmu_walls *walls, char *text, size_t size)
{
	ssize_t len = pread(walls->confinement->status_fd, text, size - 1, 0);

	if (len < 0)
		return dmu_walls_fail(walls, "read the proof");
	text[len] = '\0';
	return 0;
}

int dmu_proof_begin(struct dmu_walls *walls)
{
	unsigned long filters;
	char text[4096];
	int rc;

	walls->self = open("/proc/self", O_PATH | O_DIRECTORY | O_CLOEXEC);
	walls->fds = open("/proc/self/fd", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (walls->self < 0 || walls->fds < 0)
		return dmu_walls_fail(walls, "open /proc/self");
	rc = dmu_proof_read(walls, text, sizeof(text));
	if (rc)
		return rc;
	/* The process that started the daemon may have installed a filter, too. */
	if (!dmu_proof_number(text, "\nSeccomp_filters:", &filters))
		return dmu_walls_refuse(walls, "the kernel does not count filters of system calls");
	walls->filters = (unsigned int)filters;
	return dmu_namespaces_remember(walls);
}

/* ---- before the filter ---- */

static int dmu_proof_compare(const void *a, const void *b)
{
	int left = *(const int *)a, right = *(const int *)b;

	return (left > right) - (left < right);
}

int dmu_proof_fds(struct dmu_walls *walls, int *open, int open_count, int *wanted, int wanted_count)
{
	int i;

	qsort(open, (size_t)open_count, sizeof(*open), dmu_proof_compare);
	qsort(wanted, (size_t)wanted_count, sizeof(*wanted), dmu_proof_compare);
	for (i = 0; i < open_count || i < wanted_count; i++) {
		if (i == open_count || (i < wanted_count && wanted[i] < open[i]))
			return dmu_walls_refuse(walls, "descriptor %d is not open", wanted[i]);
		if (i == wanted_count || open[i] < wanted[i])
			return dmu_walls_refuse(walls, "descriptor %d should not be open", open[i]);
	}
	return 0;
}

/* List the open descriptors, but not those of /proc and of this list. */
static int dmu_proof_list_fds(struct dmu_walls *walls, int *open, int *count)
{
	int dir = fcntl(walls->fds, F_DUPFD_CLOEXEC, 0), fd;
	DIR *list = dir < 0 ? NULL : fdopendir(dir);
	struct dirent *entry;
	int rc = 0;

	if (!list) {
		rc = dmu_walls_fail(walls, "list the descriptors");
		if (dir >= 0)
			close(dir);
		return rc;
	}
	while (!rc && (entry = readdir(list))) {
		if (entry->d_name[0] == '.')
			continue;
		fd = atoi(entry->d_name);
		if (fd == walls->self || fd == walls->fds || fd == dir)
			continue;
		if (*count == DMU_OPEN_MAX)
			rc = dmu_walls_refuse(walls, "more than %d descriptors are open", *count);
		else
			open[(*count)++] = fd;
	}
	closedir(list);
	return rc;
}

/* Only the wanted descriptors are open, and none is of a directory, which leads to files. */
static int dmu_proof_descriptors(struct dmu_walls *walls)
{
	const struct dmu_confinement *confinement = walls->confinement;
	int open[DMU_OPEN_MAX], wanted[DMU_OPEN_MAX];
	struct stat st;
	int count = 0, i, rc;

	if (confinement->fd_count > DMU_OPEN_MAX)
		return dmu_walls_refuse(walls, "more than %d descriptors are wanted", DMU_OPEN_MAX);
	memcpy(wanted, confinement->fds, (size_t)confinement->fd_count * sizeof(*wanted));
	rc = dmu_proof_list_fds(walls, open, &count);
	if (!rc)
		rc = dmu_proof_fds(walls, open, count, wanted, confinement->fd_count);
	for (i = 0; !rc && i < count; i++)
		if (fstat(open[i], &st) || S_ISDIR(st.st_mode))
			rc = dmu_walls_refuse(walls, "descriptor %d is of a directory", open[i]);
	return rc;
}

static int dmu_proof_limits(struct dmu_walls *walls)
{
	static const struct {
		int resource;
		rlim_t limit;
		const char *what;
	} limits[] = {
		{ RLIMIT_CPU, RLIM_INFINITY, "processor time" },
		{ RLIMIT_FSIZE, RLIM_INFINITY, "sizes of files" },
		{ RLIMIT_MEMLOCK, RLIM_INFINITY, "locked memory" },
		{ RLIMIT_CORE, 0, "core dumps" },
		{ RLIMIT_STACK, DMU_RESIDENT_STACK_BYTES, "the stack" },
	};
	struct rlimit now;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(limits); i++)
		if (getrlimit(limits[i].resource, &now) || now.rlim_cur != limits[i].limit ||
		    now.rlim_max != limits[i].limit)
			return dmu_walls_refuse(walls, "the limit of %s differs from the one set",
						limits[i].what);
	return 0;
}

int dmu_proof_before_filter(struct dmu_walls *walls)
{
	static const struct {
		int (*check)(struct dmu_walls *walls);
		uint32_t proves;	/* with the last of several checks of one property */
	} checks[] = {
		{ dmu_namespaces_check, DMU_WIRE_CONFINED_NAMESPACES },
		{ dmu_filesystem_check, DMU_WIRE_CONFINED_FILESYSTEM },
		{ dmu_securebits_check, 0 },	/* the rest of the capabilities: after the filter */
		{ dmu_dump_check, DMU_WIRE_CONFINED_DUMPABLE },
		{ dmu_landlock_check, DMU_WIRE_CONFINED_LANDLOCK },
		{ dmu_proof_descriptors, DMU_WIRE_CONFINED_DESCRIPTORS },
		{ dmu_proof_limits, DMU_WIRE_CONFINED_LIMITS },
	};
	struct dmu_confinement *confinement = walls->confinement;
	size_t i;
	int rc = 0;

	for (i = 0; !rc && i < ARRAY_SIZE(checks); i++) {
		rc = checks[i].check(walls);
		confinement->proved |= rc ? 0 : checks[i].proves;
	}
	if (!confinement->landlock)
		confinement->proved &= ~DMU_WIRE_CONFINED_LANDLOCK;
	dmu_proof_shut(walls);
	return rc;
}

/* ---- after the filter ---- */

/* Lines of /proc/self/status. */
static const struct {
	const char *key, *value;
	uint32_t proves;
} dmu_proofs[] = {
	{ "CapInh", "0000000000000000", DMU_WIRE_CONFINED_CAPABILITIES },
	{ "CapPrm", "0000000000000000", DMU_WIRE_CONFINED_CAPABILITIES },
	{ "CapEff", "0000000000000000", DMU_WIRE_CONFINED_CAPABILITIES },
	{ "CapBnd", "0000000000000000", DMU_WIRE_CONFINED_CAPABILITIES },
	{ "CapAmb", "0000000000000000", DMU_WIRE_CONFINED_CAPABILITIES },
	{ "NoNewPrivs", "1", DMU_WIRE_CONFINED_PRIVILEGES },
	{ "Seccomp", "2", DMU_WIRE_CONFINED_SECCOMP },
};

/* The number of @key in @text must be @wanted. */
static int dmu_proof_count(struct dmu_walls *walls, const char *text, const char *key,
			   unsigned int wanted)
{
	unsigned long number;

	if (!dmu_proof_number(text, key, &number) || number != wanted)
		return dmu_walls_refuse(walls, "the kernel does not say '%s %u'", key + 1, wanted);
	return 0;
}

/* All memory is locked, but for the kernel's own mappings. */
static int dmu_proof_memory(struct dmu_walls *walls, const char *text)
{
	unsigned long size, locked;

	if (!dmu_proof_number(text, "\nVmSize:", &size) ||
	    !dmu_proof_number(text, "\nVmLck:", &locked) || !locked ||
	    locked + DMU_UNLOCKED_MAX < size)
		return dmu_walls_refuse(walls, "not all memory is locked");
	walls->confinement->locked_bytes = (uint64_t)locked * 1024;
	walls->confinement->proved |= DMU_WIRE_CONFINED_MEMORY;
	return 0;
}

int dmu_proof_status(struct dmu_walls *walls, const char *text, unsigned int threads,
		     unsigned int filters)
{
	char line[64];
	size_t i;
	int rc;

	for (i = 0; i < ARRAY_SIZE(dmu_proofs); i++) {
		snprintf(line, sizeof(line), "\n%s:\t%s\n", dmu_proofs[i].key,
			 dmu_proofs[i].value);
		if (!strstr(text, line))
			return dmu_walls_refuse(walls, "the kernel does not say '%s: %s'",
						dmu_proofs[i].key, dmu_proofs[i].value);
		walls->confinement->proved |= dmu_proofs[i].proves;
	}
	rc = dmu_proof_count(walls, text, "\nThreads:", threads);
	if (!rc)
		rc = dmu_proof_count(walls, text, "\nSeccomp_filters:", filters);
	if (rc)
		return rc;
	walls->confinement->filters = filters;
	return dmu_proof_memory(walls, text);
}

/*
 * The file describes the main thread. The others have inherited all but the filter, and each has
 * reported that the kernel accepted its filter, so their number is checked.
 */
int dmu_proof_after_filter(struct dmu_walls *walls)
{
	char text[4096];
	int rc;

	rc = dmu_proof_read(walls, text, sizeof(text));
	return rc ? rc : dmu_proof_status(walls, text,
					  (unsigned int)walls->confinement->channel_count + 1,
					  walls->filters + 1);
}
