// SPDX-License-Identifier: GPL-2.0-or-later
/* Table reload: the node and its channels stay. */
#include <errno.h>
#include <fcntl.h>
#include <linux/dm-ioctl.h>
#include <linux/fs.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "abi.h"

static uint64_t reload_size(const struct target *t)
{
	uint64_t size = 0;
	int fd = open(t->dev, O_RDONLY | O_CLOEXEC);

	if (fd < 0 || ioctl(fd, BLKGETSIZE64, &size))
		size = 0;
	close(fd);
	return size;
}

/* Load a row of @sectors with @args, suspend with @flags, resume. */
static void reload_now(const struct target *t, uint64_t sectors, const char *args, uint32_t flags)
{
	char row[512];

	dm_row(row, sizeof(row), t->ctl, args);
	IS(dm_load(t->name, sectors, "user", row), 0, "load: %s", row);
	IS(dm_suspend(t->name, flags | DM_SKIP_LOCKFS_FLAG), 0, "suspend");
	IS(dm_resume(t->name, flags), 0, "resume");
}

static void reload_grow(void)
{
	uint8_t *store = abi_buffer(ABI_SECTORS * 512 * 4);
	struct server s[2] = { 0 };
	struct dm_user_info info;
	struct io *io[4];
	struct target t;

	target_create(&t, NULL);
	for (int i = 0; i < 2; i++)
		server_start(&s[i], ch_need(&t), store);
	for (int round = 1; round <= 20; round++) {
		uint64_t sectors = ABI_SECTORS + round * 1024;
		struct io *end;

		for (int i = 0; i < 4; i++)
			io[i] = io_start(&t, IO_WRITE, i * 65536, 32768, round * 4 + i);
		reload_now(&t, sectors, NULL, round & 1 ? DM_NOFLUSH_FLAG : 0);
		for (int i = 0; i < 4; i++)
			IS(io_end(io[i]), 0, "write %d while the table changes", i);
		for (int i = 0; i < 4; i++)
			OK(abi_filled(store + i * 65536, 32768, round * 4 + i),
			   "bytes of write %d", i);
		IS(reload_size(&t), sectors * 512, "size of the device");
		IS(ch_info(s[0].fd, &info), 0, "info on a channel from before the reload");
		IS(info.sectors, sectors, "info reports the new size");
		end = io_start(&t, IO_WRITE, (sectors - 8) * 512, 4096, round);
		IS(io_end(end), 0, "write of the new last sectors");
		OK(abi_filled(store + (sectors - 8) * 512, 4096, round),
		   "bytes of the last sectors");
	}
	IS(dm_word(t.name, "channels:"), 2, "both channels stay");
	IS(dm_message(t.name, "drain 0"), 0, "drain");
	for (int i = 0; i < 2; i++)
		IS(server_join(&s[i]), 0, "the daemon served through all reloads");
}

static void reload_policy(void)
{
	struct dm_user_message m;
	struct dm_user_info info;
	struct target t;
	struct io *io;
	int fd;

	target_create(&t, NULL);
	fd = ch_need(&t);
	IS(ch_join(fd, 1, DM_USER_JOIN_CREATE), 0, "create 1");
	IS(ch_seal(fd), 0, "seal");
	io = io_start(&t, IO_READ, 0, 4096, 0);
	ch_take_type(fd, &m, DM_USER_REQ_MAP_READ, NULL);
	reload_now(&t, ABI_SECTORS, "orphans:fail nodaemon:fail:700", DM_NOFLUSH_FLAG);
	IS(ch_info(fd, &info), 0, "info");
	IS(info.policy & (DM_USER_POLICY_ORPHANS_FAIL | DM_USER_POLICY_NODAEMON_FAIL),
	   DM_USER_POLICY_ORPHANS_FAIL | DM_USER_POLICY_NODAEMON_FAIL, "the new policy");
	IS(info.nodaemon_ms, 700, "nodaemon_ms of the new policy");
	IS(info.generation, 1, "the generation stays");
	IS(info.state & DM_USER_STATE_SEALED, DM_USER_STATE_SEALED, "info reports the seal");
	IS(ch_open(&t), -EPERM, "an open fails");
	ch_take_type(fd, &m, DM_USER_REQ_MAP_READ, NULL);
	close(fd);
	IS(io_end(io), -EIO, "an orphan now fails");
}

