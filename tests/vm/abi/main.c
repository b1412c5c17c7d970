// SPDX-License-Identifier: GPL-2.0-or-later
/* abi GROUP...: run the subtests of these groups, each in a child with a time limit. */
#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "abi.h"

#define TEST_LIMIT_MS	60000

static const struct abi_group groups[] = {
	{ "stream", abi_stream }, { "requests", abi_requests }, { "answers", abi_answers },
	{ "wait", abi_wait }, { "control", abi_control }, { "drain", abi_drain },
	{ "orphans", abi_orphans }, { "suspend", abi_suspend }, { "removal", abi_removal },
	{ "reload", abi_reload }, { "hostile", abi_hostile },
	{ "hostile-answers", abi_hostile_answers }, { "hostile-leak", abi_hostile_leak },
	{ "hostile-memory", abi_hostile_memory }, { "hostile-process", abi_hostile_process },
	{ "hostile-ioctl", abi_hostile_ioctl }, { "hostile-races", abi_hostile_races },
};

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

static uint64_t abi_word(uint64_t tag, size_t i)
{
	uint64_t x = tag * 0x9e3779b97f4a7c15ULL + i;

	x ^= x >> 29;
	return x * 0xbf58476d1ce4e5b9ULL;
}

void abi_fill(void *buf, size_t len, uint64_t tag)
{
	uint64_t *words = buf;

	for (size_t i = 0; i < len / sizeof(*words); i++)
		words[i] = abi_word(tag, i);
}

bool abi_filled(const void *buf, size_t len, uint64_t tag)
{
	const uint64_t *words = buf;

	for (size_t i = 0; i < len / sizeof(*words); i++)
		if (words[i] != abi_word(tag, i))
			return false;
	return true;
}

static bool abi_task_line(pid_t tid, const char *name, char *line, int len)
{
	char path[64];
	FILE *file;
	bool good;

	snprintf(path, sizeof(path), "/proc/self/task/%d/%s", tid, name);
	file = fopen(path, "re");
	if (!file)
		return false;
	good = fgets(line, len, file);
	fclose(file);
	return good;
}

bool abi_blocked_in(pid_t tid, long nr)
{
	char line[512], *name_end;
	long now;

	if (abi_task_line(tid, "syscall", line, sizeof(line)))
		return sscanf(line, "%ld", &now) == 1 && now == nr;
	/* Some architectures (um) can't tell: that it sleeps must do. */
	if (!abi_task_line(tid, "stat", line, sizeof(line)))
		return false;
	name_end = strrchr(line, ')');
	return name_end && !strncmp(name_end, ") S", 3);
}

/* What a test that hangs was doing, before it is killed. */
static void abi_explain(pid_t pid)
{
	char command[256];

	fflush(stdout);
	snprintf(command, sizeof(command),
		 "for t in /proc/%d/task/*; do echo \"# $t $(cat $t/syscall)\"; sed 's/^/#   /' $t/stack; done;"
		 "dmsetup status | sed 's/^/# /'", pid);
	if (system(command))
		puts("# no further explanation");
}

/* Whatever a subtest left behind goes; false if something did and could not. */
static bool abi_sweep(void)
{
	static const char *const names[] = { ABI_NAME, ABI_NAME "2" };
	bool clean = true;

	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
		if (dm_minor(names[i]) < 0)
			continue;
		dm_message(names[i], "fail");
		dm_wipe(names[i]);
		if (!UNTIL(dm_remove(names[i]) == 0))
			clean = false;
	}
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

static bool abi_run(const char *group, const struct abi_test *test)
{
	uint64_t begin = abi_now_ms();
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
			printf("# %s.%s: time is up\n", group, test->name);
			abi_explain(pid);
			kill(pid, SIGKILL);
			abi_sweep();
			waitpid(pid, &status, 0);
			break;
		}
		abi_nap();
	}
	good = WIFEXITED(status) && WEXITSTATUS(status) == 0;
	if (WIFSIGNALED(status))
		printf("# %s.%s: killed by signal %d\n", group, test->name, WTERMSIG(status));
	good &= OK(abi_sweep(), "%s.%s: the device can be removed", group, test->name);
	good &= OK(UNTIL(module_idle()), "%s.%s: nothing uses the module afterwards", group, test->name);
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
