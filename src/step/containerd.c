/*
 * The node's own containerd, kept as it is, with one more runtime handler: pods of its runtime class are sandboxes.
 * It is found and never installed: where no containerd serves the node's kubelet, there is nothing to add to.
 */
#include "engine/containerd.h"

#include "host/kubelet.h"
#include "host/packages.h"
#include "step/daemon_flags.h"
#include "step/kube_engine.h"
#include "step/layout.h"
#include "step/table.h"

#define DROP_IN_NAME "50-berth.toml"

struct found {
	const struct containerd_layout *layout; /* NULL: none */
	char *unit, *program, *config, *drop_in;
	const char *takes; /* what else is restarted with the unit, or NULL */
	char *pattern; /* the import that its config lacks, or NULL */
	char *version; /* "2.2.2"; NULL: its program does not say */
	char *dump;    /* what it would run with, of one that is new enough */
	unsigned config_version;
	bool imported; /* of one that is generated: it imports the drop-in */
};

static void found_release(struct found *found)
{
	free(found->unit);
	free(found->program);
	free(found->config);
	free(found->drop_in);
	free(found->pattern);
	free(found->version);
	free(found->dump);
	*found = (struct found){ 0 };
}

/* What the unit starts; another of that name may lie in PATH, unused. free() it. */
static char *program_of(struct step_context *ctx, const char *exec_start)
{
	const char *path = strstr(exec_start, "path=");
	size_t n = path ? strcspn(path + 5, " ;") : 0;

	if (n > 11 && path[5] == '/' && strncmp(path + 5 + n - 11, "/containerd", 11) == 0)
		return strndup(path + 5, n);
	return host_find_program(ctx->host, "containerd");
}

static int find_unit(struct step_context *ctx, struct found *ret, struct error *err)
{
	for (const struct containerd_layout *l = containerd_layouts; l->name; l++) {
		for (size_t i = 0; i < ARRAY_SIZE(l->units) && l->units[i].name; i++) {
			const struct unit_state *u;
			_cleanup_(daemon_flags_release) struct daemon_flags flags = { 0 };
			const char *config;
			int r = context_unit(&ctx->change, l->units[i].name, &u, err);

			if (r < 0)
				return r;
			if (!unit_is(u->load, "loaded"))
				continue;
			r = daemon_flags_parse(l->generated ? "" : u->exec_start, &flags, err);
			if (r < 0)
				return r;
			config = daemon_flags_find(&flags, "config");
			ret->layout = l;
			ret->takes = l->units[i].takes;
			ret->unit = strdup(l->units[i].name);
			ret->config = strdup(config && *config == '/' ? config : l->config);
			ret->program = l->program ? strdup(l->program) : program_of(ctx, u->exec_start);
			return ret->unit && ret->config ? 0 : error_errno(err, ENOMEM, "look for containerd");
		}
	}
	return 0;
}

static int find_version(struct step_context *ctx, struct found *ret)
{
	const char *const argv[] = { ret->program, "--version", NULL };
	_cleanup_(spawn_result_release) struct spawn_result result = SPAWN_RESULT_INIT;
	struct spawn_options options = { .timeout_ms = 20000 };

	if (ret->program && host_run(ctx->host, argv, &options, &result, NULL) == 0)
		ret->version = containerd_version_of(strbuf_str(&result.out));
	return 0;
}

/* The folder of an import of all its *.toml, where the drop-in can go; NULL: none, or only of many. free() it. */
static char *imported_folder(const struct containerd_config *config)
{
	strv_foreach (&config->imports, i, pattern) {
		size_t n = strlen(pattern);

		if (*pattern == '/' && n > 7 && strcmp(pattern + n - 7, "/*.toml") == 0 && strcspn(pattern, "*?[\\") == n - 6)
			return strndup(pattern, n - 7);
	}
	return NULL;
}

