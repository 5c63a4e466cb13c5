#include "kube/own_node.h"

#include <time.h>

#include "base/clock.h"
#include "kube/own_node_ask.h"

#define CORDONED "berth.dev/cordoned"
#define PAUSE_MS 1000

void own_node_release(struct own_node *node)
{
	free(node->kubeconfig);
	free(node->name);
	kube_access_release(&node->access);
	*node = OWN_NODE_INIT;
}

static int ask_name(struct own_node *node, struct error *err)
{
	static const char WHO[] = "{\"apiVersion\":\"authentication.k8s.io/v1\",\"kind\":\"SelfSubjectReview\"}";
	static const char PREFIX[] = "system:node:";
	_cleanup_json_ json_t *answer = NULL;
	const char *user;
	int r = own_node_ask(node, "POST", "/apis/authentication.k8s.io/v1/selfsubjectreviews", KUBE_TYPE_JSON, WHO,
			     &answer, err);

	if (r < 0)
		return r;
	user = json_get_string(json_object_get(json_object_get(answer, "status"), "userInfo"), "username");
	if (!user || strncmp(user, PREFIX, sizeof(PREFIX) - 1) != 0)
		return error_set(err, EPERM, "to the API server, '%s' is of '%.100s', not of a kubelet", node->kubeconfig,
				 user ? user : "nobody");
	node->name = strdup(user + sizeof(PREFIX) - 1);
	return node->name ? 0 : error_errno(err, ENOMEM, "ask for the node's name");
}

int own_node_open(const struct host *host, const char *kubeconfig, struct own_node *ret, struct error *err)
{
	struct own_node node = { .host = host, .kubeconfig = strdup(kubeconfig) };
	int r = node.kubeconfig ? ask_name(&node, err) : error_errno(err, ENOMEM, "read '%s'", kubeconfig);

	if (r < 0) {
		own_node_release(&node);
		return r;
	}
	*ret = node;
	return 0;
}

int own_node_get(struct own_node *node, json_t **ret, struct error *err)
{
	_cleanup_free_ char *path = xasprintf("/api/v1/nodes/%s", node->name);

	return path ? own_node_ask(node, "GET", path, NULL, NULL, ret, err) :
		      error_errno(err, ENOMEM, "ask for the node");
}

static int patch(struct own_node *node, const char *text, struct error *err)
{
	_cleanup_free_ char *path = xasprintf("/api/v1/nodes/%s", node->name);
	_cleanup_json_ json_t *answer = NULL;

	return path ? own_node_ask(node, "PATCH", path, KUBE_TYPE_MERGE, text, &answer, err) :
		      error_errno(err, ENOMEM, "change the node");
}

static bool is_cordoned(const json_t *node)
{
	return json_get_bool(json_object_get(node, "spec"), "unschedulable", false);
}

static bool is_cordoned_by_us(const json_t *node)
{
	const json_t *annotations = json_object_get(json_object_get(node, "metadata"), "annotations");

	return json_get_string(annotations, CORDONED) != NULL;
}

int own_node_is_drained(struct own_node *node, struct error *err)
{
	_cleanup_(strv_release) struct strv pods = STRV_INIT;
	_cleanup_json_ json_t *now = NULL;
	int r = own_node_get(node, &now, err);

	if (r < 0 || !is_cordoned(now))
		return r;
	r = own_node_pods(node, &pods, err);
	return r < 0 ? r : !pods.len;
}

int own_node_cordon(struct own_node *node, struct error *err)
{
	_cleanup_json_ json_t *now = NULL;
	int r = own_node_get(node, &now, err);

	if (r < 0 || is_cordoned(now))
		return r;
	return patch(node, "{\"metadata\":{\"annotations\":{\"" CORDONED "\":\"kubelet-switch\"}},"
			   "\"spec\":{\"unschedulable\":true}}", err);
}

int own_node_uncordon(struct own_node *node, struct error *err)
{
	_cleanup_json_ json_t *now = NULL;
	int r = own_node_get(node, &now, err);

	if (r < 0 || !is_cordoned_by_us(now))
		return r;
	return patch(node, "{\"metadata\":{\"annotations\":{\"" CORDONED "\":null}},\"spec\":{\"unschedulable\":null}}",
		     err);
}

static const json_t *condition_ready(const json_t *node)
{
	const json_t *condition;
	size_t i;

	json_array_foreach(json_object_get(json_object_get(node, "status"), "conditions"), i, condition) {
		const char *type = json_get_string(condition, "type");

		if (type && strcmp(type, "Ready") == 0)
			return condition;
	}
	return NULL;
}

char *own_node_heartbeat(struct own_node *node)
{
	_cleanup_json_ json_t *now = NULL;
	struct error ignored = ERROR_INIT;
	const char *time = own_node_get(node, &now, &ignored) == 0 ?
				   json_get_string(condition_ready(now), "lastHeartbeatTime") : NULL;

	return time ? strdup(time) : NULL;
}

/* What the node says of itself, where it is not as wanted; NULL: it is. free() it. */
static char *not_ready(const json_t *node, const char *runtime, const char *before)
{
	const json_t *info = json_object_get(json_object_get(node, "status"), "nodeInfo"), *ready = condition_ready(node);
	const char *version = json_get_string(info, "containerRuntimeVersion");
	const char *is = json_get_string(ready, "status"), *message = json_get_string(ready, "message");
	const char *heartbeat = json_get_string(ready, "lastHeartbeatTime");

	if (!ready)
		return strdup("it has no condition Ready");
	if (before && heartbeat && strcmp(heartbeat, before) == 0)
		return xasprintf("its kubelet has told nothing since it was started; the last word is of %.40s", before);
	if (!is || strcmp(is, "True") != 0)
		return xasprintf("Ready is %s: %.400s", is ? is : "not said", message ? message : "it does not say why");
	if (version && strncmp(version, runtime, strlen(runtime)) == 0)
		return NULL;
	return xasprintf("its kubelet has not told of the other engine yet; the last it told of is '%.100s'", version ? version : "");
}

int own_node_wait_ready(struct own_node *node, const char *runtime, const char *before, uint64_t timeout_ms,
			const struct progress *progress, struct error *err)
{
	static const struct timespec PAUSE = { .tv_sec = PAUSE_MS / 1000 };
	uint64_t until = monotonic_ms() + timeout_ms;

	progress_activityf(progress, "waiting until node %s is Ready on %s", node->name, runtime);
	for (;;) {
		_cleanup_json_ json_t *now = NULL;
		_cleanup_free_ char *why = NULL;
		struct error problem = ERROR_INIT;

		if (own_node_get(node, &now, &problem) == 0) {
			why = not_ready(now, runtime, before);
			if (!why)
				return 0;
		}
		if (monotonic_ms() >= until)
			return error_set(err, ETIMEDOUT, "node '%s' is not Ready on %s after %llu s: %.600s", node->name, runtime,
					 (unsigned long long)(timeout_ms / 1000), why ? why : problem.message);
		(void)nanosleep(&PAUSE, NULL);
	}
}
