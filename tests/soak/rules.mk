# SPDX-License-Identifier: GPL-2.0-or-later
# Handovers and kills in random order under verified I/O. tests/vm/t_soak.sh is a short run.

soak_program := $(BUILD)/tests/soak/soak
vm_helpers += $(soak_program)
soak_kernel := $(if $(filter-out file default undefined,$(origin KERNEL)),$(KERNEL),uml-6.12)

$(soak_program): $(patsubst %.c,$(BUILD)/%.o,$(wildcard tests/soak/*.c)) \
		$(BUILD)/tests/vm/order/dm.o
	$(CC) $(CFLAGS) -static -o $@ $^

## make soak N=1000 [K=1000] [SEED=N] [KERNEL=uml-6.12]: N handovers, K kills under verified I/O
soak: programs $(soak_program) $(BUILD)/tests/vm/load vm-$(soak_kernel)
	@BUILD=$(BUILD) tests/soak/run --kernel $(soak_kernel) -n $(or $(N),1000) \
		-k $(or $(K),$(N),1000) $(if $(SEED),--seed $(SEED))

.PHONY: soak
