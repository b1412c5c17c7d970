// SPDX-License-Identifier: GPL-2.0-or-later
/* Many channels of many devices, and many sleeping readers. */
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "tests/vm/scale/scale.h"

#define EACH	512
#define OLD	(SCALE_CHANNELS / 2)	/* channels of generation 1; generation 2 has the others */
#define IOS	4

struct device {
	struct target target;
	struct many many;
	int fds[SCALE_CHANNELS];
	struct dm_user_message held[IOS];
};

static void device_open(struct device *d, unsigned int number)
{
	struct dm_user_info info;
	int fd;

	scale_target(&d->target, number);
	for (unsigned int i = 0; i < SCALE_CHANNELS; i++) {
		fd = d->fds[i] = ch_need(&d->target);
		NEED(IS(ch_join(fd, 1 + i / OLD, i % OLD ? 0 : DM_USER_JOIN_CREATE), 0, "join"),
		     "join");
	}
	IS(ch_info(d->fds[0], &info), 0, "info");
	IS(info.channels, SCALE_CHANNELS, "channels");
	IS(info.newest_generation, 2, "newest generation");
}

static bool status_has(const struct device *d, const char *text)
{
	char status[1024];

	return !dm_status(d->target.name, false, status, sizeof(status)) && strstr(status, text);
}

/* Generation 1 takes a request and drains; generation 2 takes the others. */
static void device_drain(struct device *d)
{
	struct dm_user_message m;
	struct dm_user_drain drain;

	many_open(&d->many, &d->target, IOS, EACH);
	many_submit(&d->many, 0, IOS, false, false);
	IS(ch_take(d->fds[0], &d->held[0], NULL, 0), 0, "generation 1 takes one");
	IS(ch_drain(d->fds[OLD - 1], 0, &drain), 0, "drain");
	IS(drain.state, DM_USER_DRAINING, "not complete");
	IS(drain.held, 1, "held");
	for (unsigned int i = 0; i < OLD; i++) {
		IS(ch_read(d->fds[i], &m, sizeof(m)), 0, "no more for generation 1");
		IS(ch_poll(d->fds[i]) & (POLLRDHUP | POLLHUP), POLLRDHUP, "poll of it");
	}
	for (unsigned int i = 1; i < IOS; i++)
		IS(ch_take(d->fds[SCALE_CHANNELS - i], &d->held[i], NULL, 0), 0,
		   "generation 2 takes one");
	OK(status_has(d, " gen:1,draining,128,1,0 gen:2,serving,128,3,0"),
	   "status of the generations");
}

static void device_answer(struct device *d)
{
	uint8_t data[EACH];

	for (unsigned int i = 0; i < IOS; i++) {
		abi_fill(data, EACH, d->held[i].sector);
		IS(ch_answer(d->fds[i ? SCALE_CHANNELS - i : 0], &d->held[i], DM_USER_RESP_SUCCESS,
			     data, 0), 0, "answer");
	}
	NEED(many_reap(&d->many, IOS), "the I/Os end");
	IS(d->many.failed, 0, "errors");
	for (unsigned int i = 0; i < IOS; i++)
		OK(d->many.done[i] == 1 && abi_filled(d->many.bytes + i * EACH, EACH, i),
		   "data of block %u", i);
	many_close(&d->many);
	for (unsigned int i = 0; i < OLD; i++) {
		IS(ch_poll(d->fds[i]) & (POLLRDHUP | POLLHUP), POLLRDHUP | POLLHUP, "drained");
		close(d->fds[i]);
	}
	OK(status_has(d, "channels:128 ") && status_has(d, " gen:2,serving,128,0,3") &&
	   !status_has(d, " gen:1,"), "generation 2 is alone");
}

static void device_close(struct device *d)
{
	for (unsigned int i = OLD; i < SCALE_CHANNELS; i++)
		close(d->fds[i]);
	IS(dm_word(d->target.name, "channels:"), 0, "channels");
	target_remove(&d->target);
}

void scale_channels(unsigned int rounds)
{
	struct device *devices = calloc(SCALE_TARGETS, sizeof(*devices));

	NEED(devices, "memory");
	for (unsigned int i = 0; i < SCALE_TARGETS; i++)
		device_open(&devices[i], i);
	for (unsigned int i = 0; i < SCALE_TARGETS; i++)
		device_drain(&devices[i]);
	for (unsigned int i = 0; i < SCALE_TARGETS; i++)
		device_answer(&devices[i]);
	for (unsigned int i = 0; i < SCALE_TARGETS; i++)
		device_close(&devices[i]);
	free(devices);
}

/* ---- sleepers ---- */

