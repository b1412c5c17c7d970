/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * RUN_DIR/NAME: the lock, the tab line, the store's identity and the socket of one device's
 * daemons.
 */
#ifndef DMUSER_RUNDIR_H
#define DMUSER_RUNDIR_H

#include <stdbool.h>
#include <sys/types.h>

#include "lib/dmuser.h"
#include "rundir/directory.h"

struct dmu_rundir {
	char run_dir[DMU_RUN_DIR_MAX + 1];	/* RUN_DIR */
	char name[DMU_NAME_MAX + 1];
	char path[160];		/* RUN_DIR/NAME */
	int lock;		/* held while this daemon starts; -1: not, or no more */
	int tab;		/* open for dmu_rundir_rewrite_tab(); -1: not */
	off_t tab_size;		/* what it had then */
	/* What this daemon made, and removes if it fails to start: */
	bool made_parent;	/* RUN_DIR */
	bool made;		/* RUN_DIR/NAME */
	bool bound;		/* the socket */
	bool tabbed;		/* the tab line */
	bool stored;		/* the store's identity */
};

/* The run directory of device @name, of which this daemon has nothing yet. 0 or -ENAMETOOLONG. */
int dmu_rundir_name(struct dmu_rundir *rundir, const char *run_dir, const char *name);
/*
 * Make the directory (0700) where it is missing, and take the lock. -EBUSY: another daemon is
 * starting; all with @error, one line.
 */
int dmu_rundir_open(struct dmu_rundir *rundir, const char *run_dir, const char *name, char *error,
		    size_t len);
/* The daemon has started. */
void dmu_rundir_unlock(struct dmu_rundir *rundir);
/* A connection to the serving daemon, or -errno. -ECONNREFUSED: no daemon serves. */
int dmu_rundir_connect(const struct dmu_rundir *rundir);
/* A listening socket, in place of what a dead daemon left. */
int dmu_rundir_listen(struct dmu_rundir *rundir);
/* Write "NAME spec", for a successor that finds no daemon to ask. */
int dmu_rundir_write_tab(struct dmu_rundir *rundir, const char *name, const char *text);
/*
 * The same in two steps, for a daemon that takes over: it opens the file before it confines itself,
 * and writes through that descriptor, by write(2) alone, once it serves. Newlines overwrite the
 * rest of a longer line.
 */
int dmu_rundir_open_tab(struct dmu_rundir *rundir);
int dmu_rundir_rewrite_tab(struct dmu_rundir *rundir, const char *name, const char *text);
int dmu_rundir_read_tab(const struct dmu_rundir *rundir, const char *name, struct dmu_spec *spec,
			char *error, size_t len);
/*
 * Which store is served, as its backend knows it, for the same successor: 0; -ENOENT: nothing is
 * known; -errno; with @error.
 */
int dmu_rundir_write_store(struct dmu_rundir *rundir, const char *store);
int dmu_rundir_read_store(const struct dmu_rundir *rundir, char *store, size_t size, char *error,
			  size_t len);
/* Remove what this daemon made. */
void dmu_rundir_undo(struct dmu_rundir *rundir);

#endif
