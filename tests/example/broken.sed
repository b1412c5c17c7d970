# The first write maps memory.
s|^#include <unistd.h>|#include <sys/mman.h>\n&|
/^static int headed_write/,/^}/s|^	ssize_t n;|	void *map = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE \| MAP_ANONYMOUS, -1, 0);\n	ssize_t n = map == MAP_FAILED;|
