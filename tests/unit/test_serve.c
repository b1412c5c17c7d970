// SPDX-License-Identifier: GPL-2.0-or-later
/* P1, P7: the serve loop, over a control node and a backend in memory: requests and answers. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/unit/fake_store.h"

/* ---- the stream ---- */

static void reads_and_writes_in_one_piece(void **state)
{
	start(1);
	check_read(0, 3, 4096);
	check_write(0, 5, 8192, 0, 1);
	check_read(0, 0, MAX_IO);
	check_write(0, SECTORS - 1, SECTOR, 0, 2);
	check_read(0, SECTORS - 1, SECTOR);
	finish();
}

static void reads_and_writes_cut_anyhow(void **state)
{
	static const size_t cuts[][2] = { { 1, 1 },  { 1, 0 },	 { 0, 1 },
					  { 7, 41 }, { 39, 39 }, { 4096, 4097 } };
	unsigned int i;

	start(1);
	for (i = 0; i < sizeof(cuts) / sizeof(cuts[0]); i++) {
		fake_cut(cuts[i][0], cuts[i][1]);
		check_write(0, i, 4096, 0, i + 10);
		check_read(0, i, 4096);
		assert_int_equal(answer_to(DM_USER_REQ_MAP_FLUSH, 0, 0, 0), DM_USER_RESP_SUCCESS);
	}
	finish();
}

static void transient_errors_are_no_errors(void **state)
{
	static const int transient[] = { -EINTR, -EAGAIN, -ENOMEM };
	unsigned int i;

	start(1);
	fake_cut(13, 13);
	for (i = 0; i < 3; i++) {
		fake_fail_reads(0, transient[i], 5);
		check_write(0, 8, 1024, 0, i);
		fake_fail_writes(0, transient[i], 5);
		check_read(0, 8, 1024);
	}
	finish();
}

static void a_request_taken_back_is_forgotten(void **state)
{
	uint8_t payload[2048] = { 0 };
	unsigned int calls;
	size_t at;

	start(1);
	for (at = 0; at < 40 + sizeof(payload); at += 20) {
		calls = store.calls;
		fake_take_back(0, at, -ECANCELED);
		fake_wait(fake_push(0, DM_USER_REQ_MAP_WRITE, 0, 0, sizeof(payload), payload));
		check_read(0, 9, 1024);
		assert_int_equal(store.calls, calls + 1);
	}
	finish();
}

static void an_answer_nobody_wants_is_dropped(void **state)
{
	start(1);
	fake_fail_writes(0, -EINVAL, 1);
	fake_wait(fake_push(0, DM_USER_REQ_MAP_READ, 0, 0, 4096, NULL));
	check_read(0, 1, 4096);
	assert_int_equal(final_stats().requests[DM_USER_REQ_MAP_READ], 1);
	finish();
}

static void an_end_within_a_request_is_an_error(void **state)
{
	uint8_t payload[SECTOR] = { 0 };
	size_t at;

	for (at = 20; at <= 60; at += 20) {
		start(1);
		fake_take_back(0, at, 0);
		fake_push(0, DM_USER_REQ_MAP_WRITE, 0, 0, sizeof(payload), payload);
		wait_running(0);
		assert_int_equal(dmu_server_result(server), -EPROTO);
		assert_int_equal(store.calls, 0);
		assert_int_equal(dmu_server_destroy(server), 0);
		fake_finish();
	}
}

/* ---- calls of the backend, and answers ---- */

static void every_type_reaches_the_backend(void **state)
{
	const uint64_t fua = DM_USER_REQ_MAP_FLAG_FUA, nounmap = DM_USER_REQ_MAP_FLAG_NOUNMAP;
	static const struct {
		uint64_t type;
		enum call call;
	} kinds[] = {
		{ DM_USER_REQ_MAP_DISCARD, DISCARD },
		{ DM_USER_REQ_MAP_SECURE_ERASE, SECURE_ERASE },
		{ DM_USER_REQ_MAP_WRITE_ZEROES, WRITE_ZEROES },
	};
	unsigned int i;

	start(1);
	for (i = 0; i < 3; i++) {
		/* Longer than a payload may be: these requests have none. */
		assert_int_equal(answer_to(kinds[i].type, 0, 16, 2 * MAX_IO), DM_USER_RESP_SUCCESS);
		assert_int_equal(store.last, kinds[i].call);
		assert_int_equal(store.offset, 16 * SECTOR);
		assert_int_equal(store.len, 2 * MAX_IO);
	}
	assert_true(store.may_unmap);
	assert_false(store.fua);
	answer_to(DM_USER_REQ_MAP_WRITE_ZEROES, fua | nounmap, 1, SECTOR);
	assert_false(store.may_unmap);
	assert_true(store.fua);
	check_write(0, 2, SECTOR, 0, 3);
	assert_false(store.fua);
	check_write(0, 2, SECTOR, fua, 4);
	assert_true(store.fua);
	assert_int_equal(answer_to(DM_USER_REQ_MAP_FLUSH, 0, 0, 0), DM_USER_RESP_SUCCESS);
	assert_int_equal(store.last, FLUSH);
	check_write(0, 2, SECTOR, DM_USER_REQ_MAP_FLAG_PREFLUSH, 5);
	assert_int_equal(store.before, FLUSH);
	finish();
}

