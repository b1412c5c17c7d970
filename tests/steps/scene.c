// SPDX-License-Identifier: GPL-2.0-or-later
/* The beginning of a case: daemons are started and ended until its scenario's daemon serves. */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/steps/run.h"

#define SAID	"/tmp/steps.said"

/* @wb_fault: as in tests/wb/backend.c, or NULL. */
static pid_t launch(enum stage stage, const char *const *args, const char *wb_fault)
{
	const char *argv[12] = { images[stage].path, "--timeout", "3600000" };
	unsigned int count = 3;
	pid_t pid;
	int fd, status;

	while (*args)
		argv[count++] = *args++;
	pid = fork();
	if (!pid) {
		fd = open(SAID, O_WRONLY | O_CREAT | O_TRUNC, 0600);
		dup2(fd, STDOUT_FILENO);
		dup2(fd, STDERR_FILENO);
		close(fd);
		if (wb_fault)
			setenv("WB_FAULT", wb_fault, 1);
		ptrace(PTRACE_TRACEME, 0, 0, 0);
		execv(argv[0], (char **)argv);
		_exit(127);
	}
	if (waitpid(pid, &status, 0) != pid || !WIFSTOPPED(status))
		die("cannot start %s", argv[0]);
	return pid;
}

bool daemon_start(enum stage stage, const char *const *args)
{
	pid_t pid = launch(stage, args, NULL);
	int status;

	ptrace(PTRACE_DETACH, pid, 0, 0);
	return waitpid(pid, &status, 0) == pid && WIFEXITED(status) && !WEXITSTATUS(status);
}

const char *daemon_said(void)
{
	static char text[300];
	int fd = open(SAID, O_RDONLY | O_CLOEXEC);
	ssize_t len = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);

	if (fd >= 0)
		close(fd);
	text[len > 0 ? len : 0] = '\0';
	text[strcspn(text, "\n")] = '\0';
	return text;
}

static void end_process(pid_t pid)
{
	if (!pid)
		return;
	kill(pid, SIGKILL);
	while (proc_lives(pid))
		nap();
}

bool daemon_restart(const char *name, enum stage stage)
{
	const char *const args[] = { stage == FIRST ? "--takeover" : name,
				     stage == FIRST ? name : NULL, NULL };

	dmu_dm_message(name, "unseal");
	return daemon_start(stage, args);
}

void scene_remove_made(void)
{
	struct seen seen;

	world_look(MADE, &seen);
	end_process(seen.pid);
	dm_remove(MADE);
	unlink(DMU_RUN_DIR "/" MADE "/" DMU_SOCKET_NAME);
	unlink(DMU_RUN_DIR "/" MADE "/" DMU_TAB_NAME);
	unlink(DMU_RUN_DIR "/" MADE "/" DMU_TAB_NAME ".partial");
	unlink(DMU_RUN_DIR "/" MADE "/" DMU_STORE_NAME);
	unlink(DMU_RUN_DIR "/" MADE "/" DMU_STORE_NAME ".partial");
	unlink(DMU_RUN_DIR "/" MADE "/" DMU_LOCK_NAME);
	rmdir(DMU_RUN_DIR "/" MADE);
	unlink("/dev/mapper/" MADE);
}

unsigned int scene_fds(const struct run *run, const struct tracee *tracee)
{
	while (!proc_quiet(tracee) && now_us() < run->deadline)
		nap();
	return proc_fds(tracee->pid);
}

/* No daemon serves, or none any more: start the scenario's. */
static void start_old(const struct scenario *scenario, struct run *run)
{
	if (!daemon_restart(run->name, scenario->old))
		die("cannot set the scene for %s: %s", scenario->name, daemon_said());
	if (scenario->stateful && load_flushes())
		die("%s: the load does not get over a restart", scenario->name);
}

static void start_made(const struct scenario *scenario)
{
	const char *const args[] = { MADE, MADE_STORE, NULL };

	if (!daemon_start(scenario->old, args))
		die("cannot set the scene for %s: %s", scenario->name, daemon_said());
}

void scene_set(const struct scenario *scenario, struct run *run)
{
	const struct subject *subject = &subjects[scenario->stateful];

	memset(run, 0, sizeof(*run));
	run->name = scenario->create || scenario->removed ? MADE : subject->name;
	run->deadline = now_us() + WAIT_S * 1000000ULL;
	load_open(subject->load);
	if (scenario->create)
		return;
	if (scenario->removed)
		start_made(scenario);
	world_look(run->name, &run->before);
	if (run->before.pid && (scenario->nobody || run->before.stage != scenario->old)) {
		end_process(run->before.pid);
		run->before.pid = 0;
	}
	if (scenario->nobody) {
		dmu_dm_message(run->name, "unseal");
	} else {
		if (!run->before.pid)
			start_old(scenario, run);
		world_look(run->name, &run->before);
		tracee_watch(&run->sides[OLD], run->before.pid, scenario->old);
		run->before.fds = scene_fds(run, &run->sides[OLD]);
	}
	run->told = load_word("told=");
}

void scene_newcomer(const struct scenario *scenario, struct run *run, bool traced)
{
	const enum dmu_cache_mode cache = run->before.cache ^ scenario->exclusive;
	const char *args[4] = { run->name, NULL, NULL, NULL };
	struct tracee *tracee = &run->sides[NEW];
	unsigned int count = 0;
	char spec[256];

	if (scenario->newcomer == FIRST && !scenario->create)
		args[count++] = "--takeover";
	args[count++] = run->name;
	snprintf(spec, sizeof(spec), "file:%s,%s", subjects[PLAIN].disk,
		 cache == DMU_DIRECT ? "direct" : "buffered");
	if (scenario->create)
		args[count++] = MADE_STORE;
	else if (!scenario->nobody && !scenario->stateful && !scenario->removed)
		args[count++] = spec;
	run->launcher = launch(scenario->newcomer, args, scenario->wb_fault);
	run->forked = false;
	ptrace(PTRACE_SETOPTIONS, run->launcher, 0, PTRACE_O_TRACEFORK);
	tracee_watch(tracee, run->launcher, scenario->newcomer);
	if (traced)
		tracee_arm(tracee, false);
	tracee->threads[tracee->thread_count++] = run->launcher;
	ptrace(PTRACE_CONT, run->launcher, 0, 0);
}
