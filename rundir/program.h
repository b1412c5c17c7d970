/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Find a daemon's program, and run it until its result is known. */
#ifndef DMUSER_PROGRAM_H
#define DMUSER_PROGRAM_H

#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "lib/dmuser.h"

/*
 * Find @given, or else the daemon of @backend (NULL: unknown), dmuser-BACKEND, or else @name:
 * beside dmuserctl, in ../libexec or in $PATH, there only programs that root alone can write.
 * Return 0 and @path, or -errno and @error.
 */
int dmu_program_find(char *path, size_t path_len, const char *given, const char *backend,
		     const char *name, char *error, size_t len);
/* The arguments of a daemon of either stage. */
struct dmu_program_request {
	const char *name;		/* of the device */
	const char *run_dir;
	const char *ctl;		/* take over this node's device; NULL: create a device */
	const char *spec;		/* with @ctl it may be NULL */
	uint64_t channels;		/* 0: the daemon's default */
	uint64_t timeout_ms;		/* 0: likewise */
};

/* The command line made of them. */
struct dmu_program_line {
	char *argv[16];
	char channels[24], timeout[24];
};

/* @request must outlive @line. */
void dmu_program_fill(struct dmu_program_line *line, const char *argv0,
		      const struct dmu_program_request *request);

struct dmu_program {
	const char *path;
	bool in_memory;			/* on a tmpfs: run it even if that is mounted noexec */
	int patience_ms;		/* kill it after so long; -1: never */
	/* Called while it runs on, after 5, 10, 20 seconds and so on; or NULL. */
	void (*waiting)(void *arg, pid_t pid, unsigned int seconds);
	void *arg;
	const volatile sig_atomic_t *told;	/* not 0: stop waiting; or NULL */
	char *said;			/* its stdout, if it exited with 0; or NULL */
	size_t said_len;
};

/*
 * Run @program with @argv and wait for its exit. 0: it exited with 0. -ECHILD: it failed, and
 * @error has its last line, without its own name and @name, or how it ended. -ETIMEDOUT: it was
 * killed, and with it the daemon that it was starting, unless that serves already. -EINTR: *told
 * was set, and it runs on. Or another -errno.
 */
int dmu_program_run(const struct dmu_program *program, char *const argv[], const char *name,
		    char *error, size_t len);

#define DMU_PROGRAM_SAID_MAX	(4 * DMU_SPEC_MAX)

/* Ask the daemon's program at @path: run "@path @question @spec". Return as dmu_program_run(). */
int dmu_program_ask(const char *path, const char *question, const char *spec, char *said,
		    size_t said_len, char *error, size_t len);

#endif
