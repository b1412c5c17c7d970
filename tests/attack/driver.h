/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the driver's files share. */
#ifndef ATTACK_DRIVER_H
#define ATTACK_DRIVER_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#define ATTACK_RUN	"/run/dm-user/t"	/* of the device that is attacked from within */

/* Say what cannot be done and why (errno), and end. */
_Noreturn void attack_die(const char *what);

/*
 * world.c: what an attempt must leave as it is, in lines, to be freed. All but @daemon: processes,
 * files, mounts, modules, sockets, disks, clock, limits.
 */
char *attack_world(pid_t daemon);
/* What can be seen of @daemon from outside. */
char *attack_itself(pid_t daemon);
/* Print the first lines that differ, with the attempt's name. True: none does. */
bool attack_same(const char *name, const char *before, const char *after);

/* inmates.c */
/* Who runs from the copy of the attacker in the run directory; 0: nobody. */
pid_t attack_daemon_find(void);
/* Its descriptors, into @values[ATTACK_STORE...ATTACK_EVENT]. */
void attack_daemon_descriptors(pid_t daemon, int64_t *values);
/* The first stage of the device "other". */
pid_t attack_first_find(void);
/* A process that sleeps until it is killed. */
pid_t attack_victim(void);
/*
 * A process that connects to the handover socket again and again, as root or as uid 1000, until
 * attack_caller_end(): true if it was still there, and, of uid 1000, if it never got in.
 */
pid_t attack_caller(bool root);
bool attack_caller_end(pid_t caller);

#endif
