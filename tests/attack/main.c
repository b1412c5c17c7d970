// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The second stage's main(), with the attacker's backend. -DATTACK_NO_WALLS leaves the confinement
 * out, and -DATTACK_SELINUX_ALONE all of it but the SELinux domain.
 */
#include <unistd.h>

#include "daemon/confiner.h"
#include "daemon/api.h"
#include "second_stage/walls.h"
#include "tests/attack/attack.h"

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
#if defined(ATTACK_SELINUX_ALONE)
	static const struct dmu_confiner selinux_alone = { .confine = enter_domain };
#endif
	static const struct dmu_daemon attacked = {
		.abi = DMU_ABI,
		.name = "dmuser-second",
		.stage = "second",
		.purpose = "A second stage with an attacker in it.",
		.takeover_only = true,
#if defined(ATTACK_SELINUX_ALONE)
		.confiner = &selinux_alone,
#elif !defined(ATTACK_NO_WALLS)
		.confiner = &dmu_confiner_full,
#endif
		.backends = attack_backends,
	};

	return dmu_daemon_main(&attacked, argc, argv);
}
