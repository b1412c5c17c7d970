# SPDX-License-Identifier: GPL-2.0-or-later
# Both stages with the backend wb: see tests/wb/backend.c. Their own objects and the library, with backend.o in the
# place of the library's table of backends; nothing of it is in what is installed.

wb_stages := $(addprefix $(BUILD)/tests/wb/dmuser-,first-wb second-wb)
vm_helpers += $(wb_stages)

$(BUILD)/tests/wb/dmuser-first-wb: $(first_objects)
$(BUILD)/tests/wb/dmuser-second-wb: $(second_objects)
$(wb_stages): $(daemon_objects) $(BUILD)/tests/wb/backend.o $(archives)
	$(CC) $(CFLAGS) -static-pie $(DMU_LDFLAGS) $(LDFLAGS) -o $@ $(filter %.o,$^) $(archives) \
		$(if $(findstring second,$@),-lseccomp -lcap)

# In the place of the library's, here too: first on the line.
$(BUILD)/tests/unit/test_wb: $(BUILD)/tests/wb/backend.o
