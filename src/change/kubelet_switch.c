/*
 * The node's kubelet moved from one engine to another: restarted once, proven Ready, or put back.
 *
 * Its Node is cordoned; what a drain moves must be gone, or is evicted where the settings consent; then it is stopped,
 * what is left on the old engine (pods of DaemonSets, static ones) is ended there, and it is started on the new one. All
 * of it may be cut off: a kubelet that was told comes up on the new engine, and what is left to do is done by the next
 * run.
 *
 * One that is on the new engine already and was told otherwise than it would be now (its own command line has changed) is
 * told anew and restarted, and no pod notices.
 *
 * target: the unit. want: {"snap" or none, "drop_in", "images" (bool, or none), "drain", "drain_ms", "kubeconfig", "handler", "there" (it is on the new
 * engine), "from", "to"}, these two {"unit", "socket", "runtime" ("cri-o://", as a Node has it)}; before:
 * kubelet_endpoint_capture().
 */
#include "base/fault.h"
#include "change/engine_restart.h"
#include "change/failures.h"
#include "change/kubelet_endpoint.h"
#include "change/kubelet_guard.h"
#include "change/own_scope.h"
#include "host/kubelet.h"
#include "kube/own_node.h"

#define START_SECONDS 30

struct side {
	struct cri_engine engine;
	const char *runtime;
};

struct kubelet_switch {
	struct kubelet_endpoint endpoint;
	char *url; /* of the endpoint */
	struct side from, to;
	const char *kubeconfig, *handler;
	const json_t *want; /* all of it */
	bool drain;
	uint64_t drain_ms;
};

static void switch_release(struct kubelet_switch *s)
{
	free(s->url);
}

static struct side side_of(const json_t *want, const char *key)
{
	const json_t *side = json_object_get(want, key);

	return (struct side){
		.engine = { json_get_string(side, "unit"), json_get_string(side, "socket") },
		.runtime = json_get_string(side, "runtime"),
	};
}

static int switch_read(const char *target, const json_t *want, struct kubelet_switch *ret, struct error *err)
{
	*ret = (struct kubelet_switch){
		.from = side_of(want, "from"),
		.to = side_of(want, "to"),
		.kubeconfig = json_get_string(want, "kubeconfig"),
		.handler = json_get_string(want, "handler"),
		.want = want,
		.drain = json_get_bool(want, "drain", false),
		.drain_ms = (uint64_t)json_get_int(want, "drain_ms", 0),
	};
	ret->url = xasprintf("unix://%s", ret->to.engine.socket);
	ret->endpoint = (struct kubelet_endpoint){
		.unit = target,
		.snap = json_get_string(want, "snap"),
		.endpoint = ret->url,
		.engine = ret->to.engine.unit,
		.drop_in = json_get_string(want, "drop_in"),
		.images = json_get_bool(want, "images", false),
	};
	return ret->url ? 0 : error_errno(err, ENOMEM, "plan the kubelet's engine");
}

/* 1: it runs on that side's engine; 0: on another; -ENOENT: it does not run. */
static int runs_on(struct change_context *ctx, const struct side *side)
{
	_cleanup_(kubelet_release) struct kubelet kubelet = KUBELET_INIT;

	return kubelet_read(ctx->host, &kubelet) > 0 ? kubelet_uses(&kubelet, side->engine.socket) : -ENOENT;
}

static int holds(struct change_context *ctx, const struct change *change, struct error *err)
{
	_cleanup_(switch_release) struct kubelet_switch s = { 0 };
	int r = switch_read(change->target, change->want, &s, err);

	if (r == 0)
		r = kubelet_endpoint_holds(ctx, &s.endpoint, err);
	if (r <= 0 || host_is_rooted(ctx->host))
		return r;
	return runs_on(ctx, &s.to) == 1;
}

static int describe(struct change_context *ctx, const struct change *change, struct strbuf *out, struct error *err)
{
	_cleanup_(switch_release) struct kubelet_switch s = { 0 };
	int r = switch_read(change->target, change->want, &s, err);

	if (r == 0)
		r = kubelet_endpoint_describe(ctx, &s.endpoint, out, err);
	if (r < 0)
		return r;
	if (json_get_bool(change->want, "there", false)) {
		strbuf_printf(out, "~ %s restarted; its pods go on\n", s.endpoint.unit);
		return 0;
	}
	strbuf_printf(out, "~ the node is cordoned%s\n", s.drain ? " and drained, as disruption budgets allow" : "");
	strbuf_printf(out, "~ %s stopped; DaemonSets' and static pods end on %s and start anew on %s\n", s.endpoint.unit,
		      s.from.engine.unit, s.to.engine.unit);
	strbuf_printf(out, "~ %s started; the node Ready on %s within %llu s and uncordoned, or all of it goes back\n",
		      s.endpoint.unit, s.to.engine.unit, (unsigned long long)(ctx->services_ms / 1000));
	return 0;
}

