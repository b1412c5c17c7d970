// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * attack seccomp|selinux|both [-n N] PROGRAM [NAME]: device "t" is served from /dev/vda1. Let one
 * generation of PROGRAM after another serve it, and order each attempt of the table (or those with
 * NAME in their name); of the attempts that the filter kills, only every Nth. Print a table. Exit
 * status 0: every attempt ended as required.
 *
 * attack none PROGRAM [NAME]: likewise with a program without walls, to see what an attempt is
 * worth. An attempt that is refused there too, or has no effect, proves little.
 *
 * attack verify: check that the data written before each attempt is on the device.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <linux/fs.h>

#include "tests/attack/attack.h"
#include "tests/attack/driver.h"

#define DEVICE		"/dev/mapper/t"
#define PATIENCE_MS	60000
#define RECORD_MAX	8192	/* of /dev/kmsg */

static struct driver {
	enum attack_walls walls;
	const char *program;
	int device, kmsg, done;	/* done: an eventfd, written when a read of the mailbox returns */
	pid_t daemon;		/* 0: the attacker does not serve */
	int pidfd;
	struct attack_order order;
	ssize_t got;		/* the result of that read: bytes, or -errno */
	unsigned int each;	/* of the attempts that the filter kills, make every Nth */
	unsigned int made, failed, killed, refused, starts;
} driver = { .each = 1 };

static uint64_t mailbox[ATTACK_BLOCK / 8] __attribute__((aligned(4096)));

/* The outcome of an attempt. */
struct outcome {
	int what;		/* an errno, 0, KILLED or DIES; -2: no answer */
	long nr;		/* the system call that the filter killed the daemon for */
	char text[64];		/* for people */
};

/* Hand over to @program; NULL: dmuserctl's default. Returns dmuserctl's wait status, or -1. */
static int dmuserctl_handover(const char *program)
{
	pid_t pid = fork();
	int status, null;

	if (!pid) {
		null = open("/dev/null", O_WRONLY);
		dup2(null, STDOUT_FILENO);
		if (program)
			execlp("dmuserctl", "dmuserctl", "handover", "--timeout", "60000",
			       "--program", program, "t", NULL);
		else
			execlp("dmuserctl", "dmuserctl", "handover", "--timeout", "60000", "t",
			       NULL);
		_exit(127);
	}
	return pid > 0 && waitpid(pid, &status, 0) == pid ? status : -1;
}

/* If no daemon serves the device, its pending read, and with it the driver's exit, never ends. */
void attack_die(const char *what)
{
	printf("attack: cannot %s: %s\n", what, strerror(errno));
	fflush(stdout);
	if (driver.daemon) {
		kill(driver.daemon, SIGKILL);
		dmuserctl_handover(NULL);
	}
	exit(2);
}

/* ---- the device ---- */

static void block_fill(uint64_t *block, unsigned int number)
{
	unsigned int i;

	for (i = 0; i < ATTACK_BLOCK / 8; i++)
		block[i] = (uint64_t)number << 32 | i;
}

static void block_write(unsigned int number)
{
	static uint64_t block[ATTACK_BLOCK / 8] __attribute__((aligned(4096)));

	block_fill(block, number);
	if (pwrite(driver.device, block, ATTACK_BLOCK,
		   ATTACK_DATA + (off_t)number * ATTACK_BLOCK) != ATTACK_BLOCK)
		attack_die("write to the device");
}

static int verify(void)
{
	static uint64_t block[ATTACK_BLOCK / 8] __attribute__((aligned(4096)));
	static uint64_t wanted[ATTACK_BLOCK / 8];
	unsigned int i, wrong = 0;

	for (i = 0; i < attack_count; i++) {
		block_fill(wanted, i);
		if (pread(driver.device, block, ATTACK_BLOCK,
			  ATTACK_DATA + (off_t)i * ATTACK_BLOCK) != ATTACK_BLOCK)
			attack_die("read from the device");
		if (memcmp(block, wanted, ATTACK_BLOCK)) {
			printf("# block of '%s' is wrong\n", attack_table[i].name);
			wrong++;
		}
	}
	printf("# %u blocks, %u wrong\n", i, wrong);
	return wrong ? 1 : 0;
}

