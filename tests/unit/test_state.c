// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * P2, P8: a backend's state passes from one generation to the next whole and sealed, or not at all;
 * and neither daemon trusts the other.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "daemon/state.h"

/* ---- a backend whose state is a word, and whose results the test sets ---- */

struct dmu_backend {
	char word[16];
	uint64_t max;
	int export_result, begin_result;
	enum dmu_begin how;
	unsigned int begun;
};

static uint64_t word_max(const struct dmu_backend *backend)
{
	return backend->max;
}

static int word_export(struct dmu_backend *backend, int room, uint64_t size)
{
	if (size < sizeof(backend->word))
		return -EFBIG;
	if (pwrite(room, backend->word, sizeof(backend->word), 0) != sizeof(backend->word))
		return -errno;
	return backend->export_result;
}

static void word_geometry(const struct dmu_backend *backend, struct dmu_geometry *geometry)
{
	*geometry = (struct dmu_geometry){ .size = 4096 };
}

static int word_read(struct dmu_backend *backend, const struct dmu_call *call, void *buf,
		     size_t len, uint64_t offset)
{
	return -EIO;
}

static int word_begin(struct dmu_backend *backend, enum dmu_begin how, int room, uint64_t size)
{
	backend->how = how;
	backend->begun++;
	if (room < 0)
		return backend->begin_result;
	if (size < sizeof(backend->word) ||
	    pread(room, backend->word, sizeof(backend->word), 0) != sizeof(backend->word))
		return -EIO;
	return backend->begin_result;
}

static const struct dmu_backend_ops word_ops = {
	.abi = DMU_ABI, .name = "word", .geometry = word_geometry, .read = word_read,
	.begin = word_begin, .state_max = word_max, .export_state = word_export,
};
/* It needs the order only: what it must know is in its store. */
static const struct dmu_backend_ops index_ops = {
	.abi = DMU_ABI, .name = "index", .geometry = word_geometry, .read = word_read,
	.begin = word_begin,
};
static const struct dmu_backend_ops plain_ops = { .name = "plain" };

/* ---- two daemons ---- */

static struct dmu_backend old_backend, new_backend;
static struct dmu_context old, new;
static struct dm_user_info info;	/* the kernel's answer */
static int info_result;

int __wrap_dmu_channel_info(int fd, struct dm_user_info *out);
int __wrap_dmu_channel_info(int fd, struct dm_user_info *out)
{
	*out = info;
	return info_result;
}

/* The I/O threads; there is no request. */
static struct dmu_server *make_server(const struct dmu_backend_ops *ops,
				      struct dmu_backend *backend)
{
	const int channel = open("/dev/null", O_RDWR);
	const struct dmu_server_config config = {
		.channels = &channel, .channel_count = 1, .ops = ops, .backend = backend,
		.max_io_bytes = 4096, .sectors = 8,
	};
	struct dmu_server *server;

	assert_true(channel >= 0);
	assert_int_equal(dmu_server_create(&server, &config), 0);
	return server;
}

static void meet(const struct dmu_backend_ops *ops)
{
	memset(&old, 0, sizeof(old));
	memset(&new, 0, sizeof(new));
	old_backend = (struct dmu_backend){ .word = "state", .max = 4096 };
	new_backend = (struct dmu_backend){ .max = 10000 };
	old.ops = new.ops = ops;
	old.backend = &old_backend;
	new.backend = &new_backend;
	old.room.fd = new.room.fd = -1;
	old.generation = 1;
	new.generation = 2;
	new.taken_over = true;
	new.peer.order = DMU_WIRE_EXCLUSIVE;
	/* As when the old daemon has said DRAINED. */
	new.state = DMU_STATE_PEER_LEAVING;
	if (ops->geometry)
		new.server = make_server(ops, &new_backend);
	info = (struct dm_user_info){ .features = DM_USER_FEATURE_UNFLUSHED };
	info_result = 0;
}

