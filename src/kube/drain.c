#include <time.h>

#include "base/clock.h"
#include "kube/own_node_ask.h"

#define PAUSE_MS 2000

/* The kind of what makes it anew: "ReplicaSet"; NULL: nobody does. */
static const char *controller_of(const json_t *metadata)
{
	const json_t *owner;
	size_t i;

	json_array_foreach(json_object_get(metadata, "ownerReferences"), i, owner) {
		if (json_get_bool(owner, "controller", false))
			return json_get_string(owner, "kind");
	}
	return NULL;
}

static bool is_of_daemon_set(const json_t *metadata)
{
	const char *kind = controller_of(metadata);

	return kind && strcmp(kind, "DaemonSet") == 0;
}

static bool has_ended(const json_t *pod)
{
	const char *phase = json_get_string(json_object_get(pod, "status"), "phase");

	return phase && (strcmp(phase, "Succeeded") == 0 || strcmp(phase, "Failed") == 0);
}

static bool is_static(const json_t *metadata)
{
	return json_get_string(json_object_get(metadata, "annotations"), "kubernetes.io/config.mirror") != NULL;
}

static int list(struct own_node *node, json_t **ret, struct error *err)
{
	_cleanup_free_ char *path = xasprintf("/api/v1/pods?fieldSelector=spec.nodeName%%3D%s", node->name);

	return path ? own_node_ask(node, "GET", path, NULL, NULL, ret, err) :
		      error_errno(err, ENOMEM, "list the node's pods");
}

/*
 * "NAMESPACE/NAME" of each that a drain moves; `deleting` counts those that are on their way out. *ret_bare is the first of
 * them that nobody would make anew, or NULL.
 */
static int names_of(const json_t *answer, struct strv *ret, struct strv *ret_deleting, char **ret_bare)
{
	const json_t *pod;
	size_t i;

	json_array_foreach(json_object_get(answer, "items"), i, pod) {
		const json_t *metadata = json_object_get(pod, "metadata");
		const char *namespace = json_get_string(metadata, "namespace"), *name = json_get_string(metadata, "name");
		struct strv *to = json_object_get(metadata, "deletionTimestamp") ? ret_deleting : ret;

		if (!namespace || !name || is_of_daemon_set(metadata) || is_static(metadata) || has_ended(pod))
			continue;
		if (strv_addf(to, "%s/%s", namespace, name) < 0)
			return -ENOMEM;
		if (to == ret && ret_bare && !*ret_bare && !controller_of(metadata))
			*ret_bare = xasprintf("%s/%s", namespace, name);
	}
	return 0;
}

int own_node_pods(struct own_node *node, struct strv *ret, struct error *err)
{
	_cleanup_json_ json_t *answer = NULL;
	int r = list(node, &answer, err);

	if (r == 0 && names_of(answer, ret, ret, NULL) < 0)
		r = error_errno(err, ENOMEM, "list the node's pods");
	return r;
}

/* 0: accepted, or it is gone; with a `uid` one of the same name that has another is not it. */
static int evict(struct own_node *node, const char *pod, const char *uid, struct error *err)
{
	const char *name = strchr(pod, '/') + 1;
	int n = (int)(name - pod) - 1;
	_cleanup_free_ char *path = xasprintf("/api/v1/namespaces/%.*s/pods/%s/eviction", n, pod, name);
	_cleanup_free_ char *only = uid ? xasprintf(",\"deleteOptions\":{\"preconditions\":{\"uid\":\"%s\"}}", uid) : strdup("");
	_cleanup_free_ char *body = only ? xasprintf("{\"apiVersion\":\"policy/v1\",\"kind\":\"Eviction\",\"metadata\":"
						     "{\"namespace\":\"%.*s\",\"name\":\"%s\"}%s}", n, pod, name, only) : NULL;
	_cleanup_json_ json_t *answer = NULL;
	int r;

	if (!path || !body)
		return error_errno(err, ENOMEM, "evict pod %s", pod);
	r = own_node_ask(node, "POST", path, KUBE_TYPE_JSON, body, &answer, err);
	if (r != -ENOENT && !(uid && r == -EEXIST))
		return r;
	error_clear(err);
	return 0;
}

