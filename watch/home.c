// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A root directory in memory, in a mount namespace of its own. The look-up of every path begins in
 * the root directory: if that were on the device, /dev/mapper/control could not be opened while no
 * daemon serves the device.
 */
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "lib/launch.h"
#include "rundir/copy.h"
#include "rundir/listener.h"
#include "rundir/program.h"
#include "watch/watch.h"

#define MOUNT_POINT	"/proc"		/* a directory that always exists */
#define OWN_PATH	"/" WATCH_PROGRAM
#define TREES_MAX	16
#define FILES_MAX	16
#define FILE_MAX_BYTES	(1 << 20)
#define WALK_FDS	8		/* directories that a walk has open at once */

struct tree {
	const char *path;		/* absolute, in the old root and the new one */
	bool directory;
	int fd;				/* a detached copy of the mount */
};

/* A small file, which is copied. */
struct file {
	const char *path;		/* absolute, in the old root and the new one */
	int fd;				/* of the original */
	mode_t mode;
};

struct home {
	struct tree trees[TREES_MAX];
	unsigned int count;
	struct file files[FILES_MAX];
	unsigned int file_count;
	struct dmu_spec spec;
	/* What the daemon's program answered; trees and files point into it. */
	char sources[DMU_PROGRAM_SAID_MAX], paths[DMU_PROGRAM_SAID_MAX];
	int self;			/* this program */
	char *error;
	size_t len;
};

static int fail(struct home *home, int error, const char *what, const char *which)
{
	snprintf(home->error, home->len, "cannot %s%s%s: %s", what, *which ? " " : "", which,
		 strerror(error));
	return -error;
}

