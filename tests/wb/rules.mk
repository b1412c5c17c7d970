# SPDX-License-Identifier: GPL-2.0-or-later
# Both stages with the backends of backend.c and indexed.c. Neither is installed.

wb_stages := $(addprefix $(BUILD)/tests/wb/dmuser-,first-wb second-wb)
wb_confinement := $(filter-out $(BUILD)/second_stage/main.o,$(second_objects))
vm_helpers += $(wb_stages)

$(BUILD)/tests/wb/main-first.o $(BUILD)/tests/wb/main-second.o: tests/wb/main.c
	@mkdir -p $(@D)
	$(CC) $(DMU_CFLAGS) $(CFLAGS) $(CPPFLAGS) $(if $(findstring second,$@),-DWB_SECOND) -fPIE \
		-MMD -MP -c -o $@ $<

$(BUILD)/tests/wb/dmuser-first-wb: $(BUILD)/tests/wb/main-first.o
$(BUILD)/tests/wb/dmuser-second-wb: $(BUILD)/tests/wb/main-second.o $(wb_confinement)
$(wb_stages): $(daemon_objects) $(BUILD)/tests/wb/backend.o $(BUILD)/tests/wb/indexed.o \
		$(archives)
	$(CC) $(CFLAGS) -static-pie $(DMU_LDFLAGS) $(LDFLAGS) -o $@ $(filter %.o,$^) $(archives) \
		$(if $(findstring second,$@),-lseccomp -lcap)

$(BUILD)/tests/unit/test_wb: $(BUILD)/tests/wb/backend.o
