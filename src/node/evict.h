/* Pods evicted by the kubelet's own rights. */
#ifndef NODE_EVICT_H
#define NODE_EVICT_H

#include "host/kubelet.h"
#include "kube/own_node.h"
#include "node/node.h"

/* The Node that this machine is. 1; 0: no kubelet with a kubeconfig runs here; -errno, as own_node_open() has it. */
int evict_open(const struct node *node, struct kubelet *ret_kubelet, struct own_node *ret, struct error *err);

/*
 * Those whose sandboxes have these ids are told to end: how many, less those that are on their way. One that must stay keeps
 * no other: the first error, as own_node_evict() has it.
 */
int evict_sandboxes(struct node *node, const struct kubelet *kubelet, struct own_node *self, const struct strv *ids,
		    struct error *err);

#endif
