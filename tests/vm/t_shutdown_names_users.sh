#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# P11, P12: the power-off script has all that it needs in memory, and names the mounts that it
# cannot unmount and the processes that use them.
# vm: --mem 320
# add: initramfs/exitrd/shutdown tests/vm/lib.sh
# quick: uml-6.12
# shellcheck source=tests/vm/lib.sh
. /add/lib.sh

# The tree that exitrd-prepare makes, but without the daemons' programs (there is no device) and
# with a poweroff that does nothing.
exit=/exit
mkdir -p $exit && mount -t tmpfs none $exit || fail "mount"
mkdir -p $exit/usr/bin $exit/usr/sbin $exit/dev $exit/proc $exit/sys $exit/run $exit/oldroot \
	$exit/exit.d
busybox=$(readlink -f "$(command -v busybox)")
cp "$busybox" $exit/usr/bin/busybox
for library in $(LD_TRACE_LOADED_OBJECTS=1 "$busybox" | grep -o '/[^ ]*'); do
	mkdir -p "$exit${library%/*}" && cp "$library" "$exit$library"
done
for applet in $("$busybox" --list); do
	ln -s busybox "$exit/usr/bin/$applet"
done
ln -s usr/bin $exit/bin
printf '#!/bin/sh\nexec >/dev/null\n' >$exit/usr/sbin/poweroff
chmod +x $exit/usr/sbin/poweroff
cp /add/shutdown $exit/shutdown
mount --bind /dev $exit/dev && mount -t proc none $exit/proc && mount -t tmpfs none $exit/run ||
	fail "mount"

mount -t tmpfs none $exit/oldroot && mkdir "$exit/oldroot/a dir" &&
	mount -t tmpfs none "$exit/oldroot/a dir" || fail "mount"
tail -f /dev/null >$exit/oldroot/held &
holder=$!
"$busybox" chroot $exit /shutdown poweroff >/tmp/out 2>&1 || fail "shutdown: $(cat /tmp/out)"
check "the script names the mount" grep -qa 'dmuser-exit: cannot unmount /oldroot$' <(dmesg)
check "the script names the process" \
	grep -qa "dmuser-exit: /oldroot is used by $holder (tail)\$" <(dmesg)
is "programs that were not found" "$(grep -i 'not found' /tmp/out)" ""
is "other mounts that are left" "$(grep -c 'a.040dir' /proc/self/mountinfo)" 0
mount -o remount,rw $exit/oldroot 2>/dev/null
kill $holder && wait $holder
"$busybox" chroot $exit /shutdown poweroff >/tmp/out 2>&1 || fail "shutdown: $(cat /tmp/out)"
is "mounts that are left without the process" "$(grep -c '/oldroot' /proc/self/mountinfo)" 0
umount $exit/run $exit/proc $exit/dev $exit || fail "umount"
finish
