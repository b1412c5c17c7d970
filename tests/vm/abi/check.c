// SPDX-License-Identifier: GPL-2.0-or-later
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "abi.h"

unsigned int abi_checks, abi_failures;

static bool abi_verdict(const char *file, int line, bool good, const char *format, va_list args)
{
	__atomic_add_fetch(&abi_checks, 1, __ATOMIC_RELAXED);
	if (good)
		return true;
	__atomic_add_fetch(&abi_failures, 1, __ATOMIC_RELAXED);
	flockfile(stdout);
	printf("# %s:%d: ", file, line);
	vprintf(format, args);
	putchar('\n');
	fflush(stdout);
	funlockfile(stdout);
	return false;
}

bool abi_check(const char *file, int line, bool good, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	abi_verdict(file, line, good, format, args);
	va_end(args);
	return good;
}

bool abi_is(const char *file, int line, long long got, long long want, const char *format, ...)
{
	char text[256];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	return abi_check(file, line, got == want, "%s: got %lld (%s), not %lld (%s)", text, got,
			 got < 0 ? strerror(-got) : "no error", want,
			 want < 0 ? strerror(-want) : "no error");
}

void abi_give_up(void)
{
	fflush(stdout);
	_exit(1);
}
