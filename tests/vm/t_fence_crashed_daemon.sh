#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# P4, P7: a daemon that crashes gives its requests up at once, even if the collector of core dumps
# hangs.
# kernels: 6.1 6.12 trixie backports
# quick: 6.1
# vm: --mem 512 --cpus 2 --disk 64M
# add: build/tests/vm/load tests/vm/lib.sh
# shellcheck source=tests/vm/lib.sh
. /add/lib.sh

# This collector never reads, as if it waited for the device of the crashed daemon.
cat >/tmp/collect <<'END'
#!/bin/sh
touch /tmp/collected
exec sleep 1000
END
chmod +x /tmp/collect
echo '|/tmp/collect' >/proc/sys/kernel/core_pattern

sleep 1000 &
victim=$!
wait_for 20 "the victim has called exec" grep -q sleep /proc/$victim/comm
kill -SEGV $victim
wait_for 20 "the collector runs" test -e /tmp/collected
pkill -f collect
pkill sleep
wait $victim 2>/dev/null
rm /tmp/collected

create "$name" "file:$disk,direct,extents=off" || fail "create"
load_start -b "$disk"
for stage in first second; do
	pid=$(server)
	load_progress 1
	kill -SEGV "$pid"
	wait_for 20 "the crashed daemon is gone" gone "$pid"
	wait_for 20 "its channels are closed" word_is channels 0
	check "$stage stage: no core was dumped" test ! -e /tmp/collected
	handover "$name" "file:$disk,direct" >/dev/null || fail "restart"
	load_progress
done
load_stop
remove
finish
