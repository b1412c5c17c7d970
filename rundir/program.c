// SPDX-License-Identifier: LGPL-2.1-or-later
/* Find a daemon's program, and run it until the started process exits. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/close_range.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/dmuser.h"
#include "lib/launch.h"
#include "rundir/copy.h"
#include "rundir/directory.h"
#include "rundir/program.h"

#ifndef MFD_EXEC
#define MFD_EXEC	0x0010U		/* linux/memfd.h of Linux 6.3 */
#endif

#define LOOK_MS		100
#define WAITING_MS	5000	/* until the first report; then twice as long each time */
#define ASK_MS		10000	/* for a program to answer a question */
#define PATH_DEFAULT	"/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

/* The daemon gets nothing else of the caller's environment. */
static char *const environment[] = { "PATH=" PATH_DEFAULT, NULL };

static bool executable(char *path, size_t len, const char *dir, size_t dir_len, const char *name)
{
	int n = snprintf(path, len, "%.*s/%s", (int)dir_len, dir, name);

	return n > 0 && (size_t)n < len && !access(path, X_OK);
}

/* Write the directory of this very program to @dir. Return its length; 0: it is unknown. */
static size_t own_directory(char *dir, size_t len)
{
	ssize_t n = readlink("/proc/self/exe", dir, len - 1);
	char *slash;

	if (n <= 0)
		return 0;
	dir[n] = '\0';
	slash = strrchr(dir, '/');
	return slash ? (size_t)(slash - dir) : 0;
}

/* Look for @name beside the running program and in ../libexec. */
static bool find_beside(char *path, size_t path_len, const char *name)
{
	char dir[DMU_PATH_MAX], libexec[128];
	size_t n = own_directory(dir, sizeof(dir));

	snprintf(libexec, sizeof(libexec), "../libexec/%s", name);
	return n && (executable(path, path_len, dir, n, name) ||
		     executable(path, path_len, dir, n, libexec));
}

/* Root runs the program at @path: may only root write it? */
static bool is_trusted(const char *path)
{
	char error[DMU_ERROR_MAX];
	int fd = open(path, O_PATH | O_CLOEXEC);
	bool trusted = fd >= 0 && !dmu_trusted_check(fd, path, error, sizeof(error));

	if (fd >= 0)
		close(fd);
	return trusted;
}

/* Look for @name in the absolute directories of $PATH. */
static bool find_in_path(char *path, size_t path_len, const char *name)
{
	const char *part = getenv("PATH");
	size_t n;

	for (part = part ? part : PATH_DEFAULT; *part; part += n + (part[n] == ':')) {
		n = strcspn(part, ":");
		if (*part == '/' && executable(path, path_len, part, n, name) && is_trusted(path))
			return true;
	}
	return false;
}

static bool find(char *path, size_t path_len, const char *name)
{
	return find_beside(path, path_len, name) || find_in_path(path, path_len, name);
}

int dmu_program_find(char *path, size_t path_len, const char *given, const char *backend,
		     const char *name, char *error, size_t len)
{
	char own[64];

	if (given) {
		if ((size_t)snprintf(path, path_len, "%s", given) < path_len && !access(path, X_OK))
			return 0;
		snprintf(error, len, "%s: %s", given, strerror(errno));
		return -ENOENT;
	}
	snprintf(own, sizeof(own), "dmuser-%s", backend ? backend : "");
	if ((backend && find(path, path_len, own)) || find(path, path_len, name))
		return 0;
	snprintf(error, len, "found no program %s%s%s beside dmuserctl, in ../libexec or in $PATH",
		 backend ? own : "", backend ? " or " : "", name);
	return -ENOENT;
}

/*
 * Debian mounts /run noexec. A program that is in memory anyway then runs from a sealed memfd. A
 * private mount namespace would do, too, but would pin for ever everything that is mounted now.
 */
