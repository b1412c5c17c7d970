// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * failures [-m MODULE.ko] [-r] [-s STRIDE] [CALL]...: make each CALL (default: all) again and
 * again. The n-th allocation or copy fails, for n = 1, 1 + STRIDE... until there is no n-th. A call
 * that fails must return an error of memory and do nothing; afterwards everything works. Without
 * -m, the calls that load or unload the module are left out. With -r: run reserve.c instead.
 */
#include <errno.h>
#include <fcntl.h>
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

#include "failures.h"

#define CALL_LIMIT_MS	120000
#define TRIES_MAX	20000

/* ---- functions that the files of the ABI tests call ---- */

unsigned int abi_checks, abi_failures;
static unsigned int nth;	/* for messages; 0: none */
static const char *call_name;

bool abi_check(const char *file, int line, bool good, const char *format, ...)
{
	va_list args;

	__atomic_add_fetch(&abi_checks, 1, __ATOMIC_RELAXED);
	if (good)
		return true;
	flockfile(stdout);
	/* A mistake may show in every try. */
	if (__atomic_add_fetch(&abi_failures, 1, __ATOMIC_RELAXED) <= 20) {
		printf("# %s, failure %u: %s:%d: ", call_name, nth, file, line);
		va_start(args, format);
		vprintf(format, args);
		va_end(args);
		putchar('\n');
	}
	funlockfile(stdout);
	return false;
}

bool abi_is(const char *file, int line, long long got, long long want, const char *format, ...)
{
	char text[160];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	return abi_check(file, line, got == want, "%s: %lld (%s), should be %lld", text, got,
			 got < 0 ? strerror(-got) : "good", want);
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
	nanosleep(&(struct timespec){ .tv_nsec = 500000 }, NULL);
}

pid_t abi_gettid(void)
{
	return syscall(SYS_gettid);
}

void *abi_buffer(size_t len)
{
	void *buf = NULL;

	NEED(!posix_memalign(&buf, 4096, len), "%zu bytes", len);
	return memset(buf, 0xee, len);
}

static uint64_t pattern(uint64_t tag, size_t i)
{
	return (tag + 1) * 0x2545f4914f6cdd1dULL ^ i * 0x9e3779b97f4a7c15ULL;
}

void abi_fill(void *buf, size_t len, uint64_t tag)
{
	for (size_t i = 0; i < len / 8; i++)
		((uint64_t *)buf)[i] = pattern(tag, i);
}

bool abi_filled(const void *buf, size_t len, uint64_t tag)
{
	size_t i = 0;

	while (i < len / 8 && ((const uint64_t *)buf)[i] == pattern(tag, i))
		i++;
	return i == len / 8;
}

/* ---- failures on demand ---- */

static int fail_fd = -1;

static void arm(unsigned int n)
{
	char text[16];
	int len = snprintf(text, sizeof(text), "%u", n);
	/* A failure that has not happened yet may hit this very call. */
	bool good = pwrite(fail_fd, text, len, 0) == len || pwrite(fail_fd, text, len, 0) == len;

	NEED(good, "set fail-nth to %u", n);
}

/* Disarm. True: the failure has happened, in the call and not in this function. */
static bool fired(void)
{
	char text[16] = "";
	bool known = pread(fail_fd, text, sizeof(text) - 1, 0) > 0;

	arm(0);
	return known && atoi(text) == 0;
}

/* ---- a world for each try ---- */

static void world_begin(struct world *w, const struct call *call)
{
	w->fd = w->other = -1;
	w->io[0] = w->io[1] = NULL;
	w->io_may_fail = false;
	w->loaded = !call->bare;
	memset(&w->t, 0, sizeof(w->t));
	strcpy(w->t.name, ABI_NAME);
	strcpy(w->t.ctl, ABI_CTL);
	if (w->loaded)
		target_create(&w->t, "");
}

static void io_settle(struct world *w, struct io *io)
{
	int ret;

	if (!io)
		return;
	ret = io_end(io);
	OK(!ret || (w->io_may_fail && ret == -EIO), "I/O of before: %s", strerror(-ret));
}

/* Close the channels. A new daemon serves their requests, and new ones. Then remove the device. */
static void world_end(struct world *w)
{
	static uint8_t store[ABI_SECTORS * 512];
	struct server server = { 0 };

	if (w->fd >= 0)
		close(w->fd);
	if (w->other >= 0)
		close(w->other);
	if (!w->loaded)
		return;
	if (!*w->t.dev)
		snprintf(w->t.dev, sizeof(w->t.dev), "/dev/dm-%d", dm_minor(w->t.name));
	IS(dm_message(w->t.name, "unseal"), 0, "unseal");
	server_start(&server, ch_need(&w->t), store);
	io_settle(w, w->io[0]);
	io_settle(w, w->io[1]);
	IS(io_do(&w->t, IO_WRITE, 1 << 20, IO_BYTES, nth), 0, "a write afterwards");
	io_end_read(io_start(&w->t, IO_READ, 1 << 20, IO_BYTES, 0), nth);
	IS(dm_word(w->t.name, "queued:"), 0, "requests left in the queue");
	IS(dm_word(w->t.name, "held:"), 0, "requests still held");
	IS(ch_drain(server.fd, 0, NULL), 0, "drain the daemon");
	IS(server_join(&server), 0, "its end");
	close(server.fd);
	target_remove(&w->t);
}

