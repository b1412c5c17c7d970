// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The backend "file" under the attacker's control. Its name is the usual one, so that other
 * generations notice nothing.
 */
#include <poll.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/eventfd.h>

#include "lib/dmuser.h"
#include "tests/attack/attack.h"

static struct attack_order order;
static atomic_bool ordered;
static char scratch[ATTACK_BLOCK] __attribute__((aligned(4096)));

/* An I/O thread makes the main thread run an attempt, as it could: they share all their memory. */
static _Thread_local bool is_main;
static atomic_bool asked;
static long said;

static struct dmu_backend_ops hostile;

const struct dmu_backend_ops *const attack_backends[] = { &hostile, NULL };

/*
 * The linker's --wrap makes poll() in every object __wrap_poll(), and __real_poll() libc's poll().
 * Likewise for __poll_chk(), FORTIFY's form of it.
 */
int __real_poll(struct pollfd *fds, nfds_t count, int timeout);
int __wrap_poll(struct pollfd *fds, nfds_t count, int timeout);
int __wrap___poll_chk(struct pollfd *fds, nfds_t count, int timeout, size_t size);

static long attempt_make(void)
{
	const struct attack_context context = { .order = &order, .buffer = scratch };

	return attack_make(order.number, &context);
}

/* The main thread waits nowhere else. */
int __wrap_poll(struct pollfd *fds, nfds_t count, int timeout)
{
	int ready = __real_poll(fds, count, timeout);

	if (is_main && atomic_load(&asked)) {
		said = attempt_make();
		atomic_store(&asked, false);
	}
	return ready;
}

int __wrap___poll_chk(struct pollfd *fds, nfds_t count, int timeout, size_t size)
{
	return __wrap_poll(fds, count, timeout);
}

static long main_thread_make(void)
{
	atomic_store(&asked, true);
	eventfd_write((int)order.values[ATTACK_EVENT], 1);
	while (atomic_load(&asked))
		__real_poll(NULL, 0, 1);
	return said;
}

static int hostile_open(struct dmu_backend **backend, const struct dmu_spec *spec,
			enum dmu_use use, char *error, size_t len)
{
	is_main = true;
	attack_remember_stack();
	return dmu_backend_file.open(backend, spec, use, error, len);
}

static int hostile_write(struct dmu_backend *backend, const struct dmu_call *call, const void *buf,
			 size_t len, uint64_t offset, bool fua)
{
	int rc = dmu_backend_file.write(backend, call, buf, len, offset, fua);

	if (rc || offset != ATTACK_MAILBOX || len < sizeof(order))
		return rc;
	memcpy(&order, buf, sizeof(order));
	if (order.magic == ATTACK_ORDER_MAGIC && order.number < attack_count)
		atomic_store(&ordered, true);
	return 0;
}

static int hostile_read(struct dmu_backend *backend, const struct dmu_call *call, void *buf,
			size_t len, uint64_t offset)
{
	struct attack_answer answer = { .magic = ATTACK_ANSWER_MAGIC, .number = order.number };

	if (offset != ATTACK_MAILBOX || len < sizeof(answer) || !atomic_exchange(&ordered, false))
		return dmu_backend_file.read(backend, call, buf, len, offset);
	answer.result = attack_table[order.number].main ? main_thread_make() : attempt_make();
	memset(buf, 0, len);
	memcpy(buf, &answer, sizeof(answer));
	return 0;
}

/* Before main(), as the file backend's functions are not constants. */
__attribute__((constructor)) static void hostile_make(void)
{
	hostile = dmu_backend_file;
	hostile.open = hostile_open;
	hostile.read = hostile_read;
	hostile.write = hostile_write;
}
