#!/bin/sh
# Usage: sudo examples/k3s.sh [IMAGE]
#
# A sandbox that is a Kubernetes cluster of one node, by k3s: a pod becomes Ready in it.
# Needs a network: for pods' images, and for IMAGE where it is not here.
# IMAGE is k3s' own; default rancher/k3s:v1.32.2-k3s1.
# It takes 2 GB of memory and of disk. No test runs it.
# Exit status: 0 it holds, 1 it does not, 77 the image cannot be had.

set -eu
# shellcheck source=examples/common.sh
. "$(dirname "$0")/common.sh"
begin rancher/k3s:v1.32.2-k3s1 "$@"

say "start a sandbox from $image, unprivileged"
# k3s is root of a user namespace only, and its kubelet has to be told.
docker run --detach --name "$box" --hostname "$example" --tmpfs /run "$image" server --disable traefik,metrics-server \
	--kubelet-arg feature-gates=KubeletInUserNamespace=true >/dev/null
unprivileged
say "wait for the node"
try 600 docker exec "$box" kubectl wait --for=condition=Ready --timeout=5s node --all || fail "the node does not become Ready"
inside kubectl get nodes
try 120 docker exec "$box" kubectl get serviceaccount default || fail "the cluster has no default service account"

say "inside: kubectl apply"
inside kubectl apply --filename - <<'END'
apiVersion: v1
kind: Pod
metadata:
  name: hello
spec:
  containers:
  - name: hello
    image: busybox
    command: ["sleep", "1000000"]
END
inside kubectl wait --for=condition=Ready --timeout=300s pod/hello || fail "the pod does not become Ready"
proven "k3s ran a pod in an unprivileged sandbox"
