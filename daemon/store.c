// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * The identity of the store that a device shows. Two generations of a device must share one store,
 * page cache included: with two stores, the second would lack writes that the first has
 * acknowledged.
 */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/sysmacros.h>

#include "daemon/identity.h"
#include "daemon/store.h"

static int dmu_store_identify(struct dmu_context *daemon, char *store, size_t len)
{
	int rc = dmu_store_describe(daemon->ops, daemon->backend, &daemon->spec, store, len);

	return rc ? dmu_daemon_blame(daemon, -rc, "cannot tell what store %s is: %s",
				     daemon->spec.source, strerror(-rc)) : 0;
}

static int dmu_store_record(struct dmu_context *daemon)
{
	int rc = dmu_store_identify(daemon, daemon->store, sizeof(daemon->store));

	if (rc)
		return rc;
	rc = dmu_rundir_write_store(&daemon->rundir, daemon->store);
	if (rc)
		return dmu_daemon_blame(daemon, -rc, "cannot write %s/" DMU_STORE_NAME ": %s",
					daemon->rundir.path, strerror(-rc));
	return 0;
}

/* true: device @name has the same store, with a daemon or without, and one of the two may write. */
static bool dmu_store_is_of(const struct dmu_context *daemon, const char *name)
{
	char store[sizeof(daemon->store)], text[DMU_WIRE_REASON_MAX];
	struct dmu_rundir other;
	struct dmu_spec spec;
	int rc;

	if (dmu_rundir_name(&other, daemon->rundir.run_dir, name) ||
	    dmu_rundir_read_store(&other, store, sizeof(store), text, sizeof(text)) ||
	    strcmp(store, daemon->store))
		return false;
	/* The recorded device may be gone. */
	rc = dmu_dm_status(name, false, text, sizeof(text));
	if (rc && rc != -ENOSPC)
		return false;
	return !daemon->spec.read_only ||
	       dmu_rundir_read_tab(&other, name, &spec, text, sizeof(text)) || !spec.read_only;
}

/* Record first, then look at the others: of two concurrent claims at least one sees the other. */
int dmu_store_claim(struct dmu_context *daemon)
{
	DIR *dir = opendir(daemon->rundir.run_dir);
	int rc = dmu_store_record(daemon);
	struct dirent *entry;

	while (dir && !rc && (entry = readdir(dir)))
		if (strcmp(entry->d_name, daemon->options.name) && dmu_name_valid(entry->d_name) &&
		    dmu_store_is_of(daemon, entry->d_name))
			rc = dmu_daemon_blame(daemon, EBUSY, "%s is the store of device %s",
					      daemon->spec.source, entry->d_name);
	if (dir)
		closedir(dir);
	return rc;
}

/*
 * No daemon serves that could be asked, so compare with the identity that the daemon that served
 * last has recorded: by now the spec's name or number may stand for another store. Another store is
 * accepted only if there is no tab file. 1: it is the same store; 0: there is no tab file; -errno,
 * blamed.
 */
static int dmu_store_check_last(struct dmu_context *daemon, const char *ours)
{
	char last[sizeof(daemon->store)], error[DMU_WIRE_REASON_MAX], what[DMU_WIRE_REASON_MAX];
	struct dmu_spec spec;
	int rc;

	rc = dmu_rundir_read_tab(&daemon->rundir, daemon->options.name, &spec, error,
				 sizeof(error));
	if (rc == -ENOENT)
		return 0;
	if (!rc)
		rc = dmu_rundir_read_store(&daemon->rundir, last, sizeof(last), error,
					   sizeof(error));
	if (rc)
		snprintf(what, sizeof(what), "which store was served last is not known: %.80s",
			 error);
	else if (strcmp(last, ours))
		snprintf(what, sizeof(what), "%.40s (%.64s) is not the store served last, %.64s",
			 daemon->spec.source, ours, last);
	else
		return 1;
	return dmu_daemon_blame(daemon, rc ? -rc : EXDEV,
				"%s: if the store is the right one, remove %s/" DMU_TAB_NAME, what,
				daemon->rundir.path);
}

int dmu_store_check(struct dmu_context *daemon)
{
	char ours[sizeof(daemon->store)];
	int rc;

	if (!daemon->options.takeover)
		return 0;
	rc = dmu_store_identify(daemon, ours, sizeof(ours));
	if (rc)
		return rc;
	if (!daemon->taken_over) {
		rc = dmu_store_check_last(daemon, ours);
		if (!rc)
			return dmu_store_claim(daemon);
		if (rc < 0)
			return rc;
	} else if (strcmp(ours, daemon->store)) {
		return dmu_daemon_blame(daemon, EXDEV,
					"%.48s (%.64s) is not the store that is served, %.64s",
					daemon->spec.source, ours, daemon->store);
	}
	memcpy(daemon->store, ours, sizeof(daemon->store));
	return 0;
}

/*
 * The existing table may come from an older program, from another program, or from the time of
 * another store. If it cannot be changed, the device is served as it was before.
 */
static void dmu_store_let_table_claim(const struct dmu_context *daemon)
{
	const struct dmu_geometry *geometry = &daemon->geometry;
	char error[DMU_WIRE_REASON_MAX] = "";
	int rc = dmu_dm_claim(daemon->options.name, geometry->backing,
			      daemon->info.state & DM_USER_STATE_READ_ONLY, error, sizeof(error));

	if (rc > 0)
		dmu_log(DMU_LOG_NOTICE, "the table of %s now claims %s", daemon->options.name,
			daemon->spec.source);
	else if (rc < 0 && !geometry->read_only)
		dmu_log(DMU_LOG_WARNING, "the table of %s does not claim %s, so make sure that "
			"nothing else uses it: %s", daemon->options.name, daemon->spec.source,
			error);
}

int dmu_store_check_holders(struct dmu_context *daemon)
{
	const dev_t ours = makedev(daemon->info.dev_major, daemon->info.dev_minor);
	const struct dmu_geometry *geometry = &daemon->geometry;
	char holder[64];

	if (!daemon->options.takeover)
		return 0;
	if (geometry->backing && !geometry->read_only &&
	    dmu_has_holder(geometry->backing, ours, holder, sizeof(holder)))
		return dmu_daemon_blame(daemon, EBUSY, "%s is in use by device %s, too",
					daemon->spec.source, holder);
	/*
	 * Not if no daemon serves: another process's suspend may wait for this daemon, and the
	 * reload here would wait for that suspend.
	 */
	if (geometry->backing && daemon->taken_over)
		dmu_store_let_table_claim(daemon);
	return 0;
}
