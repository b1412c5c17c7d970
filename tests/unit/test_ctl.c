// SPDX-License-Identifier: GPL-2.0-or-later
/* P12: dmuserctl's command line, its parsers of status and table, its JSON, and its programs. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <argp.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "ctl/args.h"
#include "ctl/commands.h"
#include "ctl/output.h"
#include "ctl/show.h"
#include "lib/dmuser.h"
#include "lib/number.h"
#include "rundir/copy.h"
#include "rundir/directory.h"
#include "rundir/program.h"

#define ARGS_MAX	16

/* Parse @line, split at blanks; @said: the first line on stderr. Words live until the next call. */
static int parse(struct ctl_args *args, const char *line, char *said)
{
	static char words[512];
	char *argv[ARGS_MAX + 1] = { "dmuserctl" }, *word, *next, *text = NULL;
	FILE *real = stderr;
	int argc = 1, ret;
	size_t size;

	snprintf(words, sizeof(words), "%s", line);
	for (word = strtok_r(words, " ", &next); word && argc < ARGS_MAX;
	     word = strtok_r(NULL, " ", &next))
		argv[argc++] = word;
	argv[argc] = NULL;
	stderr = open_memstream(&text, &size);
	assert_non_null(stderr);
	ret = ctl_args_parse(args, ctl_commands, argc, argv, ARGP_NO_EXIT);
	fclose(stderr);
	stderr = real;
	snprintf(said, DMU_ERROR_MAX, "%.*s", (int)strcspn(text, "\n"), text);
	free(text);
	return ret;
}

static void args_good(void **state)
{
	char error[DMU_ERROR_MAX];
	struct ctl_args args;

	assert_int_equal(parse(&args, "status root", error), 0);
	assert_string_equal(args.command->name, "status");
	assert_string_equal(args.name, "root");
	assert_string_equal(args.run_dir, DMU_RUN_DIR);
	assert_null(args.spec);
	assert_int_equal(args.given, 0);

	assert_int_equal(parse(&args, "handover -c 8 root -j file:/dev/vda,direct --timeout=60000",
			       error), 0);
	assert_int_equal(args.given, CTL_CHANNELS | CTL_JSON | CTL_TIMEOUT);
	assert_int_equal(args.channels, 8);
	assert_int_equal(args.timeout_ms, 60000);
	assert_string_equal(args.spec, "file:/dev/vda,direct");

	assert_int_equal(parse(&args, "wait root --generation 3 --gone -t 1", error), 0);
	assert_int_equal(args.generation, 3);
	assert_true(args.given & CTL_GONE);

	assert_int_equal(parse(&args, "handover root --stage second", error), 0);
	assert_string_equal(args.stage, "dmuser-second");
	assert_int_equal(parse(&args, "program root -s first", error), 0);
	assert_string_equal(args.stage, "dmuser-first");
	assert_string_equal(args.name, "root");
	assert_null(args.spec);
	assert_int_equal(parse(&args, "program file:/dev/vda", error), 0);
	assert_string_equal(args.spec, "file:/dev/vda");
	assert_null(args.name);
	assert_null(args.stage);
	assert_int_equal(parse(&args, "program", error), 0);
	assert_null(args.name);
	assert_null(args.spec);

	assert_int_equal(parse(&args, "create root file:/dev/vda --wait 30", error), 0);
	assert_int_equal(args.wait_s, 30);
	assert_int_equal(parse(&args, "create root", error), 0);
	assert_int_equal(args.wait_s, 0);

	assert_int_equal(parse(&args, "list -j", error), 0);
	assert_null(args.name);
	assert_string_equal(args.run_dir, DMU_RUN_DIR);
	assert_int_equal(parse(&args, "remove --run-dir /tmp/x root", error), 0);
	assert_string_equal(args.run_dir, "/tmp/x");
	assert_string_equal(error, "");
}

