// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The second stage's main(), with the attacker's backend. -DATTACK_NO_WALLS leaves the confinement
 * out, and -DATTACK_SELINUX_ALONE all of it but the SELinux domain.
 */
#include <unistd.h>

#include "daemon/stage.h"
#include "second_stage/confine.h"
#include "second_stage/walls.h"

#ifdef ATTACK_SELINUX_ALONE
static int enter_domain(struct dmu_confinement *confinement, char *error, size_t len)
{
	static struct dmu_walls walls = { .self = -1, .fds = -1 };
	int rc;

	walls.confinement = confinement;
	walls.error = error;
	walls.error_len = len;
	rc = dmu_proof_begin(&walls);
	if (!rc)
		rc = dmu_domain_enter(&walls);
	/* The real second stage does not keep these descriptors of /proc. */
	close(walls.self);
	close(walls.fds);
	return rc;
}
#endif

int main(int argc, char **argv)
{
	static const struct dmu_stage stage = {
		.program = "dmuser-second",
		.name = "second",
		.takeover_only = true,
#if defined(ATTACK_SELINUX_ALONE)
		.confine = enter_domain,
#elif !defined(ATTACK_NO_WALLS)
		.confine = dmu_confine,
		.filter = dmu_confine_filter,
		.verify = dmu_confine_verify,
#endif
	};

	return dmu_daemon_main(&stage, argc, argv);
}
