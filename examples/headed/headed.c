// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * A daemon with a backend of its own: "headed:PATH" serves what follows the first 4096 bytes of an
 * image or disk, which begin with the word HEADED. main() and the table at the end are all that
 * libdmuser needs; the rest is the backend.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <dmuser/daemon.h>

#define HEADER	4096
#define BLOCK	4096

struct dmu_backend {
	int fd;
	bool read_only;
	uint64_t size;			/* of the device, bytes */
	dev_t disk;			/* 0: the store is a file */
};

static void headed_sources(const struct dmu_spec *spec,
			   void (*each)(enum dmu_path kind, const char *path, void *arg), void *arg)
{
	each(DMU_PATH_STORE, spec->source, arg);
}

static int headed_open(struct dmu_backend **backend, const struct dmu_spec *spec, enum dmu_use use,
		       char *error, size_t len)
{
	struct dmu_backend *headed = calloc(1, sizeof(*headed));
	char word[6] = "";
	struct stat st;
	off_t end = 0;

	if (!headed)
		return -ENOMEM;
	headed->read_only = spec->read_only || use == DMU_USE_LOOK;
	/* A restart may have another working directory; a FIFO must not be waited for. */
	errno = *spec->source == '/' ? 0 : EINVAL;
	headed->fd = errno ? -1 : open(spec->source, O_CLOEXEC | O_NONBLOCK |
						     (headed->read_only ? O_RDONLY : O_RDWR));
	/* The device hangs without a daemon: rather serve it with writes that fail. */
	if (headed->fd < 0 && errno == EROFS && use == DMU_USE_AGAIN)
		headed->fd = open(spec->source, O_CLOEXEC | O_NONBLOCK);
	if (headed->fd < 0 || fstat(headed->fd, &st) ||
	    (end = lseek(headed->fd, 0, SEEK_END)) < 0) {
		snprintf(error, len, "headed: cannot open '%s': %s", spec->source, strerror(errno));
	} else if (pread(headed->fd, word, sizeof(word), 0) != sizeof(word) ||
		   memcmp(word, "HEADED", sizeof(word)) || end < HEADER + BLOCK) {
		errno = EINVAL;
		snprintf(error, len, "headed: '%s' is not a headed image", spec->source);
	} else {
		headed->disk = S_ISBLK(st.st_mode) ? st.st_rdev : 0;
		headed->size = (uint64_t)(end - HEADER) / BLOCK * BLOCK;
		*backend = headed;
		return 0;
	}
	if (headed->fd >= 0)
		close(headed->fd);
	free(headed);
	return -errno;
}

static void headed_close(struct dmu_backend *headed)
{
	close(headed->fd);
	free(headed);
}

static void headed_geometry(const struct dmu_backend *headed, struct dmu_geometry *geometry)
{
	*geometry = (struct dmu_geometry){
		.size = headed->size, .logical_block_size = 512, .physical_block_size = BLOCK,
		.alignment = 1, .read_only = headed->read_only, .backing = headed->disk,
	};
}

static int headed_read(struct dmu_backend *headed, const struct dmu_call *call, void *buf,
		       size_t len, uint64_t offset)
{
	ssize_t n;

	for (; len; len -= n, offset += n, buf = (char *)buf + n) {
		n = pread(headed->fd, buf, len, HEADER + offset);
		if (n <= 0)
			return n ? -errno : -EIO;
	}
	return 0;
}

/* An error of fdatasync() is reported once, so it must not look like one that is tried again. */
static int headed_flush(struct dmu_backend *headed, const struct dmu_call *call)
{
	return fdatasync(headed->fd) ? -EIO : 0;
}

static int headed_write(struct dmu_backend *headed, const struct dmu_call *call, const void *buf,
			size_t len, uint64_t offset, bool fua)
{
	ssize_t n;

	for (; len; len -= n, offset += n, buf = (const char *)buf + n) {
		n = pwrite(headed->fd, buf, len, HEADER + offset);
		if (n <= 0)
			return n ? -errno : -EIO;
	}
	return fua ? headed_flush(headed, call) : 0;
}

static int headed_fds(const struct dmu_backend *headed, int *fds, int max)
{
	if (max > 0)
		fds[0] = headed->fd;
	return 1;
}

static int headed_identity(const struct dmu_backend *headed, char *text, size_t len)
{
	return dmu_store_identity(headed->fd, text, len);
}

static const struct dmu_syscall headed_syscalls[] = {
	{ SYS_pwrite64, { { 0 } } }, { SYS_fdatasync, { { 0 } } },
};

static const struct dmu_backend_ops headed = {
	.abi = DMU_ABI,
	.name = "headed",
	.help = "headed:PATH  an image behind a header of 4096 bytes",
	.sources = headed_sources,
	.open = headed_open,
	.close = headed_close,
	.geometry = headed_geometry,
	.read = headed_read,
	.write = headed_write,
	.flush = headed_flush,
	.fds = headed_fds,
	.identity = headed_identity,
	.syscalls = headed_syscalls,
	.syscall_count = sizeof(headed_syscalls) / sizeof(headed_syscalls[0]),
};

int main(int argc, char **argv)
{
	static const struct dmu_backend_ops *const backends[] = { &headed, NULL };
	static const struct dmu_daemon daemon = {
		.abi = DMU_ABI,
		.name = "headed",
		.stage = "headed",
		.purpose = "Serves the dm-user device NAME from a headed image, confined.",
		.confiner = &dmu_confiner_full,
		.backends = backends,
	};

	return dmu_daemon_main(&daemon, argc, argv);
}
