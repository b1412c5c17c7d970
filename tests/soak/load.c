// SPDX-License-Identifier: GPL-2.0-or-later
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "tests/soak/soak.h"

static void load_run(struct soak_worker *worker, const struct soak_load_ops *ops)
{
	uint64_t begin, took;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	ops->begin(worker);
	while (!soak->stop) {
		begin = soak_now_us();
		ops->step(worker);
		took = soak_now_us() - begin;
		if (took > worker->load->longest_us)
			worker->load->longest_us = took;
		worker->load->ops++;
		soak_sleep_us(soak->pause_ms * 1000ULL);
	}
	ops->end(worker);
	exit(0);
}

void soak_load_start(struct soak_device *device, const struct soak_load_ops *ops)
{
	struct soak_worker worker = { .dir = device->dir };
	unsigned int stream = 1000 + (device - soak->devices) * SOAK_LOADS_MAX + device->load_count;
	pid_t pid;

	worker.load = &device->loads[device->load_count++];
	worker.load->kind = ops->kind;
	soak_seed(&worker.random, soak->seed, stream);
	pid = fork();
	if (pid < 0)
		soak_fail("fork: %s", strerror(errno));
	if (!pid)
		load_run(&worker, ops);
	worker.load->pid = pid;
}

void soak_path(char *path, size_t len, const struct soak_worker *worker, const char *name)
{
	snprintf(path, len, "%s/%s%s%s", worker->dir, worker->load->kind, *name ? "." : "", name);
}

void soak_write(int fd, const void *buf, size_t len, off_t at, const char *what)
{
	ssize_t done = pwrite(fd, buf, len, at);

	if (done != (ssize_t)len)
		soak_fail("%s: write of %zu at %lld: %s", what, len, (long long)at,
			  done < 0 ? strerror(errno) : "short");
}

void soak_read(int fd, void *buf, size_t len, off_t at, const char *what)
{
	ssize_t done = pread(fd, buf, len, at);

	if (done != (ssize_t)len)
		soak_fail("%s: read of %zu at %lld: %s (%zd)", what, len, (long long)at,
			  done < 0 ? strerror(errno) : "short", done);
}

void soak_fsync(int fd, bool data_only, const char *what)
{
	if (data_only ? fdatasync(fd) : fsync(fd))
		soak_fail("%s: fsync: %s", what, strerror(errno));
}

void soak_forget(int fd, const char *what)
{
	soak_fsync(fd, false, what);
	if (posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED))
		soak_fail("%s: fadvise", what);
}

void soak_fill(void *buf, size_t len, uint64_t id)
{
	struct soak_random random = { .state = id };
	uint8_t *bytes = buf;
	uint64_t word;

	for (size_t at = 0; at < len; at += 8) {
		word = soak_draw(&random);
		memcpy(bytes + at, &word, len - at < 8 ? len - at : 8);
	}
}
