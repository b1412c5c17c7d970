// SPDX-License-Identifier: GPL-2.0-or-later
/* What dmuser-watch says of itself, for dmuserctl status. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "handover/ctl.h"

int ctl_watch_read(const char *run_dir, const char *name, struct ctl_watch *watch)
{
	char path[CTL_PATH_MAX], line[2 * CTL_ERROR_MAX];
	struct flock lock = { .l_type = F_RDLCK, .l_whence = SEEK_SET };
	const char *reason;
	ssize_t n;
	int fd, ret;

	ret = ctl_run_path(path, sizeof(path), run_dir, name, CTL_WATCH_NAME);
	if (ret)
		return ret;
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0)
		return -errno;
	/*
	 * The lock is gone with the dmuser-watch that wrote this. It is not tried, as that would be in
	 * the way of another one that begins.
	 */
	ret = fcntl(fd, F_OFD_GETLK, &lock) ? -errno : lock.l_type == F_UNLCK ? -ENOENT : 0;
	n = pread(fd, line, sizeof(line) - 1, 0);
	close(fd);
	if (ret || n <= 0)
		return ret ? ret : -ENOENT;
	line[n] = '\0';
	line[strcspn(line, "\n")] = '\0';
	if (sscanf(line, "pid=%d restarts=%u attempts=%u down_ms=%" SCNu64 " next_ms=%" SCNu64, &watch->pid,
		   &watch->restarts, &watch->attempts, &watch->down_ms, &watch->next_ms) != 5)
		return -EINVAL;
	reason = strstr(line, " reason=");
	snprintf(watch->reason, sizeof(watch->reason), "%.*s", CTL_ERROR_MAX - 1,
		 reason ? reason + strlen(" reason=") : "");
	return 0;
}

json_t *ctl_watch_json(const struct ctl_watch *watch)
{
	json_t *json;

	if (!watch)
		return json_null();
	json = json_pack("{s:i, s:i, s:i}", "pid", watch->pid, "restarts", (int)watch->restarts, "attempts",
			 (int)watch->attempts);
	json_object_set_new(json, "down_ms", watch->down_ms ? json_integer(watch->down_ms) : json_null());
	json_object_set_new(json, "next_ms", watch->next_ms ? json_integer(watch->next_ms) : json_null());
	json_object_set_new(json, "reason", watch->reason[0] ? ctl_json_text(watch->reason) : json_null());
	return json;
}

static void print_seconds(const char *before, uint64_t ms, const char *after)
{
	printf("%s%" PRIu64 ".%" PRIu64 " s%s", before, ms / 1000, ms % 1000 / 100, after);
}

void ctl_watch_print(const struct ctl_watch *watch)
{
	uint64_t now = dmu_now_ms();

	if (!watch) {
		printf("watchdog    none: nobody would start another daemon\n");
		return;
	}
	printf("watchdog    pid %d, %u restarts%s%s\n", watch->pid, watch->restarts,
	       watch->reason[0] && !watch->down_ms ? ": " : "", watch->down_ms ? "" : watch->reason);
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
