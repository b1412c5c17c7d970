// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Which storage it is that the device shows. Two generations of one device share it, page cache and
 * all; with two of them, what one has acknowledged the other would not have.
 */
#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "handover/context.h"

#define DMU_STORE_DEPTH	8	/* of devices on devices; the kernel has such a limit, too */

/* A line of a file that is there for some devices. */
static bool dmu_sysfs_line(const char *path, char *line, int size)
{
	FILE *file = fopen(path, "re");
	bool some;

	if (!file)
		return false;
	some = fgets(line, size, file);
	fclose(file);
	line[some ? strcspn(line, "\n") : 0] = '\0';
	return some;
}

static bool dmu_store_lies_below(dev_t at, dev_t device, int depth);

static bool dmu_store_slaves_lie_on(const char *path, dev_t device, int depth)
{
	char name[PATH_MAX], line[32];
	unsigned int number[2];
	struct dirent *entry;
	bool found = false;
	DIR *dir = opendir(path);

	while (dir && !found && (entry = readdir(dir))) {
		snprintf(name, sizeof(name), "%s/%s/dev", path, entry->d_name);
		if (entry->d_name[0] != '.' && dmu_sysfs_line(name, line, sizeof(line)) &&
		    sscanf(line, "%u:%u", &number[0], &number[1]) == 2)
			found = dmu_store_lies_below(makedev(number[0], number[1]), device, depth);
	}
	if (dir)
		closedir(dir);
	return found;
}

static bool dmu_store_lies_below(dev_t at, dev_t device, int depth)
{
	char path[64], line[PATH_MAX];
	struct stat st;

	if (at == device || !depth)
		return at == device;
	snprintf(path, sizeof(path), "/sys/dev/block/%u:%u/slaves", major(at), minor(at));
	if (dmu_store_slaves_lie_on(path, device, depth - 1))
		return true;
	snprintf(path, sizeof(path), "/sys/dev/block/%u:%u/loop/backing_file", major(at),
		 minor(at));
	if (!dmu_sysfs_line(path, line, sizeof(line)) || stat(line, &st))
		return false;
	return dmu_store_lies_below(S_ISBLK(st.st_mode) ? st.st_rdev : st.st_dev, device,
				    depth - 1);
}

bool dmu_store_lies_on(dev_t at, dev_t device)
{
	return dmu_store_lies_below(at, device, DMU_STORE_DEPTH);
}

static int dmu_store_identify(const struct dmu_backend_ops *ops, const struct dmu_backend *backend,
			      const struct dmu_spec *spec, char *store, size_t len)
{
	char identity[DMU_SPEC_MAX] = "";
	int rc = 0;

	if (ops->identity)
		rc = ops->identity(backend, identity, sizeof(identity));
	else
		snprintf(identity, sizeof(identity), "%s", spec->source);
	if (rc)
		return rc;
	return (size_t)snprintf(store, len, "%s:%s", ops->name, identity) < len ? 0 : -ENAMETOOLONG;
}

static int dmu_store_of_spec(const struct dmu_spec *spec, char *store, size_t len, char *error,
			     size_t error_len)
{
	const struct dmu_backend_ops *ops = dmu_backend_find(spec->backend);
	struct dmu_backend *backend;
	int rc;

	rc = ops->open(&backend, spec, error, error_len);
	if (rc)
		return rc;
	rc = dmu_store_identify(ops, backend, spec, store, len);
	if (rc)
		snprintf(error, error_len, "%s", strerror(-rc));
	ops->close(backend);
	return rc;
}

/* Blames, and says how to go on regardless. */
static int dmu_store_doubt(struct dmu_daemon *daemon, int error, const char *what)
{
	return dmu_daemon_blame(daemon, error, "%s: to serve %.48s all the same, remove %s/" DMU_TAB_NAME
				" first", what, daemon->spec.source, daemon->rundir.path);
}

/* The one that crashed left its spec. Another store is taken only if there is none. */
static int dmu_store_check_tab(struct dmu_daemon *daemon, const char *ours)
{
	char store[DMU_SPEC_MAX] = "", error[DMU_WIRE_REASON_MAX], what[DMU_WIRE_REASON_MAX];
	struct dmu_spec spec;
	int rc;

	rc = dmu_rundir_read_tab(&daemon->rundir, daemon->options.name, &spec, error, sizeof(error));
	if (rc == -ENOENT)
		return 0;
	if (rc) {
		snprintf(what, sizeof(what), "which store was served last is not known: %.80s", error);
		return dmu_store_doubt(daemon, -rc, what);
	}
	if (!strcmp(spec.text, daemon->spec.text))
		return 0;
	rc = dmu_store_of_spec(&spec, store, sizeof(store), error, sizeof(error));
	if (rc) {
		snprintf(what, sizeof(what), "cannot look at the store served last, %.48s: %.40s",
			 spec.source, error);
		return dmu_store_doubt(daemon, -rc, what);
	}
	if (!strcmp(store, ours))
		return 0;
	snprintf(what, sizeof(what), "%.48s is not the store served last, %.48s", daemon->spec.source,
		 spec.source);
	return dmu_store_doubt(daemon, EXDEV, what);
}

int dmu_store_check(struct dmu_daemon *daemon)
{
	char ours[sizeof(daemon->store)];
	int rc;

	rc = dmu_store_identify(daemon->ops, daemon->backend, &daemon->spec, ours, sizeof(ours));
	if (rc)
		return dmu_daemon_blame(daemon, -rc, "cannot tell what store %s is: %s",
					daemon->spec.source, strerror(-rc));
	if (daemon->taken_over && strcmp(ours, daemon->store))
		return dmu_daemon_blame(daemon, EXDEV,
					"%.64s (%.64s) is not the store that is served, %.64s",
					daemon->spec.source, ours, daemon->store);
	rc = 0;
	if (!daemon->taken_over && daemon->options.takeover && daemon->options.spec_given)
		rc = dmu_store_check_tab(daemon, ours);
	memcpy(daemon->store, ours, sizeof(daemon->store));
	return rc;
}
