// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Extents, REMAP, SYNC, CLEAN. The backing device is another device of the target, whose daemon is
 * the test: so it sees what arrives there, and decides when that ends.
 */
#include <errno.h>
#include <linux/dm-ioctl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "extents.h"

static void extents_carry(void)
{
	struct stack s;
	struct io *io;

	ext_create(&s, "extents:on secure_erase:on");
	IS(ext_map(s.fd, 0, ABI_SECTORS, 64, RW), 0, "map all");
	close(s.fd);
	IS(dm_word(s.t.name, "channels:"), 0, "there is no daemon");
	io = io_start(&s.t, IO_READ, 4096, 8192, 0);
	ext_serve(s.low, DM_USER_REQ_MAP_READ, 72, 16);
	io_end_read(io, 72);
	io = io_start(&s.t, IO_WRITE, 0, 4096, 1);
	ext_serve(s.low, DM_USER_REQ_MAP_WRITE, 64, 8);
	IS(io_end(io), 0, "write");
	io = io_start(&s.t, IO_DISCARD, 8192, 8192, 0);
	ext_serve(s.low, DM_USER_REQ_MAP_DISCARD, 80, 16);
	IS(io_end(io), 0, "discard");
	io = io_start(&s.t, IO_ZEROOUT, 0, 4096, 0);
	ext_serve(s.low, DM_USER_REQ_MAP_WRITE_ZEROES, 64, 8);
	IS(io_end(io), 0, "write zeroes");
	io = io_start(&s.t, IO_READ, 0, 4096, 0);
	ext_fail(&s, DM_USER_REQ_MAP_READ);
	IS(io_end(io), -EIO, "an error of the backing device");
	IS(dm_word(s.t.name, "mapped:"), ABI_SECTORS, "sectors that are mapped");
	IS(dm_word(s.t.name, "extents:"), 1, "extents");
	IS(dm_word(s.t.name, "mapped_reads:"), 2, "reads that were mapped");
	IS(dm_word(s.t.name, "mapped_writes:"), 1, "writes that were mapped");
	IS(dm_word(s.t.name, "mapped_others:"), 2, "others that were mapped");
	IS(dm_word(s.t.name, "queued:"), 0, "requests for a daemon");
}

/* A bio is cut where what is mapped changes; each part goes where it belongs. */
static void extents_cut(void)
{
	struct stack s;
	struct io *io;

	ext_create(&s, "extents:on max_io:16384");
	IS(ext_map(s.fd, 8, 8, 1000, RW), 0, "map [8, 16)");
	IS(ext_map(s.fd, 24, 8, 2000, RO), 0, "map [24, 32) for reads");
	io = io_start(&s.t, IO_READ, 0, 40 * 512, 0);
	ext_serve(s.fd, DM_USER_REQ_MAP_READ, 0, 8);
	ext_serve(s.low, DM_USER_REQ_MAP_READ, 1000, 8);
	ext_serve(s.fd, DM_USER_REQ_MAP_READ, 16, 8);
	ext_serve(s.low, DM_USER_REQ_MAP_READ, 2000, 8);
	ext_serve(s.fd, DM_USER_REQ_MAP_READ, 32, 8);
	IS(io_end(io), 0, "read over all edges");
	io = io_start(&s.t, IO_WRITE, 4096, 32 * 512, 1);
	ext_serve(s.low, DM_USER_REQ_MAP_WRITE, 1000, 8);
	ext_serve(s.fd, DM_USER_REQ_MAP_WRITE, 16, 8);
	ext_serve(s.fd, DM_USER_REQ_MAP_WRITE, 24, 8);
	ext_serve(s.fd, DM_USER_REQ_MAP_WRITE, 32, 8);
	IS(io_end(io), 0, "write over all edges");
	/* A daemon gets no payload beyond max_io; what is mapped is not cut. */
	IS(ext_map(s.fd, 128, 128, 3000, RW), 0, "map [128, 256)");
	io = io_start(&s.t, IO_READ, 48 * 512, 144 * 512, 0);
	ext_serve(s.fd, DM_USER_REQ_MAP_READ, 48, 16);
	ext_serve(s.fd, DM_USER_REQ_MAP_READ, 64, 32);
	ext_serve(s.fd, DM_USER_REQ_MAP_READ, 96, 32);
	ext_serve(s.low, DM_USER_REQ_MAP_READ, 3000, 64);
	IS(io_end(io), 0, "read over multiples of max_io");
	IS(ext_map(s.fd, 128, 128, 0, 0), 0, "map [128, 256) no more");
	IS(ext_map(s.fd, 8, 8, 0, 0), 0, "map [8, 16) no more");
	io = io_start(&s.t, IO_READ, 4096, 4096, 0);
	ext_serve(s.fd, DM_USER_REQ_MAP_READ, 8, 8);
	io_end_read(io, 8);
	OK(ext_idle(s.low), "nothing comes to the backing device");
	IS(ext_map(s.fd, 0, ABI_SECTORS, 0, RW), 0, "map all");
	IS(dm_message(s.t.name, "unmap"), 0, "unmap by message");
	IS(dm_word(s.t.name, "mapped:"), 0, "sectors that are mapped");
	io = io_start(&s.t, IO_READ, 4096, 4096, 0);
	ext_serve(s.fd, DM_USER_REQ_MAP_READ, 8, 8);
	io_end_read(io, 8);
}

