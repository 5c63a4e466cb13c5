#include "step/crio_kubelet.h"

#include <time.h>

#include "engine/containerd.h"
#include "engine/crio.h"
#include "kube/object.h"
#include "kube/own_node.h"
#include "step/layout.h"

#define CRIO_RUNTIME "cri-o://"
#define BOOT_SECONDS 120
#define SWITCH_DROPIN "zz-berth-crio.conf" /* the last word: kubeadm's is 10-kubeadm.conf */
#define REMEDY_DOCKER "set engine: containerd or engine: docker"

/* Kubelets of snaps: their command line is made of the snap's settings. */
static const struct {
	const char *unit, *snap;
} SNAPS[] = {
	{ "snap.kubelet-eks.daemon.service", "kubelet-eks" },
	{ "snap.kubelet.daemon.service", "kubelet" },
};

/* Engines that a kubelet may come from, by the end of their socket's path; what a Node calls them. */
static const struct {
	const char *socket, *unit, *runtime;
} ENGINES[] = {
	{ "/containerd.sock", "containerd.service", "containerd://" },
	{ "/cri-dockerd.sock", "cri-docker.service", "docker://" },
};

/* The row of ENGINES; -1: none. */
static ssize_t engine_row(const char *socket)
{
	for (size_t i = 0; i < ARRAY_SIZE(ENGINES); i++) {
		size_t n = strlen(ENGINES[i].socket), len = strlen(socket);

		if (len > n && strcmp(socket + len - n, ENGINES[i].socket) == 0)
			return (ssize_t)i;
	}
	return -1;
}

void crio_kubelet_release(struct crio_kubelet *k)
{
	kubelet_release(&k->kubelet);
	free(k->version);
}

static char *drop_in_of(const struct crio_kubelet *k)
{
	return xasprintf(UNIT_DIR "/%s.d/" SWITCH_DROPIN, k->kubelet.unit ? k->kubelet.unit : "kubelet.service");
}

/* At a boot it comes late, behind the network and its engine. */
static bool find_kubelet(struct step_context *ctx, struct kubelet *ret)
{
	const char *const argv[] = { "systemctl", "is-system-running", NULL };
	const struct timespec pause = { .tv_sec = 1 };

	for (int i = 0; kubelet_read(ctx->host, ret) == 0; i++) {
		_cleanup_(spawn_result_release) struct spawn_result result = SPAWN_RESULT_INIT;
		struct spawn_options options = { .timeout_ms = 20000 };

		if (i == BOOT_SECONDS || host_is_rooted(ctx->host) || host_run(ctx->host, argv, &options, &result, NULL) < 0 ||
		    strcmp(strbuf_str(&result.out), "starting\n") != 0)
			return false;
		progress_activity(ctx->change.progress, "waiting for the kubelet to start");
		(void)nanosleep(&pause, NULL);
	}
	return true;
}

int crio_kubelet_read(struct step_context *ctx, struct crio_kubelet *ret, struct error *err)
{
	_cleanup_free_ char *drop_in = NULL;
	const char *dot;

	*ret = (struct crio_kubelet){ 0 };
	ret->there = find_kubelet(ctx, &ret->kubelet);
	drop_in = drop_in_of(ret);
	if (!drop_in)
		return error_errno(err, ENOMEM, "look at the kubelet");
	if (!ret->there)
		return 0;
	ret->on_crio = kubelet_uses(&ret->kubelet, CRIO_SOCKET);
	ret->moved = ret->on_crio && host_exists(ctx->host, drop_in);
	for (size_t i = 0; ret->kubelet.unit && i < ARRAY_SIZE(SNAPS); i++) {
		if (strcmp(ret->kubelet.unit, SNAPS[i].unit) == 0)
			ret->snap = SNAPS[i].snap;
	}
	ret->version = kubelet_version(ctx->host, &ret->kubelet);
	dot = ret->version ? strchr(ret->version, '.') : NULL;
	if (dot)
		(void)snprintf(ret->minor, sizeof(ret->minor), "%.*s",
			       (int)(dot - ret->version + 1 + (ssize_t)strcspn(dot + 1, ".-+")), ret->version);
	return 0;
}

static bool has_label(const json_t *node, const char *key)
{
	return json_object_get(json_object_get(json_object_get(node, "metadata"), "labels"), key) != NULL;
}

