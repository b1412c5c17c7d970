# The first write maps memory; or, with BROKEN set at the open, the self-test does.
s|^#include <unistd.h>|#include <sys/mman.h>\n&|
/^static int headed_write/,/^}/{
	s|^	ssize_t n;|&\n	void *map = mmap(NULL, 4096, PROT_READ, FLAGS, -1, 0);|
	s|^	for (; len;|	for (n = map == NULL; len;|
	s/FLAGS/MAP_PRIVATE \| MAP_ANONYMOUS/
}
s|^static int headed_open|static int broken;\n\n&|
s|^	headed->read_only = |	broken = getenv("BROKEN") != NULL;\n&|
/^static int headed_read/,/^}/{
	s|^	ssize_t n;|&\n	void *map = broken \&\& call->self_test ?\n		    mmap(NULL, 4096, PROT_READ, FLAGS, -1, 0) : \&n;|
	s|^	for (; len;|	for (n = map == NULL; len;|
	s/FLAGS/MAP_PRIVATE \| MAP_ANONYMOUS/
}
