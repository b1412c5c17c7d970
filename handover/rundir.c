// SPDX-License-Identifier: GPL-2.0-or-later
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "handover/peer.h"
#include "handover/rundir.h"

#define DMU_TAB_PARTIAL	DMU_TAB_NAME ".partial"

/* options.c has seen to it that the longest path, the socket's, fits. */
static void dmu_rundir_path(const struct dmu_rundir *rundir, const char *file, char *path,
			    size_t size)
{
	snprintf(path, size, "%s/%s", rundir->path, file);
}

static void dmu_rundir_unlink(const struct dmu_rundir *rundir, const char *file)
{
	char path[256];

	dmu_rundir_path(rundir, file, path, sizeof(path));
	unlink(path);
}

static int dmu_rundir_make(struct dmu_rundir *rundir)
{
	if (!mkdir(rundir->parent, 0755))
		rundir->made_parent = true;
	else if (errno != EEXIST)
		return -errno;
	if (!mkdir(rundir->path, 0700))
		rundir->made = true;
	else if (errno != EEXIST)
		return -errno;
	return 0;
}

void dmu_rundir_undo(struct dmu_rundir *rundir)
{
	if (rundir->bound)
		dmu_rundir_unlink(rundir, DMU_SOCKET_NAME);
	if (rundir->tabbed)
		dmu_rundir_unlink(rundir, DMU_TAB_NAME);
	if (rundir->made) {
		dmu_rundir_unlink(rundir, DMU_LOCK_NAME);
		rmdir(rundir->path);
	}
	/* Not if somebody else is in it by now. */
	if (rundir->made_parent)
		rmdir(rundir->parent);
}

int dmu_rundir_open(struct dmu_rundir *rundir, const struct dmu_daemon_options *options,
		    char *error, size_t len)
{
	char path[256];
	int rc;

	memset(rundir, 0, sizeof(*rundir));
	rundir->lock = -1;
	snprintf(rundir->parent, sizeof(rundir->parent), "%s", options->run_dir);
	snprintf(rundir->path, sizeof(rundir->path), "%s/%s", options->run_dir, options->name);
	rc = dmu_rundir_make(rundir);
	if (rc) {
		snprintf(error, len, "cannot make %s: %s", rundir->path, strerror(-rc));
		return rc;
	}
	dmu_rundir_path(rundir, DMU_LOCK_NAME, path, sizeof(path));
	rundir->lock = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (rundir->lock < 0) {
		rc = -errno;
		snprintf(error, len, "cannot open %s: %s", path, strerror(-rc));
		goto err_undo;
	}
	if (flock(rundir->lock, LOCK_EX | LOCK_NB)) {
		rc = errno == EWOULDBLOCK ? -EBUSY : -errno;
		snprintf(error, len,
			 rc == -EBUSY ? "another daemon of %s is starting" : "cannot lock %s",
			 options->name);
		goto err_close;
	}
	return 0;

err_close:
	close(rundir->lock);
	rundir->lock = -1;
err_undo:
	dmu_rundir_undo(rundir);
	return rc;
}

void dmu_rundir_unlock(struct dmu_rundir *rundir)
{
	if (rundir->lock >= 0)
		close(rundir->lock);
	rundir->lock = -1;
}

int dmu_rundir_connect(const struct dmu_rundir *rundir)
{
	char path[256];
	int fd;

	dmu_rundir_path(rundir, DMU_SOCKET_NAME, path, sizeof(path));
	fd = dmu_peer_connect(path);
	return fd == -ENOENT ? -ECONNREFUSED : fd;
}

int dmu_rundir_listen(struct dmu_rundir *rundir)
{
	char path[256];
	int fd;

	dmu_rundir_path(rundir, DMU_SOCKET_NAME, path, sizeof(path));
	/* Nobody listens there, and nobody else starts: we have the lock. */
	unlink(path);
	fd = dmu_peer_listen(path);
	rundir->bound = fd >= 0;
	return fd;
}

int dmu_rundir_write_tab(struct dmu_rundir *rundir, const char *name, const char *text)
{
	char path[256], partial[256];
	char line[DMU_SPEC_MAX + DMU_NAME_MAX + 3];
	int fd, len, rc = 0;

	dmu_rundir_path(rundir, DMU_TAB_NAME, path, sizeof(path));
	dmu_rundir_path(rundir, DMU_TAB_PARTIAL, partial, sizeof(partial));
	len = snprintf(line, sizeof(line), "%s %s\n", name, text);
	fd = open(partial, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return -errno;
	errno = EIO;
	if (write(fd, line, (size_t)len) != len || rename(partial, path))
		rc = -errno;
	close(fd);
	if (rc)
		unlink(partial);
	rundir->tabbed = !rc;
	return rc;
}

int dmu_rundir_read_tab(const struct dmu_rundir *rundir, const char *name, struct dmu_spec *spec,
			char *error, size_t len)
{
	char path[256], line[DMU_SPEC_MAX + DMU_NAME_MAX + 3], of[DMU_NAME_MAX + 1], why[256];
	bool some;
	FILE *file;
	int rc;

	dmu_rundir_path(rundir, DMU_TAB_NAME, path, sizeof(path));
	file = fopen(path, "re");
	if (!file) {
		rc = -errno;
		snprintf(error, len, "no BACKEND:SOURCE given, and cannot read %s: %s", path,
			 strerror(-rc));
		return rc;
	}
	some = fgets(line, sizeof(line), file);
	fclose(file);
	snprintf(why, sizeof(why), "no line for %s", name);
	rc = some ? dmu_tab_parse_line(line, of, spec, why, sizeof(why)) : 0;
	if (rc == 1 && !strcmp(of, name))
		return 0;
	snprintf(error, len, "%s: %s", path, why);
	return -EINVAL;
}

void dmu_rundir_clean(struct dmu_rundir *rundir)
{
	dmu_rundir_unlink(rundir, DMU_SOCKET_NAME);
	dmu_rundir_unlink(rundir, DMU_TAB_NAME);
	dmu_rundir_unlink(rundir, DMU_LOCK_NAME);
	rmdir(rundir->path);
}
