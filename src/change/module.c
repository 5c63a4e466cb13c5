/* A kernel module loaded now. Loading at boot is a file's matter (/etc/modules-load.d). */
#include "change/change.h"

/* Built in, or loaded: both have a folder in /sys/module; some built-ins have only a file system. */
static bool is_loaded(const struct host *host, const char *name)
{
	_cleanup_free_ char *dir = xasprintf("/sys/module/%s", name);
	_cleanup_free_ char *filesystems = NULL;
	_cleanup_free_ char *line = xasprintf("\t%s\n", name);

	if (dir && host_exists(host, dir))
		return true;
	return line && host_read(host, "/proc/filesystems", 65536, &filesystems, NULL) == 0 &&
	       strstr(filesystems, line);
}

static int holds(struct change_context *ctx, const struct change *change, struct error *err)
{
	(void)err;
	return is_loaded(ctx->host, change->target);
}

static int describe(struct change_context *ctx, const struct change *change, struct strbuf *out,
		    struct error *err)
{
	(void)ctx;
	(void)err;
	strbuf_printf(out, "+ module %s\n", change->target);
	return 0;
}

static int capture(struct change_context *ctx, const struct change *change, json_t **ret_before,
		   struct error *err)
{
	*ret_before = json_pack("{s:b}", "loaded", is_loaded(ctx->host, change->target));
	return *ret_before ? 0 : error_errno(err, ENOMEM, "note module %s", change->target);
}

static int apply(struct change_context *ctx, const struct change *change, const json_t *before,
		 json_t **ret_after, struct error *err)
{
	const char *const argv[] = { "modprobe", "--", change->target, NULL };
	_cleanup_(spawn_result_release) struct spawn_result result = SPAWN_RESULT_INIT;
	struct spawn_options options = { .timeout_ms = 30000 };
	int r = host_check(ctx->host, argv, &options, &result, err);

	(void)before;
	if (r < 0)
		return error_context(err, "load the kernel module %s", change->target);
	*ret_after = json_pack("{s:b}", "loaded", 1);
	return *ret_after ? 0 : error_errno(err, ENOMEM, "load %s", change->target);
}

const struct change_kind change_module = {
	.name = "module",
	.repeats = true,
	.holds = holds,
	.describe = describe,
	.capture = capture,
	.apply = apply,
	.undo = change_undo_nothing, /* something may use it by now: the next boot unloads it */
};
