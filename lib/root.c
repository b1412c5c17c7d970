// SPDX-License-Identifier: LGPL-2.1-or-later
/* Another root for this process and its mount namespace, which must be its own and private. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "lib/dmuser.h"

/* mountinfo writes white space and backslashes as \ooo. */
static void unescape(char *path)
{
	char *out = path;

	for (; *path; path++) {
		if (path[0] == '\\' && path[1] && path[2] && path[3]) {
			*out++ = (char)((path[1] - '0') << 6 | (path[2] - '0') << 3 |
					(path[3] - '0'));
			path += 3;
		} else {
			*out++ = *path;
		}
	}
	*out = '\0';
}

int dmu_mounts_read(struct dmu_mounts *mounts)
{
	char *line = NULL, *path;
	size_t size = 0;
	FILE *file;

	memset(mounts, 0, sizeof(*mounts));
	file = fopen("/proc/self/mountinfo", "re");
	if (!file)
		return -errno;
	while (getline(&line, &size, file) > 0) {
		path = NULL;
		if (sscanf(line, "%*d %*d %*s %*s %ms", &path) != 1 || !strcmp(path, "/")) {
			free(path);
			continue;
		}
		if (mounts->count == DMU_MOUNTS_MAX) {
			mounts->full = true;
			free(path);
			break;
		}
		unescape(path);
		mounts->paths[mounts->count++] = path;
	}
	free(line);
	fclose(file);
	return 0;
}

void dmu_mounts_free(struct dmu_mounts *mounts)
{
	while (mounts->count)
		free(mounts->paths[--mounts->count]);
}

/*
 * Before 7.0 (576ee5dfd459, "fs: add immutable rootfs") pivot_root() cannot replace an initramfs.
 * Cover it, as switch_root does, and detach all mounts in it, or this namespace would keep the file
 * systems on the served device busy.
 */
static int cover(const struct dmu_mounts *mounts, const char **step)
{
	unsigned int i;

	*step = "detach what is mounted in the initramfs";
	if (mounts->full)
		return -E2BIG;
	*step = "move the new root over the initramfs";
	if (mount(".", "/", NULL, MS_MOVE, NULL))
		return -errno;
	/*
	 * Until chroot(), the old root is the process's root, and paths begin there. Some mounts
	 * went with the mounts that they were in.
	 */
	*step = "detach what is mounted in the initramfs";
	for (i = 0; i < mounts->count; i++)
		if (umount2(mounts->paths[i], MNT_DETACH | UMOUNT_NOFOLLOW) && errno != EINVAL &&
		    errno != ENOENT)
			return -errno;
	*step = "chroot";
	return chroot(".") ? -errno : 0;
}

int dmu_root_replace(const struct dmu_mounts *mounts, const char **step)
{
	if (!syscall(SYS_pivot_root, ".", ".")) {
		/* The old root now lies over the new root. */
		*step = "detach the old root";
		return umount2(".", MNT_DETACH) ? -errno : 0;
	}
	*step = "pivot_root";
	if (errno != EINVAL)
		return -errno;
	return cover(mounts, step);
}
