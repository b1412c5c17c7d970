#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# P4: dmuser-watch knows of every backend what a restart needs, as it asks the daemon's program, and refuses to watch what
# could never be restarted: another store that has the name of the right one.
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
is "what a spec needs" "$("$first" --sources "$spec")" "$store"
fails_saying "unknown backend 'wb'" dmuser-first --sources "$spec"

"$first" --timeout "$patience" "$name" "$spec" || fail "create"
dd if=/dev/urandom of="/dev/mapper/$name" bs=64k count=16 oflag=direct conv=fsync status=none || fail "a write"
before=$(sha256sum <"/dev/mapper/$name")
is "which store it is" "$("$first" --identity "$spec")" "$(cat "$run/$name/store")"
dmuser-watch --delay-max 1000 --timeout "$patience" "$name" || fail "dmuser-watch"
watch=$(watchdog pid)
pid=$(server)
kill -KILL "$pid"
wait_for 60 "it is restarted from its own file" served_by_other "$pid"
is "what it shows" "$(sha256sum <"/dev/mapper/$name")" "$before"
kill -TERM "$watch"
wait_for 20 "the watchdog ends" gone "$watch"

mv "$store" /tmp/kept
truncate -s 8M "$store"
fails_saying "is not the store that is served" dmuser-watch "$name"
rm "$store"
fails_saying "$store" dmuser-watch "$name"
mv /tmp/kept "$store"
check "with the right one again" dmuser-watch --timeout "$patience" "$name"
watch=$(watchdog pid)
remove
wait_for 20 "the watchdog leaves with the device" gone "$watch"
finish
