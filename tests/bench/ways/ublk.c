// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * ublk: a small server with one queue is killed, and another server recovers its device. The new
 * server starts before the old server is killed, and has done by then all that it can do without
 * the device.
 */
#include <errno.h>
#include <fcntl.h>
#include <liburing.h>
#include <linux/ublk_cmd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/bench/ways/ways.h"

#define NUMBER		0		/* of the device */
#define DEPTH		16
#define DEPTH_MAX	128
#define IO_MAX		65536
#define RING_FLAGS	(IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_COOP_TASKRUN | \
			 IORING_SETUP_DEFER_TASKRUN)

/* ---- the server ---- */

struct server_state {
	struct io_uring ring;
	const struct ublksrv_io_desc *descs;
	int store, device;
	unsigned int depth;
	unsigned int live;			/* tags that the kernel holds */
	void *bufs[DEPTH_MAX];
};

static void server_queue(struct server_state *s, unsigned int tag, unsigned int op,
			 int result)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(&s->ring);
	struct ublksrv_io_cmd *cmd = (void *)sqe->cmd;

	/* A registered file would cost some less, but the ring of a killed server end later. */
	io_uring_prep_rw(IORING_OP_URING_CMD, sqe, s->device, NULL, 0, 0);
	sqe->cmd_op = op;
	sqe->user_data = tag;
	*cmd = (struct ublksrv_io_cmd){ .tag = tag, .result = result,
					.addr = (uintptr_t)s->bufs[tag] };
}

static int server_io(struct server_state *s, unsigned int tag)
{
	const struct ublksrv_io_desc *io = &s->descs[tag];
	unsigned int op = ublksrv_get_op(io);

	if (op == UBLK_IO_OP_FLUSH)
		return store_flush(s->store);
	if (op != UBLK_IO_OP_READ && op != UBLK_IO_OP_WRITE)
		return -EOPNOTSUPP;
	return store_io(s->store, op == UBLK_IO_OP_WRITE, s->bufs[tag], io->nr_sectors * 512,
			io->start_sector * 512);
}

static void server_loop(struct server_state *s)
{
	struct io_uring_cqe *cqe;
	unsigned int head, count;

	while (s->live && io_uring_submit_and_wait(&s->ring, 1) >= 0) {
		count = 0;
		io_uring_for_each_cqe(&s->ring, head, cqe) {
			unsigned int tag = cqe->user_data;

			count++;
			if (cqe->res == UBLK_IO_RES_OK)
				server_queue(s, tag, UBLK_IO_COMMIT_AND_FETCH_REQ,
					     server_io(s, tag));
			else
				s->live--;
		}
		io_uring_cq_advance(&s->ring, count);
	}
}

int ublk_server(const char *store, const char *depth, const char *io_max)
{
	static struct server_state s;
	char path[64], byte;

	s.store = store_open(store);
	s.depth = atoi(depth);
	NEED(s.depth >= 1 && s.depth <= DEPTH_MAX, "a depth of at most %d", DEPTH_MAX);
	if (io_uring_queue_init(2 * s.depth, &s.ring, RING_FLAGS))
		return 1;
	for (unsigned int tag = 0; tag < s.depth; tag++)
		s.bufs[tag] = abi_buffer(atoi(io_max));
	process_ready(0);
	if (read(0, &byte, 1) != 1)
		return 1;
	snprintf(path, sizeof(path), "/dev/ublkc%d", NUMBER);
	s.device = open(path, O_RDWR | O_CLOEXEC);
	if (s.device < 0) {
		perror(path);
		return 1;
	}
	s.descs = mmap(NULL, s.depth * sizeof(*s.descs), PROT_READ, MAP_SHARED | MAP_POPULATE,
		       s.device, UBLKSRV_CMD_BUF_OFFSET);
	if (s.descs == MAP_FAILED) {
		perror("ublk-server: mmap");
		return 1;
	}
	for (unsigned int tag = 0; tag < s.depth; tag++)
		server_queue(&s, tag, UBLK_IO_FETCH_REQ, 0);
	s.live = s.depth;
	server_loop(&s);
	return 0;
}

/* ---- the parent, which starts and kills servers ---- */

static struct io_uring control_ring;
static int control_fd;
static pid_t server;