static void args_bad_are_named(void **state)
{
	static const struct {
		const char *line, *named;
	} rows[] = {
		{ "", "COMMAND" },
		{ "frobnicate", "frobnicate" },
		{ "--json", "--json" },
		{ "--program /bin/true handover a", "--program" },
		{ "seal --program a", "--program" },
		{ "status", "NAME" },
		{ "status a b", "'b'" },
		{ "list a", "'a'" },
		{ "create a file:x y", "'y'" },
		{ "program a b", "'b'" },
		{ "program file:x a", "'a'" },
		{ "program a --stage third", "'third'" },
		{ "remove a --stage first", "--stage" },
		{ "create a --stage first", "--stage" },
		{ "create a --wait 3601", "'3601'" },
		{ "handover a --wait 1", "--wait" },
		{ "status a/b", "a/b" },
		{ "status ..", ".." },
		{ "status a --force", "--force" },
		{ "list --run-dir /x", "--run-dir" },
		{ "remove a --run-dir x", "'x'" },
		{ "status a --nonsense", "--nonsense" },
		{ "status a -z", "'z'" },
		{ "status a -jz", "'z'" },
		{ "wait a --timeout", "--timeout" },
		{ "wait a -t", "'t'" },
		{ "wait a -t 0", "'0'" },
		{ "create a -t 99", "'99'" },
		{ "wait a -t -1", "'-1'" },
		{ "wait a -t 1s", "'1s'" },
		{ "wait a -t 99999999999999999999999", "99999999999999999999999" },
		{ "wait a -g 0", "--generation" },
		{ "handover a -c 65", "--channels" },
		{ "handover a -c +4", "--channels" },
		{ "wait a --ready --gone", "--gone" },
	};
	char error[DMU_ERROR_MAX];
	struct ctl_args args;
	size_t i;

	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		if (!parse(&args, rows[i].line, error))
			fail_msg("'%s' was accepted", rows[i].line);
		if (!strstr(error, rows[i].named) ||
		    strncmp(error, "dmuserctl", strlen("dmuserctl")))
			fail_msg("'%s': the error '%s' does not name %s", rows[i].line, error,
				 rows[i].named);
	}
}

static void table_is_sound(void **state)
{
	const struct ctl_command *command, *other;

	for (command = ctl_commands; command->name; command++) {
		assert_non_null(command->run);
		assert_non_null(command->summary);
		for (other = command + 1; other->name; other++)
			assert_string_not_equal(command->name, other->name);
	}
}

#define KERNEL_INFO \
	"queued:3 held:5 fenced:1 channels:8 generation:2 sealed:1 suspended:0 daemon:1 " \
	"oldest_ms:12 reads:100 writes:200 flushes:7 discards:1 secure_erases:0 write_zeroes:2 " \
	"errors:0 unsupported:4 requeued:6 failed:9 refused:11 gen:1,draining,4,5,90 " \
	"gen:2,serving,4,0,220"

static void status_is_read(void **state)
{
	struct dmu_target_status status;

	assert_int_equal(dmu_target_status_parse(&status, KERNEL_INFO), 0);
	assert_int_equal(status.queued, 3);
	assert_int_equal(status.held, 5);
	assert_int_equal(status.fenced, 1);
	assert_int_equal(status.channels, 8);
	assert_int_equal(status.generation, 2);
	assert_int_equal(status.sealed, 1);
	assert_int_equal(status.suspended, 0);
	assert_int_equal(status.daemon, 1);
	assert_int_equal(status.oldest_ms, 12);
	assert_int_equal(status.write_zeroes, 2);
	assert_int_equal(status.refused, 11);
	assert_int_equal(status.generation_count, 2);
	assert_string_equal(status.generations[0].state, "draining");
	assert_int_equal(status.generations[0].held, 5);
	assert_int_equal(status.generations[1].answered, 220);
	assert_int_equal(dmu_target_serving(&status)->number, 2);
}

static void status_of_a_newer_kernel(void **state)
{
	struct dmu_target_status status;

	assert_int_equal(dmu_target_status_parse(&status,
						 "rings:3 x gen:7,serving,1,0,0,9 queued:2"), 0);
	assert_int_equal(status.queued, 2);
	assert_int_equal(status.generation_count, 1);
	assert_int_equal(status.generations[0].number, 7);
	assert_int_equal(dmu_target_status_parse(&status, ""), 0);
	assert_null(dmu_target_serving(&status));
}

