// SPDX-License-Identifier: GPL-2.0-or-later
/* The calls. Each has the state before it, and a check after it, whether or not it failed. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <linux/dm-ioctl.h>

#include "failures.h"

#define TAG	77

/* The bytes done, of @len, by a call that returned @ret: after an error, none. */
static size_t done_of(int ret, size_t len)
{
	size_t done = ret > 0 ? ret : 0;

	OK(done <= len, "%zu bytes of %zu", done, len);
	return done;
}

/* ---- before ---- */

static void with_channel(struct world *w)
{
	w->fd = ch_need(&w->t);
}

static void with_generation(struct world *w)
{
	with_channel(w);
	w->other = ch_need(&w->t);
	IS(ch_join(w->other, 1, DM_USER_JOIN_CREATE), 0, "the other joins");
}

static void with_draining(struct world *w)
{
	with_channel(w);
	w->io[0] = io_start(&w->t, IO_READ, 0, IO_BYTES, 0);
	ch_take_type(w->fd, &w->m, DM_USER_REQ_MAP_READ, NULL);
	IS(ch_drain(w->fd, 0, NULL), 0, "drain");
}

static void with_read(struct world *w)
{
	with_channel(w);
	w->io[0] = io_start(&w->t, IO_READ, 0, IO_BYTES, 0);
	OK(ch_ready(w->fd, POLLIN), "a request comes");
}

static void with_read_taken(struct world *w)
{
	with_read(w);
	ch_take_type(w->fd, &w->m, DM_USER_REQ_MAP_READ, NULL);
}

/* The first request has the channel's reserve; the second needs memory. */
static void with_second_read(struct world *w)
{
	with_read_taken(w);
	w->io[1] = io_start(&w->t, IO_READ, IO_BYTES, IO_BYTES, 0);
	OK(ch_ready(w->fd, POLLIN), "a second request comes");
}

static void with_write_begun(struct world *w)
{
	with_channel(w);
	w->io[0] = io_start(&w->t, IO_WRITE, 0, IO_BYTES, TAG);
	OK(ch_ready(w->fd, POLLIN), "a request comes");
	IS(ch_read(w->fd, &w->m, sizeof(w->m)), sizeof(w->m), "its header");
}

static void with_write_taken(struct world *w)
{
	with_channel(w);
	w->io[0] = io_start(&w->t, IO_WRITE, 0, IO_BYTES, TAG);
	ch_take_type(w->fd, &w->m, DM_USER_REQ_MAP_WRITE, w->buf);
}

static void with_held_by_nobody_soon(struct world *w)
{
	with_write_taken(w);
	w->io_may_fail = true;
}

static void suspended(struct world *w)
{
	with_channel(w);
	IS(dm_suspend(w->t.name, 0), 0, "suspend");
}

static void loaded_only(struct world *w)
{
	IS(dm_create(w->t.name), 0, "create");
	IS(dm_load(w->t.name, ABI_SECTORS, "user", "0 0 " ABI_CTL), 0, "load");
	w->loaded = true;
}

static void created_only(struct world *w)
{
	IS(dm_create(w->t.name), 0, "create");
}

/*
 * A thread keeps opening an old device file with the number that the next node gets. It may find
 * the node before the making of the node fails.
 */
static struct {
	pthread_t thread;
	atomic_bool stop;
	char path[32];
} stale;

static void *stale_thread(void *arg)
{
	struct world *w = arg;
	int fd = -1;

	while (!stale.stop) {
		if (fd < 0)
			fd = open(stale.path, O_RDWR | O_CLOEXEC);
		sched_yield();
	}
	w->other = fd;
	return NULL;
}

/* The major number of control nodes. */
static unsigned int stale_major(void)
{
	FILE *file = fopen("/proc/devices", "re");
	unsigned int major = 0, number;
	char line[128], name[64];

	NEED(file, "open /proc/devices");
	while (!major && fgets(line, sizeof(line), file) && strncmp(line, "Block", 5))
		if (sscanf(line, "%u %63s", &number, name) == 2 && !strcmp(name, "dm-user"))
			major = number;
	fclose(file);
	NEED(major, "our device number");
	return major;
}