/* The kernel does what fits the device, and nothing else; a flush has nothing to cover. */
static void a_server_that_remaps_calls_no_backend(void **state)
{
	remaps = true;
	start(1);
	assert_int_equal(answer_to(DM_USER_REQ_MAP_READ, 0, 8, 4096), DM_USER_RESP_REMAP);
	assert_int_equal(answer_to(DM_USER_REQ_MAP_DISCARD, 0, 0, STORE_BYTES), DM_USER_RESP_REMAP);
	assert_int_equal(answer_to(DM_USER_REQ_MAP_WRITE_ZEROES, 0, 8, SECTOR), DM_USER_RESP_REMAP);
	assert_int_equal(answer_to(DM_USER_REQ_MAP_FLUSH, 0, 0, 0), DM_USER_RESP_SUCCESS);
	assert_int_equal(answer_to(DM_USER_REQ_MAP_READ, 0, SECTORS, SECTOR), DM_USER_RESP_ERROR);
	assert_int_equal(answer_to(13, 0, 0, SECTOR), DM_USER_RESP_UNSUPPORTED);
	assert_int_equal(store.calls, 0);
	assert_int_equal(final_stats().bytes_read, 0);
	finish();
	store.geometry.read_only = true;
	start(1);
	assert_int_equal(answer_to(DM_USER_REQ_MAP_DISCARD, 0, 0, SECTOR), DM_USER_RESP_ERROR);
	assert_int_equal(answer_to(DM_USER_REQ_MAP_READ, 0, 0, SECTOR), DM_USER_RESP_REMAP);
	finish();
}

static void unknown_types_are_unsupported(void **state)
{
	static const uint64_t unknown[] = { 5, 7, 8, 9, 10, 11, 12, 13, 1ULL << 32, UINT64_MAX };
	unsigned int i;

	start(1);
	for (i = 0; i < 10; i++)
		assert_int_equal(answer_to(unknown[i], 0, 0, 4096), DM_USER_RESP_UNSUPPORTED);
	assert_int_equal(store.calls, 0);
	check_read(0, 0, 4096);
	assert_int_equal(final_stats().unsupported, 10);
	finish();
}

static void operations_a_backend_lacks_are_unsupported(void **state)
{
	const struct dmu_backend_ops bare = { .abi = DMU_ABI, .geometry = store_ops.geometry,
					      .read = store_ops.read };
	uint64_t type;
	uint8_t payload[SECTOR] = { 0 };
	uint64_t seq;

	ops = &bare;
	start(1);
	for (type = DM_USER_REQ_MAP_FLUSH; type <= DM_USER_REQ_MAP_WRITE_ZEROES; type++)
		assert_int_equal(answer_to(type, 0, 0, SECTOR), DM_USER_RESP_UNSUPPORTED);
	seq = fake_push(0, DM_USER_REQ_MAP_WRITE, 0, 0, SECTOR, payload);
	assert_int_equal(fake_wait_type(seq), DM_USER_RESP_UNSUPPORTED);
	finish();
}

static void ops_that_do_not_fit_the_library_are_refused(void **state)
{
	const int channel = STDIN_FILENO;
	struct dmu_backend_ops bad[] = { store_ops, store_ops, store_ops };
	struct dmu_server_config config = {
		.channels = &channel, .channel_count = 1, .max_io_bytes = MAX_IO,
		.sectors = SECTORS,
	};
	struct dmu_server *none;
	unsigned int i;

	bad[0].abi++;
	bad[1].geometry = NULL;
	bad[2].read = NULL;
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		config.ops = &bad[i];
		assert_int_equal(dmu_server_create(&none, &config), -EINVAL);
	}
	config.ops = &store_ops;
	config.transport = &(struct dmu_transport){ .abi = DMU_ABI + 1 };
	assert_int_equal(dmu_server_create(&none, &config), -EINVAL);
}

