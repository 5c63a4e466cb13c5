/*
 * CRI-O of the kubelet's minor version, with a runtime handler whose pods are sandboxes, and the node's kubelet on it.
 * One that the kubelet uses already is kept as it is, but for the handler.
 */
#include "engine/crio.h"

#include "change/crio_restart.h"
#include "step/crio_carried.h"
#include "step/crio_kubelet.h"
#include "step/crio_package.h"
#include "step/crio_registries.h"
#include "step/kube_engine.h"
#include "step/layout.h"
#include "step/table.h"

#define DROP_IN CRIO_DROP_INS "/50-berth.conf"
#define NODE_CONF CRIO_DROP_INS "/45-berth-node.conf"

struct found {
	struct crio_kubelet kubelet;
	char *program; /* NULL: no CRI-O */
	char *version; /* "1.34.0" */
};

static void found_release(struct found *found)
{
	crio_kubelet_release(&found->kubelet);
	free(found->program);
	free(found->version);
}

static int find(struct step_context *ctx, struct found *ret, struct error *err)
{
	_cleanup_(strbuf_release) struct strbuf said = STRBUF_INIT;
	int r = crio_kubelet_read(ctx, &ret->kubelet, err);

	ret->program = host_find_program(ctx->host, CRIO_PROGRAM);
	if (r < 0 || !ret->program)
		return r;
	r = host_version(ctx->host, ret->program, &said, err);
	if (r == 0)
		ret->version = crio_version_of(strbuf_str(&said));
	return r;
}

static struct crio_package package_of(const struct found *found)
{
	return (struct crio_package){
		.there = found->program,
		.version = found->version,
		.minor = found->kubelet.minor,
		.follows = found->kubelet.on_crio && found->kubelet.moved,
	};
}

static void check_mirrors(struct step_context *ctx, const struct found *found, struct report *report)
{
	_cleanup_(crio_carried_release) struct crio_carried carried = CRIO_CARRIED_INIT;

	if (found->kubelet.on_crio)
		return;
	crio_carried_read(ctx, &carried);
	crio_registries_check(ctx, carried.registries, report);
	strv_foreach (&carried.left, i, registry)
		report_add(report, "crio.mirrors", CHECK_WARN, "write it into /etc/containers/registries.conf.d in CRI-O's way, or "
			   "go without", "what containerd's own config has of the registry '%.200s' (mirrors, configs, auths) is "
			   "not carried over to CRI-O: only what is in its config_path is", registry);
}

static void check_version(const struct found *found, struct report *report)
{
	if (!found->version || package_version_compare(found->version, CRIO_OLDEST) < 0)
		report_add(report, "crio.version", CHECK_FAIL, "upgrade CRI-O (with the node drained), or set engine: docker",
			   "CRI-O %s cannot run pods in a user namespace of their own: it takes " CRIO_OLDEST " or newer",
			   found->version ? found->version : "of an unknown version");
	else if (!found->kubelet.on_crio && !package_version_is_of(found->version, found->kubelet.minor))
		report_add(report, "crio.version", CHECK_FAIL, "install CRI-O of the same minor version, or remove this one",
			   "CRI-O %s is here, and the kubelet is %s: they must be of one minor version", found->version,
			   found->kubelet.version);
	else
		report_add(report, "crio.version", CHECK_PASS, NULL, "CRI-O %s", found->version);
}

/* What is to be done to the CRI-O that is here already. */
enum renewal { RENEW_NOTHING, RENEW_PACKAGE, RENEW_PROCESS };

/*
 * By a package of the kubelet's minor version, or because the file of the one that runs was replaced by somebody, or by a
 * run that was cut off then. One of another minor version ends all pods when it starts: `ret_waits`, until there are none.
 */
static enum renewal renewal_of(struct step_context *ctx, const struct found *found, bool *ret_waits)
{
	const struct crio_package package = package_of(found);
	bool due = found->program && crio_package_is_due(ctx, &package);
	bool removed = found->kubelet.on_crio && crio_runs_removed_file(&ctx->change, CRIO_UNIT);

	*ret_waits = (due || (removed && (!found->version || crio_ends_pods(ctx->host, found->version)))) &&
		     !crio_kubelet_is_drained(ctx, &found->kubelet);
	if (*ret_waits || (!due && !removed))
		return RENEW_NOTHING;
	return due ? RENEW_PACKAGE : RENEW_PROCESS;
}

