/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The walls of the second stage, each a file of this directory; confine.c has their order. Every
 * function returns 0, or -errno with walls->error naming the failure in one line.
 */
#ifndef DMUSER_WALLS_H
#define DMUSER_WALLS_H

#include <linux/filter.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "daemon/confiner.h"

#define DMU_NAMESPACES	5

/* State that the steps share with each other and with the proof. */
struct dmu_walls {
	struct dmu_confinement *confinement;
	char *error;
	size_t error_len;
	/* Descriptors of /proc, which later has no path; closed before the filter. */
	int self;		/* of /proc/self, O_PATH; -1: closed */
	int fds;		/* of /proc/self/fd; -1: closed */
	/* The state before the confinement: */
	ino_t namespaces[DMU_NAMESPACES];	/* 0: the kernel has none of that kind */
	unsigned int filters;	/* of system calls, inherited */
};

/* Set the error to "cannot @step: reason" and return -errno, or -EIO if errno is 0. */
int dmu_walls_fail(struct dmu_walls *walls, const char *step);
/* Set the error to a text of its own and return -EPERM. */
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
	DMU_ROLE_MAIN,		/* control: handover, timers, answers to clients */
	DMU_ROLE_IO,		/* service: reads requests, does them, answers */
	DMU_ROLES
};

struct dmu_syscalls {
	struct sock_fprog program;
	unsigned int rules;	/* that allow a call */
	uint64_t calls[8];	/* a bit for each number that some rule allows */
};

/* Needs memory and descriptors, so call it before any filter is loaded. */
int dmu_syscalls_build(struct dmu_walls *walls, enum dmu_role role, struct dmu_syscalls *syscalls);
/* Confine the calling thread for ever. Needs no memory and no other system call. 0 or -errno. */
int dmu_syscalls_load(const struct dmu_syscalls *syscalls);

/* proof.c */
int dmu_proof_begin(struct dmu_walls *walls);
/* The checks that need calls which the filter forbids; closes the descriptors of /proc. */
int dmu_proof_before_filter(struct dmu_walls *walls);
/* Check /proc/self/status of the process that is about to serve. */
int dmu_proof_after_filter(struct dmu_walls *walls);

/* Pure; for the functions above and for the tests. */
/* Check @text, of /proc/self/status, which must report @threads and @filters. */
int dmu_proof_status(struct dmu_walls *walls, const char *text, unsigned int threads,
		     unsigned int filters);
/* Check that @open and @wanted are the same set. Sorts both. */
int dmu_proof_fds(struct dmu_walls *walls, int *open, int open_count, int *wanted,
		  int wanted_count);

#endif
