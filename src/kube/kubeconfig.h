/*
 * A kubeconfig: how kubelets and people reach their API server
 * (kubernetes/client-go, tools/clientcmd/api/v1/types.go: Config).
 *
 * Taken: the cluster and the user of current-context, else the first of each; of a user its client certificate and key
 * (files or data), token, tokenFile, or exec, whose program is run (client.authentication.k8s.io/v1 and v1beta1). Not
 * taken: passwords, impersonation, proxy-url, insecure-skip-tls-verify.
 */
#ifndef KUBE_KUBECONFIG_H
#define KUBE_KUBECONFIG_H

#include "kube/access.h"

/* `ret` has no folder and no namespace. -EINVAL: not understood, with what is missing. */
int kubeconfig_read(const struct host *host, const char *path, struct kube_access *ret, struct error *err);

#endif
