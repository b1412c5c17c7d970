/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A whole daemon: command line, run directory, handover, confinement and log, from a description.
 * dmuser-first and dmuser-second are two such descriptions.
 */
#ifndef DMUSER_API_H
#define DMUSER_API_H

#include <stdbool.h>

#include "lib/dmuser.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Namespaces, an empty root, Landlock, no capability, seccomp and SELinux, each proved. */
struct dmu_confiner;
extern const struct dmu_confiner dmu_confiner_full;

struct dmu_daemon {
	uint32_t abi;			/* DMU_ABI */
	const char *name;		/* of the program: "dmuser-first", begins its log lines */
	const char *stage;		/* "first", for STATUS; at most 15 bytes */
	const char *purpose;		/* for --help */
	bool takeover_only;		/* never creates a device */
	const struct dmu_confiner *confiner;	/* NULL: the daemon is not confined */
	const struct dmu_backend_ops *const *backends;	/* that it can serve; ends with NULL */
};

/*
 * All of main(): parse the command line, detach, serve, hand over. Return its exit status, or exit
 * with 2 after a usage error. @daemon must live as long as the process.
 */
int dmu_daemon_main(const struct dmu_daemon *daemon, int argc, char **argv);

#ifdef __cplusplus
}
#endif

#endif
