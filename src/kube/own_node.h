/*
 * The Node that this machine is, by its kubelet's own credentials. The API server lets them read and change that one
 * Node, list the pods that are bound to it and evict those (authorizer "Node", admission "NodeRestriction"): whoever
 * has root on the machine has them anyway, and no right of another is needed.
 *
 * Blocking. Errors of every call: those of http_request() and of kubeconfig_read(); -EACCES, -ENOENT, -EPROTO for an
 * answer of 401 or 403, 404, and any other that is not a success, in the server's own words.
 */
#ifndef KUBE_OWN_NODE_H
#define KUBE_OWN_NODE_H

#include "base/json.h"
#include "base/progress.h"
#include "kube/access.h"

struct own_node {
	const struct host *host; /* borrowed */
	char *kubeconfig;
	char *name;
	struct kube_access access;
};

#define OWN_NODE_INIT ((struct own_node){ 0 })
void own_node_release(struct own_node *node);

/* Asks the server who we are: the Node's name is nobody's guess. -EPERM: the credentials are no kubelet's. */
int own_node_open(const struct host *host, const char *kubeconfig, struct own_node *ret, struct error *err);

int own_node_get(struct own_node *node, json_t **ret, struct error *err);

/*
 * Nothing new is scheduled to it from then on. Cordoned by somebody else it stays theirs: only what own_node_cordon()
 * did, which an annotation tells also after a crash, own_node_uncordon() takes back.
 */
int own_node_cordon(struct own_node *node, struct error *err);
int own_node_uncordon(struct own_node *node, struct error *err);

/*
 * Pods that a drain would move: not those of DaemonSets, not static ones, not those that have ended. "NAMESPACE/NAME"
 * each, those under way included.
 */
int own_node_pods(struct own_node *node, struct strv *ret, struct error *err);

/* 1: nothing new is scheduled to it, and nothing is there that a drain would move; 0. */
int own_node_is_drained(struct own_node *node, struct error *err);

/*
 * Evict them, as disruption budgets allow, and wait until they are gone. -EPERM: one has no controller, so that nobody
 * would make it anew; none has been evicted then, unless it came meanwhile. -ETIMEDOUT after `timeout_ms` with the pod that
 * is left and why it is. A server that is away meanwhile is asked again until then.
 */
int own_node_drain(struct own_node *node, uint64_t timeout_ms, const struct progress *progress, struct error *err);

/*
 * Tell one pod ("NAMESPACE/NAME") to end: that it has is for another look. 1; 0: it is gone, or on its way; one of that
 * name with another uid is not it. -EBUSY: it may not go now, with the server's reason; -EPERM: it has no controller.
 */
int own_node_evict(struct own_node *node, const char *pod, const char *uid, struct error *err);

/* When its kubelet last told of it; NULL: the server does not say. free() it. */
char *own_node_heartbeat(struct own_node *node);

/*
 * Wait until it is Ready and its container runtime's version begins with `runtime` ("cri-o://"). -ETIMEDOUT with what it
 * says instead. `before` is a heartbeat that is no proof, as it is of before its kubelet was started; NULL: none.
 */
int own_node_wait_ready(struct own_node *node, const char *runtime, const char *before, uint64_t timeout_ms,
			const struct progress *progress, struct error *err);

#endif
