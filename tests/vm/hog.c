// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * hog [-s STATUSFILE] [-f FILE] MIB: fill MIB of memory with bytes that tell their page and its
 * version, then check and rewrite pages at random until SIGTERM, and check all pages. With -f the
 * memory is a shared mapping of FILE, which is made. Exit status 0: no page was wrong. One line of
 * counts goes to the status file, by one write, so that a script can wait for progress.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#define PAGE	4096UL
#define BURST	32	/* adjacent pages */
#define STEP	16	/* one of so many words is written: emulated guests are slow */

static volatile sig_atomic_t stop;
static uint8_t *memory;
static uint32_t *versions;		/* of each page; 0: not yet written */
static uint64_t pages, filled, touched, wrong;
static int status_fd = -1;

static void on_term(int number)
{
	stop = 1;
}

static uint64_t word(uint64_t page, uint32_t version, unsigned int i)
{
	uint64_t x = (page << 24 ^ version) * 0xd1342543de82ef95ULL + i;

	return (x ^ x >> 33) * 0xff51afd7ed558ccdULL;
}

static void page_write(uint64_t page)
{
	uint64_t *words = (uint64_t *)(memory + page * PAGE);

	versions[page]++;
	for (unsigned int i = 0; i < PAGE / sizeof(*words); i += STEP)
		words[i] = word(page, versions[page], i);
}

static void page_check(uint64_t page)
{
	const uint64_t *words = (const uint64_t *)(memory + page * PAGE);
	unsigned int i = 0;

	while (i < PAGE / sizeof(*words) && words[i] == word(page, versions[page], i))
		i += STEP;
	if (i >= PAGE / sizeof(*words))
		return;
	if (wrong++ < 4)
		fprintf(stderr, "hog: page %llu, version %u, word %u is %llx\n",
			(unsigned long long)page, versions[page], i, (unsigned long long)words[i]);
}

/* The line has a fixed length and is written at once: a reader sees one whole line. */
static void status_put(void)
{
	char line[128];
	int len = snprintf(line, sizeof(line),
			   "pages=%010llu filled=%010llu touched=%010llu wrong=%010llu\n",
			   (unsigned long long)pages, (unsigned long long)filled,
			   (unsigned long long)touched, (unsigned long long)wrong);

	if (status_fd >= 0 && pwrite(status_fd, line, len, 0) != len)
		perror("hog: status file");
}

static void fill(void)
{
	for (filled = 0; filled < pages && !stop; filled++) {
		page_write(filled);
		if (filled % 1024 == 0)
			status_put();
	}
}

static void churn(unsigned int *seed)
{
	uint64_t at = ((uint64_t)rand_r(seed) << 16 ^ rand_r(seed)) % filled;

	for (unsigned int i = 0; i < BURST && at < filled; i++, at++) {
		page_check(at);
		if (i % 2)
			page_write(at);
		touched++;
	}
	status_put();
	/* Other processes need their pages, too. */
	nanosleep(&(struct timespec){ .tv_nsec = 2000000 }, NULL);
}

static void *map(const char *path)
{
	int fd = -1;

	if (path) {
		fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
		if (fd < 0 || ftruncate(fd, pages * PAGE))
			return MAP_FAILED;
	}
	return mmap(NULL, pages * PAGE, PROT_READ | PROT_WRITE,
		    fd < 0 ? MAP_PRIVATE | MAP_ANONYMOUS : MAP_SHARED, fd, 0);
}

static int hog(const char *path)
{
	unsigned int seed = getpid();

	memory = map(path);
	versions = calloc(pages, sizeof(*versions));
	if (memory == MAP_FAILED || !versions) {
		fprintf(stderr, "hog: no %llu pages: %s\n", (unsigned long long)pages,
			strerror(errno));
		return 1;
	}
	fill();
	while (!stop)
		churn(&seed);
	for (uint64_t page = 0; page < filled; page++)
		page_check(page);
	status_put();
	printf("hog: %llu pages, touched %llu times, %llu wrong\n", (unsigned long long)filled,
	       (unsigned long long)touched, (unsigned long long)wrong);
	return wrong != 0;
}

int main(int argc, char **argv)
{
	const char *path = NULL;
	int option;

	while ((option = getopt(argc, argv, "f:s:")) != -1) {
		if (option == 'f')
			path = optarg;
		else if (option == 's')
			status_fd = open(optarg, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
		else
			return 2;
	}
	if (optind != argc - 1 || atoi(argv[optind]) <= 0) {
		fprintf(stderr, "usage: hog [-s STATUSFILE] [-f FILE] MIB\n");
		return 2;
	}
	pages = strtoull(argv[optind], NULL, 0) * (1048576 / PAGE);
	signal(SIGTERM, on_term);
	return hog(path);
}
