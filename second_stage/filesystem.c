// SPDX-License-Identifier: LGPL-2.1-or-later
/* An empty root, in the mount namespace that namespaces.c has made. */
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "second_stage/walls.h"

/* A directory that always exists: the new root is mounted here before it becomes the root. */
#define DMU_MOUNT_POINT	"/proc"

int dmu_filesystem_empty(struct dmu_walls *walls)
{
	const char *step = "";
	struct dmu_mounts mounts = { 0 };
	int rc;

	if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL))
		return dmu_walls_fail(walls, "make its mounts private");
	rc = dmu_mounts_read(&mounts);
	if (rc) {
		errno = -rc;
		return dmu_walls_fail(walls, "read the mounts");
	}
	if (mount("none", DMU_MOUNT_POINT, "tmpfs",
		  MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC, "mode=0,size=4k,nr_inodes=1"))
		return dmu_walls_fail(walls, "mount an empty root");
	if (chdir(DMU_MOUNT_POINT))
		return dmu_walls_fail(walls, "enter the empty root");
	rc = dmu_root_replace(&mounts, &step);
	dmu_mounts_free(&mounts);
	if (rc) {
		errno = -rc;
		return dmu_walls_fail(walls, step);
	}
	return chdir("/") ? dmu_walls_fail(walls, "enter the empty root") : 0;
}

/* Check the root's mode, too, because with Landlock the open() fails anyway. */
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
		return dmu_walls_refuse(walls, "the root directory has permissions");
	if (!access("/proc", F_OK) || !access("/dev", F_OK))
		return dmu_walls_refuse(walls, "the root directory is not empty");
	if (statfs("/", &fs) || fs.f_type != TMPFS_MAGIC || statvfs("/", &vfs) ||
	    !(vfs.f_flag & ST_RDONLY))
		return dmu_walls_refuse(walls, "the root directory is not a read-only tmpfs");
	return 0;
}
