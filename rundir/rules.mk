# SPDX-License-Identifier: GPL-2.0-or-later
# RUN_DIR/NAME, for daemons, dmuserctl and dmuser-watch.

rundir_archive := $(BUILD)/rundir/rundir.a

$(rundir_archive): $(patsubst %.c,$(BUILD)/%.o,$(sort $(wildcard rundir/*.c)))
	@mkdir -p $(@D)
	@rm -f $@
	$(AR) rcsD $@ $^

# In the order in which a linker needs them.
archives := $(rundir_archive) $(handover_archive) $(lib_archive)
