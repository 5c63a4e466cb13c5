/* Pods whose Sysbox was restarted under them, evicted by the kubelet's own rights. */
#include <fcntl.h>

#include "engine/cri.h"
#include "node/evict.h"
#include "sandbox/running.h"
#include "step/layout.h"

static int evict_one(struct node *node, struct own_node *self, const struct cri_pod *pod, struct error *err)
{
	_cleanup_free_ char *name = xasprintf("%s/%s", pod->namespace, pod->name);
	int r = name ? own_node_evict(self, name, pod->uid, err) : error_errno(err, ENOMEM, "evict pods");

	if (r > 0 && node->observer.evicted)
		node->observer.evicted(node->observer.userdata, name);
	return r;
}

int evict_open(const struct node *node, struct kubelet *ret_kubelet, struct own_node *ret, struct error *err)
{
	int r;

	if (kubelet_read(&node->host, ret_kubelet) == 0 || !ret_kubelet->kubeconfig)
		return 0;
	r = own_node_open(&node->host, ret_kubelet->kubeconfig, ret, err);
	return r < 0 ? r : 1;
}

int evict_sandboxes(struct node *node, const struct kubelet *kubelet, struct own_node *self, const struct strv *ids,
		    struct error *err)
{
	_cleanup_(cri_pods_release) struct cri_pods pods = CRI_PODS_INIT;
	int first = cri_pods(kubelet_engine(kubelet), &pods, err), count = 0;

	if (first < 0)
		return first;
	/* The engine knows the pod by its id: one of its name that came since is another. */
	for (size_t i = 0; i < pods.len; i++) {
		struct error why = ERROR_INIT;
		int one = strv_contains(ids, pods.items[i].id) ? evict_one(node, self, &pods.items[i], &why) : 0;

		if (one < 0 && first == 0)
			first = error_set(err, -one, "%s", why.message);
		count += one > 0;
	}
	return first < 0 ? first : count;
}

int node_evict_stranded(struct node *node, struct error *err)
{
	_cleanup_fd_ int pool = host_open(&node->host, POOL_DIR, O_RDONLY | O_DIRECTORY, 0);
	_cleanup_(kubelet_release) struct kubelet kubelet = KUBELET_INIT;
	_cleanup_(own_node_release) struct own_node self = OWN_NODE_INIT;
	_cleanup_(strv_release) struct strv ids = STRV_INIT;
	int r;

	if (node->spec.kubernetes.stranded_pods != STRANDED_EVICT)
		return error_set(err, EPERM, "kubernetes.stranded_pods: keep leaves them to people");
	r = pool < 0 ? error_errno(err, pool, "look into '%s'", POOL_DIR) : running_stranded(pool, &ids, err);
	if (r < 0 || !ids.len)
		return r;
	r = evict_open(node, &kubelet, &self, err);
	if (r == 0)
		return error_set(err, ENOENT, "no kubelet with a kubeconfig runs here, whose pods these are");
	return r < 0 ? r : evict_sandboxes(node, &kubelet, &self, &ids, err);
}
