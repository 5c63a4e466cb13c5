/* Pods evicted by the kubelet's own rights. */
#ifndef NODE_EVICT_H
#define NODE_EVICT_H

#include "host/kubelet.h"
#include "node/node.h"

/*
 * Those whose sandboxes have these ids are told to end: how many, less those that are on their way. One that must stay keeps
 * no other: the first error, as own_node_evict() has it. `kubelet` has a kubeconfig.
 */
int evict_sandboxes(struct node *node, const struct kubelet *kubelet, const struct strv *ids, struct error *err);

#endif