static void created_and_stale(struct world *w)
{
	IS(dm_create(w->t.name), 0, "create");
	snprintf(stale.path, sizeof(stale.path), "/dev/stale");
	unlink(stale.path);
	NEED(!mknod(stale.path, S_IFCHR | 0600, makedev(stale_major(), 0)), "an old device file");
	stale.stop = false;
	NEED(!pthread_create(&stale.thread, NULL, stale_thread, w), "a thread");
}

/* ---- the calls ---- */

static int do_open(struct world *w)
{
	return w->fd = ch_open(&w->t);
}

static int do_info(struct world *w)
{
	struct dm_user_info info;

	return ch_info(w->fd, &info);
}

static int do_create_generation(struct world *w)
{
	return ch_join(w->fd, 1, DM_USER_JOIN_CREATE);
}

static int do_join(struct world *w)
{
	return ch_join(w->fd, 1, 0);
}

static int do_drain(struct world *w)
{
	return ch_drain(w->fd, 0, NULL);
}

static int do_undo(struct world *w)
{
	return ch_drain(w->fd, DM_USER_DRAIN_UNDO, NULL);
}

static int do_seal(struct world *w)
{
	return ch_seal(w->fd);
}

static int do_new(struct world *w)
{
	return w->other = ch_new(w->fd);
}

static int do_read_header(struct world *w)
{
	return ch_read(w->fd, w->buf, sizeof(struct dm_user_message));
}

static int do_read_payload(struct world *w)
{
	return ch_read(w->fd, w->buf, IO_BYTES);
}

static size_t answer_make(struct world *w)
{
	struct dm_user_message *answer = (void *)w->buf;

	*answer = (struct dm_user_message){ .seq = w->m.seq, .type = DM_USER_RESP_SUCCESS };
	if (w->m.type != DM_USER_REQ_MAP_READ)
		return sizeof(*answer);
	abi_fill(answer->buf, IO_BYTES, TAG);
	return sizeof(*answer) + IO_BYTES;
}

static int do_answer(struct world *w)
{
	return ch_write(w->fd, w->buf, answer_make(w));
}

static int do_poll(struct world *w)
{
	return ch_poll(w->fd);
}

static int do_close(struct world *w)
{
	int ret = close(w->fd) ? -errno : 0;

	w->fd = -1;
	return ret;
}

static int do_load_table(struct world *w)
{
	return dm_load(w->t.name, ABI_SECTORS, "user",
		       "0 0 " ABI_CTL " 2 orphans:requeue max_io:65536");
}

static int do_reload(struct world *w)
{
	return dm_load(w->t.name, ABI_SECTORS, "user", "0 0 " ABI_CTL " 1 nodaemon:wait");
}

static int do_suspend(struct world *w)
{
	return dm_suspend(w->t.name, 0);
}

static int do_suspend_noflush(struct world *w)
{
	return dm_suspend(w->t.name, DM_NOFLUSH_FLAG | DM_SKIP_LOCKFS_FLAG);
}

static int do_resume(struct world *w)
{
	return dm_resume(w->t.name, 0);
}

static int do_remove(struct world *w)
{
	return dm_remove(w->t.name);
}

static int do_status(struct world *w)
{
	char text[1024];

	return dm_status(w->t.name, false, text, sizeof(text));
}

static int do_table(struct world *w)
{
	char text[1024];

	return dm_status(w->t.name, true, text, sizeof(text));
}

static int do_message_seal(struct world *w)
{
	return dm_message(w->t.name, "seal");
}

static int do_message_unseal(struct world *w)
{
	return dm_message(w->t.name, "unseal");
}

static int do_message_drain(struct world *w)
{
	return dm_message(w->t.name, "drain 0");
}

static int do_message_fail(struct world *w)
{
	return dm_message(w->t.name, "fail");
}

static int do_message_wrong(struct world *w)
{
	int ret = dm_message(w->t.name, "sing a song");

	return ret == -EINVAL ? 0 : ret;
}

