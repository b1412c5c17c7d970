// SPDX-License-Identifier: GPL-2.0-or-later
/* dmuserctl create: find the daemon, run it, and wait until it has created the device. */
#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ctl/commands.h"
#include "ctl/output.h"
#include "ctl/show.h"
#include "ctl/waiting.h"
#include "lib/dmuser.h"
#include "rundir/directory.h"
#include "rundir/program.h"

#define LOOK_MS	100

/* The spec of args->name in the tab file. 0, or -errno with @error. */
static int tab_lookup(const struct ctl_args *args, struct dmu_spec *spec, char *error, size_t len)
{
	char name[DMU_NAME_MAX + 1], why[DMU_ERROR_MAX / 2], *line = NULL;
	unsigned int number = 0;
	size_t room = 0;
	FILE *file;
	int ret;

	file = fopen(args->tab, "re");
	if (!file) {
		ret = -errno;
		snprintf(error, len, "no BACKEND:SOURCE given, and %s cannot be read: %s",
			 args->tab, strerror(-ret));
		return ret;
	}
	/* The file decides what root mounts. */
	ret = dmu_trusted_check(fileno(file), args->tab, error, len);
	if (!ret)
		ret = -ENOENT;
	while (ret == -ENOENT && getline(&line, &room, file) > 0) {
		number++;
		switch (dmu_tab_parse_line(line, name, spec, why, sizeof(why))) {
		case 0:
			break;
		case 1:
			if (!strcmp(name, args->name))
				ret = 0;
			break;
		default:
			ret = -EINVAL;
			snprintf(error, len, "%s line %u: %s", args->tab, number, why);
		}
	}
	if (ret == -ENOENT && ferror(file)) {
		ret = -EIO;
		snprintf(error, len, "no BACKEND:SOURCE given, and %s cannot be read: %s",
			 args->tab, strerror(errno));
	}
	if (ret == -ENOENT)
		snprintf(error, len, "no BACKEND:SOURCE given, and no line for this device in %s",
			 args->tab);
	free(line);
	fclose(file);
	return ret;
}

static int spec_find(const struct ctl_args *args, struct dmu_spec *spec, char *error, size_t len)
{
	if (args->spec)
		return dmu_spec_parse(spec, args->spec, error, len);
	return tab_lookup(args, spec, error, len);
}

/* false: @path does not exist at @deadline, of dmu_now_ms(). */
static bool appears(const char *path, uint64_t deadline)
{
	while (access(path, F_OK)) {
		if (dmu_now_ms() >= deadline)
			return false;
		poll(NULL, 0, LOOK_MS);
	}
	return true;
}

/* Wait for the paths that the daemon at @path needs for @spec. 0, or -errno with @error. */
static int sources_await(const struct ctl_args *args, const char *path, const struct dmu_spec *spec,
			 char *error, size_t len)
{
	uint64_t deadline = dmu_now_ms() + args->wait_s * 1000;
	char said[DMU_PROGRAM_SAID_MAX], *source, *next;
	int ret;

	ret = dmu_program_ask(path, "--sources", spec->text, said, sizeof(said), error, len);
	if (ret)
		return ret;
	for (source = strtok_r(said, "\n", &next); source; source = strtok_r(NULL, "\n", &next)) {
		if (appears(source, deadline))
			continue;
		snprintf(error, len, "%s has not appeared after %" PRIu64 " s", source,
			 args->wait_s);
		return -ETIMEDOUT;
	}
	return 0;
}

int ctl_create(const struct ctl_args *args)
{
	char error[DMU_ERROR_MAX], path[DMU_PATH_MAX];
	struct ctl_waiting waiting = { .args = args };
	const struct dmu_program program = {
		.path = path, .patience_ms = -1, .waiting = ctl_waiting_say, .arg = &waiting,
	};
	struct dmu_program_request request = {
		.name = args->name, .run_dir = args->run_dir, .channels = args->channels,
		.timeout_ms = args->timeout_ms,
	};
	struct dmu_program_line line;
	struct ctl_device device;
	struct dmu_spec spec;
	int ret;

	ret = spec_find(args, &spec, error, sizeof(error));
	if (!ret)
		ret = dmu_program_find(path, sizeof(path), args->program, spec.backend,
				       CTL_FIRST_STAGE, error, sizeof(error));
	if (!ret && args->wait_s)
		ret = sources_await(args, path, &spec, error, sizeof(error));
	if (!ret) {
		request.spec = spec.text;
		dmu_program_fill(&line, basename(path), &request);
		ret = dmu_program_run(&program, line.argv, args->name, error, sizeof(error));
	}
	if (ret) {
		ctl_error("cannot create %s: %s", args->name, error);
		return CTL_FAILED;
	}
	if (!(args->given & CTL_JSON))
		return CTL_DONE;
	if (ctl_dm_require(args->name, &device))
		return CTL_FAILED;
	return ctl_json_print(ctl_device_json(&device, NULL, NULL));
}
