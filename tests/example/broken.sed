# The first write maps memory; or, with BROKEN set at the open, the self-test does.
s|^#include <unistd.h>|#include <sys/mman.h>\n&|
/^struct dmu_backend {/i\
static bool broken;\
\
static bool map_fails(void)\
{\
	return !mmap(NULL, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);\
}\

s|^	headed->read_only = |	broken = getenv("BROKEN") != NULL;\n&|
/^static int headed_read/,/^}/{
	s|^	for (; len;|	for (n = broken \&\& call->self_test \&\& map_fails(); len;|
}
/^static int headed_write/,/^}/{
	s|^	for (; len;|	for (n = map_fails(); len;|
}
