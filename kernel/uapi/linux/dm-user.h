/* SPDX-License-Identifier: GPL-2.0 WITH Linux-syscall-note */
/**
 * DOC: dm-user, a device-mapper target whose I/O is answered by userspace
 *
 * A table row ``START LEN user IGNORED IGNORED CTL [<n> <arg>...]`` makes a block device and its
 * control node /dev/dm-user/CTL. Each open of the node is a channel: read(2) yields requests,
 * write(2) takes their answers. A channel has no position: lseek(2), pread(2) and pwrite(2) fail
 * with -ESPIPE. This header is the only definition of that ABI, and enough to write a daemon.
 *
 * The stream
 * ----------
 * A request is one struct dm_user_message, followed by ``len`` bytes to write if its type is
 * DM_USER_REQ_MAP_WRITE. read() returns any part of a request, as small as the caller's buffer,
 * but never header and payload in one call, and never parts of two requests.
 *
 * An answer is one struct dm_user_message with the request's ``seq`` and one of DM_USER_RESP_* in
 * ``type``. Except for DM_USER_RESP_REMAP, its ``flags``, ``sector`` and ``len`` are ignored. A
 * successful answer to DM_USER_REQ_MAP_READ is followed by exactly the request's ``len`` bytes.
 * write() takes any part of an answer, never more than one answer in a call, and returns the number
 * of bytes that it consumed. A daemon answers requests in any order, each on the channel that read
 * it.
 *
 * A ``type`` that is not defined here counts as DM_USER_RESP_ERROR, an I/O error.
 * DM_USER_RESP_NOSPC fails the request with ENOSPC, which file systems tell from other errors. With
 * the table argument nospace:wait, a write, discard, secure erase or write zeroes that is answered
 * so goes back to the queue within a second, for any channel.
 *
 * All integers are native-endian. The layout and the numbers are those of Android's dm-user. A
 * cache flush is DM_USER_REQ_MAP_FLUSH with ``len`` 0. With the table argument compat:android it is
 * what Android's driver sends, DM_USER_REQ_MAP_WRITE with ``len`` 0 and
 * DM_USER_REQ_MAP_FLAG_PREFLUSH, and the policies default to those of that driver. The kernel
 * leaves out flags that this header does not define.
 *
 * read()::
 *
 *	Blocks until there is a request. With O_NONBLOCK or RWF_NOWAIT it returns -EAGAIN
 *	instead, also while another read is in progress.
 *	-EINTR / restarted	a signal came while the read was idle or faulted in its buffer;
 *				nothing was taken
 *	0			this generation drains and has no new request to take
 *	-ENOTBLK		the target is gone; close the channel
 *	-ECANCELED		a noflush suspend or the message "fail" took back the request
 *				that was read in part; the next read begins a new one. A daemon
 *				that acts on a payload before its last byte must finish doing
 *				so before it reads on.
 *	-EFAULT, -ENOMEM	nothing was taken
 *
 * write()::
 *
 *	-EINTR / restarted	a signal came while the write waited for another one or faulted
 *				in its buffer; nothing was taken
 *	-EINVAL			this channel holds no request with that seq; the kernel drops
 *				the header, and the next write begins a new answer
 *	-EAGAIN			O_NONBLOCK or RWF_NOWAIT, and another write is in progress
 *	-EFAULT			nothing was taken
 *	-ENOTBLK		the target is gone; close the channel
 *
 * poll()::
 *
 *	EPOLLIN			read() would not block
 *	EPOLLOUT		no other write is in progress: an answer waits for nothing else
 *	EPOLLRDHUP		the generation drains
 *	EPOLLHUP		the drain is complete, or the target is gone
 *	EPOLLERR		the target is gone
 *
 * close()
 *	gives up the requests that the channel holds ("orphans"). Other channels get them (table
 *	argument orphans:requeue, the default), or they fail (orphans:fail). The process that closes
 *	a channel must be done with the backing store for all requests that it read there: no write
 *	may be in flight. A process that dies meets this condition, because the kernel closes its
 *	files after its last thread has left its last system call. Asynchronous I/O that outlives
 *	its process (io_uring) does not meet it: cancel that I/O and wait for it.
 *
 * A noflush suspend and the message "fail" take back the requests that daemons hold. write() then
 * accepts the late answer and ignores it. Until that answer comes or the channel closes, requests
 * that overlap a write that was taken back wait ("fenced"). The fence ends with the node: before
 * another CTL or another target gets the store, the old daemon must be dead.
 *
 * open() fails with -EPERM without CAP_SYS_ADMIN and while the node is sealed, and with -EINVAL
 * unless for reading and writing (O_RDWR): a daemon needs both.
 */
