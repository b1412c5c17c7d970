// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * P8, least privilege: every system call that is not on the second stage's lists kills the process,
 * in each role. The lists are equal to the calls that comments beside functions declare. For each
 * call the test forks a process, which loads the daemon's filter and makes the call.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <linux/falloc.h>
#include <linux/fs.h>
#include <linux/futex.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <linux/dm-user.h>

#include "second_stage/walls.h"

#define CALLS_MAX	600	/* beyond the last system call of any kernel */
#define X32		0x40000000

/* Numbers of descriptors, as the daemon might have them. */
enum { STORE = 30, CHANNEL, CHANNEL2, LISTENER, EVENT, PEER, ROOM, OTHER, REPORT };
#define ROOM_SIZE	8192

static const int store_fds[] = { STORE }, channel_fds[] = { CHANNEL, CHANNEL2 };
static struct dmu_confinement confinement = {
	.backend_fds = store_fds, .backend_fd_count = 1,
	.channels = channel_fds, .channel_count = 2,
	.listener = LISTENER, .event_fd = EVENT, .peer_pidfd = PEER, .status_fd = -1,
	.room_fd = -1,
};
static char error[256];
static struct dmu_walls walls = {
	.confinement = &confinement, .error = error, .error_len = sizeof(error),
};
static struct dmu_syscalls lists[DMU_ROLES];
static const char *const role_names[DMU_ROLES] = { "main", "I/O" };

/* The system calls that comments beside functions declare; see tests/unit/rules.mk. */
static const struct {
	int number;
	const char *name;		/* and where it is declared first */
	bool main, io, state;
} declared[] = {
#include "declared.h"
};

enum way { NATIVE, INT80 };
enum outcome { KILLED, ALLOWED };

static long call_int80(long number)
{
	long result = -ENOSYS;

#ifdef __x86_64__
	__asm__ volatile("int $0x80" : "=a"(result)
			 : "a"(number), "b"(0), "c"(0), "d"(0), "S"(0), "D"(0)
			 : "memory", "r8", "r9", "r10", "r11");
#endif
	return result;
}

static void child(enum dmu_role role, enum way way, long number, const long *args)
{
	/* A call that is allowed by mistake must not block the test. */
	alarm(10);
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) || dmu_syscalls_load(&lists[role]))
		_exit(99);
	if (way == NATIVE)
		syscall(number, args[0], args[1], args[2], args[3], args[4], args[5]);
	else
		call_int80(number);
	/* Not killed: report it by write, which both roles have, and end by a call of neither. */
	if (write(REPORT, "x", 1) == 1)
		syscall(SYS_getppid);
}

/* Make call @number in a process behind the filter of @role. */
static enum outcome try(enum dmu_role role, enum way way, long number, const long *args)
{
	int fds[2], status;
	ssize_t said;
	char byte;
	pid_t pid;

	assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (!pid) {
		dup2(fds[1], REPORT);
		close(fds[0]);
		close(fds[1]);
		child(role, way, number, args);
		_exit(98);
	}
	close(fds[1]);
	said = read(fds[0], &byte, 1);
	close(fds[0]);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	if (WIFEXITED(status) && WEXITSTATUS(status) >= 98)
		fail_msg("the filter of %s was not loaded (%d)", role_names[role],
			 WEXITSTATUS(status));
	if (said == 1)
		return ALLOWED;
	return WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS ? KILLED : ALLOWED;
}

static const long none[6];

/*
 * uretprobe and uprobe, which only the kernel's own trampolines in a traced process may call. Newer
 * kernels exempt both from filters. Any other caller gets SIGILL or an error.
 */
static bool is_never_filtered(long number)
{
	return number == 335 || number == 336;
}

static int word __attribute__((aligned(4096)));
static uint64_t range[2];
#define ADDRESS	((long)&word)
#define REGION	((long)range)

