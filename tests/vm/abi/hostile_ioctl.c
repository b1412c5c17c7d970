// SPDX-License-Identifier: GPL-2.0-or-later
/* ioctls with wrong arguments, and calls that a channel does not support. */
#include <errno.h>
#include <fcntl.h>
#include <linux/falloc.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "hostile.h"

static int call(int fd, unsigned int command, void *arg)
{
	int ret = ioctl(fd, command, arg);

	return ret < 0 ? -errno : ret;
}

static bool is_known(unsigned int command)
{
	return command == DM_USER_IOC_INFO || command == DM_USER_IOC_JOIN ||
		command == DM_USER_IOC_DRAIN || command == DM_USER_IOC_SEAL ||
		command == DM_USER_IOC_OPEN;
}

/* Check that nothing was joined, drained, opened or sealed since @fd, the only channel, opened. */
static void is_as_new(int fd)
{
	struct dm_user_info info;

	IS(ch_info(fd, &info), 0, "info");
	IS(info.newest_generation, 0, "no generation was created");
	IS(info.channel_state, DM_USER_SERVING, "the generation does not drain");
	IS(info.channels, 1, "no other channel was opened");
	IS(info.state, 0, "the node is not sealed");
}

static void ioctl_commands(void)
{
	uint8_t *arg = abi_buffer(16384), *before = abi_buffer(16384);
	unsigned int wrong = 0, sizes = rounds(200);
	struct target t;
	int fd;

	target_create(&t, NULL);
	fd = ch_need(&t);
	memset(arg, 0, 16384);
	memset(before, 0, 16384);
	/* The numbers of our ioctls, with every wrong direction and size. */
	for (unsigned int nr = 0x40; nr <= 0x44; nr++)
		for (unsigned int dir = 0; dir < 4; dir++)
			for (unsigned int size = 0; size < sizes; size++) {
				unsigned int command = _IOC(dir, DM_USER_IOC_MAGIC, nr, size);

				if (!is_known(command) && call(fd, command, arg) != -ENOTTY)
					wrong++;
			}
	IS(wrong, 0, "commands of another size or direction that were not refused");
	/* Every number, with the sizes of our ioctls. */
	for (unsigned int nr = 0; nr < 256; nr++)
		for (unsigned int dir = 0; dir < 4; dir++)
			for (unsigned int size = 0; size <= 136; size += 8) {
				unsigned int command = _IOC(dir, DM_USER_IOC_MAGIC, nr, size);

				if (!is_known(command) && call(fd, command, arg) != -ENOTTY)
					wrong++;
			}
	IS(wrong, 0, "unknown numbers that were not refused");
	/* Every other ioctl type, with our numbers. */
	for (unsigned int magic = 0; magic < 256; magic++)
		for (unsigned int nr = 0x40; nr <= 0x44 && magic != DM_USER_IOC_MAGIC; nr++)
			if (call(fd, _IOC(_IOC_READ | _IOC_WRITE, magic, nr, 16), arg) != -ENOTTY)
				wrong++;
	IS(wrong, 0, "commands of other types that were not refused");
	OK(!memcmp(arg, before, 16384), "nothing was written to the argument");
	is_as_new(fd);
	close(fd);
	target_remove(&t);
	free(arg);
	free(before);
}

