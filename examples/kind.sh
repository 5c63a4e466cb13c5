#!/bin/sh
# Usage: sudo examples/kind.sh [IMAGE]
#
# A Kubernetes cluster by kind in a sandbox, for testing manifests: created, a pod made Ready in it, deleted.
# Needs a network: for the node's image, for pods' images, and for IMAGE where it is not here.
# Needs kind: in IMAGE, or on this machine (KIND names it), from where it is copied; a static program.
# IMAGE has dockerd, docker and sh; default docker:dind. NODE_IMAGE is kind's (default kindest/node:v1.32.2).
# It takes 4 GB of memory and of disk. No test runs it.
# Exit status: 0 it holds, 1 it does not, 77 kind or an image cannot be had.

set -eu
# shellcheck source=examples/common.sh
. "$(dirname "$0")/common.sh"
begin docker:dind "$@"
node_image=${NODE_IMAGE:-kindest/node:v1.32.2}

start_sandbox --label berth.dev/disk=8G
if ! inside kind version >/dev/null 2>&1; then
	kind=${KIND:-$(command -v kind || true)}
	[ -n "$kind" ] || skip "there is no kind in $image nor here: go install sigs.k8s.io/kind@v0.27.0, or KIND=/path"
	docker cp "$kind" "$box:/usr/local/bin/kind"
fi
say "inside: $(inside kind version)"
say "inside: pull $node_image"
inside docker pull --quiet "$node_image" || skip "$node_image cannot be pulled"

say "inside: kind create cluster"
inside kind create cluster --name test-cluster --image "$node_image" --wait 600s
kubectl() {
	inside docker exec --interactive test-cluster-control-plane kubectl --kubeconfig /etc/kubernetes/admin.conf "$@"
}
kubectl get nodes
say "inside: kubectl apply"
kubectl apply --filename - <<'END'
apiVersion: v1
kind: Pod
metadata:
  name: hello
spec:
  tolerations:
  - operator: Exists
  containers:
  - name: hello
    image: busybox
    command: ["sleep", "1000000"]
END
kubectl wait --for=condition=Ready --timeout=300s pod/hello || fail "the pod does not become Ready"
inside kind delete cluster --name test-cluster
proven "a cluster by kind ran a pod in an unprivileged sandbox"
