// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Properties of a process that serves the device on which it may itself live: never paged, never
 * waiting in reclaim for its own I/O, never chosen by the OOM killer, spared by systemd's final
 * kill.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include "lib/dmuser.h"

int dmu_resident_set_limits(void)
{
	static const struct {
		int resource;
		rlim_t limit;
	} limits[] = {
		{ RLIMIT_CPU, RLIM_INFINITY },
		{ RLIMIT_FSIZE, RLIM_INFINITY },
		{ RLIMIT_STACK, DMU_RESIDENT_STACK_BYTES },
	};
	size_t i;

	for (i = 0; i < sizeof(limits) / sizeof(limits[0]); i++) {
		const struct rlimit both = { limits[i].limit, limits[i].limit };

		if (setrlimit(limits[i].resource, &both))
			return -errno;
	}
	return 0;
}

int dmu_resident_forbid_core(void)
{
	return prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) ? -errno : 0;
}

int dmu_resident_lock_memory(void)
{
	const struct rlimit unlimited = { RLIM_INFINITY, RLIM_INFINITY };

	/* Without capabilities, MCL_FUTURE counts against the limit. */
	if (setrlimit(RLIMIT_MEMLOCK, &unlimited))
		return -errno;
	return mlockall(MCL_CURRENT | MCL_FUTURE) ? -errno : 0;
}

int dmu_resident_io_flusher(void)
{
	return prctl(PR_SET_IO_FLUSHER, 1, 0, 0, 0) ? -errno : 0;
}

int dmu_resident_oom_exempt(void)
{
	static const char text[] = "-1000";
	int fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);
	int rc = 0;

	if (fd < 0)
		return -errno;
	if (write(fd, text, sizeof(text) - 1) != (ssize_t)sizeof(text) - 1)
		rc = errno ? -errno : -EIO;
	close(fd);
	return rc;
}

void dmu_resident_mark_argv(char **argv)
{
	if (argv[0] && argv[0][0])
		argv[0][0] = '@';
}

static int compare_fds(const void *a, const void *b)
{
	int left = *(const int *)a, right = *(const int *)b;

	return (left > right) - (left < right);
}

/* Numbers of standard streams must not be free, or the next open() would become stdout. */
static int null_stdio(const int *keep, int count)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	int fd, i, rc = 0;

	if (null < 0)
		return -errno;
	for (fd = 0; fd <= STDERR_FILENO; fd++) {
		for (i = 0; i < count && keep[i] != fd; i++)
			;
		if (i < count)
			continue;
		/* dup2() of a descriptor to itself keeps close-on-exec, which is harmless here. */
		if (dup2(null, fd) < 0) {
			rc = -errno;
			break;
		}
	}
	if (null > STDERR_FILENO)
		close(null);
	return rc;
}

int dmu_resident_close_fds(const int *keep, int count)
{
	unsigned int first = STDERR_FILENO + 1;
	int *sorted;
	int i, rc;

	rc = null_stdio(keep, count);
	if (rc)
		return rc;
	sorted = malloc((count ? count : 1) * sizeof(*sorted));
	if (!sorted)
		return -ENOMEM;
	memcpy(sorted, keep, count * sizeof(*sorted));
	qsort(sorted, count, sizeof(*sorted), compare_fds);
	for (i = 0; i < count; i++) {
		if (sorted[i] < (int)first)
			continue;
		if ((unsigned int)sorted[i] > first && close_range(first, sorted[i] - 1, 0)) {
			rc = -errno;
			goto out;
		}
		first = sorted[i] + 1;
	}
	if (close_range(first, ~0U, 0))
		rc = -errno;
out:
	free(sorted);
	return rc;
}
