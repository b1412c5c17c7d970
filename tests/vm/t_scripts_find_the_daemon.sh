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

key=/etc/keyed/key exit=/exitrd own=/usr/bin/../libexec/dmuser-keyed replaced=/tmp/replaced
ctl=$(command -v dmuserctl)

field() {
	dmuserctl status --json "$name" | jq -r "$1"
}

# Functions of initramfs-tools. The hook has no other way to put a file into the initramfs.
mkdir -p /usr/share/initramfs-tools /scripts /etc/keyed /usr/lib/dm-user /usr/libexec $replaced \
	/conf/conf.d
cat >/usr/share/initramfs-tools/hook-functions <<'END'
copy_exec() {
	echo "program $1"
}
copy_file() {
	echo "file $2"
	case $2 in
	*there) return 1 ;;	# it is there already
	*missing) return 2 ;;
	esac
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
	CONFDIR=/conf sh /add/initramfs/initramfs-tools/hooks/dmuser
}

local_top() {
	sh /add/initramfs/initramfs-tools/scripts/local-top/dmuser
}

# configure WORDS: make WORDS the value of DMUSER_DEVICES.
configure() {
	echo "DMUSER_DEVICES='$1'" >/conf/conf.d/dmuser
}

# replace NAME: make a program of standard input, which runs in place of NAME.
replace() {
	{
		echo '#!/bin/sh'
		cat
	} >"$replaced/$1"
	chmod +x "$replaced/$1"
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
configure "t=file:/dev/other u=keyed:/dev/u:/etc/there:/etc/more"
is "what it gets with a configuration" "$(hook)" "$usual
program $own
file $key
program $first
program $own
file $key
file /etc/there
file /etc/more
modules dm-mod dm-user"
configure u=keyed:/dev/u:/etc/missing:/etc/more
fails_saying "cannot copy /etc/missing" hook
configure u=tape:/dev/u
fails_saying "unknown backend 'tape'" hook
configure keyed:/dev/u
fails_saying "DMUSER_DEVICES: 'keyed:/dev/u' is not NAME" hook

# What the initramfs serves, and how long it waits.
replace dmuserctl <<'END'
echo "$@" >>/tmp/asked
END
configure "t=file:/dev/other u=keyed:/dev/u"
for delay in '' 5 .5 45.5 9999; do
	ROOTDELAY=$delay PATH=$replaced:$PATH local_top || fail "local-top with rootdelay=$delay"
done
is "the devices that it creates" "$(cut -d' ' -f 4- /tmp/asked | sort | uniq -c | xargs)" \
	"5 t keyed:/dev/store 5 u keyed:/dev/u"
is "the seconds that it waits" "$(cut -d' ' -f 3 /tmp/asked | uniq | xargs)" "30 45 3600"
echo rd.dmuser=0 >/tmp/cmdline
mount --bind /tmp/cmdline /proc/cmdline || fail "mount"
rm /tmp/asked
PATH=$replaced:$PATH local_top || fail "local-top with rd.dmuser=0"
check "rd.dmuser=0 switches it off" [ ! -e /tmp/asked ]
umount /proc/cmdline
rm $replaced/dmuserctl /conf/conf.d/dmuser

# In the initramfs: the store comes late.
echo open >$key
local_top >/tmp/said 2>&1 &
boot=$!
wait_for 20 "create waits" pgrep -x dmuserctl
ln -s "$disk" /dev/store
wait "$boot" || fail "local-top: $(cat /tmp/said)"
is "the daemon of the initramfs" "$(field .daemon.stage)" keyed

# On the root. The power-off has copies only.
cp /add/initramfs/exitrd/prepare /usr/lib/dm-user/exitrd-prepare
cp /add/initramfs/exitrd/shutdown /usr/lib/dm-user/exitrd-shutdown
prepare() {
	PATH=$replaced:/add:$PATH sh /usr/lib/dm-user/exitrd-prepare $exit
}
replace cp <<<"[ \"\$3\" != $own ] && /add/cp \"\$@\""
prepare 2>&1 | grep -q "$name: not all is there" || fail "a daemon that cannot be copied"
umount $exit
rm $replaced/cp
# As if SELinux were there, and had no label for any file.
mount -t tmpfs none /sys/fs && mkdir /sys/fs/selinux && : >/sys/fs/selinux/enforce ||
	fail "mount"
replace chcon <<'END'
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