#ifndef _LINUX_DM_USER_H
#define _LINUX_DM_USER_H

#include <linux/types.h>

/* Requests: dm_user_message.type as read. */
#define DM_USER_REQ_MAP_READ		0
#define DM_USER_REQ_MAP_WRITE		1
#define DM_USER_REQ_MAP_FLUSH		2
#define DM_USER_REQ_MAP_DISCARD		3
#define DM_USER_REQ_MAP_SECURE_ERASE	4
#define DM_USER_REQ_MAP_WRITE_SAME	5	/* reserved; never sent */
#define DM_USER_REQ_MAP_WRITE_ZEROES	6
#define DM_USER_REQ_MAP_ZONE_OPEN	7	/* 7-12 reserved; never sent */
#define DM_USER_REQ_MAP_ZONE_CLOSE	8
#define DM_USER_REQ_MAP_ZONE_FINISH	9
#define DM_USER_REQ_MAP_ZONE_APPEND	10
#define DM_USER_REQ_MAP_ZONE_RESET	11
#define DM_USER_REQ_MAP_ZONE_RESET_ALL	12

/* Request flags: dm_user_message.flags as read. */
#define DM_USER_REQ_MAP_FLAG_FAILFAST_DEV	0x00001
#define DM_USER_REQ_MAP_FLAG_FAILFAST_TRANSPORT	0x00002
#define DM_USER_REQ_MAP_FLAG_FAILFAST_DRIVER	0x00004
#define DM_USER_REQ_MAP_FLAG_SYNC		0x00008
#define DM_USER_REQ_MAP_FLAG_META		0x00010
#define DM_USER_REQ_MAP_FLAG_PRIO		0x00020
#define DM_USER_REQ_MAP_FLAG_NOMERGE		0x00040
#define DM_USER_REQ_MAP_FLAG_IDLE		0x00080
#define DM_USER_REQ_MAP_FLAG_INTEGRITY		0x00100
#define DM_USER_REQ_MAP_FLAG_FUA		0x00200
#define DM_USER_REQ_MAP_FLAG_PREFLUSH		0x00400
#define DM_USER_REQ_MAP_FLAG_RAHEAD		0x00800
#define DM_USER_REQ_MAP_FLAG_BACKGROUND		0x01000
#define DM_USER_REQ_MAP_FLAG_NOWAIT		0x02000
#define DM_USER_REQ_MAP_FLAG_CGROUP_PUNT	0x04000
#define DM_USER_REQ_MAP_FLAG_NOUNMAP		0x08000
#define DM_USER_REQ_MAP_FLAG_HIPRI		0x10000
#define DM_USER_REQ_MAP_FLAG_DRV		0x20000
#define DM_USER_REQ_MAP_FLAG_SWAP		0x40000

/* Answers: dm_user_message.type as written. */
#define DM_USER_RESP_SUCCESS		0
#define DM_USER_RESP_ERROR		1
#define DM_USER_RESP_UNSUPPORTED	2
#define DM_USER_RESP_NOSPC		3	/* like ERROR before target version 1.2 */
/*
 * With the table argument extents: the kernel does the request itself, on the backing device number
 * ``flags`` (by the order of the row) from its sector ``sector`` on. No payload follows. Not the
 * answer to a flush. Without that argument, beyond the end of that device, or not a multiple of the
 * logical block size, it counts as DM_USER_RESP_ERROR.
 */
#define DM_USER_RESP_REMAP		4

/**
 * struct dm_user_message - a request, or the answer to one
 * @seq:	number of the request, counted from 0 for each control node; an orphan that is
 *		handed out again keeps its number
 * @type:	DM_USER_REQ_MAP_* or DM_USER_RESP_*
 * @flags:	DM_USER_REQ_MAP_FLAG_*
 * @sector:	start, in units of 512 bytes from the start of the mapped device
 * @len:	length in bytes, a multiple of the logical block size
 * @buf:	payload, if any
 */
