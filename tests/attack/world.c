// SPDX-License-Identifier: GPL-2.0-or-later
/* The state of the machine that an attempt must not change, in lines of text. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "tests/attack/attack.h"
#include "tests/attack/driver.h"

#define ARRAY_SIZE(array)	(sizeof(array) / sizeof((array)[0]))
#define DIFFERENCES	6
#define WHOLE_DISK	"/dev/vda"	/* the store is a part of it */
#define NEIGHBOURS	(1 << 20)	/* bytes at either end of the disk, outside the store */

/* Files that are compared as a whole. */
static const char *const texts[] = {
	"/etc/shadow", ATTACK_DIR "/canary", "/proc/self/mountinfo", "/proc/swaps",
	"/proc/partitions", "/proc/sys/kernel/core_pattern", "/proc/sys/kernel/modprobe",
	"/proc/sys/kernel/hostname",
	"/proc/sys/kernel/printk", "/proc/sysvipc/shm", "/proc/sysvipc/msg", "/proc/sysvipc/sem",
	"/proc/net/tcp", "/proc/net/tcp6", "/proc/net/udp", "/proc/net/udp6", "/proc/net/raw",
	"/proc/net/packet", "/proc/net/netlink", "/proc/net/vsock",
};

/* Files of which the first word of each line is compared: the others count users. */
static const char *const names[] = { "/proc/modules", "/proc/keys" };

static const char *const directories[] = {
	"/", "/etc", "/tmp", ATTACK_DIR, ATTACK_RUN, "/dev", "/dev/mapper", "/dev/dm-user",
};

/* Lines of /proc/PID/status. The others change while a process runs. */
static const char *const status_lines[] = {
	"TracerPid:", "Uid:", "Gid:", "Groups:", "Threads:", "SigBlk:", "SigIgn:", "SigCgt:",
	"CapInh:", "CapPrm:", "CapEff:", "CapBnd:", "CapAmb:", "NoNewPrivs:", "Seccomp:",
	"Seccomp_filters:", "Cpus_allowed:", "VmSize:", "VmLck:",
};

static void add_text(FILE *world, const char *path)
{
	char *line = NULL;
	size_t size = 0;
	FILE *file = fopen(path, "re");

	while (file && getline(&line, &size, file) > 0)
		fprintf(world, "%s: %s", path, line);
	free(line);
	if (file)
		fclose(file);
}

static void add_names(FILE *world, const char *path)
{
	char *line = NULL;
	size_t size = 0;
	FILE *file = fopen(path, "re");

	while (file && getline(&line, &size, file) > 0)
		fprintf(world, "%s: %s\n", path, strtok(line, " \t\n"));
	free(line);
	if (file)
		fclose(file);
}

static int not_dots(const struct dirent *entry)
{
	return strcmp(entry->d_name, ".") && strcmp(entry->d_name, "..");
}

static void add_directory(FILE *world, const char *path)
{
	struct dirent **entries;
	int i, count = scandir(path, &entries, not_dots, alphasort);
	char file[512];
	struct stat st;

	for (i = 0; i < count; i++) {
		snprintf(file, sizeof(file), "%s/%s", path, entries[i]->d_name);
		if (!lstat(file, &st))
			fprintf(world, "%s: mode %o, %u:%u\n", file, st.st_mode, st.st_uid,
				st.st_gid);
		free(entries[i]);
	}
	if (count >= 0)
		free(entries);
}

static uint64_t sum_of(const char *path, off_t from, size_t len)
{
	static uint64_t buf[65536 / sizeof(uint64_t)];
	uint64_t sum = 14695981039346656037ULL;	/* FNV-1a, of words */
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n, i;

	if (fd < 0)
		attack_die(path);
	/* Read the disk, not what a process has left in the page cache. */
	posix_fadvise(fd, from, (off_t)len, POSIX_FADV_DONTNEED);
	for (; len && (n = pread(fd, buf, len < sizeof(buf) ? len : sizeof(buf), from)) > 0;
	     from += n, len -= (size_t)n)
		for (i = 0; i < n / (ssize_t)sizeof(buf[0]); i++)
			sum = (sum ^ buf[i]) * 1099511628211ULL;
	close(fd);
	if (len)
		attack_die("read a disk to its end");
	return sum;
}

