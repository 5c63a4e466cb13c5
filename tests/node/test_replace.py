"""Another release of Sysbox under an agent: it waits for sandboxes, or has them evicted, and the node is a host again."""

import agent_host
import berth_host
import budget_host
import kubelet_host
import sysbox
from agent_host import log, metrics, until
from chart_host import FLAGS, SERVER, agent_log, deploy, prepare, proven, told
from pod_host import kept, pod_of, replicas

NEWER, DEB = "0.7.2", "/root/newer.deb"
WANTED = {"file": DEB, "version": NEWER, "other_version": "upgrade"}


def installed(node):
    return node.run(["dpkg-query", "--show", "--showformat", "${Version}", "sysbox-ce"]).stdout


def daemons(node):
    """What sysbox-mgr and sysbox-fs run; one whose file is not there any more is "... (deleted)"."""
    return node.run("readlink /proc/$(pidof sysbox-mgr)/exe /proc/$(pidof sysbox-fs)/exe").stdout.split("\n")[:2]


def is_replaced(node):
    assert installed(node).startswith(NEWER)
    assert daemons(node) == ["/usr/bin/sysbox-mgr", "/usr/bin/sysbox-fs"]


def test_once_no_container_is_left(node_factory, tmp_path):
    node = agent_host.derive(node_factory)
    budget_host.start(node, "tenant")
    node.put(sysbox.of_version(NEWER, tmp_path), DEB)
    before = daemons(node)
    berth_host.configure(node, sysbox=WANTED, agent={"replace_sysbox": "idle", "recheck": "20s"})
    node.run("systemctl kill --kill-whom main --signal HUP berth-agent")
    until(lambda: metrics(node)["berth_replacement_waits"] == 1, 300, lambda: log(node)[-2000:])
    assert "until Docker has no container any more: it has 1" in log(node)
    # A node that waits is a sandbox host all the time.
    assert metrics(node)["berth_host_ready"] == 1 and not installed(node).startswith(NEWER) and daemons(node) == before
    node.run(["docker", "rm", "--force", "tenant"], timeout=300)
    until(lambda: installed(node).startswith(NEWER), 600, lambda: log(node)[-2000:])
    until(lambda: metrics(node)["berth_replacement_waits"] == 0, 300, lambda: log(node)[-2000:])
    agent_host.until_ready(node)
    is_replaced(node)
    assert metrics(node)['berth_faults_total{fault="drift"}'] == 0, "what was waited for is no fault"
    berth_host.verify(node)
    assert "Nothing to do" in berth_host.install(node, "--wait").stdout
    budget_host.start(node, "tenant")
    print(log(node)[-3000:])


def is_cordoned(worker):
    return worker.object()["spec"].get("unschedulable", False)


def test_with_its_pods_evicted(node_factory, control_plane, tmp_path):
    """One that a disruption budget keeps keeps its Sysbox, and the node serves on; without the budget it is drained."""
    worker = kubelet_host.start(node_factory, control_plane, name="worker-replace", flags=FLAGS)
    node, cluster = worker.node, worker.cluster
    prepare(worker, tmp_path)
    deploy(worker, tmp_path)
    proven(worker)
    worker.apply(replicas("box"))
    worker.apply(kept("box"))
    first = pod_of(worker, "box")
    bystander = kubelet_host.pod("bystander")
    worker.run_pod(bystander)
    node.put(sysbox.of_version(NEWER, tmp_path), DEB)
    deploy(worker, tmp_path, "upgrade", sysbox=WANTED, agent={"replace_sysbox": "drain", "recheck": "30s"},
           kubernetes={"drain_timeout": "20s", **SERVER})
    until(lambda: "until it is drained" in agent_log(worker), 900, lambda: agent_log(worker))
    assert worker.pod_phase(first) == "Running" and not installed(node).startswith(NEWER)
    until(lambda: told(worker) == ("running", "True", []) and not is_cordoned(worker), 300, lambda: agent_log(worker))
    cluster.kubectl("delete", "pdb", "box", "--namespace=default")
    until(lambda: installed(node).startswith(NEWER), 600, lambda: agent_log(worker))
    proven(worker, 600)
    is_replaced(node)
    # Made anew, it finds the same node, uncordoned; who is no sandbox has noticed nothing.
    assert pod_of(worker, "box") != first and not is_cordoned(worker)
    assert worker.pod_phase("bystander") == "Running" and worker.restarts("bystander") == 0
    assert node.run("ls /var/lib/berth").stdout.split().count("replacing-sysbox") == 0
    print(agent_log(worker)[-4000:])
