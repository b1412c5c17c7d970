# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
# The guest's part of a soak: make file systems on dm-user, run the soak, and check the result.
# Sourced after lib.sh.
# shellcheck disable=SC2154 # patience and checks are of lib.sh

# For each of the guest's disks: a file system that the kernel knows, or "raw"; the device's name.
soak_types=()
soak_names=()
# "buffered", and that the kernel may map the disk when a daemon's mode is "direct", or may not.
soak_spec=

soak_disk() {
	local letters=abcdefgh
	echo "/dev/vd${letters:$1:1}"
}

soak_knows() {
	modprobe -q "$1" 2>/dev/null
	grep -qw "$1" /proc/filesystems
}

soak_mkfs() {
	case $1 in
	ext4) mkfs.ext4 -q "$2" ;;
	ext4-1k) mkfs.ext4 -q -b 1024 -O ^has_journal "$2" ;;
	xfs) mkfs.xfs -q "$2" ;;
	btrfs) mkfs.btrfs -q "$2" ;;
	esac
}

soak_fsck() {
	case $1 in
	ext4*) e2fsck -fn "$2" ;;
	xfs) xfs_repair -n "$2" ;;
	btrfs) btrfs check "$2" ;;
	esac >/tmp/fsck 2>&1 || fail "fsck of $1 on $2: $(tail -n 30 /tmp/fsck)"
}

# The kernel's own memory in KiB, which must not grow. KASAN keeps freed objects until their cache
# shrinks.
soak_memory() {
	local cache
	sync
	for cache in /sys/kernel/slab/*/shrink; do
		{ echo 1 >"$cache"; } 2>/dev/null
	done
	echo 3 >/proc/sys/vm/drop_caches
	awk '/^(SUnreclaim|KernelStack|PageTables|Percpu|Shmem):/ { sum += $2 } END { print sum }' \
		/proc/meminfo
}

soak_sums() {
	(cd "/mnt/$1" && find . -type f -print0 | sort -z | xargs -0 -r sha256sum)
}

# soak_make TYPE...: make a device of each disk, with a file system of that TYPE. A file system that
# this kernel lacks becomes ext4-1k.
soak_make() {
	local i type
	for type in "$@"; do
		i=${#soak_names[@]}
		[ -b "$(soak_disk "$i")" ] || break
		case $type in
		raw | ext4*) ;;
		*) soak_knows "$type" || type=ext4-1k ;;
		esac
		soak_names+=("s$i") soak_types+=("$type")
		create "s$i" "file:$(soak_disk "$i"),$soak_spec" || fail "create s$i"
		[ "$type" != raw ] || continue
		mkdir -p "/mnt/s$i"
		soak_mkfs "$type" "/dev/mapper/s$i" || fail "mkfs of $type"
		mount -t "${type%-1k}" "/dev/mapper/s$i" "/mnt/s$i" || fail "mount of $type"
	done
	say "devices: ${soak_types[*]}"
}

# soak_run OPTION...: run /add/soak with these options
soak_run() {
	local i devices=() raw=() options=()
	# See forked_newcomer().
	[[ ! -e /proc/exitcode || $(uname -r) != 6.12.* ]] || options+=(-f)
	for i in "${!soak_names[@]}"; do
		if [ "${soak_types[i]}" = raw ]; then
			devices+=("s$i:$(soak_disk "$i")")
			/add/load -t 2 -p 100 -s "/tmp/raw.$i" -b "$(soak_disk "$i")" \
				"/dev/mapper/s$i" &
			raw+=($!)
		else
			devices+=("s$i:$(soak_disk "$i"):/mnt/s$i")
		fi
	done
	/add/soak ${options[@]+"${options[@]}"} "$@" "${devices[@]}" ||
		fail "the soak: $(tail -n 20 /tmp/fio.* 2>/dev/null)"
	ok "every handover and every restart succeeded, and every load has its bytes"
	for i in ${raw[@]+"${raw[@]}"}; do
		kill -TERM "$i"
		wait "$i" || fail "the load on the device itself saw errors or wrong bytes"
		ok "the load on the device itself has its bytes"
	done
}

# Unmount each file system, check it, mount it again, compare its bytes, and remove its device.
soak_end() {
	local i type name
	for i in "${!soak_names[@]}"; do
		name=s$i type=${soak_types[i]}
		word_is daemon 1 "$name" || fail "$name: no daemon serves"
		is "$name: requests that failed" "$(word failed "$name")" 0
		is "$name: requests answered with an error" "$(word errors "$name")" 0
		if [ "$type" != raw ]; then
			soak_sums "$name" >"/tmp/sums.$name" || fail "checksums of $type"
			umount "/mnt/$name" || fail "umount of $type"
			soak_fsck "$type" "/dev/mapper/$name"
			echo 3 >/proc/sys/vm/drop_caches
			mount -t "${type%-1k}" "/dev/mapper/$name" "/mnt/$name" ||
				fail "mount of $type again"
			soak_sums "$name" | cmp - "/tmp/sums.$name" ||
				fail "$type has other bytes after a new mount"
			umount "/mnt/$name" || fail "umount of $type"
			ok "$type: fsck says clean, $(wc -l <"/tmp/sums.$name")" \
				"files have their bytes after a new mount"
		fi
		remove "$name"
		[ "$type" = raw ] || soak_fsck "$type" "$(soak_disk "$i")"
	done
	# shellcheck disable=SC2009 # pgrep cannot show this
	is "zombies" "$(ps -e -o stat= | grep -c '^Z')" 0
	is "descriptors of sockets in /run" "$(grep -c dm-user /proc/net/unix)" 0
}

# soak_all HANDOVERS KILLS SEED OPTION...
soak_all() {
	local before after n=$1 k=$2 seed=$3
	shift 3
	set -- "$@" -s "$seed"
	soak_spec=buffered
	[ $((seed % 2)) = 1 ] || soak_spec+=,extents=off
	say "devices are $soak_spec"
	# First create and remove a device: memory that the kernel allocates once is no leak.
	create warm "file:$(soak_disk 0),buffered" || fail "create warm"
	handover warm >/dev/null || fail "handover of warm"
	remove warm
	before=$(soak_memory)
	soak_make ext4 xfs btrfs raw
	soak_run -n "$n" -k "$k" "$@"
	soak_end
	after=$(soak_memory)
	say "the kernel's own memory: $before KiB before, $after KiB after"
	# The file systems keep some memory; a leak of a kilobyte per action would be more.
	[ $((after - before)) -lt $((8192 + (n + k) / 2)) ] ||
		fail "the kernel's memory grew: $before KiB, $after KiB"
	ok "the kernel has its memory back"
}
