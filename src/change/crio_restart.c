/*
 * CRI-O restarted because another file than the one it runs is in its place. One of the same minor version lets its pods go
 * on; one of another ends them all when it starts, so the node must be drained, and what its kubelet makes anew is left.
 *
 * target: the unit. want: {"socket", "drop_ins", "kubeconfig"}, and {"again": true} where the file is yet to come,
 * {"ends": true} where all pods end.
 */
#include "change/crio_restart.h"

#include "change/engine_restart.h"
#include "engine/crio.h"
#include "kube/own_node.h"

bool crio_runs_removed_file(struct change_context *ctx, const char *unit)
{
	static const char GONE[] = " (deleted)";
	_cleanup_free_ char *path = NULL, *program = NULL;
	const struct unit_state *u;
	size_t len;

	if (context_unit(ctx, unit, &u, NULL) < 0 || u->main_pid <= 0)
		return false;
	path = xasprintf("/proc/%d/exe", u->main_pid);
	if (!path || host_readlink(ctx->host, path, &program) < 0)
		return false;
	len = strlen(program);
	return len > strlen(GONE) && strcmp(program + len - strlen(GONE), GONE) == 0;
}

static int holds(struct change_context *ctx, const struct change *change, struct error *err)
{
	(void)err;
	return !json_get_bool(change->want, "again", false) && !crio_runs_removed_file(ctx, change->target);
}

static int describe(struct change_context *ctx, const struct change *change, struct strbuf *out, struct error *err)
{
	(void)ctx;
	(void)err;
	strbuf_printf(out, "~ %s restarted once, by the file that is in its place; %s\n", change->target,
		      json_get_bool(change->want, "ends", false) ?
			      "the node is drained, pods of DaemonSets and static ones start anew" : "its pods go on");
	return 0;
}

static int capture(struct change_context *ctx, const struct change *change, json_t **ret_before, struct error *err)
{
	(void)ctx;
	(void)change;
	*ret_before = json_object();
	return *ret_before ? 0 : error_errno(err, ENOMEM, "note what was there");
}

/* At the last moment: somebody may have uncordoned it meanwhile. */
static int check_drained(struct change_context *ctx, const struct change *change, struct error *err)
{
	_cleanup_(own_node_release) struct own_node node = OWN_NODE_INIT;
	int r = own_node_open(ctx->host, json_get_string(change->want, "kubeconfig"), &node, err);

	if (r == 0)
		r = own_node_is_drained(&node, err);
	return r ? MIN_OF(r, 0) : error_set(err, EBUSY, "node '%s' is not drained, and all its pods would end", node.name);
}

/* The new one may not like the node's files: then the old one goes on. */
static int judge(struct change_context *ctx, const struct change *change, bool *ret_ends, struct error *err)
{
	_cleanup_free_ char *program = host_find_program(ctx->host, CRIO_PROGRAM), *dump = NULL, *version = NULL;
	const char *drop_ins = json_get_string(change->want, "drop_ins");
	_cleanup_(strbuf_release) struct strbuf said = STRBUF_INIT;
	int r = program ? crio_dump(ctx->host, program, drop_ins, drop_ins, &dump, err) :
			  error_set(err, ENOENT, "it has no program");

	if (r == 0)
		r = host_version(ctx->host, program, &said, err);
	version = r == 0 ? crio_version_of(strbuf_str(&said)) : NULL;
	*ret_ends = !version || crio_ends_pods(ctx->host, version);
	if (r == 0 && *ret_ends && !host_is_rooted(ctx->host))
		r = check_drained(ctx, change, err);
	return r < 0 ? error_context(err, "%s is not restarted", change->target) : 0;
}

static int apply(struct change_context *ctx, const struct change *change, const json_t *before, json_t **ret_after,
		 struct error *err)
{
	const struct cri_engine engine = { change->target, json_get_string(change->want, "socket") };
	size_t pods;
	bool ends;
	int r = judge(ctx, change, &ends, err);

	(void)before;
	progress_activityf(ctx->progress, "restarting %s", change->target);
	if (r == 0 && !host_is_rooted(ctx->host))
		r = engine_restart(ctx, &engine, &pods, err);
	if (r == -ECHILD && ends) {
		error_clear(err);
		r = 0;
	}
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
