// SPDX-License-Identifier: GPL-2.0-or-later
/* dmuserctl wait: sleep until a device-mapper event; look now and then, since one may be lost. */
#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "ctl/commands.h"
#include "ctl/device.h"
#include "ctl/output.h"
#include "lib/dmuser.h"

#define LOOK_FIRST_MS	10
#define LOOK_MAX_MS	1000

static bool generation_exists(const struct dmu_target_status *status, uint64_t number)
{
	unsigned int i;

	for (i = 0; i < status->generation_count; i++)
		if (status->generations[i].number == number && status->generations[i].channels)
			return true;
	return false;
}

/* 1: the awaited state is reached; 0: not yet; -errno: never. @state describes the present one. */
static int look(const struct ctl_args *args, struct ctl_device *device, char *state, size_t len)
{
	const struct dmu_target_generation *serving;
	bool gone = args->given & CTL_GONE;
	int ret = ctl_dm_device(args->name, device);

	if (ret == -ENXIO) {
		snprintf(state, len, "there is no such device");
		return gone;
	}
	if (ret == -ENODATA) {
		snprintf(state, len, "it has no table yet");
		return 0;
	}
	if (ret == -EMEDIUMTYPE && gone) {
		/* Another process removes the device by force, and is between its two steps. */
		snprintf(state, len, "its table is another target's");
		return args->generation != 0;
	}
	if (ret)
		return ret;
	serving = dmu_target_serving(&device->kstatus);
	if (serving)
		snprintf(state, len, "generation %" PRIu64 " serves it", serving->number);
	else
		snprintf(state, len, "no daemon serves it");
	if (!gone)
		return serving && serving->number >= args->generation;
	return args->generation && !generation_exists(&device->kstatus, args->generation);
}

static int sleep_until_event(int events, uint64_t ms)
{
	struct pollfd fd = { .fd = events, .events = POLLIN };
	int ret = poll(&fd, 1, (int)ms);

	if (ret < 0 && errno != EINTR)
		return -errno;
	/* Arm before looking: an event in between is then seen either way. */
	return ret > 0 ? ctl_dm_events_arm(events) : 0;
}

static int wait_loop(const struct ctl_args *args, int events, struct ctl_device *device,
		     char *state, size_t len)
{
	uint64_t begin = dmu_now_ms(), passed, pause = LOOK_FIRST_MS;
	int ret;

	for (;;) {
		ret = look(args, device, state, len);
		if (ret)
			return ret < 0 ? ret : 0;
		passed = dmu_now_ms() - begin;
		if ((args->given & CTL_LIMIT) && passed >= args->timeout_ms)
			return -ETIMEDOUT;
		if ((args->given & CTL_LIMIT) && pause > args->timeout_ms - passed)
			pause = args->timeout_ms - passed;
		ret = sleep_until_event(events, pause);
		if (ret)
			return ret;
		pause = pause * 2 < LOOK_MAX_MS ? pause * 2 : LOOK_MAX_MS;
	}
}

static int report(const struct ctl_args *args, const struct ctl_device *device, uint64_t ms)
{
	const struct dmu_target_generation *serving = dmu_target_serving(&device->kstatus);
	json_t *json;

	if (!(args->given & CTL_JSON))
		return CTL_DONE;
	json = json_pack("{s:s, s:b, s:I}", "name", args->name, "exists", device->name[0] != '\0',
			 "ms", (json_int_t)ms);
	json_object_set_new(json, "generation",
			    serving ? json_integer(serving->number) : json_null());
	return ctl_json_print(json);
}

int ctl_wait(const struct ctl_args *args)
{
	uint64_t begin = dmu_now_ms();
	char state[80] = "", what[80];
	struct ctl_device device;
	int events, ret;

	events = ctl_dm_events_open();
	if (events < 0) {
		ctl_dm_device_error(args->name, events);
		return CTL_FAILED;
	}
	ret = wait_loop(args, events, &device, state, sizeof(state));
	close(events);
	if (!ret) {
		return report(args, &device, dmu_now_ms() - begin);
	}
	if (ret != -ETIMEDOUT) {
		ctl_dm_device_error(args->name, ret);
		return CTL_FAILED;
	}
	if (args->generation)
		snprintf(what, sizeof(what), "generation %" PRIu64 " %s", args->generation,
			 args->given & CTL_GONE ? "is still there" : "does not serve");
	else
		snprintf(what, sizeof(what), "%s",
			 args->given & CTL_GONE ? "is still there" : "not served");
	ctl_error("%s: %s after %" PRIu64 " ms (%s)", args->name, what, args->timeout_ms, state);
	return CTL_FAILED;
}
