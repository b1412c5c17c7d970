# SPDX-License-Identifier: GPL-2.0-or-later
# Mistakes in the kernel target, each with the test that must notice; not part of `make test`.

## make mutants [M=PATTERN]: put mistakes into the kernel target, one at a time; each must be noticed by its test
mutants: programs $(vm_helpers) vm-uml-6.12
	@BUILD=$(BUILD) tests/mutants/run $(M)

.PHONY: mutants
