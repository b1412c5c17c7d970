// SPDX-License-Identifier: GPL-2.0-or-later
/* The device, its daemons and the load, seen from outside. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "tests/steps/steps.h"

#define ANSWER_MS	20000

static const char *load_path;

static bool read_file(const char *path, char *text, size_t size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t len = fd < 0 ? -1 : read(fd, text, size - 1);

	if (fd >= 0)
		close(fd);
	text[len > 0 ? len : 0] = '\0';
	return len > 0;
}

/* ---- processes ---- */

char proc_state(pid_t pid, pid_t thread)
{
	char path[64], text[512], *at;

	snprintf(path, sizeof(path), "/proc/%d/task/%d/stat", pid, thread);
	if (!read_file(path, text, sizeof(text)))
		return 0;
	at = strrchr(text, ')');
	return at ? at[2] : 0;
}

bool proc_lives(pid_t pid)
{
	char state = pid ? proc_state(pid, pid) : 0;

	return state && state != 'Z' && state != 'X';
}

bool proc_dies(const struct tracee *tracee)
{
	struct pollfd pidfd = { .fd = tracee->pidfd, .events = POLLIN };

	return tracee->pid && !proc_lives(tracee->pid) && poll(&pidfd, 1, 0) != 1;
}

/* How often @thread has waited. */
static unsigned long switches_of(pid_t pid, pid_t thread)
{
	char path[300], text[4096], *at;

	snprintf(path, sizeof(path), "/proc/%d/task/%d/status", pid, thread);
	at = read_file(path, text, sizeof(text)) ?
	     strstr(text, "\nvoluntary_ctxt_switches:") : NULL;
	return at ? strtoul(strchr(at, '\t'), NULL, 10) : 0;
}

/*
 * Does every thread wait? The look at the threads is not atomic: *@switches counts their waits, to
 * be compared with a second look.
 */
static bool threads_wait(const struct tracee *tracee, bool serving, unsigned long *switches)
{
	pid_t pid = tracee->pid;
	struct dirent *entry;
	bool wait = true;
	char path[300];
	DIR *dir;

	*switches = 0;

	snprintf(path, sizeof(path), "/proc/%d/task", pid);
	dir = opendir(path);
	while (dir && wait && (entry = readdir(dir))) {
		pid_t thread = atoi(entry->d_name);
		char state;

		if (thread <= 0)
			continue;
		state = proc_state(pid, thread);
		/* The load's requests never cease; they matter only if a drain waits for them. */
		if (serving && thread != pid)
			continue;
		/* 't': held by us. A thread that has just reached another breakpoint will go on. */
		wait = state == 'S' || state == 'T' || (state == 't' && thread == tracee->held);
		if (wait)
			*switches += switches_of(pid, thread);
	}
	if (dir)
		closedir(dir);
	return dir && wait;
}

static bool state_waits(enum dmu_state state)
{
	return state != DMU_STATE_START && state != DMU_STATE_ALONE &&
	       state != DMU_STATE_PREPARING && state != DMU_STATE_UNDOING &&
	       state != DMU_STATE_DONE && state != DMU_STATE_FAILED;
}

/* Nothing that its loop polls is ready. The ticker does not count: no other process sees it. */
static bool nothing_ready(const struct tracee *tracee, const struct dmu_context *daemon)
{
	struct pollfd polled[8 + DMU_CONNECTIONS_MAX];
	unsigned int count = 0, i;
	int fds[] = { daemon->signals, daemon->peer.socket,
		      daemon->peer.known ? daemon->peer_pidfd : -1,
		      daemon->server ? daemon->confinement.event_fd : -1, daemon->timer,
		      daemon->accepting ? daemon->listener : -1 };
	bool ready;

	for (i = 0; i < sizeof(fds) / sizeof(fds[0]); i++)
		if (fds[i] >= 0)
			polled[count++] = (struct pollfd){ .fd = tracee_fd(tracee, fds[i]),
							   .events = POLLIN };
	for (i = 0; i < DMU_CONNECTIONS_MAX; i++)
		if (daemon->connections[i] >= 0)
			polled[count++] = (struct pollfd){
				.fd = tracee_fd(tracee, daemon->connections[i]), .events = POLLIN };
	ready = poll(polled, count, 0) > 0;
	for (i = 0; i < count; i++)
		if (polled[i].fd >= 0)
			close(polled[i].fd);
	return !ready;
}

/* The cheap checks come first: this runs all the time, and system calls cost much in a guest. */
static bool seems_quiet(const struct tracee *tracee, unsigned long *switches)
{
	struct dmu_context daemon;

	return tracee_read(tracee, &daemon) && daemon.raised == DMU_EVENT_END &&
	       state_waits(daemon.state) &&
	       threads_wait(tracee, daemon.state != DMU_STATE_DRAINING, switches) &&
	       nothing_ready(tracee, &daemon);
}

/* Twice: a daemon may have been on its way from one wait to the next. */
bool proc_quiet(const struct tracee *tracee)
{
	unsigned long before, after;

	if (!seems_quiet(tracee, &before))
		return false;
	nap();
	return seems_quiet(tracee, &after) && before == after;
}

static int timer_copy(const struct tracee *tracee)
{
	struct dmu_context daemon;

	return tracee_read(tracee, &daemon) ? tracee_fd(tracee, daemon.timer) : -1;
}

long long timer_left(const struct tracee *tracee)
{
	int timer = timer_copy(tracee);
	struct itimerspec when = { 0 };

	if (timer < 0)
		return -1;
	if (timerfd_gettime(timer, &when))
		when.it_value.tv_sec = 0;
	close(timer);
	if (!when.it_value.tv_sec && !when.it_value.tv_nsec)
		return -1;
	return when.it_value.tv_sec * 1000LL + when.it_value.tv_nsec / 1000000;
}

