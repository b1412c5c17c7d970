// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A run consists of epochs, each with its own target; an epoch of rounds, each with one program. A
 * child makes the run. Its parent reports the end, even if hung I/O keeps the child from exiting.
 */
#include <dirent.h>
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "fuzz.h"

#define HANG_SECONDS	90
#define FRESH_SOME	1	/* new edges that make a program worth keeping */

struct options {
	uint64_t seed, ops, seconds;
	unsigned int threads, rounds, repeat;
	const char *corpus_out, *corpus_in, *replay;
	long epoch;
	bool print;
};

/* Shared by child and parent. */
struct shared {
	_Atomic uint64_t ops, epoch, round;
	atomic_int status;		/* exit status plus one; 0: the child runs */
};

static struct options opt = { .threads = 4, .rounds = 96, .repeat = 1, .epoch = -1 };
static struct shared *shared;
static struct fz_program program;
static unsigned int program_threads;
static long program_parent;
static uint64_t program_seed;
static unsigned int visible;		/* programs of the corpus that this epoch may mutate */
static uint64_t started;
static FILE *corpus_file;

static uint64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000ULL + now.tv_nsec / 1000000;
}

void fz_show_round(FILE *out)
{
	fprintf(out, "program parent %ld seed %016" PRIx64 " threads %u; "
		"reproduce: --replay THIS_LOG --epoch %" PRIu64 "\n", program_parent, program_seed,
		program_threads, fz.epoch);
	fz_program_print(out, &program, program_threads);
}

void fz_leave(int status)
{
	fflush(stdout);
	atomic_store(&shared->status, status + 1);
	_exit(status);
}

static uint64_t count_ops(void)
{
	uint64_t ops = fz_main_thread.ops;

	for (unsigned int i = 0; i < FZ_THREADS; i++)
		ops += fz_threads[i].ops;
	return ops;
}

static void report(const char *what)
{
	uint64_t ms = now_ms() - started + 1, ops = count_ops();

	printf("%s: %" PRIu64 " operations in %" PRIu64 " s, %" PRIu64 " a second; %" PRIu64
	       " epochs; I/O %" PRIu64 " reads %" PRIu64 " writes; %" PRIu64
	       " sectors checked; corpus %u; coverage %u edges, %u PCs%s\n", what, ops, ms / 1000,
	       ops * 1000 / ms, fz.epoch, fz.total_reads, fz.total_writes, fz.total_checked,
	       fz_corpus_count(), fz_cover_edges(), fz_cover_pcs(),
	       fz_cover_present() ? "" : " (no KCOV)");
	fflush(stdout);
}

/* Run one program: a new one, or a mutation of a program in the corpus. */
static void run_round(uint64_t *state)
{
	unsigned int fresh = 0;
	uint64_t r = fz_random(state);

	program_parent = -1;
	if (visible && r % 4)
		/* The corpus grows from its younger half. */
		program_parent = r & 16 ? (r >> 8) % visible :
					  visible - 1 - (r >> 8) % (visible / 2 + 1);
	if (program_parent < 0)
		program_parent = -1;
	program_seed = fz_random(state);
	fz_corpus_make(&program, program_parent, program_seed);
	fz_workers_run(&program, program_threads);
	for (unsigned int i = 0; i < program_threads; i++)
		fresh += fz_cover_collect(&fz_threads[i]);
	if (fresh >= FRESH_SOME && !opt.replay)
		fz_corpus_add(&program, program_parent, program_seed, corpus_file);
}

static void run_epoch(uint64_t seed)
{
	uint64_t state = seed;

	fz.epoch_seed = seed;
	program_threads = 1U << fz_random(&state) % 4;
	if (program_threads > opt.threads)
		program_threads = opt.threads;
	printf("epoch %" PRIu64 " seed %016" PRIx64 " corpus-size %u\n", fz.epoch, seed, visible);
	fflush(stdout);
	fz_epoch_begin();
	for (fz.round = 0; fz.round < opt.rounds; fz.round++) {
		run_round(&state);
		shared->ops = count_ops();
		shared->round = fz.round;
	}
	fz_epoch_end();
	shared->epoch = fz.epoch;
	fflush(stdout);
}

