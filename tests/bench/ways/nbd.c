// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * nbd: a small server at the other end of a socket is killed, and the device gets a new socket by
 * netlink. The next server starts before the old server is killed. nbd's timeout for requests to
 * a dead server is in whole seconds; without a timeout they would wait for ever.
 */
#include <arpa/inet.h>
#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/genetlink.h>
#include <linux/nbd-netlink.h>
#include <linux/nbd.h>
#include <linux/netlink.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/bench/ways/ways.h"

#define IO_MAX		(1 << 20)
#define TIMEOUT_S	1		/* of a request */
#define DEAD_S		20		/* how long requests wait for a new socket */

/* ---- the server ---- */

static bool all_in(int fd, void *buf, size_t len)
{
	ssize_t got;

	for (; len; buf = (char *)buf + got, len -= got) {
		got = read(fd, buf, len);
		if (got <= 0)
			return false;
	}
	return true;
}

static bool all_out(int fd, const void *buf, size_t len)
{
	ssize_t put;

	for (; len; buf = (const char *)buf + put, len -= put) {
		put = write(fd, buf, len);
		if (put <= 0)
			return false;
	}
	return true;
}

/* The header and the payload of an answer leave in one write. */
static bool server_answer(int socket, const struct nbd_request *request, uint8_t *out,
			  unsigned int len, int result)
{
	struct nbd_reply reply = { .magic = htonl(NBD_REPLY_MAGIC),
				   .error = htonl(result < 0 ? EIO : 0) };

	memcpy(reply.handle, request->handle, sizeof(reply.handle));
	memcpy(out, &reply, sizeof(reply));
	return all_out(socket, out, sizeof(reply) + (result < 0 ? 0 : len));
}

int nbd_server(const char *path)
{
	/* The payload is aligned for direct I/O; there is room for the header before it. */
	uint8_t *buf = (uint8_t *)abi_buffer(4096 + IO_MAX) + 4096;
	int store = store_open(path), result, socket = 3;
	uint8_t *out = buf - sizeof(struct nbd_reply);
	struct nbd_request request;

	process_ready(socket);
	while (all_in(socket, &request, sizeof(request))) {
		unsigned int type = ntohl(request.type) & 0xffff, len = ntohl(request.len);
		bool write = type == NBD_CMD_WRITE;

		if (request.magic != htonl(NBD_REQUEST_MAGIC) || len > IO_MAX)
			return 1;
		if (type == NBD_CMD_DISC)
			return 0;
		if (write && !all_in(socket, buf, len))
			return 1;
		result = 0;
		if (write || type == NBD_CMD_READ)
			result = store_io(store, write, buf, len, be64toh(request.from));
		else if (type == NBD_CMD_FLUSH)
			result = store_flush(store);
		if (!server_answer(socket, &request, out, type == NBD_CMD_READ ? len : 0, result))
			return 1;
	}
	return 0;
}

/* ---- netlink ---- */

struct packet {
	struct nlmsghdr nl;
	struct genlmsghdr genl;
	uint8_t rest[1024];
};

static int nl_fd = -1, events_fd = -1;
static uint16_t nbd_family;

static void packet_begin(struct packet *p, uint16_t family, uint8_t command)
{
	memset(p, 0, sizeof(*p));
	p->nl = (struct nlmsghdr){ .nlmsg_len = NLMSG_LENGTH(GENL_HDRLEN), .nlmsg_type = family,
				   .nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK };
	p->genl = (struct genlmsghdr){ .cmd = command, .version = 1 };
}

static struct nlattr *packet_put(struct packet *p, uint16_t type, const void *value, uint16_t len)
{
	struct nlattr *attr = (void *)((uint8_t *)p + NLMSG_ALIGN(p->nl.nlmsg_len));

	attr->nla_type = type;
	attr->nla_len = NLA_HDRLEN + len;
	if (len)
		memcpy((uint8_t *)attr + NLA_HDRLEN, value, len);
	p->nl.nlmsg_len = NLMSG_ALIGN(p->nl.nlmsg_len) + NLA_ALIGN(attr->nla_len);
	return attr;
}

static void packet_close(struct packet *p, struct nlattr *nest)
{
	nest->nla_type |= NLA_F_NESTED;
	nest->nla_len = (uint8_t *)p + p->nl.nlmsg_len - (uint8_t *)nest;
}

static void packet_u32(struct packet *p, uint16_t type, uint32_t value)
{
	packet_put(p, type, &value, sizeof(value));
}

static void packet_u64(struct packet *p, uint16_t type, uint64_t value)
{
	packet_put(p, type, &value, sizeof(value));
}

/* Send @p and wait for its ACK; an answer before the ACK goes to @answer. Returns 0 or -errno. */
static int packet_do(struct packet *p, struct packet *answer)
{
	struct packet got;

	if (send(nl_fd, p, p->nl.nlmsg_len, 0) < 0)
		return -errno;
	for (;;) {
		if (recv(nl_fd, &got, sizeof(got), 0) < 0)
			return -errno;
		if (got.nl.nlmsg_type == NLMSG_ERROR)
			return ((struct nlmsgerr *)NLMSG_DATA(&got.nl))->error;
		if (answer)
			*answer = got;
	}
}

/* The first attribute of type @type from @at to @end, or NULL. */
static const struct nlattr *attr_find(const void *at, const void *end, uint16_t type)
{
	while ((const uint8_t *)at + NLA_HDRLEN <= (const uint8_t *)end) {
		const struct nlattr *attr = at;

		if ((attr->nla_type & NLA_TYPE_MASK) == type)
			return attr;
		if (attr->nla_len < NLA_HDRLEN)
			break;
		at = (const uint8_t *)at + NLA_ALIGN(attr->nla_len);
	}
	return NULL;
}

