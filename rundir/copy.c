// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * The copies that second stages run from: RUN_DIR/NAME/dmuser-second.GENERATION, in memory, so that
 * no page of a daemon's text comes from the device that it serves.
 */
#include <dirent.h>
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "lib/dmuser.h"
#include "rundir/copy.h"
#include "rundir/directory.h"

#define COPY_PREFIX	"dmuser-second."
#define LABEL		"security.selinux"
#define PHDRS_MAX	256

int dmu_copy_check(int fd, const char *path, char *error, size_t len)
{
	Elf64_Phdr phdr;
	Elf64_Ehdr ehdr;
	unsigned int i;

	if (pread(fd, &ehdr, sizeof(ehdr), 0) != sizeof(ehdr) ||
	    memcmp(ehdr.e_ident, ELFMAG, SELFMAG) || ehdr.e_ident[EI_CLASS] != ELFCLASS64 ||
	    ehdr.e_phentsize != sizeof(phdr) || ehdr.e_phnum > PHDRS_MAX) {
		snprintf(error, len, "%s is not a 64-bit ELF program", path);
		return -ENOEXEC;
	}
	for (i = 0; i < ehdr.e_phnum; i++) {
		if (pread(fd, &phdr, sizeof(phdr), ehdr.e_phoff + i * sizeof(phdr)) !=
		    sizeof(phdr)) {
			snprintf(error, len, "%s is truncated", path);
			return -ENOEXEC;
		}
		if (phdr.p_type == PT_INTERP) {
			snprintf(error, len,
				 "%s is linked dynamically: it would need its libraries from the "
				 "device that it serves",
				 path);
			return -ENOEXEC;
		}
	}
	return 0;
}

int dmu_copy_bytes(int from, int to)
{
	static char buf[1 << 16];
	ssize_t n, written;
	char *at;

	while ((n = read(from, buf, sizeof(buf))) > 0) {
		for (at = buf; n > 0; at += written, n -= written) {
			written = write(to, at, n);
			if (written < 0)
				return -errno;
		}
	}
	return n < 0 ? -errno : 0;
}

void dmu_copy_label(int from, int to)
{
	char label[256];
	ssize_t n = fgetxattr(from, LABEL, label, sizeof(label));

	if (n > 0)
		(void)!fsetxattr(to, LABEL, label, n, 0);
}

/* Copy @from to a new executable file @partial. Return 0 or -errno. */
static int copy_file(int from, const char *partial)
{
	struct stat had, got;
	int to, ret;

	unlink(partial);	/* left by a killed dmuserctl; the lock keeps living ones out */
	to = open(partial, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0700);
	if (to < 0)
		return -errno;
	ret = dmu_copy_bytes(from, to);
	if (!ret && (fstat(from, &had) || fstat(to, &got) || fchmod(to, 0700)))
		ret = -errno;
	if (!ret && had.st_size != got.st_size)
		ret = -EIO;
	dmu_copy_label(from, to);
	if (close(to) && !ret)
		ret = -errno;
	return ret;
}

int dmu_copy_make(char *path, size_t path_len, const char *source, const char *run_dir,
		  const char *name, uint64_t generation, char *error, size_t len)
{
	char partial[DMU_PATH_MAX], file[64];
	int from, ret;

	from = open(source, O_RDONLY | O_CLOEXEC);
	if (from < 0) {
		ret = -errno;
		snprintf(error, len, "cannot read %s: %s", source, strerror(errno));
		return ret;
	}
	ret = dmu_copy_check(from, source, error, len);
	if (ret)
		goto out_close;
	snprintf(file, sizeof(file), COPY_PREFIX "%" PRIu64, generation);
	ret = dmu_run_path(path, path_len, run_dir, name, file);
	if (!ret)
		ret = dmu_run_path(partial, sizeof(partial), run_dir, name, COPY_PREFIX "partial");
	if (!ret)
		ret = copy_file(from, partial);
	if (!ret && rename(partial, path))
		ret = -errno;
	if (ret) {
		unlink(partial);
		snprintf(error, len, "cannot copy %s to %s: %s", source, path, strerror(-ret));
	}
out_close:
	close(from);
	return ret;
}

/* *@pidfd: of a process that runs the file of @st; -1: none does. False: that cannot be known. */
static bool runner_find(const struct stat *st, int *pidfd)
{
	struct dirent *entry;
	char exe[300];
	struct stat run;
	int fd = -1;
	DIR *proc;

	proc = opendir("/proc");
	if (!proc)
		return false;
	while (fd < 0 && (entry = readdir(proc))) {
		if (entry->d_name[0] < '0' || entry->d_name[0] > '9')
			continue;
		snprintf(exe, sizeof(exe), "/proc/%s/exe", entry->d_name);
		if (!stat(exe, &run) && run.st_dev == st->st_dev && run.st_ino == st->st_ino)
			fd = syscall(SYS_pidfd_open, atoi(entry->d_name), 0);
	}
	closedir(proc);
	*pidfd = fd;
	return true;
}

/* true: before @deadline (of dmu_now_ms()), the last process that ran @path has exited. */
static bool copy_abandoned(const char *path, uint64_t deadline)
{
	struct pollfd fd = { .events = POLLIN };
	struct stat st;
	uint64_t now;
	int ready;

	if (lstat(path, &st) || !S_ISREG(st.st_mode))
		return false;
	for (;;) {
		if (!runner_find(&st, &fd.fd))
			return false;
		if (fd.fd < 0)
			return true;
		now = dmu_now_ms();
		ready = poll(&fd, 1, now < deadline ? (int)(deadline - now) : 0);
		close(fd.fd);
		if (ready <= 0)
			return false;
	}
}

void dmu_copy_prune(const char *run_dir, const char *name, const char *keep, int wait_ms)
{
	uint64_t deadline = dmu_now_ms() + wait_ms;
	char path[DMU_PATH_MAX];
	struct dirent *entry;
	DIR *dir;

	if (dmu_run_path(path, sizeof(path), run_dir, name, NULL))
		return;
	dir = opendir(path);
	if (!dir)
		return;
	while ((entry = readdir(dir))) {
		if (strncmp(entry->d_name, COPY_PREFIX, strlen(COPY_PREFIX)) ||
		    dmu_run_path(path, sizeof(path), run_dir, name, entry->d_name) ||
		    (keep && !strcmp(path, keep)))
			continue;
		if (copy_abandoned(path, deadline))
			unlink(path);
	}
	closedir(dir);
}