static void add_disks(FILE *world)
{
	static const char *const disks[] = { WHOLE_DISK, WHOLE_DISK "1", "/dev/vdb" };
	uint64_t size = 0;
	size_t i;
	int fd, ro;

	for (i = 0; i < ARRAY_SIZE(disks); i++) {
		fd = open(disks[i], O_RDONLY | O_CLOEXEC);
		if (fd < 0 || ioctl(fd, BLKROGET, &ro) || ioctl(fd, BLKGETSIZE64, &size))
			attack_die(disks[i]);
		close(fd);
		fprintf(world, "%s: %llu bytes, read-only %d\n", disks[i],
			(unsigned long long)size, ro);
		if (i != 1)
			fprintf(world, "%s: begins with %llx, ends with %llx\n", disks[i],
				(unsigned long long)sum_of(disks[i], 0, NEIGHBOURS),
				(unsigned long long)sum_of(disks[i], (off_t)size - NEIGHBOURS,
							   NEIGHBOURS));
	}
	fprintf(world, "other device: begins with %llx\n",
		(unsigned long long)sum_of("/dev/mapper/other", 0, ATTACK_BLOCK));
}

/* Field @field of /proc/PID/stat as proc(5) counts, 3 or more: those behind the name. */
static bool stat_field(pid_t pid, int field, char *text, size_t len)
{
	char path[64], line[1024], *at, *save;
	FILE *file;
	int i;

	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	file = fopen(path, "re");
	at = file && fgets(line, sizeof(line), file) ? strrchr(line, ')') : NULL;
	if (file)
		fclose(file);
	at = at ? strtok_r(at + 1, " ", &save) : NULL;
	for (i = 3; at && i < field; i++)
		at = strtok_r(NULL, " ", &save);
	snprintf(text, len, "%s", at ? at : "");
	return at;
}

/* A process, its user, parent, priority and limits, and whether it is stopped. */
static void add_process(FILE *world, pid_t pid)
{
	char state[16], priority[16], nice[16], parent[16], path[64];
	struct stat st;

	snprintf(path, sizeof(path), "/proc/%d/exe", pid);
	/* Not kernel threads, which come and go, nor a daemon that is dead and not yet reaped. */
	if (lstat(path, &st) || !stat_field(pid, 3, state, sizeof(state)) || state[0] == 'Z' ||
	    readlink(path, (char[2]){ 0 }, 1) < 0)
		return;
	stat_field(pid, 4, parent, sizeof(parent));
	stat_field(pid, 18, priority, sizeof(priority));
	stat_field(pid, 19, nice, sizeof(nice));
	fprintf(world, "process %d: uid %u, parent %s, priority %s, nice %s%s\n", pid, st.st_uid,
		parent, priority, nice, strchr("Tt", state[0]) ? ", stopped" : "");
	snprintf(path, sizeof(path), "/proc/%d/limits", pid);
	add_text(world, path);
}

static void add_processes(FILE *world, pid_t daemon)
{
	struct dirent *entry;
	DIR *dir = opendir("/proc");

	while (dir && (entry = readdir(dir)))
		if (entry->d_name[0] > '0' && entry->d_name[0] <= '9' &&
		    atoi(entry->d_name) != daemon)
			add_process(world, atoi(entry->d_name));
	if (dir)
		closedir(dir);
}

static void add_links(FILE *world, pid_t pid, const char *name)
{
	char path[64], link[512];
	struct dirent **entries;
	ssize_t n;
	int i, count;

	snprintf(path, sizeof(path), "/proc/%d/%s", pid, name);
	count = scandir(path, &entries, not_dots, alphasort);
	for (i = 0; i < count; i++) {
		snprintf(path, sizeof(path), "/proc/%d/%s/%.32s", pid, name, entries[i]->d_name);
		n = readlink(path, link, sizeof(link) - 1);
		fprintf(world, "daemon: %s/%s is %.*s\n", name, entries[i]->d_name,
			n > 0 ? (int)n : 0, link);
		free(entries[i]);
	}
	if (count >= 0)
		free(entries);
}

static void add_status(FILE *world, pid_t pid)
{
	char path[64], *line = NULL;
	size_t size = 0, i;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/status", pid);
	file = fopen(path, "re");
	while (file && getline(&line, &size, file) > 0)
		for (i = 0; i < ARRAY_SIZE(status_lines); i++)
			if (!strncmp(line, status_lines[i], strlen(status_lines[i])))
				fprintf(world, "daemon: %s", line);
	free(line);
	if (file)
		fclose(file);
}

