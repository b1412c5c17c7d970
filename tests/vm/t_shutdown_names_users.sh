#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# P11, P12: what power-off runs from memory has all that it needs there: it says what it cannot unmount, and because of which processes.
# vm: --mem 320
# add: initramfs/exitrd/shutdown tests/vm/lib.sh
# quick: uml-6.12
# shellcheck source=tests/vm/lib.sh
. /add/lib.sh

# What exitrd-prepare makes, but for the end, and with the daemons' programs left out: there is no device.
exit=/exit
mkdir -p $exit && mount -t tmpfs none $exit || fail "mount"
mkdir -p $exit/usr/bin $exit/usr/sbin $exit/dev $exit/proc $exit/sys $exit/run $exit/oldroot $exit/exit.d
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
mount --bind /dev $exit/dev && mount -t proc none $exit/proc && mount -t tmpfs none $exit/run || fail "mount"

mount -t tmpfs none $exit/oldroot && mkdir "$exit/oldroot/a dir" && mount -t tmpfs none "$exit/oldroot/a dir" || fail "mount"
tail -f /dev/null >$exit/oldroot/held &
holder=$!
"$busybox" chroot $exit /shutdown poweroff >/tmp/out 2>&1 || fail "shutdown: $(cat /tmp/out)"
check "it says what" grep -qa 'dmuser-exit: cannot unmount /oldroot$' <(dmesg)
check "and because of whom" grep -qa "dmuser-exit: /oldroot is used by $holder (tail)\$" <(dmesg)
is "what it has not" "$(grep -i 'not found' /tmp/out)" ""
is "what could be unmounted is" "$(grep -c 'a.040dir' /proc/self/mountinfo)" 0
mount -o remount,rw $exit/oldroot 2>/dev/null
kill $holder && wait $holder
"$busybox" chroot $exit /shutdown poweroff >/tmp/out 2>&1 || fail "shutdown: $(cat /tmp/out)"
is "then it can be unmounted" "$(grep -c '/oldroot' /proc/self/mountinfo)" 0
umount $exit/run $exit/proc $exit/dev $exit || fail "umount"
finish