static void reload_twins(void)
{
	char row[128];
	struct target t, other;
	int fd;

	target_create(&t, NULL);
	fd = ch_need(&t);
	dm_row(row, sizeof(row), ABI_CTL, NULL);
	IS(dm_create(ABI_NAME "2"), 0, "create a second device");
	IS(dm_load(ABI_NAME "2", ABI_SECTORS, "user", row), -EEXIST,
	   "load a row with the first device's node");
	IS(dm_remove(ABI_NAME "2"), 0, "remove the second device");
	target_create_as(&other, ABI_NAME "2", ABI_CTL "2", 2048, NULL);
	IS(dm_word(t.name, "channels:"), 1, "the first device has its channel");
	IS(dm_word(other.name, "channels:"), 0, "the second device has no channel");
	target_remove(&other);
	close(fd);
	target_remove(&t);
}

static void reload_rename_node(void)
{
	char row[128], node[64];
	struct dm_user_message m;
	struct target t;
	struct io *io;
	int old, new;

	target_create(&t, NULL);
	old = ch_need(&t);
	io = io_start(&t, IO_READ, 0, 4096, 0);
	ch_take_type(old, &m, DM_USER_REQ_MAP_READ, NULL);
	dm_row(row, sizeof(row), ABI_CTL ".new", NULL);
	IS(dm_load(t.name, ABI_SECTORS, "user", row), 0, "load a row with another node");
	IS(dm_suspend(t.name, DM_NOFLUSH_FLAG | DM_SKIP_LOCKFS_FLAG), 0, "suspend");
	IS(dm_resume(t.name, DM_NOFLUSH_FLAG), 0, "resume");
	snprintf(node, sizeof(node), "/dev/dm-user/%s", t.ctl);
	OK(UNTIL(access(node, F_OK) < 0), "the old node disappears");
	IS(ch_read(old, &m, sizeof(m)), -ENOTBLK, "the old node's channels get ENOTBLK");
	snprintf(t.ctl, sizeof(t.ctl), "%s", ABI_CTL ".new");
	OK(UNTIL((new = ch_open(&t)) >= 0), "the new node exists");
	ch_take_type(new, &m, DM_USER_REQ_MAP_READ, NULL);
	IS(ch_answer(new, &m, DM_USER_RESP_UNSUPPORTED, NULL, 0), 0, "answer");
	IS(io_end(io), -EOPNOTSUPP, "the new node serves the request that the old node held");
	target_remove(&t);
}

/* A table that is loaded and never becomes live. */
static void reload_inactive(void)
{
	char row[128], node[64];
	struct target t;
	int fd;

	IS(dm_create(ABI_NAME), 0, "create");
	dm_row(row, sizeof(row), ABI_CTL, NULL);
	IS(dm_load(ABI_NAME, ABI_SECTORS, "user", row), 0, "load");
	IS(dm_remove(ABI_NAME), 0, "remove without a resume");
	snprintf(node, sizeof(node), "/dev/dm-user/%s", ABI_CTL);
	OK(UNTIL(access(node, F_OK) < 0), "the node disappears with the device");

	target_create(&t, NULL);
	fd = ch_need(&t);
	dm_row(row, sizeof(row), ABI_CTL, "orphans:fail");
	IS(dm_load(t.name, ABI_SECTORS * 2, "user", row), 0, "load another table");
	IS(dm_load(t.name, ABI_SECTORS, "user", row), 0,
	   "load a third table over the inactive table");
	IS(dm_word(t.name, "channels:"), 1, "the channel stays");
	target_remove(&t);
	close(fd);
}

/* A reload may resize a row, not move it: daemons know its start, and fences go by sector. */
static void reload_moved(void)
{
	struct target t;
	char row[128];
	int fd;

	target_create(&t, NULL);
	fd = ch_need(&t);
	dm_row(row, sizeof(row), t.ctl, NULL);
	IS(dm_load_at(t.name, 8, t.sectors, "user", row), -EINVAL,
	   "load a row that starts 8 sectors later");
	/* The live table still serves. */
	io_refuse(io_start(&t, IO_READ, 0, 4096, 0), fd);
	close(fd);
	target_remove(&t);
	/* With a node of another name the start may differ, also from that of an inactive table. */
	target_create(&t, NULL);
	dm_row(row, sizeof(row), ABI_CTL ".new", NULL);
	IS(dm_load_at(t.name, 8, t.sectors, "user", row), 0,
	   "load a row that starts 8 sectors later, with another node");
	IS(dm_load_at(t.name, 16, t.sectors, "user", row), 0,
	   "load a row that starts 16 sectors later, with that node");
}

