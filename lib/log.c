// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Lines for kmsg and for a stream. A line is built on the stack and written by one write(2), so
 * threads need no lock and nothing is allocated. errno is preserved.
 */
#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "lib/dmuser.h"
#include "lib/text.h"

/* /dev/kmsg refuses a record longer than 976 bytes (1024 less a prefix) with EINVAL. */
#define LINE_MAX_BYTES	960

/* Set once by dmu_log_open(), before there are threads. */
static struct {
	char ident[32];
	int kmsg;
	int stream;
} sink = { .ident = "dmuser", .kmsg = -1, .stream = -1 };

void dmu_log_open(const char *ident, int kmsg, int stream_fd)
{
	snprintf(sink.ident, sizeof(sink.ident), "%s", ident);
	sink.kmsg = kmsg;
	sink.stream = stream_fd;
}

/* #syscalls both: clock_gettime */
uint64_t dmu_now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

/*
 * @line has room for LINE_MAX_BYTES + 2: the newline, and a NUL.
 *
 * #syscalls both: write poll
 */
static void emit(char *line, size_t prefix)
{
	struct pollfd stream = { .fd = sink.stream, .events = POLLOUT };
	size_t len = strlen(line);
	ssize_t written;

	if (len >= LINE_MAX_BYTES - 1) {
		len = LINE_MAX_BYTES - 1;
		memcpy(line + len - 3, "...", 4);
	}
	/* Text from outside must neither begin a second line nor send a terminal an escape. */
	dmu_text_clean(line);
	/* Without a newline the kernel waits for more, and shows the line when the next begins. */
	line[len++] = '\n';
	/* Ignore errors: the line has nowhere else to go. */
	if (sink.kmsg >= 0) {
		written = write(sink.kmsg, line, len);
		(void)written;
	}
	/* Do not wait for the stream's reader: it may itself wait for the device. */
	if (sink.stream >= 0 && poll(&stream, 1, 0) == 1) {
		written = write(sink.stream, line + prefix, len - prefix);
		(void)written;
	}
}

/* "<level>IDENT: [intro]format": kmsg gets all of it, the stream all but the level. */
static void log_line(enum dmu_log_level level, const char *intro, const char *format, va_list args)
{
	char line[LINE_MAX_BYTES + 2];
	int saved = errno, prefix, len;

	if (sink.kmsg < 0 && sink.stream < 0)
		return;
	prefix = snprintf(line, LINE_MAX_BYTES, "<%d>", (int)level);
	len = prefix +
	      snprintf(line + prefix, LINE_MAX_BYTES - prefix, "%s: %s", sink.ident, intro);
	if (len < LINE_MAX_BYTES && format && *format)
		vsnprintf(line + len, LINE_MAX_BYTES - len, format, args);
	emit(line, prefix);
	errno = saved;
}

void dmu_log(enum dmu_log_level level, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	log_line(level, "", format, args);
	va_end(args);
}

void dmu_log_event(const char *event, const char *name, uint64_t generation, const char *format,
		   ...)
{
	bool more = format && *format;
	char intro[256];
	va_list args;

	snprintf(intro, sizeof(intro), "event=%s name=%s generation=%llu ms=%llu%s", event, name,
		 (unsigned long long)generation, (unsigned long long)dmu_now_ms(), more ? " " : "");
	va_start(args, format);
	log_line(DMU_LOG_NOTICE, intro, format, args);
	va_end(args);
}