static int do_load_module(struct world *w)
{
	int fd = open(w->module, O_RDONLY | O_CLOEXEC);
	int ret;

	if (fd < 0)
		return -errno;
	ret = syscall(SYS_finit_module, fd, "", 0) ? -errno : 0;
	close(fd);
	return ret;
}

static void module_loaded(struct world *w)
{
	IS(do_load_module(w), 0, "load the module");
}

static int do_unload_module(struct world *w)
{
	return syscall(SYS_delete_module, "dm_user", O_NONBLOCK) ? -errno : 0;
}

/* ---- after ---- */

/* Read the rest of the header: the request must be whole. */
static void header_is_whole(struct world *w, int ret)
{
	const size_t len = sizeof(w->m);
	size_t done = done_of(ret, len);

	if (done < len)
		IS(ch_read(w->fd, w->buf + done, len - done), len - done, "the rest of the header");
	memcpy(&w->m, w->buf, len);
	IS(w->m.type, DM_USER_REQ_MAP_READ, "type");
	IS(w->m.len, IO_BYTES, "length");
}

static void second_header_is_whole(struct world *w, int ret)
{
	struct dm_user_message first = w->m;

	header_is_whole(w, ret);
	IS(w->m.seq, first.seq + 1, "number of the second");
	/* Both are orphans in the end. */
}

static void payload_is_whole(struct world *w, int ret)
{
	size_t done = done_of(ret, IO_BYTES);

	if (done < IO_BYTES)
		IS(ch_read(w->fd, w->buf + done, IO_BYTES - done), IO_BYTES - done,
		   "the rest of the payload");
	OK(abi_filled(w->buf, IO_BYTES, TAG), "the payload is what was written");
}

/* The kernel may have half an answer: the rest completes it, and the client has its answer. */
static void answer_is_taken(struct world *w, int ret)
{
	size_t len = answer_make(w), done = done_of(ret, len);
	uint64_t tag = w->m.type == DM_USER_REQ_MAP_READ ? TAG : 0;
	struct io *io = w->io[0];

	if (done < len)
		IS(ch_write(w->fd, w->buf + done, len - done), len - done,
		   "the rest of the answer");
	w->io[0] = NULL;
	if (tag)
		io_end_read(io, tag);
	else
		IS(io_end(io), 0, "the write");
}

static void node_is_all_or_nothing(struct world *w, int ret)
{
	char text[1024];

	if (ret < 0)
		IS(dm_status(w->t.name, true, text, sizeof(text)), -ENXIO, "no table is live");
	IS(dm_remove(w->t.name), 0, "remove");
}

/*
 * A thread that found the node has a channel of a dead node, and no open finds the node any more;
 * or the node was made, and only the result did not reach this program.
 */
static void stale_has_nothing(struct world *w, int ret)
{
	struct dm_user_info info;
	int fd;

	stale.stop = true;
	pthread_join(stale.thread, NULL);
	fd = open(stale.path, O_RDWR | O_CLOEXEC);
	OK(ret < 0 || fd >= 0, "a node that was made is found");
	if (w->other >= 0)
		IS(ch_info(w->other, &info), fd < 0 ? -ENOTBLK : 0, "what was found");
	if (fd >= 0)
		close(fd);
	unlink(stale.path);
	node_is_all_or_nothing(w, ret);
	if (w->other >= 0)
		IS(ch_info(w->other, &info), -ENOTBLK, "and everything is gone with the device");
}

/* DM returns EFAULT also if the call succeeded and only its result could not be copied. */
static void reload_takes_effect(struct world *w, int ret)
{
	static const char old[] = "0 0 " ABI_CTL, new[] = "0 0 " ABI_CTL " 1 nodaemon:wait";
	char text[1024] = "";

	IS(dm_resume(w->t.name, 0), 0, "resume");
	IS(dm_status(w->t.name, true, text, sizeof(text)), 0, "table");
	OK(!strcmp(text, ret ? old : new) || (ret == -EFAULT && !strcmp(text, new)),
	   "the row is '%s'", text);
}

static void is_resumed(struct world *w, int ret)
{
	IS(dm_resume(w->t.name, 0), 0, "resume");
}

