// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A root directory in memory, in a mount namespace of its own. The look-up of every path begins in
 * the root directory: if that were on the device, /dev/mapper/control could not be opened while no
 * daemon serves the device.
 */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
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

struct tree {
	const char *path;		/* absolute, in the old root and the new one */
	bool directory;
	int fd;				/* a detached copy of the mount */
};

struct home {
	struct tree trees[TREES_MAX];
	unsigned int count;
	struct dmu_spec spec;
	char sources[4 * DMU_SPEC_MAX];	/* paths that the spec needs, each with a NUL */
	size_t sources_len;
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

/* The paths that the daemon's backend needs, as the daemon's program names them. */
static int sources_find(struct home *home, const struct watch_options *options)
{
	char said[sizeof(home->sources)] = "", *line, *next;
	int ret = ask(home, options, "--sources", said, sizeof(said));
	size_t len;

	for (line = strtok_r(said, "\n", &next); !ret && line; line = strtok_r(NULL, "\n", &next)) {
		len = strlen(line) + 1;
		memcpy(home->sources + home->sources_len, line, len);
		home->sources_len += len;
	}
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

/* Clone the mounts of the spec's paths outside of /dev: the next daemon opens the same paths. */
static int store_take(struct home *home, const struct watch_options *options)
{
	const char *path;
	int ret = tab_read(home, options);

	if (!ret)
		ret = store_check(home, options);
	if (!ret)
		ret = sources_find(home, options);
	for (path = home->sources; !ret && path < home->sources + home->sources_len;
	     path += strlen(path) + 1) {
		if (!strncmp(path, "/dev/", 5))
			continue;
		if (*path != '/' || home->count == TREES_MAX)
			ret = fail(home, *path != '/' ? EINVAL : E2BIG, "use source", path);
		else
			ret = tree_take(home, path);
	}
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

/* Make a mount point for @tree, and the directories above it, in the working directory. */
static int make_place(struct home *home, const struct tree *tree)
{
	char path[DMU_PATH_MAX];
	char *slash = path;
	int fd;

	snprintf(path, sizeof(path), "%s", tree->path + 1);
	while ((slash = strchr(slash, '/'))) {
		*slash = '\0';
		if (mkdir(path, 0755) && errno != EEXIST)
			return fail(home, errno, "make directory", path);
		*slash++ = '/';
	}
	if (tree->directory)
		return mkdir(path, 0755) && errno != EEXIST ?
		       fail(home, errno, "make directory", path) : 0;
	fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	if (fd < 0)
		return fail(home, errno, "make file", path);
	close(fd);
	return 0;
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
		ret = trees_put(home);
	if (!ret) {
		ret = dmu_root_replace(&mounts, &step);
		if (ret)
			fail(home, -ret, step, "");
	}
	dmu_mounts_free(&mounts);
	return ret ? ret : chdir("/") ? fail(home, errno, "enter the new root", "") : 0;
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
