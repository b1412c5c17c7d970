// SPDX-License-Identifier: LGPL-2.1-or-later
/* The daemon's own namespaces; confine.c says why not of processes and users. */
#include <errno.h>
#include <sched.h>
#include <sys/stat.h>

#include "second_stage/walls.h"

static const struct {
	int flag;
	const char *path;	/* from /proc/self */
	const char *what;
	bool needed;		/* skip the others if the kernel was built without them */
} dmu_namespaces[DMU_NAMESPACES] = {
	{ CLONE_NEWNS, "ns/mnt", "mount", true },
	{ CLONE_NEWIPC, "ns/ipc", "IPC", false },
	{ CLONE_NEWUTS, "ns/uts", "host name", false },
	{ CLONE_NEWNET, "ns/net", "network", false },
	{ CLONE_NEWCGROUP, "ns/cgroup", "control group", false },
};

/* The namespace's inode number; 0: the kernel has no such kind. */
static ino_t dmu_namespace_number(const struct dmu_walls *walls, unsigned int i)
{
	struct stat st;

	return fstatat(walls->self, dmu_namespaces[i].path, &st, 0) ? 0 : st.st_ino;
}

int dmu_namespaces_remember(struct dmu_walls *walls)
{
	unsigned int i;

	for (i = 0; i < DMU_NAMESPACES; i++) {
		walls->namespaces[i] = dmu_namespace_number(walls, i);
		if (!walls->namespaces[i] && dmu_namespaces[i].needed)
			return dmu_walls_fail(walls, "look at the namespaces");
	}
	return 0;
}

int dmu_namespaces_leave(struct dmu_walls *walls)
{
	int flags = 0;
	unsigned int i;

	for (i = 0; i < DMU_NAMESPACES; i++)
		if (walls->namespaces[i])
			flags |= dmu_namespaces[i].flag;
	return unshare(flags) ? dmu_walls_fail(walls, "make namespaces") : 0;
}

int dmu_namespaces_check(struct dmu_walls *walls)
{
	unsigned int i;
	ino_t now;

	for (i = 0; i < DMU_NAMESPACES; i++) {
		if (!walls->namespaces[i])
			continue;
		now = dmu_namespace_number(walls, i);
		if (!now || now == walls->namespaces[i])
			return dmu_walls_refuse(walls, "the %s namespace is not its own",
						dmu_namespaces[i].what);
	}
	return 0;
}
