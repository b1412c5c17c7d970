// SPDX-License-Identifier: GPL-2.0-or-later
/* P9: a file or directory that others than root can write to is refused, by name. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/dmuser.h"

static char dir[] = "/tmp/test_trusted.XXXXXX";
static char error[256];

static int check_mode(int fd, mode_t mode)
{
	assert_int_equal(fchmod(fd, mode), 0);
	error[0] = '\0';
	return dmu_trusted_check(fd, "the file", error, sizeof(error));
}

static void files(void **state)
{
	int fd = open(dir, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(check_mode(fd, 0600), 0);
	assert_int_equal(check_mode(fd, 0644), 0);
	assert_int_equal(check_mode(fd, 0555), 0);
	assert_int_equal(check_mode(fd, 0620), -EPERM);
	assert_string_equal(error, "the file can be written by others than root (mode 0620)");
	assert_int_equal(check_mode(fd, 0602), -EPERM);
	assert_int_equal(check_mode(fd, 01777), -EPERM);
	assert_non_null(strstr(error, "(mode 1777)"));
	/* Only root can give a file away. */
	if (!fchown(fd, 1000, 0)) {
		assert_int_equal(check_mode(fd, 0600), -EPERM);
		assert_string_equal(error, "the file belongs to user 1000, not to root");
	}
	close(fd);
	assert_int_equal(dmu_trusted_check(fd, "the file", error, sizeof(error)), -EBADF);
}

static void directories(void **state)
{
	char path[128];

	assert_int_equal(dmu_trusted_directory(dir, error, sizeof(error)), 0);
	assert_int_equal(chmod(dir, 0777), 0);
	assert_int_equal(dmu_trusted_directory(dir, error, sizeof(error)), -EPERM);
	assert_non_null(strstr(error, dir));
	assert_int_equal(chmod(dir, 0700), 0);

	snprintf(path, sizeof(path), "%s/link", dir);
	assert_int_equal(symlink(dir, path), 0);
	assert_int_equal(dmu_trusted_directory(path, error, sizeof(error)), -ENOTDIR);
	assert_non_null(strstr(error, path));
	unlink(path);
	assert_int_equal(dmu_trusted_directory(path, error, sizeof(error)), -ENOENT);
}

static int setup(void **state)
{
	return mkdtemp(dir) ? 0 : -1;
}

static int teardown(void **state)
{
	return rmdir(dir);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(files),
		cmocka_unit_test(directories),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
