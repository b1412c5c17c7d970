// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * probe FILE RECORD [INTERVAL_MS]: measure the latency of one small I/O, again and again.
 *
 * Every INTERVAL_MS (default 10) it writes 4 KiB to, or reads and verifies 4 KiB from, a random
 * block of FILE, with direct I/O. RECORD gets a line for each I/O: its begin (ms of
 * CLOCK_MONOTONIC), its duration (us), R or W, and its errno (0: none; EILSEQ: wrong bytes). It
 * runs until SIGTERM, and then exits with 0 if no I/O failed. All memory is locked and RECORD
 * should be in tmpfs, so FILE is all that it waits for.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

enum { BLOCK = 4096, BLOCKS = 256 };

static volatile sig_atomic_t stopped;
/* The stamp last written to each block; 0: not written yet. */
static uint64_t stamps[BLOCKS];

static void stop(int signal)
{
	stopped = 1;
}

static uint64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

/* xorshift64: repeatable, and good enough to choose and fill blocks. */
static uint64_t next_random(uint64_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return *state;
}

static void fill(uint64_t *buf, uint64_t stamp)
{
	uint64_t state = stamp;

	for (size_t i = 0; i < BLOCK / sizeof(*buf); i++)
		buf[i] = next_random(&state);
}

/* 0 or a positive errno. */
static int write_block(int fd, uint64_t *buf, unsigned int block, uint64_t stamp)
{
	ssize_t done;

	fill(buf, stamp);
	done = pwrite(fd, buf, BLOCK, (off_t)block * BLOCK);
	if (done != BLOCK)
		return done < 0 ? errno : EIO;
	stamps[block] = stamp;
	return 0;
}

static int read_block(int fd, uint64_t *buf, unsigned int block)
{
	uint64_t state = stamps[block];
	ssize_t done;

	memset(buf, 0, BLOCK);
	done = pread(fd, buf, BLOCK, (off_t)block * BLOCK);
	if (done != BLOCK)
		return done < 0 ? errno : EIO;
	for (size_t i = 0; i < BLOCK / sizeof(*buf); i++)
		if (buf[i] != next_random(&state))
			return EILSEQ;
	return 0;
}

/* Write all of FILE once: later samples only overwrite, without allocation or journal. */
static int prepare(const char *path, uint64_t *buf)
{
	int fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_DIRECT | O_CLOEXEC, 0600);
	int error = 0;

	if (fd < 0)
		return -errno;
	for (unsigned int block = 0; block < BLOCKS && !error; block++)
		error = write_block(fd, buf, block, block + 1);
	if (!error && fsync(fd))
		error = errno;
	if (error) {
		close(fd);
		return -error;
	}
	return fd;
}

static unsigned long run(int fd, uint64_t *buf, FILE *record, uint64_t interval_ns)
{
	uint64_t random = 88172645463325252, due = now_ns();
	unsigned long errors = 0;

	while (!stopped) {
		unsigned int block = next_random(&random) % BLOCKS;
		int writes = next_random(&random) & 1;
		uint64_t begin = now_ns(), end;
		int error = writes ? write_block(fd, buf, block, next_random(&random) | 1) :
				     read_block(fd, buf, block);

		end = now_ns();
		errors += error != 0;
		fprintf(record, "%.3f %.1f %c %d\n", begin / 1e6, (end - begin) / 1e3,
			writes ? 'W' : 'R', error);
		due += interval_ns;
		if (due < end)		/* an I/O longer than an interval: do not catch up */
			due = end;
		clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME,
				&(struct timespec){ due / 1000000000, due % 1000000000 }, NULL);
	}
	return errors;
}

int main(int argc, char **argv)
{
	struct sigaction action = { .sa_handler = stop };
	unsigned long interval = argc == 4 ? strtoul(argv[3], NULL, 10) : 10;
	unsigned long errors;
	uint64_t *buf;
	FILE *record;
	int fd;

	if (argc < 3 || argc > 4 || !interval) {
		fprintf(stderr, "usage: probe FILE RECORD [INTERVAL_MS]\n");
		return 2;
	}
	record = fopen(argv[2], "we");
	if (!record || setvbuf(record, NULL, _IOLBF, BUFSIZ)) {
		fprintf(stderr, "probe: %s: %s\n", argv[2], strerror(errno));
		return 1;
	}
	buf = aligned_alloc(BLOCK, BLOCK);
	if (!buf || mlockall(MCL_CURRENT | MCL_FUTURE)) {
		fprintf(stderr, "probe: memory: %s\n", strerror(errno));
		return 1;
	}
	sigaction(SIGTERM, &action, NULL);
	fd = prepare(argv[1], buf);
	if (fd < 0) {
		fprintf(stderr, "probe: %s: %s\n", argv[1], strerror(-fd));
		return 1;
	}
	errors = run(fd, buf, record, interval * 1000000);
	if (fclose(record) || errors) {
		fprintf(stderr, "probe: %lu I/O errors\n", errors);
		return 1;
	}
	return 0;
}