static int find_drop_in(struct step_context *ctx, struct found *ret, struct error *err)
{
	_cleanup_(containerd_config_release) struct containerd_config config = CONTAINERD_CONFIG_INIT;
	_cleanup_free_ char *text = NULL, *folder = NULL;
	size_t len = 0;
	int r = host_read(ctx->host, ret->config, FILE_CAP_DEFAULT, &text, &len);

	if (r == 0)
		r = containerd_config_read(text, len, ret->config, &config, err);
	else if (r != -ENOENT && r != -ENOTDIR)
		return error_errno(err, r, "read '%s'", ret->config);
	else
		r = 0;
	if (r < 0)
		return r;
	ret->config_version = config.version;
	folder = ret->layout->generated ? NULL : imported_folder(&config);
	if (!ret->layout->generated)
		ret->pattern = xasprintf("%s/*.toml", folder ? folder : ret->layout->drop_ins);
	ret->drop_in = xasprintf("%s/" DROP_IN_NAME, folder ? folder : ret->layout->drop_ins);
	ret->imported = ret->drop_in && containerd_config_imports(&config, ret->config, ret->drop_in);
	return ret->drop_in ? 0 : error_errno(err, ENOMEM, "look for containerd's settings");
}

static bool is_old(const struct found *found)
{
	return !found->version || package_version_compare(found->version, CONTAINERD_OLDEST) < 0;
}

static int find(struct step_context *ctx, struct found *ret, struct error *err)
{
	int r = host_exists(ctx->host, "/run/systemd/system") ? find_unit(ctx, ret, err) : 0;

	if (r == 0 && ret->layout)
		r = find_version(ctx, ret);
	if (r == 0 && ret->layout)
		r = find_drop_in(ctx, ret, err);
	if (r == 0 && ret->layout && !is_old(ret))
		r = containerd_dump(ctx->host, ret->program, ret->config, &ret->dump, err);
	return r;
}

/* As Docker's own package of containerd has it. */
static bool serves_kubelets(const struct found *found)
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
	_cleanup_(found_release) struct found found = { 0 };
	_cleanup_(kubelet_release) struct kubelet kubelet = KUBELET_INIT;
	int r = find(ctx, &found, err);

	if (r < 0)
		return r;
	if (!found.layout)
		report_add(report, "containerd.kind", CHECK_FAIL, "join the node to its cluster first, or set engine: docker",
			   "no containerd serves a kubelet here, and berth adds a handler to the node's own");
	else if (is_old(&found))
		report_add(report, "containerd.version", CHECK_FAIL,
			   "upgrade containerd (with the node drained), or set engine: docker",
			   "containerd %s of %s cannot run Sysbox's pods: it takes " CONTAINERD_OLDEST " or newer, which "
			   "gives each pod a user namespace of its own", found.version ? found.version : "of an unknown version",
			   found.unit);
	else if (kubelet_read(ctx->host, &kubelet) > 0 && kubelet.endpoint &&
		 !kubelet_uses(&kubelet, found.layout->socket))
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

static json_t *wanted_handler(const struct found *found, struct error *err)
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
				found->program, "unit", found->unit, "socket", found->layout->socket, "handler",
				handler.name, "runtime", handler.runtime) : NULL;
	if (want && found->pattern)
		(void)json_object_set_new(want, "pattern", json_string(found->pattern));
	if (!want)
		(void)error_errno(err, ENOMEM, "plan containerd's handler");
	return want;
}

static int plan_containerd(struct step_context *ctx, struct plan *plan, struct error *err)
{
	_cleanup_(found_release) struct found found = { 0 };
	_cleanup_free_ char *interrupts = NULL;
	json_t *want;
	int r = find(ctx, &found, err);

	if (r < 0)
		return r;
	if (!found.layout || !found.program || is_old(&found))
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

static struct kube_engine engine_of(const struct found *found)
{
	return (struct kube_engine){
		.name = "containerd",
		.answers_id = "containerd.answers",
		.handler_id = "containerd.handler",
		.sandbox_id = "containerd.sandbox",
		.engine = { found->unit, found->layout->socket },
		.systemd_cgroup = found->dump && containerd_dump_systemd_cgroup(found->dump),
	};
}

static int probe(struct step_context *ctx, struct strbuf *ret, enum verdict *ret_verdict, struct error *err)
{
	_cleanup_(found_release) struct found found = { 0 };
	struct kube_engine engine;
	int r = find(ctx, &found, err);

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
	_cleanup_(found_release) struct found found = { 0 };
	struct kube_engine engine;
	int r;

	if (host_is_rooted(ctx->host)) {
		report_add(report, "containerd", CHECK_SKIP, NULL, "a folder runs no containerd");
		return 0;
	}
	r = find(ctx, &found, err);
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
