/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * `flushes` leaves a file of these for `replay`, in the order of time. The event of a block's
 * version comes after the answer to the flush that covers it, and before every mark that is sent
 * later.
 */
#ifndef ORDER_EVENTS_H
#define ORDER_EVENTS_H

#include <stdint.h>

#define EVENT_MARK	UINT32_MAX

struct event {
	uint32_t block;		/* or EVENT_MARK: the log's mark flushes-VALUE comes now */
	uint32_t value;		/* the durable version, or the number of the mark */
};

#define EVENT_MARK_PREFIX	"flushes-"

#endif
