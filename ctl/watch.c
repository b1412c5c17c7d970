// SPDX-License-Identifier: GPL-2.0-or-later
/* Show the state of dmuser-watch. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "ctl/output.h"
#include "ctl/show.h"
#include "lib/dmuser.h"

json_t *ctl_watch_json(const struct dmu_watchdog *watch)
{
	json_t *json;

	if (!watch)
		return json_null();
	json = json_pack("{s:i, s:i, s:i}", "pid", watch->pid, "restarts", (int)watch->restarts,
			 "attempts", (int)watch->attempts);
	json_object_set_new(json, "down_ms",
			    watch->down_ms ? json_integer(watch->down_ms) : json_null());
	json_object_set_new(json, "next_ms",
			    watch->next_ms ? json_integer(watch->next_ms) : json_null());
	json_object_set_new(json, "reason",
			    watch->reason[0] ? ctl_json_text(watch->reason) : json_null());
	return json;
}

static void print_seconds(const char *before, uint64_t ms, const char *after)
{
	printf("%s%" PRIu64 ".%" PRIu64 " s%s", before, ms / 1000, ms % 1000 / 100, after);
}

void ctl_watch_print(const struct dmu_watchdog *watch)
{
	uint64_t now = dmu_now_ms();

	if (!watch) {
		printf("watchdog    none: no process would restart a dead daemon\n");
		return;
	}
	printf("watchdog    pid %d, %u restarts%s%s\n", watch->pid, watch->restarts,
	       watch->reason[0] && !watch->down_ms ? ": " : "",
	       watch->down_ms ? "" : watch->reason);
	if (!watch->down_ms)
		return;
	print_seconds("unserved    for ", now - watch->down_ms, "");
	printf(", %u attempts, ", watch->attempts);
	if (!watch->next_ms)
		printf("one is under way");
	else
		print_seconds("the next in ", watch->next_ms > now ? watch->next_ms - now : 0, "");
	printf("%s%s\n", watch->reason[0] ? ": " : "", watch->reason);
}