/* Calls with arguments, and the roles that may make them. */
static const struct {
	int number;
	long args[6];
	bool main, io;
} argued[] = {
	{ SYS_futex, { ADDRESS, FUTEX_WAKE_PRIVATE, 1 }, true, true },
	{ SYS_futex, { ADDRESS, FUTEX_WAIT_PRIVATE, 1 }, true, true },
	{ SYS_futex, { ADDRESS, FUTEX_WAIT_BITSET_PRIVATE, 1, 0, 0, -1 }, true, true },
	{ SYS_futex, { ADDRESS, FUTEX_WAIT_BITSET_PRIVATE | FUTEX_CLOCK_REALTIME, 1, 0, 0,
		       -1 }, true, true },
	{ SYS_futex, { ADDRESS, FUTEX_WAKE, 1 }, false, false },
	{ SYS_futex, { ADDRESS, FUTEX_LOCK_PI_PRIVATE }, false, false },
	{ SYS_futex, { ADDRESS, FUTEX_CMP_REQUEUE_PI_PRIVATE }, false, false },
	{ SYS_futex, { ADDRESS, FUTEX_CMP_REQUEUE_PRIVATE }, false, false },
	{ SYS_pwrite64, { STORE, ADDRESS, 4, 0 }, false, true },
	{ SYS_pwrite64, { OTHER, ADDRESS, 4, 0 }, false, false },
	{ SYS_pwrite64, { CHANNEL, ADDRESS, 4, 0 }, false, false },
	{ SYS_fdatasync, { STORE }, false, true },
	{ SYS_fdatasync, { OTHER }, false, false },
	{ SYS_sync_file_range, { STORE, 0, 4, SYNC_FILE_RANGE_WRITE }, false, true },
	{ SYS_sync_file_range, { STORE, 0, 4, SYNC_FILE_RANGE_WAIT_AFTER }, false, false },
	{ SYS_sync_file_range, { OTHER, 0, 4, SYNC_FILE_RANGE_WRITE }, false, false },
	{ SYS_fallocate, { STORE, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, 4 },
	  false, true },
	{ SYS_fallocate, { STORE, FALLOC_FL_ZERO_RANGE | FALLOC_FL_KEEP_SIZE, 0, 4 },
	  false, true },
	{ SYS_fallocate, { STORE, 0, 0, 4 }, false, false },
	{ SYS_fallocate, { STORE, FALLOC_FL_COLLAPSE_RANGE, 0, 4 }, false, false },
	{ SYS_fallocate, { OTHER, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, 4 },
	  false, false },
	{ SYS_ioctl, { STORE, BLKDISCARD, REGION }, false, true },
	{ SYS_ioctl, { STORE, BLKSECDISCARD, REGION }, false, true },
	{ SYS_ioctl, { STORE, BLKZEROOUT, REGION }, false, false },
	{ SYS_ioctl, { STORE, BLKFLSBUF }, false, false },
	{ SYS_ioctl, { STORE, 0x2285 /* SG_IO */, REGION }, false, false },
	{ SYS_ioctl, { STORE, 0xc0484e41 /* NVME_IOCTL_ADMIN_CMD */ }, false, false },
	{ SYS_ioctl, { OTHER, BLKDISCARD, REGION }, false, false },
	{ SYS_ioctl, { CHANNEL, DM_USER_IOC_INFO }, true, false },
	{ SYS_ioctl, { CHANNEL, DM_USER_IOC_JOIN }, true, false },
	{ SYS_ioctl, { CHANNEL, DM_USER_IOC_DRAIN }, true, false },
	{ SYS_ioctl, { CHANNEL, DM_USER_IOC_SEAL }, true, false },
	{ SYS_ioctl, { CHANNEL, DM_USER_IOC_OPEN }, true, false },
	{ SYS_ioctl, { CHANNEL, DM_USER_IOC_MAP }, true, false },
	{ SYS_ioctl, { CHANNEL, DM_USER_IOC_LIST }, false, false },
	{ SYS_ioctl, { CHANNEL, DM_USER_IOC_SYNC }, true, false },
	{ SYS_ioctl, { CHANNEL, DM_USER_IOC_CLEAN }, true, false },
	{ SYS_ioctl, { CHANNEL, DM_USER_IOC_DROP }, true, false },
	{ SYS_ioctl, { CHANNEL, 0x5412 /* TIOCSTI */, REGION }, false, false },
	{ SYS_ioctl, { CHANNEL, 0xc138fd00 /* DM_VERSION */, REGION }, false, false },
	{ SYS_prctl, { PR_SET_PDEATHSIG, 0 }, true, false },
	{ SYS_prctl, { PR_SET_PDEATHSIG, SIGKILL }, false, false },
	{ SYS_prctl, { PR_SET_DUMPABLE, 0 }, false, false },
	{ SYS_dup3, { EVENT, CHANNEL2, O_CLOEXEC }, true, true },
	{ SYS_dup3, { OTHER, CHANNEL2, O_CLOEXEC }, true, false },
	{ SYS_dup3, { OTHER, PEER, O_CLOEXEC }, true, false },
	{ SYS_dup3, { EVENT, STORE, O_CLOEXEC }, false, false },
	{ SYS_dup3, { EVENT, CHANNEL2, 0 }, false, false },
	{ SYS_listen, { LISTENER, 16 }, true, false },
	{ SYS_listen, { OTHER, 16 }, false, false },
	{ SYS_accept4, { LISTENER, 0, 0, SOCK_CLOEXEC | SOCK_NONBLOCK }, true, false },
	{ SYS_accept4, { LISTENER, 0, 0, 0 }, false, false },
	{ SYS_accept4, { OTHER, 0, 0, SOCK_CLOEXEC | SOCK_NONBLOCK }, false, false },
	{ SYS_getsockopt, { OTHER, SOL_SOCKET, SO_PEERCRED }, true, false },
	{ SYS_getsockopt, { OTHER, SOL_SOCKET, SO_PEERSEC }, false, false },
	{ SYS_recvmsg, { OTHER, 0, MSG_CMSG_CLOEXEC | MSG_DONTWAIT }, true, false },
	{ SYS_recvmsg, { OTHER, 0, MSG_DONTWAIT }, false, false },
	{ SYS_sendmsg, { OTHER, 0, MSG_NOSIGNAL | MSG_DONTWAIT }, true, false },
	{ SYS_sendmsg, { OTHER, 0, MSG_OOB }, false, false },
	{ SYS_pidfd_send_signal, { PEER, SIGKILL }, true, false },
	{ SYS_pidfd_send_signal, { PEER, SIGSTOP }, false, false },
	{ SYS_pidfd_send_signal, { OTHER, SIGKILL }, false, false },
	{ SYS_waitid, { P_PIDFD, PEER, 0, WEXITED }, true, false },
	{ SYS_waitid, { P_PIDFD, OTHER, 0, WEXITED }, false, false },
	{ SYS_waitid, { P_ALL, 0, 0, WEXITED }, false, false },
	{ SYS_mmap, { 0, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1 },
	  false, false },
	{ SYS_mmap, { 0, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1 },
	  false, false },
	{ SYS_mprotect, { ADDRESS, 4096, PROT_READ | PROT_EXEC }, false, false },
};

