# SPDX-License-Identifier: GPL-2.0-or-later
# gnuplot -e "json='FILE'; png='FILE'" cost.gnuplot
set terminal pngcairo size 1500,1500 font ",10" noenhanced
set output png
set datafile separator "\t"
loads = system(sprintf("jq -r '.loads[].name' %s", json))
peers = system(sprintf("jq -r '.peers[].name' %s", json))
# Lines `place of the peer TAB thousands of instructions TAB colour` of one load.
bars(load) = sprintf("< jq -r '[.peers[].name] as $peers | .figures[] | " . \
	"select(.unit == \"instructions\" and .load == \"%s\") | .peer as $peer | " . \
	"[($peers | index($peer)), .median / 1000, " . \
	"($peer | if test(\"^dmuser\") then 1 elif test(\"^(ublk|nbd)\") then 2 else 3 end)] | " . \
	"@tsv' %s", load, json)
set linetype 1 lc rgb "#cc3311"
set linetype 2 lc rgb "#0077bb"
set linetype 3 lc rgb "#999999"
set multiplot layout 2,3 title \
	"thousands of instructions for one I/O: client, kernel and server (stock 6.12)"
set style fill solid 0.8
set grid xtics back lc rgb "#dddddd"
set xrange [0:*]
set yrange [words(peers) - 0.5:-0.5]
set ytics () nomirror scale 0
set for [i = 1:words(peers)] ytics add (word(peers, i) i - 1)
unset key
do for [load in loads] {
	set title load
	plot bars(load) u ($2 / 2):1:($2 / 2):(0.4):3 w boxxyerror lc variable
}
unset multiplot
