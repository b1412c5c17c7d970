// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Everything between having channels and answering the first request. Nothing here can hurt the
 * device: if a step fails, the daemon that served the device still does.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "daemon/attach.h"
#include "daemon/extents.h"
#include "daemon/prepare.h"
#include "daemon/state.h"
#include "daemon/store.h"

#define DMU_FEATURES_NEEDED	(DM_USER_FEATURE_GENERATIONS | DM_USER_FEATURE_ADMISSION)

static int dmu_prepare_ask_kernel(struct dmu_context *daemon)
{
	int rc = dmu_channel_info(daemon->channels[0], &daemon->info);

	if (rc)
		return dmu_daemon_blame(daemon, -rc, "cannot ask the kernel about the device: %s",
					strerrordesc_np(-rc));
	if (daemon->info.abi_version != DM_USER_ABI_VERSION)
		return dmu_daemon_blame(daemon, EPROTO,
					"the kernel module speaks version %u, this program %u",
					daemon->info.abi_version, DM_USER_ABI_VERSION);
	if ((daemon->info.features & DMU_FEATURES_NEEDED) != DMU_FEATURES_NEEDED)
		return dmu_daemon_blame(daemon, EPROTO,
					"the kernel module lacks generations or admission");
	return 0;
}

static int dmu_prepare_open_backend(struct dmu_context *daemon)
{
	return daemon->backend ? 0 :
		dmu_daemon_open_backend(daemon, &daemon->spec, DMU_USE_SHARED);
}

static dev_t dmu_prepare_device(const struct dmu_context *daemon)
{
	return makedev(daemon->info.dev_major, daemon->info.dev_minor);
}

static bool dmu_prepare_lies_on_device(const struct dmu_context *daemon, int fd)
{
	return dmu_lies_on(fd, dmu_prepare_device(daemon));
}

/* The backend's descriptors, which the confinement leaves open: how many, or -EMFILE, blamed. */
static int dmu_prepare_list_fds(struct dmu_context *daemon)
{
	struct dmu_confinement *confinement = &daemon->confinement;
	int count = 0;

	if (daemon->ops->fds)
		count = daemon->ops->fds(daemon->backend, daemon->backend_fds, DMU_BACKEND_FDS_MAX);
	if (count < 0 || count > DMU_BACKEND_FDS_MAX)
		return dmu_daemon_blame(daemon, EMFILE, "the backend has %d descriptors", count);
	confinement->backend_fds = daemon->backend_fds;
	confinement->backend_fd_count = count;
	confinement->backend_syscalls = daemon->ops->syscalls;
	confinement->backend_syscall_count = daemon->ops->syscall_count;
	return count;
}

/* If the backend lay on the device that it is to serve, every request would wait for itself. */
static int dmu_prepare_check_loop(struct dmu_context *daemon)
{
	struct stat st;
	int count, i;

	count = dmu_prepare_list_fds(daemon);
	if (count < 0)
		return count;
	for (i = 0; i < count; i++) {
		if (fstat(daemon->backend_fds[i], &st))
			return dmu_daemon_blame(daemon, errno, "cannot look at %s: %s",
						daemon->spec.source, strerror(errno));
		if (dmu_prepare_lies_on_device(daemon, daemon->backend_fds[i]))
			return dmu_daemon_blame(daemon, ELOOP,
						"%s %s the device that it is to serve",
						daemon->spec.source,
						st.st_rdev == dmu_prepare_device(daemon) ? "is" :
						"lies on");
	}
	return 0;
}

/*
 * The device was made from another generation's store: this one must look the same to the device.
 * The store may have grown, but the device has not.
 */