static void status_that_makes_no_sense(void **state)
{
	static const char *const rows[] = {
		"queued:", "queued:x", "queued:-1", "queued:99999999999999999999999", "gen:",
		"gen:1", "gen:1,serving", "gen:1,serving,1,0", "gen:1,SERVING,1,0,0",
		"gen:x,serving,1,0,0",
	};
	struct dmu_target_status status;
	char many[64 * 1024];
	size_t i;

	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if (dmu_target_status_parse(&status, rows[i]) != -EINVAL)
			fail_msg("'%s' was accepted", rows[i]);
	memset(many, 'x', sizeof(many) - 1);
	many[sizeof(many) - 1] = '\0';
	assert_int_equal(dmu_target_status_parse(&status, many), -EINVAL);
	for (many[0] = '\0', i = 0; i < DMU_TARGET_GENERATIONS + 5; i++)
		strcat(many, "gen:1,serving,1,0,0 ");
	assert_int_equal(dmu_target_status_parse(&status, many), 0);
	assert_int_equal(status.generation_count, DMU_TARGET_GENERATIONS);
}

static void a_drained_generation_does_not_serve(void **state)
{
	struct dmu_target_status status;

	assert_int_equal(dmu_target_status_parse(&status, "gen:3,drained,2,0,5 gen:2,serving,1,0,5 "
					   "gen:4,serving,0,0,0"), 0);
	assert_int_equal(dmu_target_serving(&status)->number, 2);
}

static void policy_defaults(void **state)
{
	struct dmu_target_policy policy;

	assert_int_equal(dmu_target_policy_parse(&policy, "0 0 root", false), 0);
	assert_string_equal(policy.ctl, "root");
	assert_false(policy.orphans_fail);
	assert_false(policy.nodaemon_fail);
	assert_true(policy.discard);
	assert_true(policy.write_zeroes);
	assert_false(policy.secure_erase);
	assert_int_equal(policy.logical_block_size, 512);
	assert_int_equal(policy.physical_block_size, 512);
	assert_string_equal(policy.backing, "");
	assert_int_equal(policy.max_io, 1 << 20);
	assert_int_equal(dmu_target_policy_parse(&policy, "0 0", false), -EINVAL);
}

static void policy_words(void **state)
{
	struct dmu_target_policy policy;

	assert_int_equal(dmu_target_policy_parse(&policy, "0 8192 node 7 orphans:fail "
						 "nodaemon:fail:500 discard:off secure_erase:on "
						 "logical_block_size:4096 max_io:65536 "
						 "backing:8:16 later:thing", false), 0);
	assert_string_equal(policy.ctl, "node");
	assert_true(policy.orphans_fail);
	assert_true(policy.nodaemon_fail);
	assert_int_equal(policy.nodaemon_ms, 500);
	assert_false(policy.discard);
	assert_true(policy.secure_erase);
	assert_int_equal(policy.logical_block_size, 4096);
	assert_int_equal(policy.physical_block_size, 4096);
	assert_int_equal(policy.max_io, 65536);
	assert_string_equal(policy.backing, "8:16");
}

static void words_of_extents(void **state)
{
	struct dmu_target_status status;
	struct dmu_target_policy policy;

	assert_int_equal(dmu_target_status_parse(&status, "queued:0 extents:2 mapped:2048 clean:1 "
						 "remapped:3 mapped_reads:4 mapped_writes:5 "
						 "mapped_others:6"), 0);
	assert_int_equal(status.extents, 2);
	assert_int_equal(status.mapped, 2048);
	assert_int_equal(status.clean, 1);
	assert_int_equal(status.remapped, 3);
	assert_int_equal(status.mapped_reads, 4);
	assert_int_equal(status.mapped_writes, 5);
	assert_int_equal(status.mapped_others, 6);
	assert_int_equal(dmu_target_policy_parse(&policy, "0 0 root 2 backing:8:16,8:32 "
						 "extents:on", false), 0);
	assert_string_equal(policy.backing, "8:16,8:32");
	assert_true(policy.extents);
	assert_int_equal(dmu_target_policy_parse(&policy, "0 0 root", false), 0);
	assert_false(policy.extents);
}

/* Status and table of a row with compat:android, by its argument or by the module's parameter. */
static void policy_of_android(void **state)
{
	struct dmu_target_status status;
	struct dmu_target_policy policy;

	assert_int_equal(dmu_target_status_parse(&status, "queued:0 refused:0 android:1"), 0);
	assert_int_equal(status.android, 1);
	assert_int_equal(dmu_target_policy_parse(&policy, "0 0 root", true), 0);
	assert_true(policy.android);
	assert_true(policy.orphans_fail);
	assert_true(policy.nodaemon_fail);
	assert_int_equal(policy.nodaemon_ms, 0);
	assert_true(policy.discard);
	assert_false(policy.write_zeroes);
	assert_int_equal(dmu_target_policy_parse(&policy, "0 0 root 4 compat:android "
						 "orphans:requeue nodaemon:wait "
						 "write_zeroes:on", true), 0);
	assert_true(policy.android);
	assert_false(policy.orphans_fail);
	assert_false(policy.nodaemon_fail);
	assert_true(policy.write_zeroes);
}

