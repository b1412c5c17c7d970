// SPDX-License-Identifier: GPL-2.0-or-later
/* compat:android: the behaviour that daemons for Android's driver rely on, and its options. */
#include <errno.h>
#include <fcntl.h>
#include <linux/dm-ioctl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "abi.h"

#define PARAMETER	"/sys/module/dm_user/parameters/compat"
#define GRACE_MS	4000

static int parameter_set(const char *value)
{
	int fd = open(PARAMETER, O_WRONLY | O_CLOEXEC);
	int err;

	if (fd < 0)
		return -errno;
	err = write(fd, value, strlen(value)) < 0 ? -errno : 0;
	close(fd);
	return err;
}

static void parameter_is(const char *want)
{
	char text[32] = "";
	FILE *file = fopen(PARAMETER, "re");

	NEED(file, "open " PARAMETER);
	OK(fgets(text, sizeof(text), file) && !strcmp(text, want),
	   "value of the parameter: %s", text);
	fclose(file);
}

/* fsync(2): the daemon gets a flush of type @type with PREFLUSH as in @flags. */
static void flush_is(const struct target *t, int fd, uint64_t type, uint64_t flags)
{
	struct io *io = io_start(t, IO_FSYNC, 0, 0, 0);
	struct dm_user_message m;

	ch_take_type(fd, &m, type, NULL);
	IS(m.len, 0, "a flush is empty");
	IS(m.flags & DM_USER_REQ_MAP_FLAG_PREFLUSH, flags, "flags of the flush");
	IS(ch_answer(fd, &m, 0, NULL, 0), 0, "answer");
	IS(io_end(io), 0, "fsync");
}

/* A cache flush arrives as an empty WRITE with PREFLUSH, as from Android's driver. */
static void compat_flush(void)
{
	struct dm_user_info info;
	struct target t;
	int fd;

	target_create(&t, "compat:android");
	fd = ch_need(&t);
	IS(ch_info(fd, &info), 0, "info");
	IS(info.policy, DM_USER_POLICY_COMPAT_ANDROID | DM_USER_POLICY_ORPHANS_FAIL |
	   DM_USER_POLICY_NODAEMON_FAIL | DM_USER_POLICY_DISCARD, "policy");
	flush_is(&t, fd, DM_USER_REQ_MAP_WRITE, DM_USER_REQ_MAP_FLAG_PREFLUSH);
	IS(dm_word(t.name, "flushes:"), 1, "the empty WRITE counts as a flush");
	IS(dm_word(t.name, "writes:"), 0, "the empty WRITE does not count as a write");
	IS(dm_word(t.name, "android:"), 1, "the status has android:1");
	close(fd);
	target_remove(&t);
	target_create(&t, NULL);
	fd = ch_need(&t);
	flush_is(&t, fd, DM_USER_REQ_MAP_FLUSH, DM_USER_REQ_MAP_FLAG_PREFLUSH);
	IS(dm_word(t.name, "android:"), -ENOENT, "the status of another row has no word android");
	close(fd);
}

/* The requests of a closed channel fail although another channel is open; other requests wait. */
static void compat_close(void)
{
	struct dm_user_message m;
	struct io *held, *waits;
	struct target t;
	int a, b;

	target_create(&t, "compat:android");
	a = ch_need(&t);
	b = ch_need(&t);
	held = io_start(&t, IO_READ, 0, 4096, 0);
	ch_take_type(a, &m, DM_USER_REQ_MAP_READ, NULL);
	waits = io_start(&t, IO_READ, 4096, 4096, 0);
	OK(UNTIL(dm_word(t.name, "queued:") == 1), "another request waits");
	close(a);
	IS(io_end(held), -EIO, "the request of the closed channel fails");
	io_refuse(waits, b);
	IS(dm_word(t.name, "failed:"), 1, "one request failed because of the close");
	IS(dm_word(t.name, "errors:"), 1, "one request failed by its answer");
	close(b);
}

/* After the last daemon has left, waiting and new requests fail until another daemon comes. */
static void compat_last(void)
{
	struct target t;
	struct io *io;
	int a, b;

	target_create(&t, "compat:android");
	a = ch_need(&t);
	b = ch_need(&t);
	io = io_start(&t, IO_FSYNC, 0, 0, 0);
	OK(UNTIL(dm_word(t.name, "queued:") == 1), "a request waits");
	close(a);
	OK(!io->done, "the request still waits when one of two daemons leaves");
	close(b);
	IS(io_end(io), -EIO, "the request fails when the last daemon leaves");
	IS(io_do(&t, IO_READ, 0, 4096, 0), -EIO, "a new request fails without a daemon");
	a = ch_need(&t);
	flush_is(&t, a, DM_USER_REQ_MAP_WRITE, DM_USER_REQ_MAP_FLAG_PREFLUSH);
	close(a);
}

