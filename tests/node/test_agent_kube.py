"""The agent on a node of a real API server, with the chart's own rights: what it tells, and what it waits for."""

import json
import os
import subprocess
import sys
import time

import budget_host
import pytest
from agent_host import get, log, metrics, repaired, until, until_ready
from environment import HERE

sys.path.append(str(HERE.parent / "kube"))
import parts  # noqa: E402  pylint: disable=wrong-import-position
from cluster import Cluster  # noqa: E402  pylint: disable=wrong-import-position

NAME, NAMESPACE = "worker-1", "berth-system"
STARTUP = "sysbox-runtime=not-running:NoSchedule"


@pytest.fixture(scope="module")
def cluster():
    try:
        with Cluster() as cluster:
            yield cluster
    except parts.Unavailable as why:
        pytest.skip(str(why))


def install_chart(cluster):
    """The chart by helm, for the rights of its service account: its pods run nowhere. The account's name."""
    subprocess.run([parts.binary("helm"), f"--kubeconfig={cluster.kubeconfig}", "install", "berth",
                    HERE.parent.parent / "helm/berth", "--namespace", NAMESPACE, "--create-namespace"],
                   check=True, timeout=120)
    return cluster.get("daemonset", "--namespace", NAMESPACE)["items"][0]["spec"]["template"]["spec"]["serviceAccountName"]


def give_token(node, cluster, account, name=NAME):
    node.run(["mkdir", "-p", "/root/account"])
    node.run(["tee", "/root/account/token"], input=cluster.token_for(account, NAMESPACE, node=name))
    node.run(["tee", "/root/account/ca.crt"], input=cluster.ca.read_text(encoding="utf-8"))
    node.run(["tee", "/root/account/namespace"], input=NAMESPACE)


def start_agent(node, cluster, account, name=NAME):
    """The agent of node *name*, with the rights of *account*; it is ready when this returns."""
    node.forward(6443, cluster.port)
    give_token(node, cluster, account, name)
    config = node.read("/etc/berth/config.yaml")
    config += "kubernetes:\n  server: https://127.0.0.1:6443\n  credentials: /root/account\n"
    node.run(["tee", "/etc/berth/config.yaml"], input=config)
    node.run(["systemd-run", "--unit", "berth-agent", "berth", "agent", "--node", name])
    until_ready(node)


def object_of(cluster, name=NAME):
    return cluster.get("node", name)


def condition(cluster, name=NAME):
    found = [c for c in object_of(cluster, name)["status"].get("conditions", []) if c["type"] == "SandboxHostReady"]
    return (found[0]["status"], found[0]["reason"]) if found else (None, None)


def labels(cluster):
    return object_of(cluster)["metadata"].get("labels", {})


def taints(cluster):
    return [f"{t['key']}={t.get('value', '')}:{t['effect']}" for t in object_of(cluster)["spec"].get("taints", [])]


def requests(node):
    return sum(value for name, value in metrics(node).items() if name.startswith("berth_kube_requests_total"))


@pytest.fixture(scope="module")
def account(cluster):
    return install_chart(cluster)