static void fake_device(struct ctl_device *device)
{
	memset(device, 0, sizeof(*device));
	strcpy(device->name, "root");
	strcpy(device->uuid, "DMUSER-root");
	device->major = 254;
	device->minor = 3;
	device->open_count = 1;
	device->sectors = 8192;
	strcpy(device->table, "0 8192 user 0 0 root");
	assert_int_equal(dmu_target_policy_parse(&device->policy, "0 0 root", false), 0);
	assert_int_equal(dmu_target_status_parse(&device->kstatus, KERNEL_INFO), 0);
}

static json_int_t json_number(json_t *json, const char *key)
{
	json_t *value = json_object_get(json, key);

	assert_true(json_is_integer(value));
	return json_integer_value(value);
}

static const char *json_text(json_t *json, const char *key)
{
	json_t *value = json_object_get(json, key);

	assert_true(json_is_string(value));
	return json_string_value(value);
}

static void json_of_a_device(void **state)
{
	struct dmu_listener daemon = { .locked_bytes = 4096 };
	struct ctl_device device;
	json_t *json, *part;

	fake_device(&device);
	daemon.status.pid = 77;
	daemon.status.generation = 2;
	daemon.status.stats.requests[DM_USER_REQ_MAP_READ] = 40;
	daemon.status.stats.requests[DM_USER_REQ_MAP_FLUSH] = 2;
	/* The JSON leaves out a bit that only a later version knows. */
	daemon.confinement.proved = DMU_WIRE_CONFINED_SECCOMP | DMU_WIRE_CONFINED_MEMORY |
				    DMU_WIRE_CONFINED_LANDLOCK | 1U << 31;
	daemon.confinement.landlock = 6;
	daemon.confinement.filters = 1;
	strcpy(daemon.confinement.domain, "u:r:t");
	strcpy(daemon.status.stage, "second");
	strcpy(daemon.status.spec, "file:/dev/vda");

	json = ctl_device_json(&device, &daemon, NULL);
	assert_string_equal(json_text(json, "name"), "root");
	assert_string_equal(json_text(json, "path"), "/dev/mapper/root");
	assert_string_equal(json_text(json, "node"), "/dev/dm-user/root");
	assert_int_equal(json_number(json, "size"), 4194304);
	assert_int_equal(json_number(json, "generation"), 2);
	assert_true(json_is_true(json_object_get(json, "sealed")));
	assert_true(json_is_true(json_object_get(json, "served")));
	assert_int_equal(json_array_size(json_object_get(json, "generations")), 2);
	assert_int_equal(json_number(json_object_get(json, "counters"), "failed"), 9);
	assert_int_equal(json_number(json_object_get(json, "queue"), "held"), 5);
	assert_string_equal(json_text(json_object_get(json, "policy"), "orphans"), "requeue");
	part = json_object_get(json, "daemon");
	assert_int_equal(json_number(part, "pid"), 77);
	assert_int_equal(json_number(part, "requests"), 42);
	assert_int_equal(json_number(part, "locked_bytes"), 4096);
	assert_string_equal(json_text(part, "stage"), "second");
	assert_int_equal(json_array_size(json_object_get(part, "confinement")), 3);
	assert_string_equal(json_string_value(json_array_get(json_object_get(part, "confinement"),
							     2)), "landlock");
	assert_int_equal(json_number(part, "landlock"), 6);
	assert_int_equal(json_number(part, "seccomp_filters"), 1);
	assert_string_equal(json_text(part, "domain"), "u:r:t");
	json_decref(json);
}

static void json_without_a_daemon(void **state)
{
	struct ctl_device device;
	json_t *json;

	fake_device(&device);
	device.kstatus.generation_count = 0;
	json = ctl_device_json(&device, NULL, "no answer");
	assert_true(json_is_false(json_object_get(json, "served")));
	assert_true(json_is_null(json_object_get(json, "generation")));
	assert_true(json_is_null(json_object_get(json, "daemon")));
	assert_string_equal(json_text(json, "daemon_error"), "no answer");
	json_decref(json);
}

