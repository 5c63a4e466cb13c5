/*
 * How a program reaches its API server. In a pod: address from the environment, certificate authority, token and
 * namespace from the service account's folder, as every in-cluster client does it. As a kubelet: kubeconfig.h.
 */
#ifndef KUBE_ACCESS_H
#define KUBE_ACCESS_H

#include "engine/http.h"

#define KUBE_FOLDER "/var/run/secrets/kubernetes.io/serviceaccount"

struct kube_access {
	char *server; /* "https://10.0.0.1:443", "https://[fd00::1]:443" */
	char *folder; /* as this process can open it at any time */
	char *authorities, *token, *namespace;
	char *authorization; /* header */
	char *certificate, *key; /* PEM text; NULL: a token says who asks */
	uint64_t read;	     /* when the files were read, monotonic_ms() */
};

#define KUBE_ACCESS_INIT ((struct kube_access){ 0 })
void kube_access_release(struct kube_access *access);

/*
 * `server`: a URL, or "": by KUBERNETES_SERVICE_HOST and _PORT (-ENOENT without them). -EINVAL for a URL that
 * is not https.
 */
int kube_access_open(const char *server, const char *folder, struct kube_access *ret, struct error *err);

/* The files anew, where they were read a minute ago or longer: the kubelet rotates tokens. */
int kube_access_refresh(struct kube_access *access, struct error *err);

/* After a 401: read them at the next refresh, whatever their age. */
void kube_access_expire(struct kube_access *access);

#endif
