// SPDX-License-Identifier: GPL-2.0-or-later
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "handover/peer.h"
#include "lib/launch.h"
#include "lib/number.h"
#include "watch/watch.h"

#define MS_MAX		3600000
#define DELAY_MAX_MS	30000
#define STEADY_MS	60000
#define PATIENCE_MS	60000

static const struct option names[] = {
	{ "delay-max", required_argument, NULL, 'd' },
	{ "foreground", no_argument, NULL, 'f' },
	{ "help", no_argument, NULL, 'h' },
	{ "patience", required_argument, NULL, 'p' },
	{ "run-dir", required_argument, NULL, 'R' },
	{ "steady", required_argument, NULL, 's' },
	{ "timeout", required_argument, NULL, 't' },
	{ "version", no_argument, NULL, 'V' },
	{ 0 },
};

static const char help[] =
	"Usage: " WATCH_PROGRAM " [OPTION...] NAME\n\n"
	"Stays in memory, and starts the daemon of the dm-user device NAME again when it has died.\n\n"
	"  -d, --delay-max=MS     longest pause before a restart (default 30000)\n"
	"  -f, --foreground       do not detach; wait while another one watches\n"
	"  -p, --patience=MS      for a daemon to start; then it is killed (default 60000)\n"
	"  -R, --run-dir=DIR      parent of NAME's run directory (default " DMU_RUN_DIR ")\n"
	"  -s, --steady=MS        after so long the next restart is at once (default 60000)\n"
	"  -t, --timeout=MS       the daemon's patience in a handover (default: its own)\n"
	"  -h, --help             print this and exit\n"
	"  -V, --version          print the version and exit\n\n"
	"Exit status: 0 it watches, or with --foreground the device is gone or it was told to end; 1 failed,\n"
	"2 usage.\n";

static int refuse(const char *what, const char *text)
{
	fprintf(stderr, WATCH_PROGRAM ": %s '%.80s' (see --help)\n", what, text);
	return DMU_EXIT_USAGE;
}

static int number(const char *what, uint64_t *value, uint64_t min)
{
	unsigned long long n;
	char *end;

	errno = 0;
	n = strtoull(optarg, &end, 10);
	if (optarg[0] < '0' || optarg[0] > '9' || *end || errno || n < min || n > MS_MAX)
		return refuse(what, optarg);
	*value = n;
	return -1;
}

static int set(struct watch_options *options, int letter, char **argv)
{
	switch (letter) {
	case 'd':
		return number("--delay-max: not a number from 1 to 3600000:", &options->delay_max_ms, 1);
	case 'p':
		return number("--patience: not a number from 100 to 3600000:", &options->patience_ms, 100);
	case 's':
		return number("--steady: not a number from 0 to 3600000:", &options->steady_ms, 0);
	case 't':
		return number("--timeout: not a number from 100 to 3600000:", &options->timeout_ms, 100);
	case 'f':
		options->foreground = true;
		return -1;
	case 'R':
		options->run_dir = optarg;
		return *optarg == '/' && strlen(optarg) < 64 ?
		       -1 : refuse("--run-dir: no absolute path of at most 63 bytes:", optarg);
	case 'h':
		fputs(help, stdout);
		return DMU_EXIT_DONE;
	case 'V':
		puts(WATCH_PROGRAM " " DMU_VERSION);
		return DMU_EXIT_DONE;
	case ':':
		return refuse("no value for option", argv[optind - 1]);
	default:
		return refuse("unknown option", argv[optind - 1]);
	}
}

int watch_options_parse(struct watch_options *options, int argc, char **argv)
{
	int letter, status;

	*options = (struct watch_options){
		.run_dir = DMU_RUN_DIR, .delay_max_ms = DELAY_MAX_MS, .steady_ms = STEADY_MS,
		.patience_ms = PATIENCE_MS,
	};
	while ((letter = getopt_long(argc, argv, ":d:fhp:R:s:t:V", names, NULL)) != -1) {
		status = set(options, letter, argv);
		if (status >= 0)
			return status;
	}
	if (optind == argc) {
		fprintf(stderr, WATCH_PROGRAM ": no NAME given (see --help)\n");
		return DMU_EXIT_USAGE;
	}
	if (optind + 1 < argc)
		return refuse("one NAME only, not", argv[optind + 1]);
	if (!dmu_name_valid(argv[optind]))
		return refuse("not up to 64 of A-Z a-z 0-9 _ . + -, as a device's name is:", argv[optind]);
	options->name = argv[optind];
	return -1;
}