static int capture(struct change_context *ctx, const struct change *change, json_t **ret_before, struct error *err)
{
	_cleanup_(switch_release) struct kubelet_switch s = { 0 };
	int r = switch_read(change->target, change->want, &s, err);

	return r < 0 ? r : kubelet_endpoint_capture(ctx, &s.endpoint, ret_before, err);
}

static int refuse_pods(const struct own_node *node, const struct strv *pods, struct error *err)
{
	return error_set(err, EBUSY, "%zu pods run on node '%s', %s one of them, and would end: drain it first (kubectl drain "
			 "%s --ignore-daemonsets --delete-emptydir-data), or set crio.kubelet: drain", pods->len, node->name,
			 pods->items[0], node->name);
}

/* Nothing is left that a drain would move. */
static int empty_node(struct change_context *ctx, const struct kubelet_switch *s, struct own_node *node,
		      struct error *err)
{
	_cleanup_(strv_release) struct strv pods = STRV_INIT;
	int r = own_node_cordon(node, err);

	if (r < 0)
		return r;
	if (s->drain)
		return own_node_drain(node, s->drain_ms, ctx->progress, err);
	r = own_node_pods(node, &pods, err);
	return r == 0 && pods.len ? refuse_pods(node, &pods, err) : r;
}

/* Told, stopped, the old engine cleared, started: it is running again, or it was never stopped. */
static int restart_on(struct change_context *ctx, const struct kubelet_switch *s, struct own_node *node,
		      char **ret_heartbeat, struct error *err)
{
	struct kubelet_guard guard;
	struct error later = ERROR_INIT;
	int started, r = kubelet_endpoint_tell(ctx, &s->endpoint, err);

	fault_point("kubelet-switch:told");
	if (r == 0)
		r = kubelet_guard_begin(ctx, s->endpoint.unit, &guard, err);
	if (r < 0)
		return r;
	r = context_verb(ctx, "stop", s->endpoint.unit, err);
	fault_point("kubelet-switch:stopped");
	*ret_heartbeat = own_node_heartbeat(node);
	if (r == 0)
		r = engine_clear(ctx, &s->from.engine, err);
	fault_point("kubelet-switch:cleared");
	started = context_verb(ctx, "start", s->endpoint.unit, r < 0 ? &later : err);
	fault_point("kubelet-switch:started");
	kubelet_guard_end(ctx, &guard);
	return r < 0 ? r : started;
}

/* Put back, stopped, our engine cleared, started: the last one in any case. The first error. */
static int restart_home(struct change_context *ctx, const struct kubelet_switch *s, struct own_node *node,
			const json_t *before, char **ret_heartbeat, struct error *err)
{
	struct kubelet_guard guard;
	struct error later = ERROR_INIT;
	int next, r = kubelet_endpoint_restore(ctx, &s->endpoint, before, err);
	bool guarded = kubelet_guard_begin(ctx, s->endpoint.unit, &guard, &later) == 0;

	fault_point("kubelet-switch:restored");
	next = context_verb(ctx, "stop", s->endpoint.unit, r < 0 ? &later : err);
	r = r < 0 ? r : next;
	*ret_heartbeat = own_node_heartbeat(node);
	next = engine_clear(ctx, &s->to.engine, r < 0 ? &later : err);
	r = r < 0 ? r : next;
	next = context_verb(ctx, "start", s->endpoint.unit, r < 0 ? &later : err);
	fault_point("kubelet-switch:home");
	if (guarded)
		kubelet_guard_end(ctx, &guard);
	return r < 0 ? r : next;
}

/* From the new engine, nothing on it that must stay, to a node that is Ready on the old one. */
static int go_home(struct change_context *ctx, const struct kubelet_switch *s, struct own_node *node,
		   const json_t *before, struct error *err)
{
	_cleanup_free_ char *heartbeat = NULL;
	int r = restart_home(ctx, s, node, before, &heartbeat, err);

	if (r == 0)
		r = own_node_wait_ready(node, s->from.runtime, heartbeat, ctx->services_ms, ctx->progress, err);
	return r < 0 ? r : own_node_uncordon(node, err);
}

