/* A regular file of root's with given bytes and mode; parents made and remembered. */
#include <fcntl.h>

#include "base/diff.h"
#include "base/digest.h"
#include "change/backup.h"
#include "change/file_state.h"

static int holds(struct change_context *ctx, const struct change *change, struct error *err)
{
	_cleanup_(file_state_release) struct file_state now = FILE_STATE_INIT;
	int r = file_state_read(ctx->host, change->target, &now, err);

	if (r < 0)
		return r;
	return now.exists && strcmp(now.sha256, json_get_string(change->want, "sha256")) == 0 &&
	       now.mode == (mode_t)json_get_int(change->want, "mode", 0644);
}

static int describe(struct change_context *ctx, const struct change *change, struct strbuf *out,
		    struct error *err)
{
	_cleanup_(file_state_release) struct file_state now = FILE_STATE_INIT;
	int r = file_state_read(ctx->host, change->target, &now, err);
	mode_t mode = (mode_t)json_get_int(change->want, "mode", 0644);

	if (r < 0)
		return r;
	if (now.exists && now.mode != mode)
		strbuf_printf(out, "  mode %04o -> %04o\n", now.mode, mode);
	diff_lines(now.data ? now.data : "", now.len, change->data, change->data_len, 2, out);
	return 0;
}

/* Refused before the first change of all, where that can be told. */
static int prepare(struct change_context *ctx, const struct change *change, struct error *err)
{
	return file_state_writable(ctx->host, change->target, err);
}

static int capture(struct change_context *ctx, const struct change *change, json_t **ret_before,
		   struct error *err)
{
	return file_state_capture(ctx->host, change->target, ret_before, err);
}

static int apply(struct change_context *ctx, const struct change *change, const json_t *before,
		 json_t **ret_after, struct error *err)
{
	struct file_attrs attrs = { .mode = (mode_t)json_get_int(change->want, "mode", 0644) };

	(void)before;
	return file_state_put(ctx, change->target, change->data, change->data_len, &attrs, ret_after,
			      err);
}

static int undo(struct change_context *ctx, const struct change_record *record,
		enum undo_outcome *ret, struct strbuf *why, struct error *err)
{
	return file_state_undo(ctx, record, json_get_string(record->want, "sha256"), ret, why, err);
}

const struct change_kind change_file = {
	.name = "file",
	.repeats = true,
	.holds = holds,
	.describe = describe,
	.prepare = prepare,
	.capture = capture,
	.apply = apply,
	.undo = undo,
};