struct dm_user_message {
	__u64 seq;
	__u64 type;
	__u64 flags;
	__u64 sector;
	__u64 len;
	__u8 buf[];
};

/*
 * Ioctls on a channel. Only SYNC and DROP, and MAP and LIST during another change of extents,
 * block. Fields named reserved, and flags not named here, must be zero (else -EINVAL). An unknown
 * command fails with -ENOTTY, a bad pointer with -EFAULT, and a valid call with -ENOTBLK once the
 * target is gone. A DRAIN whose result cannot be copied out fails with -EFAULT, but has taken
 * effect.
 */

#define DM_USER_ABI_VERSION	1

/* dm_user_info.features */
#define DM_USER_FEATURE_GENERATIONS	(1ULL << 0)	/* JOIN and DRAIN */
#define DM_USER_FEATURE_ADMISSION	(1ULL << 1)	/* SEAL and OPEN */
#define DM_USER_FEATURE_NOWAIT		(1ULL << 2)	/* RWF_NOWAIT, O_NONBLOCK, poll */
#define DM_USER_FEATURE_UNFLUSHED	(1ULL << 3)	/* DM_USER_STATE_UNFLUSHED */
#define DM_USER_FEATURE_EXTENTS		(1ULL << 4)	/* MAP ... DROP, and RESP_REMAP */

/* dm_user_info.policy */
#define DM_USER_POLICY_ORPHANS_FAIL	(1ULL << 0)	/* else requeued */
#define DM_USER_POLICY_NODAEMON_FAIL	(1ULL << 1)	/* else requests wait for a daemon */
#define DM_USER_POLICY_DISCARD		(1ULL << 2)	/* discard is offered */
/* With extents:, these two are offered only if all backing devices have them. */
#define DM_USER_POLICY_WRITE_ZEROES	(1ULL << 3)
#define DM_USER_POLICY_SECURE_ERASE	(1ULL << 4)
#define DM_USER_POLICY_COMPAT_ANDROID	(1ULL << 5)	/* compat:android */
#define DM_USER_POLICY_NOSPACE_WAIT	(1ULL << 6)	/* nospace:wait */
#define DM_USER_POLICY_EXTENTS		(1ULL << 7)	/* extents: */

/* dm_user_info.state */
#define DM_USER_STATE_SEALED		(1ULL << 0)
#define DM_USER_STATE_SUSPENDED		(1ULL << 1)
#define DM_USER_STATE_READ_ONLY		(1ULL << 2)
/*
 * A write without FUA, discard, secure erase or write zeroes has succeeded, and no flush that a
 * daemon read after that. What was mapped or remapped does not count; CLEAN covers all.
 */
#define DM_USER_STATE_UNFLUSHED		(1ULL << 3)
/* An extent, or a REMAP, has passed the page cache of the backing devices by; no DROP followed. */
#define DM_USER_STATE_BYPASSED		(1ULL << 4)
#define DM_USER_STATE_PINNED		(1ULL << 5)	/* the message "pin" */

/* dm_user_info.channel_state, dm_user_drain.state */
#define DM_USER_SERVING			0
#define DM_USER_DRAINING		1
#define DM_USER_DRAINED			2

/**
 * struct dm_user_info - geometry, policy and state, for a daemon before it serves
 * @abi_version:	DM_USER_ABI_VERSION of the kernel
 * @channel_state:	state of this channel's generation
 * @features:		DM_USER_FEATURE_*
 * @policy:		DM_USER_POLICY_*, from the table row
 * @state:		DM_USER_STATE_*
 * @dev_major:		major number of the mapped device
 * @dev_minor:		minor number of the mapped device
 * @sectors:		length of the target, in units of 512 bytes
 * @start:		first sector of the target in the mapped device
 * @logical_block_size:	in bytes; every sector and len is a multiple of it
 * @physical_block_size: in bytes
 * @max_io_bytes:	no payload crosses a multiple of this, counted from @start
 * @nodaemon_ms:	with DM_USER_POLICY_NODAEMON_FAIL, milliseconds without a daemon until
 *			requests fail (compat:android: once there has been a daemon)
 * @generation:		this channel's generation; 0 if it never joined one
 * @newest_generation:	newest generation that was ever created; 0 if none was
 * @channels:		open channels of this node
 * @held:		requests that this channel's generation has taken and not answered
 * @queued:		requests that wait for a channel
 * @reserved:		zero
 */
