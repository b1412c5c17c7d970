# SPDX-License-Identifier: GPL-2.0-or-later
# Benchmarks. They are not part of `make test`, since no test may depend on time.

bench_scale_objects := $(patsubst %.c,$(BUILD)/%.o,$(wildcard tests/bench/*.c) \
	tests/vm/abi/check.c tests/vm/abi/util.c tests/vm/scale/many.c tests/vm/abi/dm.c \
	tests/vm/abi/chan.c)

## make bench-scale: how the kernel target's operations scale; tests/bench/scale.tsv, .png
bench-scale: $(BUILD)/tests/bench/bench
	BUILD=$(BUILD) tests/bench/scale

$(BUILD)/tests/bench/bench: $(bench_scale_objects)
	$(CC) $(CFLAGS) -static -pthread -o $@ $^

bench_ways_objects := $(patsubst %.c,$(BUILD)/%.o,$(wildcard tests/bench/ways/*.c) \
	$(addprefix tests/vm/abi/,check.c util.c dm.c))

## make bench-stall: I/O latency around a handover and its alternatives; tests/bench/stall.tsv, .png
bench-stall: $(BUILD)/tests/bench/ways/ways
	BUILD=$(BUILD) tests/bench/stall

$(BUILD)/tests/bench/ways/ways: $(bench_ways_objects)
	$(CC) $(CFLAGS) -static -pthread -o $@ $^ -luring

# dmuserctl looks for the program dmuser-BACKEND.
bench_daemons := $(addprefix $(BUILD)/tests/bench/daemon/dmuser-,null memory)

## make bench [PEERS=...] [LOADS=...]: what an I/O costs, beside others; docs/performance.md
bench: $(BUILD)/tests/bench/peers/peers $(bench_daemons)
	BUILD=$(BUILD) tests/bench/cost

# The servers of ublk and nbd, and the tools for dm-user, are those of the ways.
bench_peers_objects := $(patsubst %.c,$(BUILD)/%.o,$(wildcard tests/bench/peers/*.c)) \
	$(filter-out %/main.o,$(bench_ways_objects))

$(BUILD)/tests/bench/peers/peers: $(bench_peers_objects) $(archives)
	$(CC) $(CFLAGS) -static -pthread -o $@ $^ -luring -laio

$(bench_daemons): $(BUILD)/tests/bench/daemon/memory.o $(daemon_objects) $(archives)
	$(CC) $(CFLAGS) -static-pie $(DMU_LDFLAGS) $(LDFLAGS) -o $@ $^

.PHONY: bench bench-scale bench-stall
