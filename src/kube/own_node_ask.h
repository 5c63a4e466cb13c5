/* One request with a kubelet's credentials, which are read anew after a minute: certificates and tokens change. */
#ifndef KUBE_OWN_NODE_ASK_H
#define KUBE_OWN_NODE_ASK_H

#include "kube/own_node.h"

#define KUBE_TYPE_JSON	"application/json"
#define KUBE_TYPE_MERGE "application/merge-patch+json"

/* `body` may be NULL. `ret` is the answer's object; of an error its `code` is the negative of what is returned. */
int own_node_ask(struct own_node *node, const char *method, const char *path, const char *type, const char *body,
		 json_t **ret, struct error *err);

#endif
