/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What `flushes` leaves for `replay`: a file of these, in the order of things. A block's version is there after
 * the flush that covers it was answered, and before any mark that is sent later.
 */
#ifndef ORDER_EVENTS_H
#define ORDER_EVENTS_H

#include <stdint.h>

#define EVENT_MARK	UINT32_MAX

struct event {
	uint32_t block;		/* or EVENT_MARK: the log's mark flushes-VALUE comes now */
	uint32_t value;		/* version that is durable, or number of the mark */
};

#define EVENT_MARK_PREFIX	"flushes-"

#endif
