// SPDX-License-Identifier: GPL-2.0-or-later
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "abi.h"

uint64_t abi_now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000ULL + now.tv_nsec / 1000000;
}

void abi_nap(void)
{
	nanosleep(&(struct timespec){ .tv_nsec = 2000000 }, NULL);
}

pid_t abi_gettid(void)
{
	return syscall(SYS_gettid);
}

void *abi_buffer(size_t len)
{
	void *buf = aligned_alloc(4096, (len + 4095) & ~4095UL);

	NEED(buf, "allocate %zu bytes", len);
	memset(buf, 0xee, len);
	return buf;
}

int fd_send(int sock, int fd)
{
	char control[CMSG_SPACE(sizeof(int))] = { 0 }, byte = 0;
	struct iovec iov = { &byte, 1 };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = control,
			      .msg_controllen = sizeof(control) };
	struct cmsghdr *cmsg = CMSG_FIRSTHDR(&msg);

	cmsg->cmsg_level = SOL_SOCKET;
	cmsg->cmsg_type = SCM_RIGHTS;
	cmsg->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(cmsg), &fd, sizeof(int));
	return sendmsg(sock, &msg, 0) == 1 ? 0 : -errno;
}

int fd_receive(int sock)
{
	char control[CMSG_SPACE(sizeof(int))] = { 0 }, byte;
	struct iovec iov = { &byte, 1 };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = control,
			      .msg_controllen = sizeof(control) };
	int fd = -1;

	if (recvmsg(sock, &msg, MSG_CMSG_CLOEXEC) == 1 && CMSG_FIRSTHDR(&msg))
		memcpy(&fd, CMSG_DATA(CMSG_FIRSTHDR(&msg)), sizeof(int));
	return fd;
}

static uint64_t abi_word(uint64_t tag, size_t i)
{
	uint64_t x = tag * 0x9e3779b97f4a7c15ULL + i;

	x ^= x >> 29;
	return x * 0xbf58476d1ce4e5b9ULL;
}

void abi_fill(void *buf, size_t len, uint64_t tag)
{
	uint64_t *words = buf;

	for (size_t i = 0; i < len / sizeof(*words); i++)
		words[i] = abi_word(tag, i);
}

bool abi_filled(const void *buf, size_t len, uint64_t tag)
{
	const uint64_t *words = buf;

	for (size_t i = 0; i < len / sizeof(*words); i++)
		if (words[i] != abi_word(tag, i))
			return false;
	return true;
}

static bool abi_task_line(pid_t tid, const char *name, char *line, int len)
{
	char path[64];
	FILE *file;
	bool good;

	snprintf(path, sizeof(path), "/proc/self/task/%d/%s", tid, name);
	file = fopen(path, "re");
	if (!file)
		return false;
	good = fgets(line, len, file);
	fclose(file);
	return good;
}

bool abi_blocked_in(pid_t tid, long nr)
{
	char line[512], *name_end;
	long now;

	if (abi_task_line(tid, "syscall", line, sizeof(line)))
		return sscanf(line, "%ld", &now) == 1 && now == nr;
	/* Some architectures (um) do not have this file: any sleep must do. */
	if (!abi_task_line(tid, "stat", line, sizeof(line)))
		return false;
	name_end = strrchr(line, ')');
	return name_end && !strncmp(name_end, ") S", 3);
}
