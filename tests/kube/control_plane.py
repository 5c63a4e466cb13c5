"""class ControlPlane: a Cluster whose pods run: a controller manager and a scheduler, and a way to kubelets.

    with ControlPlane() as cluster:
        cluster.reach("10.0.2.15", 10250, node.expose(10250))     # for `kubectl logs` and `kubectl exec`
        crt, key = cluster.node_certificate("worker-1")

All of it runs on this machine. A kubelet is where this machine has no route to: the API server goes through a proxy
of ours, as it goes through konnectivity where nodes are in another network.
"""

import contextlib
import json
import secrets
import subprocess
import time

import pki
from cluster import Cluster, end
from environment import HarnessError
from tunnel import Tunnel

_CONTROLLERS_SECONDS = 120
_USERS = {"kube-controller-manager": "system:kube-controller-manager", "kube-scheduler": "system:kube-scheduler"}


class ControlPlane(Cluster):
    """A Cluster with all of a control plane; further attribute: folder, where its certificates are."""

    SERVERS = (*Cluster.SERVERS, *_USERS)
    ADMISSION = ()

    def __init__(self, **kwargs):
        """As of Cluster."""
        super().__init__(**kwargs)
        self.folder = self._folder
        self._tunnel = Tunnel(self._folder / "tunnel")
        self._managers = {}
        self._kubeconfigs = {name: self.kubeconfig_of(name, self._tokens[name]) for name in _USERS}
        (self._folder / "egress.yaml").write_text(json.dumps({
            "apiVersion": "apiserver.k8s.io/v1beta1", "kind": "EgressSelectorConfiguration",
            "egressSelections": [{"name": "cluster", "connection": {
                "proxyProtocol": "HTTPConnect", "transport": {"uds": {"udsName": str(self._tunnel.path)}}}}]}))

    def start(self):
        """As of Cluster; the controllers have made what every pod needs of its namespace."""
        super().start()
        for name in _USERS:
            self._managers[name] = self._spawn(name, self._manager_arguments(name))
        self._wait_for_controllers()
        return self

    def stop(self):
        """Take the API server and those that live by it away at once; pods that run go on."""
        super().stop()
        while self._managers:
            end(self._managers.popitem()[1])

    def close(self):
        self._tunnel.close()
        super().close()

    def reach(self, address, port, local_port):
        """What the API server sends to *address*:*port* goes to *local_port* of this machine, from now on."""
        self._tunnel.lead(address, port, local_port)

    def node_certificate(self, name):
        """The paths of a certificate and a key by which a kubelet is the node *name*."""
        pki.make_client(self._folder, f"node-{name}", f"system:node:{name}", "system:nodes")
        return self._folder / f"node-{name}.crt", self._folder / f"node-{name}.key"

    # Beneath

    def _make_credentials(self, names):
        super()._make_credentials(names)
        # Who the API server is to a kubelet.
        pki.make_client(self._folder, "kubelet-client", "kube-apiserver-kubelet-client", "system:masters")
        self._tokens = {name: secrets.token_hex(16) for name in _USERS}
        with (self._folder / "tokens.csv").open("a") as table:
            table.writelines(f"{self._tokens[name]},{user},{user}\n" for name, user in _USERS.items())

    def _api_arguments(self):
        folder = self._folder
        return [*super()._api_arguments(), f"--egress-selector-config-file={folder / 'egress.yaml'}",
                f"--kubelet-client-certificate={folder / 'kubelet-client.crt'}",
                f"--kubelet-client-key={folder / 'kubelet-client.key'}"]

    def _manager_arguments(self, name):
        """Nobody asks them for anything, so they do not listen."""
        common = [f"--kubeconfig={self._kubeconfigs[name]}", "--leader-elect=false", "--secure-port=0"]
        if name == "kube-scheduler":
            return common
        return [*common, f"--service-account-private-key-file={self._folder / 'sa.key'}", f"--root-ca-file={self.ca}",
                "--use-service-account-credentials",
                f"--cluster-signing-cert-file={self.ca}", f"--cluster-signing-key-file={self._folder / 'ca.key'}"]

    def _wait_for_controllers(self):
        deadline = time.monotonic() + _CONTROLLERS_SECONDS
        while not self._namespaces_are_whole():
            for name, server in self._managers.items():
                if server.poll() is not None:
                    raise HarnessError(f"{name} ended with {server.returncode}:\n{self.log_tail()}")
            if time.monotonic() > deadline:
                raise HarnessError(f"controllers did nothing for {_CONTROLLERS_SECONDS} s:\n{self.log_tail()}")
            time.sleep(0.2)

    def _namespaces_are_whole(self):
        with contextlib.suppress(subprocess.TimeoutExpired):
            wanted = ("serviceaccount/default", "configmap/kube-root-ca.crt")
            return self.kubectl("get", *wanted, "--namespace=default", check=False).returncode == 0
        return False
