// SPDX-License-Identifier: GPL-2.0-or-later
/* dmuserctl program: print which daemon would run. */
#include <errno.h>
#include <stdio.h>

#include "ctl/commands.h"
#include "ctl/device.h"
#include "ctl/output.h"
#include "ctl/program.h"
#include "lib/dmuser.h"
#include "rundir/directory.h"
#include "rundir/program.h"
#include "rundir/rundir.h"

/* What is served, by root's word: the serving daemon may be confined, and its word is not. */
static int served_spec(const struct ctl_args *args, struct dmu_spec *spec)
{
	char error[DMU_ERROR_MAX];
	struct dmu_rundir rundir;
	int ret = dmu_rundir_name(&rundir, args->run_dir, args->name);

	return ret ? ret : dmu_rundir_read_tab(&rundir, args->name, spec, error, sizeof(error));
}

int ctl_program_find(const struct ctl_args *args, const char *stage, char *path, size_t path_len,
		     char *error, size_t len)
{
	struct dmu_spec spec;
	int ret = -ENOENT;

	if (args->spec)
		ret = dmu_spec_parse(&spec, args->spec, error, len);
	else if (args->name)
		ret = served_spec(args, &spec);
	if (ret && args->spec)
		return ret;
	return dmu_program_find(path, path_len, args->program, ret ? NULL : spec.backend,
				args->stage ? args->stage : stage, error, len);
}

int ctl_program(const struct ctl_args *args)
{
	char error[DMU_ERROR_MAX], path[DMU_PATH_MAX];
	struct ctl_device device;
	int ret;

	if (args->name && ctl_dm_require(args->name, &device))
		return CTL_FAILED;
	ret = ctl_program_find(args, args->name ? CTL_SECOND_STAGE : CTL_FIRST_STAGE, path,
			       sizeof(path), error, sizeof(error));
	if (ret) {
		ctl_error("%s", error);
		return CTL_FAILED;
	}
	if (args->given & CTL_JSON)
		return ctl_json_print(json_pack("{s:o}", "program", ctl_json_text(path)));
	puts(path);
	return CTL_DONE;
}
