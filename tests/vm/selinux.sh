# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
# For test scripts of SELinux, which source it after lib.sh: load the small policy, label, look for denials.

# shellcheck disable=SC2154 # lib.sh has disk and run

selinux=/add/selinux

# A context of that type, of an object or a process.
object() {
	echo "system_u:object_r:$1"
}

domain_of() {
	tr -d '\0\n' <"/proc/$1/attr/current"
}

# The domains of all threads of process $1, each once.
domains_of() {
	local task
	for task in "/proc/$1/task"/*; do
		domain_of "$1/task/${task##*/}"
		echo
	done | sort -u
}

# Denials that name our types or programs, or come from our domains.
denials() {
	dmesg | grep -a 'avc: *denied' | grep -aE 'dmuser|dm-user|dm_user' || true
}

# denials_expected COUNT WHICH: forgets them, too.
denials_expected() {
	local found
	found=$(denials)
	[ "$(grep -c . <<<"$found")" -eq "$1" ] || {
		say "$found"
		fail "not $1 denials $2"
	}
	dmesg -c >/dev/null
	ok "$1 denials $2"
}

no_denials() {
	local found
	found=$(denials)
	[ -z "$found" ] || {
		say "$found"
		fail "denials${1:+ $1}: $(echo "$found" | wc -l)"
	}
	ok "no denial${1:+ $1}"
}

# What a small system's init does: load the policy, and give files their labels.
selinux_start() {
	mount -t selinuxfs selinuxfs /sys/fs/selinux || fail "mount selinuxfs"
	# Every denial, please.
	echo 0 >/proc/sys/kernel/printk_ratelimit
	"$selinux" load "${1:-/add/selinux.policy}" || fail "load the policy"
	is "the domain of who was here before" "$(domain_of self)" system_u:system_r:kernel_t
	selinux_label
	"$selinux" set enforce "${2:-1}" || fail "enforce"
}

selinux_label() {
	"$selinux" label "$(object null_device_t)" /dev/null &&
		"$selinux" label "$(object kmsg_device_t)" /dev/kmsg &&
		"$selinux" label "$(object lvm_control_t)" /dev/mapper/control &&
		"$selinux" label "$(object dmuser_first_exec_t)" /usr/bin/dmuser-first &&
		"$selinux" label "$(object dmuser_second_exec_t)" /usr/bin/dmuser-second &&
		"$selinux" label "$(object dmuser_store_t)" "$disk" || fail "label"
	# What a first stage has made before there was a policy.
	find /dev/dm-user -exec "$selinux" label "$(object dmuser_device_t)" {} + || fail "label control nodes"
	find "$run" -exec "$selinux" label "$(object dmuser_runtime_t)" {} + || fail "label run files"
}

window() {
	"$selinux" set booleans/dmuser_window "$1" && "$selinux" set commit_pending_bools 1 ||
		fail "switch the window"
}