def test_a_node_of_a_cluster(node_factory, cluster, account):
    cluster.make_node(NAME, taints=[STARTUP, "sandbox-runtime=sysbox:NoSchedule"])

    node = budget_host.derive(node_factory)
    start_agent(node, cluster, account)
    until(lambda: condition(cluster) == ("True", "Proven"), 60, "the condition\n" + log(node))
    until(lambda: labels(cluster).get("sysbox-runtime") == "running", 60, "the label")
    until(lambda: taints(cluster) == ["sandbox-runtime=sysbox:NoSchedule"], 60, "the start-up taint alone is gone")
    assert labels(cluster)["berth.dev/state"] == "ready"
    spent = requests(node)
    print(f"requests from start to proven: {spent:.0f}")

    # What stops being true is taken back, and told.
    node.run("systemctl mask --now docker.socket docker.service", timeout=300)
    until(lambda: condition(cluster) == ("False", "UnitMasked"), 120, "the condition\n" + log(node))
    assert "sysbox-runtime" not in labels(cluster) and labels(cluster)["berth.dev/state"] == "degraded"
    node.run("systemctl unmask docker.socket docker.service", timeout=120)
    until_ready(node)
    until(lambda: condition(cluster)[0] == "True" and "sysbox-runtime" in labels(cluster), 120, "back")
    events = cluster.get("events.events.k8s.io", "--namespace", "default")["items"]
    assert {e["reason"] for e in events if e["regarding"]["name"] == NAME} >= {"UnitMasked"}, events

    # Made anew under the same name: everything is told again, at the latest with the next change.
    cluster.kubectl("delete", "node", NAME)
    cluster.make_node(NAME, taints=[STARTUP])
    give_token(node, cluster, account)  # the old one was bound to the old node, and is refused soon
    node.run(["systemctl", "kill", "--kill-whom", "main", "--signal", "HUP", "berth-agent"])
    until(lambda: condition(cluster)[0] == "True" and taints(cluster) == [], 180, "told again\n" + log(node))

    # The API server away: repairs go on, an interruption does not.
    budget_host.start(node, "tenant")
    cluster.stop()
    node.run("kill -KILL $(pidof dockerd)")
    until(lambda: metrics(node)['berth_fault_active{fault="api-unreachable"}'] == 1, 180, "said")
    until_ready(node)
    assert get(node, "healthz")[0] == 200
    # It looks when Docker is up again: while it is not, there is nothing that would be interrupted.
    node.run("systemctl kill --kill-whom main --signal STOP berth-agent; "
             "sed -i 's/\"default-runtime\": *\"sysbox-runc\"/\"default-runtime\": \"runc\"/' /etc/docker/daemon.json; "
             "systemctl restart docker; systemctl kill --kill-whom main --signal CONT berth-agent", timeout=300)
    until(lambda: "a slot of the pool is needed first" in log(node), 180, "it waits\n" + log(node))

    # A slot that another node has.
    cluster.start()
    node.run(["true"])
    taken = {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease",
             "metadata": {"name": "berth-slot-0", "namespace": NAMESPACE},
             "spec": {"holderIdentity": "other", "leaseDurationSeconds": 3600,
                      "renewTime": time.strftime("%Y-%m-%dT%H:%M:%S.000000Z", time.gmtime())}}
    cluster.apply(json.dumps(taken))
    until(lambda: "other nodes have them all" in log(node), 240, "it waits for the other\n" + log(node))
    pid = node.run(["pidof", "dockerd"]).stdout
    cluster.kubectl("delete", "lease", "berth-slot-0", "--namespace", NAMESPACE)
    until(lambda: "a slot of the pool is held" in log(node), 240, "it has the slot\n" + log(node))
    until(lambda: node.run(["pidof", "dockerd"], check=False).stdout not in ("", pid), 240, "Docker was restarted")
    until(lambda: cluster.get("lease", "berth-slot-0", "--namespace", NAMESPACE)["spec"]["holderIdentity"] == "", 240,
          "the slot was given back\n" + log(node))
    assert node.run(["docker", "inspect", "--format", "{{.State.Running}}", "tenant"]).stdout.strip() == "true"
    print(f"requests of the whole test: {requests(node):.0f}")


def resident(node):
    """KiB that the agent has in memory."""
    return int(node.run("awk '/^VmRSS/ { print $2 }' /proc/$(systemctl show --property MainPID --value berth-agent)/status").stdout)


def test_an_hour_without_its_api_server(node_factory, cluster, account):
    name, hour = "worker-2", int(os.environ.get("AWAY_SECONDS", "3600"))
    cluster.make_node(name)
    node = budget_host.derive(node_factory)
    start_agent(node, cluster, account, name)
    until(lambda: condition(cluster, name) == ("True", "Proven"), 120, "the condition\n" + log(node))
    budget_host.start(node, "tenant")
    cluster.stop()
    node.run("kill -KILL $(pidof dockerd)")  # which is to be told: an agent with nothing to say does not ask
    until(lambda: metrics(node)['berth_fault_active{fault="api-unreachable"}'] == 1, 300, "said")
    until_ready(node)
    asked, size, begun = requests(node), resident(node), time.monotonic()

    # It keeps its node right meanwhile, and asks ever more rarely.
    time.sleep(hour / 2)
    node.run("kill -KILL $(pidof dockerd)")
    until(lambda: repaired(node, "docker-dead") == 2, 240, "repaired\n" + log(node))
    time.sleep(max(0, begun + hour - time.monotonic()))
    until_ready(node)
    print(f"{hour} s without: {requests(node) - asked:.0f} requests, {resident(node) - size} KiB more resident")
    assert requests(node) - asked <= 12 + hour / 240 and resident(node) - size < 512

    cluster.start()
    give_token(node, cluster, account, name)  # as the kubelet does: the old one has ended meanwhile
    back = time.monotonic()
    until(lambda: metrics(node)['berth_fault_active{fault="api-unreachable"}'] == 0, 600, "it is back\n" + log(node))
    print(f"told again {time.monotonic() - back:.0f} s after it was back")
    assert condition(cluster, name) == ("True", "Proven")
    assert node.run(["docker", "inspect", "--format", "{{.State.Running}}", "tenant"]).stdout.strip() == "true"
