/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The command line of both stages. */
#ifndef DMUSER_DAEMON_OPTIONS_H
#define DMUSER_DAEMON_OPTIONS_H

#include "daemon/query.h"
#include "daemon/api.h"
#include "lib/dmuser.h"

#define DMU_CHANNELS_DEFAULT	4

/* The command line of both stages, checked. */
struct dmu_daemon_options {
	char name[DMU_NAME_MAX + 1];	/* of the device */
	char ctl[DMU_NAME_MAX + 1];	/* of the control node */
	const char *run_dir;		/* parent of NAME's run directory */
	bool spec_given;
	struct dmu_spec spec;
	unsigned int channels;		/* 0: the spec's, else the default */
	unsigned int timeout_ms;	/* of each protocol step, 100..3600000 */
	bool takeover;			/* attach to an existing device */
	bool foreground;
	bool verbose;
	enum dmu_query query;
	const char *query_spec;		/* answer @query about this and exit; NULL: serve */
};

/* Fill @options. --help, --version and usage errors exit. */
void dmu_daemon_options_parse(struct dmu_daemon_options *options, const struct dmu_daemon *program,
			      int argc, char **argv);

#endif