static int tree_take(struct home *home, const char *path)
{
	struct tree *tree = &home->trees[home->count];
	struct stat st;

	tree->path = path;
	tree->fd = open_tree(AT_FDCWD, path, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
	if (tree->fd < 0 || fstat(tree->fd, &st))
		return fail(home, errno, "clone the mount of", path);
	tree->directory = S_ISDIR(st.st_mode);
	home->count++;
	return 0;
}

/* Read a file of the run directory, which has one line. */
static int line_read(struct home *home, const struct watch_options *options, const char *file,
		     char *line, size_t size)
{
	char path[DMU_PATH_MAX];
	FILE *stream;
	int ret;

	ret = dmu_run_path(path, sizeof(path), options->run_dir, options->name, file);
	if (ret)
		return fail(home, -ret, "open a file of", options->name);
	stream = fopen(path, "re");
	if (!stream)
		return fail(home, errno, "open", path);
	ret = dmu_trusted_check(fileno(stream), path, home->error, home->len);
	if (!ret && !fgets(line, size, stream))
		ret = fail(home, EINVAL, "read", path);
	fclose(stream);
	if (!ret)
		line[strcspn(line, "\n")] = '\0';
	return ret;
}

static int tab_read(struct home *home, const struct watch_options *options)
{
	char line[DMU_SPEC_MAX + DMU_NAME_MAX + 4], name[DMU_NAME_MAX + 1];
	int ret = line_read(home, options, DMU_TAB_NAME, line, sizeof(line));

	if (!ret && dmu_tab_parse_line(line, name, &home->spec, home->error, home->len) != 1)
		ret = fail(home, EINVAL, "understand the tab line of", options->name);
	return ret;
}

/*
 * Open the program of @pid. By now the number may be another process's, whose program must not run.
 * So the process must be root's, and still live when its program is open; and no other user may
 * have been able to change the program. A descriptor; -EACCES: it is not so; -ESRCH: the process
 * is dead, or is dying in a thread that waits for the store, and has no program any more.
 */
static int program_open(pid_t pid)
{
	int pidfd = (int)syscall(SYS_pidfd_open, pid, 0), fd = -EACCES;
	struct stat process, program;
	char path[32];

	snprintf(path, sizeof(path), "/proc/%d", (int)pid);
	if (pidfd >= 0 && !stat(path, &process) && !process.st_uid) {
		snprintf(path, sizeof(path), "/proc/%d/exe", (int)pid);
		fd = open(path, O_RDONLY | O_CLOEXEC);
		if (fd < 0)
			fd = errno == ENOENT ? -ESRCH : -EACCES;
	}
	if (fd >= 0 &&
	    (fstat(fd, &program) || program.st_uid ||
	     (program.st_nlink && (program.st_mode & 022)) || watch_has_died(pidfd))) {
		close(fd);
		fd = -EACCES;
	}
	if (pidfd >= 0)
		close(pidfd);
	return fd;
}

/* Run "PROGRAM @question SPEC": the daemon's own program knows what its backend needs. */
static int ask(struct home *home, const struct watch_options *options, const char *question,
	       char *said, size_t len)
{
	pid_t pid = dmu_listener_pid(options->run_dir, options->name);
	char path[32];
	int fd, ret;

	if (pid < 0) {
		snprintf(home->error, home->len, "cannot reach the daemon: %s",
			 pid == -EAGAIN ? "it does not answer" : strerror(-pid));
		return pid;
	}
	fd = program_open(pid);
	if (fd < 0) {
		snprintf(home->error, home->len, fd == -ESRCH ?
			 "its daemon (pid %d) is dying" :
			 "the program of its daemon (pid %d) cannot be opened, or is not root's",
			 (int)pid);
		return fd;
	}
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	ret = dmu_program_ask(path, question, home->spec.text, said, len, home->error, home->len);
	close(fd);
	return ret;
}

/* By now the source may name another store, from which no daemon would start. */
static int store_check(struct home *home, const struct watch_options *options)
{
	char served[DMU_SPEC_MAX], said[DMU_SPEC_MAX + 1] = "";

	if (line_read(home, options, DMU_STORE_NAME, served, sizeof(served)) ||
	    ask(home, options, "--identity", said, sizeof(said)))
		return 0;
	said[strcspn(said, "\n")] = '\0';
	if (!strcmp(said, served))
		return 0;
	snprintf(home->error, home->len,
		 "%.200s is not the store that is served: it is %.200s, and not %.200s",
		 home->spec.source, said, served);
	return -EXDEV;
}

/* Clone the mount of @path, unless it is in /dev: the next daemon opens the same path. */
static int source_take(struct home *home, const char *path)
{
	if (!strncmp(path, "/dev/", 5))
		return 0;
	if (*path != '/' || home->count == TREES_MAX)
		return fail(home, *path != '/' ? EINVAL : E2BIG, "use source", path);
	return tree_take(home, path);
}

/* A component of @path is "..", which could lead out of the new root while that is made. */
static bool goes_up(const char *path)
{
	const char *at = path;

	while ((at = strstr(at, "/.."))) {
		at += strlen("/..");
		if (!*at || *at == '/')
			return true;
	}
	return false;
}

/* Open a small file. It may lie on the device, which is served now. */
static int file_take(struct home *home, const char *path)
{
	struct file *file = &home->files[home->file_count];
	struct stat st;

	if (*path != '/' || goes_up(path))
		return fail(home, EINVAL, "use file", path);
	if (home->file_count == FILES_MAX)
		return fail(home, E2BIG, "use file", path);
	file->path = path;
	/* A FIFO must not be waited for. */
	file->fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	if (file->fd < 0 || fstat(file->fd, &st))
		return fail(home, errno, "open", path);
	if (!S_ISREG(st.st_mode) || st.st_size > FILE_MAX_BYTES) {
		snprintf(home->error, home->len,
			 "cannot keep %s in memory: it is no regular file of at most %d bytes",
			 path, FILE_MAX_BYTES);
		return -EFBIG;
	}
	file->mode = st.st_mode & 0777;
	home->file_count++;
	return 0;
}

/* Ask the daemon's program, and take each path of its answer, which stays in @said. */
static int paths_take(struct home *home, const struct watch_options *options, const char *question,
		      char *said, size_t len, int (*take)(struct home *home, const char *path))
{
	int ret = ask(home, options, question, said, len);
	char *path, *next;

	for (path = strtok_r(said, "\n", &next); !ret && path; path = strtok_r(NULL, "\n", &next))
		ret = take(home, path);
	return ret;
}

/* Take all that the next daemon opens. */
static int store_take(struct home *home, const struct watch_options *options)
{
	int ret = tab_read(home, options);

	if (!ret)
		ret = store_check(home, options);
	if (!ret)
		ret = paths_take(home, options, "--sources", home->sources, sizeof(home->sources),
				 source_take);
	if (!ret)
		ret = paths_take(home, options, "--files", home->paths, sizeof(home->paths),
				 file_take);
	return ret;
}

/* No tree may lie on the device. */
static int trees_check(struct home *home, const struct watch_options *options)
{
	unsigned int i;
	dev_t device;
	int ret;

	ret = dmu_dm_number(options->name, &device);
	if (ret)
		return fail(home, -ret, "find device", options->name);
	for (i = 0; i < home->count; i++) {
		if (dmu_lies_on(home->trees[i].fd, device)) {
			snprintf(home->error, home->len, "%s lies on %s itself",
				 home->trees[i].path, options->name);
			return -ELOOP;
		}
	}
	return 0;
}

/* Make the directories above @path, which is in the working directory. */
static int make_directories(struct home *home, char *path)
{
	char *slash = path;

	while ((slash = strchr(slash, '/'))) {
		*slash = '\0';
		if (mkdir(path, 0755) && errno != EEXIST)
			return fail(home, errno, "make directory", path);
		*slash++ = '/';
	}
	return 0;
}

/* Make the file @where, an absolute path, below the working directory. A descriptor, or -errno. */
static int make_file(struct home *home, const char *where)
{
	char path[DMU_PATH_MAX];
	int ret, fd;

	snprintf(path, sizeof(path), "%s", where + 1);
	ret = make_directories(home, path);
	if (ret)
		return ret;
	fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	return fd < 0 ? fail(home, errno, "make file", path) : fd;
}

/* Likewise a directory. */
static int make_directory(struct home *home, const char *where)
{
	char path[DMU_PATH_MAX];

	snprintf(path, sizeof(path), "%s/", where + 1);
	return make_directories(home, path);
}

/* Make a mount point for @tree. */
static int make_place(struct home *home, const struct tree *tree)
{
	int fd;

	if (tree->directory)
		return make_directory(home, tree->path);
	fd = make_file(home, tree->path);
	if (fd < 0)
		return fd;
	close(fd);
	return 0;
}

/* Copy the files, before trees may cover their places: what lies in a tree is there anyway. */
static int files_put(struct home *home)
{
	const struct file *file;
	int fd, ret = 0;

	for (file = home->files; !ret && file < home->files + home->file_count; file++) {
		fd = make_file(home, file->path);
		if (fd < 0)
			return fd;
		ret = dmu_copy_bytes(file->fd, fd);
		if (!ret && fchmod(fd, file->mode))
			ret = -errno;
		dmu_copy_label(file->fd, fd);
		if (ret)
			fail(home, -ret, "copy", file->path);
		close(fd);
		close(file->fd);
	}
	return ret;
}

static int trees_put(struct home *home)
{
	unsigned int i;
	int ret;

	for (i = 0; i < home->count; i++) {
		ret = make_place(home, &home->trees[i]);
		if (ret)
			return ret;
		if (move_mount(home->trees[i].fd, "", AT_FDCWD, home->trees[i].path + 1,
			       MOVE_MOUNT_F_EMPTY_PATH))
			return fail(home, errno, "mount", home->trees[i].path);
		close(home->trees[i].fd);
	}
	return 0;
}

/* In the new root: a tree has no mount below it, so a file on such a mount is not there. */
static int files_check(struct home *home)
{
	const struct file *file;

	for (file = home->files; file < home->files + home->file_count; file++) {
		if (!access(file->path, F_OK))
			continue;
		snprintf(home->error, home->len,
			 "cannot keep %s: it lies on a mount below /dev, /proc, /sys or the store",
			 file->path);
		return -ENOENT;
	}
	return 0;
}

static int build(struct home *home)
{
	struct dmu_mounts mounts;
	const char *step = "";
	int ret;

	ret = dmu_mounts_read(&mounts);
	if (ret)
		return fail(home, -ret, "read the mounts", "");
	if (mount("none", MOUNT_POINT, "tmpfs", MS_NOSUID | MS_NODEV, "mode=755,size=64m"))
		ret = fail(home, errno, "mount a tmpfs", "");
	else if (chdir(MOUNT_POINT))
		ret = fail(home, errno, "enter the tmpfs", "");
	else
		ret = files_put(home);
	if (!ret)
		ret = trees_put(home);
	if (!ret) {
		ret = dmu_root_replace(&mounts, &step);
		if (ret)
			fail(home, -ret, step, "");
	}
	dmu_mounts_free(&mounts);
	if (!ret && chdir("/"))
		ret = fail(home, errno, "enter the new root", "");
	return ret ? ret : files_check(home);
}

/* Returns only on failure. */
static int run_copy(struct home *home, char **argv)
{
	int fd = open(OWN_PATH, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0700), ret;
	char *const environment[] = { NULL };

	if (fd < 0)
		return fail(home, errno, "make", OWN_PATH);
	ret = dmu_copy_bytes(home->self, fd);
	dmu_copy_label(home->self, fd);
	close(fd);
	if (ret)
		return fail(home, -ret, "copy itself to", OWN_PATH);
	argv[0] = (char *)"@" WATCH_PROGRAM;
	execve(OWN_PATH, argv, environment);
	return fail(home, errno, "run", OWN_PATH);
}

bool watch_home_entered(char **argv)
{
	struct stat root, exe;
	char path[64];
	ssize_t n;

	n = readlink("/proc/self/exe", path, sizeof(path) - 1);
	return argv[0][0] == '@' && n == (ssize_t)strlen(OWN_PATH) && !memcmp(path, OWN_PATH, n) &&
	       !stat("/", &root) && !stat(OWN_PATH, &exe) && root.st_dev == exe.st_dev;
}

/* Map the file, and so lock it: see watch_program_keep(). */
static int lock(const char *path, const struct stat *st, int type, struct FTW *place)
{
	void *all;
	int fd;

	if (type != FTW_F || !S_ISREG(st->st_mode) || !st->st_size)
		return 0;
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	all = mmap(NULL, st->st_size, PROT_READ, MAP_SHARED, fd, 0);
	close(fd);
	return all == MAP_FAILED ? -errno : 0;
}

int watch_home_lock(void)
{
	int ret = nftw("/", lock, WALK_FDS, FTW_MOUNT | FTW_PHYS);

	return ret == -1 ? -errno : ret;
}

int watch_home_enter(const struct watch_options *options, char **argv, char *error, size_t len)
{
	struct home home = { .error = error, .len = len };
	int ret;

	home.self = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	if (home.self < 0)
		return fail(&home, errno, "open", "/proc/self/exe");
	if (unshare(CLONE_NEWNS) || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL))
		return fail(&home, errno, "make a mount namespace", "");
	ret = tree_take(&home, "/dev");
	if (!ret)
		ret = tree_take(&home, "/proc");
	if (!ret)
		ret = tree_take(&home, "/sys");
	if (!ret)
		ret = tree_take(&home, options->run_dir);
	/* Before anything in the run directory is believed; the store's trees are checked below. */
	if (!ret)
		ret = trees_check(&home, options);
	if (!ret)
		ret = store_take(&home, options);
	if (!ret)
		ret = trees_check(&home, options);
	if (!ret)
		ret = build(&home);
	return ret ? ret : run_copy(&home, argv);
}
