// SPDX-License-Identifier: GPL-2.0-or-later
/* dmuserctl list */
#include <inttypes.h>
#include <stdio.h>

#include "ctl/commands.h"
#include "ctl/output.h"
#include "ctl/show.h"

struct listing {
	json_t *json;			/* NULL: print lines */
	unsigned int count;
};

static int list_line(const struct ctl_device *device, void *context)
{
	const struct dmu_target_generation *serving = dmu_target_serving(&device->kstatus);
	struct listing *listing = context;
	char generation[24] = "-";

	if (listing->json) {
		json_array_append_new(listing->json, ctl_device_json(device, NULL, NULL));
		return 0;
	}
	if (!listing->count++)
		printf("%-20s %9s %10s %-7s %s\n", "NAME", "DEVICE", "GENERATION", "SEALED",
		       "SERVED");
	if (serving)
		snprintf(generation, sizeof(generation), "%" PRIu64, serving->number);
	printf("%-20s %5u:%-3u %10s %-7s %s\n", device->name, device->major, device->minor,
	       generation, device->kstatus.sealed ? "yes" : "no", serving ? "yes" : "no");
	return 0;
}

int ctl_list(const struct ctl_args *args)
{
	struct listing listing = { 0 };
	int ret;

	if (args->given & CTL_JSON)
		listing.json = json_array();
	ret = ctl_dm_each(list_line, &listing);
	if (ret) {
		json_decref(listing.json);
		ctl_dm_device_error("list", ret);
		return CTL_FAILED;
	}
	return listing.json ? ctl_json_print(listing.json) : CTL_DONE;
}