static void part(void)
{
	dmu_state_clear_room(&old);
	dmu_state_clear_room(&new);
	if (new.server)
		assert_int_equal(dmu_server_destroy(new.server), 0);
	new.server = NULL;
	if (old.room.fd >= 0)
		close(old.room.fd);
	if (new.room.fd >= 0)
		close(new.room.fd);
}

/* As over the socket, the old daemon gets a descriptor of its own. */
static int give_room(int fd, uint64_t size)
{
	struct dmu_packet packet = {
		.message = { .type = DMU_WIRE_ROOM, .room = { .size = size } },
		.fd_count = 1, .fds = { dup(fd) },
	};

	return dmu_state_take_room(&old, &packet);
}

static void meet_with_room(void)
{
	meet(&word_ops);
	assert_int_equal(dmu_state_prepare(&old), 0);
	assert_int_equal(dmu_state_prepare(&new), 0);
	assert_int_equal(give_room(new.room.fd, new.room.size), 0);
}

/* A room is a memfd that can be written, and whose size is sealed. */
static void other_rooms_are_refused(void **test)
{
	int pipes[2], fd;

	assert_int_equal(pipe(pipes), 0);
	fd = memfd_create("room", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	assert_true(fd >= 0);
	meet(&word_ops);
	assert_int_equal(dmu_state_prepare(&old), 0);
	assert_int_equal(give_room(pipes[1], 4096), -EPROTO);
	dmu_state_clear_room(&old);
	assert_int_equal(give_room(fd, 4096), -EPROTO);
	dmu_state_clear_room(&old);
	/* A memfd that is sealed against writes cannot take the state. */
	assert_int_equal(fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE), 0);
	assert_int_equal(give_room(fd, 4096), -EPROTO);
	close(fd);
	close(pipes[0]);
	close(pipes[1]);
	part();
}

static bool is_null(int fd)
{
	struct stat st, null;

	return !fstat(fd, &st) && !stat("/dev/null", &null) && st.st_rdev == null.st_rdev;
}

static void state_passes_whole(void **test)
{
	int fd;

	meet_with_room();
	fd = old.room.fd;
	assert_int_equal(dmu_state_export(&old), 0);
	assert_int_equal(dmu_state_begin(&new), 0);
	assert_string_equal(new_backend.word, "state");
	assert_string_equal(old_backend.word, "state");
	assert_int_equal(new_backend.how, DMU_BEGIN_IMPORT);
	/* A backend begins once. */
	new.state = DMU_STATE_SERVING;
	assert_int_equal(dmu_state_begin(&new), 0);
	assert_int_equal(new_backend.begun, 1);
	/* The descriptor number stays in use, then by /dev/null. */
	dmu_state_clear_room(&old);
	assert_int_equal(old.room.fd, fd);
	assert_true(is_null(fd));
	dmu_state_clear_room(&new);
	assert_null(new.room.map);
	part();
}

/* The daemon that has imported the state exports it to the next daemon. */
static void state_passes_on(void **test)
{
	meet_with_room();
	assert_int_equal(dmu_state_export(&old), 0);
	assert_int_equal(dmu_state_begin(&new), 0);
	dmu_state_clear_room(&new);
	close(old.room.fd);
	dmu_server_destroy(new.server);
	old = new;
	old.server = NULL;
	old_backend = new_backend;
	old.backend = &old_backend;
	memset(&new_backend, 0, sizeof(new_backend));
	new_backend.max = 4096;
	new.room = (struct dmu_room){ .fd = -1 };
	new.begun = false;
	new.server = make_server(&word_ops, &new_backend);
	assert_int_equal(dmu_state_prepare(&new), 0);
	assert_int_equal(give_room(new.room.fd, new.room.size), 0);
	assert_int_equal(dmu_state_export(&old), 0);
	assert_int_equal(dmu_state_begin(&new), 0);
	assert_string_equal(new_backend.word, "state");
	part();
}