static void extents_checked(void)
{
	static const struct {
		struct dm_user_extent extent;
		int err;
	} bad[] = {
		{ { 0, 0, 0, 0, RW }, -EINVAL },		/* no length */
		{ { 0, 8, 0, 0, 4 }, -EINVAL },			/* an unknown flag */
		{ { 1, 8, 0, 0, RW }, -EINVAL },		/* not aligned */
		{ { 0, 9, 0, 0, RW }, -EINVAL },
		{ { 0, 8, 7, 0, RW }, -EINVAL },
		{ { 0, 8, 8, 0, 0 }, -EINVAL },			/* nothing has no place */
		{ { ABI_SECTORS, 8, 0, 0, RW }, -ERANGE },
		{ { ABI_SECTORS - 8, 16, 0, 0, RW }, -ERANGE },
		{ { 0, 16, 2 * ABI_SECTORS - 8, 0, RW }, -ERANGE },
		{ { UINT64_MAX - 7, 16, 0, 0, RW }, -EINVAL },	/* overflows */
		{ { 0, 8, UINT64_MAX - 7, 0, RW }, -EINVAL },
		{ { 0, 8, 0, 1, RW }, -ENXIO },
		{ { 0, 8, 0, UINT32_MAX, RW }, -ENXIO },
	};
	struct dm_user_extent two[3] = { { 0, 8, 0, 0, RW }, { 16, 8, 0, 0, RW },
					 { 32, 8, 0, 0, RW } };
	struct dm_user_map wild = { .extents = 8, .count = 1 };
	struct target plain;
	unsigned int done;
	struct stack s;
	int other;

	ext_create(&s, "extents:2 logical_block_size:4096");
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		IS(ext_map_all(s.fd, &bad[i].extent, 1, NULL), bad[i].err, "extent %zu", i);
	IS(ext_ioctl(s.fd, DM_USER_IOC_MAP, &wild), -EFAULT, "a bad address");
	wild = (struct dm_user_map){ .reserved = 1 };
	IS(ext_ioctl(s.fd, DM_USER_IOC_MAP, &wild), -EINVAL, "a reserved field");
	IS(dm_word(s.t.name, "extents:"), 0, "extents");
	IS(ext_map_all(s.fd, two, 3, &done), -ENOSPC, "one too many");
	IS(done, 2, "those that fit are set");
	IS(ext_map(s.fd, 0, ABI_SECTORS, 0, RW), 0, "one in place of two");
	IS(ext_map(s.fd, 64, 8, 0, 0), 0, "a hole makes two");
	IS(ext_map(s.fd, 128, 8, 0, 0), -ENOSPC, "another hole would make three");
	IS(ch_join(s.fd, 1, DM_USER_JOIN_CREATE), 0, "generation 1");
	other = ch_need(&s.t);
	IS(ext_map(s.fd, 0, 8, 0, RW), -EBUSY, "another channel");
	IS(ext_ioctl(s.fd, DM_USER_IOC_CLEAN, NULL), -EBUSY, "clean with another channel");
	IS(ch_join(other, 2, DM_USER_JOIN_CREATE), 0, "it is the newest generation");
	IS(ext_map(s.fd, 0, 8, 0, RW), -ESTALE, "an old generation");
	close(s.fd);
	IS(ext_map(other, 0, ABI_SECTORS, 0, RW), 0, "the newest alone");
	IS(ch_drain(other, 0, NULL), 0, "drain");
	IS(ext_map(other, 0, 8, 0, RW), -ESHUTDOWN, "a drained generation");
	target_remove(&s.t);
	IS(ext_map(other, 0, 8, 0, RW), -ENOTBLK, "a removed device");
	IS(ext_ioctl(other, DM_USER_IOC_SYNC, NULL), -ENOTBLK, "sync of a removed device");
	close(other);
	target_create(&plain, NULL);
	other = ch_need(&plain);
	IS(ext_map(other, 0, 8, 0, RW), -ENOTTY, "a row without extents:");
	IS(ext_ioctl(other, DM_USER_IOC_SYNC, NULL), -ENOTTY, "sync without extents:");
	IS(ext_ioctl(other, DM_USER_IOC_CLEAN, NULL), -ENOTTY, "clean without extents:");
	IS(dm_message(plain.name, "unmap"), -EOPNOTSUPP, "unmap without extents:");
}

