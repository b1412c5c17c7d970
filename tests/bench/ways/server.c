// SPDX-License-Identifier: GPL-2.0-or-later
/* What the servers of ublk.c and nbd.c share: how they start, and the store. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/bench/ways/ways.h"

#define NO_STORE	-1

void server_main(int argc, char **argv)
{
	if (argc == 5 && !strcmp(argv[1], "ublk-server"))
		exit(ublk_server(argv[2], argv[3], argv[4]));
	if (argc == 3 && !strcmp(argv[1], "nbd-server"))
		exit(nbd_server(argv[2]));
}

int store_open(const char *path)
{
	int fd;

	if (!strcmp(path, STORE_NULL))
		return NO_STORE;
	fd = open(path, O_RDWR | O_DIRECT | O_CLOEXEC);
	NEED(fd >= 0, "open %s: %s", path, strerror(errno));
	return fd;
}

int store_io(int fd, bool write, void *buf, unsigned int len, uint64_t offset)
{
	ssize_t done = len;

	if (fd != NO_STORE)
		done = write ? pwrite(fd, buf, len, offset) : pread(fd, buf, len, offset);
	return done < 0 ? -errno : (int)done;
}

int store_flush(int fd)
{
	return fd != NO_STORE && fdatasync(fd) ? -errno : 0;
}
