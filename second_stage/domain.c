// SPDX-License-Identifier: GPL-2.0-or-later
/* The SELinux domain. Without libselinux: what there is to know is two files. */
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <string.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "second_stage/walls.h"

#define DMU_SELINUX_DIR	"/sys/fs/selinux"

int dmu_domain_begin(struct dmu_walls *walls)
{
	struct statfs fs;

	walls->selinux = !statfs(DMU_SELINUX_DIR, &fs) && (uint32_t)fs.f_type == SELINUX_MAGIC;
	return 0;
}

/* The context that the process has now. */
static int dmu_domain_read(struct dmu_walls *walls, char *context, size_t len)
{
	int fd = openat(walls->self, "attr/current", O_RDONLY | O_CLOEXEC);
	ssize_t size;

	if (fd < 0)
		return dmu_walls_fail(walls, "look at the SELinux domain");
	size = read(fd, context, len - 1);
	close(fd);
	if (size <= 0)
		return dmu_walls_fail(walls, "read the SELinux domain");
	context[size] = '\0';
	context[strcspn(context, "\n")] = '\0';
	return 0;
}

/*
 * Hook of the policy: is @context, "USER:ROLE:TYPE[:LEVEL]", the domain that may serve? There is no
 * policy yet, so nothing is proved: DMU_WIRE_CONFINED_DOMAIN stays unset, and nothing is refused.
 */
static bool dmu_domain_is_ours(const char *context)
{
	return false;
}

int dmu_domain_enter(struct dmu_walls *walls)
{
	struct dmu_confinement *confinement = walls->confinement;
	int rc;

	if (!walls->selinux)
		return 0;
	/* Hook of the policy: a domain of less than exec has given is entered here. */
	rc = dmu_domain_read(walls, confinement->domain, sizeof(confinement->domain));
	if (!rc && dmu_domain_is_ours(confinement->domain))
		confinement->proved |= DMU_WIRE_CONFINED_DOMAIN;
	return rc;
}