#define MODEL	256

/* What is listed, and where requests would go, is what an array of sectors says. */
static void extents_model(void)
{
	uint64_t model[MODEL] = { 0 };	/* target + 1, or 0 */
	struct dm_user_extent listed[MODEL];
	unsigned int seed = 1, wrong = 0, count, pieces;
	struct stack s;

	ext_create(&s, "extents:on");
	for (int round = 0; round < 2000; round++) {
		unsigned int first = rand_r(&seed) % MODEL;
		unsigned int len = 1 + rand_r(&seed) % (MODEL - first);
		uint64_t target = rand_r(&seed) % ABI_SECTORS;
		bool gone = rand_r(&seed) % 4 == 0;
		struct dm_user_map list = { .extents = (uintptr_t)listed, .count = MODEL };

		if (rand_r(&seed) % 4)
			len = 1 + len % 8;
		if (first + len > MODEL)
			len = MODEL - first;
		wrong += ext_map(s.fd, first, len, gone ? 0 : target, gone ? 0 : RW) != 0;
		for (unsigned int i = 0; i < len; i++)
			model[first + i] = gone ? 0 : target + i + 1;
		wrong += ext_ioctl(s.fd, DM_USER_IOC_LIST, &list) != 0;
		count = pieces = 0;
		for (unsigned int i = 0; i < list.count; i++) {
			for (uint64_t at = 0; at < listed[i].len; at++, count++)
				wrong += listed[i].sector + at >= MODEL ||
					 model[listed[i].sector + at] != listed[i].target + at + 1;
			pieces++;
		}
		for (unsigned int i = 0; i < MODEL; i++)
			count -= model[i] != 0;
		wrong += count != 0;
		wrong += dm_word(s.t.name, "extents:") != pieces;
		NEED(!wrong, "round %d: [%u, %u) %s", round, first, first + len,
		     gone ? "unmapped" : "mapped");
	}
}

