# SPDX-License-Identifier: GPL-2.0-or-later
# gnuplot -e "tsv='FILE'; png='FILE'" scale.gnuplot
set terminal pngcairo size 1500,1100 font ",10" noenhanced
set output png
set datafile separator "\t"
set logscale xy
set xrange [1:20000]
set grid back lc rgb "#dddddd"
set key outside right center samplen 2
set multiplot layout 2,2 \
	title "dm-user: instructions for one operation against N (stock 6.12); grey: O(1), O(N)"
cost(name) = sprintf("< awk -F '\t' '$1 == \"%s\"' %s", name, tsv)
set xlabel "N"
set ylabel "instructions"

flat(x) = base
steep(x) = x <= 1 ? base : base * x

some = "submit take answer close revoke"
set title "requests that wait or are held"
base = 400
set yrange [300:1e7]
plot flat(x) lc rgb "#aaaaaa" dt 2 t "O(1)", steep(x) lc rgb "#aaaaaa" dt 3 t "O(N)", \
	for [i = 1:words(some)] cost(word(some, i)) u 2:3 \
		w lp lt i pt i ps 0.8 lw 1.5 t word(some, i)

some = "fence-past fence-wait fence-answer fence-close same-answer same-close"
set title "fenced writes, and requests that wait for them"
set yrange [300:1e7]
plot flat(x) lc rgb "#aaaaaa" dt 2 t "O(1)", steep(x) lc rgb "#aaaaaa" dt 3 t "O(N)", \
	for [i = 1:words(some)] cost(word(some, i)) u 2:3 \
		w lp lt i pt i ps 0.8 lw 1.5 t word(some, i)

some = "open chan-close join drain info status readers readers-close readers-late epoll threads"
set title "channels"
set xrange [1:2000]
plot flat(x) lc rgb "#aaaaaa" dt 2 t "O(1)", steep(x) lc rgb "#aaaaaa" dt 3 t "O(N)", \
	for [i = 1:words(some)] cost(word(some, i)) u 2:3 \
		w lp lt i pt i ps 0.8 lw 1.5 t word(some, i)

some = "create remove target-open"
set title "devices"
set yrange [3000:1e8]
base = 4000
plot flat(x) lc rgb "#aaaaaa" dt 2 t "O(1)", steep(x) lc rgb "#aaaaaa" dt 3 t "O(N)", \
	for [i = 1:words(some)] cost(word(some, i)) u 2:3 \
		w lp lt i pt i ps 0.8 lw 1.5 t word(some, i)
unset multiplot