/* Open a channel of a node whose table is not live yet: info reports the row. */
static int reload_fresh_channel(const struct target *t)
{
	struct dm_user_info info;
	int fd = -1;

	NEED(UNTIL((fd = ch_open(t)) >= 0), "the node exists before its table is live");
	IS(ch_info(fd, &info), 0, "info");
	IS(info.sectors, t->sectors, "sectors");
	IS(info.start, 0, "start");
	IS(info.logical_block_size, 4096, "logical block size");
	IS(info.physical_block_size, 4096, "physical block size");
	IS(info.max_io_bytes, 65536, "max_io");
	IS(info.policy & DM_USER_POLICY_ORPHANS_FAIL, DM_USER_POLICY_ORPHANS_FAIL, "policy");
	IS(info.dev_minor, dm_minor(t->name), "minor");
	return fd;
}

/* Serve @io, a read of 512 bytes. */
static void reload_serve_sector(int fd, struct io *io, uint64_t tag)
{
	uint8_t *buf = abi_buffer(512);
	struct dm_user_message m;

	ch_take_type(fd, &m, DM_USER_REQ_MAP_READ, NULL);
	IS(m.len, 512, "length");
	abi_fill(buf, 512, tag);
	IS(ch_answer(fd, &m, 0, buf, 0), 0, "answer");
	io_end_read(io, tag);
	free(buf);
}

/* DM keeps the block size of a live device: a row with larger blocks must not become live. */
static void reload_smaller_blocks(void)
{
	struct target t, other;
	struct dm_user_message m;
	struct io *io;
	char row[128];
	int old, fresh;

	target_create(&t, "logical_block_size:512");
	other = t;
	snprintf(other.ctl, sizeof(other.ctl), "%s", ABI_CTL ".new");
	old = ch_need(&t);
	io = io_start(&t, IO_READ, 512, 512, 0);
	ch_take_type(old, &m, DM_USER_REQ_MAP_READ, NULL);
	dm_row(row, sizeof(row), t.ctl, "logical_block_size:4096");
	IS(dm_load(t.name, t.sectors, "user", row), -EINVAL, "larger blocks on the same node");

	dm_row(row, sizeof(row), other.ctl, "logical_block_size:4096 max_io:65536 orphans:fail");
	IS(dm_load(t.name, t.sectors, "user", row), 0, "load: %s", row);
	fresh = reload_fresh_channel(&other);
	IS(dm_suspend(t.name, DM_NOFLUSH_FLAG | DM_SKIP_LOCKFS_FLAG), 0, "suspend");
	IS(dm_resume(t.name, DM_NOFLUSH_FLAG), -EINVAL, "resume is refused");
	IS(dm_resume(t.name, DM_NOFLUSH_FLAG), -EINVAL, "resume is refused again");
	OK(!io->done, "the read of 512 bytes waits");
	IS(ch_poll(fresh) & POLLIN, 0, "the daemon that expects 4096 bytes does not get the read");
	IS(ch_read(old, &m, sizeof(m)), -ENOTBLK, "the old table is gone");

	dm_row(row, sizeof(row), t.ctl, "logical_block_size:512");
	IS(dm_load(t.name, t.sectors, "user", row), 0, "load a good row");
	IS(dm_resume(t.name, DM_NOFLUSH_FLAG), 0, "resume");
	IS(ch_read(fresh, &m, sizeof(m)), -ENOTBLK, "the refused table is gone");
	close(fresh);
	close(old);
	old = ch_need(&t);
	reload_serve_sector(old, io, 1);
	reload_serve_sector(old, io_start(&t, IO_READ, 1024, 512, 0), 2);
	close(old);
	target_remove(&t);
}

const struct abi_test abi_reload[] = {
	{ "grow", reload_grow,
	  "P2: a device grows by reloads under load, with flushing and noflush suspends" },
	{ "policy", reload_policy,
	  "a reload changes the policy and keeps channels, generation and seal" },
	{ "twins", reload_twins, "a node belongs to one device" },
	{ "rename", reload_rename_node,
	  "a reload with another node moves the held requests there" },
	{ "inactive", reload_inactive, "tables that never become live leave nothing" },
	{ "moved", reload_moved, "P7: a reload cannot move a row that daemons serve" },
	{ "smaller_blocks", reload_smaller_blocks,
	  "a row that asks for larger blocks than the live device has is refused" },
	{ NULL, NULL, NULL }
};