/* In its own thread: this read waits while no daemon serves. */
static void *mailbox_read(void *arg)
{
	driver.got = pread(driver.device, mailbox, ATTACK_BLOCK, ATTACK_MAILBOX);
	if (driver.got < 0)
		driver.got = -errno;
	eventfd_write(driver.done, 1);
	return NULL;
}

/* ---- the daemon ---- */

static void daemon_start(void)
{
	int status = dmuserctl_handover(driver.program);

	if (status < 0)
		attack_die("run dmuserctl");
	driver.daemon = status ? 0 : attack_daemon_find();
	if (!driver.daemon) {
		printf("attack: a second stage does not start (status %d)\n", status);
		exit(2);
	}
	driver.pidfd = (int)syscall(SYS_pidfd_open, driver.daemon, 0);
	if (driver.pidfd < 0)
		attack_die("open a pidfd of the attacker");
	driver.starts++;
}

static bool daemon_is_dead(int patience_ms)
{
	struct pollfd pidfd = { .fd = driver.pidfd, .events = POLLIN };

	return poll(&pidfd, 1, patience_ms) == 1;
}

static void daemon_forget(void)
{
	close(driver.pidfd);
	driver.daemon = 0;
}

static void daemon_end(void)
{
	kill(driver.daemon, SIGKILL);
	if (!daemon_is_dead(PATIENCE_MS))
		attack_die("end the attacker");
	daemon_forget();
}

/* ---- why it died ---- */

static void log_skip(void)
{
	char record[RECORD_MAX];

	while (read(driver.kmsg, record, sizeof(record)) > 0 || errno == EPIPE)
		;
}

/* The N of a record "type=1326 ... pid=PID ... syscall=N ..." if PID is @pid, else -1. */
static long record_call(const char *record, pid_t pid)
{
	const char *of = strstr(record, " pid="), *nr = strstr(record, " syscall=");

	if (!strstr(record, "type=1326") || !of || !nr || atoi(of + strlen(" pid=")) != pid)
		return -1;
	return strtol(nr + strlen(" syscall="), NULL, 10);
}

/*
 * Records of kills come late, but in order. The record of a last kill ends the search: the driver's
 * own child in strict mode. Returns its pid.
 */
static pid_t log_make_end(void)
{
	pid_t pid = fork();

	if (!pid) {
		prctl(PR_SET_SECCOMP, SECCOMP_MODE_STRICT);
		syscall(SYS_getpid);
	}
	if (pid < 0 || waitpid(pid, NULL, 0) != pid)
		attack_die("make the end of the records");
	return pid;
}

/* The system call that the filter killed @pid for, or -1. */
static long log_killing_call(pid_t pid)
{
	struct pollfd log = { .fd = driver.kmsg, .events = POLLIN };
	pid_t end = log_make_end();
	char record[RECORD_MAX];
	long nr = -1, call;
	ssize_t len;

	while (poll(&log, 1, PATIENCE_MS) == 1) {
		len = read(driver.kmsg, record, sizeof(record) - 1);
		if (len < 0 && errno != EPIPE && errno != EAGAIN)
			break;
		record[len < 0 ? 0 : len] = '\0';
		if (record_call(record, end) >= 0)
			return nr;
		call = record_call(record, pid);
		nr = call >= 0 ? call : nr;
	}
	attack_die("read the records of kills: are there any?");
}

/* ---- an attempt ---- */

static void outcome_died(struct outcome *outcome, pid_t pid)
{
	outcome->nr = log_killing_call(pid);
	outcome->what = outcome->nr >= 0 ? KILLED : DIES;
	if (outcome->what == KILLED)
		snprintf(outcome->text, sizeof(outcome->text), "killed for system call %ld",
			 outcome->nr);
	else
		snprintf(outcome->text, sizeof(outcome->text), "dead by a signal");
}