static void what_is_exported_is_sealed(void **test)
{
	int fd;

	meet_with_room();
	assert_int_equal(ftruncate(new.room.fd, 1), -1);
	assert_int_equal(ftruncate(new.room.fd, 20000), -1);
	assert_int_equal(dmu_state_export(&old), 0);
	fd = new.room.fd;
	assert_int_equal(fcntl(fd, F_GET_SEALS) & DMU_STATE_SEALS, DMU_STATE_SEALS);
	assert_int_equal(pwrite(fd, "x", 1, 0), -1);
	assert_ptr_equal(mmap(NULL, 4096, PROT_WRITE, MAP_SHARED, fd, 0), MAP_FAILED);
	part();
}

/* The old daemon's DRAINED was false. Each seal counts. */
static void what_is_not_sealed_is_not_read(void **test)
{
	static const int seals[] = { F_SEAL_WRITE, F_SEAL_SEAL, F_SEAL_WRITE | F_SEAL_SEAL };
	size_t i;

	meet_with_room();
	assert_int_equal(dmu_state_begin(&new), -EPROTO);
	for (i = 0; i < sizeof(seals) / sizeof(seals[0]); i++) {
		meet_with_room();
		fcntl(new.room.fd, F_ADD_SEALS, seals[i]);
		assert_int_equal(dmu_state_begin(&new), i < 2 ? -EPROTO : 0);
		part();
	}
}

static void a_failed_export_leaves_the_state(void **test)
{
	meet_with_room();
	old_backend.export_result = -EIO;
	assert_int_equal(dmu_state_export(&old), -EIO);
	assert_non_null(strstr(old.reason.reason, "cannot export the state"));
	assert_string_equal(old_backend.word, "state");
	/* The next newcomer brings another room, which gets the same descriptor number. */
	dmu_state_clear_room(&old);
	old_backend.export_result = 0;
	dmu_state_clear_room(&new);
	close(new.room.fd);
	assert_int_equal(dmu_state_prepare(&new), 0);
	assert_int_equal(give_room(new.room.fd, new.room.size), 0);
	assert_int_equal(dmu_state_export(&old), 0);
	assert_int_equal(dmu_state_begin(&new), 0);
	part();
}

static void a_room_that_is_too_small_fails_the_export(void **test)
{
	int fd = memfd_create("room", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	assert_true(fd >= 0);
	assert_int_equal(fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW), 0);
	meet(&word_ops);
	assert_int_equal(dmu_state_prepare(&old), 0);
	/* Too small by its message, and smaller than its message says. */
	assert_int_equal(give_room(fd, 1), 0);
	assert_int_equal(dmu_state_export(&old), -EFBIG);
	dmu_state_clear_room(&old);
	assert_int_equal(give_room(fd, 4096), 0);
	assert_int_equal(dmu_state_export(&old), -EPERM);
	close(fd);
	part();
}

static void a_failed_import_is_not_one(void **test)
{
	meet_with_room();
	new_backend.begin_result = -EINVAL;
	assert_int_equal(dmu_state_export(&old), 0);
	assert_int_equal(dmu_state_begin(&new), -EINVAL);
	assert_false(new.begun);
	part();
}

static void one_room_and_only_where_there_is_state(void **test)
{
	meet_with_room();
	assert_int_equal(give_room(new.room.fd, new.room.size), -EPROTO);
	part();
	meet(&plain_ops);
	assert_int_equal(dmu_state_prepare(&old), 0);
	assert_int_equal(dmu_state_prepare(&new), 0);
	assert_int_equal(old.room.fd, -1);
	assert_int_equal(new.room.fd, -1);
	assert_int_equal(give_room(STDERR_FILENO, 1), -EPROTO);
	assert_int_equal(dmu_state_export(&old), 0);
	assert_int_equal(dmu_state_begin(&new), 0);
	part();
}

/* An old daemon that does not know the order offers overlap. */
static void who_would_serve_beside_it_is_refused(void **test)
{
	static const struct dmu_backend_ops *const each[] = { &word_ops, &index_ops };
	size_t i;

	for (i = 0; i < sizeof(each) / sizeof(each[0]); i++) {
		meet(each[i]);
		new.peer.order = DMU_WIRE_OVERLAP;
		assert_int_equal(dmu_state_prepare(&new), -EPROTO);
		assert_non_null(strstr(new.reason.reason, "serves beside no other daemon"));
		part();
	}
}

