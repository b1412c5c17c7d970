/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the driver's files share. */
#ifndef ATTACK_DRIVER_H
#define ATTACK_DRIVER_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#define ATTACK_RUN	"/run/dm-user/t"	/* of the device whose daemon is the attacker */

/* Print that @what cannot be done, and errno; exit with status 2. */
_Noreturn void attack_die(const char *what);

/*
 * world.c: the state that an attempt must not change, in lines of text; the caller frees it.
 * Everything but @daemon: processes, files, mounts, modules, sockets, disks, clock, limits.
 */
char *attack_world(pid_t daemon);
/* Likewise what is visible of @daemon from outside. */
char *attack_itself(pid_t daemon);
/* Print the first lines that differ, with the attempt's name. Returns true if no line differs. */
bool attack_same(const char *name, const char *before, const char *after);

/* inmates.c */
/* The process that runs the copy of the attacker in the run directory; 0: there is none. */
pid_t attack_daemon_find(void);
/* Store the numbers of its descriptors in @values[ATTACK_STORE...ATTACK_EVENT]. */
void attack_daemon_descriptors(pid_t daemon, int64_t *values);
/* The first stage of the device "other". */
pid_t attack_first_find(void);
/* Start a process that sleeps until it is killed. */
pid_t attack_victim(void);
/*
 * Start a process that keeps connecting to the handover socket, as root or as uid 1000.
 * attack_caller_end() ends it, and returns true if it still ran and, as uid 1000, never connected.
 */
pid_t attack_caller(bool root);
bool attack_caller_end(pid_t caller);

#endif
