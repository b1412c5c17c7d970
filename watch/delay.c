// SPDX-License-Identifier: GPL-2.0-or-later
#include "watch/watch.h"

#define DELAY_MIN_MS	250

void watch_delay_grow(struct watch_delay *delay)
{
	delay->ms = delay->ms ? 2 * delay->ms : DELAY_MIN_MS;
	if (delay->ms > delay->max_ms)
		delay->ms = delay->max_ms;
}

void watch_delay_reset(struct watch_delay *delay)
{
	delay->ms = 0;
}
