// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The threads, and the rounds in which they run their programs side by side. A thread may sleep
 * only while another thread runs. When the last thread that is awake ends or waits, it wakes the
 * others with a signal.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/futex.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <ucontext.h>
#include <unistd.h>

#include "fuzz.h"

struct fz_thread fz_threads[FZ_THREADS], fz_main_thread;

static atomic_uint round_number, done, awake;
static unsigned int started, active;
static const struct fz_program *program;

static void futex_wait(atomic_uint *at, unsigned int value, long ms)
{
	struct timespec limit = { .tv_nsec = ms * 1000000 };

	syscall(SYS_futex, at, FUTEX_WAIT_PRIVATE, value, ms ? &limit : NULL, NULL, 0);
}

static void futex_wake(atomic_uint *at)
{
	syscall(SYS_futex, at, FUTEX_WAKE_PRIVATE, INT_MAX, NULL, NULL, 0);
}

static void kick_all(void)
{
	for (unsigned int i = 0; i < active; i++)
		if (atomic_load(&fz_threads[i].kickable))
			syscall(SYS_tgkill, getpid(), fz_threads[i].tid, SIGUSR1);
}

bool fz_block_begin(struct fz_thread *t)
{
	unsigned int n = atomic_load(&awake);

	/* An injected failure must not hit the frame of a signal. */
	if (t == &fz_main_thread || t->failing)
		return false;
	do {
		if (n < 2)
			return false;
	} while (!atomic_compare_exchange_weak(&awake, &n, n - 1));
	atomic_store(&t->kickable, true);
	return true;
}

void fz_block_end(struct fz_thread *t)
{
	atomic_store(&t->kickable, false);
	atomic_fetch_add(&awake, 1);
}

static void set_failure(struct fz_thread *t, unsigned int nth)
{
	char text[8];
	int len = snprintf(text, sizeof(text), "%u", nth);

	/* The failure set before may hit this very call, if it has not happened yet. */
	for (unsigned int i = 0; pwrite(t->fail_nth, text, len, 0) != len; i++)
		if (i == 2)
			fz_stuck("fail-nth");
	t->failing = nth;
}

/* No signal ends the wait of @t. If all others sleep, wake those whose sleep a signal ends. */
void fz_queue_begin(struct fz_thread *t)
{
	if (t != &fz_main_thread && atomic_fetch_sub(&awake, 1) == 1)
		kick_all();
}

void fz_queue_end(struct fz_thread *t)
{
	if (t != &fz_main_thread)
		atomic_fetch_add(&awake, 1);
}

static void run_program(struct fz_thread *t)
{
	t->length = program->length[t->id];
	t->program = program->ops[t->id];
	t->fail_wish = 0;
	for (t->at = 0; t->at < t->length; t->at++) {
		const struct fz_op *op = &t->program[t->at];
		const struct fz_kind *kind = &fz_kinds[op->kind];

		fz_cover_mark(t, op->kind);
		if (t->fail_wish && kind->may_lack && t->fail_nth >= 0) {
			set_failure(t, t->fail_wish);
			t->fail_wish = 0;
		}
		kind->run(t, op);
		if (t->failing)
			set_failure(t, 0);
		fz_client_reap(t);
	}
}

static void *thread_main(void *arg)
{
	struct fz_thread *t = arg;
	unsigned int seen = 0, now;

	t->tid = syscall(SYS_gettid);
	t->fail_nth = open("/proc/thread-self/fail-nth", O_RDWR | O_CLOEXEC);
	fz_cover_thread(t);
	atomic_fetch_add(&done, 1);
	for (;;) {
		while ((now = atomic_load(&round_number)) == seen)
			futex_wait(&round_number, seen, 0);
		/* Rounds without this thread may have passed. */
		seen = now;
		if (t->id >= active)
			continue;
		run_program(t);
		if (atomic_fetch_sub(&awake, 1) == 1)
			kick_all();
		if (atomic_fetch_add(&done, 1) + 1 == active)
			futex_wake(&done);
	}
	return NULL;
}

static void on_kick(int signal)
{
}

/* A mistake of the fuzzer, or wrong data from the kernel. */
static void on_crash(int signal, siginfo_t *info, void *context)
{
	fz_broken(&fz_main_thread, "signal %d at %p, in %#llx", signal, info->si_addr,
		  (unsigned long long)((ucontext_t *)context)->uc_mcontext.gregs[16]);
}

static void thread_memory(struct fz_thread *t)
{
	t->scratch = mmap(NULL, FZ_IO_BYTES + FZ_PAGE, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	t->dm = mmap(NULL, 4 * FZ_PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (t->scratch == MAP_FAILED || t->dm == MAP_FAILED)
		fz_stuck("memory");
}

void fz_workers_start(unsigned int count)
{
	struct sigaction crash = { .sa_sigaction = on_crash, .sa_flags = SA_SIGINFO };
	struct sigaction kick = { .sa_handler = on_kick };
	pthread_t thread;

	sigaction(SIGUSR1, &kick, NULL);
	sigaction(SIGSEGV, &crash, NULL);
	sigaction(SIGFPE, &crash, NULL);
	sigaction(SIGBUS, &crash, NULL);
	fz_main_thread.id = FZ_THREADS;
	fz_main_thread.fail_nth = -1;
	thread_memory(&fz_main_thread);
	for (started = 0; started < count; started++) {
		struct fz_thread *t = &fz_threads[started];

		t->id = started;
		thread_memory(t);
		if (pthread_create(&thread, NULL, thread_main, t))
			fz_stuck("a thread");
		while (atomic_load(&done) <= started)
			sched_yield();
	}
}

void fz_workers_run(const struct fz_program *p, unsigned int threads)
{
	unsigned int n;

	program = p;
	active = threads < started ? threads : started;
	atomic_store(&awake, active);
	atomic_store(&done, 0);
	atomic_fetch_add(&round_number, 1);
	futex_wake(&round_number);
	/* A signal may arrive before its thread sleeps: send it again. */
	while ((n = atomic_load(&done)) < active) {
		futex_wait(&done, n, 20);
		if (!atomic_load(&awake))
			kick_all();
	}
}