/* What a node serves is worth more than what it could serve. */
static int take_back(struct change_context *ctx, const struct kubelet_switch *s, struct own_node *node,
		     const json_t *before, struct error *err)
{
	struct error again = ERROR_INIT, ignored = ERROR_INIT;
	int code = err->code;

	(void)failures_add(ctx->host, &change_kubelet_switch, s->want, &ignored);
	if (go_home(ctx, s, node, before, &again) < 0)
		return error_set(err, code, "%.400s; and taking it back failed as well: %.400s", err->message,
				 again.message);
	return error_set(err, code, "%.800s; taken back, the node is Ready on %s as before", err->message,
			 s->from.engine.unit);
}

/* Nothing is touched but its cordon until the node is empty. */
static int empty_or_leave(struct change_context *ctx, const struct kubelet_switch *s, struct own_node *node,
			  struct error *err)
{
	struct error ignored = ERROR_INIT;
	int r = empty_node(ctx, s, node, err);

	if (r < 0)
		(void)own_node_uncordon(node, &ignored);
	fault_point("kubelet-switch:drained");
	return r;
}

/* Pods that came to it since: taking it back would end them. Where nobody tells, there may be some. */
static bool has_pods(struct own_node *node)
{
	_cleanup_(strv_release) struct strv pods = STRV_INIT;

	return own_node_pods(node, &pods, NULL) < 0 || pods.len;
}

/* Restarted where it has to be, the old engine cleared, Ready. */
static int bring_over(struct change_context *ctx, const struct kubelet_switch *s, struct own_node *node, bool there,
		      struct error *err)
{
	bool restart = !there || kubelet_endpoint_holds(ctx, &s->endpoint, NULL) != 1;
	_cleanup_free_ char *heartbeat = NULL;
	int r = restart ? restart_on(ctx, s, node, &heartbeat, err) : engine_clear(ctx, &s->from.engine, err);

	if (r == 0)
		r = own_node_wait_ready(node, s->to.runtime, heartbeat, ctx->services_ms, ctx->progress, err);
	if (r == 0 && !restart)
		kubelet_guard_drop(ctx);
	return r;
}

static int move_over(struct change_context *ctx, const struct kubelet_switch *s, const json_t *before, struct error *err)
{
	_cleanup_(own_node_release) struct own_node node = OWN_NODE_INIT;
	int r = own_node_open(ctx->host, s->kubeconfig, &node, err);
	bool there;

	if (r == 0)
		r = own_scope_enter(ctx, "berth-kubelet-switch", err);
	if (r < 0)
		return r;
	/* Cut off behind the kubelet's start, it is there already. */
	there = runs_on(ctx, &s->to) == 1;
	r = there ? 0 : empty_or_leave(ctx, s, &node, err);
	if (r < 0)
		return r;
	r = bring_over(ctx, s, &node, there, err);
	if (r < 0)
		return there && has_pods(&node) ? r : take_back(ctx, s, &node, before, err);
	return own_node_uncordon(&node, err);
}

static int note_moved(json_t **ret_after, struct error *err)
{
	*ret_after = json_object();
	return *ret_after ? 0 : error_errno(err, ENOMEM, "note the kubelet's engine");
}

static int apply(struct change_context *ctx, const struct change *change, const json_t *before, json_t **ret_after,
		 struct error *err)
{
	_cleanup_(switch_release) struct kubelet_switch s = { 0 };
	int r = switch_read(change->target, change->want, &s, err);

	if (r == 0)
		r = host_is_rooted(ctx->host) ? kubelet_endpoint_tell(ctx, &s.endpoint, err) :
						move_over(ctx, &s, before, err);
	if (r == 0)
		r = failures_forget(ctx->host, &change_kubelet_switch, err);
	return r < 0 ? r : note_moved(ret_after, err);
}

/* The kubelet runs on the engine that we gave it. */
static bool is_ours(struct change_context *ctx, const struct kubelet_switch *s)
{
	return !host_is_rooted(ctx->host) && runs_on(ctx, &s->to) == 1;
}

/* No sandbox runs, the API server answers, and nothing is left on the node that there is no consent to evict. */
static int may_undo(struct change_context *ctx, const struct change_record *record, struct error *err)
{
	_cleanup_(own_node_release) struct own_node node = OWN_NODE_INIT;
	_cleanup_(switch_release) struct kubelet_switch s = { 0 };
	_cleanup_(strv_release) struct strv pods = STRV_INIT;
	int r = switch_read(record->target, record->want, &s, err);

	if (r < 0 || !is_ours(ctx, &s))
		return r;
	r = engine_check_unused(ctx, &s.to.engine, s.handler, err);
	if (r == 0)
		r = own_node_open(ctx->host, s.kubeconfig, &node, err);
	if (r == 0)
		r = own_node_pods(&node, &pods, err);
	return r == 0 && pods.len && !s.drain ? refuse_pods(&node, &pods, err) : r;
}

