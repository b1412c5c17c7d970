// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * careless MODE CTL STORE: a test daemon of one channel and one thread, in the background.
 *
 *	plain	correct, past the page cache: for comparison, and as a foreign daemon
 *	late	breaks the rule of close(): a helper process, without the channel, makes the
 *		daemon's writes; the last one after the daemon's death, on a SIGUSR1. While the
 *		helper has a write to make, its name is "latewriter"
 *	dry	breaks the rule of FLUSH: writes into the page cache, and answers a FLUSH without
 *		doing anything
 *
 * So tests can show that their checkers detect such daemons.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "daemon.h"

static int channel, store, helper = -1;

/* The helper process, which has the store but not the channel. */
static void help(int in, pid_t master)
{
	static char payload[DAEMON_MAX_IO] __attribute__((aligned(4096)));
	struct dm_user_message message;
	sigset_t go;
	char done = 1;
	int number;

	sigemptyset(&go);
	sigaddset(&go, SIGUSR1);
	sigprocmask(SIG_BLOCK, &go, NULL);
	close(channel);
	while (recv(in, &message, sizeof(message), MSG_WAITALL) == sizeof(message) &&
	       recv(in, payload, message.len, MSG_WAITALL) == (ssize_t)message.len) {
		/* Time for the daemon to be killed in. */
		prctl(PR_SET_NAME, "latewriter", 0, 0, 0);
		usleep(100000);
		if (getppid() != master)
			sigwait(&go, &number);
		if (pwrite(store, payload, message.len, message.sector * 512) !=
		    (ssize_t)message.len)
			_exit(1);
		prctl(PR_SET_NAME, "idlewriter", 0, 0, 0);
		send(in, &done, 1, MSG_NOSIGNAL);
	}
	_exit(0);
}

static int helper_start(void)
{
	pid_t pid, master = getpid();
	int ends[2];

	if (socketpair(AF_UNIX, SOCK_STREAM, 0, ends))
		return -errno;
	pid = fork();
	if (pid < 0)
		return -errno;
	if (!pid) {
		close(ends[0]);
		help(ends[1], master);
	}
	close(ends[1]);
	helper = ends[0];
	return 0;
}

static int do_write(const struct dm_user_message *message, const void *payload)
{
	char done;

	if (helper < 0)
		return pwrite(store, payload, message->len, message->sector * 512) ==
		       (ssize_t)message->len ? 0 : -EIO;
	if (send(helper, message, sizeof(*message), 0) != sizeof(*message) ||
	    send(helper, payload, message->len, 0) != (ssize_t)message->len ||
	    recv(helper, &done, 1, 0) != 1)
		return -EIO;
	return 0;
}

static unsigned int carry_out(const struct dm_user_message *message, void *payload, bool dry)
{
	int err = -EOPNOTSUPP;

	switch (message->type) {
	case DM_USER_REQ_MAP_READ:
		err = pread(store, payload, message->len, message->sector * 512) ==
		      (ssize_t)message->len ? 0 : -EIO;
		break;
	case DM_USER_REQ_MAP_WRITE:
		err = do_write(message, payload);
		if (!err && !dry && message->flags & DM_USER_REQ_MAP_FLAG_FUA)
			err = fdatasync(store);
		break;
	case DM_USER_REQ_MAP_FLUSH:
		err = dry ? 0 : fdatasync(store);
		break;
	}
	return !err ? DM_USER_RESP_SUCCESS :
	       err == -EOPNOTSUPP ? DM_USER_RESP_UNSUPPORTED : DM_USER_RESP_ERROR;
}

int main(int argc, char **argv)
{
	static char payload[DAEMON_MAX_IO] __attribute__((aligned(4096)));
	struct dm_user_message message;
	unsigned int response;
	bool dry;
	int err = 0;

	if (argc < 4) {
		fprintf(stderr, "usage: careless plain|late|dry CTL STORE\n");
		return 2;
	}
	dry = !strcmp(argv[1], "dry");
	channel = daemon_open(argv[2]);
	store = open(argv[3], O_RDWR | O_CLOEXEC | (dry ? 0 : O_DIRECT));
	if (channel < 0 || store < 0) {
		fprintf(stderr, "careless: %s\n", strerror(channel < 0 ? -channel : errno));
		return 1;
	}
	/* The caller may go on. */
	if (daemon(0, 0))
		return 1;
	if (!strcmp(argv[1], "late"))
		err = helper_start();
	while (!err) {
		err = daemon_take(channel, &message, payload);
		if (err)
			break;
		response = carry_out(&message, payload, dry);
		err = daemon_answer(channel, &message, response, payload);
	}
	return err != -ENOTBLK && err != -ESHUTDOWN;
}