static void check_renewal(struct step_context *ctx, const struct found *found, struct report *report)
{
	bool waits;

	(void)renewal_of(ctx, found, &waits);
	if (waits)
		report_add(report, "crio.behind", CHECK_WARN, "kubectl drain this node (--ignore-daemonsets "
			   "--delete-emptydir-data), run berth install, and uncordon it",
			   "CRI-O is to be renewed (%s is here, the kubelet is of %s), and one of another minor version ends all "
			   "pods when it starts: that waits until the node is drained", found->version ? found->version : "?",
			   found->kubelet.minor);
}

static int check(struct step_context *ctx, struct report *report, struct error *err)
{
	_cleanup_(found_release) struct found found = { 0 };
	struct crio_package package;
	int r = find(ctx, &found, err);

	if (r < 0)
		return r;
	if (!crio_kubelet_check(ctx, &found.kubelet, report))
		return 0;
	package = package_of(&found);
	crio_package_check(ctx, &package, report);
	if (found.program) {
		check_version(&found, report);
		check_renewal(ctx, &found, report);
	}
	check_mirrors(ctx, &found, report);
	return 0;
}

/*
 * Written once, while the kubelet is still on its old engine: who makes cgroups, the pause image, CNI's folders, and
 * mirrors.
 */
static int plan_node_conf(struct step_context *ctx, const struct found *found, struct plan *plan, struct error *err)
{
	const char *driver = found->kubelet.kubelet.cgroup_driver;
	bool cgroupfs = driver && strcmp(driver, "cgroupfs") == 0;
	_cleanup_(crio_carried_release) struct crio_carried carried = CRIO_CARRIED_INIT;
	_cleanup_(strbuf_release) struct strbuf text = STRBUF_INIT;
	int r;

	if (found->kubelet.on_crio)
		return 0;
	crio_carried_read(ctx, &carried);
	strbuf_printf(&text, "# Written by berth: as the engine had it that this node's kubelet used before.\n"
		      "[crio.runtime]\n"
		      "cgroup_manager = \"%s\"\n"
		      "%s", cgroupfs ? "cgroupfs" : "systemd", cgroupfs ? "conmon_cgroup = \"pod\"\n" : "");
	if (carried.pause && *carried.pause)
		strbuf_printf(&text, "\n[crio.image]\npause_image = \"%s\"\n", carried.pause);
	if (carried.network_dir || carried.plugin_dirs)
		strbuf_puts(&text, "\n[crio.network]\n");
	if (carried.network_dir)
		strbuf_printf(&text, "network_dir = \"%s\"\n", carried.network_dir);
	if (carried.plugin_dirs)
		strbuf_printf(&text, "plugin_dirs = %s\n", carried.plugin_dirs);
	r = plan_file(plan, &ctx->change, NODE_CONF, strbuf_str(&text), 0644, "as the node had it", err);
	return r < 0 ? r : crio_registries_plan(ctx, carried.registries, plan, err);
}

static int plan_handler(struct step_context *ctx, const struct found *found, struct plan *plan, struct error *err)
{
	json_t *want = json_pack("{s:s, s:s, s:s, s:s, s:s}", "drop_ins", CRIO_DROP_INS, "unit",
				 CRIO_UNIT, "socket", CRIO_SOCKET, "handler", RUNTIME_NAME, "runtime", BERTH_RUNC);

	if (want && found->program)
		(void)json_object_set_new(want, "program", json_string(found->program));
	return want ? plan_add(plan, &ctx->change, &change_crio_handler, DROP_IN, want,
			       found->kubelet.on_crio ? CRIO_UNIT " for a second; its pods go on" : NULL,
			       "pods of the runtime class " RUNTIME_NAME " are sandboxes", err) :
		      error_errno(err, ENOMEM, "plan CRI-O's handler");
}

