"""Sandboxes that a kubelet runs: pods of the runtime class, their budgets, what an installation touches."""

import json

import kubelet_host

HANDLER = "sysbox-runc"
CONFIG = "/etc/containerd/config.toml"
DROP_IN = "/etc/containerd/conf.d/50-berth.toml"
# What the chart's RuntimeClass says that a sandbox costs beside its containers.
POD_OVERHEAD = 48 << 20
CLASS = {"apiVersion": "node.k8s.io/v1", "kind": "RuntimeClass", "metadata": {"name": HANDLER}, "handler": HANDLER}


def sandbox(name, disk=None, **kwargs):
    """A pod that is a sandbox, as users write it."""
    made = kubelet_host.pod(name, runtimeClassName=HANDLER, hostUsers=False, **kwargs)
    if disk:
        made["metadata"]["annotations"] = {"berth.dev/disk": disk}
    return made


def replicas(name):
    """A ReplicaSet of one sandbox."""
    made = sandbox(name)
    return {"apiVersion": "apps/v1", "kind": "ReplicaSet", "metadata": {"name": name, "namespace": "default"},
            "spec": {"selector": {"matchLabels": {"app": name}},
                     "template": {"metadata": {"labels": {"app": name}}, "spec": made["spec"]}}}


def kept(name):
    """A budget that lets none of these be evicted."""
    return {"apiVersion": "policy/v1", "kind": "PodDisruptionBudget", "metadata": {"name": name, "namespace": "default"},
            "spec": {"minAvailable": 1, "selector": {"matchLabels": {"app": name}}}}


def pod_of(worker, app):
    """Name of the pod on this node that a controller has made, ready."""
    def names():
        found = worker.cluster.get("pods", f"--selector=app={app}", "--namespace=default")["items"]
        return [p["metadata"]["name"] for p in found if p["spec"].get("nodeName") == worker.name]
    worker.until(lambda: any(kubelet_host.condition(worker.get_pod(n), "Ready") == "True" for n in names()), 300,
                 f"no pod of {app} is ready")
    return names()[0]


def init_pid(worker, name):
    return min(pid for pid, command in worker.pids(name).items() if "/pause" not in command)


def budget(node, name):
    """The row of `berth quota ls` of a pod "namespace/name"; None: there is none."""
    rows = json.loads(node.run(["/usr/local/lib/berth/berth", "quota", "ls", "--json"]).stdout)
    return next((row for row in rows if (row["name"] or "").startswith(name)), None)


def fill(worker, pod, path, mebibytes=400):
    return worker.exec(pod, "sh", "-c", f"dd if=/dev/zero of={path} bs=1M count={mebibytes} 2>&1; sync", check=False).stdout


def changed(node):
    """What an uninstallation must leave as it was."""
    return node.run(f"sha256sum {CONFIG}; ls -A /etc/containerd /etc/containerd/conf.d 2>&1", check=False).stdout


def written_layers(node):
    """KiB of the largest layer that a running container writes to, /var/lib of it apart: what was copied of its image."""
    uppers = node.run("awk '$3 == \"overlay\" {print $4}' /proc/mounts | tr , '\\n' | sed -n s/^upperdir=//p").stdout.split()
    assert uppers, node.run("cat /proc/mounts").stdout
    return max(int(node.run(["du", "-sk", path]).stdout.split()[0]) for path in uppers)


def overhead(worker, name):
    """Bytes of memory that a pod's cgroup had at the most: of one that does nothing, what a sandbox costs of its own."""
    uid = worker.get_pod(name)["metadata"]["uid"].replace("-", "?")
    found = worker.node.run(f"cd $(find /sys/fs/cgroup -type d -name '*pod{uid}*' | head -1) && "
                            "cat memory.peak memory.current && cat */memory.peak").stdout.split()
    print("memory of the pod: at the most", found[0], "now", found[1], "its parts at the most", *found[2:])
    return int(found[0])
