#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# P9: run files belong to root alone, and a tab file or run directory that other users own or can
# write to is refused by name.
# vm: --mem 512 --cpus 2 --disk 64M
# add: tests/vm/lib.sh
# shellcheck source=tests/vm/lib.sh
. /add/lib.sh

# refused WORDS COMMAND...: COMMAND exits with status 1 and prints WORDS.
refused() {
	local words=$1 said status=0
	shift
	said=$("$@" 2>&1) || status=$?
	[ "$status" = 1 ] || fail "$*: status $status: $said"
	[[ $said == *"$words"* ]] || fail "$*: no '$words' in: $said"
	ok "refused: $said"
}

# broken FILE CHANGE...: chown or chmod FILE; mended undoes that.
broken() {
	"${@:2}" "$1" || fail "${*:2} $1"
}

mended() {
	chown 0:0 "$1" && chmod "$2" "$1" || fail "mend $1"
}

# The tab file of a boot.
tab=/tmp/tab
echo "$name file:$disk,direct" >$tab
mended $tab 644
broken $tab chown 1000
refused "$tab belongs to user 1000" create "$name" --tab $tab
mended $tab 644
for mode in 664 646 666; do
	broken $tab chmod $mode
	refused "$tab can be written by others than root (mode 0$mode)" create "$name" --tab $tab
done
mended $tab 644

# The run directory, before there is a device. /run itself is not checked: only root can write
# there.
mkdir -m 777 $run
broken $run chmod 777
refused "$run can be written by others" create "$name" --tab $tab
check "nothing was made in it" rmdir $run
mkdir $run && broken $run chown 1000
refused "$run belongs to user 1000" create "$name" --tab $tab
mended $run 755
mkdir "$run/$name" && broken "$run/$name" chown 1000
refused "$run/$name belongs to user 1000" create "$name" --tab $tab
rmdir "$run/$name" && ln -s /tmp "$run/$name"
refused "$run/$name" create "$name" --tab $tab
rm "$run/$name"
nothing_left "after refusals"

# The files that the daemons make.
create "$name" --tab $tab || fail "create"
handover "$name" >/dev/null || fail "handover"
is "files of users other than root" "$(find $run \( ! -uid 0 -o ! -gid 0 \) | wc -l)" 0
is "$run" "$(stat -c %a $run)" 755
is "$run/$name" "$(stat -c %a "$run/$name")" 700
for file in "$run/$name"/*; do
	case ${file##*/} in
	tab | store | lock) wanted=600 ;;
	handover.sock | dmuser-second.*) wanted=700 ;;
	*) wanted="no such file" ;;
	esac
	is "$file" "$(stat -c %a "$file")" "$wanted"
done

# A handover, by dmuserctl and by a daemon alone, and a restart.
pid=$(server)
for file in "$run" "$run/$name"; do
	mode=$(stat -c %a "$file")
	broken "$file" chmod 777
	refused "$file can be written by others" handover "$name"
	refused "$file can be written by others" dmuser-second "$name"
	mended "$file" "$mode"
done
# A daemon's offer counts only if it agrees with the tab file, which only root can write.
echo "$name file:/tmp/tab,direct" >"$run/$name/tab"
refused "says that it serves file:$disk,direct, but $run/$name/tab says file:/tmp/tab,direct" \
	handover "$name"
rm "$run/$name/tab"
refused "cannot read $run/$name/tab" handover "$name"
is "the daemon serves on" "$(server)" "$pid"
is "its generation" "$(generation)" 2
handover "$name" "file:$disk,direct" >/dev/null || fail "handover with a spec"
is "the tab file" "$(tr -d '\n' <"$run/$name/tab")" "$name file:$disk,direct"
pid=$(server)
kill -KILL "$pid"
wait_for 20 "the daemon is dead" gone "$pid"
broken "$run/$name/tab" chown 1000
refused "$run/$name/tab belongs to user 1000" handover "$name"
mended "$run/$name/tab" 622
refused "$run/$name/tab can be written by others" handover "$name"
mended "$run/$name/tab" 600
handover "$name" >/dev/null || fail "restart"
ok "a mended tab file counts again"
remove
finish
