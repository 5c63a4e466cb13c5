"""class Cluster: a real etcd and a real Kubernetes API server on this machine, gone after the test.

    with Cluster() as cluster:
        cluster.make_node("one", taints=["sandbox-runtime=sysbox:NoSchedule"])
        cluster.apply(manifest)
        token = cluster.token_for("berth", "berth-system", node="one")
        cluster.stop()
        cluster.start()

There is no controller, no scheduler and no kubelet: what is made stays as it was made, pods run nowhere, namespaces
that are deleted stay "Terminating". Nobody makes a namespace's service account "default", which pods need.
"""

import contextlib
import itertools
import json
import os
import random
import secrets
import socket
import ssl
import subprocess
import time
import urllib.request

import parts
import pki
from environment import HarnessError, spawn, stage
from vm import log_path, run_folder

_READY_SECONDS = 180
_KUBECTL_SECONDS = 120
_LOGS_KEPT = 40
_numbers = itertools.count(1)


class KubectlFailed(HarnessError):
    """kubectl ended with something else than 0; the message is what it said."""


class Cluster:
    """One API server with its etcd. Attributes: url, port, ca (a path), token (the administrator's), kubeconfig."""

    # What runs, in the order of its start; control_plane.py adds to it.
    SERVERS = ("etcd", "kube-apiserver")
    # It taints new nodes until a controller finds them ready, and there is no controller.
    ADMISSION = ("--disable-admission-plugins=TaintNodesByCondition",)

    def __init__(self, *, bind_address="127.0.0.1", names=(), flags=()):
        """Describe it; start() makes it run.

        bind_address  the IPv4 address where the API server listens; 0.0.0.0 is all of them
        names         further host names and addresses that its certificate is good for
        flags         further flags of the API server
        """
        self._programs = {name: parts.binary(name) for name in (*self.SERVERS, "kubectl")}
        self._bind_address = bind_address
        self._flags = flags
        self._etcd = self._api = None
        name = f"{os.getpid()}-{next(_numbers)}"
        self.logs = {server: log_path(parts.cache_dir() / "log", f"{name}-{server}.log", _LOGS_KEPT)
                     for server in self.SERVERS}
        self._cleanup = contextlib.ExitStack()
        self._folder = self._cleanup.enter_context(run_folder(parts.cache_dir() / "run", name))
        self._address = "127.0.0.1" if bind_address == "0.0.0.0" else bind_address
        self.port, self._etcd_port, self._peer_port = free_ports(3)
        self.url = f"https://{self._address}:{self.port}"
        self.token = secrets.token_hex(16)
        self._make_credentials(("localhost", "127.0.0.1", self._address, "kubernetes.default.svc", *names))
        self.ca = self._folder / "ca.crt"
        self.kubeconfig = self.kubeconfig_of("admin", self.token)

    def __enter__(self):
        try:
            return self.start()
        except BaseException:
            self.close()
            raise

    def __exit__(self, *exception):
        self.close()

    # Life and death

    def start(self):
        """Make it run, with the data and on the port it had before, and wait until it serves."""
        with stage("starting a Kubernetes API server", at_least=10):
            if self._etcd is None:
                self._etcd = self._spawn("etcd", self._etcd_arguments())
            self._api = self._spawn("kube-apiserver", self._api_arguments())
            self._wait_until_ready()
        return self

    def stop(self):
        """Take the API server away at once, as a crash does; its data stays. start() brings it back."""
        end(self._api)
        self._api = None

    def close(self):
        """End all of it; only the logs stay."""
        self.stop()
        end(self._etcd)
        self._etcd = None
        self._cleanup.close()

    def log_tail(self, lines=40):
        """The last that each server said, for people."""
        texts = {path: path.read_text(errors="replace") for path in self.logs.values() if path.exists()}
        return "\n".join(f"== {path}\n" + "\n".join(text.splitlines()[-lines:]) for path, text in texts.items())

    # Use

    def kubectl(self, *arguments, input=None, token=None, check=True):
        """Run kubectl as the administrator, or as whose *token* it is; returns returncode, stdout and stderr."""
        whose = [] if token is None else [f"--token={token}"]
        argv = [self._programs["kubectl"], f"--kubeconfig={self.kubeconfig}", *whose, *arguments]
        done = subprocess.run([str(word) for word in argv], input=input or "", capture_output=True, text=True,
                              timeout=_KUBECTL_SECONDS, check=False, env={"HOME": str(self._folder)})
        if check and done.returncode != 0:
            raise KubectlFailed(f"kubectl {' '.join(map(str, arguments))}: {done.stderr.strip() or done.returncode}")
        return done

    def get(self, *arguments, token=None):
        """What `kubectl get` finds, as data."""
        return json.loads(self.kubectl("get", *arguments, "--output=json", token=token).stdout)

    def apply(self, manifest, *options, token=None):
        """Apply *manifest*, as YAML or as data, on the server's side."""
        text = manifest if isinstance(manifest, str) else json.dumps(manifest)
        return self.kubectl("apply", "--server-side", *options, "--filename=-", input=text, token=token)

    def token_for(self, service_account, namespace, node=None):
        """A token as the kubelet mounts it into a pod: it names the node, when one is given."""
        bound = ["--bound-object-kind=Node", f"--bound-object-name={node}"] if node else []
        return self.kubectl("create", "token", service_account, f"--namespace={namespace}", *bound).stdout.strip()

    def make_node(self, name, taints=(), labels=None):
        """A node as a kubelet registers it, with taints such as "key=value:NoSchedule"; returns it as data."""
        node = {
            "apiVersion": "v1", "kind": "Node",
            "metadata": {"name": name, "labels": {"kubernetes.io/hostname": name, **(labels or {})}},
            "spec": {"taints": [_taint(text) for text in taints]},
        }
        return json.loads(self.kubectl("create", "--filename=-", "--output=json", input=json.dumps(node)).stdout)

    def kubeconfig_of(self, user, token):
        """The path of a kubeconfig, named after *user*, for the owner of *token*."""
        config = {
            "apiVersion": "v1", "kind": "Config", "current-context": "test",
            "clusters": [{"name": "test", "cluster": {"server": self.url, "certificate-authority": str(self.ca)}}],
            "users": [{"name": user, "user": {"token": token}}],
            "contexts": [{"name": "test", "context": {"cluster": "test", "user": user}}],
        }
        path = self._folder / f"{user}.kubeconfig"
        path.write_text(json.dumps(config))
        path.chmod(0o600)
        return path

    # Beneath

    def _make_credentials(self, names):
        pki.make_ca(self._folder)
        pki.make_server(self._folder, dict.fromkeys(names))
        pki.make_signing_key(self._folder)
        (self._folder / "tokens.csv").write_text(f"{self.token},admin,admin,system:masters\n")

    def _etcd_arguments(self):
        client, peer = (f"http://127.0.0.1:{port}" for port in (self._etcd_port, self._peer_port))
        # What a power cut would lose is of no use to anybody here.
        return ["--unsafe-no-fsync", f"--data-dir={self._folder / 'etcd'}",
                f"--listen-client-urls={client}", f"--advertise-client-urls={client}",
                f"--listen-peer-urls={peer}", f"--initial-advertise-peer-urls={peer}",
                f"--initial-cluster=default={peer}"]

    def _api_arguments(self):
        folder = self._folder
        return [
            f"--etcd-servers=http://127.0.0.1:{self._etcd_port}",
            f"--bind-address={self._bind_address}", f"--secure-port={self.port}",
            # Left out, it would be the address of a default route, which a test machine need not have.
            f"--advertise-address={self._address}", "--endpoint-reconciler-type=none",
            "--service-cluster-ip-range=10.96.0.0/16",
            f"--tls-cert-file={folder / 'server.crt'}", f"--tls-private-key-file={folder / 'server.key'}",
            f"--client-ca-file={folder / 'ca.crt'}", f"--token-auth-file={folder / 'tokens.csv'}",
            "--service-account-issuer=https://kubernetes.default.svc",
            f"--service-account-signing-key-file={folder / 'sa.key'}",
            f"--service-account-key-file={folder / 'sa.pub'}",
            "--authorization-mode=Node,RBAC", "--enable-admission-plugins=NodeRestriction",
            *self.ADMISSION, "--allow-privileged=true", *self._flags,
        ]

    def _spawn(self, name, arguments):
        with self.logs[name].open("ab") as log:
            return spawn([self._programs[name], *arguments], stdout=log, stderr=subprocess.STDOUT, cwd=self._folder)

    def _wait_until_ready(self):
        deadline = time.monotonic() + _READY_SECONDS
        while not self._is_ready():
            for name, server in (("etcd", self._etcd), ("kube-apiserver", self._api)):
                if server.poll() is not None:
                    raise HarnessError(f"{name} ended with {server.returncode}:\n{self.log_tail()}")
            if time.monotonic() > deadline:
                raise HarnessError(f"the API server is not ready after {_READY_SECONDS} s:\n{self.log_tail()}")
            time.sleep(0.1)

    def _is_ready(self):
        # It calls itself ready before it has made its own namespaces, of which this one is the last.
        return self._answers("/readyz") and self._answers("/api/v1/namespaces/kube-node-lease")

    def _answers(self, path):
        request = urllib.request.Request(self.url + path, headers={"Authorization": f"Bearer {self.token}"})
        opener = urllib.request.build_opener(
            urllib.request.ProxyHandler({}),
            urllib.request.HTTPSHandler(context=ssl.create_default_context(cafile=self.ca)))
        with contextlib.suppress(OSError), opener.open(request, timeout=10) as answer:
            return answer.status == 200
        return False


def free_ports(count):
    """Ports nobody listens on, of a range from which the kernel gives none to others meanwhile."""
    found = set()
    while len(found) < count:
        port = random.SystemRandom().randrange(20000, 32000)
        with contextlib.suppress(OSError), socket.socket() as probe:
            probe.bind(("", port))
            found.add(port)
    return found


def _taint(text):
    """{"key", "value", "effect"} of "key=value:effect" or "key:effect"."""
    name, effect = text.rsplit(":", 1)
    key, _, value = name.partition("=")
    return {"key": key, "effect": effect, **({"value": value} if value else {})}


def end(server):
    """Kill it, if there is one, and wait until it is gone."""
    if server is not None:
        server.kill()
        server.wait()
