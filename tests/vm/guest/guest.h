/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The guest's process 1: init.c makes what a script may rely on, supervise.c runs it. */
#ifndef DMU_TESTS_VM_GUEST_H
#define DMU_TESTS_VM_GUEST_H

/* Virtio ports, all of them written only. */
struct guest_ports {
	int output;	/* what the script prints */
	int status;	/* "started", then "status N" */
	int kernel_log;	/* as dmesg prints it */
};

/*
 * Run @argv until it ends, copying what it prints and what the kernel logs. N of "status N" is its exit
 * status as a shell gives it. Whatever it leaves running is not waited for: a daemon may not be able to
 * end, and a stuck device must not keep the answer back.
 */
void guest_supervise(const struct guest_ports *ports, char **argv);

#endif
