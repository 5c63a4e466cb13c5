"""The part of the benchmark about pods: a handler for the node's containerd, beside what it is made of; a kubelet moved to
CRI-O, beside one that is only restarted."""

import os
import statistics
import sys
import threading
import time

import berth_host
import crio_package
import kubelet_host
import sysbox
from bench_rows import figure, row
from environment import HERE
from pod_host import CLASS, HANDLER, init_pid, sandbox

sys.path.append(str(HERE.parent / "kube"))
from control_plane import ControlPlane  # noqa: E402  pylint: disable=wrong-import-position

PAIRS = int(os.environ.get("BENCH_PODS", "8"))
# The same runtime, called by containerd itself.
_DIRECT = """
version = 3

[plugins.'io.containerd.cri.v1.runtime'.containerd.runtimes.direct]
runtime_type = 'io.containerd.runc.v2'

[plugins.'io.containerd.cri.v1.runtime'.containerd.runtimes.direct.options]
BinaryName = '/usr/bin/sysbox-runc'
SystemdCgroup = true
"""


class _Node:
    """What kubelet_host wants of a factory of nodes."""

    def __init__(self, node_class):
        self.derive = node_class.derive


def plain(node_class, suite):
    """Sysbox by apt and one restart of containerd: what a person would do, less the pool and its budgets."""
    with kubelet_host.derive(_Node(node_class), suite=suite) as node:
        node.put(sysbox.package(), berth_host.SYSBOX)
        seconds = 0
        for command in ("apt-get update", f"apt-get install -y --no-install-recommends fuse3 xfsprogs {berth_host.SYSBOX}",
                        "systemctl restart sysbox", "systemctl restart containerd"):
            done = node.run(command, timeout=3600, env={"DEBIAN_FRONTEND": "noninteractive"})
            print(f"  plain: {command[:50]:50} {done.seconds:7.1f} s", flush=True)
            seconds += done.seconds
        return seconds


def until_handler(worker):
    """Seconds of an installation, until the Node tells of the handler; and containers that ended meanwhile."""
    worker.run_pod(kubelet_host.pod("bystander"))
    pid = init_pid(worker, "bystander")
    berth_host.put_berth(worker.node, engine="containerd", verify={"sandbox": False})
    begun = time.monotonic()
    berth_host.install(worker.node)
    worker.wait_for_handler(HANDLER)
    seconds = time.monotonic() - begun
    return seconds, int(init_pid(worker, "bystander") != pid) + worker.restarts("bystander")


def until_it_runs(worker, name, runtime):
    """Seconds from the creation of a pod until its container runs, as the cluster has it."""
    manifest = sandbox(name)
    manifest["spec"]["runtimeClassName"] = runtime
    begun = time.monotonic()
    worker.run_pod(manifest)
    seconds = time.monotonic() - begun
    worker.delete_pod(name)
    return seconds


def starts(worker):
    worker.node.put(_DIRECT.encode(), "/etc/containerd/conf.d/10-direct.toml")
    worker.restart_engine()
    worker.wait_for_handler("direct")
    worker.apply(CLASS)
    worker.apply({**CLASS, "metadata": {"name": "direct"}, "handler": "direct"})
    times = {HANDLER: [], "direct": []}
    for turn in range(PAIRS + 1):
        for runtime, seen in times.items():
            seconds = until_it_runs(worker, f"{runtime}-{turn}", runtime)
            if turn:  # the first one of each warms up
                seen.append(seconds)
    return {runtime: statistics.median(seen) for runtime, seen in times.items()}


def _seconds_of(node, what):
    """When the kubelet's unit last said that, by the node's clock."""
    said = node.run(f"journalctl --unit=kubelet --output=short-unix --no-pager | grep -F '{what}' | tail -1").stdout
    return float(said.split()[0])


def _until_ready(worker, runtime, since):
    """The node's time when its kubelet first told, after *since*, that it is Ready on that engine."""
    while True:
        status = worker.object()["status"]
        ready = next(c for c in status["conditions"] if c["type"] == "Ready")
        told = time.mktime(time.strptime(ready["lastHeartbeatTime"], "%Y-%m-%dT%H:%M:%SZ")) - time.timezone
        if (ready["status"] == "True" and told >= int(since)
                and status["nodeInfo"]["containerRuntimeVersion"].startswith(runtime)):
            return float(worker.node.run("date +%s.%N").stdout)
        time.sleep(0.1)


def without_kubelet(cluster, node_class, suite):
    """Seconds from a stop of the kubelet until its node is Ready: a plain restart, and a move to CRI-O."""
    with kubelet_host.derive(_Node(node_class), suite=suite) as node:
        worker = kubelet_host.Worker(node, cluster, "worker-moved")
        worker.join(flags=["--register-with-taints=sysbox-runtime=not-running:NoSchedule"])
        crio_package.put(node)
        crio_package.load_images(node)
        plain_times = []
        for _ in range(3):
            node.run("sleep 2; systemctl restart kubelet", timeout=120)
            since = _seconds_of(node, "Stopping kubelet")
            plain_times.append(_until_ready(worker, "containerd", since + 1) - since)
        berth_host.put_berth(node, engine="crio", crio={"file": crio_package.PATH}, verify={"sandbox": False})
        done = threading.Thread(target=berth_host.install, args=(node,))
        done.start()
        while not worker.object()["status"]["nodeInfo"]["containerRuntimeVersion"].startswith("cri-o"):
            time.sleep(0.2)
        since = _seconds_of(node, "Stopping kubelet")
        moved = _until_ready(worker, "cri-o", since) - since
        done.join()
    return moved, statistics.median(plain_times)


def run(node_class, suite):
    theirs = plain(node_class, suite)
    with ControlPlane() as cluster, kubelet_host.derive(_Node(node_class), suite=suite) as node:
        worker = kubelet_host.Worker(node, cluster, "worker-bench")
        worker.join()
        ours, disturbed = until_handler(worker)
        times = starts(worker)
    with ControlPlane() as cluster:
        moved, restarted = without_kubelet(cluster, node_class, suite)
    print()
    good = row("bare worker -> handler told", ours, "Sysbox, one restart", theirs, 1.1, "s")
    good &= figure("pods disturbed by that", disturbed, 1, "")
    good &= row("no kubelet, moved to CRI-O", moved, "a restart of it", restarted, 1.1, "s")
    return good & row("a pod's start", times[HANDLER], "without berth-runc", times["direct"], 1.02, "s")
