// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Landlock forbids all that the kernel's version of it can forbid, without exception. Open
 * descriptors stay usable.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/landlock.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "second_stage/walls.h"

/* As in linux/landlock.h since Linux 6.12. An older kernel uses the fields that it knows. */
struct dmu_landlock_attr {
	uint64_t handled_access_fs;
	uint64_t handled_access_net;
	uint64_t scoped;
};

/*
 * By version. The only scope is that of abstract sockets: the scope of signals would keep the
 * daemon from killing its peer (P7), which is outside.
 */
static const struct dmu_landlock_attr dmu_landlock_attrs[] = {
	[1] = { .handled_access_fs = 0x1fff },	/* open, execute, make, remove */
	[2] = { .handled_access_fs = 0x3fff },	/* and link or rename elsewhere */
	[3] = { .handled_access_fs = 0x7fff },	/* and truncate */
	[4] = { .handled_access_fs = 0x7fff,
		.handled_access_net = 0x3 },	/* and bind and connect TCP */
	[5] = { .handled_access_fs = 0xffff,
		.handled_access_net = 0x3 },	/* and ioctl of devices */
	[6] = { .handled_access_fs = 0xffff,
		.handled_access_net = 0x3,
		.scoped = 0x1 },		/* and abstract sockets of others */
};

#define DMU_LANDLOCK_MAX	(sizeof(dmu_landlock_attrs) / sizeof(dmu_landlock_attrs[0]) - 1)

/* The daemon also serves on a kernel without Landlock, or with Landlock switched off. */
static bool dmu_landlock_absent(int version)
{
	return version < 0 && (errno == ENOSYS || errno == EOPNOTSUPP);
}

int dmu_landlock_enter(struct dmu_walls *walls)
{
	int version, rules, rc = 0;

	version = (int)syscall(SYS_landlock_create_ruleset, NULL, 0,
			       LANDLOCK_CREATE_RULESET_VERSION);
	if (dmu_landlock_absent(version))
		return 0;
	if (version <= 0)
		return dmu_walls_fail(walls, "ask for the version of Landlock");
	if (version > (int)DMU_LANDLOCK_MAX)
		version = DMU_LANDLOCK_MAX;
	/* Fields that an older kernel does not know are zero, which it accepts. */
	rules = (int)syscall(SYS_landlock_create_ruleset, &dmu_landlock_attrs[version],
			     sizeof(dmu_landlock_attrs[version]), 0);
	if (rules < 0)
		return dmu_walls_fail(walls, "make rules of Landlock");
	if (syscall(SYS_landlock_restrict_self, rules, 0))
		rc = dmu_walls_fail(walls, "enter Landlock");
	close(rules);
	if (!rc)
		walls->confinement->landlock = (uint32_t)version;
	return rc;
}

/* Try to open a file that could be opened without Landlock. */
int dmu_landlock_check(struct dmu_walls *walls)
{
	int fd;

	if (!walls->confinement->landlock)
		return 0;
	fd = openat(walls->self, "status", O_RDONLY | O_CLOEXEC);
	if (fd >= 0) {
		close(fd);
		return dmu_walls_refuse(walls, "Landlock lets the daemon open a file");
	}
	if (errno != EACCES)
		return dmu_walls_fail(walls, "test Landlock");
	return 0;
}
