#include "change/masked.h"

#include <sys/stat.h>

static bool is_nothing(const struct host *host, const char *path)
{
	_cleanup_free_ char *link = NULL;
	struct stat st;

	if (host_readlink(host, path, &link) == 0)
		return strcmp(link, "/dev/null") == 0;
	return host_stat(host, path, &st, false) == 0 && S_ISREG(st.st_mode) && st.st_size == 0;
}

bool masked_is(const struct host *host, const char *unit)
{
	/* In the order in which systemd looks: a file of the first hides one of the second. */
	static const char *const DIRS[] = { "/etc/systemd/system", "/run/systemd/system" };
	struct stat st;

	for (size_t i = 0; i < ARRAY_SIZE(DIRS); i++) {
		_cleanup_free_ char *path = xasprintf("%s/%s", DIRS[i], unit);

		if (path && host_stat(host, path, &st, false) == 0)
			return is_nothing(host, path);
	}
	return false;
}

const char *masked_part(const struct host *host, const char *unit)
{
	static const struct {
		const char *unit, *part;
	} PARTS[] = {
		{ "sysbox.service", "sysbox-mgr.service" },
		{ "sysbox.service", "sysbox-fs.service" },
	};

	if (masked_is(host, unit))
		return unit;
	for (size_t i = 0; i < ARRAY_SIZE(PARTS); i++) {
		if (strcmp(unit, PARTS[i].unit) == 0 && masked_is(host, PARTS[i].part))
			return PARTS[i].part;
	}
	return NULL;
}
