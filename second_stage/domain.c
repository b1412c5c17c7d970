// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * By hand rather than by libselinux: its archive cannot be linked into a static PIE, and its
 * setcon() is this one write, to a file that is no longer to be found when it is time.
 *
 * A context is USER:ROLE:TYPE or USER:ROLE:TYPE:RANGE. AppArmor, whose profile stands in the same
 * file, has nothing of that form; nor has a kernel before its policy is loaded ("kernel").
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "second_stage/domain.h"

#define DMU_DOMAIN_FILE		"/proc/self/attr/current"
#define DMU_DOMAIN_PREPARES	":dmuser_second_init_t"
#define DMU_DOMAIN_SERVES	"dmuser_second_t"

static int dmu_domain_read(const struct dmu_domain *domain, char *context)
{
	ssize_t size = pread(domain->fd, context, DMU_DOMAIN_MAX - 1, 0);

	if (size < 0)
		return -errno;
	context[size] = '\0';
	context[strcspn(context, "\n")] = '\0';
	return 0;
}

static void dmu_domain_close(struct dmu_domain *domain)
{
	if (domain->fd >= 0)
		close(domain->fd);
	domain->fd = -1;
}

/* @context with the type of the serving domain: -EINVAL: that is no context; -ENAMETOOLONG. */
static int dmu_domain_wanted(const char *context, char *wanted, size_t len)
{
	const char *role = strchr(context, ':');
	const char *type = role ? strchr(role + 1, ':') : NULL;
	int size;

	if (!type || type == role + 1 || strchr(context, ' '))
		return -EINVAL;
	type++;
	size = snprintf(wanted, len, "%.*s" DMU_DOMAIN_SERVES "%s", (int)(type - context), context,
			type + strcspn(type, ":"));
	return size >= 0 && (size_t)size < len ? 0 : -ENAMETOOLONG;
}

int dmu_domain_find(struct dmu_domain *domain, char *error, size_t len)
{
	char wanted[DMU_DOMAIN_MAX];
	int rc;

	memset(domain, 0, sizeof(*domain));
	domain->fd = open(DMU_DOMAIN_FILE, O_RDWR | O_CLOEXEC);
	/* A kernel without any security module. */
	if (domain->fd < 0 && errno == ENOENT)
		return 0;
	if (domain->fd < 0) {
		rc = -errno;
		snprintf(error, len, "cannot open " DMU_DOMAIN_FILE ": %s", strerrordesc_np(-rc));
		return rc;
	}
	rc = dmu_domain_read(domain, domain->context);
	if (!rc)
		rc = dmu_domain_wanted(domain->context, wanted, sizeof(wanted));
	if (!rc)
		return 0;
	/* Nor is there an answer (EINVAL) where no module is at work. */
	dmu_domain_close(domain);
	domain->context[0] = '\0';
	if (rc == -EINVAL)
		return 0;
	snprintf(error, len, "cannot tell the SELinux domain: %s", strerrordesc_np(-rc));
	return rc;
}

static int dmu_domain_change(struct dmu_domain *domain, const char *wanted, char *error, size_t len)
{
	size_t size = strlen(wanted);
	ssize_t written = pwrite(domain->fd, wanted, size, 0);

	if (written == (ssize_t)size)
		return 0;
	/* The policy knows no such context: then it has none of ours. */
	if (written < 0 && errno == EINVAL && !strstr(domain->context, DMU_DOMAIN_PREPARES))
		return -EINVAL;
	snprintf(error, len, "cannot leave the SELinux domain %s for " DMU_DOMAIN_SERVES ": %s",
		 domain->context, strerrordesc_np(written < 0 ? errno : EIO));
	return -EACCES;
}

int dmu_domain_enter(struct dmu_domain *domain, char *error, size_t len)
{
	char wanted[DMU_DOMAIN_MAX];
	int rc;

	if (domain->fd < 0)
		return 0;
	rc = dmu_domain_wanted(domain->context, wanted, sizeof(wanted));
	if (!rc)
		rc = dmu_domain_change(domain, wanted, error, len);
	if (rc == -EINVAL) {
		rc = 0;
		goto out_close;
	}
	if (rc)
		goto out_close;
	rc = dmu_domain_read(domain, domain->context);
	if (!rc && strcmp(domain->context, wanted))
		rc = -EPERM;
	domain->entered = !rc;
	if (rc)
		snprintf(error, len, "the SELinux domain is %s, not %s", domain->context, wanted);
out_close:
	dmu_domain_close(domain);
	return rc;
}