static void ioctl_fields(void)
{
	struct dm_user_join join;
	struct dm_user_drain drain;
	struct dm_user_open open_arg;
	struct target t;
	int fd;

	target_create(&t, NULL);
	fd = ch_need(&t);
	for (int bit = 0; bit < 32; bit++) {
		join = (struct dm_user_join){ .generation = 1, .flags = DM_USER_JOIN_CREATE,
					      .reserved = 1U << bit };
		IS(call(fd, DM_USER_IOC_JOIN, &join), -EINVAL, "join, reserved bit %d", bit);
		drain = (struct dm_user_drain){ .reserved = 1U << bit };
		IS(call(fd, DM_USER_IOC_DRAIN, &drain), -EINVAL, "drain, reserved bit %d", bit);
		open_arg = (struct dm_user_open){ .reserved = 1U << bit };
		IS(call(fd, DM_USER_IOC_OPEN, &open_arg), -EINVAL, "open, reserved bit %d", bit);
		open_arg = (struct dm_user_open){ .flags = 1U << bit };
		IS(call(fd, DM_USER_IOC_OPEN, &open_arg), -EINVAL, "open, flag bit %d", bit);
		if (!bit)
			continue;
		join = (struct dm_user_join){ .generation = 1,
					      .flags = DM_USER_JOIN_CREATE | 1U << bit };
		IS(call(fd, DM_USER_IOC_JOIN, &join), -EINVAL, "join, flag bit %d", bit);
		drain = (struct dm_user_drain){ .flags = 1U << bit };
		IS(call(fd, DM_USER_IOC_DRAIN, &drain), -EINVAL, "drain, flag bit %d", bit);
		drain.flags |= DM_USER_DRAIN_UNDO;
		IS(call(fd, DM_USER_IOC_DRAIN, &drain), -EINVAL, "undo, flag bit %d", bit);
	}
	is_as_new(fd);
	/* The kernel ignores the caller's values in output fields. */
	drain = (struct dm_user_drain){ .flags = DM_USER_DRAIN_UNDO, .state = ~0U, .held = ~0U };
	IS(call(fd, DM_USER_IOC_DRAIN, &drain), 0, "undo without a drain");
	IS(drain.state, DM_USER_SERVING, "state");
	IS(drain.held, 0, "held");
	close(fd);
	target_remove(&t);
}

static void ioctl_generations(void)
{
	static const uint64_t far[] = { 2, 3, 255, 1ULL << 31, 1ULL << 32, (1ULL << 32) + 1,
					1ULL << 63, ~0ULL };
	struct dm_user_info info;
	struct target t;
	int fd, next, last = -1;

	target_create(&t, NULL);
	fd = ch_need(&t);
	for (size_t i = 0; i < sizeof(far) / sizeof(*far); i++) {
		IS(ch_join(fd, far[i], DM_USER_JOIN_CREATE), -ERANGE,
		   "create %#llx", (unsigned long long)far[i]);
		IS(ch_join(fd, far[i], 0), -ERANGE, "join %#llx", (unsigned long long)far[i]);
	}
	for (uint32_t create = 0; create < 2; create++)
		IS(ch_join(fd, 0, create), -EINVAL, "generation 0");
	is_as_new(fd);
	/* One generation after the other, each with one channel; no old one can be joined. */
	for (unsigned int n = 1; n <= rounds(30); n++) {
		next = ch_need(&t);
		IS(ch_join(next, n, DM_USER_JOIN_CREATE), 0, "create %u", n);
		IS(ch_join(fd, n, DM_USER_JOIN_CREATE), -EEXIST,
		   "create the same generation again");
		IS(ch_join(fd, n + 2, DM_USER_JOIN_CREATE), -ERANGE, "create with a gap");
		if (n > 1)
			IS(ch_join(fd, n - 1, n & 1), -ESTALE,
			   "join or create the generation before");
		IS(ch_drain(next, 0, NULL), 0, "drain the generation");
		IS(ch_join(fd, n, 0), -ESHUTDOWN, "join a drained generation");
		if (last >= 0)
			close(last);
		last = next;
	}
	close(last);
	IS(ch_info(fd, &info), 0, "info");
	IS(info.newest_generation, rounds(30), "newest generation");
	IS(info.channels, 1, "channels");
	IS(ch_join(fd, info.newest_generation, 0), -ENOENT,
	   "join the newest generation, which has no channel");
	IS(ch_join(fd, info.newest_generation + 1, DM_USER_JOIN_CREATE), 0,
	   "create the next generation");
	IS(ch_join(fd, info.newest_generation + 2, DM_USER_JOIN_CREATE), -EBUSY,
	   "create again on the same channel");
	close(fd);
	target_remove(&t);
}

/* An ioctl by the system call entry of 32-bit programs, where there is one. */
#ifdef __x86_64__
static int call_compat(int fd, unsigned int command, void *arg)
{
	long ret;

	__asm__ volatile("int $0x80" : "=a"(ret)
			 : "0"(54L), "b"((long)fd), "c"((long)command), "d"(arg)
			 : "memory", "r8", "r9", "r10", "r11");
	return ret;
}