static int memfd_open(const char *path)
{
	const int seals = F_SEAL_WRITE | F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_SEAL;
	int from, fd, ret;

	from = open(path, O_RDONLY | O_CLOEXEC);
	if (from < 0)
		return -errno;
	fd = memfd_create("dmuser-second", MFD_CLOEXEC | MFD_ALLOW_SEALING | MFD_EXEC);
	if (fd < 0 && errno == EINVAL)	/* before Linux 6.3 all are executable */
		fd = memfd_create("dmuser-second", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	ret = fd < 0 ? -errno : dmu_copy_bytes(from, fd);
	if (!ret)
		dmu_copy_label(from, fd);
	if (!ret && fcntl(fd, F_ADD_SEALS, seals))
		ret = -errno;
	close(from);
	if (!ret)
		return fd;
	if (fd >= 0)
		close(fd);
	return ret;
}

/* Returns only on failure. */
static int execute(const char *path, char *const argv[], bool in_memory)
{
	struct statvfs fs;
	int fd;

	if (!in_memory || statvfs(path, &fs) || !(fs.f_flag & ST_NOEXEC)) {
		execve(path, argv, environment);
		return -errno;
	}
	fd = memfd_open(path);
	if (fd < 0)
		return fd;
	execveat(fd, "", argv, environment, AT_EMPTY_PATH);
	return -errno;
}

/* Run in the child. Errors and the program's stderr go to @output, its stdout to @answer. */
static void child(const struct dmu_program *program, char *const argv[], int output, int answer)
{
	int null = open("/dev/null", O_RDWR), ret;
	sigset_t none;

	/* The caller may have blocked signals. */
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	signal(SIGPIPE, SIG_DFL);
	/* ^C is for dmuserctl: once asked, the daemons decide how a handover ends. */
	setsid();
	if (null < 0 || dup2(null, 0) < 0 || dup2(answer, 1) < 0 || dup2(output, 2) < 0) {
		dprintf(output, "cannot open /dev/null: %s\n", strerror(errno));
		_exit(DMU_EXIT_FAILED);
	}
	/* libdevmapper leaves its descriptor open, which no daemon may have. */
	if (close_range(STDERR_FILENO + 1, ~0U, CLOSE_RANGE_CLOEXEC)) {
		dprintf(2, "cannot set close-on-exec: %s\n", strerror(errno));
		_exit(DMU_EXIT_FAILED);
	}
	ret = execute(program->path, argv, program->in_memory);
	dprintf(2, "cannot run %s: %s\n", program->path, strerror(-ret));
	_exit(DMU_EXIT_FAILED);
}

/* Skip a "WORD: " at the beginning of @text: programs begin their lines with their name. */
static const char *skip_word(const char *text)
{
	const char *colon = strstr(text, ": ");

	return colon && !memchr(text, ' ', colon - text) ? colon + 2 : text;
}

/* The last line in @output that is not argp's hint, without its "PROGRAM: " and a "@name: ". */
static void last_line(int output, const char *name, char *line, size_t len)
{
	size_t name_len = strlen(name);
	const char *start, *hint;
	char text[4096];
	off_t end = lseek(output, 0, SEEK_END);
	off_t from = end > (off_t)sizeof(text) - 1 ? end - (off_t)sizeof(text) + 1 : 0;
	ssize_t n = pread(output, text, sizeof(text) - 1, from);

	if (n < 0)
		n = 0;
	text[n] = '\0';
	hint = strstr(text, "\nTry `");
	if (hint)
		n = hint - text;
	while (n > 0 && text[n - 1] == '\n')
		n--;
	text[n] = '\0';
	start = strrchr(text, '\n');
	start = start ? start + 1 : text;
	start = skip_word(start);
	if (!strncmp(start, name, name_len) && !strncmp(start + name_len, ": ", 2))
		start = skip_word(start);
	snprintf(line, len, "%s", start);
}

/* Copy all of @output to @text. 0, or -ENOSPC. */
static int all_lines(int output, char *text, size_t len)
{
	ssize_t n = pread(output, text, len, 0);

	if (n >= (ssize_t)len)
		return -ENOSPC;
	text[n > 0 ? n : 0] = '\0';
	return 0;
}

static bool has_ended(pid_t pid)
{
	siginfo_t info = { 0 };

	return !waitid(P_PID, (id_t)pid, &info, WEXITED | WNOHANG | WNOWAIT) && info.si_pid;
}

/*
 * Wait until the child has ended: 0. -ETIMEDOUT: it was killed at the end of patience_ms. -EINTR:
 * *told was set.
 */
static int wait_for_end(pid_t pid, const struct dmu_program *program)
{
	struct pollfd end = { .fd = (int)syscall(SYS_pidfd_open, pid, 0), .events = POLLIN };
	uint64_t begin = dmu_now_ms(), passed = 0, say_ms = WAITING_MS;
	int ret = 0;

	while (!has_ended(pid)) {
		passed = dmu_now_ms() - begin;
		if (program->told && *program->told) {
			ret = -EINTR;
			break;
		}
		if (program->patience_ms >= 0 && passed >= (uint64_t)program->patience_ms) {
			kill(pid, SIGKILL);
			ret = -ETIMEDOUT;
			break;
		}
		if (program->waiting && passed >= say_ms) {
			program->waiting(program->arg, pid, (unsigned int)(passed / 1000));
			say_ms *= 2;
		}
		/* Look again soon: there may be no pidfd, and *told may be set at any time. */
		poll(&end, 1, LOOK_MS);
	}
	if (end.fd >= 0)
		close(end.fd);
	return ret;
}

static bool ends_soon(pid_t pid)
{
	unsigned int i;

	for (i = 0; i < 10 && !has_ended(pid); i++)
		poll(NULL, 0, LOOK_MS);
	return has_ended(pid);
}

/* Wait for the child and reap it. Return its wait status, or -errno. */
static int reap(pid_t pid, const struct dmu_program *program)
{
	int ret = wait_for_end(pid, program);
	int status;

	if (ret == -EINTR)
		return ret;
	/* Do not wait for a program that only answers a question and hangs in its store. */
	if (ret && program->said && !ends_soon(pid))
		return ret;
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return -errno;
	/* The child may have ended by itself just before the kill. */
	return ret && WIFSIGNALED(status) ? ret : status;
}

void dmu_program_fill(struct dmu_program_line *line, const char *argv0,
		      const struct dmu_program_request *request)
{
	char **argv = line->argv;

	*argv++ = (char *)argv0;
	*argv++ = "--run-dir";
	*argv++ = (char *)request->run_dir;
	if (request->ctl) {
		*argv++ = "--takeover";
		*argv++ = "--ctl";
		*argv++ = (char *)request->ctl;
	}
	if (request->channels) {
		snprintf(line->channels, sizeof(line->channels), "%" PRIu64, request->channels);
		*argv++ = "--channels";
		*argv++ = line->channels;
	}
	if (request->timeout_ms) {
		snprintf(line->timeout, sizeof(line->timeout), "%" PRIu64, request->timeout_ms);
		*argv++ = "--timeout";
		*argv++ = line->timeout;
	}
	*argv++ = "--";
	*argv++ = (char *)request->name;
	*argv++ = (char *)request->spec;
	*argv = NULL;
}

static int output_make(void)
{
	int fd = memfd_create("dmuserctl-output", MFD_CLOEXEC);

	if (fd >= 0)
		fcntl(fd, F_SETFL, O_APPEND);
	return fd;
}

int dmu_program_run(const struct dmu_program *program, char *const argv[], const char *name,
		    char *error, size_t len)
{
	int output, answer = -1, status, ret = 0;
	pid_t pid;

	if (getpid() == 1) {
		snprintf(error, len, "cannot run a daemon as the first process of a PID namespace");
		return -EPERM;
	}
	/* Memory, not a pipe: the daemon must never depend on a reader. */
	output = output_make();
	if (output >= 0)
		answer = program->said ? output_make() : output;
	if (answer < 0) {
		ret = -errno;
		snprintf(error, len, "%s", strerror(errno));
		if (output >= 0)
			close(output);
		return ret;
	}
	pid = fork();
	if (!pid)
		child(program, argv, output, answer);
	status = pid < 0 ? -errno : reap(pid, program);
	if (status == -ETIMEDOUT) {
		ret = status;
		snprintf(error, len, "%s was killed: it had not started after %d ms", program->path,
			 program->patience_ms);
	} else if (status == -EINTR) {
		ret = status;
		snprintf(error, len, "interrupted: the started program goes on");
	} else if (status < 0) {
		ret = status;
		snprintf(error, len, "cannot run %s: %s", program->path, strerror(-ret));
	} else if (status) {
		ret = -ECHILD;
		last_line(output, name, error, len);
		if (WIFSIGNALED(status))
			snprintf(error, len, "%s was killed by signal %d (%s)", program->path,
				 WTERMSIG(status), strsignal(WTERMSIG(status)));
		else if (!error[0])
			snprintf(error, len, "%s ended with status %d and printed nothing",
				 program->path, WEXITSTATUS(status));
	} else if (program->said) {
		ret = all_lines(answer, program->said, program->said_len);
		if (ret)
			snprintf(error, len, "%s answered more than %zu bytes", program->path,
				 program->said_len - 1);
	}
	if (answer != output)
		close(answer);
	close(output);
	return ret;
}

int dmu_program_ask(const char *path, const char *question, const char *spec, char *said,
		    size_t said_len, char *error, size_t len)
{
	char *const argv[] = { (char *)"dmuser-daemon", (char *)question, (char *)spec, NULL };
	const struct dmu_program program = {
		.path = path, .patience_ms = ASK_MS, .said = said, .said_len = said_len,
	};

	return dmu_program_run(&program, argv, "", error, len);
}
