# SPDX-License-Identifier: GPL-2.0-or-later
#
# Print one line "{ SYS_NAME, "NAME in FILE", MAIN, IO, STATE }," for each system call in the
# comments "#syscalls ROLE: NAME..." of C files, for test_syscalls.c. A comment of another form is
# an error.

!/#syscalls/ { next }
!/^(\/\*| \*) #syscalls (main|io|both|state):( [a-z0-9_]+)+( \*\/)?$/ {
	print FILENAME ":" FNR ": not \"#syscalls main|io|both|state: NAME...\"" >"/dev/stderr"
	bad = 1
	next
}
{
	for (i = 2; $(i - 1) != "#syscalls"; i++)
		;
	role = $i
	sub(":", "", role)
	while (++i <= NF && $i != "*/") {
		if (!($i in files))
			files[$i] = FILENAME
		roles[role, $i] = 1
	}
}
END {
	for (name in files)
		printf "{ SYS_%s, \"%s in %s\", %d, %d, %d },\n", name, name, files[name],
			roles["main", name] || roles["both", name],
			roles["io", name] || roles["both", name], roles["state", name]
	exit bad
}
