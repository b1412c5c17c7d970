#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# P1, P2, P4, P7: verified I/O of all kinds on file systems survives handovers and kills in random
# order.
# vm: --mem 768 --cpus 2 --disk 96M --disk 320M --disk 192M --disk 64M
# kernels: 6.1 6.12 trixie backports uml-6.1 uml-6.12
# quick: 6.12
# add: build/tests/soak/soak build/tests/vm/load tests/soak/guest.sh tests/vm/lib.sh
# shellcheck source=tests/vm/lib.sh
. /add/lib.sh
# shellcheck source=tests/soak/guest.sh
. /add/guest.sh

# make soak runs longer, with other seeds.
rounds=$(bounded 12 6)
[ ! -e /proc/exitcode ] || rounds=$(bounded 100 25)
soak_all "$rounds" "$rounds" 20260101
finish
