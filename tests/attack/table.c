// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Every attempt and its required outcome: with SELinux off, with SELinux alone, with both. attack.h
 * defines the words.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <linux/dm-ioctl.h>
#include <linux/dm-user.h>
#include <linux/fs.h>
#include <linux/futex.h>
#include <linux/keyctl.h>
#include <linux/nvme_ioctl.h>
#include <linux/reboot.h>
#include <linux/sched.h>
#include <linux/seccomp.h>
#include <linux/securebits.h>
#include <linux/time_types.h>
#include <linux/vm_sockets.h>
#include <sched.h>
#include <scsi/sg.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/un.h>
#include <time.h>

#include "tests/attack/attack.h"

#define ARRAY_SIZE(array)	(sizeof(array) / sizeof((array)[0]))
#define S(text)			((long)(text))
#define X32			0x40000000L
#define DOES(call, ...)		.nr = SYS_##call, .args = { __VA_ARGS__ }
#define TRIES(function, call)	.nr = SYS_##call, .try = attack_##function

#define STORE			VALUE(ATTACK_STORE)
#define CHANNEL			VALUE(ATTACK_CHANNEL)
#define LISTENER		VALUE(ATTACK_LISTENER)
#define KMSG			VALUE(ATTACK_KMSG)
#define SELF_PIDFD		VALUE(ATTACK_SELF_PIDFD)
#define PEER_PIDFD		VALUE(ATTACK_PEER_PIDFD)
#define SELF			VALUE(ATTACK_SELF)
#define VICTIM			VALUE(ATTACK_VICTIM)
#define FIRST			VALUE(ATTACK_FIRST)
#define SIZE			VALUE(ATTACK_SIZE)
#define BUFFER			VALUE(ATTACK_BUFFER)
#define EVENT			VALUE(ATTACK_EVENT)

#define MARK(what)		S("/" ATTACK_NAME "-" what)

static char *const argv[] = { "sh", "-c", "echo >" ATTACK_DIR "/executed", NULL };
static char *const envp[] = { NULL };
static const struct sockaddr_un abstract = { .sun_family = AF_UNIX,
					     .sun_path = "\0" ATTACK_NAME };
static const struct __kernel_timespec new_year = { .tv_sec = 946684800 };
static const struct __kernel_timespec old_timeval = { .tv_sec = 946684800 };
static const unsigned long one_cpu = 1;
static const int fifo_priority = 99;
static const uint64_t no_signal = ~0UL;
static const struct rlimit no_limit = { RLIM_INFINITY, RLIM_INFINITY };
static const struct { uint64_t flags, mode, resolve; } how = { O_RDWR, 0, 0 };
static struct clone_args new_process = { .exit_signal = SIGCHLD };
static const struct { uint32_t version; int pid; } cap_header = { 0x20080522, 0 };
static const struct { uint32_t effective, permitted, inheritable; } all_caps[2] = {
	{ ~0U, ~0U, ~0U }, { ~0U, ~0U, ~0U },
};
static union bpf_attr bpf_map = { .map_type = BPF_MAP_TYPE_ARRAY, .key_size = 4, .value_size = 4,
				  .max_entries = 1 };
/* type PERF_TYPE_HARDWARE, size, config PERF_COUNT_HW_CPU_CYCLES */
static const uint32_t perf_attr[32] = { 0, sizeof(perf_attr) };
static uint32_t io_uring_params[30];
static struct iovec local = { &io_uring_params, 8 }, remote = { (void *)0x400000, 8 };
static struct dm_ioctl dm = { .version = { 4, 0, 0 }, .data_size = sizeof(dm), .name = "other" };
static unsigned char inquiry[6] = { 0x12, 0, 0, 0, 36, 0 };
static struct sg_io_hdr scsi = { .interface_id = 'S', .dxfer_direction = SG_DXFER_NONE,
				 .cmd_len = 6, .cmdp = inquiry, .timeout = 1000 };