static void outcome_answered(struct outcome *outcome)
{
	struct attack_answer *answer = (struct attack_answer *)mailbox;

	if (answer->magic != ATTACK_ANSWER_MAGIC || answer->number != driver.order.number) {
		outcome->what = -2;
		snprintf(outcome->text, sizeof(outcome->text), "no answer, and alive");
		return;
	}
	outcome->what = answer->result < 0 && answer->result > -4096 ? (int)-answer->result : 0;
	if (outcome->what)
		snprintf(outcome->text, sizeof(outcome->text), "%s",
			 strerrorname_np(outcome->what) ?: "an unknown error");
	else
		snprintf(outcome->text, sizeof(outcome->text), "succeeds (%lld)",
			 (long long)answer->result);
}

static bool is_expected(const struct attack_attempt *attempt, const struct outcome *outcome)
{
	int expected = driver.walls < ATTACK_WALLS ? attempt->expected[driver.walls] : 0;

	if (driver.walls == ATTACK_NONE)
		return true;
	if (expected == KILLED)
		return outcome->what == KILLED && outcome->nr == attempt->nr;
	if (expected == DIES || !expected)
		return outcome->what == expected;
	return outcome->what == (expected & 0xff) ||
	       (expected >> 8 && outcome->what == expected >> 8);
}

static void order_send(unsigned int number)
{
	static uint64_t block[ATTACK_BLOCK / 8] __attribute__((aligned(4096)));

	driver.order.magic = ATTACK_ORDER_MAGIC;
	driver.order.number = number;
	driver.order.values[ATTACK_SELF] = driver.daemon;
	attack_daemon_descriptors(driver.daemon, driver.order.values);
	memcpy(block, &driver.order, sizeof(driver.order));
	if (pwrite(driver.device, block, ATTACK_BLOCK, ATTACK_MAILBOX) != ATTACK_BLOCK)
		attack_die("give the order");
}

/* Wait until the read is answered or the daemon is dead. Returns true if it is answered. */
static bool attempt_wait(void)
{
	struct pollfd fds[2] = {
		{ .fd = driver.done, .events = POLLIN },
		{ .fd = driver.pidfd, .events = POLLIN },
	};

	int ready = poll(fds, 2, PATIENCE_MS);

	if (ready <= 0) {
		errno = ready ? errno : ETIMEDOUT;
		attack_die("wait for the attempt to end");
	}
	return fds[0].revents;
}

/*
 * Read the mailbox, which makes attempt @number, and fill @outcome. Returns true if nothing
 * changed, neither on the machine nor, if the daemon lives and may not change itself, in the
 * daemon.
 */
static bool attempt_make(unsigned int number, struct outcome *outcome)
{
	const struct attack_attempt *attempt = &attack_table[number];
	char *world = attack_world(driver.daemon), *itself = attack_itself(driver.daemon), *after;
	pid_t caller = attempt->caller ? attack_caller(attempt->caller == ATTACK_ROOT) : 0;
	pid_t pid = driver.daemon;
	bool answered, same = true;
	pthread_t reader;

	if (pthread_create(&reader, NULL, mailbox_read, NULL) || pthread_detach(reader))
		attack_die("make a thread");
	answered = attempt_wait();
	if (caller && !attack_caller_end(caller)) {
		printf("# %s: the caller is dead, or a user got in\n", attempt->name);
		same = false;
	}
	if (daemon_is_dead(answered ? 0 : PATIENCE_MS)) {
		daemon_forget();
		outcome_died(outcome, pid);
	} else {
		outcome_answered(outcome);
		after = attack_itself(pid);
		if (!attempt->changes_itself)
			same = attack_same(attempt->name, itself, after) && same;
		free(after);
	}
	after = attack_world(pid);
	same = attack_same(attempt->name, world, after) && same;
	free(world);
	free(itself);
	free(after);
	return same;
}

