// SPDX-License-Identifier: LGPL-2.1-or-later
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "handover/peer.h"
#include "rundir/rundir.h"

/*
 * The daemon's command line has seen to it that the longest path, the socket's, fits everywhere
 * here.
 */
#define DMU_TAB_LINE_MAX	(DMU_SPEC_MAX + DMU_NAME_MAX + 4)
#define DMU_LOCK_TRIES	25
#define DMU_LOCK_PAUSE_MS	20

static void dmu_rundir_unlink(const struct dmu_rundir *rundir, const char *file)
{
	char path[256];

	dmu_run_path(path, sizeof(path), rundir->run_dir, rundir->name, file);
	unlink(path);
}

void dmu_rundir_undo(struct dmu_rundir *rundir)
{
	if (rundir->bound)
		dmu_rundir_unlink(rundir, DMU_SOCKET_NAME);
	if (rundir->tabbed)
		dmu_rundir_unlink(rundir, DMU_TAB_NAME);
	if (rundir->stored)
		dmu_rundir_unlink(rundir, DMU_STORE_NAME);
	if (rundir->made) {
		if (rundir->lock >= 0)
			dmu_rundir_unlink(rundir, DMU_LOCK_NAME);
		rmdir(rundir->path);
	}
	/* rmdir() fails if another device's directory is in it by now. */
	if (rundir->made_parent)
		rmdir(rundir->run_dir);
}

void dmu_rundir_unlock(struct dmu_rundir *rundir)
{
	if (rundir->lock >= 0)
		close(rundir->lock);
	rundir->lock = -1;
}

/*
 * A process that removes the files of an older device of that name has the lock, and the directory,
 * for a moment.
 */
static int dmu_rundir_take(struct dmu_rundir *rundir, char *error, size_t len)
{
	int rc, tries = DMU_LOCK_TRIES;

	for (;;) {
		*error = '\0';
		rc = dmu_run_make(rundir->run_dir, rundir->name, &rundir->made_parent,
				  &rundir->made, error, len);
		if (!rc) {
			rc = dmu_run_lock_start(rundir->run_dir, rundir->name);
			rundir->lock = rc < 0 ? -1 : rc;
			rc = rc < 0 ? rc : 0;
		}
		if ((rc != -EBUSY && rc != -ESTALE && rc != -ENOENT) || !--tries)
			return rc;
		poll(NULL, 0, DMU_LOCK_PAUSE_MS);
	}
}

int dmu_rundir_name(struct dmu_rundir *rundir, const char *run_dir, const char *name)
{
	memset(rundir, 0, sizeof(*rundir));
	rundir->lock = -1;
	rundir->tab = -1;
	if (strlen(run_dir) >= sizeof(rundir->run_dir) || strlen(name) >= sizeof(rundir->name))
		return -ENAMETOOLONG;
	strcpy(rundir->run_dir, run_dir);
	strcpy(rundir->name, name);
	return dmu_run_path(rundir->path, sizeof(rundir->path), run_dir, name, NULL);
}

int dmu_rundir_open(struct dmu_rundir *rundir, const char *run_dir, const char *name, char *error,
		    size_t len)
{
	int rc;

	dmu_rundir_name(rundir, run_dir, name);
	rc = dmu_rundir_take(rundir, error, len);
	if (!rc)
		return 0;
	if (rc == -EBUSY)
		snprintf(error, len, "another daemon of %s is starting", name);
	else if (!*error)
		snprintf(error, len, "cannot make or lock %s: %s", rundir->path, strerror(-rc));
	dmu_rundir_undo(rundir);
	return rc;
}

int dmu_rundir_connect(const struct dmu_rundir *rundir)
{
	char path[256];
	int fd;

	dmu_run_path(path, sizeof(path), rundir->run_dir, rundir->name, DMU_SOCKET_NAME);
	fd = dmu_peer_connect(path);
	return fd == -ENOENT ? -ECONNREFUSED : fd;
}

int dmu_rundir_listen(struct dmu_rundir *rundir)
{
	char path[256];
	int fd;

	dmu_run_path(path, sizeof(path), rundir->run_dir, rundir->name, DMU_SOCKET_NAME);
	/* No daemon listens there, and no other daemon starts: this one has the lock. */
	unlink(path);
	fd = dmu_peer_listen(path);
	rundir->bound = fd >= 0;
	return fd;
}

