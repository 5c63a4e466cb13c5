#include "kube/object.h"

#include <stdio.h>
#include <string.h>

#include "base/digest.h"
#include "base/strbuf.h"
#include "base/timestamp.h"

#define RUNTIME_LABEL "sysbox-runtime"
#define STATE_LABEL   "berth.dev/state"

/* ---- the node ---- */

json_t *node_labels_patch(const char *name, const struct node_state *state)
{
	json_t *labels = json_pack("{s:s}", STATE_LABEL, state->state);

	if (state->ready && labels)
		(void)json_object_set_new(labels, RUNTIME_LABEL, json_string("running"));
	return json_pack("{s:s, s:s, s:{s:s, s:o}}", "apiVersion", "v1", "kind", "Node", "metadata", "name", name,
			 "labels", labels);
}

json_t *node_condition_patch(const char *name, const struct node_state *state, const char *since,
			     const char *now)
{
	return json_pack("{s:s, s:s, s:{s:s}, s:{s:[{s:s, s:s, s:s, s:s, s:s, s:s}]}}", "apiVersion", "v1", "kind",
			 "Node", "metadata", "name", name, "status", "conditions", "type", KUBE_CONDITION, "status",
			 state->ready ? "True" : "False", "reason", state->reason, "message", state->message,
			 "lastTransitionTime", since, "lastHeartbeatTime", now);
}

static bool same(const json_t *object, const char *key, const char *value)
{
	const char *now = json_get_string(object, key);

	return now ? value && strcmp(now, value) == 0 : !value;
}

bool node_has_labels(const json_t *node, const struct node_state *state)
{
	const json_t *labels = json_object_get(json_object_get(node, "metadata"), "labels");

	return same(labels, STATE_LABEL, state->state) &&
	       same(labels, RUNTIME_LABEL, state->ready ? "running" : NULL);
}

bool node_has_condition(const json_t *node, const struct node_state *state, const char **ret_since)
{
	const json_t *conditions = json_object_get(json_object_get(node, "status"), "conditions");
	const json_t *c;
	size_t i;

	*ret_since = NULL;
	json_array_foreach (conditions, i, c) {
		if (!same(c, "type", KUBE_CONDITION))
			continue;
		if (!same(c, "status", state->ready ? "True" : "False"))
			return false;
		*ret_since = json_get_string(c, "lastTransitionTime");
		return same(c, "reason", state->reason) && same(c, "message", state->message);
	}
	return false;
}

/* Is it "KEY=VALUE:EFFECT"? A taint without a value has none, or an empty one. */
static bool is_taint(const json_t *taint, const char *text)
{
	const char *key = json_get_string(taint, "key"), *value = json_get_string(taint, "value");
	const char *effect = json_get_string(taint, "effect");
	_cleanup_free_ char *whole = key && effect ? xasprintf("%s=%s:%s", key, value ? value : "", effect) : NULL;

	return whole && strcmp(whole, text) == 0;
}

bool node_has_handler(const json_t *node, const char *handler)
{
	const json_t *item;
	size_t i;

	json_array_foreach (json_object_get(json_object_get(node, "status"), "runtimeHandlers"), i, item) {
		const char *name = json_get_string(item, "name");

		if (name && strcmp(name, handler) == 0)
			return true;
	}
	return false;
}

json_t *node_taint_patch(const json_t *node, const char *taint)
{
	json_t *taints = json_object_get(json_object_get(node, "spec"), "taints");
	json_t *t;
	size_t i;

	json_array_foreach (taints, i, t) {
		_cleanup_free_ char *path = NULL;

		if (!is_taint(t, taint))
			continue;
		path = xasprintf("/spec/taints/%zu", i);
		return path ? json_pack("[{s:s, s:s, s:O}, {s:s, s:s}]", "op", "test", "path", path, "value", t, "op",
					"remove", "path", path) :
			      NULL;
	}
	return NULL;
}

/* ---- events ---- */

char *event_name(const char *node, const char *reason)
{
	_cleanup_free_ char *both = xasprintf("%s/%s", node, reason);
	char sum[DIGEST_HEX_MAX];

	if (!both)
		return NULL;
	digest_hex(both, strlen(both), sum);
	return xasprintf("%.200s.berth-%.12s", node, sum);
}

