// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * P6, P12: the file backend on image files stores bytes, and refuses files that it cannot serve, by
 * name.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/falloc.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include <cmocka.h>

#include "lib/dmuser.h"

#define SIZE	(1 << 20)
#define BLOCK	4096

static const struct dmu_call client;
static const struct dmu_backend_ops *file;
static char dir[64], path[96], error[512];
static uint8_t *buf, *expected;		/* aligned, SIZE bytes each */

/* ---- system calls in the place of libc's ---- */

static unsigned int short_of_memory;	/* calls that have still to fail with ENOMEM */

static bool no_memory(void)
{
	if (!short_of_memory)
		return false;
	short_of_memory--;
	errno = ENOMEM;
	return true;
}

ssize_t pread(int fd, void *to, size_t len, off_t offset)
{
	return no_memory() ? -1 : syscall(SYS_pread64, fd, to, len, offset);
}

ssize_t pwrite(int fd, const void *from, size_t len, off_t offset)
{
	return no_memory() ? -1 : syscall(SYS_pwrite64, fd, from, len, offset);
}

static unsigned int dirty, cleaned;	/* calls that have still to fail with EBUSY; write-backs */

int fallocate(int fd, int mode, off_t offset, off_t len)
{
	if (dirty) {
		dirty--;
		errno = EBUSY;
		return -1;
	}
	return no_memory() ? -1 : syscall(SYS_fallocate, fd, mode, offset, len);
}

int sync_file_range(int fd, off_t offset, off_t len, unsigned int flags)
{
	/* No flag that takes a write-back error: only a flush may take one. */
	assert_int_equal(flags, SYNC_FILE_RANGE_WRITE);
	cleaned++;
	return syscall(SYS_sync_file_range, fd, offset, len, flags);
}

static unsigned int syncs, failed_syncs;

int fdatasync(int fd)
{
	syncs++;
	if (failed_syncs) {
		failed_syncs--;
		errno = EIO;
		return -1;
	}
	return no_memory() ? -1 : syscall(SYS_fdatasync, fd);
}

/* ---- */