/* A first resume that failed has dropped its table. */
static void is_loaded_anew(struct world *w, int ret)
{
	if (!ret)
		return;
	IS(dm_load(w->t.name, ABI_SECTORS, "user", "0 0 " ABI_CTL), 0, "load again");
	IS(dm_resume(w->t.name, 0), 0, "resume");
}

static void is_removed(struct world *w, int ret)
{
	int again = ret ? dm_remove(w->t.name) : 0;

	OK(!again || (ret == -EFAULT && again == -ENXIO), "remove, at last: %s", strerror(-again));
	w->loaded = false;
}

static void module_is_gone(struct world *w, int ret)
{
	if (!ret)
		IS(do_unload_module(w), 0, "unload the module");
}

static void module_goes(struct world *w, int ret)
{
	if (ret)
		IS(do_unload_module(w), 0, "unload the module, at last");
}

const struct call calls[] = {
	{ "open", "a channel, or none", NULL, do_open, NULL, false, true },
	{ "info", "the same next time", with_channel, do_info, NULL, false, true },
	{ "create", "a generation, or none", with_channel, do_create_generation, NULL, false,
	  true },
	{ "join", "a member, or not", with_generation, do_join, NULL, false, true },
	{ "drain", "it can be said again", with_channel, do_drain, NULL, false, true },
	{ "undo", "likewise", with_draining, do_undo, NULL, false, true },
	{ "seal", "sealed, or not", with_channel, do_seal, NULL, false, false },
	{ "new", "a channel for another daemon, or none", with_channel, do_new, NULL, false, true },
	{ "read", "the request is still there", with_read, do_read_header, header_is_whole, false,
	  false },
	{ "second", "it waits until there is memory", with_second_read, do_read_header,
	  second_header_is_whole, false, true },
	{ "payload", "all of it comes", with_write_begun, do_read_payload, payload_is_whole, false,
	  false },
	{ "answer-write", "it can be said again", with_write_taken, do_answer, answer_is_taken,
	  false, true },
	{ "answer-read", "it can be said again", with_read_taken, do_answer, answer_is_taken,
	  false, true },
	{ "poll", "no harm", with_read, do_poll, NULL, false, false },
	{ "close", "orphans are requeued", with_write_taken, do_close, NULL, false, false },
	{ "status", "text, or an error", with_read_taken, do_status, NULL, false, true },
	{ "table", "text, or an error", with_read_taken, do_table, NULL, false, true },
	{ "message-seal", "sealed, or not", NULL, do_message_seal, NULL, false, true },
	{ "message-unseal", "unsealed, or not", NULL, do_message_unseal, NULL, false, true },
	{ "message-drain", "drained, or not", with_channel, do_message_drain, NULL, false, true },
	{ "message-fail", "failed, or still held", with_held_by_nobody_soon, do_message_fail, NULL,
	  false, true },
	{ "message-wrong", "refused", NULL, do_message_wrong, NULL, false, true },
	{ "load", "a table, or none", created_only, do_load_table, node_is_all_or_nothing, true,
	  true },
	{ "load-stale", "a node, or a dead node for an open that found it", created_and_stale,
	  do_load_table, stale_has_nothing, true, true },
	{ "first-resume", "a live device, or a device that can be loaded", loaded_only, do_resume,
	  is_loaded_anew, true, true },
	{ "reload", "the new table, or the old one", NULL, do_reload, reload_takes_effect, false,
	  true },
	{ "suspend", "it can be resumed", NULL, do_suspend, is_resumed, false, true },
	{ "suspend-noflush", "the held request comes again", with_write_taken, do_suspend_noflush,
	  is_resumed, false, true },
	{ "resume", "it can be resumed", suspended, do_resume, is_resumed, false, true },
	{ "remove", "it can be removed", NULL, do_remove, is_removed, false, true },
	{ "load-module", "loaded, or not", NULL, do_load_module, module_is_gone, true, true },
	{ "unload-module", "it can be unloaded", module_loaded, do_unload_module, module_goes, true,
	  false },
	{ NULL, NULL, NULL, NULL, NULL, false, false },
};
