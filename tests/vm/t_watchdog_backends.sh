#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# P4: dmuser-watch asks the daemon's program what a restart needs, for every backend, and refuses to
# watch a device that it could never restart, since another store has the name of the right store.
# It keeps the small files that a backend needs in memory: they may lie on the device itself.
# vm: --mem 512 --cpus 2
# add: build/tests/wb/dmuser-first-wb build/tests/vm/keyed tests/vm/lib.sh tests/vm/watch.sh
# quick: uml-6.12
# shellcheck source=tests/vm/watch.sh
. /add/watch.sh

first=/add/dmuser-first-wb
mkdir '/tmp/a dir'
store='/tmp/a dir/im,age'
spec='wb:/tmp/a\ dir/im\,age'
truncate -s 8M "$store"
is "the files that a spec needs" "$("$first" --sources "$spec")" "$store"
fails_saying "unknown backend 'wb'" dmuser-first --sources "$spec"

"$first" --timeout "$patience" "$name" "$spec" || fail "create"
dd if=/dev/urandom of="/dev/mapper/$name" bs=64k count=16 oflag=direct conv=fsync status=none ||
	fail "a write"
before=$(sha256sum <"/dev/mapper/$name")
is "the identity of the store" "$("$first" --identity "$spec")" "$(cat "$run/$name/store")"
dmuser-watch --delay-max 1000 --timeout "$patience" "$name" || fail "dmuser-watch"
watch=$(watchdog pid)
pid=$(server)
kill -KILL "$pid"
wait_for 60 "the watchdog restarts the daemon" served_by_other "$pid"
is "the bytes of the device" "$(sha256sum <"/dev/mapper/$name")" "$before"
kill -TERM "$watch"
wait_for 20 "the watchdog ends" gone "$watch"

mv "$store" /tmp/kept
truncate -s 8M "$store"
fails_saying "is not the store that is served" dmuser-watch "$name"
rm "$store"
fails_saying "$store" dmuser-watch "$name"
mv /tmp/kept "$store"
check "dmuser-watch with the right store again" dmuser-watch --timeout "$patience" "$name"
watch=$(watchdog pid)
remove
wait_for 20 "the watchdog leaves with the device" gone "$watch"

# The daemon's key lies on the device that it serves.
key=/etc/keyed/key spec=keyed:/tmp/keyed
mkdir -p /etc/keyed /mnt
echo open >$key
truncate -s 64M /tmp/keyed
cp /add/keyed /usr/bin/dmuser-keyed
is "the store" "$(dmuser-keyed --sources $spec)" /tmp/keyed
is "the small files" "$(dmuser-keyed --files $spec)" $key
is "the small files of another backend" "$(dmuser-first --files file:/tmp/keyed)" ""
create "$name" $spec || fail "create"
mkfs.ext4 -q "/dev/mapper/$name" && mount -t ext4 "/dev/mapper/$name" /mnt || fail "mount"
cp $key /mnt/key && chmod 640 /mnt/key || fail "a key on the device"
ln -sf /mnt/key $key
truncate -s 1048577 /mnt/key
fails_saying "cannot keep $key in memory" dmuser-watch "$name"
truncate -s 5 /mnt/key
sync
dmuser-watch --timeout "$patience" "$name" || fail "dmuser-watch with a key"
watch=$(watchdog pid)
check "the watchdog locks the key" grep -q " $key\$" "/proc/$watch/maps"
is "the mode of its copy" "$(stat -c '%F %a' "/proc/$watch/root$key")" "regular file 640"
echo 3 >/proc/sys/vm/drop_caches
pid=$(server)
kill -KILL "$pid"
wait_for 60 "the watchdog restarts the daemon with its key" served_by_other "$pid"
check "the key on the device" grep -q open $key

# How often the watchdog has gone to sleep.
slept() {
	sed -n 's/^voluntary_ctxt_switches:[[:space:]]*//p' "/proc/$watch/status"
}

looked_after() {
	[ "$(slept)" -gt "$1" ]
}

# A new description names one more file. A second watchdog would have a copy.
is "what a restart would lack" "$(watchdog reason)" null
more=/etc/keyed/more
echo more >$more
handover "$name" $spec:$more >/dev/null || fail "handover"
wait_for 20 "the watchdog misses the file" watchdog_is reason \
	"there is no copy of $more: restart dmuser-watch"
# It sleeps between two looks.
looks=$(slept)
wait_for 60 "the watchdog has looked again" looked_after "$looks"
check "the watchdog still says so" watchdog_is reason \
	"there is no copy of $more: restart dmuser-watch"
kill -TERM "$watch"
wait_for 20 "the watchdog ends" gone "$watch"
dmuser-watch --timeout "$patience" "$name" || fail "dmuser-watch with two files"
watch=$(watchdog pid)
is "what a restart would lack now" "$(watchdog reason)" null
pid=$(server)
kill -KILL "$pid"
wait_for 60 "the watchdog restarts the daemon with both files" served_by_other "$pid"
kill -TERM "$watch"
wait_for 20 "the watchdog ends" gone "$watch"

# Files that cannot be at their places in the watchdog's root.
mkdir -p /dev/away
mount -t tmpfs none /dev/away && echo away >/dev/away/key || fail "a mount below /dev"
for path in /dev/away/key /etc/keyed/../keyed/more; do
	handover "$name" $spec:$path >/dev/null || fail "handover"
	fails_saying "$path" dmuser-watch "$name"
done
umount /dev/away && rmdir /dev/away || fail "umount"
umount /mnt
remove
finish