/* ---- one call ---- */

/* The driver core returns EINVAL if there is no memory for a device's name. */
static bool is_memory(int err)
{
	return err == -ENOMEM || err == -EFAULT || err == -EINVAL;
}

static void run_call(const struct call *call, unsigned int stride, const char *module)
{
	struct world w = { .module = module,
			   .buf = abi_buffer(IO_BYTES + sizeof(struct dm_user_message)) };
	unsigned int failed = 0, no_memory = 0, unharmed = 0;
	bool more = true;
	int ret;

	fail_fd = open("/proc/thread-self/fail-nth", O_RDWR | O_CLOEXEC);
	NEED(fail_fd >= 0, "fail-nth: %s", strerror(errno));
	for (nth = 1; more && nth < TRIES_MAX && abi_failures < 20; nth += stride) {
		world_begin(&w, call);
		if (call->before)
			call->before(&w);
		arm(nth);
		ret = call->run(&w);
		more = fired();
		if (more || ret >= 0)
			OK(ret >= 0 || is_memory(ret), "the call: %s", strerror(-ret));
		else
			IS(ret, 0, "the call, without any failure");
		failed += ret < 0;
		no_memory += ret == -ENOMEM;
		unharmed += more && ret >= 0;
		if (call->after)
			call->after(&w, ret);
		world_end(&w);
	}
	OK(!more, "the failures come to an end");
	if (call->must_fail)
		OK(failed, "a failure made the call fail");
	printf("# %s: failures up to the %u-th; %u times an error, %u of them ENOMEM; "
	       "%u times none\n", call->name, nth - stride, failed, no_memory, unharmed);
}

static void explain(pid_t pid)
{
	char command[256];

	snprintf(command, sizeof(command),
		 "for t in /proc/%d/task/*; do sed \"s,^,# $t: ,\" $t/stack; done; "
		 "dmsetup status | sed 's/^/# /'", pid);
	if (system(command))
		puts("# no more to say");
}

static const struct call reserve = { .name = "reserve",
				     .claim = "requests are served without memory" };

/* Each call has a process of its own: nothing remains of it, and a hang can be ended. */
static bool run_child(const struct call *call, unsigned int stride, const char *module)
{
	uint64_t begin = abi_now_ms();
	int status = 0;
	pid_t pid;

	fflush(stdout);
	call_name = call->name;
	pid = fork();
	if (!pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (call == &reserve)
			reserve_run();
		else
			run_call(call, stride, module);
		fflush(stdout);
		_exit(abi_failures != 0);
	}
	while (!waitpid(pid, &status, WNOHANG)) {
		if (abi_now_ms() - begin > CALL_LIMIT_MS) {
			printf("# %s: time is up\n", call->name);
			explain(pid);
			/* Its clients wait in the kernel, and cannot be killed before this. */
			dm_message(ABI_NAME, "fail");
			exit(1);
		}
		nanosleep(&(struct timespec){ .tv_nsec = 20000000 }, NULL);
	}
	printf("%s - %s: %s (%llu ms)\n", status ? "not ok" : "ok", call->name, call->claim,
	       (unsigned long long)(abi_now_ms() - begin));
	return !status;
}

static bool chosen(const struct call *call, char **names, bool module)
{
	if (!*names)
		return module || !strstr(call->name, "-module");
	while (*names && strcmp(*names, call->name))
		names++;
	return *names;
}

int main(int argc, char **argv)
{
	unsigned int run = 0, bad = 0, stride = 1;
	const char *module = NULL;
	int option;

	setvbuf(stdout, NULL, _IOLBF, 0);
	while ((option = getopt(argc, argv, "m:rs:")) != -1) {
		if (option == 'm')
			module = optarg;
		else if (option == 'r')
			return !run_child(&reserve, 0, NULL);
		else if (option == 's' && atoi(optarg) > 0)
			stride = atoi(optarg);
		else
			return 2;
	}
	for (const struct call *call = calls; call->name; call++) {
		if (!chosen(call, argv + optind, module))
			continue;
		run++;
		bad += !run_child(call, stride, module);
	}
	printf("%u calls, %u failed\n", run, bad);
	return bad || !run;
}
