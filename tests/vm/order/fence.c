// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * fence MODE OPTION...: run writers on a device whose daemon loses its writes in flight, again and
 * again. After each round every block must hold the newest version that was acknowledged, on the
 * device and in the store below.
 *
 *	kill	SIGKILL while writes are in flight in the store, then a new daemon
 *	revoke	a noflush suspend revokes the writes from the daemon. It runs on, or is stopped
 *		while no daemon or another daemon serves, and then goes on or is killed
 *
 *	-d DEVICE -N NAME	the device, and its name
 *	-b STORE		the store itself, below the device that delays
 *	-i FILE			.../inflight of the device that delays
 *	-r COMMAND		start a new daemon; several commands take turns
 *	-o COMMAND		revoke: start another daemon, which runs until it is killed
 *	-p NAME			the beginning of the daemons' names (dmuser-)
 *	-w NAME			kill when a process whose name begins with NAME has a write to make.
 *				After each round's newer writes, send it a SIGUSR1 and wait for its
 *				end: so its write is late for sure
 *	-n ROUNDS
 *
 * Exit status 0: nothing was lost; 3: bytes were lost; 1: another failure.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "dm.h"
#include "writers.h"

#define COMMANDS_MAX	8
#define WORDS_MAX	32
#define PATIENCE_S	120	/* guests are slow; nothing is measured */
#define EXIT_LOST	3
#define MORE		2	/* writes of each thread after a round */

static const char *device, *name, *store, *inflight, *other, *late, *prefix = "dmuser-";
static const char *commands[COMMANDS_MAX];
static unsigned int command_count, rounds = 10;
static unsigned int caught, fenced_rounds;	/* rounds with writes in flight, with fences */

__attribute__((noreturn, format(printf, 1, 2))) static void die(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	printf("fence: ");
	vprintf(format, args);
	printf("\n");
	va_end(args);
	fflush(stdout);
	/* A thread whose write waits cannot be killed. */
	writers_end(name);
	_exit(1);
}

static void nap(void)
{
	nanosleep(&(struct timespec){ .tv_nsec = 200000 }, NULL);
}

/* Wait until @condition, a call, is true. */
#define UNTIL(condition) do { \
	time_t end = time(NULL) + PATIENCE_S; \
	while (!(condition)) { \
		if (time(NULL) > end) \
			die("waited in vain until " #condition " (held: %lld, fenced: %lld)", \
			    dm_word(name, "held:"), dm_word(name, "fenced:")); \
		nap(); \
	} \
} while (0)

/* The writes in flight in the device that delays. */
static unsigned int under_way(void)
{
	unsigned int reads = 0, writes = 0;
	FILE *file = fopen(inflight, "re");

	if (!file || fscanf(file, "%u %u", &reads, &writes) != 2)
		die("%s: %s", inflight, strerror(errno));
	fclose(file);
	return writes;
}

/* Read a process's name and state from a stat file of /proc. Returns the state; 'Z': no process. */
static char state_of(const char *path, char comm[static 64])
{
	FILE *file = fopen(path, "re");
	char state = 'Z';

	comm[0] = '\0';
	if (!file)
		return state;
	if (fscanf(file, "%*d (%63[^)]) %c", comm, &state) != 2)
		state = 'Z';
	fclose(file);
	return state;
}

static bool is_daemon(const char *pid, const char *begins)
{
	char path[300], comm[64];

	snprintf(path, sizeof(path), "/proc/%s/stat", pid);
	return state_of(path, comm) != 'Z' && !strncmp(comm, begins, strlen(begins));
}

/*
 * Has the main thread stopped? Then all other threads have the signal and take no more requests: a
 * thread in the middle of a write stops when the write is done.
 */
static bool is_stopped(pid_t pid)
{
	char path[300], comm[64];

	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	return state_of(path, comm) == 'T';
}

/* A process whose name begins with @begins; 0: there is none. */
static pid_t find(const char *begins)
{
	DIR *dir = opendir("/proc");
	struct dirent *entry;
	pid_t pid = 0;

	while (dir && !pid && (entry = readdir(dir)))
		if (entry->d_name[0] >= '1' && entry->d_name[0] <= '9' &&
		    is_daemon(entry->d_name, begins))
			pid = atoi(entry->d_name);
	if (dir)
		closedir(dir);
	return pid;
}

static pid_t need_daemon(void)
{
	pid_t pid;

	UNTIL((pid = find(prefix)));
	return pid;
}

/* Run @command, without a shell: processes cost much in a guest. Its standard output is dropped. */
static void run(const char *command)
{
	char text[512], *words[WORDS_MAX + 1] = { 0 }, *rest = text;
	posix_spawn_file_actions_t actions;
	int count = 0, status = -1;
	pid_t pid;

	snprintf(text, sizeof(text), "%s", command);
	while (count < WORDS_MAX && (words[count] = strsep(&rest, " ")))
		count += *words[count] != '\0';
	words[count] = NULL;
	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
	if (posix_spawnp(&pid, words[0], &actions, NULL, words, environ))
		die("%s: %s", words[0], strerror(errno));
	posix_spawn_file_actions_destroy(&actions);
	if (waitpid(pid, &status, 0) != pid || status)
		die("%s: status %x", command, status);
}

static void let_in(void)
{
	int err = dm_message(name, "unseal");

	if (err)
		die("unseal %s: %s", name, strerror(-err));
}

/* dmuserctl unseals the node by itself. */
static void restart(unsigned int round)
{
	const char *command = commands[round % command_count];

	if (strncmp(command, "dmuserctl", strlen("dmuserctl")))
		let_in();
	run(command);
}