/* Before the first daemon, each request waits for GRACE_MS of its own, and none fails sooner. */
static void compat_grace(void)
{
	struct io *first, *second;
	struct dm_user_message m;
	uint64_t begin, later;
	struct target t;
	int fd;

	target_create(&t, "compat:android");
	begin = abi_now_ms();
	first = io_start(&t, IO_FSYNC, 0, 0, 0);
	OK(UNTIL(dm_word(t.name, "queued:") == 1), "a request waits");
	OK(UNTIL(first->done || dm_word(t.name, "oldest_ms:") > GRACE_MS / 2),
	   "the request waits for half of its time");
	later = abi_now_ms();
	second = io_start(&t, IO_FSYNC, 0, 0, 0);
	IS(io_end(first), -EIO, "the first request fails without a daemon");
	OK(abi_now_ms() - begin >= GRACE_MS,
	   "the request failed after %llu ms", (unsigned long long)(abi_now_ms() - begin));
	IS(io_end(second), -EIO, "the second request fails");
	OK(abi_now_ms() - later >= GRACE_MS, "the second request fails after its own time");
	IS(dm_word(t.name, "failed:"), 2, "both requests failed");

	/* A third request has its own time, too; a daemon that comes within it serves it. */
	begin = abi_now_ms();
	first = io_start(&t, IO_FSYNC, 0, 0, 0);
	OK(UNTIL(dm_word(t.name, "queued:") == 1 || first->done), "a third request waits");
	fd = ch_need(&t);
	if (abi_now_ms() - begin < GRACE_MS) {
		ch_take_type(fd, &m, DM_USER_REQ_MAP_WRITE, NULL);
		IS(ch_answer(fd, &m, 0, NULL, 0), 0, "answer");
		IS(io_end(first), 0, "fsync");
	} else {
		puts("# this machine is too slow: the daemon came after the time");
		io_end(first);
	}
	close(fd);
}

/* The timer of the old policy ends with it: requests have GRACE_MS, and no more. */
static void compat_reload(void)
{
	uint64_t begin;
	struct target t;
	char row[128];
	struct io *io;

	target_create(&t, "nodaemon:fail:3600000 write_zeroes:off");
	dm_row(row, sizeof(row), t.ctl, "compat:android");
	IS(dm_load(t.name, t.sectors, "user", row), 0, "load %s", row);
	IS(dm_suspend(t.name, DM_NOFLUSH_FLAG | DM_SKIP_LOCKFS_FLAG), 0, "suspend");
	IS(dm_resume(t.name, DM_NOFLUSH_FLAG), 0, "resume");
	begin = abi_now_ms();
	io = io_start(&t, IO_FSYNC, 0, 0, 0);
	IS(io_end(io), -EIO, "the request fails without a daemon");
	OK(abi_now_ms() - begin >= GRACE_MS,
	   "the request failed after %llu ms", (unsigned long long)(abi_now_ms() - begin));
}

/* The parameter counts for rows without the argument compat, the argument for other rows. */
static void compat_default(void)
{
	static const struct {
		const char *parameter, *args;
		bool android;
	} rows[] = {
		{ "android", NULL, true },
		{ "android", "max_io:65536", true },
		{ "android", "compat:none", false },
		{ "none", NULL, false },
		{ "none\n", "compat:android", true },
	};
	struct dm_user_info info;
	struct target t;
	char text[512];
	int fd;

	parameter_is("none\n");
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		IS(parameter_set(rows[i].parameter), 0, "set the parameter");
		target_create(&t, rows[i].args);
		IS(parameter_set("none"), 0, "set the parameter back");
		fd = ch_need(&t);
		IS(ch_info(fd, &info), 0, "info");
		IS(!!(info.policy & DM_USER_POLICY_COMPAT_ANDROID), rows[i].android, "row %zu", i);
		IS(dm_status(t.name, true, text, sizeof(text)), 0, "table");
		OK(!!strstr(text, "compat:") == (rows[i].args && strstr(rows[i].args, "compat:")),
		   "the table has the row as it was given: %s", text);
		close(fd);
		target_remove(&t);
	}
	IS(parameter_set("Android"), -EINVAL, "the parameter refuses an unknown value");
	parameter_is("none\n");
	IS(dm_create(ABI_NAME), 0, "create");
	IS(dm_load(ABI_NAME, ABI_SECTORS, "user", "0 0 " ABI_CTL " 1 compat:maybe"), -EINVAL,
	   "a row with an unknown value is refused");
}

const struct abi_test abi_compat[] = {
	{ "flush", compat_flush, "compat:android sends an empty flush as Android's driver does" },
	{ "close", compat_close, "compat:android fails the requests that a closed channel held" },
	{ "last", compat_last, "compat:android fails all requests once the last daemon has left" },
	{ "grace", compat_grace,
	  "compat:android gives each request its own time before the first daemon" },
	{ "reload", compat_reload,
	  "compat:android by a reload replaces the timer of the old policy" },
	{ "default", compat_default,
	  "the module's parameter counts for rows without the argument compat" },
	{ NULL, NULL, NULL }
};