#define ARGUED_COUNT	(sizeof(argued) / sizeof(argued[0]))

/* "NAME in FILE", or NULL. */
static const char *declared_name(long number)
{
	size_t i;

	for (i = 0; i < sizeof(declared) / sizeof(declared[0]); i++)
		if (declared[i].number == number)
			return declared[i].name;
	return NULL;
}

static bool is_declared(enum dmu_role role, long number)
{
	size_t i;

	for (i = 0; i < sizeof(declared) / sizeof(declared[0]); i++)
		if (declared[i].number == number)
			return role == DMU_ROLE_MAIN ? declared[i].main : declared[i].io;
	return false;
}

static bool has_rule(enum dmu_role role, long number)
{
	const uint64_t *calls = lists[role].calls;

	return (size_t)number < 64 * sizeof(lists[role].calls) / sizeof(calls[0]) &&
	       (calls[number / 64] >> number % 64 & 1);
}

/* Some arguments of the table above make it a call that @role may make. */
static bool has_arguments(enum dmu_role role, long number)
{
	size_t i;

	for (i = 0; i < ARGUED_COUNT; i++)
		if (argued[i].number == number &&
		    (role == DMU_ROLE_MAIN ? argued[i].main : argued[i].io))
			return true;
	return false;
}

/*
 * The filters have rules for the declared calls and no other, and allow them with arguments 0, or
 * with those of the table above.
 */