static int dmu_prepare_check_geometry(struct dmu_context *daemon)
{
	const struct dmu_geometry *geometry = &daemon->geometry;
	const struct dm_user_info *info = &daemon->info;

	if (geometry->size / 512 < info->sectors)
		return dmu_daemon_blame(daemon, EINVAL,
					"%s has shrunk to %llu bytes, and the device has %llu",
					daemon->spec.source, (unsigned long long)geometry->size,
					(unsigned long long)info->sectors * 512);
	if (geometry->logical_block_size > info->logical_block_size ||
	    geometry->alignment > info->logical_block_size)
		return dmu_daemon_blame(daemon, EINVAL,
					"%s has blocks of %u bytes, the device of %u%s",
					daemon->spec.source,
					geometry->alignment > geometry->logical_block_size ?
						geometry->alignment :
						geometry->logical_block_size,
					info->logical_block_size,
					daemon->spec.cache == DMU_DIRECT ?
						" (use the option buffered)" : "");
	if (geometry->read_only && !(info->state & DM_USER_STATE_READ_ONLY))
		return dmu_daemon_blame(daemon, EROFS, "%s is read-only, the device is not",
					daemon->spec.source);
	return 0;
}

/* A program on the device could not page in its own text: the device would wait for that text. */
static int dmu_prepare_check_program(struct dmu_context *daemon)
{
	int fd = open("/proc/self/exe", O_PATH | O_CLOEXEC);
	bool lies_on_device;

	if (fd < 0)
		return dmu_daemon_blame(daemon, errno, "cannot look at /proc/self/exe: %s",
					strerror(errno));
	lies_on_device = dmu_prepare_lies_on_device(daemon, fd);
	close(fd);
	if (lies_on_device)
		return dmu_daemon_blame(
			daemon, ELOOP,
			"this program lies on the device that it is to serve: run it from a tmpfs");
	return 0;
}

static int dmu_prepare_join(struct dmu_context *daemon)
{
	unsigned int i;
	int rc = 0;

	if (!daemon->generation)
		daemon->generation = daemon->info.newest_generation + 1;
	for (i = 0; i < daemon->channel_count && !rc; i++)
		rc = dmu_channel_join(daemon->channels[i], daemon->generation, !i);
	if (rc)
		return dmu_daemon_blame(daemon, -rc, "cannot become generation %llu: %s",
					(unsigned long long)daemon->generation, strerror(-rc));
	return 0;
}

static int dmu_prepare_reside(struct dmu_context *daemon)
{
	int rc = dmu_resident_set_limits();

	if (rc)
		return dmu_daemon_blame(daemon, -rc, "cannot set the limits: %s", strerror(-rc));
	rc = dmu_resident_forbid_core();
	if (rc)
		return dmu_daemon_blame(daemon, -rc, "cannot forbid core dumps: %s", strerror(-rc));
	rc = dmu_resident_oom_exempt();
	if (rc)
		return dmu_daemon_blame(daemon, -rc, "cannot set the OOM score: %s", strerror(-rc));
	rc = dmu_resident_lock_memory();
	if (rc)
		return dmu_daemon_blame(daemon, -rc, "cannot lock memory: %s", strerror(-rc));
	rc = posix_memalign(&daemon->block, daemon->info.logical_block_size,
			    daemon->info.logical_block_size);
	if (rc)
		return dmu_daemon_blame(daemon, rc, "no memory for the self-test");
	if (chdir("/"))
		return dmu_daemon_blame(daemon, errno, "cannot change to /: %s", strerror(errno));
	return 0;
}

/* Read the first and the last block. 0 or -errno. */
static int dmu_prepare_read_ends(void *arg)
{
	const struct dmu_call call = { .self_test = true };
	const struct dmu_context *daemon = arg;
	uint32_t len = daemon->info.logical_block_size;
	int rc;

	rc = daemon->ops->read(daemon->backend, &call, daemon->block, len, 0);
	if (!rc)
		rc = daemon->ops->read(daemon->backend, &call, daemon->block, len,
				       daemon->info.sectors * 512 - len);
	return rc;
}

static int dmu_prepare_tested(struct dmu_context *daemon, int rc)
{
	return rc ? dmu_daemon_blame(daemon, -rc, "cannot read %s: %s", daemon->spec.source,
				     strerrordesc_np(-rc)) : 0;
}

/* A store that the kernel maps is tested and closed before the confinement. */
static int dmu_prepare_release(struct dmu_context *daemon)
{
	int rc;

	if (!dmu_extents_are_on(daemon))
		return 0;
	rc = dmu_prepare_tested(daemon, dmu_prepare_read_ends(daemon));
	if (rc)
		return rc;
	daemon->ops->release(daemon->backend);
	dmu_extents_prepare(daemon);
	return 0;
}

