// SPDX-License-Identifier: GPL-2.0-or-later
#include <elf.h>
#include <fcntl.h>
#include <stddef.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/steps/steps.h"

struct image images[STAGES] = {
	[FIRST] = { .path = "/usr/bin/dmuser-first" },
	[SECOND] = { .path = "/usr/bin/dmuser-second" },
	[SECOND_WB] = { .path = "/add/dmuser-second-wb", .backend = "wb_backend" },
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

static const char *function_at(const struct image *image, uint64_t at)
{
	const Elf64_Sym *symbols = image->symbols;

	for (size_t i = 0; i < image->count; i++)
		if (ELF64_ST_TYPE(symbols[i].st_info) == STT_FUNC && symbols[i].st_value == at)
			return image->strings + symbols[i].st_name;
	die("%s has no function at %#llx", image->path, (unsigned long long)at);
}

static uint64_t find_ops(const struct image *image)
{
	const Elf64_Sym *symbols = image->symbols;

	for (size_t i = 0; i < image->count; i++)
		if (symbols[i].st_size == sizeof(struct dmu_backend_ops) &&
		    !strcmp(image->strings + symbols[i].st_name, image->backend))
			return symbols[i].st_value;
	die("%s has no %s of this size: built from other sources?", image->path, image->backend);
}

/* The program is position-independent: its relocations have the pointers of its tables. */
static void find_state_functions(struct image *image)
{
	const Elf64_Ehdr *header = (const Elf64_Ehdr *)image->map;
	const Elf64_Shdr *sections = (const Elf64_Shdr *)(image->map + header->e_shoff);
	uint64_t begin = find_ops(image) + offsetof(struct dmu_backend_ops, state_max);
	uint64_t end = find_ops(image) + sizeof(struct dmu_backend_ops);
	unsigned int count = 0;

	for (unsigned int i = 0; i < header->e_shnum; i++) {
		const Elf64_Rela *at = (const Elf64_Rela *)(image->map + sections[i].sh_offset);
		size_t left = sections[i].sh_type == SHT_RELA ?
			      sections[i].sh_size / sizeof(*at) : 0;

		for (; left; left--, at++)
			if (at->r_offset >= begin && at->r_offset < end && count < STATE_FUNCTIONS)
				image->state_functions[count++] =
					function_at(image, (uint64_t)at->r_addend);
	}
	if (count != STATE_FUNCTIONS)
		die("%s: %u functions of %s for its state", image->path, count, image->backend);
}

static uint64_t find_daemon(const struct image *image)
{
	const Elf64_Sym *symbols = image->symbols;

	for (size_t i = 0; i < image->count; i++)
		if (ELF64_ST_TYPE(symbols[i].st_info) == STT_OBJECT &&
		    symbols[i].st_size == sizeof(struct dmu_context) &&
		    !strncmp(image->strings + symbols[i].st_name, "daemon.", 7))
			return symbols[i].st_value;
	die("%s has no daemon of this size: built from other sources?", image->path);
}

void images_open(void)
{
	for (enum stage stage = 0; stage < STAGES; stage++) {
		image_open(&images[stage]);
		images[stage].daemon = find_daemon(&images[stage]);
		if (images[stage].backend)
			find_state_functions(&images[stage]);
	}
}
