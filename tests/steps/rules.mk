# SPDX-License-Identifier: GPL-2.0-or-later
# The test of every step, see tests/steps/README.md. It uses the daemon's own structs and lists.

steps_objects := $(patsubst %.c,$(BUILD)/%.o,$(sort $(wildcard tests/steps/*.c))) \
	$(addprefix $(BUILD)/tests/vm/abi/,dm.o check.o util.o)
vm_helpers += $(BUILD)/tests/steps/steps

$(BUILD)/tests/steps/steps: $(steps_objects) $(BUILD)/tests/unit/daemon.a $(archives)
	$(CC) $(CFLAGS) -static -pthread -o $@ $^

$(BUILD)/tests/unit/test_steps: $(BUILD)/tests/steps/expect.o
