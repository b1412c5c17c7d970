# SPDX-License-Identifier: GPL-2.0-or-later
# Mistakes in the kernel target, each with the test that must notice it; not part of `make test`.

## make mutants [M=PATTERN]: put each known mistake into the kernel target; its test must notice it
mutants: programs $(vm_helpers) vm-uml-6.12
	@BUILD=$(BUILD) tests/mutants/run $(M)

.PHONY: mutants
