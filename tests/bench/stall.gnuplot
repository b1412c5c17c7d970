# SPDX-License-Identifier: GPL-2.0-or-later
# gnuplot -e "tsv='FILE'; png='FILE'" stall.gnuplot
set terminal pngcairo size 1500,1100 font ",12" noenhanced
set output png
set datafile separator "\t"
set grid back lc rgb "#dddddd"
set linetype 9 lc rgb "#888888"
set linetype 10 lc rgb "#aa4499"
set multiplot layout 2,1 \
	title "I/O latency while the server of a block device changes, and without (stock 6.12)"
ways = system(sprintf("awk -F '\t' 'NR > 1 && !seen[$1]++ { print $1 }' %s", tsv))
phase(way, word, what) = \
	sprintf("< awk -F '\t' '$1 == \"%s\" && $2 == \"%s\" && $3 ~ /^%s/' %s", \
		way, word, what, tsv)
# Spread points over a third of a column, in every run alike.
jitter(n) = (int(n) * 7 % 20 - 9.5) / 60.0

set title "longest I/O of each change"
set logscale y
set ylabel "ms"
set xrange [0.4:words(ways) + 0.6]
set yrange [0.05:*]
set xtics () nomirror
set for [i = 1:words(ways)] xtics add (word(ways, i) i)
set key top left horizontal
plot for [i = 1:words(ways)] phase(word(ways, i), "quiet", "stall") \
		u (i - 0.18 + jitter($0)):($4 / 1e6) w p pt 6 ps 1 lc rgb "#777777" \
		t (i == 1 ? "same load, no change" : ""), \
	for [i = 1:words(ways)] phase(word(ways, i), "changed", "stall") \
		u (i + 0.18 + jitter($0)):($4 / 1e6) w p pt 7 ps 1 lc rgb "#cc3311" \
		t (i == 1 ? "with a change of server" : "")

# p99.9 is 1 in 1,000; the longest of all I/Os is drawn at 1 in 100,000.
set title "how many I/Os took longer (dashed: the same load without a change)"
set logscale xy
set xlabel "ms"
set ylabel "share of I/Os"
set xrange [0.05:*]
set yrange [0.000008:0.7]
set xtics auto mirror
set key outside right center vertical
share(what) = (p = substr(what, 2, strlen(what)) + 0.0, p > 99.995 ? 0.00001 : 1 - p / 100)
plot for [i = 1:words(ways)] phase(word(ways, i), "changed", "p") u ($4 / 1e6):(share(strcol(3))) \
		w lp lt i pt i ps 0.8 lw 2 t word(ways, i), \
	for [i = 1:words(ways)] phase(word(ways, i), "quiet", "p") \
		u ($4 / 1e6):(share(strcol(3))) w l lt i dt 2 lw 1 notitle
unset multiplot