static int plan_restart(struct step_context *ctx, const struct found *found, bool again, struct plan *plan, struct error *err)
{
	bool ends = again || !found->version || crio_ends_pods(ctx->host, found->version);

	return plan_add(plan, &ctx->change, &change_crio_restart, CRIO_UNIT,
			json_pack("{s:s, s:s, s:s*, s:b, s:b}", "socket", CRIO_SOCKET, "drop_ins", CRIO_DROP_INS, "kubeconfig",
				  found->kubelet.kubelet.kubeconfig, "again", again, "ends", ends),
			ends ? CRIO_UNIT " once; pods of DaemonSets and static ones start anew" :
			       CRIO_UNIT " for a second; its pods go on",
			"another file is in its place", err);
}

static int plan_crio(struct step_context *ctx, struct plan *plan, struct error *err)
{
	_cleanup_(found_release) struct found found = { 0 };
	enum renewal renewal = RENEW_NOTHING;
	struct crio_package package;
	bool waits;
	int r = find(ctx, &found, err);

	if (r < 0)
		return r;
	if (!found.kubelet.there)
		return error_set(err, EOPNOTSUPP, "no kubelet runs on this node to give CRI-O's pods to");
	package = package_of(&found);
	if (found.program)
		renewal = renewal_of(ctx, &found, &waits);
	if (!found.program || renewal == RENEW_PACKAGE)
		r = crio_package_plan(ctx, &package, plan, err);
	if (r >= 0)
		r = plan_node_conf(ctx, &found, plan, err);
	if (r >= 0)
		r = plan_handler(ctx, &found, plan, err);
	if (r >= 0 && renewal != RENEW_NOTHING)
		r = plan_restart(ctx, &found, renewal == RENEW_PACKAGE, plan, err);
	if (r >= 0)
		r = plan_add(plan, &ctx->change, &change_enable, CRIO_UNIT, json_object(), NULL, NULL, err);
	if (r >= 0)
		r = plan_add(plan, &ctx->change, &change_start, CRIO_UNIT, json_object(), NULL, NULL, err);
	return r < 0 ? r : crio_kubelet_plan(ctx, &found.kubelet, plan, err);
}

static const struct kube_engine ENGINE = {
	.name = "CRI-O",
	.answers_id = "crio.answers",
	.handler_id = "crio.handler",
	.sandbox_id = "crio.sandbox",
	.engine = { CRIO_UNIT, CRIO_SOCKET },
};

static bool has_systemd_cgroups(struct step_context *ctx, const struct found *found)
{
	_cleanup_free_ char *dump = NULL, *manager = NULL;
	struct error ignored = ERROR_INIT;

	if (found->program && crio_dump(ctx->host, found->program, CRIO_DROP_INS, CRIO_DROP_INS, &dump, &ignored) == 0)
		manager = crio_dump_value(dump, "crio.runtime", "cgroup_manager");
	return !manager || strcmp(manager, "systemd") == 0;
}

static int probe(struct step_context *ctx, struct strbuf *ret, enum verdict *ret_verdict, struct error *err)
{
	_cleanup_(found_release) struct found found = { 0 };
	int r = find(ctx, &found, err);

	if (r < 0)
		return r;
	if (!found.program) {
		strbuf_puts(ret, "not installed");
		*ret_verdict = CHECK_SKIP;
		return 0;
	}
	strbuf_printf(ret, "CRI-O %s, %s the kubelet", found.version ? found.version : "",
		      found.kubelet.on_crio ? "serves" : "does not serve");
	kube_engine_probe(ctx, &ENGINE, ret, ret_verdict);
	if (!found.kubelet.on_crio)
		*ret_verdict = CHECK_WARN;
	return 0;
}

static int verify(struct step_context *ctx, struct report *report, struct error *err)
{
	_cleanup_(found_release) struct found found = { 0 };
	struct kube_engine engine = ENGINE;
	int r;

	if (host_is_rooted(ctx->host)) {
		report_add(report, "crio", CHECK_SKIP, NULL, "a folder runs no CRI-O");
		return 0;
	}
	r = find(ctx, &found, err);
	if (r < 0)
		return r;
	engine.systemd_cgroup = has_systemd_cgroups(ctx, &found);
	kube_engine_verify(ctx, &engine, report);
	crio_kubelet_verify(ctx, &found.kubelet, report);
	return 0;
}

const struct step step_crio = {
	.name = "crio",
	.summary = "CRI-O, with a handler for sandboxes, and the kubelet on it",
	.wanted = spec_has_crio,
	.probe = probe,
	.check = check,
	.plan = plan_crio,
	.verify = verify,
};
