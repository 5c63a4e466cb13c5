#include "change/apt_lists.h"

#include <fcntl.h>

#include "change/apt_run.h"
#include "sys/dir_names.h"

static int open_lists(const struct change_context *ctx)
{
	_cleanup_free_ char *dir =
		xasprintf("%s/lists", ctx->bundle_dir ? ctx->bundle_dir : "/var/lib/apt");

	return host_open(ctx->host, dir, O_RDONLY | O_DIRECTORY, 0);
}

bool apt_has_lists(const struct change_context *ctx)
{
	_cleanup_(strv_release) struct strv names = STRV_INIT;
	_cleanup_fd_ int fd = open_lists(ctx);
	bool found = false;

	if (fd < 0 || dir_names(fd, &names) < 0)
		return false;
	for (size_t i = 0; !found && i < names.len; i++)
		found = strstr(names.items[i], "_Packages") != NULL;
	return found;
}

int apt_update(struct change_context *ctx, bool *ret_whole, struct error *err)
{
	static const char *const WORDS[] = { "update", NULL };
	_cleanup_(spawn_result_release) struct spawn_result result = SPAWN_RESULT_INIT;
	int r;

	progress_activity(ctx->progress, "apt-get update");
	r = apt_run(ctx, WORDS, NULL, &result, "the package lists cannot be refreshed", err);
	/* Of a server that does not answer apt keeps the old lists, and ends well. */
	*ret_whole =
		(r == 0 || r == -EPROTO) && !strstr(strbuf_str(&result.err), "Failed to fetch");
	return r;
}

/* Its lock and its folders stay. */
static int forget(const struct change_context *ctx, struct error *err)
{
	_cleanup_(strv_release) struct strv names = STRV_INIT;
	_cleanup_fd_ int fd = open_lists(ctx);
	int r = fd < 0 ? fd : dir_names(fd, &names);

	for (size_t i = 0; r == 0 && i < names.len; i++) {
		if (strcmp(names.items[i], "lock") != 0 && unlinkat(fd, names.items[i], 0) < 0 &&
		    errno != ENOENT && errno != EISDIR)
			r = -errno;
	}
	return r < 0 ? error_errno(err, r, "remove apt's lists of packages") : 0;
}

int apt_update_afresh(struct change_context *ctx, struct error *err)
{
	bool whole;
	int r = forget(ctx, err);

	return r < 0 ? r : apt_update(ctx, &whole, err);
}
