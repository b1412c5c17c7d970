// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The order in which the second stage gives everything up. One file a wall; here is when, and why
 * then. What comes before is the same in both stages (daemon/prepare.c): backend and channels
 * open, other descriptors closed, memory locked, limits set, OOM score set. The process stays
 * uid 0, or systemd's final kill ends it.
 */
#include <errno.h>

#include "second_stage/confine.h"
#include "second_stage/walls.h"

/*
 * Before there are threads: each of these belongs to a thread, and those made later inherit it.
 *
 * No PID namespace. It would be for children only, of which the daemon would have to be one: its
 * peers would then see pid 0 in SO_PEERCRED, and the daemon as little of theirs, and each of them
 * must know whom it kills (P7). It would hide processes from one that can open no /proc, and signal
 * none but the peer whose pidfd it was sent. No user namespace either: systemd spares uid 0 of the
 * first one only. Both walls would keep out what the filter kills.
 */
static int (*const dmu_confine_steps[])(struct dmu_walls *walls) = {
	/*
	 * Windows to /proc, and what is true now. First, because later nothing can be opened.
	 * Without it there is nothing to prove a change by.
	 */
	dmu_proof_begin,

	/*
	 * IPC, host name, network and control groups of its own, empty. Needs CAP_SYS_ADMIN, so
	 * before the capabilities. Sockets that a backend has keep the network they were made in.
	 * Without it, a way around the filter finds sockets to connect to (abstract ones, the
	 * loopback) and System V memory of others.
	 */
	dmu_namespaces_leave,

	/*
	 * The file system: an own mount namespace with an empty, read-only root that nobody may
	 * even list. Needs CAP_SYS_ADMIN. Without it every file that uid 0 owns is open to it,
	 * capabilities or not; and its mounts keep the root that it serves busy (P11).
	 */
	dmu_filesystem_empty,

	/*
	 * The way back: securebits that make uid 0 worth nothing, locked. Needs CAP_SETPCAP, so
	 * before the capabilities. Without it the first exec gives all of them back to uid 0.
	 */
	dmu_securebits_lock,

	/*
	 * Capabilities: bounding and ambient set, then the three others. The bounding set first,
	 * which needs CAP_SETPCAP. Without it: mount, ptrace, raw disks, modules, other targets.
	 */
	dmu_capabilities_drop,

	/*
	 * no_new_privs. After the securebits and the capabilities, though it would do anywhere
	 * before Landlock and the filter, which the kernel gives to the unprivileged only with it.
	 * Without it a set-uid program, or one with file capabilities, is a way up.
	 */
	dmu_privileges_forbid,

	/*
	 * No core dump, and no ptrace by equals. After the changes of credentials, of which some
	 * reset it to fs.suid_dumpable. Without it a crash holds the channels while a core is
	 * written, perhaps to the device itself; and root's data is what the core has in it.
	 */
	dmu_dump_forbid,

	/*
	 * The SELinux domain. After all that takes a right which that domain need not have, while
	 * a file of /proc can still be opened, and before there are threads, which could not
	 * change it. Later only an exec could, or a write to /proc. Without it a file labelled
	 * wrongly would leave the daemon in a domain that may anything, in silence.
	 */
	dmu_domain_enter,

	/*
	 * Landlock, where the kernel has it: no file is opened, made or removed, no TCP port, no
	 * abstract socket. Needs no_new_privs; last of those that open anything. Without it a
	 * descriptor of a directory, however it came, is a way back to files.
	 */
	dmu_landlock_enter,
};

/* ---- the hooks ---- */

static struct dmu_walls dmu_walls = { .self = -1, .fds = -1 };

static int dmu_confine_in_thread(void *arg)
{
	return dmu_syscalls_load(arg);
}

int dmu_confine(struct dmu_confinement *confinement, char *error, size_t len)
{
	size_t i;
	int rc = 0;

	dmu_walls.confinement = confinement;
	dmu_walls.error = error;
	dmu_walls.error_len = len;
	for (i = 0; !rc && i < sizeof(dmu_confine_steps) / sizeof(dmu_confine_steps[0]); i++)
		rc = dmu_confine_steps[i](&dmu_walls);
	return rc;
}

/*
 * When the threads are made, and wait. System calls come last, because everything above takes some
 * that are then forbidden; so what can be looked at by these alone is looked at before. Each I/O
 * thread takes its list by itself, then the main thread takes its own: of two lists none has what
 * only the other needs. SECCOMP_FILTER_FLAG_TSYNC gives all threads the same one. Without it
 * every call of the kernel that needs no privilege is there to be attacked.
 */
int dmu_confine_filter(struct dmu_confinement *confinement, char *error, size_t len)
{
	struct dmu_syscalls lists[DMU_ROLES];
	enum dmu_role role;
	int rc;

	dmu_walls.error = error;
	dmu_walls.error_len = len;
	rc = dmu_proof_before_filter(&dmu_walls);
	for (role = 0; !rc && role < DMU_ROLES; role++)
		rc = dmu_syscalls_build(&dmu_walls, role, &lists[role]);
	if (rc)
		return rc;
	rc = dmu_server_each(confinement->server, dmu_confine_in_thread, &lists[DMU_ROLE_IO]);
	if (!rc)
		rc = dmu_syscalls_load(&lists[DMU_ROLE_MAIN]);
	if (rc) {
		errno = -rc;
		return dmu_walls_fail(&dmu_walls, "load the filter of system calls");
	}
	return 0;
}

int dmu_confine_verify(struct dmu_confinement *confinement, char *error, size_t len)
{
	dmu_walls.error = error;
	dmu_walls.error_len = len;
	return dmu_proof_after_filter(&dmu_walls);
}
