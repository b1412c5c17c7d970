# SPDX-License-Identifier: GPL-2.0-or-later
# The SELinux policy: a module for refpolicy as Debian has it.

sepolicy_devel := /usr/share/selinux/devel/Makefile
sepolicy_module := $(BUILD)/sepolicy/refpolicy/dm_user.pp

## make sepolicy: the SELinux policy, sepolicy/refpolicy/dm_user.pp in the build directory
sepolicy: $(sepolicy_module)

# Debian's Makefile builds where it is called.
$(sepolicy_module): sepolicy/dm_user.te sepolicy/dm_user.if sepolicy/dm_user.fc
	@mkdir -p $(@D)
	cp $^ $(@D)
	@$(MAKE) -s -C $(@D) -f $(sepolicy_devel) NAME=default $(@F)

.PHONY: sepolicy