static void attempt_run(unsigned int number)
{
	const struct attack_attempt *attempt = &attack_table[number];
	struct outcome outcome = { 0 };
	bool good, same;
	eventfd_t count;

	if (!driver.daemon)
		daemon_start();
	block_write(number);
	order_send(number);
	log_skip();
	same = attempt_make(number, &outcome);
	good = is_expected(attempt, &outcome) && (same || driver.walls == ATTACK_NONE);
	if (driver.daemon && (attempt->changes_itself || driver.walls == ATTACK_NONE))
		daemon_end();
	if (!driver.daemon)
		daemon_start();
	/* The read that the daemon held succeeds, whether or not the daemon lives. */
	eventfd_read(driver.done, &count);
	if (driver.got != ATTACK_BLOCK) {
		printf("# %s: the read of the order failed: %s\n", attempt->name,
		       strerror((int)-driver.got));
		good = false;
	}
	printf("%-3s %-44s %s%s\n", good ? "" : "BAD", attempt->name, outcome.text,
	       same ? "" : ", and it had an effect");
	fflush(stdout);
	driver.made++;
	driver.failed += !good;
	driver.killed += outcome.what == KILLED;
	driver.refused += outcome.what > 0 && outcome.what < KILLED;
}

/* ATTACK_BOTH leaves out what the filter kills: the filter kills before SELinux is asked. */
static bool is_wanted(unsigned int number)
{
	const struct attack_attempt *attempt = &attack_table[number];

	if (driver.walls == ATTACK_NONE)
		return !attempt->ends_the_test;
	if (driver.walls == ATTACK_BOTH)
		return attempt->expected[ATTACK_BOTH] != KILLED;
	if (attempt->expected[driver.walls] == KILLED && number % driver.each)
		return false;
	return attempt->expected[driver.walls] != UNHELD;
}

/* verify() expects the block of a skipped attempt, too. */
static void attempt_skip(unsigned int number)
{
	if (driver.walls < ATTACK_WALLS && attack_table[number].expected[driver.walls] == UNHELD)
		printf("    %-44s not held by this wall, not made\n", attack_table[number].name);
	block_write(number);
}

static int usage(void)
{
	fprintf(stderr, "usage: attack seccomp|selinux|both|none [-n N] PROGRAM [NAME]\n"
			"       attack verify\n");
	return 2;
}

static int attack(const char *part)
{
	unsigned int i;

	driver.kmsg = open("/dev/kmsg", O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	driver.done = eventfd(0, EFD_CLOEXEC);
	if (driver.kmsg < 0 || driver.done < 0 ||
	    ioctl(driver.device, BLKGETSIZE64, &driver.order.values[ATTACK_SIZE]))
		attack_die("prepare");
	driver.order.values[ATTACK_VICTIM] = attack_victim();
	driver.order.values[ATTACK_FIRST] = attack_first_find();
	for (i = 0; i < attack_count; i++)
		if (part && !strstr(attack_table[i].name, part))
			continue;
		else if (is_wanted(i))
			attempt_run(i);
		else
			attempt_skip(i);
	kill((pid_t)driver.order.values[ATTACK_VICTIM], SIGKILL);
	printf("# %u attempts: %u killed, %u refused, %u without effect or dead otherwise; "
	       "%u not as required; %u daemons\n", driver.made, driver.killed, driver.refused,
	       driver.made - driver.killed - driver.refused, driver.failed, driver.starts);
	return driver.failed || !driver.made ? 1 : 0;
}

int main(int argc, char **argv)
{
	static const char *const walls[] = { "seccomp", "selinux", "both", "none" };
	unsigned int i;

	driver.device = open(DEVICE, O_RDWR | O_DIRECT | O_CLOEXEC);
	if (driver.device < 0)
		attack_die("open " DEVICE);
	if (argc == 2 && !strcmp(argv[1], "verify"))
		return verify();
	if (argc < 3)
		return usage();
	for (i = 0; i <= ATTACK_NONE && strcmp(argv[1], walls[i]); i++)
		;
	if (i > ATTACK_NONE)
		return usage();
	driver.walls = i;
	if (argc > 4 && !strcmp(argv[2], "-n") && atoi(argv[3]) > 0) {
		driver.each = atoi(argv[3]);
		argv += 2;
	}
	driver.program = argv[2];
	return attack(argv[3]);
}