static int move_home(struct change_context *ctx, const struct kubelet_switch *s, const json_t *before, struct error *err)
{
	_cleanup_(own_node_release) struct own_node node = OWN_NODE_INIT;
	int r = own_node_open(ctx->host, s->kubeconfig, &node, err);

	if (r == 0)
		r = own_scope_enter(ctx, "berth-kubelet-switch", err);
	if (r == 0)
		r = empty_or_leave(ctx, s, &node, err);
	return r < 0 ? r : go_home(ctx, s, &node, before, err);
}

/* It is home, and what an undo that was cut off had before it is still to do. */
static int finish_home(struct change_context *ctx, const struct kubelet_switch *s, struct error *err)
{
	_cleanup_(own_node_release) struct own_node node = OWN_NODE_INIT;
	int r = own_node_open(ctx->host, s->kubeconfig, &node, err);

	if (r == 0)
		r = engine_clear(ctx, &s->to.engine, err);
	if (r == 0)
		r = own_node_wait_ready(&node, s->from.runtime, NULL, ctx->services_ms, ctx->progress, err);
	if (r < 0)
		return r;
	kubelet_guard_drop(ctx);
	return own_node_uncordon(&node, err);
}

static int undo(struct change_context *ctx, const struct change_record *record, enum undo_outcome *ret,
		struct strbuf *why, struct error *err)
{
	_cleanup_(switch_release) struct kubelet_switch s = { 0 };
	int r = switch_read(record->target, record->want, &s, err);
	int on_ours;

	(void)why;
	*ret = UNDO_NOTHING;
	if (r < 0)
		return r;
	on_ours = host_is_rooted(ctx->host) ? -ENOENT : runs_on(ctx, &s.to);
	if (on_ours == 1) {
		*ret = UNDO_DONE;
		r = may_undo(ctx, record, err);
		return r < 0 ? r : move_home(ctx, &s, record->before, err);
	}
	/* Whatever it says by now, it leads to an engine that goes. */
	r = kubelet_endpoint_is_told(ctx, &s.endpoint, err);
	if (r > 0)
		*ret = UNDO_DONE;
	/* Of a drop-in that is not there something half written may be. */
	if (r > 0 || (r == 0 && !s.endpoint.snap))
		r = kubelet_endpoint_restore(ctx, &s.endpoint, record->before, err);
	/* No kubelet (its node was taken out of the cluster): it finds its old engine whenever it starts. */
	return r < 0 || on_ours < 0 ? r : finish_home(ctx, &s, err);
}

/* As runs_on(), of one that may just have been started: systemd says so before its program runs. */
static int wait_for_it(struct change_context *ctx, const struct side *side)
{
	int r;

	for (int i = 0; (r = runs_on(ctx, side)) == -ENOENT && i < START_SECONDS; i++)
		(void)sleep(1);
	return r;
}

/*
 * A kubelet that was stopped for the move and not started again; one that has yet to come up at a boot is waited for. Where
 * it was told, it comes up on the new engine: the cordon and what is left on the old engine are still there.
 */
static int resume(struct change_context *ctx, const struct change_record *record, json_t **ret_after, struct error *err)
{
	_cleanup_(switch_release) struct kubelet_switch s = { 0 };
	const struct unit_state *u = NULL;
	int r = switch_read(record->target, record->want, &s, err);

	if (r == 0)
		r = context_unit(ctx, record->target, &u, err);
	if (r < 0 || !u || !unit_is(u->load, "loaded"))
		return r;
	if (!unit_is_active(u))
		r = context_verb(ctx, "start", record->target, err);
	if (r < 0 || record->after || wait_for_it(ctx, &s.to) != 1)
		return r;
	r = move_over(ctx, &s, record->before, err);
	return r < 0 ? r : note_moved(ret_after, err);
}

const struct change_kind change_kubelet_switch = {
	.name = "kubelet-switch",
	.repeats = true,
	.holds = holds,
	.describe = describe,
	.capture = capture,
	.apply = apply,
	.resume = resume,
	.may_undo = may_undo,
	.undo = undo,
};