static void too_much_state_is_refused(void **test)
{
	static const uint64_t sizes[] = { 0, (1ULL << 30) + 1, UINT64_MAX };
	size_t i;

	for (i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		meet(&word_ops);
		new_backend.max = sizes[i];
		assert_int_equal(dmu_state_prepare(&new), -EFBIG);
		part();
	}
}

/* Nothing is lost if a flush has covered all answers, whichever generation begins. */
static void lost_is_what_was_not_flushed(void **test)
{
	static const struct {
		uint64_t generation, features, state;
		int result;
		enum dmu_begin how;
	} rows[] = {
		{ 1, DM_USER_FEATURE_UNFLUSHED, 0, 0, DMU_BEGIN_FIRST },
		{ 2, DM_USER_FEATURE_UNFLUSHED, 0, 0, DMU_BEGIN_FIRST },
		{ 2, DM_USER_FEATURE_UNFLUSHED, DM_USER_STATE_UNFLUSHED, 0, DMU_BEGIN_LOST },
		/* Channels without a generation have answered. */
		{ 1, DM_USER_FEATURE_UNFLUSHED, DM_USER_STATE_UNFLUSHED, 0, DMU_BEGIN_LOST },
		/* The kernel cannot tell. */
		{ 1, 0, 0, 0, DMU_BEGIN_FIRST },
		{ 2, 0, 0, 0, DMU_BEGIN_LOST },
		{ 2, DM_USER_FEATURE_UNFLUSHED, 0, -EIO, DMU_BEGIN_LOST },
	};
	size_t i;

	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		meet(i & 1 ? &index_ops : &word_ops);
		new.state = DMU_STATE_SERVING;
		new.generation = rows[i].generation;
		info.features = rows[i].features;
		info.state = rows[i].state;
		info_result = rows[i].result;
		assert_int_equal(dmu_state_begin(&new), 0);
		assert_int_equal(new_backend.begun, 1);
		assert_int_equal(new_backend.how, rows[i].how);
		part();
	}
}

/* It reads its store anew when the old daemon has stopped; there is no room. */
static void a_backend_without_state_begins_too(void **test)
{
	meet(&index_ops);
	assert_int_equal(dmu_state_prepare(&new), 0);
	assert_int_equal(new.room.fd, -1);
	assert_int_equal(dmu_state_begin(&new), 0);
	assert_int_equal(new_backend.how, DMU_BEGIN_IMPORT);
	part();
	meet(&index_ops);
	new_backend.begin_result = -ENODATA;
	assert_int_equal(dmu_state_begin(&new), -ENODATA);
	assert_non_null(strstr(new.reason.reason, "backend index cannot begin: No data available"));
	part();
}

/* As in a daemon, standard input is /dev/null. */
static int setup(void **test)
{
	int null = open("/dev/null", O_RDWR);

	return null < 0 || dup2(null, STDIN_FILENO) < 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(other_rooms_are_refused),
		cmocka_unit_test(state_passes_whole),
		cmocka_unit_test(state_passes_on),
		cmocka_unit_test(what_is_exported_is_sealed),
		cmocka_unit_test(what_is_not_sealed_is_not_read),
		cmocka_unit_test(a_failed_export_leaves_the_state),
		cmocka_unit_test(a_room_that_is_too_small_fails_the_export),
		cmocka_unit_test(a_failed_import_is_not_one),
		cmocka_unit_test(one_room_and_only_where_there_is_state),
		cmocka_unit_test(who_would_serve_beside_it_is_refused),
		cmocka_unit_test(too_much_state_is_refused),
		cmocka_unit_test(lost_is_what_was_not_flushed),
		cmocka_unit_test(a_backend_without_state_begins_too),
	};

	return cmocka_run_group_tests_name("state", tests, setup, NULL);
}