static void requests_that_do_not_fit_are_errors(void **state)
{
	static const struct {
		uint64_t sector, len;
	} bad[] = {
		{ SECTORS, SECTOR },
		{ SECTORS - 1, 2 * SECTOR },
		{ SECTORS + 1, SECTOR },
		{ UINT64_MAX, SECTOR },
		{ UINT64_MAX / SECTOR, SECTOR },
		{ 1ULL << 55, SECTOR },
		{ 0, 0 },
		{ 0, 1 },
		{ 0, SECTOR + 1 },
		{ 0, UINT64_MAX },
		{ 1, UINT64_MAX - SECTOR + 1 },
	};
	static const uint64_t types[] = {
		DM_USER_REQ_MAP_READ, DM_USER_REQ_MAP_DISCARD, DM_USER_REQ_MAP_SECURE_ERASE,
		DM_USER_REQ_MAP_WRITE_ZEROES,
	};
	unsigned int i, j;

	start(1);
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		for (j = 0; j < 4; j++)
			assert_int_equal(answer_to(types[j], 0, bad[i].sector, bad[i].len),
					 DM_USER_RESP_ERROR);
	}
	assert_int_equal(answer_to(DM_USER_REQ_MAP_READ, 0, 0, MAX_IO + SECTOR),
			 DM_USER_RESP_ERROR);
	assert_int_equal(store.calls, 0);
	check_read(0, 0, SECTOR);
	finish();
}

static void writes_that_do_not_fit_are_read_over(void **state)
{
	size_t len = 3 * MAX_IO + SECTOR;
	uint8_t *payload = malloc(len);
	uint64_t seq;

	fill(payload, len, 1);
	start(1);
	seq = fake_push(0, DM_USER_REQ_MAP_WRITE, 0, 0, len, payload);
	assert_int_equal(fake_wait_type(seq), DM_USER_RESP_ERROR);
	seq = fake_push(0, DM_USER_REQ_MAP_WRITE, 0, SECTORS, SECTOR, payload);
	assert_int_equal(fake_wait_type(seq), DM_USER_RESP_ERROR);
	assert_int_equal(store.calls, 0);
	check_write(0, 1, MAX_IO, 0, 2);
	free(payload);
	finish();
}

static void the_target_may_be_larger_than_the_backend(void **state)
{
	store.geometry.size = STORE_BYTES / 2;
	start(1);
	assert_int_equal(answer_to(DM_USER_REQ_MAP_READ, 0, SECTORS / 2, SECTOR),
			 DM_USER_RESP_ERROR);
	assert_int_equal(store.calls, 0);
	check_read(0, SECTORS / 2 - 1, SECTOR);
	finish();
}

static void requests_are_aligned_or_errors(void **state)
{
	store.geometry.alignment = 4096;
	start(1);
	assert_int_equal(answer_to(DM_USER_REQ_MAP_READ, 0, 1, 4096), DM_USER_RESP_ERROR);
	assert_int_equal(answer_to(DM_USER_REQ_MAP_READ, 0, 8, 2048), DM_USER_RESP_ERROR);
	assert_int_equal(store.calls, 0);
	check_read(0, 8, 4096);
	finish();
}

static void a_read_only_backend_is_not_written(void **state)
{
	static const uint64_t types[] = {
		DM_USER_REQ_MAP_DISCARD, DM_USER_REQ_MAP_SECURE_ERASE, DM_USER_REQ_MAP_WRITE_ZEROES,
	};
	uint8_t payload[SECTOR] = { 0 };
	unsigned int i;
	uint64_t seq;

	store.geometry.read_only = true;
	start(1);
	for (i = 0; i < 3; i++)
		assert_int_equal(answer_to(types[i], 0, 0, SECTOR), DM_USER_RESP_ERROR);
	seq = fake_push(0, DM_USER_REQ_MAP_WRITE, 0, 0, SECTOR, payload);
	assert_int_equal(fake_wait_type(seq), DM_USER_RESP_ERROR);
	assert_int_equal(store.calls, 0);
	assert_int_equal(answer_to(DM_USER_REQ_MAP_FLUSH, 0, 0, 0), DM_USER_RESP_SUCCESS);
	check_read(0, 0, SECTOR);
	finish();
}

static void errors_of_the_backend_are_answered(void **state)
{
	uint64_t type, seq;
	uint8_t payload[SECTOR] = { 0 };

	start(1);
	for (type = 0; type <= DM_USER_REQ_MAP_WRITE_ZEROES; type++) {
		if (type == DM_USER_REQ_MAP_WRITE_SAME)
			continue;
		store.rc = -EIO;
		seq = fake_push(0, type, 0, 0, SECTOR,
				type == DM_USER_REQ_MAP_WRITE ? payload : NULL);
		assert_int_equal(fake_wait_type(seq), DM_USER_RESP_ERROR);
		store.rc = -EOPNOTSUPP;
		seq = fake_push(0, type, 0, 0, SECTOR,
				type == DM_USER_REQ_MAP_WRITE ? payload : NULL);
		assert_int_equal(fake_wait_type(seq), DM_USER_RESP_UNSUPPORTED);
		store.rc = type & 1 ? -ENOSPC : -EDQUOT;
		seq = fake_push(0, type, 0, 0, SECTOR,
				type == DM_USER_REQ_MAP_WRITE ? payload : NULL);
		assert_int_equal(fake_wait_type(seq), DM_USER_RESP_NOSPC);
	}
	store.rc = 0;
	check_read(0, 0, SECTOR);
	finish();
}

