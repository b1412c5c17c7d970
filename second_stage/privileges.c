// SPDX-License-Identifier: LGPL-2.1-or-later
/* Reduce uid 0 to the rights of any other user, for good. */
#include <linux/securebits.h>
#include <sys/capability.h>
#include <sys/prctl.h>
#include <sys/resource.h>

#include "second_stage/walls.h"

/* uid 0 gives no capability, a change of uid changes none, none becomes ambient; all locked. */
#define DMU_SECUREBITS	\
	(SECBIT_NOROOT | SECBIT_NO_SETUID_FIXUP | SECBIT_NO_CAP_AMBIENT_RAISE | SECURE_ALL_LOCKS)

int dmu_securebits_lock(struct dmu_walls *walls)
{
	if (prctl(PR_SET_SECUREBITS, DMU_SECUREBITS, 0, 0, 0))
		return dmu_walls_fail(walls, "lock the securebits");
	return 0;
}

int dmu_securebits_check(struct dmu_walls *walls)
{
	if (prctl(PR_GET_SECUREBITS, 0, 0, 0, 0) != DMU_SECUREBITS)
		return dmu_walls_refuse(walls, "the securebits are not locked");
	return 0;
}

int dmu_capabilities_drop(struct dmu_walls *walls)
{
	cap_t none;
	cap_value_t cap;
	int rc;

	for (cap = 0; cap < cap_max_bits(); cap++)
		if (cap_drop_bound(cap))
			return dmu_walls_fail(walls, "empty the bounding set");
	if (cap_reset_ambient())
		return dmu_walls_fail(walls, "empty the ambient set");
	none = cap_init();
	if (!none)
		return dmu_walls_fail(walls, "make an empty set of capabilities");
	rc = cap_set_proc(none) ? dmu_walls_fail(walls, "drop all capabilities") : 0;
	cap_free(none);
	return rc;
}

int dmu_privileges_forbid(struct dmu_walls *walls)
{
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
		return dmu_walls_fail(walls, "set no_new_privs");
	return 0;
}

int dmu_dump_forbid(struct dmu_walls *walls)
{
	const struct rlimit none = { 0, 0 };

	/* Each alone prevents a core file; only the first also keeps tracers out. */
	if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) || setrlimit(RLIMIT_CORE, &none))
		return dmu_walls_fail(walls, "forbid core dumps");
	return 0;
}

int dmu_dump_check(struct dmu_walls *walls)
{
	if (prctl(PR_GET_DUMPABLE, 0, 0, 0, 0))
		return dmu_walls_refuse(walls, "a core can be dumped");
	return 0;
}
