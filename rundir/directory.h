/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * RUN_DIR/NAME, where the daemons of device NAME, dmuserctl and dmuser-watch meet: its files, the
 * lock that lets one program at a time start a daemon, and its removal.
 */
#ifndef DMUSER_DIRECTORY_H
#define DMUSER_DIRECTORY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define DMU_RUN_DIR		"/run/dm-user"
#define DMU_RUN_DIR_MAX		63		/* bytes in the path of another run directory */

/* In RUN_DIR/NAME. */
#define DMU_SOCKET_NAME		"handover.sock"
#define DMU_TAB_NAME		"tab"		/* the line of the served spec */
#define DMU_STORE_NAME		"store"		/* the identity of the served store */
#define DMU_LOCK_NAME		"lock"		/* flock: held by a daemon while it starts */
#define DMU_OPEN_NAME		"open"		/* exists while the node is open for a restart */
#define DMU_WATCH_NAME		"watch"		/* locked by dmuser-watch, which writes it */

#define DMU_ERROR_MAX		512		/* bytes of an error line, with the NUL */
#define DMU_PATH_MAX		4096

/* RUN_DIR/NAME[/file]. 0 or -ENAMETOOLONG. */
int dmu_run_path(char *path, size_t len, const char *run_dir, const char *name, const char *file);
/*
 * Open that path with @flags, O_CLOEXEC and O_NOFOLLOW; a new file has mode 0600. Return a
 * descriptor or -errno.
 */
int dmu_run_open(const char *run_dir, const char *name, const char *file, int flags);
/*
 * Make RUN_DIR (0755) and RUN_DIR/NAME (0700) if they are missing; @made_parent and @made, which
 * may be NULL, say which of them. A process that can write there can lead a newcomer to another
 * daemon or store, so a directory that others than root can write to is refused. Return 0, or
 * -errno and @error.
 */
int dmu_run_make(const char *run_dir, const char *name, bool *made_parent, bool *made, char *error,
		 size_t len);
/* Make RUN_DIR/NAME if it is missing, and refuse a directory that is not in memory. */
int dmu_run_prepare(const char *run_dir, const char *name, char *error, size_t len);
/* A locked descriptor, released by close(); -EWOULDBLOCK: another process holds the lock. */
int dmu_run_lock(const char *run_dir, const char *name);
/*
 * The same for the lock of a daemon that starts, or of a process that removes the daemons' files.
 * -EBUSY: another process holds the lock; -ESTALE: its last holder has just removed the file.
 */
int dmu_run_lock_start(const char *run_dir, const char *name);
/* Remove RUN_DIR/NAME if it is empty. */
void dmu_run_leave(const char *run_dir, const char *name);

#endif
