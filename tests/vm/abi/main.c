// SPDX-License-Identifier: GPL-2.0-or-later
/* abi GROUP[.TEST]...: run these subtests, each in a child process with a time limit. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "abi.h"

#define TEST_LIMIT_MS	300000		/* guests are emulated and may share a processor */
#define LINGER_MS	2000

static const struct abi_group groups[] = {
	{ "stream", abi_stream }, { "requests", abi_requests }, { "answers", abi_answers },
	{ "wait", abi_wait }, { "control", abi_control }, { "drain", abi_drain },
	{ "orphans", abi_orphans }, { "suspend", abi_suspend }, { "removal", abi_removal },
	{ "reload", abi_reload }, { "hostile", abi_hostile },
	{ "hostile-answers", abi_hostile_answers }, { "hostile-leak", abi_hostile_leak },
	{ "hostile-memory", abi_hostile_memory }, { "hostile-process", abi_hostile_process },
	{ "hostile-hang", abi_hostile_hang }, { "hostile-ioctl", abi_hostile_ioctl },
	{ "hostile-races", abi_hostile_races }, { "compat", abi_compat }, { "poll", abi_poll },
	{ "uring", abi_uring }, { "extents", abi_extents },
	{ "extents-pin", abi_extents_pin }, { "extents-races", abi_extents_races },
};

/* Print the threads of @pid, a subtest that hangs, and the status of the devices. */
static void abi_explain(pid_t pid)
{
	char command[256];

	fflush(stdout);
	snprintf(command, sizeof(command),
		 "for t in /proc/%d/task/*; do echo \"# $t $(cat $t/syscall)\"; "
		 "sed 's/^/#   /' $t/stack; done; dmsetup status | sed 's/^/# /'", pid);
	if (system(command))
		puts("# no further explanation");
}

/* Remove the devices that a subtest left. False if a device cannot be removed. */
static bool abi_sweep(void)
{
	static const char *const names[] = { ABI_NAME, ABI_NAME "2", ABI_NAME "3" };
	const size_t count = sizeof(names) / sizeof(*names);
	bool clean = true;

	/* The first may wait for I/O of the others, which cannot be removed before it. */
	for (size_t i = count; i-- > 0;) {
		if (dm_minor(names[i]) < 0)
			continue;
		dm_message(names[i], "fail");
		dm_wipe(names[i]);
	}
	for (size_t i = 0; i < count; i++)
		if (dm_minor(names[i]) >= 0 && !UNTIL(dm_remove(names[i]) == 0))
			clean = false;
	return clean;
}

static bool module_idle(void)
{
	char text[16] = "";
	FILE *file = fopen("/sys/module/dm_user/refcnt", "re");

	if (!file)
		return true;
	if (!fgets(text, sizeof(text), file))
		text[0] = '\0';
	fclose(file);
	return !strcmp(text, "0\n");
}

char abi_process_state(pid_t pid)
{
	char path[32], state = 0;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	file = fopen(path, "re");
	if (file && fscanf(file, "%*d (%*[^)]) %c", &state) != 1)
		state = 0;
	if (file)
		fclose(file);
	return state;
}

/* Has @pid given up, and is kept by threads whose I/O does not end? */
static bool abi_lingers(pid_t pid)
{
	return abi_process_state(pid) == 'Z';
}

static bool abi_run(const char *group, const struct abi_test *test)
{
	uint64_t begin = abi_now_ms(), look = begin + LINGER_MS;
	int status = 0;
	bool good;
	pid_t pid;

	fflush(stdout);
	pid = fork();
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		test->run();
		fflush(stdout);
		_exit(abi_failures ? 1 : 0);
	}
	while (waitpid(pid, &status, WNOHANG) == 0) {
		if (abi_now_ms() - begin > TEST_LIMIT_MS) {
			printf("# %s.%s: the time limit is over\n", group, test->name);
			abi_explain(pid);
			kill(pid, SIGKILL);
			abi_sweep();
			waitpid(pid, &status, 0);
			break;
		}
		if (abi_now_ms() > look) {
			if (abi_lingers(pid))
				abi_sweep();
			look = abi_now_ms() + LINGER_MS;
		}
		abi_nap();
	}
	good = WIFEXITED(status) && WEXITSTATUS(status) == 0;
	if (WIFSIGNALED(status))
		printf("# %s.%s: killed by signal %d\n", group, test->name, WTERMSIG(status));
	good &= OK(abi_sweep(), "%s.%s: the devices can be removed", group, test->name);
	good &= OK(UNTIL(module_idle()),
		   "%s.%s: nothing uses the module afterwards", group, test->name);
	printf("%s - %s.%s: %s (%llu ms)\n", good ? "ok" : "not ok", group, test->name, test->claim,
	       (unsigned long long)(abi_now_ms() - begin));
	return good;
}

int main(int argc, char **argv)
{
	unsigned int run = 0, bad = 0;

	setvbuf(stdout, NULL, _IOLBF, 0);
	for (int a = 1; a < argc; a++) {
		const char *only = strchr(argv[a], '.');
		size_t len = only ? (size_t)(only - argv[a]) : strlen(argv[a]);

		for (size_t g = 0; g < sizeof(groups) / sizeof(*groups); g++) {
			if (strlen(groups[g].name) != len || strncmp(groups[g].name, argv[a], len))
				continue;
			for (const struct abi_test *test = groups[g].tests; test->name; test++) {
				if (only && strcmp(only + 1, test->name))
					continue;
				run++;
				bad += !abi_run(groups[g].name, test);
			}
		}
	}
	if (!run) {
		fprintf(stderr, "usage: abi GROUP[.TEST]...\n");
		return 2;
	}
	printf("%u subtests, %u failed\n", run, bad);
	return bad ? 1 : 0;
}
