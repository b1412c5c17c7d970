#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# P11: the scripts for initramfs-tools and for the power-off find a backend's own daemon, and keep
# what it needs: it serves from the boot on, and at the power-off without its files on the root.
# vm: --mem 320 --disk 64M
# append: rd.dmuser.t=keyed:/dev/store
# add: build/tests/vm/keyed initramfs tests/vm/lib.sh /usr/bin/cp /usr/bin/ldd
# quick: uml-6.12
# shellcheck source=tests/vm/lib.sh
. /add/lib.sh

key=/etc/keyed/key exit=/exitrd own=/usr/bin/../libexec/dmuser-keyed stubs=/tmp/stubs
ctl=$(command -v dmuserctl)

field() {
	dmuserctl status --json "$name" | jq -r "$1"
}

# Functions of initramfs-tools. The hook has no other way to put a file into the initramfs.
mkdir -p /usr/share/initramfs-tools /scripts /etc/keyed /usr/lib/dm-user /usr/libexec $stubs
cat >/usr/share/initramfs-tools/hook-functions <<'END'
copy_exec() {
	echo "program $1"
}
copy_file() {
	echo "file $2"
	return 1	# it is there already
}
manual_add_modules() {
	echo "modules $*"
}
END
cat >/scripts/functions <<'END'
panic() {
	echo "panic: $*"
	exit 1
}
wait_for_udev() {
	:
}
END

hook() {
	sh /add/initramfs/initramfs-tools/hooks/dmuser
}

# stub NAME: make a program of standard input, which runs in place of NAME.
stub() {
	{
		echo '#!/bin/sh'
		cat
	} >"$stubs/$1"
	chmod +x "$stubs/$1"
}

ln -s "$ctl" /usr/sbin/dmuserctl
first=$(dmuserctl program) || fail "the first stage's program"
usual=$(printf '%s\n' 'program /usr/sbin/dmuserctl' "program $first")
fails_saying "unknown backend 'keyed'" hook
cp /add/keyed "$own"
is "what the initramfs gets" "$(hook)" "$usual
program $own
file $key
modules dm-mod dm-user"

# In the initramfs: the store comes late.
echo open >$key
sh /add/initramfs/initramfs-tools/scripts/local-top/dmuser >/tmp/said 2>&1 &
boot=$!
wait_for 20 "create waits" pgrep -x dmuserctl
ln -s "$disk" /dev/store
wait "$boot" || fail "local-top: $(cat /tmp/said)"
is "the daemon of the initramfs" "$(field .daemon.stage)" keyed

# On the root. The power-off has copies only.
cp /add/initramfs/exitrd/prepare /usr/lib/dm-user/exitrd-prepare
cp /add/initramfs/exitrd/shutdown /usr/lib/dm-user/exitrd-shutdown
prepare() {
	PATH=$stubs:/add:$PATH sh /usr/lib/dm-user/exitrd-prepare $exit
}
stub cp <<<"[ \"\$3\" != $own ] && /add/cp \"\$@\""
prepare 2>&1 | grep -q "$name: not all is there" || fail "a daemon that cannot be copied"
umount $exit
rm $stubs/cp
# As if SELinux were there, and had no label for any file.
mount -t tmpfs none /sys/fs && mkdir /sys/fs/selinux && : >/sys/fs/selinux/enforce ||
	fail "mount"
stub chcon <<'END'
echo "$2 $3" >>/tmp/labels
exit 1
END
prepare || fail "exitrd-prepare"
umount /sys/fs
check "the daemon's label is that of its program" \
	grep -qx -- "--reference=$own $exit/usr/sbin/dmuser-keyed" /tmp/labels
while read -r reference path; do
	[ -e "${reference#*=}" ] || fail "$path: $reference, which is not there"
done </tmp/labels
is "the mode of the copies' directory" "$(stat -c %a $exit)" 700
rm "$own" $key
printf '#!/bin/sh\nexec >/dev/null\n' >$exit/usr/sbin/poweroff
cat >$exit/exit.d/look <<'END'
#!/bin/sh
[ "$1" != served ] || dmuserctl status --json t >/run/served
END
chmod +x $exit/usr/sbin/poweroff $exit/exit.d/look
for dir in dev proc sys run; do
	mount --bind /$dir $exit/$dir || fail "mount"
done
chroot $exit /shutdown poweroff >/tmp/out 2>&1 || fail "shutdown: $(cat /tmp/out)"
is "stage and generation at the power-off" \
	"$(jq -r '"\(.daemon.stage) \(.generation)"' /run/served)" "keyed 2"
is "the device after it" "$(dmuserctl list --json | jq length)" 0
umount $exit/dev $exit/proc $exit/sys $exit/run $exit || fail "umount"
finish
