# SPDX-License-Identifier: GPL-2.0-or-later
# examples/ built as other projects would: in folders of their own, on an installed libdmuser, which
# pkg-config finds. headed-broken does what the confinement forbids; headed-next is a later version.

example_dir := $(BUILD)/tests/example
example_config := $(abspath $(example_dir))/root/lib/pkgconfig
vm_helpers += $(addprefix $(example_dir)/,headed headed-broken headed-next ramdisk)

$(example_dir)/installed: $(library_static) $(library_shared) $(library_headers) | $(programs)
	rm -rf $(example_dir)/root
	$(MAKE) -s --no-print-directory BUILD=$(BUILD) PREFIX=$(abspath $(example_dir))/root install
	touch $@

example_programs := $(addprefix $(example_dir)/,headed ramdisk)

$(example_programs): $(example_dir)/%: $(example_dir)/installed $(wildcard examples/*/*)
	@mkdir -p $(example_dir)/source
	rm -rf $(example_dir)/source/$*
	cp -r examples/$* $(example_dir)/source/$*
	PKG_CONFIG_PATH=$(example_config) $(MAKE) -C $(example_dir)/source/$*
	cp $(example_dir)/source/$*/$* $@

$(example_dir)/headed-%: $(example_dir)/headed tests/example/%.sed
	rm -rf $(example_dir)/$*
	cp -r examples/headed $(example_dir)/$*
	sed -i -f tests/example/$*.sed $(example_dir)/$*/headed.c
	PKG_CONFIG_PATH=$(example_config) $(MAKE) -C $(example_dir)/$*
	cp $(example_dir)/$*/headed $@