int dmu_rundir_open_tab(struct dmu_rundir *rundir)
{
	struct stat st;

	rundir->tab = dmu_run_open(rundir->run_dir, rundir->name, DMU_TAB_NAME, O_WRONLY | O_CREAT);
	if (rundir->tab < 0)
		return rundir->tab;
	if (fstat(rundir->tab, &st))
		return -errno;
	rundir->tab_size = st.st_size;
	rundir->tabbed = !st.st_size;
	return 0;
}

/* #syscalls main: write close */
int dmu_rundir_rewrite_tab(struct dmu_rundir *rundir, const char *name, const char *text)
{
	char line[DMU_TAB_LINE_MAX];
	size_t len;
	int rc = 0;

	memset(line, '\n', sizeof(line));
	len = (size_t)snprintf(line, sizeof(line), "%s %s\n", name, text);
	line[len] = '\n';
	/* Over all of an older line: a confined daemon cannot cut the file. */
	if (len < (size_t)rundir->tab_size)
		len = rundir->tab_size < DMU_TAB_LINE_MAX ? rundir->tab_size : DMU_TAB_LINE_MAX;
	errno = EIO;
	if (write(rundir->tab, line, len) != (ssize_t)len)
		rc = -errno;
	close(rundir->tab);
	rundir->tab = -1;
	return rc;
}

/* All of it or nothing. */
static int dmu_rundir_write(const struct dmu_rundir *rundir, const char *file, const char *line)
{
	char path[256], partial[256 + sizeof(".partial")];
	size_t len = strlen(line);
	int fd, rc = 0;

	dmu_run_path(path, sizeof(path), rundir->run_dir, rundir->name, file);
	snprintf(partial, sizeof(partial), "%s.partial", path);
	fd = open(partial, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return -errno;
	errno = EIO;
	if (write(fd, line, len) != (ssize_t)len || rename(partial, path))
		rc = -errno;
	close(fd);
	if (rc)
		unlink(partial);
	return rc;
}

int dmu_rundir_write_tab(struct dmu_rundir *rundir, const char *name, const char *text)
{
	char line[DMU_TAB_LINE_MAX];
	int rc;

	snprintf(line, sizeof(line), "%s %s\n", name, text);
	rc = dmu_rundir_write(rundir, DMU_TAB_NAME, line);
	rundir->tabbed = !rc;
	return rc;
}

int dmu_rundir_write_store(struct dmu_rundir *rundir, const char *store)
{
	char line[DMU_SPEC_MAX + 1];
	int rc;

	snprintf(line, sizeof(line), "%s\n", store);
	rc = dmu_rundir_write(rundir, DMU_STORE_NAME, line);
	rundir->stored = !rc;
	return rc;
}

/* The first line of a file that only root may write. 0; -ENOENT: none; -errno; with @error. */
static int dmu_rundir_read(const struct dmu_rundir *rundir, const char *file, char *line, int size,
			   char *error, size_t len)
{
	char path[256];
	FILE *stream;
	int rc;

	dmu_run_path(path, sizeof(path), rundir->run_dir, rundir->name, file);
	stream = fopen(path, "re");
	if (!stream) {
		rc = -errno;
		snprintf(error, len, "cannot read %s: %s", path, strerror(-rc));
		return rc;
	}
	rc = dmu_trusted_check(fileno(stream), path, error, len);
	/* Of a daemon that died before it served. */
	if (!rc && !fgets(line, size, stream)) {
		snprintf(error, len, "%s is empty", path);
		rc = -ENOENT;
	}
	fclose(stream);
	return rc;
}

int dmu_rundir_read_store(const struct dmu_rundir *rundir, char *store, size_t size, char *error,
			  size_t len)
{
	int rc = dmu_rundir_read(rundir, DMU_STORE_NAME, store, (int)size, error, len);

	if (!rc)
		store[strcspn(store, "\n")] = '\0';
	return rc;
}

int dmu_rundir_read_tab(const struct dmu_rundir *rundir, const char *name, struct dmu_spec *spec,
			char *error, size_t len)
{
	char line[DMU_TAB_LINE_MAX], of[DMU_NAME_MAX + 1], why[256];
	int rc;

	rc = dmu_rundir_read(rundir, DMU_TAB_NAME, line, sizeof(line), error, len);
	if (rc)
		return rc;
	snprintf(why, sizeof(why), "no line for %s", name);
	rc = dmu_tab_parse_line(line, of, spec, why, sizeof(why));
	if (rc == 1 && !strcmp(of, name))
		return 0;
	snprintf(error, len, "%s/" DMU_TAB_NAME ": %s", rundir->path, why);
	return -EINVAL;
}
