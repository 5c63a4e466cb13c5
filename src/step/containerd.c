/*
 * The node's own containerd, kept as it is, with one more runtime handler: pods of its runtime class are sandboxes.
 * It is found and never installed: where no containerd serves the node's kubelet, there is nothing to add to.
 */
#include "engine/containerd.h"

#include "host/kubelet.h"
#include "step/containerd_find.h"
#include "step/kube_engine.h"
#include "step/layout.h"
#include "step/table.h"

/* As Docker's own package of containerd has it. */
static bool serves_kubelets(const struct containerd_found *found)
{
	_cleanup_free_ char *disabled = containerd_dump_value(found->dump, "", "disabled_plugins");

	return !disabled || (!strstr(disabled, "'cri'") && !strstr(disabled, "io.containerd.grpc.v1.cri") &&
			     !strstr(disabled, "io.containerd.cri.v1"));
}

/* With another, stopping it would stop the pods. */
static bool keeps_pods(const struct step_context *ctx, const char *unit)
{
	const char *const argv[] = { "systemctl", "show", "--property=KillMode", "--value", unit, NULL };
	_cleanup_(spawn_result_release) struct spawn_result result = SPAWN_RESULT_INIT;
	struct spawn_options options = { .timeout_ms = 20000 };

	if (host_run(ctx->host, argv, &options, &result, NULL) < 0)
		return false;
	return strncmp(strbuf_str(&result.out), "process", 7) == 0 || strncmp(strbuf_str(&result.out), "none", 4) == 0;
}

static int check(struct step_context *ctx, struct report *report, struct error *err)
{
	_cleanup_(containerd_found_release) struct containerd_found found = CONTAINERD_FOUND_INIT;
	_cleanup_(kubelet_release) struct kubelet kubelet = KUBELET_INIT;
	int r = containerd_find(ctx, &found, err);

	if (r < 0)
		return r;
	if (!found.layout)
		report_add(report, "containerd.kind", CHECK_FAIL, "join the node to its cluster first, or set engine: docker",
			   "no containerd serves a kubelet here, and berth adds a handler to the node's own");
	else if (containerd_is_old(&found))
		report_add(report, "containerd.version", CHECK_FAIL,
			   "upgrade containerd (with the node drained), or set engine: docker",
			   "containerd %s of %s cannot run Sysbox's pods: it takes " CONTAINERD_OLDEST " or newer, which "
			   "gives each pod a user namespace of its own", found.version ? found.version : "of an unknown version",
			   found.unit);
	else if (kubelet_read(ctx->host, &kubelet) > 0 && kubelet.endpoint &&
		 !kubelet_uses(&kubelet, found.socket))
		report_add(report, "containerd.kubelet", CHECK_FAIL, "set engine: docker, or let the kubelet use containerd",
			   "the kubelet of this node uses '%.200s', not containerd: a handler of containerd would get no pod",
			   kubelet.endpoint);
	else if (!serves_kubelets(&found))
		report_add(report, "containerd.cri", CHECK_FAIL,
			   "take cri out of disabled_plugins in its config, or set engine: docker",
			   "%s serves no kubelet: '%s' disables the plugin for that", found.unit, found.config);
	else if (found.layout->generated && !found.imported)
		report_add(report, "containerd.imports", CHECK_FAIL,
			   "start it once, or take a version that imports them, or set engine: docker",
			   "%s would not read '%s': '%s', which it writes itself, does not import it", found.layout->name,
			   found.drop_in, found.config);
	else if (!keeps_pods(ctx, found.unit))
		report_add(report, "containerd.kill-mode", CHECK_FAIL,
			   "set KillMode=process in a drop-in of its unit, as containerd's own has it",
			   "%s is restarted once for a new handler, and would end all pods with it", found.unit);
	else
		report_add(report, "containerd.kind", CHECK_PASS, NULL, "%s containerd %s stays, and gets a handler",
			   found.layout->name, found.version);
	return 0;
}

