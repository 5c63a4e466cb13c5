#include "change/apt_lists.h"

#include <fcntl.h>

#include "change/apt_run.h"
#include "change/package_manager.h"
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

int apt_candidate(struct change_context *ctx, const char *name, char **ret, struct error *err)
{
	static const char WORD[] = "Candidate: ";
	_cleanup_(strv_release) struct strv argv = STRV_INIT;
	_cleanup_(spawn_result_release) struct spawn_result result = SPAWN_RESULT_INIT;
	struct spawn_options options = { .timeout_ms = ctx->package_lock_ms };
	const char *at;
	int r;

	*ret = NULL;
	if (!apt_has_lists(ctx))
		return error_set(err, EAGAIN, "apt has no lists of packages yet");
	if (strv_add(&argv, "apt-cache") < 0 || apt_places(ctx, &argv) < 0 || strv_add(&argv, "policy") < 0 ||
	    strv_add(&argv, name) < 0)
		return error_errno(err, ENOMEM, "ask for the package '%s'", name);
	r = host_check(ctx->host, (const char *const *)argv.items, &options, &result, err);
	if (r < 0)
		return r;
	at = strstr(strbuf_str(&result.out), WORD);
	at = at ? at + sizeof(WORD) - 1 : "";
	/* "(none)" of one that it has heard of. */
	return package_take_version(at, ret, err);
}
