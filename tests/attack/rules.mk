# SPDX-License-Identifier: GPL-2.0-or-later
# The attack test's programs: see tests/attack/attack.h. They are second stages with a backend and a
# main() of their own. None is installed.

attack_common := $(addprefix $(BUILD)/tests/attack/,table.o call.o tries.o)
attack_parts := $(filter-out $(BUILD)/second_stage/main.o,$(second_objects)) $(daemon_objects) \
	$(BUILD)/tests/attack/backend.o $(attack_common)
attack_define-selinux := -DATTACK_SELINUX_ALONE
attack_define-nowalls := -DATTACK_NO_WALLS
# The attack takes the main thread over where that waits in poll().
attack_wrap := -Wl,--wrap=poll,--wrap=__poll_chk
attack_stages := $(addprefix $(BUILD)/tests/attack/dmuser-attack,-walls -selinux -nowalls)
vm_helpers += $(BUILD)/tests/attack/attack $(attack_stages)

$(addprefix $(BUILD)/tests/attack/main,-walls.o -selinux.o -nowalls.o): tests/attack/main.c
	@mkdir -p $(@D)
	$(CC) $(DMU_CFLAGS) $(CFLAGS) $(CPPFLAGS) \
		$(attack_define$(@:$(BUILD)/tests/attack/main%.o=%)) -fPIE -MMD -MP -c -o $@ $<

$(attack_stages): $(BUILD)/tests/attack/dmuser-attack%: $(BUILD)/tests/attack/main%.o \
		$(attack_parts) $(archives)
	$(CC) $(CFLAGS) -static-pie $(DMU_LDFLAGS) $(LDFLAGS) $(attack_wrap) -o $@ $^ \
		-lseccomp -lcap

$(BUILD)/tests/attack/attack: $(addprefix $(BUILD)/tests/attack/,driver.o world.o inmates.o) \
		$(attack_common)
	$(CC) $(CFLAGS) -static -pthread -o $@ $^