static int group_setup(void **state)
{
	file = &dmu_backend_file;
	/* Not /tmp, which may not support direct I/O. */
	snprintf(dir, sizeof(dir), "/var/tmp/dmuser-test.XXXXXX");
	assert_non_null(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/image", dir);
	buf = aligned_alloc(BLOCK, SIZE);
	expected = aligned_alloc(BLOCK, SIZE);
	return 0;
}

static int group_teardown(void **state)
{
	unlink(path);
	rmdir(dir);
	free(buf);
	free(expected);
	return 0;
}

static void make_image(off_t size)
{
	int fd = open(path, O_CREAT | O_TRUNC | O_WRONLY | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(ftruncate(fd, size), 0);
	close(fd);
}

static int try_open_for(enum dmu_use use, struct dmu_backend **store, const char *source,
			const char *options)
{
	struct dmu_spec spec;
	char text[512];

	snprintf(text, sizeof(text), "file:%s%s", source, options);
	assert_int_equal(dmu_spec_parse(&spec, text, error, sizeof(error)), 0);
	return file->open(store, &spec, use, error, sizeof(error));
}

static int try_open(struct dmu_backend **store, const char *source, const char *options)
{
	return try_open_for(DMU_USE_NEW, store, source, options);
}

static void refuses(const char *source, const char *options, int rc, const char *named)
{
	struct dmu_backend *store;

	assert_int_equal(try_open(&store, source, options), rc);
	assert_non_null(strstr(error, source));
	assert_null(strchr(error, '\n'));
	if (!strstr(error, named))
		fail_msg("the error '%s' does not name '%s'", error, named);
}

static struct dmu_backend *open_image(const char *options)
{
	struct dmu_backend *store;

	if (try_open(&store, path, options))
		fail_msg("%s", error);
	return store;
}

static void check_all(struct dmu_backend *store)
{
	assert_int_equal(file->read(store, &client, buf, SIZE, 0), 0);
	assert_memory_equal(buf, expected, SIZE);
}

/* Does the file system support @mode? Tried on another file. */
static bool can_allocate(int mode)
{
	char other[sizeof(path) + 2];
	int fd, rc;

	snprintf(other, sizeof(other), "%s.x", path);
	fd = open(other, O_CREAT | O_RDWR | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	rc = fallocate(fd, mode | FALLOC_FL_KEEP_SIZE, 0, BLOCK);
	close(fd);
	unlink(other);
	return !rc;
}

/* Call every operation once on a store opened with @options. */
static void exercise(const char *options)
{
	struct dmu_backend *store;
	struct stat before, after;
	int rc;

	make_image(SIZE);
	store = open_image(options);
	memset(expected, 0x5a, SIZE);
	assert_int_equal(file->write(store, &client, expected, SIZE, 0, false), 0);
	memset(expected + 3 * BLOCK, 0xc3, BLOCK);
	assert_int_equal(file->write(store, &client, expected + 3 * BLOCK, BLOCK, 3 * BLOCK, true),
			 0);
	assert_int_equal(file->flush(store, &client), 0);
	check_all(store);
	stat(path, &before);

	rc = file->discard(store, &client, 16 * BLOCK, 64 * BLOCK);
	assert_int_equal(rc, can_allocate(FALLOC_FL_PUNCH_HOLE) ? 0 : -EOPNOTSUPP);
	if (!rc) {
		memset(expected + 16 * BLOCK, 0, 64 * BLOCK);
		assert_int_equal(file->flush(store, &client), 0);
		stat(path, &after);
		assert_true(after.st_blocks < before.st_blocks);
	}
	rc = file->write_zeroes(store, &client, 100 * BLOCK, 2 * BLOCK, true, true);
	if (can_allocate(FALLOC_FL_PUNCH_HOLE))
		assert_int_equal(rc, 0);
	if (!rc)
		memset(expected + 100 * BLOCK, 0, 2 * BLOCK);
	rc = file->write_zeroes(store, &client, 200 * BLOCK, BLOCK, false, false);
	assert_int_equal(rc, can_allocate(FALLOC_FL_ZERO_RANGE) ? 0 : -EOPNOTSUPP);
	if (!rc)
		memset(expected + 200 * BLOCK, 0, BLOCK);
	check_all(store);
	assert_int_equal(file->secure_erase(store, &client, 0, BLOCK), -EOPNOTSUPP);
	stat(path, &after);
	assert_int_equal(after.st_size, SIZE);
	file->close(store);
}

static void buffered(void **state)
{
	struct dmu_geometry geometry;
	struct dmu_backend *store;
	int fds[2] = { -1, -1 };

	exercise("");
	store = open_image("");
	file->geometry(store, &geometry);
	assert_int_equal(geometry.size, SIZE);
	assert_int_equal(geometry.logical_block_size, 512);
	assert_int_equal(geometry.alignment, 1);
	assert_false(geometry.read_only);
	assert_int_equal(file->fds(store, fds, 2), 1);
	assert_int_equal(fcntl(fds[0], F_GETFD), FD_CLOEXEC);
	assert_int_equal(fds[1], -1);
	file->close(store);
}

static void direct(void **state)
{
	struct dmu_geometry geometry;
	struct dmu_backend *store;
	int fd;

	make_image(SIZE);
	if (try_open(&store, path, ",direct")) {
		print_message("# the file system of %s has no direct I/O\n", path);
		skip();
	}
	file->geometry(store, &geometry);
	assert_true(geometry.alignment >= 512 && geometry.alignment == geometry.logical_block_size);
	assert_int_equal(file->fds(store, &fd, 1), 1);
	assert_true(fcntl(fd, F_GETFL) & O_DIRECT);
	file->close(store);
	exercise(",direct");
}

static void two_generations_share_the_store(void **state)
{
	struct dmu_backend *old, *new;

	make_image(SIZE);
	old = open_image("");
	assert_int_equal(try_open_for(DMU_USE_SHARED, &new, path, ""), 0);
	memset(expected, 0x11, SIZE);
	assert_int_equal(file->write(old, &client, expected, SIZE, 0, false), 0);
	assert_int_equal(file->flush(new, &client), 0);
	check_all(new);
	file->close(old);
	file->close(new);
}

static void an_image_in_use_is_refused(void **state)
{
	struct dmu_backend *store, *newcomer, *other;

	make_image(SIZE);
	store = open_image("");
	refuses(path, "", -EBUSY, "in use");
	refuses(path, ",ro", -EBUSY, "in use");
	assert_int_equal(try_open_for(DMU_USE_AGAIN, &other, path, ""), -EBUSY);
	/* The lock passes from one generation to the next. */
	assert_int_equal(try_open_for(DMU_USE_SHARED, &newcomer, path, ""), 0);
	file->close(store);
	refuses(path, "", -EBUSY, "in use");
	file->close(newcomer);
	assert_int_equal(try_open_for(DMU_USE_AGAIN, &store, path, ""), 0);
	refuses(path, "", -EBUSY, "in use");
	file->close(store);
	/* Any number of daemons may read. */
	store = open_image(",ro");
	other = open_image(",ro");
	refuses(path, "", -EBUSY, "in use");
	file->close(store);
	file->close(other);
	file->close(open_image(""));
}

static void qemu_has_it(const struct flock *locks, int count, const char *options, int rc)
{
	int fd = open(path, O_RDWR | O_CLOEXEC), i;

	assert_true(fd >= 0);
	for (i = 0; i < count; i++)
		assert_int_equal(fcntl(fd, F_OFD_SETLK, &locks[i]), 0);
	if (rc)
		refuses(path, options, rc, "in use");
	else
		file->close(open_image(options));
	close(fd);
}

/* The bytes that QEMU 7.2 locks of a raw image, as seen in /proc/locks. */
static void what_qemu_has_open_is_refused(void **state)
{
#define BYTE(at)	{ .l_type = F_RDLCK, .l_whence = SEEK_SET, .l_start = (at), .l_len = 1 }
	static const struct flock writer[] = { BYTE(100), BYTE(101), BYTE(201) };
	static const struct flock reader[] = { BYTE(100), BYTE(201) };

	make_image(SIZE);
	qemu_has_it(writer, 3, "", -EBUSY);
	qemu_has_it(writer, 3, ",ro", -EBUSY);
	qemu_has_it(reader, 2, "", -EBUSY);
	qemu_has_it(reader, 2, ",ro", 0);
}

static void identify(char *text, const char *options)
{
	struct dmu_backend *store = open_image(options);

	assert_int_equal(file->identity(store, text, DMU_SPEC_MAX), 0);
	file->close(store);
}

static void another_image_of_the_same_name_is_another_store(void **state)
{
	char first[DMU_SPEC_MAX], then[DMU_SPEC_MAX];
	unsigned int i;

	make_image(SIZE);
	identify(first, "");
	identify(then, ",ro");
	assert_string_equal(then, first);
	make_image(2 * SIZE);
	identify(then, "");
	assert_string_equal(then, first);
	/* File systems give the number of a deleted inode to the next inode. */
	for (i = 0; i < 10; i++) {
		unlink(path);
		make_image(SIZE);
		identify(then, "");
		assert_string_not_equal(then, first);
	}
}

/* The store of an existing device may grow; for a new device, half a block is a sign of damage. */
static void a_store_may_grow(void **state)
{
	static const enum dmu_use uses[] = { DMU_USE_SHARED, DMU_USE_AGAIN };
	struct dmu_geometry geometry;
	struct dmu_backend *store;
	int i;

	make_image(SIZE + 700);
	refuses(path, "", -EINVAL, "truncated");
	for (i = 0; i < 2; i++) {
		assert_int_equal(try_open_for(uses[i], &store, path, ""), 0);
		file->geometry(store, &geometry);
		assert_int_equal(geometry.size, SIZE + 512);
		file->close(store);
	}
}

static void lack_of_memory_costs_time_and_no_error(void **state)
{
	struct dmu_backend *store;
	int rc;

	make_image(SIZE);
	if (try_open(&store, path, ",direct"))
		store = open_image("");
	memset(expected, 0x22, SIZE);
	short_of_memory = 3;
	assert_int_equal(file->write(store, &client, expected, SIZE, 0, false), 0);
	assert_int_equal(short_of_memory, 0);
	short_of_memory = 3;
	assert_int_equal(file->write(store, &client, expected, BLOCK, BLOCK, true), 0);
	assert_int_equal(short_of_memory, 0);
	short_of_memory = 3;
	assert_int_equal(file->read(store, &client, buf, SIZE, 0), 0);
	assert_int_equal(short_of_memory, 0);
	check_all(store);
	short_of_memory = 3;
	rc = file->discard(store, &client, 0, BLOCK);
	assert_true(!rc || rc == -EOPNOTSUPP);
	assert_int_equal(short_of_memory, 0);
	/* ENOMEM of a flush may mean lost writes: it is reported, and not tried again. */
	short_of_memory = 1;
	assert_int_equal(file->flush(store, &client), -ENOMEM);
	assert_int_equal(file->flush(store, &client), 0);
	file->close(store);
}

/* With a claim on a block device, a discard or zeroes of a range with dirty pages get EBUSY. */
static void dirty_pages_are_written_not_an_error(void **state)
{
	struct dmu_backend *store;

	make_image(SIZE);
	store = open_image("");
	memset(expected, 0x33, SIZE);
	assert_int_equal(file->write(store, &client, expected, SIZE, 0, false), 0);
	if (!can_allocate(FALLOC_FL_PUNCH_HOLE))
		skip();
	dirty = 8;
	cleaned = 0;
	assert_int_equal(file->discard(store, &client, 0, BLOCK), 0);
	assert_int_equal(dirty, 0);
	assert_int_equal(cleaned, 8);
	memset(expected, 0, BLOCK);
	check_all(store);
	/* Pages that never become clean: a discard may do nothing, zeroes must be written. */
	dirty = UINT_MAX;
	assert_int_equal(file->discard(store, &client, BLOCK, BLOCK), 0);
	check_all(store);
	cleaned = 0;
	assert_int_equal(file->write_zeroes(store, &client, BLOCK, 63 * BLOCK, true, false), 0);
	assert_int_equal(cleaned, 8);
	assert_int_equal(file->write_zeroes(store, &client, 100 * BLOCK, BLOCK, false, true), 0);
	assert_int_equal(cleaned, 16);
	memset(expected + BLOCK, 0, 63 * BLOCK);
	memset(expected + 100 * BLOCK, 0, BLOCK);
	check_all(store);
	dirty = 0;
	file->close(store);
}

/* A durable write may get the error of an earlier write: the next flush gets it, too, once. */
static void a_failure_told_to_a_write_is_told_to_a_flush(void **state)
{
	static const char *const options[] = { "", ",direct" };
	struct dmu_backend *store;

	for (int i = 0; i < 2; i++) {
		make_image(SIZE);
		if (try_open(&store, path, options[i]))
			continue;
		failed_syncs = 1;
		assert_int_equal(file->write(store, &client, expected, BLOCK, 0, true), -EIO);
		assert_int_equal(file->write(store, &client, expected, BLOCK, BLOCK, true), 0);
		assert_int_equal(file->flush(store, &client), -EIO);
		assert_int_equal(file->flush(store, &client), 0);
		failed_syncs = 1;
		assert_int_equal(file->flush(store, &client), -EIO);
		assert_int_equal(file->flush(store, &client), 0);
		file->close(store);
	}
}

/* An earlier daemon may have written. */
static void a_read_only_flush_is_one(void **state)
{
	struct dmu_backend *store;
	unsigned int before = syncs;

	make_image(SIZE);
	store = open_image(",ro");
	assert_int_equal(file->flush(store, &client), 0);
	assert_int_equal(syncs, before + 1);
	file->close(store);
}

static void read_only(void **state)
{
	struct dmu_geometry geometry;
	struct dmu_backend *store;

	make_image(SIZE);
	store = open_image(",ro");
	file->geometry(store, &geometry);
	assert_true(geometry.read_only);
	assert_int_equal(file->read(store, &client, buf, SIZE, 0), 0);
	assert_int_equal(file->write(store, &client, buf, BLOCK, 0, false), -EBADF);
	assert_int_equal(file->flush(store, &client), 0);
	file->close(store);
}

static void an_image_cut_while_open_is_an_error(void **state)
{
	struct dmu_backend *store;

	make_image(SIZE);
	store = open_image("");
	assert_int_equal(truncate(path, SIZE / 2), 0);
	assert_int_equal(file->read(store, &client, buf, BLOCK, SIZE / 2 - BLOCK), 0);
	assert_int_equal(file->read(store, &client, buf, 2 * BLOCK, SIZE / 2 - BLOCK), -EIO);
	assert_int_equal(file->read(store, &client, buf, BLOCK, SIZE - BLOCK), -EIO);
	file->close(store);
}

static void what_cannot_be_served_is_named(void **state)
{
	make_image(0);
	refuses(path, "", -EINVAL, "empty");
	make_image(SIZE + 1);
	refuses(path, "", -EINVAL, "1048577");
	make_image(SIZE - 1);
	refuses(path, ",ro", -EINVAL, "truncated");
	unlink(path);
	refuses(path, "", -ENOENT, "No such file");
	refuses(dir, "", -EINVAL, "neither a file nor a block device");
	refuses("/dev/null", "", -EINVAL, "neither a file nor a block device");
	refuses("disk.img", "", -EINVAL, "not an absolute path");
	assert_int_equal(mkfifo(path, 0600), 0);
	refuses(path, "", -EINVAL, "neither");
	unlink(path);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(buffered),
		cmocka_unit_test(direct),
		cmocka_unit_test(two_generations_share_the_store),
		cmocka_unit_test(an_image_in_use_is_refused),
		cmocka_unit_test(what_qemu_has_open_is_refused),
		cmocka_unit_test(another_image_of_the_same_name_is_another_store),
		cmocka_unit_test(a_store_may_grow),
		cmocka_unit_test(lack_of_memory_costs_time_and_no_error),
		cmocka_unit_test(dirty_pages_are_written_not_an_error),
		cmocka_unit_test(a_failure_told_to_a_write_is_told_to_a_flush),
		cmocka_unit_test(a_read_only_flush_is_one),
		cmocka_unit_test(read_only),
		cmocka_unit_test(an_image_cut_while_open_is_an_error),
		cmocka_unit_test(what_cannot_be_served_is_named),
	};

	return cmocka_run_group_tests_name("file", tests, group_setup, group_teardown);
}
