/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Device-mapper by ioctl: a process for each of thousands of calls would cost much. 0 or -errno. */
#ifndef ORDER_DM_H
#define ORDER_DM_H

#include <stddef.h>

int dm_message(const char *name, const char *text);
int dm_suspend_noflush(const char *name);
int dm_resume(const char *name);
/* The status line of the device's only target. */
int dm_status(const char *name, char *text, size_t len);
/* A number of the status line: dm_word("t", "fenced:"), or -errno. */
long long dm_word(const char *name, const char *key);

/*
 * Wait at most @timeout_ms for an event of any device since the last call. The first call
 * returns at once. Not thread-safe.
 */
int dm_wait_event(int timeout_ms);

#endif