static void extents_remap(void)
{
	static const struct {
		uint64_t sector, backing;
	} bad[] = { { 2 * ABI_SECTORS - 4, 0 }, { 2 * ABI_SECTORS, 0 }, { UINT64_MAX, 0 },
		    { 0, 1 }, { 0, UINT64_MAX }, { 3, 0 } };
	struct dm_user_message m;
	struct stack s;
	struct io *io;

	ext_create(&s, "extents:on logical_block_size:1024");
	io = io_start(&s.t, IO_READ, 4096, 4096, 0);
	ch_take_type(s.fd, &m, DM_USER_REQ_MAP_READ, NULL);
	IS(ext_remap(s.fd, &m, 100, 0), 0, "remap a read");
	IS(ext_remap(s.fd, &m, 100, 0), -EINVAL, "remap it again");
	ext_serve(s.low, DM_USER_REQ_MAP_READ, 100, 8);
	io_end_read(io, 100);
	io = io_start(&s.t, IO_WRITE, 0, 4096, 1);
	ch_take_type(s.fd, &m, DM_USER_REQ_MAP_WRITE, NULL);
	IS(ext_remap(s.fd, &m, 200, 0), 0, "remap a write");
	close(s.fd);
	ext_serve(s.low, DM_USER_REQ_MAP_WRITE, 200, 8);
	IS(io_end(io), 0, "the write, whose daemon has gone");
	s.fd = ch_need(&s.t);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		io = io_start(&s.t, IO_READ, 4096, 4096, 0);
		ch_take_type(s.fd, &m, DM_USER_REQ_MAP_READ, NULL);
		IS(ext_remap(s.fd, &m, bad[i].sector, bad[i].backing), 0, "bad remap %zu", i);
		IS(io_end(io), -EIO, "bad remap %zu", i);
	}
	io = io_start(&s.t, IO_FSYNC, 0, 0, 0);
	ch_take_type(s.fd, &m, DM_USER_REQ_MAP_FLUSH, NULL);
	IS(ext_remap(s.fd, &m, 0, 0), 0, "remap a flush");
	IS(io_end(io), -EIO, "a flush cannot be remapped");
	IS(dm_word(s.t.name, "remapped:"), 2, "requests that were remapped");
	OK(ext_idle(s.low), "nothing else comes to the backing device");
}

/* Two backing devices: each gets what is mapped, sent or flushed to it. */
static void extents_two(void)
{
	char args[512], row[256], one[64];
	struct dm_user_extent extents[2] = { { 0, 8, 16, 0, RW }, { 8, 8, 32, 1, RW } };
	struct dm_user_message m;
	struct target other;
	struct stack s;
	int second;
	struct io *io;

	ext_create(&s, "extents:on");
	close(s.fd);
	target_remove(&s.t);
	target_create_as(&other, ABI_NAME "3", ABI_CTL "3", ABI_SECTORS, NULL);
	second = ch_need(&other);
	ext_row(one, sizeof(one), &s.below, "");
	ext_row(row, sizeof(row), &other, "extents:on");
	snprintf(args, sizeof(args), "%.*s,%s", (int)strlen(one) - 1, one,
		 row + strlen("backing:"));
	target_create(&s.t, args);
	s.fd = ch_need(&s.t);
	IS(ext_map_all(s.fd, extents, 2, NULL), 0, "map to both");
	IS(ext_ioctl(s.fd, DM_USER_IOC_CLEAN, NULL), 0, "clean");
	io = io_start(&s.t, IO_READ, 0, 8192, 0);
	ext_serve(s.low, DM_USER_REQ_MAP_READ, 16, 8);
	if (!OK(ch_ready(second, POLLIN), "the second gets its part")) {
		dm_wipe(s.below.name);
		io_end(io);
		return;
	}
	ext_serve(second, DM_USER_REQ_MAP_READ, 32, 8);
	IS(io_end(io), 0, "read");
	io = io_start(&s.t, IO_FSYNC, 0, 0, 0);
	ext_serve(s.low, DM_USER_REQ_MAP_FLUSH, 0, 0);
	ext_serve(second, DM_USER_REQ_MAP_FLUSH, 0, 0);
	IS(io_end(io), 0, "each device is flushed");
	io = io_start(&s.t, IO_WRITE, 8192, 4096, 1);
	ch_take_type(s.fd, &m, DM_USER_REQ_MAP_WRITE, NULL);
	IS(ext_remap(s.fd, &m, 64, 1), 0, "remap to the second");
	ext_serve(second, DM_USER_REQ_MAP_WRITE, 64, 8);
	IS(io_end(io), 0, "write");
	OK(ext_idle(s.low), "the first gets nothing of it");
	/* Before the first resume, too, a row cannot name other devices than those of extents. */
	snprintf(args, sizeof(args), "%sextents:on", one);
	dm_row(row, sizeof(row), s.t.ctl, args);
	IS(dm_load(s.t.name, ABI_SECTORS, "user", row), -EINVAL, "a row with one of them");
}