struct sleeper {
	pthread_t thread;
	int fd;
	pid_t tid;
	long switches;		/* how often it had slept, at the last look */
	long result;		/* of its last read */
};

static struct sleeper sleepers[SCALE_CHANNELS];

static void *sleeper_main(void *arg)
{
	uint8_t answer[sizeof(struct dm_user_message) + EACH] = { 0 };
	struct dm_user_message *m = (void *)answer;
	struct sleeper *s = arg;

	__atomic_store_n(&s->tid, abi_gettid(), __ATOMIC_RELEASE);
	while ((s->result = ch_read(s->fd, m, sizeof(*m))) == sizeof(*m)) {
		m->type = DM_USER_RESP_SUCCESS;
		IS(ch_write(s->fd, answer, sizeof(answer)), sizeof(answer), "answer");
	}
	return NULL;
}

static long sleeper_switches(const struct sleeper *s)
{
	char path[64], line[128];
	long switches = -1;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/self/task/%d/status", s->tid);
	file = fopen(path, "re");
	while (file && fgets(line, sizeof(line), file))
		if (sscanf(line, "voluntary_ctxt_switches: %ld", &switches) == 1)
			break;
	if (file)
		fclose(file);
	NEED(switches >= 0, "the kernel counts context switches");
	return switches;
}

/* Wait until all sleepers sleep. Returns how many have been awake since the last call. */
static unsigned int sleepers_woken(void)
{
	unsigned int woken = 0;
	long now;

	/* Let woken sleepers run: on this processor in these naps, on another at once. */
	for (int i = 0; i < 10; i++)
		abi_nap();
	for (unsigned int i = 0; i < SCALE_CHANNELS; i++) {
		NEED(UNTIL(abi_blocked_in(sleepers[i].tid, SYS_read)), "the reader sleeps");
		now = sleeper_switches(&sleepers[i]);
		woken += now != sleepers[i].switches;
		sleepers[i].switches = now;
	}
	return woken;
}

static void sleepers_start(const struct target *t)
{
	pthread_attr_t attr;

	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, 65536);
	for (unsigned int i = 0; i < SCALE_CHANNELS; i++) {
		sleepers[i] = (struct sleeper){ .fd = ch_need(t) };
		IS(ch_join(sleepers[i].fd, 1, i ? 0 : DM_USER_JOIN_CREATE), 0, "join");
		NEED(!pthread_create(&sleepers[i].thread, &attr, sleeper_main, &sleepers[i]),
		     "a thread");
	}
	for (unsigned int i = 0; i < SCALE_CHANNELS; i++)
		NEED(UNTIL(__atomic_load_n(&sleepers[i].tid, __ATOMIC_ACQUIRE)),
		     "the thread starts");
	pthread_attr_destroy(&attr);
}

static void sleepers_end(struct target *t)
{
	IS(ch_drain(sleepers[0].fd, 0, NULL), 0, "drain");
	for (unsigned int i = 0; i < SCALE_CHANNELS; i++) {
		pthread_join(sleepers[i].thread, NULL);
		IS(sleepers[i].result, 0, "the drain ends the read");
		close(sleepers[i].fd);
	}
	target_remove(t);
}

void scale_sleepers(unsigned int rounds)
{
	struct dm_user_message held[IOS];
	struct many many;
	struct target t;
	int fd;

	scale_target(&t, 0);
	many_open(&many, &t, IOS, EACH);
	/* Revoke writes from a channel, which may still answer them. */
	fd = ch_need(&t);
	many_submit(&many, 0, IOS, true, false);
	for (int i = 0; i < IOS; i++)
		ch_take_type(fd, &held[i], DM_USER_REQ_MAP_WRITE, NULL);
	IS(dm_message(t.name, "fail"), 0, "fail the held requests");
	NEED(many_reap(&many, IOS), "the I/Os end");
	IS(many.failed, IOS, "failed");

	sleepers_start(&t);
	sleepers_woken();
	for (int i = 0; i < SCALE_CHANNELS; i++)
		close(ch_need(&t));
	IS(sleepers_woken(), 0, "woken by the opening and closing of other channels");
	for (int i = 0; i < IOS; i++)
		IS(ch_answer(fd, &held[i], DM_USER_RESP_SUCCESS, NULL, 0), 0, "late answer");
	IS(dm_word(t.name, "fenced:"), 0, "fenced");
	IS(sleepers_woken(), 0, "woken by late answers for which no request waited");
	for (int i = 0; i < IOS; i++) {
		many_submit(&many, i, 1, false, false);
		NEED(many_reap(&many, 1), "the I/O ends");
		IS(sleepers_woken(), 1, "woken by one request");
	}
	close(fd);
	many_close(&many);
	sleepers_end(&t);
}