static void add_daemon(FILE *world, pid_t pid)
{
	static const char *const files[] = { "limits", "oom_score_adj", "cgroup", "maps",
					     "attr/current" };
	static const char *const trees[] = { "fd", "ns" };
	char path[64], priority[16], policy[16], link[256];
	struct stat st;
	size_t i;
	ssize_t n;

	add_status(world, pid);
	for (i = 0; i < ARRAY_SIZE(files); i++) {
		snprintf(path, sizeof(path), "/proc/%d/%s", pid, files[i]);
		add_text(world, path);
	}
	for (i = 0; i < ARRAY_SIZE(trees); i++)
		add_links(world, pid, trees[i]);
	for (i = 0; i < 2; i++) {
		snprintf(path, sizeof(path), "/proc/%d/%s", pid, i ? "cwd" : "root");
		n = readlink(path, link, sizeof(link) - 1);
		fprintf(world, "daemon: %s is %.*s", i ? "cwd" : "root", n > 0 ? (int)n : 0, link);
		if (!stat(path, &st))
			fprintf(world, ", inode %llu of %llx",  (unsigned long long)st.st_ino,
				(unsigned long long)st.st_dev);
		fprintf(world, "\n");
	}
	/* The owner of its files in /proc: root while it is not dumpable. */
	snprintf(path, sizeof(path), "/proc/%d/environ", pid);
	if (!stat(path, &st))
		fprintf(world, "daemon: of uid %u\n", st.st_uid);
	stat_field(pid, 18, priority, sizeof(priority));
	stat_field(pid, 41, policy, sizeof(policy));
	fprintf(world, "daemon: priority %s, policy %s\n", priority, policy);
}

static void add_clock(FILE *world)
{
	struct timespec real, boot;

	clock_gettime(CLOCK_REALTIME, &real);
	clock_gettime(CLOCK_BOOTTIME, &boot);
	/* Rounded to hours: no attempt moves it by less, and nothing else sets it. */
	fprintf(world, "clock: booted at hour %ld\n",
		(long)((real.tv_sec - boot.tv_sec + 1800) / 3600));
}

char *attack_world(pid_t daemon)
{
	char *text = NULL;
	size_t size, i;
	FILE *world = open_memstream(&text, &size);

	if (!world)
		attack_die("look at the world");
	for (i = 0; i < ARRAY_SIZE(texts); i++)
		add_text(world, texts[i]);
	for (i = 0; i < ARRAY_SIZE(names); i++)
		add_names(world, names[i]);
	for (i = 0; i < ARRAY_SIZE(directories); i++)
		add_directory(world, directories[i]);
	add_disks(world);
	add_clock(world);
	add_processes(world, daemon);
	if (fclose(world))
		attack_die("look at the world");
	return text;
}

char *attack_itself(pid_t daemon)
{
	char *text = NULL;
	size_t size;
	FILE *world = open_memstream(&text, &size);

	if (!world)
		attack_die("look at the attacker");
	add_daemon(world, daemon);
	if (fclose(world))
		attack_die("look at the attacker");
	return text;
}

static int line_length(const char *text)
{
	return (int)strcspn(text, "\n");
}

static const char *next_line(const char *text)
{
	text += line_length(text);
	return *text ? text + 1 : text;
}

static bool same_line(const char *a, const char *b)
{
	int len = line_length(a);

	return len == line_length(b) && !strncmp(a, b, (size_t)len);
}

/* Does the text at @at contain the line @line? */
static bool comes_to(const char *at, const char *line)
{
	while (*at && !same_line(at, line))
		at = next_line(at);
	return *at;
}

bool attack_same(const char *name, const char *before, const char *after)
{
	unsigned int shown = 0;

	while ((*before || *after) && shown < DIFFERENCES) {
		if (*before && *after && same_line(before, after)) {
			before = next_line(before);
			after = next_line(after);
		} else if (*before && !comes_to(after, before)) {
			printf("# %s: gone: %.*s\n", name, line_length(before), before);
			before = next_line(before);
			shown++;
		} else {
			printf("# %s: new: %.*s\n", name, line_length(after), after);
			after = next_line(after);
			shown++;
		}
	}
	return !shown;
}
