#include "node/spec_source.h"

#include <fcntl.h>
#include <sys/stat.h>

#include "step/layout.h"

#define SPEC_CAP ((size_t)1 << 20)

/* The first of the host's own that is there; `*ret_path` is the default place where none is. */
static int read_own(const struct host *host, const char **ret_path, char **ret_text, size_t *ret_len)
{
	static const char *const PLACES[] = { SPEC_PATH_DEFAULT, SPEC_KEPT };

	for (size_t i = 0; i < ARRAY_SIZE(PLACES); i++) {
		int r = host_read(host, PLACES[i], SPEC_CAP, ret_text, ret_len);

		*ret_path = PLACES[i];
		if (r != -ENOENT)
			return r;
	}
	*ret_path = SPEC_PATH_DEFAULT;
	return 0;
}

/* Also by another name: a link, or a folder that is open. */
static bool is_own(const struct host *host, const char *config)
{
	struct stat named, own;

	return stat(config, &named) == 0 && host_stat(host, SPEC_PATH_DEFAULT, &own, true) == 0 &&
	       named.st_dev == own.st_dev && named.st_ino == own.st_ino;
}

int spec_source_load(const struct host *host, const char *config, struct spec *ret, char **ret_keep,
		     struct error *err)
{
	_cleanup_free_ char *text = NULL;
	const char *path = config;
	size_t len = 0;
	int r = config ? file_read_at(AT_FDCWD, config, SPEC_CAP, &text, &len) :
			 read_own(host, &path, &text, &len);

	if (r < 0)
		return error_errno(err, r, "read the settings '%s'", path);
	r = spec_parse(text ? text : "", len, path, ret, err);
	if (r == 0 && ret_keep)
		*ret_keep = config && !is_own(host, config) ? TAKE_PTR(text) : NULL;
	return r;
}
