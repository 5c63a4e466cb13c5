#include "base/fault.h"

#ifdef BERTH_FAULT_POINTS

#include <fcntl.h>

#include "base/macros.h"
#include "base/units.h"

static void trace(const char *file, const char *name)
{
	_cleanup_fd_ int fd = open(file, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);

	if (fd >= 0)
		dprintf(fd, "%s\n", name);
}

void fault_point(const char *name)
{
	static uint64_t reached;
	const char *at = getenv("BERTH_FAULT_AT");
	const char *file = getenv("BERTH_FAULT_TRACE");
	uint64_t stop;

	reached++;
	if (file)
		trace(file, name);
	if (at && u64_parse(at, &stop) == 0 && reached == stop)
		_exit(137);
}

#else
typedef int fault_points_are_compiled_out; /* ISO C wants a declaration */
#endif
