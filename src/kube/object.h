/*
 * What the agent writes to the API server, as JSON, and what it reads from there. No request is made here.
 *
 * Labels and the condition go by server-side apply with the field manager KUBE_MANAGER: what others own of
 * the node stays theirs. The list of taints has one owner in that scheme, so the start-up taint goes by a JSON
 * patch that first tests that it is still where it was seen. All json_t results are the caller's; NULL without memory.
 */
#ifndef KUBE_OBJECT_H
#define KUBE_OBJECT_H

#include "base/json.h"

#define KUBE_MANAGER   "berth"
#define KUBE_CONDITION "SandboxHostReady"

struct node_state {
	bool ready;
	const char *state;   /* "ready", "degraded", "installing": label berth.dev/state */
	const char *reason;  /* CamelCase, of the condition */
	const char *message; /* one line */
};

/* Labels, for PATCH nodes/NAME. `sysbox-runtime=running` only while ready: applying without it takes it back. */
json_t *node_labels_patch(const char *name, const struct node_state *state);

/* The condition, for PATCH nodes/NAME/status. Times are RFC 3339; `since`: of the last change of status. */
json_t *node_condition_patch(const char *name, const struct node_state *state, const char *since,
			     const char *now);

/* Do the node's labels say that already? */
bool node_has_labels(const json_t *node, const struct node_state *state);

/* Its condition: status, reason and message alike? `ret_since`: since when its status is that, or NULL. */
bool node_has_condition(const json_t *node, const struct node_state *state, const char **ret_since);

/* Does its kubelet tell of a runtime handler of that name? */
bool node_has_handler(const json_t *node, const char *handler);

/* Removal of the taint "KEY=VALUE:EFFECT", for a JSON patch; NULL: the node does not have it. */
json_t *node_taint_patch(const json_t *node, const char *taint);

/* Seconds since 1970 as Events and Leases have them: "2026-01-31T10:00:00.000000Z". free() it. */
char *kube_micro_time(int64_t seconds);

/* ---- events ---- */

/*
 * events.k8s.io/v1, on the node. Its name is made of node and reason, so a repetition is the same object:
 * created once, then patched with a series; its note stays the first one, which the server insists on.
 */
char *event_name(const char *node, const char *reason);
json_t *event_create(const char *node, const char *uid, const char *reason, const char *note,
		     bool warning, const char *time_micro);
json_t *event_series_patch(unsigned count, const char *time_micro);

/* ---- leases: slots of a pool ---- */

enum lease_verdict {
	LEASE_FREE,   /* nobody's, given back, or not renewed: try to take it by an update */
	LEASE_OURS,
	LEASE_TAKEN,  /* by another node, and in time */
};

/* A Lease as it was first seen in its present version: all 0 before that. */
struct lease_seen {
	char version[64];
	uint64_t since_ms; /* monotonic_ms() */
};

/*
 * Of an existing Lease. It is free when it has not changed for its duration while it was watched, by a clock
 * that only goes forward: two nodes need not agree on the date. `seen` is kept up to date.
 */
enum lease_verdict lease_judge(const json_t *lease, const char *holder, struct lease_seen *seen, uint64_t now_ms);

/*
 * For POST (lease NULL) or PUT (with its resourceVersion: the server refuses where it changed since). One
 * that is the holder's already is renewed.
 */
json_t *lease_take(const json_t *lease, const char *name, const char *namespace, const char *holder,
		   int64_t now, unsigned seconds);

/* For PUT: nobody's. */
json_t *lease_give_back(const json_t *lease);

#endif