struct dm_user_info {
	__u32 abi_version;
	__u32 channel_state;
	__u64 features;
	__u64 policy;
	__u64 state;
	__u32 dev_major;
	__u32 dev_minor;
	__u64 sectors;
	__u64 start;
	__u32 logical_block_size;
	__u32 physical_block_size;
	__u32 max_io_bytes;
	__u32 nodaemon_ms;
	__u64 generation;
	__u64 newest_generation;
	__u32 channels;
	__u32 held;
	__u64 queued;
	__u64 reserved[4];
};

/* dm_user_join.flags */
#define DM_USER_JOIN_CREATE	(1U << 0)

/*
 * Most generations of a node at one time, draining ones included. Only a channel of open(2) creates
 * the last of them, so a serving daemon cannot keep out a daemon that opens the node.
 */
#define DM_USER_GENERATIONS_MAX		64
#define DM_USER_GENERATIONS_PASSED_MAX	48	/* for a channel of DM_USER_IOC_OPEN */

/**
 * struct dm_user_join - name the generation of a channel
 * @generation:	with DM_USER_JOIN_CREATE, the newest generation plus one, which this channel
 *		creates; without, the newest generation, which must have a channel
 * @flags:	DM_USER_JOIN_*
 * @reserved:	zero
 *
 * All channels that have not joined form generation 0. It drains like any other, and serves again
 * when its last channel has closed or joined another generation. The channels that it had when the
 * drain began cannot join another generation while it drains.
 *
 * A channel joins once, before it takes its first request. -EINVAL: @generation is 0; -EEXIST:
 * another process has created it; -ESTALE: it is older than the newest; -ERANGE: a gap, or not
 * created yet; -ENOENT: it has no channel; -ESHUTDOWN: it drains, or generation 0 drains with this
 * channel; -EBUSY: this channel has joined or taken a request; -ENOSPC: DM_USER_GENERATIONS_MAX (or
 * PASSED_MAX) generations have channels; -ENOMEM.
 */
struct dm_user_join {
	__u64 generation;
	__u32 flags;
	__u32 reserved;
};

/* dm_user_drain.flags */
#define DM_USER_DRAIN_UNDO	(1U << 0)

/**
 * struct dm_user_drain - stop a whole generation from taking requests
 * @flags:	DM_USER_DRAIN_*
 * @state:	out: DM_USER_DRAINING or DM_USER_DRAINED, after UNDO DM_USER_SERVING
 * @held:	out: requests that the generation has yet to answer
 * @reserved:	zero
 *
 * Blocked reads of the generation return 0, but a request that has been read in part can be read to
 * its end. The answer to the last request held completes the drain for good. UNDO fails with
 * -EALREADY then, and after the message "drain". To drain a draining generation succeeds, as does
 * UNDO in a serving one. A drain after UNDO is the same drain again: in generation 0 it keeps only
 * those channels from joining that existed when the first one began.
 */
struct dm_user_drain {
	__u32 flags;
	__u32 state;
	__u32 held;
	__u32 reserved;
};

/**
 * struct dm_user_open - a new channel, for a process that cannot open the node
 * @flags:	zero
 * @reserved:	zero
 *
 * Returns a close-on-exec descriptor, which can be passed over a Unix socket. Since Linux 6.8 it
 * has the security label of the calling descriptor. Before 6.8 it has none, and SELinux checks
 * only the use of the descriptor. The new channel has joined no generation. -ESHUTDOWN: the
 * generation of the calling channel drains; -EMFILE, -ENFILE, -ENOMEM.
 */
struct dm_user_open {
	__u32 flags;
	__u32 reserved;
};

/* dm_user_extent.flags */
#define DM_USER_EXTENT_READ	(1U << 0)
#define DM_USER_EXTENT_WRITE	(1U << 1)	/* and discard, secure erase, write zeroes */

