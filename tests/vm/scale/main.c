// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * scale TEST [ROUNDS]: run one of the tests below. A test with a limit is run twice; the kernel
 * must have the same number of allocated objects, up to the limit, after both runs.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "tests/vm/scale/scale.h"

static const struct {
	const char *name;
	void (*run)(unsigned int rounds);
	unsigned int rounds;	/* default */
	unsigned int leak;	/* limit: no cache may grow by so many objects; 0: not checked */
	const char *claim;
} tests[] = {
	{ "channels", scale_channels, 0, 2000,
	  "64 devices with 256 channels each, of two generations, one of which drains" },
	{ "sleepers", scale_sleepers, 0, 0,
	  "of 256 sleeping readers an I/O wakes one, and an event without a request wakes none" },
	{ "waiting", scale_waiting, 0, 2000,
	  "10,000 I/Os wait for a daemon, some are requeued when it dies, each ends once, with its "
	  "data" },
	{ "fenced", scale_fenced, 0, 0,
	  "10,000 writes that a daemon may still carry out, and 10,000 that wait for them" },
	{ "threads", scale_threads, 50, 0,
	  "100 threads write and verify on 8 devices with 4 channels each" },
	{ "churn", scale_churn, 100, 50,
	  "devices are created, loaded, used, reloaded and removed in a loop" },
	{ "numbers", scale_numbers, 0, 200, "300 control nodes at once" },
};

void scale_target(struct target *t, unsigned int number)
{
	char name[32], ctl[32];

	snprintf(name, sizeof(name), "scale%u", number);
	snprintf(ctl, sizeof(ctl), "scale-ctl%u", number);
	target_create_as(t, name, ctl, ABI_SECTORS, NULL);
}

static int run(size_t i, unsigned int rounds)
{
	struct leak *leak;

	tests[i].run(rounds);
	if (tests[i].leak) {
		leak = leak_begin();
		tests[i].run(rounds);
		OK(leak_end(leak, tests[i].leak), "no slab cache has grown by %u objects",
		   tests[i].leak);
	}
	printf("%s - %s\n", abi_failures ? "not ok" : "ok", tests[i].claim);
	return abi_failures ? 1 : 0;
}

int main(int argc, char **argv)
{
	struct rlimit limit = { 20000, 20000 };

	setvbuf(stdout, NULL, _IOLBF, 0);
	NEED(!setrlimit(RLIMIT_NOFILE, &limit), "20,000 descriptors");
	for (size_t i = 0; argc > 1 && i < sizeof(tests) / sizeof(*tests); i++)
		if (!strcmp(argv[1], tests[i].name))
			return run(i, argc > 2 ? strtoul(argv[2], NULL, 10) : tests[i].rounds);
	fprintf(stderr, "usage: scale TEST [ROUNDS]\n");
	return 2;
}
