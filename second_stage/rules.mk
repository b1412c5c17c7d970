# SPDX-License-Identifier: GPL-2.0-or-later
# dmuser-second: static, because it must not need files of the root that it serves.

second_objects := $(patsubst %.c,$(BUILD)/%.o,$(sort $(wildcard second_stage/*.c)))

programs += $(BUILD)/bin/dmuser-second

$(BUILD)/bin/dmuser-second: $(second_objects) $(daemon_objects) $(archives)
	@mkdir -p $(@D)
	$(CC) $(CFLAGS) -static-pie $(DMU_LDFLAGS) $(LDFLAGS) -o $@ $^ -lseccomp -lcap

# Its unit tests link all of it but main().
second_tests := $(addprefix $(BUILD)/tests/unit/,test_syscalls test_proof)

$(second_tests): %: %.o $(filter-out %/main.o,$(second_objects)) $(BUILD)/tests/unit/fork.o \
		$(BUILD)/tests/unit/daemon.a $(archives)
	$(CC) $(CFLAGS) -pie -o $@ $^ $(DMU_LDFLAGS) $(LDFLAGS) $(unit_ldflags) \
		-lseccomp -lcap -lcmocka