static bool refuse(struct report *report, const char *remedy, const char *text)
{
	report_add(report, "crio.kubelet", CHECK_FAIL, remedy, "%s", text);
	return false;
}

/* May its pods be moved now? What the node itself says decides. */
static bool check_node(struct step_context *ctx, const struct crio_kubelet *k, struct report *report)
{
	_cleanup_(own_node_release) struct own_node node = OWN_NODE_INIT;
	_cleanup_(strv_release) struct strv pods = STRV_INIT;
	_cleanup_json_ json_t *object = NULL, *taint = NULL;
	struct error why = ERROR_INIT;
	bool drain = ctx->spec->crio.kubelet == CRIO_KUBELET_DRAIN;
	int r = own_node_open(ctx->host, k->kubelet.kubeconfig, &node, &why);

	if (r == 0)
		r = own_node_get(&node, &object, &why);
	if (r == 0)
		r = own_node_pods(&node, &pods, &why);
	if (r < 0)
		return refuse(report, "the kubelet moves only while its API server tells of its node", why.message);
	if (has_label(object, "node-role.kubernetes.io/control-plane"))
		return refuse(report, REMEDY_DOCKER, "this is a node of the control plane: its API server would stop with the "
			      "engine it runs on");
	taint = *ctx->spec->kubernetes.startup_taint ? node_taint_patch(object, ctx->spec->kubernetes.startup_taint) : NULL;
	if (drain || (taint && !pods.len)) {
		report_add(report, "crio.kubelet", CHECK_PASS, NULL, "kubelet %s of node '%s' moves to CRI-O: %s", k->version,
			   node.name, pods.len ? "its pods are evicted first" : "it has no pods of its own yet");
		return true;
	}
	report_add(report, "crio.kubelet", CHECK_FAIL, "set crio.kubelet: drain, to have it cordoned and drained as "
		   "disruption budgets allow; or give the node its start-up taint before it joins",
		   "node '%s' %s, and crio.kubelet: fresh consents to a node that is new: with the taint '%s', and no pods but "
		   "of DaemonSets", node.name, pods.len ? "has pods" : "is at work", ctx->spec->kubernetes.startup_taint);
	return false;
}

bool crio_kubelet_check(struct step_context *ctx, const struct crio_kubelet *k, struct report *report)
{
	const struct unit_state *u;

	if (!k->there)
		return refuse(report, "join the node to its cluster first, or " REMEDY_DOCKER, "no process called kubelet runs here (k3s and MicroK8s "
			      "have theirs inside another, which alone decides its engine)");
	if (k->on_crio) {
		report_add(report, "crio.kubelet", CHECK_PASS, NULL, "the kubelet uses CRI-O");
		return true;
	}
	if (!k->version || !*k->minor)
		return refuse(report, "kubelet --version", "the kubelet does not say its version, which CRI-O's goes by");
	if (ctx->spec->crio.kubelet == CRIO_KUBELET_NEVER)
		return refuse(report, "set crio.kubelet: fresh or drain, or move it yourself", "the kubelet uses another engine, "
			      "and crio.kubelet says never");
	if (!k->kubelet.unit || context_unit(&ctx->change, k->kubelet.unit, &u, NULL) < 0 ||
	    (u->main_pid != k->kubelet.pid && !host_is_rooted(ctx->host)))
		return refuse(report, REMEDY_DOCKER, "the kubelet is a part of another service (k3s, RKE2, k0s, MicroK8s), "
			      "which alone decides its engine");
	if (k->kubelet.image_endpoint && (k->snap || !kubelet_pulls_by_engine(&k->kubelet)))
		return refuse(report, "unset imageServiceEndpoint, or " REMEDY_DOCKER, "the kubelet has its images pulled by "
			      "something else (imageServiceEndpoint), of which CRI-O would not know");
	if (engine_row(kubelet_engine(&k->kubelet)) < 0)
		return refuse(report, REMEDY_DOCKER, "the kubelet uses an engine that berth does not know the way back to");
	if (!k->kubelet.kubeconfig)
		return refuse(report, REMEDY_DOCKER, "the kubelet stands alone: it has no --kubeconfig, and nobody can say "
			      "that its node is Ready");
	return host_is_rooted(ctx->host) || check_node(ctx, k, report);
}

static json_t *side(const char *unit, const char *socket, const char *runtime)
{
	return json_pack("{s:s, s:s, s:s}", "unit", unit, "socket", socket, "runtime", runtime);
}