static void extents_flush(void)
{
	struct dm_user_message m;
	struct stack s;
	struct io *io;

	ext_create(&s, "extents:on");
	io = io_start(&s.t, IO_FSYNC, 0, 0, 0);
	ext_serve(s.fd, DM_USER_REQ_MAP_FLUSH, 0, 0);
	IS(io_end(io), 0, "nothing was ever mapped: the daemon alone flushes");
	IS(ext_map(s.fd, 0, 8, 0, RW), 0, "map for writes");
	io = io_start(&s.t, IO_FSYNC, 0, 0, 0);
	ext_serve(s.fd, DM_USER_REQ_MAP_FLUSH, 0, 0);
	ext_serve(s.low, DM_USER_REQ_MAP_FLUSH, 0, 0);
	IS(io_end(io), 0, "the daemon, then the backing device");
	IS(ext_ioctl(s.fd, DM_USER_IOC_CLEAN, NULL), 0, "clean");
	io = io_start(&s.t, IO_FSYNC, 0, 0, 0);
	ext_serve(s.low, DM_USER_REQ_MAP_FLUSH, 0, 0);
	IS(io_end(io), 0, "clean: the backing device alone flushes");
	OK(ext_idle(s.fd), "the daemon gets no flush");
	/* A write that goes to the daemon ends that, until the daemon says so again. */
	io = io_start(&s.t, IO_WRITE, 4096, 4096, 1);
	ch_take_type(s.fd, &m, DM_USER_REQ_MAP_WRITE, NULL);
	IS(ext_ioctl(s.fd, DM_USER_IOC_CLEAN, NULL), -EBUSY, "clean with a write held");
	IS(ch_answer(s.fd, &m, 0, NULL, 0), 0, "answer");
	IS(io_end(io), 0, "write");
	io = io_start(&s.t, IO_FSYNC, 0, 0, 0);
	ch_take_type(s.fd, &m, DM_USER_REQ_MAP_FLUSH, NULL);
	OK(ext_idle(s.low), "the daemon first");
	IS(ch_answer(s.fd, &m, 0, NULL, 0), 0, "answer");
	ext_serve(s.low, DM_USER_REQ_MAP_FLUSH, 0, 0);
	IS(io_end(io), 0, "then the backing device");
	io = io_start(&s.t, IO_FSYNC, 0, 0, 0);
	ch_take_type(s.fd, &m, DM_USER_REQ_MAP_FLUSH, NULL);
	IS(ch_answer(s.fd, &m, DM_USER_RESP_ERROR, NULL, 0), 0, "answer");
	IS(io_end(io), -EIO, "a daemon's error is the flush's");
	OK(ext_idle(s.low), "a failed flush goes no further");
	IS(ext_ioctl(s.fd, DM_USER_IOC_CLEAN, NULL), 0, "clean again");
	close(s.fd);
	io = io_start(&s.t, IO_FSYNC, 0, 0, 0);
	ext_fail(&s, DM_USER_REQ_MAP_FLUSH);
	IS(io_end(io), -EIO, "an error of the backing device");
}