static const void *attr_value(const struct nlattr *attr)
{
	NEED(attr, "an attribute that nbd's family has");
	return (const uint8_t *)attr + NLA_HDRLEN;
}

static const void *attr_end(const struct nlattr *attr)
{
	return (const uint8_t *)attr + attr->nla_len;
}

/* Find nbd's netlink family, and join its group for events with the second socket. */
static void netlink_open(void)
{
	const struct nlattr *groups, *group;
	struct sockaddr_nl address = { .nl_family = AF_NETLINK };
	struct packet p, answer = { };
	const void *end;
	uint32_t id;

	nl_fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_GENERIC);
	events_fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_GENERIC);
	NEED(nl_fd >= 0 && events_fd >= 0, "netlink sockets");
	/* The kernel skips its own number, 0: the socket needs another to get events. */
	NEED(!bind(events_fd, (struct sockaddr *)&address, sizeof(address)),
	     "a number for the socket of events");
	packet_begin(&p, GENL_ID_CTRL, CTRL_CMD_GETFAMILY);
	packet_put(&p, CTRL_ATTR_FAMILY_NAME, NBD_GENL_FAMILY_NAME, sizeof(NBD_GENL_FAMILY_NAME));
	NEED(!packet_do(&p, &answer), "the netlink family of nbd");
	end = (uint8_t *)&answer + answer.nl.nlmsg_len;
	memcpy(&nbd_family, attr_value(attr_find(answer.rest, end, CTRL_ATTR_FAMILY_ID)),
	       sizeof(nbd_family));
	groups = attr_find(answer.rest, end, CTRL_ATTR_MCAST_GROUPS);
	group = attr_value(groups);
	memcpy(&id, attr_value(attr_find(attr_value(group), attr_end(group),
					 CTRL_ATTR_MCAST_GRP_ID)), sizeof(id));
	NEED(!setsockopt(events_fd, SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, &id, sizeof(id)),
	     "events of nbd");
}

/* Wait for the event that the connection is dead: before it, nbd accepts no new socket. */
static bool link_dead(void)
{
	struct pollfd ready = { .fd = events_fd, .events = POLLIN };
	struct packet event;

	while (poll(&ready, 1, 20000) == 1)
		if (recv(events_fd, &event, sizeof(event), 0) > 0 &&
		    event.genl.cmd == NBD_CMD_LINK_DEAD)
			return true;
	return false;
}

/* ---- the parent, which starts and kills servers ---- */

static pid_t server;

static int command(uint8_t number, int socket)
{
	struct nlattr *sockets, *item;
	struct packet p;

	packet_begin(&p, nbd_family, number);
	packet_u32(&p, NBD_ATTR_INDEX, 0);
	if (number == NBD_CMD_CONNECT) {
		packet_u64(&p, NBD_ATTR_SIZE_BYTES, STORE_BYTES);
		packet_u64(&p, NBD_ATTR_BLOCK_SIZE_BYTES, 512);
		packet_u64(&p, NBD_ATTR_SERVER_FLAGS, NBD_FLAG_HAS_FLAGS | NBD_FLAG_SEND_FLUSH);
		packet_u64(&p, NBD_ATTR_TIMEOUT, TIMEOUT_S);
		packet_u64(&p, NBD_ATTR_DEAD_CONN_TIMEOUT, DEAD_S);
	}
	if (socket >= 0) {
		sockets = packet_put(&p, NBD_ATTR_SOCKETS, NULL, 0);
		item = packet_put(&p, NBD_SOCK_ITEM, NULL, 0);
		packet_u32(&p, NBD_SOCK_FD, socket);
		packet_close(&p, item);
		packet_close(&p, sockets);
	}
	return packet_do(&p, NULL);
}

/* Start a server; *@socket becomes the kernel's end. */
static pid_t server_spawn(const char *store, int *socket)
{
	char *argv[] = { "/proc/self/exe", "nbd-server", (char *)store, NULL };
	int ends[2];
	pid_t pid;

	NEED(!socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), "a socket pair");
	pid = process_start(argv, -1, ends[1]);
	close(ends[1]);
	process_await(ends[0]);
	*socket = ends[0];
	return pid;
}

void nbd_start(const char *store)
{
	int socket, err;

	netlink_open();
	server = server_spawn(store, &socket);
	err = command(NBD_CMD_CONNECT, socket);
	NEED(!err, "nbd: connect: %s", strerror(-err));
	close(socket);
}

static void start(void)
{
	nbd_start(STORE);
}

static int change(unsigned int n)
{
	pid_t next;
	int socket, err;

	next = server_spawn(STORE, &socket);
	process_kill(server);
	server = next;
	err = link_dead() ? command(NBD_CMD_RECONFIGURE, socket) : -ETIMEDOUT;
	close(socket);
	return err;
}

void nbd_stop(void)
{
	NEED(!command(NBD_CMD_DISCONNECT, -1), "nbd: disconnect");
	process_kill(server);
	close(nl_fd);
	close(events_fd);
}

const struct way ways_nbd[] = {
	{ "nbd", "/dev/nbd0", start, change, nbd_stop,
	  "nbd, server killed, new socket by netlink (timeout 1 s, dead_conn_timeout 20 s)" },
	{ },
};
