// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * poke PID SYSCALL: make process PID's main thread make the system call with that number, with
 * arguments 0, as injected code would. Exit status 0: SIGSYS killed the process; 1: it did not; 2:
 * error. Seccomp sees the number that a tracer has set, since Linux 4.8.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <signal.h>
#include <sys/ptrace.h>
#include <sys/user.h>
#include <sys/wait.h>

static int die(const char *what)
{
	fprintf(stderr, "poke: %s: %s\n", what, strerror(errno));
	return 2;
}

/* Run to the next stop: 'n' a system call's entry, 'x' its exit, 'e' death, '-' other; 0: error. */
static int run(pid_t pid, int *status)
{
	struct __ptrace_syscall_info info;

	if (ptrace(PTRACE_SYSCALL, pid, 0, 0) || waitpid(pid, status, __WALL) != pid)
		return 0;
	if (!WIFSTOPPED(*status) || *status >> 8 == (SIGTRAP | PTRACE_EVENT_EXIT << 8))
		return 'e';
	if (WSTOPSIG(*status) != (SIGTRAP | 0x80))
		return '-';
	if (ptrace(PTRACE_GET_SYSCALL_INFO, pid, sizeof(info), &info) < 0)
		return 0;
	return info.op == PTRACE_SYSCALL_INFO_ENTRY ? 'n' : 'x';
}

/* The status of a process at its end, as wait(2) will give it. */
static int last_status(pid_t pid, int status)
{
	unsigned long code = 0;

	if (!WIFSTOPPED(status))
		return status;
	ptrace(PTRACE_GETEVENTMSG, pid, 0, &code);
	return (int)code;
}

int main(int argc, char **argv)
{
	pid_t pid = argc == 3 ? atoi(argv[1]) : 0;
	struct user_regs_struct regs;
	int status, kind;

	if (pid <= 0) {
		fprintf(stderr, "usage: poke PID SYSCALL\n");
		return 2;
	}
	if (ptrace(PTRACE_SEIZE, pid, 0, PTRACE_O_TRACESYSGOOD | PTRACE_O_TRACEEXIT))
		return die("seize");
	if (ptrace(PTRACE_INTERRUPT, pid, 0, 0) || waitpid(pid, &status, __WALL) != pid)
		return die("interrupt");
	do {
		kind = run(pid, &status);
		if (!kind || kind == 'e')
			return die("wait for a system call");
	} while (kind != 'n');

	if (ptrace(PTRACE_GETREGS, pid, 0, &regs))
		return die("registers");
	regs.orig_rax = strtoul(argv[2], NULL, 0);
	regs.rdi = regs.rsi = regs.rdx = regs.r10 = regs.r8 = regs.r9 = 0;
	if (ptrace(PTRACE_SETREGS, pid, 0, &regs))
		return die("set the system call");
	/* A call that kills returns first: the process dies on its way out. */
	do {
		kind = run(pid, &status);
		if (!kind)
			return die("wait for its effect");
	} while (kind == '-' || kind == 'x');
	if (kind == 'e') {
		status = last_status(pid, status);
		return WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS ? 0 : 1;
	}
	fprintf(stderr, "poke: it lives, and makes another call\n");
	return 1;
}
