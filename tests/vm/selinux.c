// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * selinux COMMAND: the work of SELinux's own tools, for a small system and for tests. selinuxfs
 * must be mounted.
 *
 *	load FILE		load a policy
 *	label CONTEXT PATH...	give files a label
 *	label-of PATH		print it
 *	set FILE TEXT		write TEXT to a file of selinuxfs: enforce, booleans/NAME,
 *				commit_pending_bools
 *	open PATH		exit with the errno of open(PATH, O_RDWR); 0: it opened
 *	connect PATH		likewise, of connecting to that SOCK_SEQPACKET socket
 *	as CONTEXT PROGRAM [ARGUMENT]...	run PROGRAM in that domain
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/xattr.h>
#include <unistd.h>

#define SELINUXFS	"/sys/fs/selinux/"
#define LABEL		"security.selinux"

static int die(const char *what)
{
	fprintf(stderr, "selinux: %s: %s\n", what, strerror(errno));
	return 255;
}

/* The kernel requires one call of write(). */
static int write_once(const char *path, const void *data, size_t size)
{
	int fd = open(path, O_WRONLY);

	if (fd < 0 || write(fd, data, size) != (ssize_t)size)
		return die(path);
	close(fd);
	return 0;
}

static int load(const char *path)
{
	struct stat st;
	void *policy;
	int fd = open(path, O_RDONLY);

	if (fd < 0 || fstat(fd, &st))
		return die(path);
	policy = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
	if (policy == MAP_FAILED)
		return die(path);
	return write_once(SELINUXFS "load", policy, (size_t)st.st_size);
}

static int label(const char *context, char **paths)
{
	for (; *paths; paths++)
		if (lsetxattr(*paths, LABEL, context, strlen(context) + 1, 0))
			return die(*paths);
	return 0;
}

static int label_of(const char *path)
{
	char context[256];
	ssize_t size = lgetxattr(path, LABEL, context, sizeof(context) - 1);

	if (size < 0)
		return die(path);
	context[size] = '\0';
	puts(context);
	return 0;
}

static int set(const char *file, const char *text)
{
	char path[256];

	snprintf(path, sizeof(path), SELINUXFS "%s", file);
	return write_once(path, text, strlen(text));
}

static int try_open(const char *path)
{
	return open(path, O_RDWR) < 0 ? errno : 0;
}

static int try_connect(const char *path)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_SEQPACKET, 0);

	if (fd < 0)
		return die("socket");
	snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
	return connect(fd, (struct sockaddr *)&address, sizeof(address)) ? errno : 0;
}

static int run_as(const char *context, char **argv)
{
	if (write_once("/proc/self/attr/exec", context, strlen(context) + 1))
		return 255;
	execvp(argv[0], argv);
	return die(argv[0]);
}

int main(int argc, char **argv)
{
	if (argc == 3 && !strcmp(argv[1], "load"))
		return load(argv[2]);
	if (argc > 3 && !strcmp(argv[1], "label"))
		return label(argv[2], argv + 3);
	if (argc == 3 && !strcmp(argv[1], "label-of"))
		return label_of(argv[2]);
	if (argc == 4 && !strcmp(argv[1], "set"))
		return set(argv[2], argv[3]);
	if (argc == 3 && !strcmp(argv[1], "open"))
		return try_open(argv[2]);
	if (argc == 3 && !strcmp(argv[1], "connect"))
		return try_connect(argv[2]);
	if (argc > 3 && !strcmp(argv[1], "as"))
		return run_as(argv[2], argv + 3);
	fprintf(stderr, "selinux: see its source for its commands\n");
	return 255;
}