/* True once process @pid sleeps each time that it is looked at. */
static bool waits(pid_t pid)
{
	char state;

	for (int i = 0; i < 10; i++) {
		state = abi_process_state(pid);
		if (state != 'S' && state != 'D')
			return false;
		abi_nap();
	}
	return true;
}

/* A call of SYNC that may wait, in a process of its own. */
static pid_t sync_start(int fd)
{
	pid_t pid = fork();

	NEED(pid >= 0, "fork");
	if (!pid)
		_exit(ioctl(fd, DM_USER_IOC_SYNC) ? 1 : 0);
	NEED(UNTIL(waits(pid)), "SYNC waits");
	return pid;
}

static void extents_sync(void)
{
	struct dm_user_message m[2];
	struct io *io[2];
	struct stack s;
	int status;
	pid_t pid;

	ext_create(&s, "extents:on");
	IS(ext_ioctl(s.fd, DM_USER_IOC_SYNC, NULL), 0, "sync of nothing");
	IS(ext_map(s.fd, 0, ABI_SECTORS, 0, RW), 0, "map all");
	for (int i = 0; i < 2; i++) {
		io[i] = io_start(&s.t, IO_WRITE, i * 4096, 4096, i);
		ch_take_type(s.low, &m[i], DM_USER_REQ_MAP_WRITE, NULL);
		if (!i) {
			IS(ext_map(s.fd, 0, ABI_SECTORS, 8192, RW), 0, "map elsewhere");
			pid = sync_start(s.fd);
			kill(pid, SIGKILL);
			IS(waitpid(pid, &status, 0), pid, "a SYNC can be killed");
		}
	}
	IS(m[0].sector, 0, "where the first write went");
	IS(m[1].sector, 8200, "where the second write went");
	/* The next SYNC waits for what the killed one has waited for, and for the second write. */
	pid = sync_start(s.fd);
	IS(ch_answer(s.low, &m[1], 0, NULL, 0), 0, "answer the second");
	IS(io_end(io[1]), 0, "the second write");
	for (int i = 0; i < 20; i++)
		abi_nap();
	OK(waits(pid), "SYNC waits for the first write");
	IS(ch_answer(s.low, &m[0], 0, NULL, 0), 0, "answer the first");
	IS(io_end(io[0]), 0, "the first write");
	IS(waitpid(pid, &status, 0), pid, "SYNC ends");
	IS(status, 0, "its result");
	/* What is mapped later does not keep it. */
	IS(ext_ioctl(s.fd, DM_USER_IOC_SYNC, NULL), 0, "sync of nothing");
}

/* A daemon that may still write what was taken back from it keeps others from the range. */
static void extents_fence(void)
{
	struct dm_user_message m;
	struct stack s;
	struct io *io;

	ext_create(&s, "extents:on");
	io = io_start(&s.t, IO_WRITE, 0, 4096, 1);
	ch_take_type(s.fd, &m, DM_USER_REQ_MAP_WRITE, NULL);
	IS(dm_message(s.t.name, "fail"), 0, "take it back");
	IS(io_end(io), -EIO, "the write that was taken back");
	IS(ext_map(s.fd, 0, ABI_SECTORS, 0, RW), 0, "map all");
	io = io_start(&s.t, IO_WRITE, 0, 4096, 2);
	OK(UNTIL(dm_word(s.t.name, "queued:") == 1), "the next write waits for the fence");
	OK(ext_idle(s.low) && ext_idle(s.fd), "no device and no daemon gets it");
	IS(ch_answer(s.fd, &m, 0, NULL, 0), 0, "the late answer");
	ch_take_type(s.fd, &m, DM_USER_REQ_MAP_WRITE, NULL);
	IS(ext_remap(s.fd, &m, 0, 0), 0, "remap");
	ext_serve(s.low, DM_USER_REQ_MAP_WRITE, 0, 8);
	IS(io_end(io), 0, "the next write");
}

