// SPDX-License-Identifier: GPL-2.0-or-later
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <linux/securebits.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/capability.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "lib/wire.h"
#include "second_stage/confine.h"
#include "second_stage/domain.h"

#define ARRAY_SIZE(array)	(sizeof(array) / sizeof((array)[0]))

/* Some directory that is always there, to mount the new root on before it is the root. */
#define DMU_CONFINE_MOUNT_POINT	"/proc"
#define DMU_CONFINE_MOUNTS_MAX	128

/* uid 0 gives nothing, capabilities do not outlive a change of uid, and nobody changes these. */
#define DMU_CONFINE_SECUREBITS	\
	(SECBIT_NOROOT | SECBIT_NO_SETUID_FIXUP | SECBIT_NO_CAP_AMBIENT_RAISE | SECURE_ALL_LOCKS)

/* errno as the result, with the step that set it. */
static int dmu_confine_fail(char *error, size_t len, const char *step)
{
	int rc = errno ? -errno : -EIO;

	snprintf(error, len, "cannot %s: %s", step, strerrordesc_np(-rc));
	return rc;
}

/* ---- 1. the file system ---- */

struct dmu_mount_list {
	char *paths[DMU_CONFINE_MOUNTS_MAX];
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
		if (list->count == DMU_CONFINE_MOUNTS_MAX) {
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
static int dmu_confine_cover_root(const struct dmu_mount_list *list, char *error, size_t len)
{
	unsigned int i;

	errno = E2BIG;
	if (list->full)
		return dmu_confine_fail(error, len, "detach what is mounted in the initramfs");
	if (mount(".", "/", NULL, MS_MOVE, NULL))
		return dmu_confine_fail(error, len, "move the empty root over the initramfs");
	/*
	 * The old root is ours until chroot(), and paths still begin in it. Some went with what
	 * they were in.
	 */
	for (i = 0; i < list->count; i++)
		if (umount2(list->paths[i], MNT_DETACH | UMOUNT_NOFOLLOW) && errno != EINVAL &&
		    errno != ENOENT)
			return dmu_confine_fail(error, len,
						"detach what is mounted in the initramfs");
	if (chroot("."))
		return dmu_confine_fail(error, len, "chroot");
	return 0;
}

static int dmu_confine_replace_root(const struct dmu_mount_list *list, char *error, size_t len)
{
	if (!syscall(SYS_pivot_root, ".", ".")) {
		/* The old root lies over the new one now. */
		if (umount2(".", MNT_DETACH))
			return dmu_confine_fail(error, len, "detach the old root");
		return 0;
	}
	if (errno != EINVAL)
		return dmu_confine_fail(error, len, "pivot_root");
	return dmu_confine_cover_root(list, error, len);
}

static int dmu_confine_file_system(char *error, size_t len)
{
	struct dmu_mount_list list = { .count = 0 };
	int rc;

	if (unshare(CLONE_NEWNS))
		return dmu_confine_fail(error, len, "make a mount namespace");
	if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL))
		return dmu_confine_fail(error, len, "make its mounts private");
	rc = dmu_mount_list_read(&list);
	if (rc) {
		errno = -rc;
		return dmu_confine_fail(error, len, "read the mounts");
	}
	if (mount("none", DMU_CONFINE_MOUNT_POINT, "tmpfs",
		  MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC, "mode=0,size=4k,nr_inodes=1"))
		return dmu_confine_fail(error, len, "mount an empty root");
	if (chdir(DMU_CONFINE_MOUNT_POINT))
		return dmu_confine_fail(error, len, "enter the empty root");
	rc = dmu_confine_replace_root(&list, error, len);
	while (list.count)
		free(list.paths[--list.count]);
	if (rc)
		return rc;
	return chdir("/") ? dmu_confine_fail(error, len, "enter the empty root") : 0;
}

/* ---- 2. and 3. privileges ---- */

