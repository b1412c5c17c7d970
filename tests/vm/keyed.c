// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A daemon with the backend "keyed", for tests: "file", of which nothing can be opened unless the
 * file KEY holds the word "open". keyed:PATH:FILE:FILE... names further small files, which it does
 * not open. It has a warning for whoever asks, which is no path.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "daemon/api.h"

#define KEY	"/etc/keyed/key"

static void keyed_sources(const struct dmu_spec *spec,
			  void (*each)(enum dmu_path kind, const char *path, void *arg), void *arg)
{
	struct dmu_spec store = *spec;
	char *path, *next;

	fputs("keyed: a warning\n", stderr);
	each(DMU_PATH_FILE, KEY, arg);
	/* This cuts the source behind PATH. */
	strtok_r(store.source, ":", &next);
	dmu_backend_file.sources(&store, each, arg);
	while ((path = strtok_r(NULL, ":", &next)))
		each(DMU_PATH_FILE, path, arg);
}

static int keyed_open(struct dmu_backend **backend, const struct dmu_spec *spec, enum dmu_use use,
		      char *error, size_t len)
{
	FILE *key = fopen(KEY, "re");
	char word[8] = "";
	bool opens = key && fgets(word, sizeof(word), key) && !strcmp(word, "open\n");
	struct dmu_spec store = *spec;

	if (key)
		fclose(key);
	store.source[strcspn(store.source, ":")] = '\0';
	if (opens)
		return dmu_backend_file.open(backend, &store, use, error, len);
	snprintf(error, len, "keyed: " KEY " is no key");
	return -EACCES;
}

int main(int argc, char **argv)
{
	static struct dmu_backend_ops keyed;
	static const struct dmu_backend_ops *const backends[] = { &keyed, NULL };
	static const struct dmu_daemon daemon = {
		.abi = DMU_ABI,
		.name = "dmuser-keyed",
		.stage = "keyed",
		.purpose = "A daemon with the backend keyed.",
		.backends = backends,
	};

	keyed = dmu_backend_file;
	keyed.name = "keyed";
	keyed.help = "keyed:PATH[:FILE...]  an image file or a block device, for tests";
	keyed.sources = keyed_sources;
	keyed.open = keyed_open;
	return dmu_daemon_main(&daemon, argc, argv);
}
