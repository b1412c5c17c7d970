#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# P4: dmuser-watch asks the daemon's program what a restart needs, for every backend, and refuses to
# watch a device that it could never restart, since another store has the name of the right store.
# vm: --mem 512 --cpus 2
# add: build/tests/wb/dmuser-first-wb tests/vm/lib.sh tests/vm/watch.sh
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
finish