void timer_expire(const struct tracee *tracee)
{
	const struct itimerspec now = { .it_value = { .tv_nsec = 1 } };
	int timer = timer_copy(tracee);

	if (timer < 0)
		return;
	timerfd_settime(timer, 0, &now, NULL);
	close(timer);
}

unsigned int proc_fds(pid_t pid)
{
	struct dirent *entry;
	unsigned int count = 0;
	char path[64];
	DIR *dir;

	snprintf(path, sizeof(path), "/proc/%d/fd", pid);
	dir = opendir(path);
	while (dir && (entry = readdir(dir)))
		count += entry->d_name[0] != '.';
	if (dir)
		closedir(dir);
	return count;
}

unsigned long proc_locked_kb(pid_t pid)
{
	char path[64], text[4096], *at;

	snprintf(path, sizeof(path), "/proc/%d/status", pid);
	at = read_file(path, text, sizeof(text)) ? strstr(text, "\nVmLck:") : NULL;
	return at ? strtoul(at + strlen("\nVmLck:"), NULL, 10) : 0;
}

#define ROOM	"memfd:dmuser-state"

static bool maps_room(pid_t pid)
{
	char path[64], line[512];
	bool found = false;
	FILE *maps;

	snprintf(path, sizeof(path), "/proc/%d/maps", pid);
	maps = fopen(path, "re");
	while (maps && !found && fgets(line, sizeof(line), maps))
		found = strstr(line, ROOM);
	if (maps)
		fclose(maps);
	return found;
}

bool proc_keeps_room(pid_t pid)
{
	char path[300], target[300];
	struct dirent *entry;
	bool found = maps_room(pid);
	ssize_t len;
	DIR *dir;

	snprintf(path, sizeof(path), "/proc/%d/fd", pid);
	dir = opendir(path);
	while (dir && !found && (entry = readdir(dir))) {
		snprintf(path, sizeof(path), "/proc/%d/fd/%.200s", pid, entry->d_name);
		len = readlink(path, target, sizeof(target) - 1);
		target[len > 0 ? len : 0] = '\0';
		found = strstr(target, ROOM);
	}
	if (dir)
		closedir(dir);
	return found;
}

unsigned int world_daemons(unsigned int *zombies)
{
	unsigned int lives = 0;
	struct dirent *entry;
	char path[300], text[64];
	DIR *dir = opendir("/proc");

	*zombies = 0;
	while (dir && (entry = readdir(dir))) {
		pid_t pid = atoi(entry->d_name);

		snprintf(path, sizeof(path), "/proc/%d/comm", pid);
		if (pid <= 0 || !read_file(path, text, sizeof(text)) || strncmp(text, "dmuser-", 7))
			continue;
		if (proc_lives(pid))
			lives++;
		else
			++*zombies;
	}
	if (dir)
		closedir(dir);
	return lives;
}

/* ---- the daemon's own status ---- */

static bool status_receive(int fd, struct dmu_packet *packet)
{
	struct pollfd polled = { .fd = fd, .events = POLLIN };
	int rc;

	do {
		if (poll(&polled, 1, ANSWER_MS) != 1)
			return false;
		rc = dmu_peer_receive(fd, packet);
	} while (rc == -EAGAIN);
	return !rc && packet->message.type == DMU_WIRE_STATUS;
}

void world_look(const char *name, struct seen *seen)
{
	const struct dmu_wire_message request = { .type = DMU_WIRE_STATUS_REQUEST };
	const struct dmu_wire_status *status;
	struct dmu_packet packet;
	char path[128];
	int fd;

	memset(seen, 0, sizeof(*seen));
	snprintf(path, sizeof(path), DMU_RUN_DIR "/%s/" DMU_SOCKET_NAME, name);
	fd = dmu_peer_connect(path);
	if (fd < 0)
		return;
	if (!dmu_peer_send(fd, &request, NULL, 0) && status_receive(fd, &packet)) {
		status = &packet.message.status;
		seen->pid = (int)status->pid;
		seen->generation = status->generation;
		seen->sealed = status->sealed;
		seen->cache = (enum dmu_cache_mode)status->cache;
		seen->stage = strcmp(status->stage, "second") ? FIRST : SECOND;
		if (seen->stage == SECOND && !strncmp(status->spec, "wb:", 3))
			seen->stage = SECOND_WB;
	}
	close(fd);
	if (!seen->pid)
		return;
	seen->locked_kb = proc_locked_kb(seen->pid);
}

/* ---- the load ---- */

void load_open(const char *path)
{
	load_path = path;
}

uint64_t load_word(const char *word)
{
	char text[256], *at;

	at = read_file(load_path, text, sizeof(text)) ? strstr(text, word) : NULL;
	if (!at)
		die("the load's status has no %s: %s", word, text);
	return strtoull(at + strlen(word), NULL, 10);
}

static bool wait_word(const char *word, uint64_t wanted)
{
	uint64_t deadline = now_us() + WAIT_S * 1000000ULL;

	while (load_word(word) < wanted) {
		if (now_us() > deadline)
			return false;
		nap();
	}
	return true;
}

const char *load_goes_on(void)
{
	/* Two more: the first may have been done before the fault. */
	if (!wait_word("least=", load_word("least=") + 2))
		return "the load does not go on";
	if (load_word("errors="))
		return "the load has seen an error";
	return load_word("wrong=") ? "the load has seen wrong bytes" : NULL;
}

const char *load_flushes(void)
{
	uint64_t flushes = load_word("flushes=");

	kill((pid_t)load_word("pid="), SIGUSR1);
	return wait_word("flushes=", flushes + 1) ? load_goes_on() : "the load does not flush";
}
