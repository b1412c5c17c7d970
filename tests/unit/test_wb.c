// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * P2: the backend of the stateful tests works as these assume: memory goes before the file, a flush
 * writes memory to the file, and an import refuses state that no export can make.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "lib/dmuser.h"
#include "tests/wb/wb.h"

#define BLOCK	4096U
#define BLOCKS	16U	/* of the file */
#define KEPT	4U	/* in memory */

static const struct dmu_call client;
static char path[] = "/tmp/test_wb.XXXXXX";
static int file, room;
static const struct dmu_backend_ops *wb;
static struct dmu_backend *a, *b;
static uint8_t block[BLOCK] __attribute__((aligned(4096)));

static struct dmu_backend *open_one(void)
{
	struct dmu_backend *backend;
	struct dmu_spec spec;
	char text[64], error[256];

	snprintf(text, sizeof(text), "wb:%s", path);
	assert_int_equal(dmu_spec_parse(&spec, text, error, sizeof(error)), 0);
	if (wb->open(&backend, &spec, DMU_USE_SHARED, error, sizeof(error)))
		fail_msg("%s", error);
	return backend;
}

static int setup(void **test)
{
	uint64_t size;

	wb = &wb_backend;
	assert_int_equal(ftruncate(file, 0), 0);
	assert_int_equal(ftruncate(file, BLOCKS * BLOCK), 0);
	a = open_one();
	b = open_one();
	size = wb->state_max(a);
	room = memfd_create("room", 0);
	assert_int_equal(ftruncate(room, (off_t)size), 0);
	return 0;
}

static int teardown(void **test)
{
	wb->close(a);
	wb->close(b);
	close(room);
	return 0;
}

static int put(struct dmu_backend *backend, uint64_t number, uint8_t byte, bool fua)
{
	memset(block, byte, BLOCK);
	return wb->write(backend, &client, block, BLOCK, number * BLOCK, fua);
}

/* The byte that fills a block. */
static int get(struct dmu_backend *backend, uint64_t number)
{
	assert_int_equal(wb->read(backend, &client, block, BLOCK, number * BLOCK), 0);
	assert_memory_equal(block, block + 1, BLOCK - 1);
	return block[0];
}

static int stored(uint64_t number)
{
	assert_int_equal(pread(file, block, BLOCK, (off_t)(number * BLOCK)), BLOCK);
	return block[0];
}

static void memory_goes_before_the_file(void **test)
{
	assert_int_equal(put(a, 3, 1, false), 0);
	assert_int_equal(get(a, 3), 1);
	assert_int_equal(stored(3), 0);
	/* Two daemons that serve at the same time would thus differ. */
	assert_int_equal(get(b, 3), 0);
	assert_int_equal(wb->flush(a, &client), 0);
	assert_int_equal(stored(3), 1);
	assert_int_equal(get(b, 3), 1);
}

static void what_must_last_goes_to_the_file(void **test)
{
	assert_int_equal(put(a, 3, 1, false), 0);
	assert_int_equal(put(a, 3, 2, true), 0);
	assert_int_equal(stored(3), 2);
	assert_int_equal(wb->flush(a, &client), 0);
	assert_int_equal(stored(3), 2);
}

static void the_oldest_makes_room(void **test)
{
	unsigned int i;

	for (i = 0; i < KEPT; i++)
		assert_int_equal(put(a, i, 1, false), 0);
	assert_int_equal(put(a, 0, 2, false), 0);
	assert_int_equal(stored(0), 0);
	assert_int_equal(put(a, 9, 3, false), 0);
	assert_int_equal(stored(0), 2);
	for (i = 1; i < KEPT; i++) {
		assert_int_equal(stored(i), 0);
		assert_int_equal(get(a, i), 1);
	}
	assert_int_equal(get(a, 9), 3);
}

static void state_goes_over_and_stays(void **test)
{
	uint64_t size = wb->state_max(a);

	assert_int_equal(put(a, 3, 1, false), 0);
	assert_int_equal(put(a, 7, 2, false), 0);
	assert_int_equal(wb->begin(a, DMU_BEGIN_LOST, -1, 0), 0);
	assert_int_equal(wb->export_state(a, room, size), 0);
	assert_int_equal(wb->begin(b, DMU_BEGIN_IMPORT, room, size), 0);
	assert_int_equal(get(b, 3), 1);
	assert_int_equal(get(b, 7), 2);
	assert_int_equal(get(a, 7), 2);
	/* The state includes the error that the next flush owes. */
	assert_int_equal(wb->flush(b, &client), -EIO);
	assert_int_equal(wb->flush(b, &client), 0);
	assert_int_equal(stored(7), 2);
}

static void state_that_does_not_fit_is_not_exported(void **test)
{
	assert_int_equal(put(a, 3, 1, false), 0);
	assert_int_equal(wb->export_state(a, room, BLOCK), -EFBIG);
	assert_int_equal(get(a, 3), 1);
}

static void hostile_state_is_refused(void **test)
{
	const struct {
		off_t at;
		uint64_t value;
		size_t len;
	} lies[] = {
		{ 0, 1, 8 },			/* the magic */
		{ 8, KEPT + 1, 4 },		/* more blocks than memory has room for */
		{ 8, UINT32_MAX, 4 },
		{ 12, 2, 4 },			/* neither true nor false */
		{ 16, BLOCKS, 8 },		/* a block beyond the end */
		{ 16, UINT64_MAX, 8 },
		{ 16, 7, 8 },			/* the same block twice */
	};
	uint64_t size = wb->state_max(a);
	size_t i;

	for (i = 0; i < sizeof(lies) / sizeof(lies[0]); i++) {
		assert_int_equal(put(a, 3, 1, false), 0);
		assert_int_equal(put(a, 7, 2, false), 0);
		assert_int_equal(wb->export_state(a, room, size), 0);
		assert_int_equal(pwrite(room, &lies[i].value, lies[i].len, lies[i].at),
				 lies[i].len);
		wb->close(b);
		b = open_one();
		if (wb->begin(b, DMU_BEGIN_IMPORT, room, size) != -EPROTO)
			fail_msg("begin() accepts lie %zu", i);
	}
	/* An empty room, shorter than its message says. */
	assert_int_equal(ftruncate(room, 0), 0);
	assert_true(wb->begin(b, DMU_BEGIN_IMPORT, room, size) < 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(memory_goes_before_the_file, setup, teardown),
		cmocka_unit_test_setup_teardown(what_must_last_goes_to_the_file, setup, teardown),
		cmocka_unit_test_setup_teardown(the_oldest_makes_room, setup, teardown),
		cmocka_unit_test_setup_teardown(state_goes_over_and_stays, setup, teardown),
		cmocka_unit_test_setup_teardown(state_that_does_not_fit_is_not_exported, setup,
						teardown),
		cmocka_unit_test_setup_teardown(hostile_state_is_refused, setup, teardown),
	};
	int failed;

	setenv("WB_BLOCKS", "4", 1);
	file = mkstemp(path);
	if (file < 0)
		return 1;
	failed = cmocka_run_group_tests_name("wb", tests, NULL, NULL);
	unlink(path);
	return failed;
}
