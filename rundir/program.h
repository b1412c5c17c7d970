/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A daemon's program: where it is, and a run of it up to its verdict. */
#ifndef DMUSER_PROGRAM_H
#define DMUSER_PROGRAM_H

#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* @given, or @name beside dmuserctl, in ../libexec, in $PATH. 0 and @path, or -errno and @error. */
int dmu_program_find(char *path, size_t path_len, const char *given, const char *name, char *error,
		     size_t len);
/* What a daemon of either stage is started for. */
struct dmu_program_request {
	const char *name;		/* of the device */
	const char *run_dir;
	const char *ctl;		/* to take over the device whose control node that is; or NULL */
	const char *spec;		/* with @ctl it may be NULL */
	uint64_t channels;		/* 0: the daemon's default */
	uint64_t timeout_ms;		/* 0: likewise */
};

/* Its command line. */
struct dmu_program_line {
	char *argv[16];
	char channels[24], timeout[24];
};

/* @request must outlive @line. */
void dmu_program_fill(struct dmu_program_line *line, const char *argv0,
		      const struct dmu_program_request *request);

struct dmu_program {
	const char *path;
	bool in_memory;			/* on a tmpfs; is to run even if that is mounted noexec */
	int patience_ms;		/* until it is killed; -1: for ever */
	/* Called while that lasts, after 5 seconds, 10, 20 and so on; or NULL. */
	void (*waiting)(void *arg, pid_t pid, unsigned int seconds);
	void *arg;
	const volatile sig_atomic_t *told;	/* not 0: not to wait any more; or NULL */
	char *said;			/* what it said, if it exited 0; or NULL */
	size_t said_len;
};

/*
 * Run @program with @argv and wait for it to exit. 0: it exited 0; -ECHILD: it failed, and @error has
 * the last line it said, without its own name and @name before it, or how it ended; -ETIMEDOUT: it was
 * killed, as was the daemon that it was starting, unless that serves already; -EINTR: told, and left to
 * itself; or another -errno.
 */
int dmu_program_run(const struct dmu_program *program, char *const argv[], const char *name, char *error,
		    size_t len);

#endif
