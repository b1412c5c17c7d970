// SPDX-License-Identifier: GPL-2.0-or-later
/* An empty root. The mount namespace is its own by now: namespaces.c. */
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "second_stage/walls.h"

/* Some directory that is always there, to mount the new root on before it is the root. */
#define DMU_MOUNT_POINT	"/proc"
#define DMU_MOUNTS_MAX	128

struct dmu_mount_list {
	char *paths[DMU_MOUNTS_MAX];
	unsigned int count;
	bool full;		/* there were more; only an initramfs needs them */
};

/* mountinfo writes blanks and the like as \ooo. */
static void dmu_mount_unescape(char *path)
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

/* Every place where something is mounted but the root. */
static int dmu_mount_list_read(struct dmu_mount_list *list)
{
	char *line = NULL, *path;
	size_t size = 0;
	FILE *file;

	file = fopen("/proc/self/mountinfo", "re");
	if (!file)
		return -errno;
	while (getline(&line, &size, file) > 0) {
		path = NULL;
		if (sscanf(line, "%*d %*d %*s %*s %ms", &path) != 1 || !strcmp(path, "/")) {
			free(path);
			continue;
		}
		if (list->count == DMU_MOUNTS_MAX) {
			list->full = true;
			free(path);
			break;
		}
		dmu_mount_unescape(path);
		list->paths[list->count++] = path;
	}
	free(line);
	fclose(file);
	return 0;
}

/*
 * An initramfs is no mount that can be pivoted away. Cover it, as switch_root does, and detach all
 * that is mounted in it: else this namespace would keep the file systems on the device that we
 * serve.
 */
static int dmu_root_cover(struct dmu_walls *walls, const struct dmu_mount_list *list)
{
	unsigned int i;

	errno = E2BIG;
	if (list->full)
		return dmu_walls_fail(walls, "detach what is mounted in the initramfs");
	if (mount(".", "/", NULL, MS_MOVE, NULL))
		return dmu_walls_fail(walls, "move the empty root over the initramfs");
	/*
	 * The old root is ours until chroot(), and paths still begin in it. Some went with what
	 * they were in.
	 */
	for (i = 0; i < list->count; i++)
		if (umount2(list->paths[i], MNT_DETACH | UMOUNT_NOFOLLOW) && errno != EINVAL &&
		    errno != ENOENT)
			return dmu_walls_fail(walls, "detach what is mounted in the initramfs");
	if (chroot("."))
		return dmu_walls_fail(walls, "chroot");
	return 0;
}

static int dmu_root_replace(struct dmu_walls *walls, const struct dmu_mount_list *list)
{
	if (!syscall(SYS_pivot_root, ".", ".")) {
		/* The old root lies over the new one now. */
		if (umount2(".", MNT_DETACH))
			return dmu_walls_fail(walls, "detach the old root");
		return 0;
	}
	if (errno != EINVAL)
		return dmu_walls_fail(walls, "pivot_root");
	return dmu_root_cover(walls, list);
}

int dmu_filesystem_empty(struct dmu_walls *walls)
{
	struct dmu_mount_list list = { .count = 0 };
	int rc;

	if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL))
		return dmu_walls_fail(walls, "make its mounts private");
	rc = dmu_mount_list_read(&list);
	if (rc) {
		errno = -rc;
		return dmu_walls_fail(walls, "read the mounts");
	}
	if (mount("none", DMU_MOUNT_POINT, "tmpfs",
		  MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC, "mode=0,size=4k,nr_inodes=1"))
		return dmu_walls_fail(walls, "mount an empty root");
	if (chdir(DMU_MOUNT_POINT))
		return dmu_walls_fail(walls, "enter the empty root");
	rc = dmu_root_replace(walls, &list);
	while (list.count)
		free(list.paths[--list.count]);
	if (rc)
		return rc;
	return chdir("/") ? dmu_walls_fail(walls, "enter the empty root") : 0;
}

/* Its mode is looked at, too: behind Landlock nothing can be listed anyway. */
int dmu_filesystem_check(struct dmu_walls *walls)
{
	struct statvfs vfs;
	struct statfs fs;
	struct stat st;
	int fd;

	fd = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd >= 0) {
		close(fd);
		return dmu_walls_refuse(walls, "the root directory can still be opened");
	}
	if (stat("/", &st) || st.st_mode & 0777)
		return dmu_walls_refuse(walls, "the root directory has a mode");
	if (!access("/proc", F_OK) || !access("/dev", F_OK))
		return dmu_walls_refuse(walls, "the root directory is not empty");
	if (statfs("/", &fs) || fs.f_type != TMPFS_MAGIC || statvfs("/", &vfs) ||
	    !(vfs.f_flag & ST_RDONLY))
		return dmu_walls_refuse(walls, "the root directory is no read-only tmpfs");
	return 0;
}
