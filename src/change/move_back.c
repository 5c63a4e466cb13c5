#include "base/fault.h"
#include "change/mounted.h"
#include "change/move.h"
#include "change/tree.h"
#include "change/tree_copy.h"

/* D -> <target>.berth-partial, proven; then D -> <to>.berth-back, which says so. 0: left in the
 * pool. */
static int copy_out(struct change_context *ctx, const struct move_names *names, struct error *err)
{
	int r = move_clear_target(ctx, names->target, err);

	if (r == 0)
		r = mounted_refuse(ctx->host, names->to, err);
	if (r == 0)
		r = tree_copy_fits(ctx->host, names->to, names->back_partial, err);
	if (r == -ENOSPC && ctx->delete_data) {
		progress_activityf(ctx->progress,
				   "%s does not fit where it was: it goes with the pool",
				   names->to);
		error_clear(err);
		return tree_remove(ctx->host, names->back_partial, err);
	}
	if (r == -ENOSPC)
		return error_context(err, "move the data back (or give it up with --delete-data)");
	if (r == 0)
		r = tree_copy(ctx, names->to, names->back_partial, err);
	if (r == 0)
		r = host_rename(ctx->host, names->to, names->back, err);
	return r < 0 ? r : 1;
}

/* With `discard_old` the old copy goes as soon as the current data is in its place. */
static int bring_back(struct change_context *ctx, const struct move_names *names, bool discard_old,
		      struct error *err)
{
	int back = tree_content(ctx->host, names->back, err);
	int to = back < 0 ? back : tree_content(ctx->host, names->to, err);
	int partial, r = 1;

	if (to < 0)
		return to;
	if (back == TREE_ABSENT)
		r = to == TREE_FULL ? copy_out(ctx, names, err) : 0;
	else if (to == TREE_FULL)
		return error_set(err, EEXIST,
				 "'%s' has content although it was moved back already: "
				 "move it or '%s' away",
				 names->to, names->back);
	if (r <= 0)
		return r;
	partial = tree_content(ctx->host, names->back_partial, err);
	if (partial < 0)
		return partial;
	if (partial != TREE_ABSENT) {
		r = move_clear_target(ctx, names->target, err);
		if (r == 0)
			r = host_rename(ctx->host, names->back_partial, names->target, err);
		if (r < 0)
			return r;
	}
	if (discard_old)
		r = move_discard_old(ctx, names->target, err);
	if (r >= 0)
		r = tree_remove(ctx->host, names->back, err);
	return r < 0 ? r : 1;
}

int move_back(struct change_context *ctx, const char *from_pool_dir, const char *to_dir,
	      struct error *err)
{
	_cleanup_(move_names_release) struct move_names names = { 0 };
	int r = move_names_init(&names, to_dir, from_pool_dir, err);

	return r < 0 ? r : bring_back(ctx, &names, false, err);
}

int move_finish_back(struct change_context *ctx, const struct move_names *names, struct error *err)
{
	int r = tree_content(ctx->host, names->back, err);

	if (r > TREE_ABSENT)
		r = bring_back(ctx, names, true, err);
	/* Not said to be complete: a copy that was cut off, of data that is where it was. */
	return r < 0 ? r : tree_remove(ctx->host, names->back_partial, err);
}

/* ---- undo ---- */

/* O -> T: the data as it was before berth. */
static int restore_old(struct change_context *ctx, const struct move_names *names,
		       enum undo_outcome *ret, struct strbuf *why, struct error *err)
{
	int r = tree_content(ctx->host, names->target, err);

	if (r == TREE_FULL) {
		r = move_clear_target(ctx, names->target, err);
		if (r == -EEXIST) {
			error_clear(err);
			strbuf_printf(why,
				      "%s has content of its own; what was there before berth is "
				      "in %s",
				      names->target, names->old);
			*ret = UNDO_LEFT;
			return 0;
		}
	} else if (r >= 0) {
		r = mounted_refuse(ctx->host, names->target, err);
	}
	if (r >= 0)
		r = host_rename(ctx->host, names->old, names->target, err);
	if (r == 0)
		r = tree_remove(ctx->host, names->partial, err);
	*ret = UNDO_DONE;
	return r;
}

static int undo_move(struct change_context *ctx, const struct move_names *names, bool reachable,
		     enum undo_outcome *ret, struct strbuf *why, struct error *err)
{
	int old = tree_content(ctx->host, names->old, err);
	int partial = old < 0 ? old : tree_content(ctx->host, names->partial, err);
	int r = 0;

	if (partial < 0)
		return partial;
	/* P beside O: cut off before anybody could use the pool's copy. */
	if (reachable && !(old == TREE_FULL && partial != TREE_ABSENT))
		r = bring_back(ctx, names, true, err);
	if (r < 0)
		return r;
	if (r > 0) {
		*ret = UNDO_DONE;
		return 0;
	}
	*ret = UNDO_NOTHING;
	return old == TREE_FULL ? restore_old(ctx, names, ret, why, err)
				: tree_remove(ctx->host, names->partial, err);
}

/* Cut off before T was renamed: the pool has at most a half copy, and nobody has used it. */
static bool never_moved(struct change_context *ctx, const struct change_record *record,
			const struct move_names *names)
{
	return !record->after && !host_exists(ctx->host, names->old) &&
	       !host_exists(ctx->host, names->back);
}

int move_undo(struct change_context *ctx, const struct change_record *record,
	      enum undo_outcome *ret, struct strbuf *why, struct error *err)
{
	_cleanup_(move_names_release) struct move_names names = { 0 };
	int r = move_names_init(&names, record->target, json_get_string(record->want, "to"), err);
	int pool = r < 0 ? r : mounted_pool(ctx->host, names.to, err);

	if (pool < 0)
		return pool;
	*ret = UNDO_NOTHING;
	if (never_moved(ctx, record, &names))
		return pool ? tree_remove(ctx->host, names.partial, err) : 0;
	if (!pool && !ctx->delete_data)
		return error_set(err, ENOTCONN,
				 "the pool is not mounted on '%s', so the data of '%s' in "
				 "it cannot be moved back: mount it, or give the data up with "
				 "--delete-data",
				 POOL_DIR, record->target);
	return undo_move(ctx, &names, pool > 0, ret, why, err);
}
