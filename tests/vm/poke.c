// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * poke PID SYSCALL: make process PID's first thread call the system call of that number, with arguments 0,
 * as code injected into it would, and see what happens: exit status 0 if that killed the process by SIGSYS,
 * 1 if not. Seccomp sees the number that a tracer has set, since Linux 4.8.
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

int main(int argc, char **argv)
{
	pid_t pid = argc == 3 ? atoi(argv[1]) : 0;
	struct user_regs_struct regs;
	int status;

	if (pid <= 0) {
		fprintf(stderr, "usage: poke PID SYSCALL\n");
		return 2;
	}
	if (ptrace(PTRACE_SEIZE, pid, 0, PTRACE_O_TRACESYSGOOD | PTRACE_O_TRACEEXIT))
		return die("seize");
	if (ptrace(PTRACE_INTERRUPT, pid, 0, 0) || waitpid(pid, &status, __WALL) != pid)
		return die("interrupt");
	if (ptrace(PTRACE_SYSCALL, pid, 0, 0) || waitpid(pid, &status, __WALL) != pid)
		return die("wait for a system call");
	if (!WIFSTOPPED(status) || WSTOPSIG(status) != (SIGTRAP | 0x80)) {
		fprintf(stderr, "poke: no system call but status %#x\n", status);
		return 2;
	}
	if (ptrace(PTRACE_GETREGS, pid, 0, &regs))
		return die("registers");
	regs.orig_rax = strtoul(argv[2], NULL, 0);
	regs.rdi = regs.rsi = regs.rdx = regs.r10 = regs.r8 = regs.r9 = 0;
	if (ptrace(PTRACE_SETREGS, pid, 0, &regs) || ptrace(PTRACE_SYSCALL, pid, 0, 0))
		return die("set the system call");
	while (waitpid(pid, &status, __WALL) == pid) {
		unsigned long code = 0;

		if (WIFSIGNALED(status))
			return WTERMSIG(status) == SIGSYS ? 0 : 1;
		if (WIFEXITED(status))
			return 1;
		if (status >> 8 == (SIGTRAP | PTRACE_EVENT_EXIT << 8)) {
			ptrace(PTRACE_GETEVENTMSG, pid, 0, &code);
			ptrace(PTRACE_DETACH, pid, 0, 0);
			return WIFSIGNALED((int)code) && WTERMSIG((int)code) == SIGSYS ? 0 : 1;
		}
		if (WSTOPSIG(status) == (SIGTRAP | 0x80)) {
			/* It came back from the call: it was let through. */
			ptrace(PTRACE_GETREGS, pid, 0, &regs);
			fprintf(stderr, "poke: the call returned %lld\n", (long long)regs.rax);
			ptrace(PTRACE_DETACH, pid, 0, 0);
			return 1;
		}
		ptrace(PTRACE_CONT, pid, 0, WSTOPSIG(status));
	}
	return die("wait");
}
