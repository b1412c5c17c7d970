# SPDX-License-Identifier: GPL-2.0-or-later
# bash completion for dmuserctl: install as /usr/share/bash-completion/completions/dmuserctl.
# Commands and options come from the program's own --help, so they cannot differ from the program.

_dmuserctl() {
	local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]}
	local program=${COMP_WORDS[0]}
	local command=${COMP_WORDS[1]} words

	case $prev in
	-p | --program | -T | --tab)
		compopt -o filenames
		mapfile -t COMPREPLY < <(compgen -f -- "$cur")
		return
		;;
	-R | --run-dir)
		compopt -o filenames
		mapfile -t COMPREPLY < <(compgen -d -- "$cur")
		return
		;;
	-s | --stage)
		mapfile -t COMPREPLY < <(compgen -W 'first second' -- "$cur")
		return
		;;
	-w | --wait | -t | --timeout | -c | --channels | -g | --generation)
		return
		;;
	esac
	if ((COMP_CWORD == 1)); then
		words=$("$program" --help 2>/dev/null |
			sed -n '/^Commands /,/^$/s/^  \([a-z]*\) .*/\1/p')
		words+=' --help --version'
	elif [[ $cur == -* ]]; then
		words=$("$program" "$command" --help 2>/dev/null |
			sed -n 's/^  ...\{1,2\}\(--[a-z-]*\).*/\1/p')
	elif [[ $command == create ]]; then
		words=$(sed -n \
			's/^[[:space:]]*\([A-Za-z0-9_.+-][A-Za-z0-9_.+-]*\)[[:space:]].*/\1/p' \
			/etc/dmusertab 2>/dev/null)
	elif [[ $command != list ]]; then
		words=$(dmsetup ls --target user 2>/dev/null | sed -n 's/\t.*//p')
	fi
	mapfile -t COMPREPLY < <(compgen -W "$words" -- "$cur")
}
complete -F _dmuserctl dmuserctl
