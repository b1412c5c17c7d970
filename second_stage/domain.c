// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * The SELinux domain. exec has put the process into a domain that may prepare
 * (dmuser_second_init_t). It serves in a domain that may only serve (dmuser_second_t). sepolicy/
 * has both.
 *
 * This file does not use libselinux: its archive cannot be linked into a static PIE, and its
 * setcon() is the same single write, but to a path that no longer exists here.
 *
 * A context is USER:ROLE:TYPE or USER:ROLE:TYPE:RANGE. AppArmor, whose profile is in the same file,
 * uses another form, as does a kernel before its policy is loaded ("kernel").
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "second_stage/walls.h"

#define DMU_DOMAIN_PREPARES	":dmuser_second_init_t"
#define DMU_DOMAIN_SERVES	"dmuser_second_t"

/* Read the context of the process. 0; -EINVAL: no security module is active; -errno. */
static int dmu_domain_read(int fd, char *context)
{
	ssize_t size = pread(fd, context, DMU_WIRE_DOMAIN_MAX - 1, 0);

	if (size < 0)
		return -errno;
	context[size] = '\0';
	context[strcspn(context, "\n")] = '\0';
	return 0;
}

/* Set @wanted to @context with the type of the serving domain. -EINVAL: @context is no context. */
static int dmu_domain_wanted(const char *context, char *wanted)
{
	const char *role = strchr(context, ':');
	const char *type = role ? strchr(role + 1, ':') : NULL;
	int size;

	if (!type || type == role + 1 || strchr(context, ' '))
		return -EINVAL;
	type++;
	size = snprintf(wanted, DMU_WIRE_DOMAIN_MAX, "%.*s" DMU_DOMAIN_SERVES "%s",
			(int)(type - context), context, type + strcspn(type, ":"));
	return size >= 0 && size < DMU_WIRE_DOMAIN_MAX ? 0 : -ENAMETOOLONG;
}

/* -EINVAL: the policy does not know @wanted, and the process is not in the domain that prepares. */
static int dmu_domain_change(struct dmu_walls *walls, int fd, const char *wanted)
{
	const char *now = walls->confinement->domain;
	size_t size = strlen(wanted);
	ssize_t written;

	errno = EIO;
	written = pwrite(fd, wanted, size, 0);
	if (written == (ssize_t)size)
		return 0;
	if (written < 0 && errno == EINVAL && !strstr(now, DMU_DOMAIN_PREPARES))
		return -EINVAL;
	return dmu_walls_refuse(walls, "the SELinux domain %s cannot be left for "
				DMU_DOMAIN_SERVES " (%s): is the program labelled?", now,
				strerrordesc_np(errno));
}

/* -EINVAL: there is no domain to move to. */
static int dmu_domain_move(struct dmu_walls *walls, int fd)
{
	char *domain = walls->confinement->domain, wanted[DMU_WIRE_DOMAIN_MAX];
	int rc;

	rc = dmu_domain_read(fd, domain);
	if (!rc)
		rc = dmu_domain_wanted(domain, wanted);
	if (rc) {
		domain[0] = '\0';
		errno = -rc;
		return rc == -EINVAL ? rc : dmu_walls_fail(walls, "read the SELinux domain");
	}
	rc = dmu_domain_change(walls, fd, wanted);
	if (rc)
		return rc;
	rc = dmu_domain_read(fd, domain);
	if (rc || strcmp(domain, wanted))
		return dmu_walls_refuse(walls, "the SELinux domain is not %s", wanted);
	walls->confinement->proved |= DMU_WIRE_CONFINED_DOMAIN;
	return 0;
}

/*
 * Without SELinux, or with a policy that has no such domain, the daemon stays as it is. Where there
 * is a domain to serve in, it serves in no other.
 */
int dmu_domain_enter(struct dmu_walls *walls)
{
	int fd = openat(walls->self, "attr/current", O_RDWR | O_CLOEXEC), rc;

	if (fd < 0 && errno == ENOENT)
		return 0;
	if (fd < 0)
		return dmu_walls_fail(walls, "look at the SELinux domain");
	rc = dmu_domain_move(walls, fd);
	close(fd);
	return rc == -EINVAL ? 0 : rc;
}