/**
 * struct dm_user_extent - a range that the kernel maps to a backing device by itself
 * @sector:	start in the mapped device, in units of 512 bytes
 * @len:	length in the same unit; not 0
 * @target:	start in the backing device, in the same unit
 * @backing:	number of the backing device, by the order of the row
 * @flags:	which requests are mapped, DM_USER_EXTENT_*; others go to daemons. 0: none is;
 *		@target and @backing are 0 then
 *
 * All three ranges are multiples of the logical block size.
 */
struct dm_user_extent {
	__u64 sector;
	__u64 len;
	__u64 target;
	__u32 backing;
	__u32 flags;
};

/**
 * struct dm_user_map - set ranges (MAP), or list extents (LIST)
 * @extents:	address of an array of struct dm_user_extent
 * @count:	in: elements of the array; out: those that are set, or listed
 * @reserved:	zero
 * @sector:	LIST: list what begins or goes on here; out: where the next call goes on. MAP: 0
 *
 * MAP sets each range of the device to what the element says, whatever was mapped there, in order
 * until one fails. Extents belong to the device: they outlive the daemon. Requests that come
 * afterwards are mapped so. Those that were mapped before may still be under way until SYNC
 * returns; before the data moves, remove the extent and SYNC. Requests that wait for a daemon or
 * are held by one stay with daemons. A request that overlaps a fenced one goes to daemons.
 *
 * MAP, and CLEAN, need a serving generation that is the newest and has all channels of the node but
 * drained ones: else -ESHUTDOWN, -ESTALE, -EBUSY. -EBUSY: also while an administrator has pinned
 * the device by the message "pin": then all of it is mapped, and no daemon gets a request. -ENOTTY:
 * the row has no argument extents:; -EINVAL; -ERANGE: beyond the end of the mapped device or of the
 * backing device; -ENXIO: no such backing device; -ENOSPC: more extents than the row allows;
 * -ENOMEM; -EINTR: the caller is being killed.
 *
 * A flush goes to a daemon, and then to each backing device. CLEAN says
 * that no daemon holds anything that a flush must cover, and flushes pass daemons by until one
 * reads a request that writes. -EBUSY: one holds such a request.
 */
struct dm_user_map {
	__u64 extents;
	__u32 count;
	__u32 reserved;
	__u64 sector;
};

#define DM_USER_IOC_MAGIC	0xDA
#define DM_USER_IOC_INFO	_IOR(DM_USER_IOC_MAGIC, 0x40, struct dm_user_info)
#define DM_USER_IOC_JOIN	_IOW(DM_USER_IOC_MAGIC, 0x41, struct dm_user_join)
#define DM_USER_IOC_DRAIN	_IOWR(DM_USER_IOC_MAGIC, 0x42, struct dm_user_drain)
/*
 * Refuse every further open of the node until an administrator sends the target the message
 * "unseal". Idempotent. -ESHUTDOWN: this generation drains.
 */
#define DM_USER_IOC_SEAL	_IO(DM_USER_IOC_MAGIC, 0x43)
#define DM_USER_IOC_OPEN	_IOW(DM_USER_IOC_MAGIC, 0x44, struct dm_user_open)
#define DM_USER_IOC_MAP		_IOWR(DM_USER_IOC_MAGIC, 0x45, struct dm_user_map)
#define DM_USER_IOC_LIST	_IOWR(DM_USER_IOC_MAGIC, 0x46, struct dm_user_map)
/* Wait until every request has ended that was mapped before this call. -EINTR: being killed. */
#define DM_USER_IOC_SYNC	_IO(DM_USER_IOC_MAGIC, 0x47)
#define DM_USER_IOC_CLEAN	_IO(DM_USER_IOC_MAGIC, 0x48)
/*
 * Write back and drop the page cache of the backing devices, which what is mapped or remapped
 * passes by: before the first of that, if a process may have written to a backing device through
 * its page cache, and after SYNC, if a daemon is to read through it. -EBUSY: a process uses a page:
 * try again. If writeback fails, DROP fails (-EIO, or so), and the next flush of the mapped device
 * does.
 */
#define DM_USER_IOC_DROP	_IO(DM_USER_IOC_MAGIC, 0x49)

#endif /* _LINUX_DM_USER_H */
