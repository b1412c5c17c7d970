# SPDX-License-Identifier: GPL-2.0-or-later
# The SELinux policy: a module for Debian's refpolicy, and the same for systems without refpolicy.

sepolicy_devel := /usr/share/selinux/devel/Makefile
sepolicy_module := $(BUILD)/sepolicy/refpolicy/dm_user.pp
# The module of another project's daemon. A module finds dm_user.if if dm_user.te is beside it.
sepolicy_example := $(BUILD)/sepolicy/refpolicy/headed.pp

sepolicy_sources := $(addprefix sepolicy/,classes.cil base.cil dm_user.cil) \
	$(sort $(wildcard lib/backends/*.cil))
sepolicy_small := $(BUILD)/sepolicy/small.policy

## make sepolicy: the SELinux policy, build/sepolicy/refpolicy/dm_user.pp and .../small.policy
sepolicy: $(sepolicy_module) $(sepolicy_example) $(sepolicy_small)

# A module of refpolicy has one .te file, to which each backend adds its own. Debian's Makefile
# builds in the directory where it is called.
$(sepolicy_module): sepolicy/dm_user.te $(sort $(wildcard lib/backends/*.te)) sepolicy/dm_user.if \
	sepolicy/dm_user.fc
$(sepolicy_example): examples/headed/headed.te examples/headed/headed.fc $(sepolicy_module)
$(sepolicy_module) $(sepolicy_example):
	@mkdir -p $(@D)
	cat $(filter %.te,$^) >$(@:.pp=.te)
	cp $(filter %.if %.fc,$^) $(@D)
	@$(MAKE) -s -C $(@D) -f $(sepolicy_devel) NAME=default $(@F) >$(@D)/log 2>&1 || \
		{ cat $(@D)/log >&2; exit 1; }

# 33: what secilc of Debian 12 writes; Linux has read it since 5.12.
secilc := secilc --mls false --policyvers 33 --filecontext /dev/null

$(sepolicy_small): $(sepolicy_sources)
	@mkdir -p $(@D)
	$(secilc) --output $@ $^

.PHONY: sepolicy