static void ioctl_compat(void)
{
	struct dm_user_info info, *low;
	struct target t;
	int fd, status, made;
	pid_t pid;

	pid = fork();
	if (pid == 0) {
		long me;

		__asm__ volatile("int $0x80" : "=a"(me) : "0"(20L)
				 : "memory", "r8", "r9", "r10", "r11");
		_exit(me == getpid() ? 0 : 1);
	}
	waitpid(pid, &status, 0);
	if (status) {
		puts("# this kernel has no 32-bit system calls");
		return;
	}
	low = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT,
		   -1, 0);
	NEED(low != MAP_FAILED, "map memory below 4 GiB");
	target_create(&t, NULL);
	fd = ch_need(&t);
	IS(ch_info(fd, &info), 0, "info");
	IS(call_compat(fd, DM_USER_IOC_INFO, low), 0, "info, 32 bits");
	OK(!memcmp(low, &info, sizeof(info)), "both calls of info give the same");
	memset(low, 0, 4096);
	IS(call_compat(fd, DM_USER_IOC_JOIN, low), -EINVAL, "join 0");
	IS(call_compat(fd, DM_USER_IOC_JOIN, (void *)8), -EFAULT, "join from a bad pointer");
	made = call_compat(fd, DM_USER_IOC_OPEN, low);
	NEED(made >= 0, "open: %d", made);
	close(made);
	IS(call_compat(fd, DM_USER_IOC_SEAL ^ 0x80, low), -ENOTTY, "an unknown command");
	IS(call_compat(fd, DM_USER_IOC_DRAIN, low), 0, "drain");
	IS(((struct dm_user_drain *)low)->state, DM_USER_DRAINED, "state of the drain");
	close(fd);
	target_remove(&t);
}
#else
static void ioctl_compat(void)
{
	puts("# this kernel has no 32-bit system calls");
}
#endif

/* ---- calls for files, pipes and memory ---- */

#define REFUSED(call, want)	IS((call) < 0 ? -errno : 0, want, #call)

static void calls_of_files(int fd, uint8_t *buf)
{
	struct iovec iov = { buf, 40 };

	REFUSED(lseek(fd, 0, SEEK_SET), -ESPIPE);
	REFUSED(lseek(fd, 1, SEEK_DATA), -ESPIPE);
	REFUSED(ftruncate(fd, 0), -EINVAL);
	REFUSED(ftruncate(fd, 1 << 20), -EINVAL);
	REFUSED(fallocate(fd, 0, 0, 4096), -ENODEV);
	REFUSED(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, 4096), -ENODEV);
	REFUSED(fsync(fd), -EINVAL);
	REFUSED(fdatasync(fd), -EINVAL);
	REFUSED(syscall(SYS_getdents64, fd, buf, 4096), -ENOTDIR);
	REFUSED(syscall(SYS_readahead, fd, 0L, 4096UL), -EINVAL);
	REFUSED(pread(fd, buf, 40, 0), -ESPIPE);
	REFUSED(pwrite(fd, buf, 40, 1LL << 40), -ESPIPE);
	REFUSED(preadv2(fd, &iov, 1, 0, 0), -ESPIPE);
	REFUSED(preadv2(fd, &iov, 1, -2, 0), -EINVAL);
	REFUSED(preadv2(fd, &iov, 1, -1, 0x8000), -EOPNOTSUPP);
	REFUSED(fcntl(fd, F_SETPIPE_SZ, 4096), -EBADF);
	for (int prot = PROT_READ; prot <= (PROT_READ | PROT_WRITE | PROT_EXEC); prot++)
		for (int flags = MAP_SHARED; flags <= MAP_PRIVATE; flags++)
			OK(mmap(NULL, 4096, prot, flags, fd, 0) == MAP_FAILED,
			   "mmap %d %d", prot, flags);
}