/* Of all that would go and not come again the first is told, before any goes. */
static int refuse_bare(const char *pod, struct error *err)
{
	return error_set(err, EPERM, "pod %s has no controller: evicted, nobody would make it anew; move or delete it yourself", pod);
}

/* One round: how many are left, and of the last that would not go why. */
static int drain_once(struct own_node *node, size_t *ret_left, char **ret_pod, struct error *why)
{
	_cleanup_(strv_release) struct strv names = STRV_INIT, deleting = STRV_INIT;
	_cleanup_json_ json_t *answer = NULL;
	_cleanup_free_ char *bare = NULL;
	int r = list(node, &answer, why);

	if (r == 0 && names_of(answer, &names, &deleting, &bare) < 0)
		r = error_errno(why, ENOMEM, "list the node's pods");
	if (r == 0 && bare)
		r = refuse_bare(bare, why);
	if (r < 0)
		return r;
	*ret_left = names.len + deleting.len;
	if (*ret_left) {
		free(*ret_pod);
		*ret_pod = strdup(names.len ? names.items[0] : deleting.items[0]);
	}
	(void)error_set(why, ETIMEDOUT, "it was told to end, and has not yet");
	strv_foreach (&names, i, pod) {
		struct error refused = ERROR_INIT;

		if (evict(node, pod, NULL, &refused) == 0)
			continue;
		error_clear(why);
		(void)error_set(why, refused.code, "%s", refused.message);
		free(*ret_pod);
		*ret_pod = strdup(pod);
	}
	return 0;
}

int own_node_drain(struct own_node *node, uint64_t timeout_ms, const struct progress *progress, struct error *err)
{
	static const struct timespec PAUSE = { .tv_sec = PAUSE_MS / 1000 };
	uint64_t until = monotonic_ms() + timeout_ms;
	_cleanup_free_ char *pod = NULL;

	for (;;) {
		struct error why = ERROR_INIT;
		size_t left = 0;
		int r = drain_once(node, &left, &pod, &why);

		if (r == 0 && left == 0)
			return 0;
		if (r == -EPERM)
			return error_set(err, EPERM, "node '%s' is not drained: %.700s", node->name, why.message);
		if (monotonic_ms() >= until && r < 0)
			return error_set(err, ETIMEDOUT, "node '%s' could not be drained in %llu s: %.700s", node->name,
					 (unsigned long long)(timeout_ms / 1000), why.message);
		if (monotonic_ms() >= until)
			return error_set(err, ETIMEDOUT, "node '%s' is not drained after %llu s: %zu pods are left, and of %s: "
					 "%.500s", node->name, (unsigned long long)(timeout_ms / 1000), left, pod ? pod : "one",
					 why.message);
		progress_activityf(progress, "draining: %zu pods left", left);
		(void)nanosleep(&PAUSE, NULL);
	}
}

int own_node_evict(struct own_node *node, const char *pod, const char *uid, struct error *err)
{
	const char *name = strchr(pod, '/') + 1;
	_cleanup_free_ char *path = xasprintf("/api/v1/namespaces/%.*s/pods/%s", (int)(name - pod) - 1, pod, name);
	_cleanup_json_ json_t *answer = NULL;
	struct error why = ERROR_INIT;
	const json_t *metadata;
	const char *its;
	int r = path ? own_node_ask(node, "GET", path, NULL, NULL, &answer, err) : error_errno(err, ENOMEM, "evict pod %s", pod);

	if (r < 0) {
		if (r == -ENOENT)
			error_clear(err);
		return r == -ENOENT ? 0 : r;
	}
	metadata = json_object_get(answer, "metadata");
	its = json_get_string(metadata, "uid");
	if (!its || strcmp(its, uid) != 0 || json_object_get(metadata, "deletionTimestamp"))
		return 0;
	r = controller_of(metadata) ? evict(node, pod, uid, &why) : refuse_bare(pod, &why);
	return r == 0 ? 1 : error_set(err, r == -EPERM ? EPERM : EBUSY, "pod %s cannot be evicted: %.700s", pod, why.message);
}
