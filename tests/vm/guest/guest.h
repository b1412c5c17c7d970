/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The guest's process 1: init.c makes the environment of a script, supervise.c runs the script. */
#ifndef DMU_TESTS_VM_GUEST_H
#define DMU_TESTS_VM_GUEST_H

/* Virtio ports, all of them written only. */
struct guest_ports {
	int output;	/* the script's output */
	int status;	/* "started", then "status N" */
	int kernel_log;	/* as dmesg prints it */
};

/*
 * Run @argv until it ends, and copy its output and the kernel's log. N of "status N" is its exit
 * status as a shell gives it. Do not wait for processes that it leaves running: a daemon may be
 * unable to end, and a stuck device must not delay the status.
 */
void guest_supervise(const struct guest_ports *ports, char **argv);

#endif