static void a_dead_backend_does_not_flood_the_log(void **state)
{
	int fd = memfd_create("log", MFD_CLOEXEC);
	char text[4096] = "";
	unsigned int i, lines = 0;

	dmu_log_open("test", -1, fd);
	start(1);
	store.rc = -EIO;
	for (i = 0; i < 500; i++)
		answer_to(DM_USER_REQ_MAP_READ, 0, 2, SECTOR);
	store.rc = 0;
	finish();
	dmu_log_open("test", -1, -1);
	assert_true(pread(fd, text, sizeof(text) - 1, 0) > 0);
	for (i = 0; text[i]; i++)
		lines += text[i] == '\n';
	assert_int_equal(lines, 1);
	assert_non_null(strstr(text, "read of 512 bytes at sector 2 failed: Input/output error"));
	close(fd);
}

/* ---- all channels at once ---- */

static void *hammer(void *arg)
{
	unsigned int channel = (uintptr_t)arg, i, seed = channel;
	uint64_t region = SECTORS / FAKE_CHANNELS_MAX, sector;

	for (i = 0; i < 300; i++) {
		seed = seed * 1103515245 + 12345;
		sector = channel * region + (seed >> 8) % (region - 8);
		check_write(channel, sector, (1 + (seed >> 20) % 8) * SECTOR, 0, seed);
		check_read(channel, sector, 8 * SECTOR);
	}
	return NULL;
}

static void channels_do_not_disturb_each_other(void **state)
{
	pthread_t threads[FAKE_CHANNELS_MAX];
	struct dmu_server_stats stats;
	uintptr_t i;

	start(FAKE_CHANNELS_MAX);
	fake_cut(1000, 1000);
	for (i = 0; i < FAKE_CHANNELS_MAX; i++)
		pthread_create(&threads[i], NULL, hammer, (void *)i);
	for (i = 0; i < FAKE_CHANNELS_MAX; i++)
		pthread_join(threads[i], NULL);
	stats = final_stats();
	assert_int_equal(stats.requests[DM_USER_REQ_MAP_READ], 1200);
	assert_int_equal(stats.requests[DM_USER_REQ_MAP_WRITE], 1200);
	assert_int_equal(stats.bytes_read, 1200 * 8 * SECTOR);
	assert_int_equal(stats.last_seq, 2399);
	assert_int_equal(stats.errors, 0);
	assert_true(stats.first_answer_ms > 0);
	finish();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(reads_and_writes_in_one_piece, setup),
		cmocka_unit_test_setup(reads_and_writes_cut_anyhow, setup),
		cmocka_unit_test_setup(transient_errors_are_no_errors, setup),
		cmocka_unit_test_setup(a_request_taken_back_is_forgotten, setup),
		cmocka_unit_test_setup(an_answer_nobody_wants_is_dropped, setup),
		cmocka_unit_test_setup(an_end_within_a_request_is_an_error, setup),
		cmocka_unit_test_setup(every_type_reaches_the_backend, setup),
		cmocka_unit_test_setup(a_server_that_remaps_calls_no_backend, setup),
		cmocka_unit_test_setup(unknown_types_are_unsupported, setup),
		cmocka_unit_test_setup(operations_a_backend_lacks_are_unsupported, setup),
		cmocka_unit_test(ops_that_do_not_fit_the_library_are_refused),
		cmocka_unit_test_setup(requests_that_do_not_fit_are_errors, setup),
		cmocka_unit_test_setup(writes_that_do_not_fit_are_read_over, setup),
		cmocka_unit_test_setup(the_target_may_be_larger_than_the_backend, setup),
		cmocka_unit_test_setup(requests_are_aligned_or_errors, setup),
		cmocka_unit_test_setup(a_read_only_backend_is_not_written, setup),
		cmocka_unit_test_setup(errors_of_the_backend_are_answered, setup),
		cmocka_unit_test_setup(a_dead_backend_does_not_flood_the_log, setup),
		cmocka_unit_test_setup(channels_do_not_disturb_each_other, setup),
	};

	return cmocka_run_group_tests_name("serve", tests, NULL, NULL);
}
