// SPDX-License-Identifier: GPL-2.0-or-later
/* The checks that abi.h declares, for programs of one process: a NEED that fails ends it. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "tests/vm/abi/abi.h"

unsigned int abi_checks, abi_failures;

static void check_failed(const char *file, int line, const char *text)
{
	__atomic_add_fetch(&abi_failures, 1, __ATOMIC_RELAXED);
	printf("# %s:%d: %s\n", file, line, text);
	fflush(stdout);
}

bool abi_check(const char *file, int line, bool good, const char *format, ...)
{
	char text[512];
	va_list args;

	__atomic_add_fetch(&abi_checks, 1, __ATOMIC_RELAXED);
	if (good)
		return true;
	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	check_failed(file, line, text);
	return false;
}

bool abi_is(const char *file, int line, long long got, long long want, const char *format, ...)
{
	char text[384], full[512];
	va_list args;

	__atomic_add_fetch(&abi_checks, 1, __ATOMIC_RELAXED);
	if (got == want)
		return true;
	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	snprintf(full, sizeof(full), "%s: got %lld, not %lld", text, got, want);
	check_failed(file, line, full);
	return false;
}

void abi_give_up(void)
{
	printf("# gave up\n");
	fflush(stdout);
	_exit(1);
}

uint64_t abi_now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000ULL + now.tv_nsec / 1000000;
}

void abi_nap(void)
{
	nanosleep(&(struct timespec){ .tv_nsec = 2000000 }, NULL);
}

pid_t abi_gettid(void)
{
	return syscall(SYS_gettid);
}

void *abi_buffer(size_t len)
{
	void *buf = aligned_alloc(4096, (len + 4095) & ~4095UL);

	NEED(buf, "%zu bytes of memory", len);
	memset(buf, 0xee, len);
	return buf;
}

bool abi_blocked_in(pid_t tid, long nr)
{
	char path[64], text[512] = "", *name_end;
	long now;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/self/task/%d/syscall", tid);
	file = fopen(path, "re");
	if (file) {
		if (!fgets(text, sizeof(text), file))
			text[0] = '\0';
		fclose(file);
		return sscanf(text, "%ld", &now) == 1 && now == nr;
	}
	/* Where the kernel can't tell (um), that it sleeps must do. */
	snprintf(path, sizeof(path), "/proc/self/task/%d/stat", tid);
	file = fopen(path, "re");
	if (!file)
		return false;
	if (!fgets(text, sizeof(text), file))
		text[0] = '\0';
	fclose(file);
	name_end = strrchr(text, ')');
	return name_end && !strncmp(name_end, ") S", 3);
}

/* Every word has its tag and its place in it, so that no two blocks are alike. */
static uint64_t check_word(uint64_t tag, size_t i)
{
	uint64_t x = (tag + 1) * 0xd6e8feb86659fd93ULL + i;

	x ^= x >> 32;
	return x * 0xd6e8feb86659fd93ULL;
}

void abi_fill(void *buf, size_t len, uint64_t tag)
{
	uint64_t *words = buf;

	for (size_t i = 0; i < len / sizeof(*words); i++)
		words[i] = check_word(tag, i);
}

bool abi_filled(const void *buf, size_t len, uint64_t tag)
{
	const uint64_t *words = buf;

	for (size_t i = 0; i < len / sizeof(*words); i++)
		if (words[i] != check_word(tag, i))
			return false;
	return true;
}
