# The first write maps memory.
s|^#include <unistd.h>|#include <sys/mman.h>\n&|
/^static int headed_write/,/^}/{
	s|^	ssize_t n;|&\n	void *map = mmap(NULL, 4096, PROT_READ, FLAGS, -1, 0);|
	s|^	for (; len;|	for (n = map == NULL; len;|
	s/FLAGS/MAP_PRIVATE \| MAP_ANONYMOUS/
}