static void the_declared_calls_are_allowed(void **state)
{
	unsigned int count, with_arguments;
	enum dmu_role role;
	long number;

	for (role = 0; role < DMU_ROLES; role++) {
		for (number = count = with_arguments = 0; number < CALLS_MAX; number++) {
			bool allowed;

			if (is_never_filtered(number))
				continue;
			if (has_rule(role, number) != is_declared(role, number))
				fail_msg("system call %ld (%s) in role %s: %s a rule", number,
					 declared_name(number), role_names[role],
					 has_rule(role, number) ? "has" : "lacks");
			allowed = try(role, NATIVE, number, none) == ALLOWED;
			if (allowed && !is_declared(role, number))
				fail_msg("system call %ld in role %s: allowed, but not declared",
					 number, role_names[role]);
			if (!allowed && is_declared(role, number)) {
				if (!has_arguments(role, number))
					fail_msg("system call %ld (%s) in role %s: declared, but "
						 "kills (certain arguments? see argued[])", number,
						 declared_name(number), role_names[role]);
				with_arguments++;
			}
			if (!is_declared(role, number) && has_arguments(role, number))
				fail_msg("system call %ld in role %s: in the table, not declared",
					 number, role_names[role]);
			count += is_declared(role, number);
		}
		print_message("# %s threads: %u system calls (%u of them with certain arguments "
			      "only), %u rules, %u instructions; %u other numbers kill\n",
			      role_names[role], count, with_arguments, lists[role].rules,
			      lists[role].program.len, CALLS_MAX - count - 2);
	}
}