/* The number of threads that have completed @more writes since @from. */
static unsigned int past(const uint64_t *from, uint64_t more)
{
	unsigned int count = 0;

	for (unsigned int i = 0; i < WRITERS; i++)
		count += writers_done(i) >= from[i] + more;
	return count;
}

static unsigned int waiting_since(const uint64_t *from)
{
	unsigned int waiting = 0;

	for (unsigned int i = 0; i < WRITERS; i++)
		waiting += writers_done(i) == from[i];
	return waiting;
}

static void done_now(uint64_t *done)
{
	for (unsigned int i = 0; i < WRITERS; i++)
		done[i] = writers_done(i);
}

static void round_kill(unsigned int round)
{
	pid_t pid = need_daemon();

	UNTIL(late ? find(late) != 0 : under_way() != 0);
	kill(pid, SIGKILL);
	caught += under_way() > 0;
	restart(round);
}

/* Start another daemon: it must not get the fenced writes of @fenced threads, but all others. */
static void other_serves(const uint64_t *from, unsigned int fenced)
{
	uint64_t begin[WRITERS];

	let_in();
	run(other);
	done_now(begin);
	/* It serves the requests that are not fenced. */
	UNTIL(past(begin, 2) >= WRITERS - fenced);
	if (waiting_since(from) < fenced)
		die("%u writes were fenced, but only %u threads wait", fenced, waiting_since(from));
}

static void take_back(void)
{
	int err = dm_suspend_noflush(name);

	if (!err)
		err = dm_resume(name);
	if (err)
		die("suspend and resume %s: %s", name, strerror(-err));
}

static void kill_other(void)
{
	pid_t pid = find("careless");

	if (pid)
		kill(pid, SIGKILL);
	UNTIL(!find("careless"));
}

/*
 * Kinds of rounds: the daemon runs on (0); is stopped, and goes on (1) or is killed (2); is stopped
 * while another daemon serves, and goes on (3) or is killed (4).
 */
static void round_revoke(unsigned int round)
{
	unsigned int kind = round % 5;
	uint64_t from[WRITERS];
	pid_t pid = need_daemon();
	long long fenced;

	UNTIL(under_way());
	if (kind) {
		kill(pid, SIGSTOP);
		UNTIL(is_stopped(pid));
	}
	caught += under_way() > 0;
	done_now(from);
	take_back();
	fenced = dm_word(name, "fenced:");
	if (fenced < 0)
		die("status of %s: %s", name, strerror(-(int)fenced));
	fenced_rounds += fenced > 0;
	if (kind >= 3)
		other_serves(from, fenced);
	if (kind == 1 || kind == 3)
		kill(pid, SIGCONT);
	if (kind == 2 || kind == 4)
		kill(pid, SIGKILL);
	if (kind == 2)
		restart(round);
	if (kind >= 3) {
		done_now(from);
		UNTIL(past(from, 2) == WRITERS);
		kill_other();
	}
	if (kind == 4)
		restart(round);
}

/* Make each process that still has an old write to make do it now. */
static void let_late_ones_write(void)
{
	pid_t pid;

	while ((pid = find(late))) {
		kill(pid, SIGUSR1);
		UNTIL(kill(pid, 0));
	}
}

/* End all writes, then count the lost blocks. */
static int check(void)
{
	int lost, below, fd;

	/* Newer writes first: their last version must remain, even if an old write comes late. */
	writers_pause(MORE);
	fd = open(device, O_RDWR | O_CLOEXEC);
	if (fd < 0 || fsync(fd))
		die("fsync of %s: %s", device, strerror(errno));
	close(fd);
	UNTIL(!under_way());
	if (late)
		let_late_ones_write();
	lost = writers_check(device, "on the device");
	below = writers_check(store, "in the store");
	if (lost < 0 || below < 0)
		die("cannot read the blocks: %s", strerror(lost < 0 ? -lost : -below));
	writers_go();
	return lost + below;
}

static void parse(int argc, char **argv)
{
	int option;

	while ((option = getopt(argc, argv, "d:N:b:i:r:o:p:w:n:")) != -1) {
		switch (option) {
		case 'd':
			device = optarg;
			break;
		case 'N':
			name = optarg;
			break;
		case 'b':
			store = optarg;
			break;
		case 'i':
			inflight = optarg;
			break;
		case 'r':
			if (command_count == COMMANDS_MAX)
				die("too many commands");
			commands[command_count++] = optarg;
			break;
		case 'o':
			other = optarg;
			break;
		case 'p':
			prefix = optarg;
			break;
		case 'w':
			late = optarg;
			break;
		case 'n':
			rounds = atoi(optarg);
			break;
		default:
			exit(1);
		}
	}
	if (!device || !name || !store || !inflight || !command_count)
		die("options are missing");
}

int main(int argc, char **argv)
{
	bool kills = argc > 1 && !strcmp(argv[1], "kill");
	unsigned int round;
	int lost = 0, err;

	if (!kills && (argc < 2 || strcmp(argv[1], "revoke")))
		die("usage: fence kill|revoke OPTION...");
	parse(argc - 1, argv + 1);
	if (!kills && !other)
		die("revoke needs -o");
	err = writers_start(device);
	if (err)
		die("%s: %s", device, strerror(-err));
	writers_go();
	/* One loss is enough. */
	for (round = 0; round < rounds && !lost; round++) {
		if (kills)
			round_kill(round);
		else
			round_revoke(round);
		lost += check();
		if (writers_errors())
			die("round %u: writes failed", round);
	}
	writers_pause(0);
	printf("fence: %u rounds, %u with writes under way, %u with fenced ones, %d blocks lost\n",
	       round, caught, fenced_rounds, lost);
	return lost ? EXIT_LOST : 0;
}