/* P5: a program that needs a dynamic linker would need the device that it serves. */
static void copies_of_dynamic_programs_are_refused(void **state)
{
	char error[DMU_ERROR_MAX] = "", name[] = "/tmp/test_ctl.XXXXXX", blanks[128];
	const char *script = "#!/bin/sh\nexit 0\n";
	int fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);

	assert_true(fd >= 0);
	assert_int_equal(dmu_copy_check(fd, "this", error, sizeof(error)), -ENOEXEC);
	assert_non_null(strstr(error, "dynamically"));
	close(fd);

	fd = mkstemp(name);
	assert_true(fd >= 0);
	unlink(name);
	assert_int_equal(dmu_copy_check(fd, "empty", error, sizeof(error)), -ENOEXEC);
	memset(blanks, ' ', sizeof(blanks));
	memcpy(blanks, script, strlen(script));
	assert_int_equal(write(fd, blanks, sizeof(blanks)), sizeof(blanks));
	assert_int_equal(dmu_copy_check(fd, "script", error, sizeof(error)), -ENOEXEC);
	assert_non_null(strstr(error, "script"));
	close(fd);
}

static int run(const char *path, char *const argv[], char *error)
{
	const struct dmu_program program = { .path = path, .patience_ms = 20000 };

	return dmu_program_run(&program, argv, "dev", error, DMU_ERROR_MAX);
}

static void programs_that_do_not_end_are_killed(void **state)
{
	const struct dmu_program program = { .path = "/bin/sh", .patience_ms = 50 };
	char *slow[] = { "sh", "-c", "kill -STOP $$", NULL };
	char error[DMU_ERROR_MAX];

	assert_int_equal(dmu_program_run(&program, slow, "dev", error, sizeof(error)), -ETIMEDOUT);
	assert_non_null(strstr(error, "not started after 50 ms"));
}

static void programs_that_fail_say_why(void **state)
{
	char *good[] = { "sh", "-c", "exit 0", NULL };
	char *bad[] = { "sh", "-c", "echo x >&2; echo 'sh: dev: the reason: x' >&2; exit 1", NULL };
	char *mute[] = { "sh", "-c", "exit 3", NULL };
	char *killed[] = { "sh", "-c", "kill -9 $$", NULL };
	char error[DMU_ERROR_MAX];

	assert_int_equal(run("/bin/sh", good, error), 0);
	assert_int_equal(run("/bin/sh", bad, error), -ECHILD);
	assert_string_equal(error, "the reason: x");
	assert_int_equal(run("/bin/sh", mute, error), -ECHILD);
	assert_non_null(strstr(error, "status 3"));
	assert_int_equal(run("/bin/sh", killed, error), -ECHILD);
	assert_non_null(strstr(error, "signal 9"));
	assert_int_equal(run("/nonexistent", good, error), -ECHILD);
	assert_non_null(strstr(error, "/nonexistent"));
}

static void programs_answer_questions(void **state)
{
	char error[DMU_ERROR_MAX], said[8];

	assert_int_equal(dmu_program_ask("/bin/echo", "a", "b", said, sizeof(said), error,
					 sizeof(error)), 0);
	assert_string_equal(said, "a b\n");
	assert_int_equal(dmu_program_ask("/bin/echo", "a", "long answer", said, sizeof(said), error,
					 sizeof(error)), -ENOSPC);
	assert_int_equal(dmu_program_ask("/bin/ls", "--", "/nonexistent", said, sizeof(said), error,
					 sizeof(error)), -ECHILD);
	assert_non_null(strstr(error, "/nonexistent"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(args_good),
		cmocka_unit_test(args_bad_are_named),
		cmocka_unit_test(table_is_sound),
		cmocka_unit_test(status_is_read),
		cmocka_unit_test(status_of_a_newer_kernel),
		cmocka_unit_test(status_that_makes_no_sense),
		cmocka_unit_test(a_drained_generation_does_not_serve),
		cmocka_unit_test(policy_defaults),
		cmocka_unit_test(policy_words),
		cmocka_unit_test(words_of_extents),
		cmocka_unit_test(policy_of_android),
		cmocka_unit_test(json_of_a_device),
		cmocka_unit_test(json_without_a_daemon),
		cmocka_unit_test(copies_of_dynamic_programs_are_refused),
		cmocka_unit_test(programs_that_fail_say_why),
		cmocka_unit_test(programs_answer_questions),
		cmocka_unit_test(programs_that_do_not_end_are_killed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