/* Numbers beyond the last system call, negative numbers and the greatest number. */
static void other_numbers_kill(void **state)
{
	static const long numbers[] = { -1, -2, CALLS_MAX, 1000, 0x3fffffff, INT32_MAX, INT32_MIN,
					1L << 32 | 0x40000000 };
	enum dmu_role role;
	size_t i;

	for (role = 0; role < DMU_ROLES; role++)
		for (i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
			if (try(role, NATIVE, numbers[i], none) != KILLED)
				fail_msg("system call %#lx in role %s", numbers[i],
					 role_names[role]);
}

#ifdef __x86_64__
static void calls_of_x32_kill(void **state)
{
	enum dmu_role role;
	long number;

	for (role = 0; role < DMU_ROLES; role++)
		for (number = 0; number < CALLS_MAX; number++)
			if (try(role, NATIVE, X32 | number, none) != KILLED)
				fail_msg("x32 system call %ld in role %s", number,
					 role_names[role]);
}

/* True if the kernel has int $0x80, where getpid is 20. A kernel without it kills the caller. */
static bool has_int80(void)
{
	pid_t pid = fork();
	int status;

	if (!pid)
		_exit(call_int80(20) == getpid() ? 0 : 1);
	waitpid(pid, &status, 0);
	return WIFEXITED(status) && !WEXITSTATUS(status);
}

static void calls_of_i386_kill(void **state)
{
	enum dmu_role role;
	long number;

	if (!has_int80()) {
		print_message("# this kernel has no int $0x80\n");
		skip();
	}
	for (role = 0; role < DMU_ROLES; role++)
		for (number = 0; number < CALLS_MAX; number++)
			if (try(role, INT80, number, none) != KILLED)
				fail_msg("i386 system call %ld in role %s", number,
					 role_names[role]);
}
#endif

static void arguments_count(void **state)
{
	enum dmu_role role;
	size_t i;

	for (i = 0; i < ARGUED_COUNT; i++) {
		for (role = 0; role < DMU_ROLES; role++) {
			bool may = role == DMU_ROLE_MAIN ? argued[i].main : argued[i].io;

			if (try(role, NATIVE, argued[i].number, argued[i].args) !=
			    (may ? ALLOWED : KILLED))
				fail_msg("row %zu, system call %d (%#lx, %#lx, ...) in role %s", i,
					 argued[i].number, argued[i].args[0], argued[i].args[1],
					 role_names[role]);
		}
	}
}

static void without_a_store_none_is_written(void **state)
{
	struct dmu_confinement other = confinement;
	struct dmu_syscalls kept = lists[DMU_ROLE_IO];
	const long args[6] = { STORE };

	other.backend_fd_count = 0;
	walls.confinement = &other;
	assert_int_equal(dmu_syscalls_build(&walls, DMU_ROLE_IO, &lists[DMU_ROLE_IO]), 0);
	walls.confinement = &confinement;
	assert_int_equal(try(DMU_ROLE_IO, NATIVE, SYS_fdatasync, args), KILLED);
	lists[DMU_ROLE_IO] = kept;
	assert_int_equal(try(DMU_ROLE_IO, NATIVE, SYS_fdatasync, args), ALLOWED);
}

/* The first call of the backend "file" is pwrite64, the second one fdatasync. */
static void the_count_ends_the_calls_of_a_backend(void **state)
{
	const struct dmu_syscall wild = { .number = -1 };
	struct dmu_confinement other = confinement;
	struct dmu_syscalls kept = lists[DMU_ROLE_IO];
	const long args[6] = { STORE };

	other.backend_syscall_count = 1;
	walls.confinement = &other;
	assert_int_equal(dmu_syscalls_build(&walls, DMU_ROLE_IO, &lists[DMU_ROLE_IO]), 0);
	assert_int_equal(try(DMU_ROLE_IO, NATIVE, SYS_pwrite64, args), ALLOWED);
	assert_int_equal(try(DMU_ROLE_IO, NATIVE, SYS_fdatasync, args), KILLED);
	other.backend_syscalls = &wild;
	assert_int_not_equal(dmu_syscalls_build(&walls, DMU_ROLE_IO, &lists[DMU_ROLE_IO]), 0);
	assert_string_equal(error, "cannot allow system call -1: Invalid argument");
	walls.confinement = &confinement;
	lists[DMU_ROLE_IO] = kept;
}

/* The kernel maps the store, which is closed: an I/O thread may say that it holds nothing. */
static void a_mapped_store_is_no_descriptor(void **state)
{
	struct dmu_confinement other = confinement;
	struct dmu_syscalls kept = lists[DMU_ROLE_IO];
	const struct {
		int number;
		long args[6];
		enum outcome outcome;
	} rows[] = {
		{ SYS_ioctl, { CHANNEL2, DM_USER_IOC_CLEAN }, ALLOWED },
		{ SYS_ioctl, { STORE, DM_USER_IOC_CLEAN }, KILLED },
		{ SYS_ioctl, { CHANNEL2, DM_USER_IOC_MAP }, KILLED },
		{ SYS_ioctl, { CHANNEL2, DM_USER_IOC_DROP }, KILLED },
		{ SYS_ioctl, { STORE, BLKDISCARD }, KILLED },
		{ SYS_pwrite64, { STORE }, KILLED },
		{ SYS_fdatasync, { STORE }, KILLED },
		{ SYS_fallocate, { STORE, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE }, KILLED },
	};
	size_t i;

	other.backend_fd_count = 0;
	other.remaps = true;
	walls.confinement = &other;
	assert_int_equal(dmu_syscalls_build(&walls, DMU_ROLE_IO, &lists[DMU_ROLE_IO]), 0);
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if (try(DMU_ROLE_IO, NATIVE, rows[i].number, rows[i].args) != rows[i].outcome)
			fail_msg("row %zu, system call %d", i, rows[i].number);
	walls.confinement = &confinement;
	lists[DMU_ROLE_IO] = kept;
}

/* With a room for a backend's state, the main thread may also make calls on the room, no others. */
static void with_state_there_is_a_room(void **state)
{
	void *map = mmap(NULL, ROOM_SIZE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	const long address = (long)map, byte = (long)"x";
	struct dmu_syscalls kept[DMU_ROLES];
	const struct {
		int number;
		long args[6];
		bool may;
	} rows[] = {
		{ SYS_pwrite64, { ROOM, byte, 1, 0 }, true },
		{ SYS_pwrite64, { STORE, byte, 1, 0 }, false },
		{ SYS_pwrite64, { OTHER, byte, 1, 0 }, false },
		{ SYS_fcntl, { ROOM, F_ADD_SEALS, F_SEAL_WRITE }, true },
		{ SYS_fcntl, { ROOM, F_GET_SEALS }, true },
		{ SYS_fcntl, { ROOM, F_DUPFD }, false },
		{ SYS_fcntl, { ROOM, F_SETFL }, false },
		{ SYS_fcntl, { STORE, F_ADD_SEALS, F_SEAL_WRITE }, false },
		{ SYS_dup3, { OTHER, ROOM, O_CLOEXEC }, true },
		{ SYS_dup3, { OTHER, STORE, O_CLOEXEC }, false },
		{ SYS_munmap, { address, ROOM_SIZE }, true },
		{ SYS_munmap, { address, ROOM_SIZE / 2 }, false },
		{ SYS_munmap, { address + ROOM_SIZE / 2, ROOM_SIZE / 2 }, false },
		{ SYS_ftruncate, { ROOM, 0 }, false },
		{ SYS_fallocate, { ROOM, 0, 0, 4 }, false },
		{ SYS_memfd_create, { byte, 0 }, false },
	};
	enum dmu_role role;
	size_t i, j;

	for (i = 0; i < sizeof(declared) / sizeof(declared[0]); i++) {
		for (j = 0; j < sizeof(rows) / sizeof(rows[0]); j++)
			if (rows[j].may && rows[j].number == declared[i].number)
				break;
		assert_int_equal(declared[i].state, j < sizeof(rows) / sizeof(rows[0]));
	}
	memcpy(kept, lists, sizeof(kept));
	confinement.room_fd = ROOM;
	confinement.room_map = map;
	confinement.room_size = ROOM_SIZE;
	for (role = 0; role < DMU_ROLES; role++)
		assert_int_equal(dmu_syscalls_build(&walls, role, &lists[role]), 0);
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		if (try(DMU_ROLE_MAIN, NATIVE, rows[i].number, rows[i].args) !=
		    (rows[i].may ? ALLOWED : KILLED))
			fail_msg("row %zu, system call %d with a room", i, rows[i].number);
		if (rows[i].may)
			assert_int_equal(try(DMU_ROLE_IO, NATIVE, rows[i].number, rows[i].args),
					 KILLED);
	}
	/* Without a mapping of the room, munmap kills. */
	confinement.room_map = NULL;
	assert_int_equal(dmu_syscalls_build(&walls, DMU_ROLE_MAIN, &lists[DMU_ROLE_MAIN]), 0);
	assert_int_equal(try(DMU_ROLE_MAIN, NATIVE, SYS_munmap, none), KILLED);
	confinement.room_fd = -1;
	memcpy(lists, kept, sizeof(kept));
	munmap(map, ROOM_SIZE);
}

/* docs/security.md as one line. */
static const char *page(void)
{
	static char text[1 << 16];
	FILE *file = fopen("docs/security.md", "re");
	size_t n, i;

	assert_non_null(file);
	n = fread(text, 1, sizeof(text) - 1, file);
	fclose(file);
	assert_true(n > 0 && n < sizeof(text) - 1);
	for (i = 0; i < n; i++)
		if (text[i] == '\n')
			text[i] = ' ';
	text[n] = '\0';
	return text;
}

__attribute__((format(printf, 1, 2)))
static void page_says(const char *format, ...)
{
	char words[512];
	va_list args;

	va_start(args, format);
	vsnprintf(words, sizeof(words), format, args);
	va_end(args);
	if (!strstr(page(), words))
		fail_msg("docs/security.md does not say '%s'", words);
}

static unsigned int rules(enum dmu_role role, int stores, int channels)
{
	static const int many[] = { 100, 101, 102, 103 };
	struct dmu_confinement other = confinement;
	struct dmu_walls around = { .confinement = &other,
				    .error = error,
				    .error_len = sizeof(error) };
	struct dmu_syscalls list = { .rules = 0 };

	other.backend_fds = other.channels = many;
	other.backend_fd_count = stores;
	other.channel_count = channels;
	assert_int_equal(dmu_syscalls_build(&around, role, &list), 0);
	return list.rules;
}

/* The numbers in docs/security.md are those of the lists. */
static void the_page_counts_right(void **state)
{
	unsigned int calls = 0, i;
	unsigned int main = rules(DMU_ROLE_MAIN, 0, 0), io = rules(DMU_ROLE_IO, 0, 0);
	unsigned int store = rules(DMU_ROLE_IO, 1, 0) - io;

	for (i = 0; i < sizeof(declared) / sizeof(declared[0]); i++)
		calls += declared[i].main || declared[i].io;
	assert_int_equal(rules(DMU_ROLE_MAIN, 2, 3), main + 3);
	assert_int_equal(rules(DMU_ROLE_IO, 2, 3), io + 2 * store + 3);
	page_says("all but %u calls", calls);
	page_says("mistakes of the kernel in those %u |", calls);
	page_says("behind %u calls", calls);
	page_says("there are %u + *c* rules for the main thread and %u + %u*b* + *c* for I/O "
		  "threads (%u and %u by default)", main, io, store, main + 4, io + store + 4);
}

static int setup(void **state)
{
	const struct rlimit no_core = { 0, 0 };
	enum dmu_role role;
	int null = open("/dev/null", O_RDWR), fd;

	confinement.backend_syscalls = dmu_backend_file.syscalls;
	confinement.backend_syscall_count = dmu_backend_file.syscall_count;
	/* The store is a memfd, all other descriptors are /dev/null: no call blocks or harms. */
	dup2(null, STDIN_FILENO);
	for (fd = STORE; fd <= REPORT; fd++)
		dup2(null, fd);
	fd = memfd_create("store", 0);
	dup2(fd, STORE);
	close(fd);
	setrlimit(RLIMIT_CORE, &no_core);
	for (role = 0; role < DMU_ROLES; role++)
		if (dmu_syscalls_build(&walls, role, &lists[role])) {
			print_message("# %s\n", error);
			return -1;
		}
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_declared_calls_are_allowed),
		cmocka_unit_test(other_numbers_kill),
#ifdef __x86_64__
		cmocka_unit_test(calls_of_x32_kill),
		cmocka_unit_test(calls_of_i386_kill),
#endif
		cmocka_unit_test(arguments_count),
		cmocka_unit_test(without_a_store_none_is_written),
		cmocka_unit_test(the_count_ends_the_calls_of_a_backend),
		cmocka_unit_test(a_mapped_store_is_no_descriptor),
		cmocka_unit_test(with_state_there_is_a_room),
		cmocka_unit_test(the_page_counts_right),
	};

	return cmocka_run_group_tests(tests, setup, NULL);
}