static json_t *wanted_handler(const struct containerd_found *found, struct error *err)
{
	struct containerd_handler handler = {
		.name = RUNTIME_NAME,
		.runtime = BERTH_RUNC,
		.version = found->config_version,
	};
	_cleanup_free_ char *text = NULL;
	json_t *want;

	handler.systemd_cgroup = containerd_dump_systemd_cgroup(found->dump);
	text = containerd_drop_in(&handler);
	want = text ? json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:s}", "text", text, "config", found->config, "program",
				found->program, "unit", found->unit, "socket", found->socket, "handler",
				handler.name, "runtime", handler.runtime) : NULL;
	if (want && found->pattern)
		(void)json_object_set_new(want, "pattern", json_string(found->pattern));
	if (!want)
		(void)error_errno(err, ENOMEM, "plan containerd's handler");
	return want;
}

static int plan_containerd(struct step_context *ctx, struct plan *plan, struct error *err)
{
	_cleanup_(containerd_found_release) struct containerd_found found = CONTAINERD_FOUND_INIT;
	_cleanup_free_ char *interrupts = NULL;
	json_t *want;
	int r = containerd_find(ctx, &found, err);

	if (r < 0)
		return r;
	if (!found.layout || !found.program || containerd_is_old(&found))
		return error_set(err, EOPNOTSUPP, "there is no containerd " CONTAINERD_OLDEST " or newer on this node to add a "
				 "handler to");
	want = wanted_handler(&found, err);
	if (!want)
		return -err->code;
	interrupts = xasprintf("%s%s%s for a second; its pods go on", found.unit, found.takes ? " with " : "",
			       found.takes ? found.takes : "");
	return plan_add(plan, &ctx->change, &change_handler, found.drop_in, want, interrupts,
			"pods of the runtime class " RUNTIME_NAME " are sandboxes", err);
}

static struct kube_engine engine_of(const struct containerd_found *found)
{
	return (struct kube_engine){
		.name = "containerd",
		.answers_id = "containerd.answers",
		.handler_id = "containerd.handler",
		.sandbox_id = "containerd.sandbox",
		.engine = { found->unit, found->socket },
		.systemd_cgroup = found->dump && containerd_dump_systemd_cgroup(found->dump),
	};
}

static int probe(struct step_context *ctx, struct strbuf *ret, enum verdict *ret_verdict, struct error *err)
{
	_cleanup_(containerd_found_release) struct containerd_found found = CONTAINERD_FOUND_INIT;
	struct kube_engine engine;
	int r = containerd_find(ctx, &found, err);

	if (r < 0)
		return r;
	if (!found.layout) {
		strbuf_puts(ret, "not on this node");
		*ret_verdict = CHECK_WARN;
		return 0;
	}
	engine = engine_of(&found);
	strbuf_printf(ret, "%s %s", found.layout->name, found.version ? found.version : "");
	kube_engine_probe(ctx, &engine, ret, ret_verdict);
	return 0;
}

static int verify(struct step_context *ctx, struct report *report, struct error *err)
{
	_cleanup_(containerd_found_release) struct containerd_found found = CONTAINERD_FOUND_INIT;
	struct kube_engine engine;
	int r;

	if (host_is_rooted(ctx->host)) {
		report_add(report, "containerd", CHECK_SKIP, NULL, "a folder runs no containerd");
		return 0;
	}
	r = containerd_find(ctx, &found, err);
	if (r < 0)
		return r;
	if (!found.layout) {
		report_add(report, "containerd.answers", CHECK_FAIL, "join the node to its cluster",
			   "no containerd serves a kubelet here");
		return 0;
	}
	engine = engine_of(&found);
	kube_engine_verify(ctx, &engine, report);
	return 0;
}

const struct step step_containerd = {
	.name = "containerd",
	.summary = "the node's containerd, with a handler for sandboxes",
	.wanted = spec_has_containerd,
	.probe = probe,
	.check = check,
	.plan = plan_containerd,
	.verify = verify,
};
