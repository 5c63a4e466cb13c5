/*
 * Limits of the mounted pool enforced. Somebody can switch that off beneath running sandboxes
 * (`xfs_quota -x -c 'disable -p'`), and it can be switched on again. That blocks are counted at all is decided at the
 * first mount: what was mounted without it is not this change's business, pool_verify() tells.
 */
#include <fcntl.h>

#include "change/change.h"
#include "sys/quota.h"

/* Does the pool count, and not enforce? */
static int is_off(struct change_context *ctx, const char *dir, bool *ret, struct error *err)
{
	_cleanup_fd_ int fd = host_open(ctx->host, dir, O_RDONLY | O_DIRECTORY, 0);
	struct quota_state state;
	int r;

	if (fd < 0)
		return error_errno(err, fd, "open the pool '%s'", dir);
	r = quota_get_state(fd, &state, err);
	*ret = r == 0 && state.accounting && !state.enforcement;
	return r;
}

static int holds(struct change_context *ctx, const struct change *change, struct error *err)
{
	bool off;
	int r = is_off(ctx, change->target, &off, err);

	return r < 0 ? r : !off;
}

static int describe(struct change_context *ctx, const struct change *change, struct strbuf *out,
		    struct error *err)
{
	(void)ctx;
	(void)change;
	(void)err;
	strbuf_puts(out, "- limits are counted, not enforced\n+ limits are enforced\n");
	return 0;
}

static int capture(struct change_context *ctx, const struct change *change, json_t **ret_before,
		   struct error *err)
{
	(void)ctx;
	*ret_before = json_object();
	return *ret_before ? 0 : error_errno(err, ENOMEM, "note '%s'", change->target);
}

static int apply(struct change_context *ctx, const struct change *change, const json_t *before,
		 json_t **ret_after, struct error *err)
{
	_cleanup_fd_ int fd = host_open(ctx->host, change->target, O_RDONLY | O_DIRECTORY, 0);
	bool off;
	int r = fd < 0 ? error_errno(err, fd, "open the pool '%s'", change->target) : quota_enforce(fd, err);

	(void)before;
	if (r == 0)
		r = is_off(ctx, change->target, &off, err);
	if (r == 0 && off)
		return error_set(err, EIO, "the pool's limits stay switched off");
	if (r < 0)
		return r;
	*ret_after = json_object();
	return *ret_after ? 0 : error_errno(err, ENOMEM, "note '%s'", change->target);
}

const struct change_kind change_enforce = {
	.name = "enforce",
	.repeats = true,
	.holds = holds,
	.describe = describe,
	.capture = capture,
	.apply = apply,
	.undo = change_undo_nothing, /* nobody wants a pool without limits back */
};
