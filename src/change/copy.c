/*
 * A program put on the host as a copy of a file we can read: berth itself, so that units started at
 * boot find it whatever it was installed from. Streamed, never held in memory.
 * want: {"source": path as this process sees it, "version", "size", "mode"}; after: {"version"}.
 */
#include <fcntl.h>

#include "base/file.h"
#include "change/change.h"
#include "change/copy_file.h"

static int holds(struct change_context *ctx, const struct change *change, struct error *err)
{
	const char *source = json_get_string(change->want, "source");
	_cleanup_fd_ int from = -EBADF, to = -EBADF;
	struct stat st;
	int r = host_stat(ctx->host, change->target, &st, false);

	if (r == -ENOENT || r == -ENOTDIR)
		return 0;
	if (r < 0)
		return error_errno(err, r, "look at '%s'", change->target);
	if (!S_ISREG(st.st_mode) || st.st_size != json_get_int(change->want, "size", -1) ||
	    (st.st_mode & 07777) != (mode_t)json_get_int(change->want, "mode", 0755))
		return 0;
	from = open(source, O_RDONLY | O_CLOEXEC);
	to = host_open(ctx->host, change->target, O_RDONLY | O_NOFOLLOW, 0);
	r = from < 0 ? -errno : to < 0 ? to : file_same_content(from, to);
	return r < 0 ? error_errno(err, r, "compare '%s' with '%s'", change->target, source) : r;
}

static int describe(struct change_context *ctx, const struct change *change, struct strbuf *out,
		    struct error *err)
{
	(void)err;
	strbuf_printf(out, "%sberth %s, %" JSON_INTEGER_FORMAT " bytes, mode %04o\n",
		      host_exists(ctx->host, change->target) ? "~ " : "+ ",
		      json_get_string(change->want, "version"),
		      json_get_int(change->want, "size", 0),
		      (unsigned)json_get_int(change->want, "mode", 0755));
	return 0;
}

/* An older copy of ours is not worth a backup: berth's own place belongs to berth. */
static int capture(struct change_context *ctx, const struct change *change, json_t **ret_before,
		   struct error *err)
{
	const char *slash = strrchr(change->target, '/');
	_cleanup_free_ char *dir = strndup(change->target, (size_t)(slash - change->target));

	if (!dir)
		return error_errno(err, ENOMEM, "note '%s'", change->target);
	*ret_before = json_pack("{s:b, s:b}", "exists", host_exists(ctx->host, change->target),
				"directory", host_exists(ctx->host, dir));
	return *ret_before ? 0 : error_errno(err, ENOMEM, "note '%s'", change->target);
}

static int apply(struct change_context *ctx, const struct change *change, const json_t *before,
		 json_t **ret_after, struct error *err)
{
	const char *source = json_get_string(change->want, "source");
	_cleanup_fd_ int from = open(source, O_RDONLY | O_CLOEXEC);
	int r;

	(void)before;
	if (from < 0)
		return error_errno(err, errno, "open '%s'", source);
	r = copy_file_put(ctx->host, from, change->target,
			  (mode_t)json_get_int(change->want, "mode", 0755), err);
	if (r < 0)
		return r;
	*ret_after = json_pack("{s:s}", "version", json_get_string(change->want, "version"));
	return *ret_after ? 0 : error_errno(err, ENOMEM, "copy to '%s'", change->target);
}

static int undo(struct change_context *ctx, const struct change_record *record,
		enum undo_outcome *ret, struct strbuf *why, struct error *err)
{
	const char *slash = strrchr(record->target, '/');
	_cleanup_free_ char *dir = strndup(record->target, (size_t)(slash - record->target));
	bool there = host_exists(ctx->host, record->target);
	int r;

	(void)why;
	*ret = UNDO_NOTHING;
	if (json_get_bool(record->before, "exists", false))
		return 0; /* a later copy over an earlier one: the earlier record takes it away */
	r = host_remove(ctx->host, record->target, err);
	if (r == 0 && there)
		*ret = UNDO_DONE;
	if (r == 0 && dir && !json_get_bool(record->before, "directory", true))
		(void)host_rmdir(ctx->host, dir);
	return r;
}

const struct change_kind change_copy = {
	.name = "copy",
	.repeats = true,
	.holds = holds,
	.describe = describe,
	.capture = capture,
	.apply = apply,
	.undo = undo,
};
