// SPDX-License-Identifier: GPL-2.0-or-later
#include <errno.h>
#include <sys/syscall.h>

#include "tests/attack/attack.h"

/* Inlined: a child of vfork() must not return from a frame that its parent still needs. */
static inline __attribute__((always_inline)) long raw(long nr, const long args[6])
{
	register long r10 asm("r10") = args[3];
	register long r8 asm("r8") = args[4];
	register long r9 asm("r9") = args[5];
	long result = nr;

	asm volatile("syscall"
		     : "+a"(result)
		     : "D"(args[0]), "S"(args[1]), "d"(args[2]), "r"(r10), "r"(r8), "r"(r9)
		     : "rcx", "r11", "memory");
	return result;
}

long attack_call(long nr, const long args[6])
{
	return raw(nr, args);
}

static long argument(long arg, const struct attack_context *context)
{
	if ((arg & ~0xffL) != ATTACK_ARG)
		return arg;
	if ((arg & 0xff) == ATTACK_BUFFER)
		return (long)context->buffer;
	return context->order->values[arg & 0xff];
}

long attack_make(unsigned int number, const struct attack_context *context)
{
	const struct attack_attempt *attempt = &attack_table[number];
	long args[6], result;
	int i;

	if (attempt->try)
		return attempt->try(context);
	for (i = 0; i < 6; i++)
		args[i] = argument(attempt->args[i], context);
	result = raw(attempt->nr, args);
	if (attempt->forks && !result)
		raw(SYS_exit_group, (const long[6]){ 0 });
	/* A child that is still there would count as an effect. */
	if (attempt->forks && result > 0)
		raw(SYS_wait4, (const long[6]){ result });
	return result;
}