static int control(unsigned int op, void *buf, unsigned int len, uint64_t data)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(&control_ring);
	struct ublksrv_ctrl_cmd *cmd;
	struct io_uring_cqe *cqe;
	int res;

	NEED(sqe, "room for a control command");
	io_uring_prep_rw(IORING_OP_URING_CMD, sqe, control_fd, NULL, 0, 0);
	sqe->cmd_op = op;
	cmd = (void *)sqe->cmd;
	*cmd = (struct ublksrv_ctrl_cmd){ .dev_id = NUMBER, .queue_id = -1, .addr = (uintptr_t)buf,
					  .len = len, .data[0] = data };
	NEED(io_uring_submit_and_wait(&control_ring, 1) == 1, "a control command");
	NEED(!io_uring_wait_cqe(&control_ring, &cqe), "its result");
	res = cqe->res;
	io_uring_cqe_seen(&control_ring, cqe);
	return res;
}

/* Start a server, which waits for a byte that is written to *@go. */
static pid_t server_spawn(const char *store, unsigned int depth, unsigned int io_max, int *go)
{
	char tags[16], bytes[16];
	char *argv[] = { "/proc/self/exe", "ublk-server", (char *)store, tags, bytes, NULL };
	int ends[2];
	pid_t pid;

	snprintf(tags, sizeof(tags), "%u", depth);
	snprintf(bytes, sizeof(bytes), "%u", io_max);
	NEED(!socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), "a socket pair");
	pid = process_start(argv, ends[0], -1);
	close(ends[0]);
	process_await(ends[1]);
	*go = ends[1];
	return pid;
}

static void server_go(int go)
{
	NEED(write(go, "", 1) == 1, "tell the server");
	close(go);
}

void ublk_start(const char *store, unsigned int depth, unsigned int io_max, uint64_t flags)
{
	struct ublksrv_ctrl_dev_info info = {
		.nr_hw_queues = 1, .queue_depth = depth, .max_io_buf_bytes = io_max,
		.dev_id = NUMBER, .flags = flags,
	};
	struct ublk_params params = {
		.len = sizeof(params), .types = UBLK_PARAM_TYPE_BASIC,
		.basic = { .attrs = UBLK_ATTR_VOLATILE_CACHE, .logical_bs_shift = 9,
			   .physical_bs_shift = 12, .io_opt_shift = 12, .io_min_shift = 9,
			   .max_sectors = io_max / 512, .dev_sectors = STORE_BYTES / 512 },
	};
	int go, err;

	control_fd = open("/dev/ublk-control", O_RDWR | O_CLOEXEC);
	NEED(control_fd >= 0, "/dev/ublk-control");
	NEED(!io_uring_queue_init(4, &control_ring, IORING_SETUP_SQE128),
	     "a ring for control commands");
	err = control(UBLK_CMD_ADD_DEV, &info, sizeof(info), 0);
	NEED(!err, "ublk: add: %s", strerror(-err));
	err = control(UBLK_CMD_SET_PARAMS, &params, sizeof(params), 0);
	NEED(!err, "ublk: parameters: %s", strerror(-err));
	server = server_spawn(store, depth, io_max, &go);
	server_go(go);
	err = control(UBLK_CMD_START_DEV, NULL, 0, server);
	NEED(!err, "ublk: start: %s", strerror(-err));
}

static void start_recovery(void)
{
	ublk_start(STORE, DEPTH, IO_MAX, UBLK_F_USER_RECOVERY);
}

static void start_reissue(void)
{
	ublk_start(STORE, DEPTH, IO_MAX,
		   UBLK_F_USER_RECOVERY | UBLK_F_USER_RECOVERY_REISSUE);
}

static int change(unsigned int n)
{
	uint64_t end = now_ns() + 20000000000ULL;
	int go, err;
	pid_t next = server_spawn(STORE, DEPTH, IO_MAX, &go);

	process_kill(server);
	server = next;
	/* EBUSY: the kernel has not yet put the old server's requests aside. */
	while ((err = control(UBLK_CMD_START_USER_RECOVERY, NULL, 0, 0)) == -EBUSY &&
	       now_ns() < end)
		usleep(200);
	server_go(go);
	return err ? err : control(UBLK_CMD_END_USER_RECOVERY, NULL, 0, next);
}

void ublk_stop(void)
{
	control(UBLK_CMD_STOP_DEV, NULL, 0, 0);
	process_kill(server);
	NEED(!control(UBLK_CMD_DEL_DEV, NULL, 0, 0), "ublk: delete");
	io_uring_queue_exit(&control_ring);
	close(control_fd);
}

const struct way ways_ublk[] = {
	{ "ublk", "/dev/ublkb0", start_recovery, change, ublk_stop,
	  "ublk, server killed, user recovery by a server that was ready" },
	{ "ublk-reissue", "/dev/ublkb0", start_reissue, change, ublk_stop,
	  "likewise, and the requests of the dead server are issued again" },
	{ },
};
