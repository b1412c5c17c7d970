# SPDX-License-Identifier: GPL-2.0-or-later
# Both stages with the backend wb: see tests/wb/backend.c. They consist of their own objects and the
# library, with backend.o in place of the library's table of backends. Neither is installed.

wb_stages := $(addprefix $(BUILD)/tests/wb/dmuser-,first-wb second-wb)
vm_helpers += $(wb_stages)

$(BUILD)/tests/wb/dmuser-first-wb: $(first_objects)
$(BUILD)/tests/wb/dmuser-second-wb: $(second_objects)
$(wb_stages): $(daemon_objects) $(BUILD)/tests/wb/backend.o $(archives)
	$(CC) $(CFLAGS) -static-pie $(DMU_LDFLAGS) $(LDFLAGS) -o $@ $(filter %.o,$^) $(archives) \
		$(if $(findstring second,$@),-lseccomp -lcap)

# First on the command line, backend.o takes the place of the library's table here, too.
$(BUILD)/tests/unit/test_wb: $(BUILD)/tests/wb/backend.o
