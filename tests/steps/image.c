// SPDX-License-Identifier: GPL-2.0-or-later
#include <elf.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/steps/steps.h"

struct image images[STAGES] = {
	[FIRST] = { .path = "/usr/bin/dmuser-first" },
	[SECOND] = { .path = "/usr/bin/dmuser-second" },
};

static void image_open(struct image *image)
{
	int fd = open(image->path, O_RDONLY | O_CLOEXEC);
	const Elf64_Shdr *sections;
	const Elf64_Ehdr *header;
	struct stat st;

	if (fd < 0 || fstat(fd, &st))
		die("cannot open %s", image->path);
	image->map = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
	close(fd);
	if (image->map == MAP_FAILED)
		die("cannot map %s", image->path);
	header = (const Elf64_Ehdr *)image->map;
	sections = (const Elf64_Shdr *)(image->map + header->e_shoff);
	image->entry = header->e_entry;
	for (unsigned int i = 0; i < header->e_shnum; i++) {
		if (sections[i].sh_type != SHT_SYMTAB)
			continue;
		image->symbols = image->map + sections[i].sh_offset;
		image->count = sections[i].sh_size / sizeof(Elf64_Sym);
		image->strings = image->map + sections[sections[i].sh_link].sh_offset;
	}
	if (!image->symbols)
		die("%s is stripped", image->path);
}

uint64_t image_symbol(const struct image *image, const char *name)
{
	const Elf64_Sym *symbols = image->symbols;

	for (size_t i = 0; i < image->count; i++)
		if (ELF64_ST_TYPE(symbols[i].st_info) == STT_FUNC &&
		    !strcmp(image->strings + symbols[i].st_name, name))
			return symbols[i].st_value;
	die("%s has no function %s", image->path, name);
}

static uint64_t find_daemon(const struct image *image)
{
	const Elf64_Sym *symbols = image->symbols;

	for (size_t i = 0; i < image->count; i++)
		if (ELF64_ST_TYPE(symbols[i].st_info) == STT_OBJECT &&
		    symbols[i].st_size == sizeof(struct dmu_daemon) &&
		    !strncmp(image->strings + symbols[i].st_name, "daemon.", 7))
			return symbols[i].st_value;
	die("%s has no daemon of this size: built from other sources?", image->path);
}

void images_open(void)
{
	for (enum stage stage = 0; stage < STAGES; stage++) {
		image_open(&images[stage]);
		images[stage].daemon = find_daemon(&images[stage]);
	}
}
