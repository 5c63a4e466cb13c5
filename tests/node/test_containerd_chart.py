"""From a bare worker of a cluster to sandboxes by the chart alone: its pod does all of it, from inside."""

import kubelet_host
import pytest
from agent_host import until
from budget_host import M
from chart_host import FLAGS, SERVER, agent_log, deploy, helm, prepare, proven, show, told
from pod_host import HANDLER, budget, changed, fill, init_pid, kept, pod_of, replicas, sandbox

NAME = "worker-chart"


@pytest.fixture
def worker(node_factory, control_plane):
    return kubelet_host.start(node_factory, control_plane, name=NAME, flags=FLAGS)


def reasons(cluster):
    """Of all Events."""
    return {event["reason"] for event in cluster.get("events", "--all-namespaces")["items"]}


def condition_text(worker):
    """What the condition SandboxHostReady says."""
    conditions = worker.object()["status"]["conditions"]
    return next((c["message"] for c in conditions if c["type"] == "SandboxHostReady"), "")


def test_pods_whose_sysbox_was_restarted(worker, tmp_path):  # pylint: disable=redefined-outer-name
    """They are named in any case; those that no disruption budget keeps are evicted, where the settings say so."""
    node, cluster = worker.node, worker.cluster
    prepare(worker, tmp_path)
    deploy(worker, tmp_path)
    proven(worker)
    for name in ("box", "kept"):
        worker.apply(replicas(name))
    box, stays = (pod_of(worker, name) for name in ("box", "kept"))
    worker.run_pod(sandbox("bare"))
    worker.apply(kept("kept"))
    node.run("systemctl restart sysbox-mgr", timeout=300)
    until(lambda: all(f"default/{name}" in condition_text(worker) for name in (box, stays, "bare")), 300,
          lambda: f"{condition_text(worker)}\n{agent_log(worker)}")
    until(lambda: "SandboxesNeedRestart" in reasons(cluster), 120, lambda: reasons(cluster))
    assert worker.pod_phase(box) == "Running", "they are left where nobody says otherwise"

    # With consent those go that somebody makes anew, but for the one that a budget keeps; and why is said.
    deploy(worker, tmp_path, "upgrade", kubernetes={"stranded_pods": "evict", **SERVER})
    until(lambda: worker.get_pod(box) is None, 900, lambda: agent_log(worker))
    assert worker.pod_phase(stays) == worker.pod_phase("bare") == "Running"
    until(lambda: "cannot be evicted" in agent_log(worker), 300, lambda: agent_log(worker))
    pod_of(worker, "box")
    cluster.kubectl("delete", "pdb", "kept", "--namespace=default")
    worker.delete_pod("bare")
    until(lambda: worker.get_pod(stays) is None, 600, lambda: agent_log(worker))
    until(lambda: "default/" not in condition_text(worker), 300, lambda: f"{condition_text(worker)}\n{agent_log(worker)}")
    assert told(worker) == ("running", "True", [])


def test_from_a_bare_worker_and_back(worker, tmp_path):  # pylint: disable=redefined-outer-name
    node, cluster = worker.node, worker.cluster
    before = changed(node)
    prepare(worker, tmp_path)
    bystander = kubelet_host.pod("bystander", tolerations=[{"operator": "Exists"}])
    worker.run_pod(bystander)
    pid = init_pid(worker, "bystander")
    deploy(worker, tmp_path)
    worker.apply(sandbox("early"))
    proven(worker)
    assert worker.runtime_handlers()[HANDLER]["userNamespaces"] is True
    assert init_pid(worker, "bystander") == pid and worker.restarts("bystander") == 0
    # The pod that came too early was kept off by the taint, and runs now.
    worker.wait_running("early")
    assert budget(node, "default/early")["limit_bytes"] == 300 * M
    worker.run_pod(sandbox("box", disk="150M"))
    assert "No space left" in fill(worker, "box", "/var/lib/docker/big")

    # The commands of the document, as it has them.
    show(cluster, ((("get", "daemonset", "-n", "kube-system", "sysbox-deploy"), "sysbox-deploy"),
                   (("logs", "-n", "kube-system", "-l", "name=sysbox-deploy"), "change"),
                   (("get", "nodes", "-l", "sysbox-install=yes", "-o", "wide"), NAME),
                   (("get", "runtimeclass", "sysbox-runc", "-o", "yaml"), f"handler: {HANDLER}")))

    # The chart goes, the node stays as it is; then the node is put back.
    helm(cluster, "uninstall", "sysbox-deploy")
    assert worker.exec("box", "true", check=False).returncode == 0
    refused = node.run(["/usr/local/lib/berth/berth", "uninstall"], check=False, timeout=600)
    assert refused.returncode == 1 and "drain the node first" in refused.stderr
    for name in ("box", "early"):
        worker.delete_pod(name)
    node.run(["/usr/local/lib/berth/berth", "uninstall"], timeout=1200)
    worker.wait_for_handler(HANDLER, present=False)
    worker.wait_ready()
    assert changed(node) == before
    assert init_pid(worker, "bystander") == pid and worker.restarts("bystander") == 0
