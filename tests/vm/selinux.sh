# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
# Functions of the tests of SELinux, which load the small policy, label, and look for denials.
# Sourced after lib.sh.

# shellcheck disable=SC2154 # lib.sh sets disk and run

selinux=/add/selinux

# object TYPE: print the context of an object of that type.
object() {
	echo "system_u:object_r:$1"
}

domain_of() {
	tr -d '\0\n' <"/proc/$1/attr/current"
}

# domains_of PID: print the domains of all threads of the process, each domain once.
domains_of() {
	local task
	for task in "/proc/$1/task"/*; do
		domain_of "$1/task/${task##*/}"
		echo
	done | sort -u
}

# Print the denials that name types, programs or domains of dmuser.
denials() {
	dmesg | grep -a 'avc: *denied' | grep -aE 'dmuser|dm-user|dm_user' || true
}

# denials_expected COUNT WHICH: the log must have COUNT denials, and is then cleared.
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

# selinux_start [POLICY [ENFORCE]]: load the policy and label files, as a small system's init does.
selinux_start() {
	mount -t selinuxfs selinuxfs /sys/fs/selinux || fail "mount selinuxfs"
	# The log must have every denial.
	echo 0 >/proc/sys/kernel/printk_ratelimit
	"$selinux" load "${1:-/add/selinux.policy}" || fail "load the policy"
	is "the domain of processes from before the policy" "$(domain_of self)" \
		system_u:system_r:kernel_t
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
	# A first stage may have made these before the policy was loaded.
	find /dev/dm-user -exec "$selinux" label "$(object dmuser_device_t)" {} + ||
		fail "label control nodes"
	find "$run" -exec "$selinux" label "$(object dmuser_runtime_t)" {} + ||
		fail "label run files"
}

# boolean NAME 0|1
boolean() {
	"$selinux" set "booleans/$1" "$2" && "$selinux" set commit_pending_bools 1 ||
		fail "switch $1"
}

window() {
	boolean dmuser_window "$1"
}