static void run_replay(void)
{
	uint64_t seed;
	long epoch = opt.epoch;

	if (!fz_corpus_read(opt.replay, &epoch, &seed, &visible))
		fz_stuck("no such epoch in the log to replay");
	for (unsigned int i = 0; i < opt.repeat; i++) {
		fz.epoch = epoch;
		run_epoch(seed);
	}
	if (opt.print)
		fz_show_round(stdout);
}

static void run_all(void)
{
	uint64_t next = started + 10000;

	if (opt.corpus_in && !fz_corpus_read(opt.corpus_in, NULL, NULL, NULL))
		fz_stuck(opt.corpus_in);
	for (fz.epoch = 0;; fz.epoch++) {
		uint64_t now = now_ms();

		if (opt.ops ? count_ops() >= opt.ops : now - started >= opt.seconds * 1000)
			return;
		if (now >= next) {
			report("so far");
			next = now + 10000;
		}
		visible = fz_corpus_count();
		run_epoch(fz_mix(fz.seed ^ fz_mix(fz.epoch)));
	}
}

/* Injected failures must be silent, and must hit allocations that may sleep, too. */
static void prepare_failures(void)
{
	static const char *const settings[][2] = {
		{ "failslab/verbose", "0" }, { "failslab/ignore-gfp-wait", "N" },
		{ "fail_page_alloc/verbose", "0" }, { "fail_usercopy/verbose", "0" },
	};
	char path[64];
	FILE *out;

	for (unsigned int i = 0; i < sizeof(settings) / sizeof(settings[0]); i++) {
		snprintf(path, sizeof(path), "/sys/kernel/debug/%s", settings[i][0]);
		out = fopen(path, "w");
		if (out) {
			fputs(settings[i][1], out);
			fclose(out);
		}
	}
}

static void child(void)
{
	fz.seed = opt.seed;
	started = now_ms();
	if (opt.corpus_out) {
		corpus_file = fopen(opt.corpus_out, "w");
		if (!corpus_file)
			fz_stuck(opt.corpus_out);
	}
	prepare_failures();
	fz_dm_init();
	fz_channel_init();
	fz_client_init();
	fz_workers_start(opt.threads);
	printf("fuzz: seed %016" PRIx64 ", %u threads, %s\n", opt.seed, opt.threads,
	       fz_cover_present() ? "guided by coverage" : "without coverage");
	if (opt.replay)
		run_replay();
	else
		run_all();
	report("fuzz: done");
	fz_leave(0);
}

/* Print the kernel stacks of the threads of a run that hangs. */
static void show_threads(pid_t pid)
{
	char path[64], line[256];
	struct dirent *entry;
	FILE *in;
	DIR *dir;

	snprintf(path, sizeof(path), "/proc/%d/task", pid);
	dir = opendir(path);
	while (dir && (entry = readdir(dir))) {
		if (entry->d_name[0] == '.')
			continue;
		snprintf(path, sizeof(path), "/proc/%d/task/%.16s/stack", pid, entry->d_name);
		in = fopen(path, "r");
		printf("thread %s\n", entry->d_name);
		while (in && fgets(line, sizeof(line), in))
			printf("  %s", line);
		if (in)
			fclose(in);
	}
	if (dir)
		closedir(dir);
}

static int watch(pid_t pid)
{
	uint64_t ops = 0, since = now_ms();
	int status;

	for (;;) {
		if (atomic_load(&shared->status))
			return atomic_load(&shared->status) - 1;
		if (waitpid(pid, &status, WNOHANG) == pid) {
			printf("BROKEN seed %016" PRIx64 ": the fuzzer died, wait status %#x\n",
			       opt.seed, status);
			return 2;
		}
		if (shared->ops != ops) {
			ops = shared->ops;
			since = now_ms();
		} else if (now_ms() - since > HANG_SECONDS * 1000) {
			printf("BROKEN seed %016" PRIx64 " after epoch %" PRIu64 ", round %" PRIu64
			       ": it hangs\n", opt.seed, shared->epoch, shared->round);
			show_threads(pid);
			return 1;
		}
		usleep(100000);
	}
}