static void extents_outlive(void)
{
	char args[128], row[256];
	struct stack s;
	struct io *io;

	ext_create(&s, "extents:on");
	ext_row(args, sizeof(args), &s.below, "extents:on nodaemon:fail:0");
	IS(ch_join(s.fd, 1, DM_USER_JOIN_CREATE), 0, "generation 1");
	IS(ext_map(s.fd, 0, ABI_SECTORS, 0, RW), 0, "map all");
	IS(ch_drain(s.fd, 0, NULL), 0, "drain");
	close(s.fd);
	dm_row(row, sizeof(row), s.t.ctl, args);
	IS(dm_load(s.t.name, ABI_SECTORS, "user", row), 0, "a reload of the same backing device");
	IS(dm_suspend(s.t.name, DM_SKIP_LOCKFS_FLAG), 0, "suspend");
	IS(dm_resume(s.t.name, 0), 0, "resume");
	io = io_start(&s.t, IO_READ, 0, 4096, 0);
	ext_serve(s.low, DM_USER_REQ_MAP_READ, 0, 8);
	io_end_read(io, 0);
	/* A longer device: its rest is not mapped. */
	IS(dm_load(s.t.name, ABI_SECTORS + 16, "user", row), 0, "a longer row");
	IS(dm_suspend(s.t.name, DM_SKIP_LOCKFS_FLAG), 0, "suspend");
	IS(dm_resume(s.t.name, 0), 0, "resume");
	IS(io_do(&s.t, IO_READ, ABI_SECTORS * 512, 4096, 0), -EIO, "the rest is for a daemon");
	/* Fewer extents are allowed: what there is stays. */
	ext_row(args, sizeof(args), &s.below, "extents:1");
	dm_row(row, sizeof(row), s.t.ctl, args);
	IS(dm_load(s.t.name, ABI_SECTORS, "user", row), 0, "a row with fewer extents");
	IS(dm_suspend(s.t.name, DM_SKIP_LOCKFS_FLAG), 0, "suspend");
	IS(dm_resume(s.t.name, 0), 0, "resume");
	s.fd = ch_need(&s.t);
	IS(ch_join(s.fd, 2, DM_USER_JOIN_CREATE), 0, "generation 2");
	IS(ext_map(s.fd, 8, 8, 0, 0), -ENOSPC, "a hole would make two of one");
	dm_row(row, sizeof(row), s.t.ctl, NULL);
	IS(dm_load(s.t.name, ABI_SECTORS, "user", row), -EINVAL, "a reload without extents");
	dm_row(row, sizeof(row), s.t.ctl, "extents:on");
	IS(dm_load(s.t.name, ABI_SECTORS, "user", row), -EINVAL, "a reload without a device");
}

/* A noflush suspend takes requests back from daemons, and waits for what is mapped. */
static void extents_suspend(void)
{
	struct dm_user_message m;
	struct io *io, *late;
	struct stack s;
	pid_t pid;
	int status;

	ext_create(&s, "extents:on");
	IS(ext_map(s.fd, 0, ABI_SECTORS, 0, RW), 0, "map all");
	io = io_start(&s.t, IO_WRITE, 0, 4096, 1);
	ch_take_type(s.low, &m, DM_USER_REQ_MAP_WRITE, NULL);
	pid = fork();
	NEED(pid >= 0, "fork");
	if (!pid)
		_exit(dm_suspend(ABI_NAME, DM_NOFLUSH_FLAG | DM_SKIP_LOCKFS_FLAG) ? 1 : 0);
	NEED(UNTIL(waits(pid)), "the suspend waits");
	IS(ch_answer(s.low, &m, 0, NULL, 0), 0, "answer");
	IS(io_end(io), 0, "the write");
	IS(waitpid(pid, &status, 0), pid, "the suspend ends");
	IS(status, 0, "its result");
	late = io_start(&s.t, IO_READ, 0, 4096, 0);
	for (int i = 0; i < 20; i++)
		abi_nap();
	OK(ext_idle(s.low), "nothing is mapped while suspended");
	IS(dm_resume(s.t.name, 0), 0, "resume");
	ext_serve(s.low, DM_USER_REQ_MAP_READ, 0, 8);
	io_end_read(late, 0);
}

