// SPDX-License-Identifier: LGPL-2.1-or-later
/* Only files and directories that root alone can write may say what is served, or where. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/dmuser.h"

int dmu_trusted_check(int fd, const char *path, char *error, size_t len)
{
	struct stat st;
	int rc;

	if (fstat(fd, &st)) {
		rc = -errno;
		snprintf(error, len, "cannot look at %s: %s", path, strerror(-rc));
		return rc;
	}
	if (st.st_uid != 0 && st.st_uid != geteuid()) {
		snprintf(error, len, "%s belongs to user %u, not to root", path, st.st_uid);
		return -EPERM;
	}
	if (st.st_mode & (S_IWGRP | S_IWOTH)) {
		snprintf(error, len, "%s can be written by others than root (mode %04o)", path,
			 st.st_mode & 07777);
		return -EPERM;
	}
	return 0;
}

int dmu_trusted_directory(const char *path, char *error, size_t len)
{
	int fd = open(path, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC), rc;

	if (fd < 0) {
		rc = -errno;
		snprintf(error, len, "cannot look at directory %s: %s", path, strerror(-rc));
		return rc;
	}
	rc = dmu_trusted_check(fd, path, error, len);
	close(fd);
	return rc;
}

int dmu_trusted_make(const char *path, mode_t mode, bool *made, char *error, size_t len)
{
	mode_t mask = umask(0);
	int rc = mkdir(path, mode) ? -errno : 0;

	umask(mask);
	if (made && !rc)
		*made = true;
	if (rc && rc != -EEXIST) {
		snprintf(error, len, "cannot make %s: %s", path, strerror(-rc));
		return rc;
	}
	return dmu_trusted_directory(path, error, len);
}