static uint64_t number(const char *text)
{
	char *end;
	uint64_t n = strtoull(text, &end, 0);

	if (!*text || *end) {
		fprintf(stderr, "fuzz: \"%s\" is not a number\n", text);
		exit(2);
	}
	return n;
}

static void usage(FILE *out)
{
	fputs("usage: fuzz [OPTION]...\n"
	      "Fuzz the device-mapper target \"user\" of the running kernel, and check its "
	      "promises.\n\n"
	      "  --seed N          the seed of every random choice (default: from the clock)\n"
	      "  --ops N           end after N system calls\n"
	      "  --seconds N       or after N seconds (default 10)\n"
	      "  --threads N       threads of a program, at most 8 (4)\n"
	      "  --rounds N        programs run on one target (96)\n"
	      "  --corpus-out FILE list in FILE the programs that reached something new\n"
	      "  --corpus FILE     begin with the programs of such a FILE\n"
	      "  --replay FILE     run one epoch of a run again; FILE has the output of that run\n"
	      "  --epoch N         the epoch to run again (the last)\n"
	      "  --repeat N        run it N times (1)\n"
	      "  --print           print the program of the last round of --replay at the end\n"
	      "  --help\n", out);
}

static void parse(int argc, char **argv)
{
	static const struct option options[] = {
		{ "seed", required_argument, NULL, 's' },
		{ "ops", required_argument, NULL, 'o' },
		{ "seconds", required_argument, NULL, 't' },
		{ "threads", required_argument, NULL, 'j' },
		{ "rounds", required_argument, NULL, 'r' },
		{ "corpus-out", required_argument, NULL, 'c' },
		{ "corpus", required_argument, NULL, 'i' },
		{ "replay", required_argument, NULL, 'R' },
		{ "epoch", required_argument, NULL, 'e' },
		{ "repeat", required_argument, NULL, 'n' },
		{ "print", no_argument, NULL, 'p' },
		{ "help", no_argument, NULL, 'h' },
		{ 0 } };
	int c;

	opt.seconds = 10;
	opt.seed = fz_mix(time(NULL) ^ (uint64_t)getpid() << 32);
	while ((c = getopt_long(argc, argv, "", options, NULL)) >= 0)
		switch (c) {
		case 's': opt.seed = number(optarg); break;
		case 'o': opt.ops = number(optarg); break;
		case 't': opt.seconds = number(optarg); break;
		case 'j': opt.threads = number(optarg); break;
		case 'r': opt.rounds = number(optarg); break;
		case 'c': opt.corpus_out = optarg; break;
		case 'i': opt.corpus_in = optarg; break;
		case 'R': opt.replay = optarg; break;
		case 'e': opt.epoch = number(optarg); break;
		case 'n': opt.repeat = number(optarg); break;
		case 'p': opt.print = true; break;
		case 'h':
			usage(stdout);
			exit(0);
		default:
			usage(stderr);
			exit(2);
		}
	if (!opt.threads || opt.threads > FZ_THREADS || optind < argc) {
		usage(stderr);
		exit(2);
	}
}

int main(int argc, char **argv)
{
	pid_t pid;

	parse(argc, argv);
	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
		      -1, 0);
	if (shared == MAP_FAILED) {
		fprintf(stderr, "fuzz: memory: %s\n", strerror(errno));
		return 2;
	}
	fflush(stdout);
	pid = fork();
	if (pid < 0) {
		fprintf(stderr, "fuzz: fork: %s\n", strerror(errno));
		return 2;
	}
	if (!pid)
		child();
	return watch(pid);
}