static struct nvme_passthru_cmd nvme = { .opcode = 0x02, .nsid = 1 };
static const int one = 1;
static const siginfo_t queued = { .si_signo = SIGSTOP, .si_code = SI_QUEUE };
static const char line[] = "<1>" ATTACK_NAME "\n";

/* An attempt that the filter kills; @selinux is the outcome with SELinux alone. */
#define KILL(selinux)		{ KILLED, selinux, KILLED }
#define ALL(what)		{ what, what, what }

const struct attack_attempt attack_table[] = {
	/* ---- files ---- */
	{ "open /etc/shadow", KILL(DENIED), DOES(openat, AT_FDCWD, S("/etc/shadow"), O_RDONLY) },
	{ "open /etc/shadow, the old call", KILL(DENIED), DOES(open, S("/etc/shadow"), O_RDONLY) },
	{ "open /etc/shadow, the new call", KILL(DENIED),
	  DOES(openat2, AT_FDCWD, S("/etc/shadow"), S(&how), sizeof(how)) },
	{ "open /dev/mem", KILL(DENIED), DOES(openat, AT_FDCWD, S("/dev/mem"), O_RDWR) },
	{ "open /dev/kmsg", KILL(DENIED), DOES(openat, AT_FDCWD, S("/dev/kmsg"), O_RDWR) },
	{ "open /proc/sysrq-trigger", KILL(DENIED),
	  DOES(openat, AT_FDCWD, S("/proc/sysrq-trigger"), O_WRONLY) },
	{ "open /proc/sys/kernel/core_pattern", KILL(DENIED),
	  DOES(openat, AT_FDCWD, S("/proc/sys/kernel/core_pattern"), O_RDWR) },
	{ "open the disk that the store is part of", KILL(DENIED),
	  DOES(openat, AT_FDCWD, S("/dev/vda"), O_RDWR) },
	{ "open the control node again", KILL(DENIED),
	  DOES(openat, AT_FDCWD, S("/dev/dm-user/t"), O_RDWR) },
	{ "open another device's control node", KILL(DENIED),
	  DOES(openat, AT_FDCWD, S("/dev/dm-user/other"), O_RDWR) },
	{ "open the other device", KILL(DENIED),
	  DOES(openat, AT_FDCWD, S("/dev/mapper/other"), O_RDWR) },
	{ "open /dev/mapper/control", KILL(DENIED),
	  DOES(openat, AT_FDCWD, S("/dev/mapper/control"), O_RDWR) },
	{ "list its root directory", KILL(DENIED),
	  DOES(openat, AT_FDCWD, S("/"), O_RDONLY | O_DIRECTORY) },
	{ "make a file", KILL(DENIED),
	  DOES(openat, AT_FDCWD, MARK("file"), O_WRONLY | O_CREAT, 0600) },
	{ "make a file, the old call", KILL(DENIED), DOES(creat, MARK("old"), 0600) },
	{ "make a directory", KILL(DENIED), DOES(mkdirat, AT_FDCWD, MARK("directory"), 0700) },
	{ "make a node of the disk", KILL(DENIED),
	  DOES(mknodat, AT_FDCWD, MARK("node"), S_IFBLK | 0600, 254 << 8) },
	{ "make a symbolic link", KILL(DENIED),
	  DOES(symlinkat, S("/etc"), AT_FDCWD, MARK("link")) },
	{ "link /etc/shadow to another name", KILL(DENIED),
	  DOES(linkat, AT_FDCWD, S("/etc/shadow"), AT_FDCWD, MARK("hard"), 0) },
	{ "unlink the handover socket", KILL(DENIED),
	  DOES(unlinkat, AT_FDCWD, S("/run/dm-user/t/handover.sock"), 0) },
	{ "rename a file", KILL(DENIED),
	  DOES(renameat2, AT_FDCWD, S(ATTACK_DIR "/canary"), AT_FDCWD, S(ATTACK_DIR "/renamed"),
	       0) },
	{ "make /etc/shadow world-writable", KILL(DENIED),
	  DOES(fchmodat, AT_FDCWD, S("/etc/shadow"), 0666) },
	{ "look at /etc/shadow", KILL(DENIED),
	  DOES(newfstatat, AT_FDCWD, S("/etc/shadow"), BUFFER, 0) },
	/* A handle of 8 bytes, type 1: since 6.14 the kernel checks it before the capability. */
	{ "open by handle", KILL(DENIED),
	  DOES(open_by_handle_at, AT_FDCWD, S("\b\0\0\0\1\0\0\0\0\0\0\0\0\0\0"), O_RDWR) },
	{ "watch the file system", KILL(DENIED), DOES(fanotify_init, 0, O_RDONLY) },
	{ "chdir out", KILL(DENIED), DOES(chdir, S("/..")) },

	/* ---- processes ---- */
	{ "execute a shell", KILL(DENIED), DOES(execve, S("/bin/sh"), S(argv), S(envp)) },
	{ "execute itself again", KILL(DENIED),
	  DOES(execveat, AT_FDCWD, S("/proc/self/exe"), S(argv), S(envp), 0) },
	{ "execute a file in memory", KILL(DENIED), TRIES(memfd_exec, memfd_create),
	  .changes_itself = true },
	{ "fork", KILL(OPEN), DOES(fork), .forks = true },
	{ "vfork", KILL(OPEN), DOES(vfork), .forks = true },
	{ "clone into a user namespace", KILL(DENIED), DOES(clone, CLONE_NEWUSER | SIGCHLD),
	  .forks = true },
	{ "clone into a mount namespace", KILL(DENIED), DOES(clone, CLONE_NEWNS | SIGCHLD),
	  .forks = true },
	{ "clone, the new call", KILL(OPEN), DOES(clone3, S(&new_process), sizeof(new_process)),
	  .forks = true },
	{ "fork bomb", KILL(OPEN), TRIES(fork_bomb, clone) },
	{ "ptrace process 1", KILL(DENIED), DOES(ptrace, PTRACE_SEIZE, 1, 0, 0) },
	{ "ptrace a first stage", KILL(DENIED), DOES(ptrace, PTRACE_ATTACH, FIRST, 0, 0),
	  .ends_the_test = true },
	/* The domain may kill a peer, and SELinux's types do not tell devices apart. */
	{ "kill a first stage", KILL(UNHELD), DOES(kill, FIRST, SIGKILL), .ends_the_test = true },
	{ "kill another process", KILL(DENIED), DOES(kill, VICTIM, SIGKILL) },
	{ "kill one of its threads", KILL(DENIED), DOES(tgkill, VICTIM, VICTIM, SIGKILL) },
	{ "stop another process by a queued signal", KILL(DENIED),
	  DOES(rt_sigqueueinfo, VICTIM, SIGSTOP, S(&queued)) },
	{ "signal every process", KILL(DENIED), DOES(kill, -1, SIGCONT) },
	{ "make a pidfd of another process", KILL(OPEN), DOES(pidfd_open, VICTIM, 0),
	  .changes_itself = true },
	{ "take another process's descriptor", KILL(DENIED), TRIES(steal_descriptor, pidfd_open),
	  .changes_itself = true },
	{ "duplicate by its own pidfd", KILL(DENIED), DOES(pidfd_getfd, SELF_PIDFD, 0, 0),
	  .changes_itself = true },
	{ "read another process's memory", KILL(DENIED),
	  DOES(process_vm_readv, VICTIM, S(&local), 1, S(&remote), 1, 0) },
	{ "write another process's memory", KILL(DENIED),
	  DOES(process_vm_writev, FIRST, S(&local), 1, S(&remote), 1, 0) },
	{ "read process 1's environment", KILL(DENIED),
	  DOES(openat, AT_FDCWD, S("/proc/1/environ"), O_RDONLY) },
	{ "compare descriptors with another process", KILL(DENIED),
	  DOES(kcmp, SELF, VICTIM, 0, 0, 0) },
	{ "find another process's locks", KILL(DENIED),
	  DOES(get_robust_list, VICTIM, BUFFER, BUFFER) },
	{ "slow another process down", KILL(DENIED), DOES(setpriority, PRIO_PROCESS, VICTIM, 19) },
	{ "raise its own priority", KILL(DENIED), DOES(setpriority, PRIO_PROCESS, 0, -20) },
	{ "real-time scheduling", KILL(DENIED),
	  DOES(sched_setscheduler, 0, SCHED_FIFO, S(&fifo_priority)) },
	{ "pin another process to a processor", KILL(DENIED),
	  DOES(sched_setaffinity, VICTIM, sizeof(one_cpu), S(&one_cpu)) },
	{ "real-time I/O", KILL(DENIED), DOES(ioprio_set, 1, 0, 1 << 13) },
	{ "lift its limits", KILL(DENIED),
	  DOES(prlimit64, 0, RLIMIT_NOFILE, S(&no_limit), 0) },
	{ "limit another process", KILL(DENIED),
	  DOES(prlimit64, VICTIM, RLIMIT_CORE, S(&no_limit), 0) },
	{ "ignore signals", KILL(HARMLESS), DOES(rt_sigaction, SIGTERM, 0, 0, 8) },
	{ "block all signals", KILL(HARMLESS),
	  DOES(rt_sigprocmask, SIG_BLOCK, S(&no_signal), 0, 8) },
	{ "lead a session", KILL(DENIED), DOES(setsid) },
	{ "an alarm", KILL(HARMLESS), DOES(alarm, 0) },

	/* ---- privileges ---- */
	{ "raise all capabilities", KILL(DENIED), DOES(capset, S(&cap_header), S(all_caps)) },
	{ "become another user", KILL(DENIED), DOES(setuid, 1000) },
	{ "become another user, all three ids", KILL(DENIED), DOES(setresuid, 1000, 0, 0) },
	{ "become another group", KILL(DENIED), DOES(setgid, 1000) },
	{ "join groups", KILL(DENIED), DOES(setgroups, 1, S(&one)) },
	{ "be another user to file systems", KILL(HARMLESS), DOES(setfsuid, 0) },
	{ "unlock the securebits", KILL(OPEN), DOES(prctl, PR_SET_SECUREBITS, 0, 0, 0, 0) },
	{ "take no_new_privs back", KILL(EINVAL), DOES(prctl, PR_SET_NO_NEW_PRIVS, 0, 0, 0, 0) },
	{ "become dumpable", KILL(OPEN), DOES(prctl, PR_SET_DUMPABLE, 1, 0, 0, 0),
	  .changes_itself = true },
	{ "let others trace it", KILL(HARMLESS), DOES(prctl, PR_SET_PTRACER, -1, 0, 0, 0) },
	{ "add a filter of its own", KILL(EITHER(EACCES, EFAULT)),
	  DOES(seccomp, SECCOMP_SET_MODE_FILTER, 0, 0) },
	{ "another personality", KILL(HARMLESS), DOES(personality, 0xffffffff) },
	{ "I/O ports", KILL(DENIED), DOES(iopl, 3) },
	{ "one I/O port", KILL(DENIED), DOES(ioperm, 0x80, 1, 1) },

	/* ---- namespaces and mounts ---- */
	{ "unshare users", KILL(EINVAL), DOES(unshare, CLONE_NEWUSER) },
	{ "unshare mounts", KILL(DENIED), DOES(unshare, CLONE_NEWNS) },
	{ "unshare the network", KILL(DENIED), DOES(unshare, CLONE_NEWNET) },
	{ "enter the namespaces of a pidfd", KILL(DENIED), DOES(setns, SELF_PIDFD, CLONE_NEWNS) },
	{ "mount", KILL(DENIED), DOES(mount, S("none"), S("/"), S("tmpfs"), 0, 0) },
	{ "remount its root writable", KILL(DENIED),
	  DOES(mount, S("none"), S("/"), S("tmpfs"), MS_REMOUNT, 0) },
	{ "unmount", KILL(DENIED), DOES(umount2, S("/"), MNT_DETACH) },
	{ "pivot_root", KILL(DENIED), DOES(pivot_root, S("/"), S("/")) },
	{ "chroot", KILL(DENIED), DOES(chroot, S("/")) },
	{ "mount, the new call", KILL(DENIED), DOES(fsopen, S("tmpfs"), 0) },
	{ "a detached tree", KILL(DENIED), DOES(open_tree, AT_FDCWD, S("/"), 1) },
	{ "change a mount's attributes", KILL(DENIED),
	  DOES(mount_setattr, AT_FDCWD, S("/"), 0, BUFFER, 32) },

	/* ---- the kernel ---- */
	{ "load a module", KILL(DENIED), DOES(init_module, BUFFER, 64, S("")) },
	{ "load a module from its store", KILL(DENIED), DOES(finit_module, STORE, S(""), 0) },
	{ "unload a module", KILL(DENIED), DOES(delete_module, S("virtio_net"), O_NONBLOCK) },
	{ "load a kernel", KILL(DENIED), DOES(kexec_load, 0, 0, 0, 0) },
	{ "load a kernel from its store", KILL(DENIED),
	  DOES(kexec_file_load, STORE, STORE, 0, 0, 0) },
	{ "reboot", KILL(DENIED),
	  DOES(reboot, LINUX_REBOOT_MAGIC1, LINUX_REBOOT_MAGIC2, LINUX_REBOOT_CMD_RESTART, 0),
	  .ends_the_test = true },
	{ "set the clock", KILL(DENIED), DOES(clock_settime, CLOCK_REALTIME, S(&new_year)) },
	{ "set the clock, the old call", KILL(DENIED), DOES(settimeofday, S(&old_timeval), 0) },
	{ "set the host's name", KILL(DENIED), DOES(sethostname, S(ATTACK_NAME), 13) },
	{ "clear the kernel log", KILL(DENIED), DOES(syslog, 5, 0, 0) },
	{ "swap to its store", KILL(DENIED), DOES(swapon, S("/dev/vda1"), 0) },
	{ "account processes", KILL(DENIED), DOES(acct, S(ATTACK_DIR "/canary")) },
	{ "hang the terminal up", KILL(DENIED), DOES(vhangup), .ends_the_test = true },
	/* SELinux hides the keyring. */
	{ "make a key", KILL(ENOKEY),
	  DOES(add_key, S("user"), S(ATTACK_NAME), S("x"), 1, KEY_SPEC_USER_KEYRING) },
	{ "another session keyring", KILL(OPEN), DOES(keyctl, KEYCTL_JOIN_SESSION_KEYRING, 0) },
	{ "ask for a key", KILL(ENOKEY),
	  DOES(request_key, S("user"), S(ATTACK_NAME), S("x"), KEY_SPEC_USER_KEYRING) },
	{ "bpf", KILL(DENIED), DOES(bpf, BPF_MAP_CREATE, S(&bpf_map), sizeof(bpf_map)) },
	{ "perf_event_open", KILL(DENIED), DOES(perf_event_open, S(perf_attr), 0, -1, -1, 0) },
	{ "userfaultfd", KILL(DENIED), DOES(userfaultfd, O_CLOEXEC) },
	{ "io_uring", KILL(DENIED), DOES(io_uring_setup, 4, S(io_uring_params)) },
	{ "asynchronous I/O", KILL(OPEN), DOES(io_setup, 1, BUFFER), .changes_itself = true },

	/* ---- the network ---- */
	{ "socket: IPv4", KILL(DENIED), DOES(socket, AF_INET, SOCK_STREAM, 0) },
	{ "socket: IPv4, raw", KILL(DENIED), DOES(socket, AF_INET, SOCK_RAW, 1) },
	{ "socket: IPv6", KILL(DENIED), DOES(socket, AF_INET6, SOCK_DGRAM, 0) },
	{ "socket: netlink", KILL(DENIED), DOES(socket, AF_NETLINK, SOCK_RAW, 0) },
	{ "socket: uevents", KILL(DENIED), DOES(socket, AF_NETLINK, SOCK_RAW, 15) },
	{ "socket: packets", KILL(DENIED), DOES(socket, AF_PACKET, SOCK_RAW, 0) },
	{ "socket: unix", KILL(DENIED), DOES(socket, AF_UNIX, SOCK_STREAM, 0) },
	{ "socket: vsock", KILL(DENIED), DOES(socket, AF_VSOCK, SOCK_STREAM, 0) },
	{ "socket: kernel crypto", KILL(DENIED), DOES(socket, AF_ALG, SOCK_SEQPACKET, 0) },
	{ "a pair of sockets", KILL(DENIED), DOES(socketpair, AF_UNIX, SOCK_STREAM, 0, BUFFER) },
	{ "connect to an abstract socket", KILL(DENIED),
	  DOES(connect, LISTENER, S(&abstract), sizeof(abstract)) },
	{ "bind the handover socket to another name", KILL(DENIED),
	  DOES(bind, LISTENER, S(&abstract), sizeof(abstract)) },
	{ "send to an abstract socket", ALL(ENOTCONN), TRIES(send_by_name, sendmsg), .main = true },
	{ "send to it, the old call", KILL(ENOTCONN),
	  DOES(sendto, LISTENER, S("out"), 3, 0, S(&abstract), sizeof(abstract)) },
	{ "ask for others' credentials", KILL(DENIED),
	  DOES(setsockopt, LISTENER, SOL_SOCKET, SO_PASSCRED, S(&one), sizeof(one)) },

	/* ---- memory ---- */
	{ "make data executable", KILL(DENIED),
	  DOES(mprotect, BUFFER, ATTACK_BLOCK, PROT_READ | PROT_WRITE | PROT_EXEC) },
	{ "make data executable, with a key", KILL(DENIED),
	  DOES(pkey_mprotect, BUFFER, ATTACK_BLOCK, PROT_READ | PROT_EXEC, -1) },
	{ "map executable memory", KILL(DENIED),
	  DOES(mmap, 0, ATTACK_BLOCK, PROT_READ | PROT_WRITE | PROT_EXEC,
	       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) },
	{ "map its store executable", KILL(DENIED),
	  DOES(mmap, 0, ATTACK_BLOCK, PROT_READ | PROT_EXEC, MAP_SHARED, STORE, 0) },
	{ "run data as code", ALL(DIES), TRIES(run_data, restart_syscall) },
	{ "shared memory", KILL(DENIED), DOES(shmget, 4711, ATTACK_BLOCK, 0x200 | 0600) },
	{ "a message queue", KILL(DENIED), DOES(msgget, 4711, 0x200 | 0600) },
	{ "semaphores", KILL(DENIED), DOES(semget, 4711, 1, 0x200 | 0600) },
	{ "a POSIX message queue", KILL(DENIED), DOES(mq_open, S(ATTACK_NAME), O_CREAT, 0600, 0) },
	{ "grow by mmap", KILL(OPEN), TRIES(grow_mmap, mmap), .changes_itself = true },
	{ "grow by brk", KILL(OPEN), TRIES(grow_brk, brk), .changes_itself = true },
	{ "grow by mremap", KILL(OPEN), DOES(mremap, BUFFER, ATTACK_BLOCK, 1 << 24, MREMAP_MAYMOVE),
	  .changes_itself = true },
	{ "grow the main thread's stack", ALL(HARMLESS), TRIES(grow_stack, clock_gettime),
	  .changes_itself = true },
	{ "grow by channels", ALL(EMFILE), TRIES(grow_channels, ioctl), .changes_itself = true,
	  .main = true },
	{ "grow by descriptors", KILL(EBADF), TRIES(grow_descriptors, dup3),
	  .changes_itself = true, .main = true },
	{ "unlock its memory", KILL(OPEN), DOES(munlockall), .changes_itself = true },
	{ "a lock with priority inheritance", KILL(HARMLESS), DOES(futex, BUFFER, FUTEX_LOCK_PI) },
	{ "dump core", ALL(DIES), TRIES(abort, restart_syscall) },

	/* ---- the descriptors that it holds ---- */
	{ "reopen its store", KILL(DENIED), TRIES(reopen_store, openat) },
	{ "reopen the kernel log, for reading", KILL(DENIED),
	  DOES(openat, AT_FDCWD, S("/proc/self/fd/3"), O_RDONLY) },
	{ "open from its store", KILL(ENOTDIR), DOES(openat, STORE, S(".."), O_RDONLY) },
	{ "chdir to its store", KILL(ENOTDIR), DOES(fchdir, STORE) },
	{ "chdir to a pidfd", KILL(ENOTDIR), DOES(fchdir, SELF_PIDFD) },
	{ "make its store world-writable", KILL(DENIED), DOES(fchmod, STORE, 0666) },
	{ "give its store away", KILL(DENIED), DOES(fchown, STORE, 1000, 1000) },
	{ "signals for others from a descriptor", KILL(HARMLESS),
	  DOES(fcntl, LISTENER, F_SETOWN, VICTIM) },
	{ "duplicate a descriptor", KILL(OPEN), DOES(dup, STORE), .changes_itself = true },
	{ "copy between descriptors", KILL(EINVAL), DOES(splice, STORE, 0, CHANNEL, 0, 512, 0) },
	{ "write into the kernel log", ALL(HARMLESS),
	  DOES(write, KMSG, S(line), sizeof(line) - 1) },
	{ "garbage into every descriptor", ALL(HARMLESS), TRIES(garbage, write),
	  .changes_itself = true },
	{ "a channel's command elsewhere",
	  { ENOTTY, EITHER(ENOTTY, EACCES), EITHER(ENOTTY, EACCES) },
	  TRIES(drain_other, ioctl), .main = true },
	{ "pass its store to a user", ALL(EAGAIN), TRIES(pass_descriptor, accept4),
	  .caller = ATTACK_USER, .main = true },
	{ "send its store by name", ALL(ENOTCONN), TRIES(send_descriptor_by_name, sendmsg),
	  .main = true },
	{ "kill the caller that asks for its status", KILL(EITHER(EACCES, ENOPROTOOPT)),
	  TRIES(kill_caller, getsockopt), .caller = ATTACK_ROOT, .main = true,
	  .changes_itself = true },
	{ "kill itself by its own pidfd", ALL(DIES), TRIES(kill_itself, dup3), .main = true },
	{ "another signal by pidfd", KILL(EBADF),
	  DOES(pidfd_send_signal, PEER_PIDFD, SIGSTOP, 0, 0), .main = true },
	{ "a signal by another pidfd", KILL(DENIED),
	  DOES(pidfd_send_signal, SELF_PIDFD, 0, 0, 0), .main = true },
	{ "a signal without a peer", ALL(EBADF),
	  DOES(pidfd_send_signal, PEER_PIDFD, SIGKILL, 0, 0), .main = true },
	/* Calls that only the main thread may make, from an I/O thread. */
	{ "a channel for itself", KILL(OPEN), DOES(ioctl, CHANNEL, DM_USER_IOC_OPEN, BUFFER),
	  .changes_itself = true },
	{ "accept a connection", KILL(EAGAIN), DOES(accept4, LISTENER, 0, 0, SOCK_NONBLOCK) },
	{ "send a message", KILL(ENOTCONN), DOES(sendmsg, LISTENER, BUFFER, MSG_DONTWAIT) },
	{ "receive a message", KILL(ENOTCONN), DOES(recvmsg, LISTENER, BUFFER, MSG_DONTWAIT) },
	{ "kill the peer of a handover", KILL(EBADF),
	  DOES(pidfd_send_signal, PEER_PIDFD, SIGKILL, 0, 0) },
	{ "put its store in the peer's place", KILL(OPEN),
	  DOES(dup3, STORE, PEER_PIDFD, O_CLOEXEC), .changes_itself = true },

	/* ---- the store and the device ---- */
	{ "write behind the store", ALL(ENOSPC), DOES(pwrite64, STORE, BUFFER, 512, SIZE) },
	{ "write before the store", ALL(EINVAL), DOES(pwrite64, STORE, BUFFER, 512, -512) },
	{ "read behind the store", ALL(HARMLESS), DOES(pread64, STORE, BUFFER, 512, SIZE) },
	{ "punch a hole behind the store", ALL(EINVAL),
	  DOES(fallocate, STORE, FALLOC_FL_KEEP_SIZE | FALLOC_FL_PUNCH_HOLE, SIZE, 1 << 20) },
	{ "make its store longer", KILL(EITHER(EINVAL, EOPNOTSUPP)),
	  DOES(fallocate, STORE, 0, SIZE, 1 << 20) },
	{ "cut its store", KILL(EINVAL), DOES(ftruncate, STORE, 0) },
	{ "discard behind the store", ALL(EINVAL), TRIES(discard_beyond, ioctl) },
	{ "discard across its end", ALL(EINVAL), TRIES(discard_overflow, ioctl) },
	{ "write zeroes behind the store", KILL(EINVAL), TRIES(zero_beyond, ioctl) },
	{ "erase behind the store", ALL(EITHER(EINVAL, EOPNOTSUPP)),
	  TRIES(secure_erase_beyond, ioctl) },
	{ "write by another descriptor", KILL(EITHER(ESPIPE, EINVAL)),
	  DOES(pwrite64, CHANNEL, BUFFER, 512, 0) },
	{ "write from the main thread", KILL(HARMLESS), DOES(pwrite64, STORE, BUFFER, 512, 0),
	  .main = true },
	{ "make its store read-only", KILL(DENIED), DOES(ioctl, STORE, BLKROSET, S(&one)) },
	{ "read the partitions again", KILL(DENIED), DOES(ioctl, STORE, BLKRRPART, 0) },
	{ "drop its store's page cache", KILL(DENIED), DOES(ioctl, STORE, BLKFLSBUF, 0) },
	{ "a raw SCSI command", KILL(DENIED), DOES(ioctl, STORE, SG_IO, S(&scsi)) },
	{ "a raw NVMe command", KILL(DENIED), DOES(ioctl, STORE, NVME_IOCTL_IO_CMD, S(&nvme)) },
	{ "remove the other device", KILL(DENIED), DOES(ioctl, STORE, DM_DEV_REMOVE, S(&dm)) },
	/* SELinux does not know the inode of a channel that was passed on. */
	{ "load a table", KILL(EITHER(EACCES, ENOTTY)),
	  DOES(ioctl, CHANNEL, DM_TABLE_LOAD, S(&dm)) },
	{ "type into a terminal", KILL(DENIED), DOES(ioctl, 0, TIOCSTI, S("x")) },

	/* ---- other doors ---- */
	{ "int 0x80", KILL(HARMLESS), .nr = 20, .try = attack_int80 },
	{ "x32: write", KILL(ENOSYS), .nr = X32 | SYS_write,
	  .args = { KMSG, S(line), sizeof(line) - 1 } },
	{ "x32: a call that is allowed", KILL(ENOSYS), .nr = X32 | SYS_getpid },
	{ "a call that does not exist", KILL(ENOSYS), .nr = 4711 },
};

const unsigned int attack_count = ARRAY_SIZE(attack_table);
