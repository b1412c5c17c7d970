// SPDX-License-Identifier: GPL-2.0-or-later
/* Keep the serving daemon's program: the newest, the administrator's choice, known to work. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "rundir/copy.h"
#include "rundir/program.h"
#include "rundir/rundir.h"
#include "watch/watch.h"

#define PARTIAL	"/partial"

/* "/dmuser-second" from "/run/dm-user/root/dmuser-second.2 (deleted)": the name that ps shows. */
static void name_of(char *path, size_t len, const char *exe)
{
	const char *base = strrchr(exe, '/');

	base = base ? base + 1 : exe;
	if (strncmp(base, "dmuser-", strlen("dmuser-")))
		base = "dmuser-daemon";
	snprintf(path, len, "/%.*s", (int)strcspn(base, ". "), base);
}

/*
 * Map the copy, and so lock it: all later mappings of this process are locked. The descriptor is
 * read-only, since a file that is open for writing cannot be executed.
 */
static int map(struct watch_program *program)
{
	int fd = open(PARTIAL, O_RDONLY | O_CLOEXEC), ret = 0;
	struct stat st;

	if (fd < 0)
		return -errno;
	if (fstat(fd, &st) || !st.st_size) {
		ret = -EIO;
	} else {
		program->size = st.st_size;
		program->locked = mmap(NULL, st.st_size, PROT_READ, MAP_SHARED, fd, 0);
		if (program->locked == MAP_FAILED)
			ret = -errno;
	}
	close(fd);
	return ret;
}

static int copy(const char *from_path)
{
	int from, to, ret;

	from = open(from_path, O_RDONLY | O_CLOEXEC);
	if (from < 0)
		return -errno;
	to = open(PARTIAL, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0700);
	if (to < 0) {
		ret = -errno;
		close(from);
		return ret;
	}
	ret = dmu_copy_bytes(from, to);
	dmu_copy_label(from, to);
	close(to);
	close(from);
	return ret;
}

int watch_program_keep(struct watch_program *program, pid_t pid, int pidfd, char *error,
		       size_t len)
{
	struct watch_program next = { 0 };
	char link[32], exe[DMU_PATH_MAX];
	ssize_t n;
	int ret;

	snprintf(link, sizeof(link), "/proc/%d/exe", (int)pid);
	n = readlink(link, exe, sizeof(exe) - 1);
	ret = n < 0 ? -errno : 0;
	if (!ret) {
		exe[n] = '\0';
		name_of(next.path, sizeof(next.path), exe);
		ret = copy(link);
	}
	/* If it has died, another process may have its number, and the copy be of that one. */
	if (!ret && watch_has_died(pidfd))
		ret = -ESRCH;
	if (!ret)
		ret = map(&next);
	if (!ret && rename(PARTIAL, next.path)) {
		ret = -errno;
		munmap(next.locked, next.size);
	}
	if (ret) {
		unlink(PARTIAL);
		snprintf(error, len, "cannot keep the program of pid %d: %s", (int)pid,
			 strerror(-ret));
		return ret;
	}
	if (program->locked)
		munmap(program->locked, program->size);
	if (program->path[0] && strcmp(program->path, next.path))
		unlink(program->path);
	*program = next;
	return 0;
}

void watch_program_check(const struct watch_program *program, const struct watch_options *options,
			 char *lack, size_t len)
{
	char said[DMU_PROGRAM_SAID_MAX], *path, *next;
	struct dmu_rundir rundir;
	struct dmu_spec spec;

	lack[0] = '\0';
	dmu_rundir_name(&rundir, options->run_dir, options->name);
	if (dmu_rundir_read_tab(&rundir, options->name, &spec, lack, len) ||
	    dmu_program_ask(program->path, "--files", spec.text, said, sizeof(said), lack, len))
		return;
	for (path = strtok_r(said, "\n", &next); path; path = strtok_r(NULL, "\n", &next)) {
		if (access(path, F_OK)) {
			snprintf(lack, len, "there is no copy of %.200s: restart " WATCH_PROGRAM,
				 path);
			return;
		}
	}
}