/* Where it is moved from, and goes home to: where it is on CRI-O already, what it went by without our flag. */
static const char *home_of(const struct crio_kubelet *k)
{
	const char *earlier = k->kubelet.earlier_endpoint;

	if (!k->on_crio)
		return kubelet_engine(&k->kubelet);
	return earlier && engine_row(earlier) >= 0 ? earlier : CONTAINERD_SOCKET;
}

int crio_kubelet_plan(struct step_context *ctx, const struct crio_kubelet *k, struct plan *plan, struct error *err)
{
	const char *from = home_of(k);
	ssize_t row = engine_row(from);
	_cleanup_free_ char *drop_in = drop_in_of(k), *interrupts = NULL;
	bool drain = ctx->spec->crio.kubelet == CRIO_KUBELET_DRAIN;
	json_t *want;

	/* A kubelet that was given CRI-O by somebody else is left to them. */
	if (k->on_crio && !k->moved)
		return 0;
	if (row < 0 || !drop_in || !k->kubelet.kubeconfig || !k->kubelet.unit)
		return error_set(err, EOPNOTSUPP, "this node's kubelet cannot be moved to CRI-O");
	want = json_pack("{s:s, s:b, s:b, s:I, s:s, s:s, s:o, s:o}", "drop_in", drop_in, "there", k->on_crio, "drain", drain, "drain_ms",
			 (json_int_t)ctx->spec->crio.drain_timeout, "kubeconfig", k->kubelet.kubeconfig, "handler",
			 RUNTIME_NAME, "from", side(ENGINES[row].unit, from, ENGINES[row].runtime), "to",
			 side(CRIO_UNIT, CRIO_SOCKET, CRIO_RUNTIME));
	if (want && k->kubelet.image_endpoint)
		(void)json_object_set_new(want, "images", json_true());
	if (want && k->snap)
		(void)json_object_set_new(want, "snap", json_string(k->snap));
	interrupts = k->on_crio ? xasprintf("%s for a second; its pods go on", k->kubelet.unit) :
				  xasprintf("%s once; pods of DaemonSets and static ones start anew%s", k->kubelet.unit,
			       drain ? "; all others are evicted before" : "");
	if (!want)
		return error_errno(err, ENOMEM, "plan the kubelet's engine");
	return plan_add(plan, &ctx->change, &change_kubelet_switch, k->kubelet.unit, want, interrupts,
			"the kubelet uses CRI-O", err);
}

bool crio_kubelet_is_drained(struct step_context *ctx, const struct crio_kubelet *k)
{
	_cleanup_(own_node_release) struct own_node node = OWN_NODE_INIT;
	struct error ignored = ERROR_INIT;

	if (host_is_rooted(ctx->host))
		return true;
	return k->kubelet.kubeconfig && own_node_open(ctx->host, k->kubelet.kubeconfig, &node, &ignored) == 0 &&
	       own_node_is_drained(&node, &ignored) > 0;
}

void crio_kubelet_verify(struct step_context *ctx, const struct crio_kubelet *k, struct report *report)
{
	static const char REMEDY[] = "run berth install; journalctl -u kubelet -u crio";
	_cleanup_(own_node_release) struct own_node node = OWN_NODE_INIT;
	struct error why = ERROR_INIT;
	int r;

	if (!k->there || !k->on_crio) {
		report_add(report, "crio.kubelet", CHECK_FAIL, REMEDY, "%s",
			   k->there ? "the kubelet uses another engine" : "no kubelet runs here");
		return;
	}
	if (!k->kubelet.kubeconfig) {
		report_add(report, "crio.kubelet", CHECK_SKIP, NULL, "the kubelet uses CRI-O, and stands alone");
		return;
	}
	r = own_node_open(ctx->host, k->kubelet.kubeconfig, &node, &why);
	if (r < 0) {
		report_add(report, "crio.kubelet", CHECK_SKIP, NULL, "the kubelet uses CRI-O; whether its node is Ready the API "
			   "server does not say: %s", why.message);
		return;
	}
	r = own_node_wait_ready(&node, CRIO_RUNTIME, NULL, 0, NULL, &why);
	if (r < 0)
		report_add(report, "crio.kubelet", CHECK_FAIL, REMEDY, "%s", why.message);
	else
		report_add(report, "crio.kubelet", CHECK_PASS, NULL, "node '%s' is Ready on CRI-O", node.name);
}
