# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
# Functions that make initramfs images, to be sourced.

# Print the shared libraries that program $1 loads, and its loader; nothing if it is static.
image_libraries() {
	ldd "$1" 2>/dev/null | awk '$2 == "=>" && $3 ~ /^\// { print $3 } $1 ~ /^\// { print $1 }'
}

# Copy program or library $1 to directory $2 of the tree $3, with the libraries it loads except
# those in $4, the tree that the guest unpacks before this one.
image_add_program() {
	local program=$1 dir=$2 tree=$3 below=${4:-$3} library to
	mkdir -p "$tree$dir"
	cp -L "$program" "$tree$dir/"
	while IFS= read -r library; do
		to=/usr/lib${library#/lib}
		case $library in
		/lib64/*) to=/usr/lib64/${library#/lib64/} ;;
		/usr/*) to=$library ;;
		esac
		if ! [ -e "$tree$to" ] && ! [ -e "$below$to" ]; then
			install -D "$library" "$tree$to"
		fi
	done < <(image_libraries "$program")
}

# Make the directories and links of Debian's merged /usr in tree $1.
image_skeleton() {
	local dir
	mkdir -p "$1"/{dev,proc,sys,run,tmp,root,mnt,etc,add} "$1"/usr/{bin,sbin,lib,lib64}
	for dir in bin sbin lib lib64; do
		ln -s "usr/$dir" "$1/$dir"
	done
}

# Add busybox $2 to tree $1, with links for those applets whose names are free. It must be of
# Debian's package busybox: the shell of busybox-static prefers its own applets to programs in PATH.
image_add_busybox() {
	local tree=$1 busybox=$2 applet
	image_add_program "$busybox" /usr/bin "$tree"
	while IFS= read -r applet; do
		if ! [ -e "$tree/usr/bin/$applet" ] && ! [ -e "$tree/usr/sbin/$applet" ]; then
			ln -s busybox "$tree/usr/bin/$applet"
		fi
	done < <("$busybox" --list)
}

# Print the files of modules $3... and of their dependencies, for kernel release $2 in the tree $1.
image_module_files() {
	local root=$1 release=$2 module
	shift 2
	for module in "$@"; do
		modprobe -d "$root" -S "$release" --show-depends "$module" 2>/dev/null || true
	done | awk '$1 == "insmod" && !seen[$2]++ { print $2 }'
}

# Turn names of module files of kernel release $1 into those in the guest: uncompressed, below /usr.
image_module_paths() {
	sed "s|^.*/lib/modules/$1/|/usr/lib/modules/$1/|; s|\.xz\$||"
}

# Copy modules $4... of kernel release $2, and their dependencies, from the tree $1 to the tree $3,
# uncompressed.
image_add_modules() {
	local root=$1 release=$2 tree=$3 file to
	shift 3
	while IFS= read -r file; do
		to=$tree$(image_module_paths "$release" <<<"$file")
		mkdir -p "$(dirname "$to")"
		case $file in
		*.xz) xz -dc "$file" >"$to" ;;
		*) cp "$file" "$to" ;;
		esac
	done < <(image_module_files "$root" "$release" "$@")
	mkdir -p "$tree/usr/lib/modules/$release"
	cp "$root/lib/modules/$release"/modules.{builtin,builtin.modinfo,order} \
		"$tree/usr/lib/modules/$release/"
}

# Pack tree $1 as the cpio archive $2, owned by root.
image_pack() {
	(cd "$1" && find . -print0 | LC_ALL=C sort -z | cpio --quiet --null -o -H newc -R 0:0) >"$2"
}
