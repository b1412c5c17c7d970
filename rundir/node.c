// SPDX-License-Identifier: LGPL-2.1-or-later
/* Unseal the node for as long as it takes to start a daemon when none serves. */
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "lib/dmuser.h"
#include "rundir/directory.h"
#include "rundir/node.h"

int dmu_node_open(const char *run_dir, const char *name)
{
	char path[DMU_PATH_MAX];
	int ret = dmu_run_path(path, sizeof(path), run_dir, name, DMU_OPEN_NAME), fd;

	if (ret)
		return ret;
	fd = dmu_run_open(run_dir, name, DMU_OPEN_NAME, O_WRONLY | O_CREAT);
	if (fd < 0)
		return fd;
	close(fd);
	ret = dmu_dm_message(name, "unseal");
	if (ret)
		unlink(path);
	return ret;
}

int dmu_node_close(const char *run_dir, const char *name)
{
	char path[DMU_PATH_MAX];
	int ret = dmu_dm_message(name, "seal");

	if (ret && ret != -ENXIO)
		return ret;
	if (!dmu_run_path(path, sizeof(path), run_dir, name, DMU_OPEN_NAME))
		unlink(path);
	return 0;
}

bool dmu_node_left_open(const char *run_dir, const char *name)
{
	char path[DMU_PATH_MAX];

	return !dmu_run_path(path, sizeof(path), run_dir, name, DMU_OPEN_NAME) &&
	       !access(path, F_OK);
}