json_t *event_create(const char *node, const char *uid, const char *reason, const char *note,
		     bool warning, const char *time_micro)
{
	_cleanup_free_ char *name = event_name(node, reason);

	return name ? json_pack("{s:s, s:s, s:{s:s, s:s}, s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:{s:s, s:s, s:s, s:s}}",
				"apiVersion", "events.k8s.io/v1", "kind", "Event", "metadata", "name", name,
				"namespace", "default", "eventTime", time_micro, "reportingController",
				"berth.dev/agent", "reportingInstance", node, "action", "Converge", "reason", reason,
				"note", note, "type", warning ? "Warning" : "Normal", "regarding", "apiVersion", "v1",
				"kind", "Node", "name", node, "uid", uid ? uid : node) :
		      NULL;
}

json_t *event_series_patch(unsigned count, const char *time_micro)
{
	return json_pack("{s:{s:i, s:s}}", "series", "count", (int)count, "lastObservedTime", time_micro);
}

/* ---- leases ---- */

/* The version is the server's own: whatever a holder writes, another one is a sign of life. */
static uint64_t unchanged_ms(const json_t *lease, struct lease_seen *seen, uint64_t now_ms)
{
	const char *version = json_get_string(json_object_get(lease, "metadata"), "resourceVersion");

	if (!version || strncmp(seen->version, version, sizeof(seen->version) - 1) != 0) {
		(void)snprintf(seen->version, sizeof(seen->version), "%s", version ? version : "");
		seen->since_ms = now_ms;
	}
	return now_ms - seen->since_ms;
}

enum lease_verdict lease_judge(const json_t *lease, const char *holder, struct lease_seen *seen, uint64_t now_ms)
{
	const json_t *spec = json_object_get(lease, "spec");
	const char *who = json_get_string(spec, "holderIdentity");
	int64_t duration = json_get_int(spec, "leaseDurationSeconds", -1);
	uint64_t unchanged = unchanged_ms(lease, seen, now_ms);

	if (!who || !*who)
		return LEASE_FREE;
	if (strcmp(who, holder) == 0)
		return LEASE_OURS;
	/* Without an end, it is taken. */
	return duration >= 0 && unchanged / 1000 > (uint64_t)duration ? LEASE_FREE : LEASE_TAKEN;
}

char *kube_micro_time(int64_t seconds)
{
	char text[TIMESTAMP_MAX];

	(void)timestamp_format(seconds, text);
	return xasprintf("%.*s.000000Z", (int)strcspn(text, "Z"), text);
}

json_t *lease_take(const json_t *lease, const char *name, const char *namespace, const char *holder,
		   int64_t now, unsigned seconds)
{
	const char *version = json_get_string(json_object_get(lease, "metadata"), "resourceVersion");
	const json_t *spec = json_object_get(lease, "spec");
	const char *acquired = same(spec, "holderIdentity", holder) ? json_get_string(spec, "acquireTime") : NULL;
	_cleanup_free_ char *time = kube_micro_time(now);
	json_t *value = time ? json_pack("{s:s, s:s, s:{s:s, s:s}, s:{s:s, s:i, s:s, s:s}}", "apiVersion",
					 "coordination.k8s.io/v1", "kind", "Lease", "metadata", "name", name, "namespace",
					 namespace, "spec", "holderIdentity", holder, "leaseDurationSeconds",
					 (int)seconds, "acquireTime", acquired ? acquired : time, "renewTime",
					 time) :
			       NULL;

	if (value && version)
		(void)json_object_set_new(json_object_get(value, "metadata"), "resourceVersion", json_string(version));
	return value;
}

json_t *lease_give_back(const json_t *lease)
{
	json_t *value = json_deep_copy(lease);
	json_t *spec = json_object_get(value, "spec");

	(void)json_object_set_new(spec, "holderIdentity", json_string(""));
	(void)json_object_del(json_object_get(value, "metadata"), "managedFields");
	return value;
}