static int dmu_confine_capabilities(char *error, size_t len)
{
	cap_t none;
	cap_value_t cap;
	int rc;

	if (prctl(PR_SET_SECUREBITS, DMU_CONFINE_SECUREBITS, 0, 0, 0))
		return dmu_confine_fail(error, len, "lock the securebits");
	for (cap = 0; cap < cap_max_bits(); cap++)
		if (cap_drop_bound(cap))
			return dmu_confine_fail(error, len, "empty the bounding set");
	if (cap_reset_ambient())
		return dmu_confine_fail(error, len, "empty the ambient set");
	none = cap_init();
	if (!none)
		return dmu_confine_fail(error, len, "make an empty set of capabilities");
	rc = cap_set_proc(none) ? dmu_confine_fail(error, len, "drop all capabilities") : 0;
	cap_free(none);
	return rc;
}

int dmu_confine(struct dmu_confinement *confinement, char *error, size_t len)
{
	struct dmu_domain domain;
	int rc;

	rc = dmu_domain_find(&domain, error, len);
	if (!rc)
		rc = dmu_confine_file_system(error, len);
	if (!rc)
		rc = dmu_confine_capabilities(error, len);
	if (rc)
		return rc;
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
		return dmu_confine_fail(error, len, "set no_new_privs");
	if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0))
		return dmu_confine_fail(error, len, "forbid core dumps");
	/* Last: the domain allows none of the above. */
	return dmu_domain_enter(&domain, error, len);
}

/* ---- 5. and 6. the filter, and the proof ---- */

/* By trying: of what must fail, some cannot be tried any more once the filter is there. */
static int dmu_confine_try(char *error, size_t len)
{
	struct statfs fs;
	struct statvfs vfs;
	int fd;

	fd = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd >= 0) {
		close(fd);
		snprintf(error, len, "the root directory can still be listed");
		return -EPERM;
	}
	if (!access("/proc", F_OK) || !access("/dev", F_OK)) {
		snprintf(error, len, "the root directory is not empty");
		return -EPERM;
	}
	if (statfs("/", &fs) || fs.f_type != TMPFS_MAGIC || statvfs("/", &vfs) ||
	    !(vfs.f_flag & ST_RDONLY)) {
		snprintf(error, len, "the root directory is no read-only tmpfs");
		return -EPERM;
	}
	if (prctl(PR_GET_SECUREBITS, 0, 0, 0, 0) != DMU_CONFINE_SECUREBITS) {
		snprintf(error, len, "the securebits are not locked");
		return -EPERM;
	}
	return 0;
}

int dmu_confine_filter(struct dmu_confinement *confinement, char *error, size_t len)
{
	int rc = dmu_confine_try(error, len);

	return rc ? rc : dmu_syscalls_filter(confinement, error, len);
}

/* What /proc/self/status must say. */
static const struct dmu_proof {
	const char *line;
	uint32_t proves;
} dmu_proofs[] = {
	{ "\nCapInh:\t0000000000000000\n", DMU_WIRE_CONFINED_CAPABILITIES },
	{ "\nCapPrm:\t0000000000000000\n", DMU_WIRE_CONFINED_CAPABILITIES },
	{ "\nCapEff:\t0000000000000000\n", DMU_WIRE_CONFINED_CAPABILITIES },
	{ "\nCapBnd:\t0000000000000000\n", DMU_WIRE_CONFINED_CAPABILITIES },
	{ "\nCapAmb:\t0000000000000000\n", DMU_WIRE_CONFINED_CAPABILITIES },
	{ "\nNoNewPrivs:\t1\n", DMU_WIRE_CONFINED_PRIVILEGES },
	{ "\nSeccomp:\t2\n", DMU_WIRE_CONFINED_SECCOMP },
};

int dmu_confine_verify(struct dmu_confinement *confinement, char *error, size_t len)
{
	char status[4096];
	ssize_t size = pread(confinement->status_fd, status, sizeof(status) - 1, 0);
	size_t i;

	if (size < 0)
		return dmu_confine_fail(error, len, "read the proof");
	status[size] = '\0';
	for (i = 0; i < ARRAY_SIZE(dmu_proofs); i++) {
		const char *line = dmu_proofs[i].line;

		if (!strstr(status, line)) {
			snprintf(error, len, "the kernel does not say '%.*s'",
				 (int)strlen(line) - 2, line + 1);
			return -EPERM;
		}
		confinement->proved |= dmu_proofs[i].proves;
	}
	/* Tried before the filter was there, or it would not be. */
	confinement->proved |= DMU_WIRE_CONFINED_FILESYSTEM;
	return 0;
}
