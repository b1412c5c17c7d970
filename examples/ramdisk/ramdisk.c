// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * ramdisk NAME MIB: make the device /dev/mapper/NAME and serve it from memory, until SIGTERM,
 * SIGINT, or the removal of the device. This program uses only the stream of requests: it has no
 * handover, no run directory and no confinement, and the bytes end with it.
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <dmuser/dmuser.h>

#define CHANNELS	4
#define MIB_MAX		(1L << 20)

struct dmu_backend {
	char *bytes;
	uint64_t size;
};

static void ram_geometry(const struct dmu_backend *ram, struct dmu_geometry *geometry)
{
	*geometry = (struct dmu_geometry){
		.size = ram->size, .logical_block_size = 512, .physical_block_size = 512,
		.alignment = 1,
	};
}

static int ram_read(struct dmu_backend *ram, const struct dmu_call *call, void *buf, size_t len,
		    uint64_t offset)
{
	memcpy(buf, ram->bytes + offset, len);
	return 0;
}

static int ram_write(struct dmu_backend *ram, const struct dmu_call *call, const void *buf,
		     size_t len, uint64_t offset, bool fua)
{
	memcpy(ram->bytes + offset, buf, len);
	return 0;
}

static int ram_flush(struct dmu_backend *ram, const struct dmu_call *call)
{
	return 0;
}

static int ram_discard(struct dmu_backend *ram, const struct dmu_call *call, uint64_t offset,
		       uint64_t len)
{
	memset(ram->bytes + offset, 0, len);
	return 0;
}

static int ram_write_zeroes(struct dmu_backend *ram, const struct dmu_call *call, uint64_t offset,
			    uint64_t len, bool may_unmap, bool fua)
{
	return ram_discard(ram, call, offset, len);
}

static const struct dmu_backend_ops ram_ops = {
	.abi = DMU_ABI,
	.name = "ram",
	.geometry = ram_geometry,
	.read = ram_read,
	.write = ram_write,
	.flush = ram_flush,
	.discard = ram_discard,
	.write_zeroes = ram_write_zeroes,
};

/* Open the channels of the device's node, and let a thread serve each. 0 or -errno. */
static int start(struct dmu_server **server, const char *name, struct dmu_backend *ram)
{
	int channels[CHANNELS], count, rc = 0;
	struct dm_user_info info;

	for (count = 0; count < CHANNELS; count++) {
		rc = count ? dmu_channel_dup(channels[0]) : dmu_channel_open(name);
		if (rc < 0)
			break;
		channels[count] = rc;
	}
	if (count == CHANNELS)
		rc = dmu_channel_info(channels[0], &info);
	if (!rc)
		rc = dmu_server_create(server, &(struct dmu_server_config){
			.channels = channels, .channel_count = CHANNELS,
			.ops = &ram_ops, .backend = ram,
			.max_io_bytes = info.max_io_bytes, .sectors = info.sectors,
		});
	if (rc)
		while (count--)
			close(channels[count]);
	else
		dmu_server_go(*server);
	return rc;
}

static void remove_device(const char *name)
{
	int rc = dmu_dm_remove(name);

	if (rc)
		dmu_log(DMU_LOG_ERR, "cannot remove '%s': %s", name, strerror(-rc));
}

/*
 * Until all threads have left. A signal removes the device, whose threads then leave; a device in
 * use is served on. -ENOTBLK: the device is gone; 0: drained by an administrator; else -errno.
 */
static int serve(struct dmu_server *server, const char *name, int signals)
{
	struct pollfd fds[] = {
		{ .fd = dmu_server_event_fd(server), .events = POLLIN },
		{ .fd = signals, .events = POLLIN },
	};
	struct signalfd_siginfo info;
	eventfd_t events;
	int rc;

	while (dmu_server_running(server)) {
		poll(fds, 2, -1);
		eventfd_read(fds[0].fd, &events);
		if (dmu_server_running(server) && read(signals, &info, sizeof(info)) > 0)
			remove_device(name);
	}
	rc = dmu_server_result(server);
	dmu_server_destroy(server);
	return rc;
}

/* Block the signals that end the program. A descriptor that reads them, or -1. */
static int catch_signals(void)
{
	sigset_t set;

	signal(SIGPIPE, SIG_IGN);
	sigemptyset(&set);
	sigaddset(&set, SIGHUP);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	sigprocmask(SIG_BLOCK, &set, NULL);
	return signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

int main(int argc, char **argv)
{
	struct dmu_dm_row row = { .args = "orphans:fail nodaemon:fail:5000" };
	char error[256] = "", *end = NULL;
	long mib = argc == 3 ? strtol(argv[2], &end, 10) : 0;
	struct dmu_server *server;
	struct dmu_backend ram;
	int rc, signals;

	dmu_process_begin();
	dmu_log_open("ramdisk", -1, STDERR_FILENO);
	if (mib < 1 || mib > MIB_MAX || *end) {
		dmu_log(DMU_LOG_ERR, "usage: ramdisk NAME MIB, with 1 to %ld MiB", MIB_MAX);
		return 2;
	}
	/* A page fault of this program could wait for a write to its own device. */
	rc = dmu_resident_lock_memory();
	if (!rc)
		rc = dmu_resident_io_flusher();
	ram.size = (uint64_t)mib << 20;
	ram.bytes = rc ? NULL : calloc(1, ram.size);
	signals = catch_signals();
	if (!ram.bytes || signals < 0) {
		dmu_log(DMU_LOG_ERR, "cannot prepare: %s", strerror(rc ? -rc : errno));
		return 1;
	}

	row.ctl = argv[1];
	row.sectors = ram.size / 512;
	rc = dmu_dm_create(argv[1], &row, error, sizeof(error));
	if (rc) {
		dmu_log(DMU_LOG_ERR, "%s", error);
		return 1;
	}
	rc = start(&server, argv[1], &ram);
	if (!rc)
		rc = serve(server, argv[1], signals);
	if (rc == -ENOTBLK)
		return 0;
	dmu_log(DMU_LOG_ERR, "cannot serve '%s': %s", argv[1], rc ? strerror(-rc) : "drained");
	remove_device(argv[1]);
	return 1;
}