static void calls_of_pipes(int fd, uint8_t *buf)
{
	int pipes[2], memfd = memfd_create("file", MFD_CLOEXEC), null = open("/dev/null",
									     O_RDWR | O_CLOEXEC);
	loff_t at = 0;

	NEED(!pipe(pipes) && memfd >= 0 && write(memfd, buf, 4096) == 4096 && null >= 0,
	     "create a pipe and a file");
	NEED(write(pipes[1], buf, 100) == 100, "fill the pipe");
	for (unsigned int flags = 0; flags < 8; flags++) {
		REFUSED(splice(fd, NULL, pipes[1], NULL, 40, flags), -EINVAL);
		REFUSED(splice(pipes[0], NULL, fd, NULL, 40, flags), -EINVAL);
	}
	OK(splice(fd, &at, pipes[1], NULL, 40, 0) < 0, "splice with an offset");
	REFUSED(splice(fd, NULL, null, NULL, 40, 0), -EINVAL);
	REFUSED(tee(fd, pipes[1], 40, 0), -EINVAL);
	REFUSED(sendfile(fd, memfd, &at, 40), -EINVAL);
	REFUSED(sendfile(memfd, fd, NULL, 40), -EINVAL);
	REFUSED(vmsplice(fd, &(struct iovec){ buf, 40 }, 1, 0), -EBADF);
	OK(copy_file_range(fd, NULL, memfd, NULL, 40, 0) < 0, "copy_file_range from the channel");
	OK(copy_file_range(memfd, NULL, fd, NULL, 40, 0) < 0, "copy_file_range to the channel");
	close(pipes[0]);
	close(pipes[1]);
	close(memfd);
	close(null);
}

/* All these calls on channels of open(2) and of OPEN, while a request waits that none may take. */
static void ioctl_other_calls(void)
{
	uint8_t *buf = abi_buffer(4096);
	struct dm_user_message m;
	struct target t;
	struct io *io;
	int fd, made;

	target_create(&t, NULL);
	fd = ch_need(&t);
	made = ch_new(fd);
	NEED(made >= 0, "a channel from a channel");
	io = io_start(&t, IO_READ, 0, 4096, 0);
	OK(UNTIL(dm_word(t.name, "queued:") == 1), "a request waits");
	for (int i = 0; i < 2; i++) {
		calls_of_files(i ? made : fd, buf);
		calls_of_pipes(i ? made : fd, buf);
	}
	IS(dm_word(t.name, "queued:"), 1, "none of the calls took the request");
	IS(dm_word(t.name, "refused:"), 0, "none of the calls was an answer");
	ch_take_type(made, &m, DM_USER_REQ_MAP_READ, NULL);
	IS(ch_answer(made, &m, DM_USER_RESP_ERROR, NULL, 0), 0, "an answer");
	IS(io_end(io), -EIO, "read");
	close(fd);
	close(made);
	target_remove(&t);
	free(buf);
}

/* A channel that cannot write would keep requests; one that cannot read would count as a daemon. */
static void ioctl_modes(void)
{
	char node[64];
	struct target t;

	target_create(&t, "nodaemon:fail:100");
	snprintf(node, sizeof(node), "/dev/dm-user/%s", t.ctl);
	IS(open(node, O_RDONLY | O_CLOEXEC) < 0 ? -errno : 0, -EINVAL, "open the node read-only");
	IS(open(node, O_WRONLY | O_CLOEXEC) < 0 ? -errno : 0, -EINVAL, "open the node write-only");
	IS(dm_word(t.name, "channels:"), 0, "no channel is open");
	IS(io_do(&t, IO_FSYNC, 0, 0, 0), -EIO, "the policy for a device without a daemon applies");
	target_remove(&t);
}

const struct abi_test abi_hostile_ioctl[] = {
	{ "commands", ioctl_commands, "P10: every unknown number, direction and size gets ENOTTY" },
	{ "fields", ioctl_fields,
	  "P10: every bit without a meaning gets EINVAL and changes nothing" },
	{ "generations", ioctl_generations,
	  "P10: absurd generations are refused, each with its own errno" },
	{ "compat", ioctl_compat, "the ioctls are the same for 32-bit programs" },
	{ "other_calls", ioctl_other_calls,
	  "P10: a channel refuses calls that it does not support, and loses nothing" },
	{ "modes", ioctl_modes, "P10: a channel cannot be opened read-only or write-only" },
	{ NULL, NULL, NULL }
};
