/*
 * CRI-O restarted because another file than the one it runs is in its place; its pods go on.
 *
 * target: the unit. want: {"socket", "drop_ins"}, and {"again": true} where the file is yet to come.
 */
#include "change/engine_restart.h"
#include "engine/crio.h"

/* The process has a file that has no name any more. */
static bool runs_removed_file(struct change_context *ctx, const struct unit_state *unit)
{
	static const char GONE[] = " (deleted)";
	_cleanup_free_ char *path = xasprintf("/proc/%d/exe", unit->main_pid), *program = NULL;
	size_t len;

	if (unit->main_pid <= 0 || !path || host_readlink(ctx->host, path, &program) < 0)
		return false;
	len = strlen(program);
	return len > strlen(GONE) && strcmp(program + len - strlen(GONE), GONE) == 0;
}

static int holds(struct change_context *ctx, const struct change *change, struct error *err)
{
	const struct unit_state *unit;
	int r = context_unit(ctx, change->target, &unit, err);

	return r < 0 ? r : !json_get_bool(change->want, "again", false) && !runs_removed_file(ctx, unit);
}

static int describe(struct change_context *ctx, const struct change *change, struct strbuf *out, struct error *err)
{
	(void)ctx;
	(void)err;
	strbuf_printf(out, "~ %s restarted once, by the file that is in its place; its pods go on\n", change->target);
	return 0;
}

static int capture(struct change_context *ctx, const struct change *change, json_t **ret_before, struct error *err)
{
	(void)ctx;
	(void)change;
	*ret_before = json_object();
	return *ret_before ? 0 : error_errno(err, ENOMEM, "note what was there");
}

/* The new one may not like the node's files: then the old one goes on. */
static int judge_files(struct change_context *ctx, const struct change *change, struct error *err)
{
	_cleanup_free_ char *program = host_find_program(ctx->host, CRIO_PROGRAM), *dump = NULL;
	const char *drop_ins = json_get_string(change->want, "drop_ins");
	int r = program ? crio_dump(ctx->host, program, drop_ins, drop_ins, &dump, err) :
			  error_set(err, ENOENT, "it has no program");

	return r < 0 ? error_context(err, "%s is not restarted", change->target) : 0;
}

static int apply(struct change_context *ctx, const struct change *change, const json_t *before, json_t **ret_after,
		 struct error *err)
{
	const struct cri_engine engine = { change->target, json_get_string(change->want, "socket") };
	size_t pods;
	int r = judge_files(ctx, change, err);

	(void)before;
	progress_activityf(ctx->progress, "restarting %s", change->target);
	if (r == 0 && !host_is_rooted(ctx->host))
		r = engine_restart(ctx, &engine, &pods, err);
	if (r < 0)
		return r;
	*ret_after = json_object();
	return *ret_after ? 0 : error_errno(err, ENOMEM, "note what was done");
}

const struct change_kind change_crio_restart = {
	.name = "crio-restart",
	.repeats = true,
	.holds = holds,
	.describe = describe,
	.capture = capture,
	.apply = apply,
	.undo = change_undo_nothing,
};
