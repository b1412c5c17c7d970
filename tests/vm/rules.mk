# SPDX-License-Identifier: GPL-2.0-or-later
# The programs that VM tests take into their guests. They are static and need no file there.

vm_order := $(addprefix $(BUILD)/tests/vm/order/,fence slowstore careless flushes replay)
vm_abi_objects := $(patsubst %.c,$(BUILD)/%.o,$(wildcard tests/vm/abi/*.c))
vm_helpers := $(BUILD)/tests/vm/abi/abi $(BUILD)/tests/vm/load $(BUILD)/tests/vm/poke \
	$(BUILD)/tests/vm/hog $(BUILD)/tests/vm/keyed $(BUILD)/tests/vm/peer \
	$(BUILD)/tests/vm/relaunch \
	$(BUILD)/tests/vm/mover $(BUILD)/tests/vm/steal $(BUILD)/tests/vm/selinux \
	$(BUILD)/tests/vm/failures/failures
vm_helpers += $(vm_order)
vm_helpers += $(BUILD)/tests/vm/scale/scale
vm_helpers += $(BUILD)/tests/vm/selinux.policy

$(BUILD)/tests/vm/abi/abi: $(vm_abi_objects)
	$(CC) $(CFLAGS) -static -pthread -o $@ $^ -luring

$(addprefix $(BUILD)/tests/vm/,load poke hog relaunch steal selinux): %: %.o
	$(CC) $(CFLAGS) -static -pthread -o $@ $^

$(BUILD)/tests/vm/mover: $(BUILD)/tests/vm/mover.o $(lib_archive)
	$(CC) $(CFLAGS) -static -pthread -o $@ $^

$(BUILD)/tests/vm/peer: $(BUILD)/tests/vm/peer.o $(handover_archive) $(lib_archive)
	$(CC) $(CFLAGS) -static -pthread -o $@ $^

$(BUILD)/tests/vm/keyed: $(BUILD)/tests/vm/keyed.o $(daemon_objects) $(archives)
	$(CC) $(CFLAGS) -static-pie $(DMU_LDFLAGS) $(LDFLAGS) -o $@ $^

# It uses the channels and clients of the ABI tests.
vm_failures_objects := $(patsubst %.c,$(BUILD)/%.o,$(wildcard tests/vm/failures/*.c)) \
	$(addprefix $(BUILD)/tests/vm/abi/,dm.o chan.o io.o)

$(BUILD)/tests/vm/failures/failures: $(vm_failures_objects)
	$(CC) $(CFLAGS) -static -pthread -o $@ $^

$(BUILD)/tests/vm/order/common.a: \
		$(addprefix $(BUILD)/tests/vm/order/,stamp.o dm.o daemon.o writers.o)
	rm -f $@ && $(AR) rcs $@ $^

$(vm_order): %: %.o $(BUILD)/tests/vm/order/common.a
	$(CC) $(CFLAGS) -static -pthread -o $@ $^

vm_scale_objects := $(patsubst %.c,$(BUILD)/%.o,$(wildcard tests/vm/scale/*.c)) \
	$(addprefix $(BUILD)/tests/vm/abi/,check.o util.o dm.o chan.o)

$(BUILD)/tests/vm/scale/scale: $(vm_scale_objects)
	$(CC) $(CFLAGS) -static -pthread -o $@ $^

# The policy for small systems, plus a domain that it does not know.
$(BUILD)/tests/vm/selinux.policy: $(sepolicy_sources) tests/vm/stranger.cil
	@mkdir -p $(@D)
	$(secilc) --output $@ $^

.PHONY: vm-helpers
