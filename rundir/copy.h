/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The copies in RUN_DIR/NAME that second stages run from. */
#ifndef DMUSER_COPY_H
#define DMUSER_COPY_H

#include <stddef.h>
#include <stdint.h>

/*
 * Copy @source to RUN_DIR/NAME/dmuser-second.@generation, and that path to @path. Return 0, or
 * -errno and @error.
 */
int dmu_copy_make(char *path, size_t path_len, const char *source, const char *run_dir,
		  const char *name, uint64_t generation, char *error, size_t len);
/* Copy all of @from to @to. */
int dmu_copy_bytes(int from, int to);
/*
 * Copy the SELinux label: the copy must lead into the same domain as the program. If that fails,
 * the second stage is in another domain, where it refuses to serve.
 */
void dmu_copy_label(int from, int to);
/* Remove the copies but @keep that no process runs; wait at most @wait_ms for leaving daemons. */
void dmu_copy_prune(const char *run_dir, const char *name, const char *keep, int wait_ms);
/* Refuse a file that is no static 64-bit ELF program. Return 0, or -ENOEXEC and @error. */
int dmu_copy_check(int fd, const char *path, char *error, size_t len);

#endif
