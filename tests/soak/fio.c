// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * fio, one run after the other. Each run writes a file and checks it: through the page cache, past
 * it with many requests at once, or mapped. It is slow on purpose: little I/O over a long time.
 */
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "tests/soak/soak.h"

static unsigned int round_number;

static void fio_begin(struct soak_worker *worker)
{
}

static void fio_step(struct soak_worker *worker)
{
	static char *const engines[][3] = {
		{ "--ioengine=psync", "--fsync=16", "--iodepth=1" },
		{ "--ioengine=libaio", "--direct=1", "--iodepth=8" },
		{ "--ioengine=mmap", "--fsync=64", "--iodepth=1" },
	};
	char path[256], file[300], output[64], seed[64];
	int status;
	char *const *engine = engines[round_number++ % 3];
	char *const argv[] = {
		"fio", "--name=soak", file, engine[0], engine[1], engine[2], seed,
		"--rw=randwrite", "--bs=4k", "--size=1M", "--rate_iops=20", "--verify=crc32c",
		"--verify_fatal=1", "--verify_state_save=0", "--thread", "--eta=never", NULL
	};

	soak_path(path, sizeof(path), worker, "");
	snprintf(file, sizeof(file), "--filename=%s", path);
	snprintf(output, sizeof(output), "/tmp/fio.%d", (int)worker->load->pid);
	snprintf(seed, sizeof(seed), "--randseed=%u", soak_below(&worker->random, 1000000));
	if (waitpid(soak_start(argv, output), &status, 0) < 0 || status)
		soak_fail("fio: status 0x%x, see %s", status, output);
}

/* Each run has checked its file. */
static void fio_end(struct soak_worker *worker)
{
}

const struct soak_load_ops soak_fio = {
	.kind = "fio",
	.begin = fio_begin,
	.step = fio_step,
	.end = fio_end,
};
