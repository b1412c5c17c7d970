/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The files of a device that is gone. */
#ifndef DMUSER_CLEAN_H
#define DMUSER_CLEAN_H

/*
 * Remove the files of daemons, dmuserctl and dmuser-watch in RUN_DIR/NAME, and the directory if it
 * is empty then. The caller has stopped listening there. If a daemon starts or listens there, or a
 * dmuserctl or dmuser-watch starts one, or a process other than root's could write to a directory,
 * everything stays.
 */
void dmu_run_clean(const char *run_dir, const char *name);
/*
 * The same, but the copies of programs stay: a daemon may not look for the processes that run them.
 */
void dmu_run_clean_files(const char *run_dir, const char *name);

#endif
