// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * The order in which the second stage gives up its rights, and why. Each wall has its own file.
 * Both stages do the preceding steps (daemon/prepare.c): backend and channels open, other
 * descriptors closed, memory locked, limits and OOM score set. The process stays uid 0, because
 * systemd's final kill would end any other.
 */
#include <errno.h>

#include "daemon/api.h"
#include "second_stage/walls.h"

/*
 * Before there are threads: each step applies to the calling thread, and threads made later inherit
 * it.
 *
 * There is no PID namespace. It applies to children only, so the daemon would have to be a child.
 * The daemon and its peers would then see pid 0 in SO_PEERCRED, but each must know which process it
 * kills (P7). A PID namespace would hide processes from a daemon that cannot open /proc, and that
 * can signal only the peer whose pidfd it was sent. There is no user namespace either: systemd
 * spares uid 0 of the initial one only. Both walls would keep out system calls that the filter
 * kills.
 */
static int (*const dmu_confine_steps[])(struct dmu_walls *walls) = {
	/*
	 * Open descriptors of /proc, and record the present state. First, because later nothing
	 * can be opened. Without it no change can be proved.
	 */
	dmu_proof_begin,

	/*
	 * Own, empty namespaces of mounts, IPC, host name, network and control groups. Needs
	 * CAP_SYS_ADMIN, so before the capabilities. A backend's sockets keep their network.
	 * Without it, an attack that bypasses the filter finds sockets to connect to (abstract
	 * ones, the loopback) and System V memory of other processes.
	 */
	dmu_namespaces_leave,

	/*
	 * The file system: an empty, read-only root that no process may even list. Needs
	 * CAP_SYS_ADMIN. Without it the daemon can open every file that uid 0 owns, capabilities
	 * or not, and its mounts keep the root that it serves busy (P11).
	 */
	dmu_filesystem_empty,

	/*
	 * Locked securebits, by which uid 0 gives no capability. Needs CAP_SETPCAP, so before the
	 * capabilities. Without it the first exec gives all of them back to uid 0.
	 */
	dmu_securebits_lock,

	/*
	 * Capabilities: the bounding set first, which needs CAP_SETPCAP, the ambient set, then the
	 * three others. Without it: mount, ptrace, raw disks, modules, other targets.
	 */
	dmu_capabilities_drop,

	/*
	 * no_new_privs. After the securebits and the capabilities, though any place before Landlock
	 * and the filter would do: the kernel gives these to an unprivileged process only with it.
	 * Without it a program that is set-uid or has file capabilities gives privileges.
	 */
	dmu_privileges_forbid,

	/*
	 * No core dump, and no ptrace by processes of the same user. After the changes of
	 * credentials, because some reset dumpable to fs.suid_dumpable. Without it a crash holds
	 * the channels while a core with root's data is written, perhaps to the device itself.
	 */
	dmu_dump_forbid,

	/*
	 * The SELinux domain. After all steps that need a right which that domain need not have,
	 * while /proc can still be opened, and before there are threads, which could not change it.
	 * Later only an exec or a write to /proc could. Without it a wrong label of the program
	 * would silently leave the daemon in a domain that may do anything.
	 */
	dmu_domain_enter,

	/*
	 * Landlock, where the kernel has it: the daemon can open, make and remove no file, and use
	 * no TCP port and no abstract socket. Needs no_new_privs; after all steps that open a file.
	 * Without it a descriptor of a directory, whatever its origin, leads back to files.
	 */
	dmu_landlock_enter,
};

/* ---- the hooks ---- */

static struct dmu_walls dmu_walls = { .self = -1, .fds = -1 };

static int dmu_confine_in_thread(void *arg)
{
	return dmu_syscalls_load(arg);
}

static int confine(struct dmu_confinement *confinement, char *error, size_t len)
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
 * Called when the threads are made and wait. The filter of system calls comes last, because the
 * steps above need calls that it forbids. Properties that only such calls can check are checked
 * before it. Each I/O thread loads its list by itself, then the main thread loads its own, so
 * neither list has a call that only the other needs. (SECCOMP_FILTER_FLAG_TSYNC gives all threads
 * the same list.) Without it every system call that needs no privilege can be attacked.
 */
static int filter(struct dmu_confinement *confinement, char *error, size_t len)
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

static int verify(struct dmu_confinement *confinement, char *error, size_t len)
{
	dmu_walls.error = error;
	dmu_walls.error_len = len;
	return dmu_proof_after_filter(&dmu_walls);
}

const struct dmu_confiner dmu_confiner_full = {
	.confine = confine,
	.filter = filter,
	.verify = verify,
};
