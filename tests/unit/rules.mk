# SPDX-License-Identifier: GPL-2.0-or-later
# Unit tests: each test_NAME.c here is a cmocka program, without root and without a guest.

unit_tests += $(patsubst %.c,$(BUILD)/%,$(sort $(wildcard tests/unit/test_*.c)))

# An archive, so that a test is linked with no more than the objects that it needs.
$(BUILD)/tests/unit/daemon.a: $(daemon_objects)
	@mkdir -p $(@D)
	@rm -f $@
	$(AR) rcsD $@ $^

# All forks of the tests and of the tested code go through fork.c.
unit_ldflags := -Wl,--wrap=fork

$(BUILD)/tests/unit/test_%: $(BUILD)/tests/unit/test_%.o $(BUILD)/tests/unit/fork.o \
		$(BUILD)/tests/unit/daemon.a $(archives)
	$(CC) $(CFLAGS) -pie $(DMU_LDFLAGS) $(LDFLAGS) $(unit_ldflags) -o $@ $(filter %.o,$^) \
		$(filter %.a,$^) -lcmocka

# The kernel's answer is the test's.
$(BUILD)/tests/unit/test_state: unit_ldflags += -Wl,--wrap=dmu_channel_info

# Fakes for both ends of the serve loop.
$(addprefix $(BUILD)/tests/unit/,test_serve test_steer): \
	$(addprefix $(BUILD)/tests/unit/,fake_channel.o fake_store.o)

# One row for each system call in the comments "#syscalls ROLE: NAME..." beside functions.
declaring := $(filter-out second_stage/syscalls.c,$(wildcard \
	lib/*.c lib/backends/*.c handover/*.c rundir/*.c daemon/*.c second_stage/*.c))

$(BUILD)/tests/unit/declared.h: $(declaring) tests/unit/declared.awk
	@mkdir -p $(@D)
	@awk -f tests/unit/declared.awk $(declaring) >$@.tmp
	@sort $@.tmp >$@
	@rm $@.tmp

$(BUILD)/tests/unit/test_syscalls.o: $(BUILD)/tests/unit/declared.h
$(BUILD)/tests/unit/test_syscalls.o: CFLAGS += -I$(BUILD)/tests/unit

.SECONDARY: $(unit_tests:=.o) $(BUILD)/tests/unit/fork.o

## make check [T=PATTERN]: unit tests, includes between folders: seconds, no root, no guest
check: $(unit_tests) programs
	@BUILD=$(BUILD) tests/house
	@BUILD=$(BUILD) tests/lint promises
	@BUILD=$(BUILD) UNIT_TESTS="$(unit_tests)" tests/run --units $(T)

.PHONY: check
