/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The second stage's walls: what each file of this directory does for confine.c, which has their
 * order. Every function returns 0, or -errno with walls->error naming in one line what failed.
 */
#ifndef DMUSER_WALLS_H
#define DMUSER_WALLS_H

#include <linux/filter.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "daemon/stage.h"

#define DMU_NAMESPACES	5

/* What the steps leave for each other and for the proof. */
struct dmu_walls {
	struct dmu_confinement *confinement;
	char *error;
	size_t error_len;
	/* Windows to /proc, which is gone later on; shut before the filter is there. */
	int self;		/* of /proc/self, O_PATH; -1: shut */
	int fds;		/* of /proc/self/fd; -1: shut */
	/* As it was before: */
	ino_t namespaces[DMU_NAMESPACES];	/* 0: the kernel has none of that kind */
	unsigned int filters;	/* of system calls, inherited */
};

/* errno as the result, and "cannot @step: why" as the error. */
int dmu_walls_fail(struct dmu_walls *walls, const char *step);
/* The error in words of its own: -EPERM. */
int dmu_walls_refuse(struct dmu_walls *walls, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/* domain.c: the SELinux domain. Fills confinement->domain. */
int dmu_domain_enter(struct dmu_walls *walls);

/* namespaces.c */
int dmu_namespaces_remember(struct dmu_walls *walls);
int dmu_namespaces_leave(struct dmu_walls *walls);
int dmu_namespaces_check(struct dmu_walls *walls);

/* filesystem.c */
int dmu_filesystem_empty(struct dmu_walls *walls);
int dmu_filesystem_check(struct dmu_walls *walls);

/* privileges.c */
int dmu_securebits_lock(struct dmu_walls *walls);
int dmu_securebits_check(struct dmu_walls *walls);
int dmu_capabilities_drop(struct dmu_walls *walls);
int dmu_privileges_forbid(struct dmu_walls *walls);
int dmu_dump_forbid(struct dmu_walls *walls);
int dmu_dump_check(struct dmu_walls *walls);

/* landlock.c */
int dmu_landlock_enter(struct dmu_walls *walls);
int dmu_landlock_check(struct dmu_walls *walls);

/* syscalls.c: the lists. */
enum dmu_role {
	DMU_ROLE_MAIN,		/* steers: handover, timers, answers to who asks */
	DMU_ROLE_IO,		/* serves: reads requests, does them, answers */
	DMU_ROLES
};

struct dmu_syscalls {
	struct sock_fprog program;
	unsigned int rules;	/* that allow something */
};

/* Needs memory and descriptors, so: before any filter is there. */
int dmu_syscalls_build(struct dmu_walls *walls, enum dmu_role role, struct dmu_syscalls *syscalls);
/* For the calling thread, for ever. No memory and no other system call is needed. 0 or -errno. */
int dmu_syscalls_load(const struct dmu_syscalls *syscalls);

/* proof.c */
int dmu_proof_begin(struct dmu_walls *walls);
/* What must be looked at before the filter is there; shuts the windows. */
int dmu_proof_before_filter(struct dmu_walls *walls);
/* What the kernel says of the process that is about to serve. */
int dmu_proof_after_filter(struct dmu_walls *walls);

/* Pure; for the above and for the tests. */
/* @text is that of /proc/self/status; @threads and @filters are what it must say. */
int dmu_proof_status(struct dmu_walls *walls, const char *text, unsigned int threads,
		     unsigned int filters);
/* @open and @wanted are the same set. Sorts both. */
int dmu_proof_fds(struct dmu_walls *walls, int *open, int open_count, int *wanted,
		  int wanted_count);

#endif