/* In an I/O thread, whose filter allows what the backend needs. */
static int dmu_prepare_self_test(struct dmu_context *daemon)
{
	int rc;

	if (dmu_extents_are_on(daemon))
		return 0;
	rc = dmu_server_call(daemon->server, dmu_prepare_read_ends, daemon);
	if (rc == -EACCES && daemon->confinement.domain[0])
		return dmu_daemon_blame(daemon, EACCES, "%s may not read %s (a disk needs the "
					"SELinux boolean dmuser_disk_io)",
					daemon->confinement.domain, daemon->spec.source);
	return dmu_prepare_tested(daemon, rc);
}

/* true: the daemon is in the foreground, and its log on stderr does not go to the device itself. */
static bool dmu_prepare_keeps_stderr(const struct dmu_context *daemon)
{
	return daemon->options.foreground && !dmu_prepare_lies_on_device(daemon, STDERR_FILENO);
}

static int dmu_prepare_close_fds(struct dmu_context *daemon)
{
	const int ours[] = {
		daemon->launch.fd,
		daemon->rundir.lock,
		daemon->rundir.tab,
		daemon->kmsg,
		daemon->peer.socket,
		daemon->peer_pidfd,
		daemon->room.fd,
		daemon->self_pidfd,
		daemon->listener,
		daemon->timer,
		daemon->ticker,
		daemon->signals,
		daemon->confinement.status_fd,
	};
	bool keeps_stderr = dmu_prepare_keeps_stderr(daemon);
	int *keep = daemon->fds, count = 0, rc;
	size_t i;

	for (i = 0; i < sizeof(ours) / sizeof(ours[0]); i++)
		if (ours[i] >= 0)
			keep[count++] = ours[i];
	for (i = 0; i < daemon->channel_count; i++)
		keep[count++] = daemon->channels[i];
	for (i = 0; i < (size_t)daemon->confinement.backend_fd_count; i++)
		keep[count++] = daemon->backend_fds[i];
	if (keeps_stderr)
		keep[count++] = STDERR_FILENO;
	dmu_log_open(daemon->program->name, daemon->kmsg, keeps_stderr ? STDERR_FILENO : -1);
	rc = dmu_resident_close_fds(keep, count);
	if (rc)
		return dmu_daemon_blame(daemon, -rc, "cannot close descriptors: %s", strerror(-rc));
	for (i = 0; i < (keeps_stderr ? STDERR_FILENO : STDERR_FILENO + 1); i++)
		keep[count++] = (int)i;
	daemon->fd_count = count;
	return 0;
}

static int dmu_prepare_confine(struct dmu_context *daemon)
{
	struct dmu_confinement *confinement = &daemon->confinement;
	const struct dmu_confiner *confiner = daemon->program->confiner;
	char error[DMU_WIRE_REASON_MAX] = "";
	int rc;

	rc = dmu_prepare_list_fds(daemon);
	if (rc < 0)
		return rc;
	confinement->peer_pidfd = daemon->peer_pidfd;
	confinement->room_fd = daemon->room.fd;
	confinement->room_map = daemon->room.map;
	confinement->room_size = daemon->room.size;
	rc = daemon->options.takeover ? dmu_rundir_open_tab(&daemon->rundir) : 0;
	if (rc)
		return dmu_daemon_blame(daemon, -rc, "cannot open %s/" DMU_TAB_NAME ": %s",
					daemon->rundir.path, strerror(-rc));
	/* Open it while /proc is mounted: confinement takes /proc away, not the descriptor. */
	confinement->status_fd = open("/proc/self/status", O_RDONLY | O_CLOEXEC);
	if (confinement->status_fd < 0)
		return dmu_daemon_blame(daemon, errno, "cannot open /proc/self/status: %s",
					strerror(errno));
	rc = dmu_prepare_close_fds(daemon);
	if (rc || !confiner || !confiner->confine)
		return rc;
	rc = confiner->confine(confinement, error, sizeof(error));
	return rc ? dmu_daemon_blame(daemon, -rc, "confinement: %s", error) : 0;
}

