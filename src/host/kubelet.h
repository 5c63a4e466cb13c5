/* The kubelet of this node, as its command line and its configuration file have it. */
#ifndef HOST_KUBELET_H
#define HOST_KUBELET_H

#include "host/host.h"

struct kubelet {
	int pid;
	char *unit;	  /* that runs it: of its cgroup; NULL: none */
	char *config;	  /* --config, or NULL */
	char *config_dir; /* --config-dir: its *.conf files have the last word, in the order of their names; or NULL */
	char *kubeconfig; /* --kubeconfig: how it reaches its API server; NULL: it has none */
	/*
	 * The socket of the engine that it speaks to, without "unix://": of the flag --container-runtime-endpoint, else
	 * of containerRuntimeEndpoint in its files. NULL: neither says (its own default is
	 * /run/containerd/containerd.sock).
	 */
	char *endpoint;
	char *earlier_endpoint; /* what that was without its last flag, which somebody may have added; NULL likewise, or no flag */
	char *image_endpoint; /* the same of the engine that pulls images; NULL: that one */
	char *cgroup_driver; /* "systemd", "cgroupfs"; NULL: neither says (from 1.31 on it asks its engine first) */
};

#define KUBELET_INIT ((struct kubelet){ 0 })
void kubelet_release(struct kubelet *kubelet);

/*
 * The host's own: root's, in the user and PID namespaces of its init. Whatever else is called so, in a sandbox say, is
 * not it. 1; 0: none runs. Files that cannot be read or understood say nothing.
 */
int kubelet_read(const struct host *host, struct kubelet *ret);

/* The socket of its engine. Borrowed. */
const char *kubelet_engine(const struct kubelet *kubelet);

/* Does it use the engine at that socket? /var/run is a link to /run everywhere. */
bool kubelet_uses(const struct kubelet *kubelet, const char *socket);

/* Does the engine that runs its pods pull their images too? */
bool kubelet_pulls_by_engine(const struct kubelet *kubelet);

/* "1.34.4", as its program says it; NULL: it does not. free() it. */
char *kubelet_version(const struct host *host, const struct kubelet *kubelet);

#endif
