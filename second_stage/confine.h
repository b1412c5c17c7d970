/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the second stage gives up, in this order, and why there:
 *
 *	dmu_confine(): before there are threads, because each of these belongs to
 *	a thread and is inherited by those it makes
 *	  1. the file system: an own mount namespace with an empty, read-only root
 *	     that nobody may even list; needs CAP_SYS_ADMIN, so it comes first
 *	  2. the way back: securebits that make uid 0 worth nothing, locked; needs
 *	     CAP_SETPCAP
 *	  3. capabilities: bounding, ambient, then all of the others
 *	  4. no_new_privs, and no core dumps or ptrace by equals
 *	dmu_confine_filter(): when the threads are made
 *	  5. system calls: second_stage/syscalls.c, in all threads at once
 *	dmu_confine_verify()
 *	  6. the proof, from what the kernel says of the process
 *
 * Descriptors, memory, OOM score and I/O flusher are the same in both stages:
 * handover/prepare.c. The process stays uid 0, or systemd's final kill ends it.
 */
#ifndef DMUSER_CONFINE_H
#define DMUSER_CONFINE_H

#include "handover/daemon.h"

/* The hooks of struct dmu_stage. */
int dmu_confine(struct dmu_confinement *confinement, char *error, size_t len);
int dmu_confine_filter(struct dmu_confinement *confinement, char *error, size_t len);
int dmu_confine_verify(struct dmu_confinement *confinement, char *error, size_t len);

/* Install the allow-list in all threads; see syscalls.c for it. */
int dmu_syscalls_filter(const struct dmu_confinement *confinement, char *error, size_t len);

#endif