static int dmu_prepare_make_threads(struct dmu_context *daemon)
{
	const struct dmu_server_config config = {
		.channels = daemon->channels,
		.channel_count = daemon->channel_count,
		.ops = daemon->ops,
		.backend = daemon->backend,
		.max_io_bytes = daemon->info.max_io_bytes,
		.sectors = daemon->info.sectors,
		.remaps = dmu_extents_are_on(daemon),
	};
	int rc = dmu_server_create(&daemon->server, &config);

	if (rc)
		return dmu_daemon_blame(daemon, -rc, "cannot make %u threads: %s",
					daemon->channel_count, strerrordesc_np(-rc));
	return 0;
}

/*
 * VmLck of /proc/self/status, in bytes; 0: unknown. No stdio: by now it may not allocate.
 *
 * #syscalls main: pread64
 */
static uint64_t dmu_prepare_locked_bytes(int status_fd)
{
	char text[4096], *at;
	ssize_t len = pread(status_fd, text, sizeof(text) - 1, 0);

	if (len <= 0)
		return 0;
	text[len] = '\0';
	at = strstr(text, "\nVmLck:");
	return at ? strtoull(at + strlen("\nVmLck:"), NULL, 10) * 1024 : 0;
}

static int dmu_prepare_filter(struct dmu_context *daemon)
{
	struct dmu_confinement *confinement = &daemon->confinement;
	const struct dmu_confiner *confiner = daemon->program->confiner;
	char error[DMU_WIRE_REASON_MAX] = "";
	int rc = 0;

	confinement->event_fd = dmu_server_event_fd(daemon->server);
	daemon->fds[daemon->fd_count++] = confinement->event_fd;
	confinement->fds = daemon->fds;
	confinement->fd_count = daemon->fd_count;
	confinement->channels = daemon->channels;
	confinement->channel_count = (int)daemon->channel_count;
	confinement->listener = daemon->listener;
	confinement->server = daemon->server;
	confinement->remaps = dmu_extents_are_on(daemon);
	if (confiner && confiner->filter) {
		/* From here on this daemon cannot remove its device. */
		if (daemon->created)
			dmu_launch_entrust(&daemon->launch);
		daemon->filtered = true;
		rc = confiner->filter(confinement, error, sizeof(error));
	}
	if (!rc && confiner && confiner->verify)
		rc = confiner->verify(confinement, error, sizeof(error));
	if (rc)
		return dmu_daemon_blame(daemon, -rc, "confinement: %s", error);
	confinement->locked_bytes = dmu_prepare_locked_bytes(confinement->status_fd);
	if (confinement->locked_bytes)
		confinement->proved |= DMU_WIRE_CONFINED_MEMORY;
	close(confinement->status_fd);
	confinement->status_fd = -1;
	return 0;
}

/*
 * Residence comes before confinement, which takes the right to it; confinement before the threads,
 * which inherit it; the filter after the threads, since it forbids making any; the self-test last,
 * under all of it.
 */
const struct dmu_step dmu_prepare_steps[] = {
	DMU_STEP(dmu_prepare_ask_kernel),
	DMU_STEP(dmu_prepare_check_program),
	DMU_STEP(dmu_prepare_open_backend),
	DMU_STEP(dmu_prepare_check_loop),
	DMU_STEP(dmu_store_check),
	DMU_STEP(dmu_prepare_check_geometry),
	DMU_STEP(dmu_store_check_holders),
	DMU_STEP(dmu_extents_check),
	DMU_STEP(dmu_prepare_join),
	DMU_STEP(dmu_prepare_reside),
	DMU_STEP(dmu_state_prepare),
	DMU_STEP(dmu_prepare_release),
	DMU_STEP(dmu_prepare_confine),
	DMU_STEP(dmu_prepare_make_threads),
	DMU_STEP(dmu_prepare_filter),
	DMU_STEP(dmu_prepare_self_test),
	{ NULL, NULL },
};

int dmu_daemon_prepare(struct dmu_context *daemon)
{
	return dmu_steps_run(daemon, dmu_prepare_steps);
}
