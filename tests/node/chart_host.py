"""A worker whose node is made by the chart alone: what that takes, and what is seen of it."""

import json
import subprocess
import sys

import berth_host
import kubelet_host
import sysbox
from agent_host import until
from environment import HERE

sys.path.append(str(HERE.parent / "kube"))
import parts  # noqa: E402  pylint: disable=wrong-import-position

ROOT = HERE.parent.parent
IMAGE = "registry.example.com/berth"
STARTUP = "sysbox-runtime=not-running:NoSchedule"
# What fits a small node without a network.
CONFIG = {"pool": {"size": "3G", "reserve": "512M"}, "budget": {"default": "300M"}, "sysbox": {"file": berth_host.SYSBOX},
          "timeouts": {"services": "10m", "packages": "60m"}}
SERVER = {"server": f"https://127.0.0.1:{kubelet_host.API_PORT}"}
# A node that is new, of the pool.
FLAGS = ("--node-labels=sysbox-install=yes", f"--register-with-taints={STARTUP}")


def helm(cluster, *words, check=True):
    done = subprocess.run([parts.binary("helm"), f"--kubeconfig={cluster.kubeconfig}", "--namespace=kube-system", *words],
                          check=False, capture_output=True, text=True, timeout=300)
    assert not check or done.returncode == 0, done.stderr
    return done


def image(tmp_path):
    """The archive of the agent's image."""
    archive = tmp_path / "image.tar"
    subprocess.run([sys.executable, ROOT / "tools/image", f"--output={archive}", f"--program={berth_host.PROGRAM}",
                    f"--name={IMAGE}:test"], check=True, timeout=120)
    return archive


def settings(tmp_path, *options, **config):
    """What deploy/eks has, as it fits such a node; *config* are further sections."""
    values = {"image": {"repository": IMAGE, "tag": "test", "pullPolicy": "Never"},
              "config": {**CONFIG, "kubernetes": SERVER, **config}}
    path = tmp_path / "values.json"
    path.write_text(json.dumps(values))
    return f"--values={ROOT / 'deploy/eks/values.yaml'}", f"--values={path}", *options


def prepare(worker, tmp_path):
    """The packages and the image that a node without a network has to have before; the image's archive."""
    archive = image(tmp_path)
    worker.node.put(sysbox.package(), berth_host.SYSBOX)
    worker.node.put(archive, "/root/image.tar")
    worker.node.run("ctr --namespace k8s.io images import /root/image.tar && rm /root/image.tar", timeout=300)
    return archive


def deploy(worker, tmp_path, verb="install", **config):
    helm(worker.cluster, verb, "sysbox-deploy", ROOT / "helm/berth", *settings(tmp_path, **config))


def proven(worker, seconds=1800):
    until(lambda: told(worker) == ("running", "True", []), seconds, lambda: f"{told(worker)}\n{agent_log(worker)}")


def told(worker):
    """(label, condition, taints) of the Node: ("running", "True", []) when it is proven."""
    found = worker.object()
    taints = [f"{t['key']}={t.get('value', '')}:{t['effect']}" for t in found["spec"].get("taints", [])]
    return found["metadata"]["labels"].get("sysbox-runtime"), kubelet_host.condition(found, "SandboxHostReady"), taints


def agent_log(worker):
    return worker.cluster.kubectl("logs", "-n", "kube-system", "-l", "name=sysbox-deploy", "--tail=80", check=False).stdout


def show(cluster, commands):
    """Run kubectl commands of the document, rows of words and a text that they must say."""
    for words, says in commands:
        shown = cluster.kubectl(*words).stdout
        print("$ kubectl", *words, "\n" + shown[-1500:])
        assert says in shown