/* The extents as rows of dm-linear, for a tool that replaces the table. */
static void extents_print(void)
{
	char args[128], text[16384], want[16384], *at = want;
	struct stack s;

	ext_create(&s, "extents:on");
	ext_row(args, sizeof(args), &s.below, "");
	*strchr(args, ' ') = '\0';
	IS(dm_ask(s.t.name, "extents", text, sizeof(text)), 0, "ask");
	OK(!strcmp(text, ""), "there is no extent, but \"%s\"", text);
	IS(ext_map(s.fd, 64, 8, 0, RO), 0, "map for reads");
	IS(ext_map(s.fd, 0, 16, 128, RW), 0, "map");
	IS(ext_map(s.fd, 72, ABI_SECTORS - 72, 1024, RW), 0, "map the rest");
	IS(dm_ask(s.t.name, "extents", text, sizeof(text)), 0, "ask");
	snprintf(want, sizeof(want), "0 16 %s 128 rw\n64 8 %s 0 r\n72 %d %s 1024 rw\n",
		 strchr(args, ':') + 1, strchr(args, ':') + 1, ABI_SECTORS - 72,
		 strchr(args, ':') + 1);
	OK(!strcmp(text, want), "rows: \"%s\", not \"%s\"", text, want);
	IS(dm_ask(s.t.name, "extents", text, strlen(want) + 1), -ENOBUFS, "one byte too few");
	IS(dm_ask(s.t.name, "extents", text, strlen(want) + 2), 0, "as many as DM needs");
	OK(!strcmp(text, want), "rows: \"%s\"", text);
	IS(dm_message(s.t.name, "unmap"), 0, "unmap");
	for (unsigned int i = 0; i < 200; i++) {
		IS(ext_map(s.fd, 16 * i, 8, 0, RW), 0, "map");
		at += sprintf(at, "%u 8 %s 0 rw\n", 16 * i, strchr(args, ':') + 1);
	}
	IS(dm_ask(s.t.name, "extents", text, 1024), -ENOBUFS, "more than fit");
	IS(dm_ask(s.t.name, "extents", text, sizeof(text)), 0, "all");
	OK(!strcmp(text, want), "200 rows");
	IS(dm_message(s.t.name, "extents 1"), -EINVAL, "a message with an argument");
	IS(dm_ask(s.below.name, "extents", text, sizeof(text)), -EOPNOTSUPP, "without extents:");
}

const struct abi_test abi_extents[] = {
	{ "carry", extents_carry, "P14: what is mapped needs no daemon" },
	{ "cut", extents_cut, "P14: each part of a request goes where its sectors are mapped" },
	{ "checked", extents_checked, "P10: ranges, numbers and generations are checked" },
	{ "model", extents_model, "P14: after any changes, what is mapped is what was asked for" },
	{ "remap", extents_remap, "P10: an answer sends a request to a backing device, if it can" },
	{ "two", extents_two, "P6: a flush reaches every backing device" },
	{ "flush", extents_flush, "P6, P14: a flush reaches all that may hold a write" },
	{ "sync", extents_sync, "P7: SYNC waits for what was mapped before, also after a kill" },
	{ "fence", extents_fence, "P7: what is mapped waits for the fence, too" },
	{ "outlive", extents_outlive, "P14: extents outlive daemons, drains and reloads" },
	{ "suspend", extents_suspend, "P5: a noflush suspend waits for what is mapped" },
	{ "print", extents_print, "P14: a message prints the extents as rows of dm-linear" },
	{ NULL, NULL, NULL }
};
