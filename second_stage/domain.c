// SPDX-License-Identifier: GPL-2.0-or-later
/* The SELinux domain. Without libselinux: what there is to know is one file. */
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <string.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "second_stage/walls.h"

#define DMU_SELINUX_DIR	"/sys/fs/selinux"

static bool dmu_domain_selinux_is_on(void)
{
	struct statfs fs;

	return !statfs(DMU_SELINUX_DIR, &fs) && (uint32_t)fs.f_type == SELINUX_MAGIC;
}

/*
 * Where the policy's demand goes: is @context, "USER:ROLE:TYPE[:LEVEL]", a domain that may serve?
 * Until there is one every domain may, and then DMU_WIRE_CONFINED_DOMAIN must not be proved: false.
 */
static bool dmu_domain_is_ours(const char *context)
{
	return false;
}

int dmu_domain_check(struct dmu_walls *walls)
{
	struct dmu_confinement *confinement = walls->confinement;
	char *context = confinement->domain;
	ssize_t size;
	int fd;

	if (!dmu_domain_selinux_is_on())
		return 0;
	fd = openat(walls->self, "attr/current", O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return dmu_walls_fail(walls, "look at the SELinux domain");
	size = read(fd, context, sizeof(confinement->domain) - 1);
	close(fd);
	if (size <= 0)
		return dmu_walls_fail(walls, "read the SELinux domain");
	context[size] = '\0';
	context[strcspn(context, "\n")] = '\0';
	if (dmu_domain_is_ours(context))
		confinement->proved |= DMU_WIRE_CONFINED_DOMAIN;
	return 0;
}
