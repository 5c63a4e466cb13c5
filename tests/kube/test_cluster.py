"""The API server is a real one: it checks who asks, keeps what it was told, and minds nodes' own business."""

import json

import pytest

import parts
from cluster import KubectlFailed

ACCOUNT = """\
apiVersion: v1
kind: Namespace
metadata: {name: NAMESPACE}
---
apiVersion: v1
kind: ServiceAccount
metadata: {name: agent, namespace: NAMESPACE}
"""


def make_account(cluster, namespace):
    cluster.apply(ACCOUNT.replace("NAMESPACE", namespace))


def who_am_i(cluster, token):
    """The user that the API server sees behind *token*."""
    said = cluster.kubectl("auth", "whoami", "--output=json", token=token).stdout
    return json.loads(said)["status"]["userInfo"]


def test_it_is_the_pinned_version(cluster):
    said = json.loads(cluster.kubectl("version", "--output=json").stdout)
    pinned = parts.GO_PARTS["kube-apiserver"].version()
    assert said["serverVersion"]["gitVersion"] == said["clientVersion"]["gitVersion"] == pinned
    assert (said["serverVersion"]["major"], said["serverVersion"]["minor"]) == tuple(pinned[1:].split(".")[:2])


def test_rbac_refuses_a_service_account_without_a_role(cluster):
    make_account(cluster, "rbac")
    token = cluster.token_for("agent", "rbac")
    with pytest.raises(KubectlFailed, match='"system:serviceaccount:rbac:agent" cannot list resource "nodes"'):
        cluster.get("nodes", token=token)
    cluster.kubectl("create", "clusterrole", "rbac-reader", "--verb=list", "--resource=nodes")
    cluster.kubectl("create", "clusterrolebinding", "rbac-reader", "--clusterrole=rbac-reader",
                    "--serviceaccount=rbac:agent")
    assert cluster.get("nodes", token=token)["kind"] == "List"


def test_a_forged_token_is_nobody(cluster):
    with pytest.raises(KubectlFailed, match="must be logged in|Unauthorized"):
        cluster.get("nodes", token=cluster.token + "x")


def test_a_bound_token_names_its_node(cluster):
    make_account(cluster, "bound")
    cluster.make_node("bound-1")
    bound = who_am_i(cluster, cluster.token_for("agent", "bound", node="bound-1"))
    assert bound["username"] == "system:serviceaccount:bound:agent"
    assert bound["extra"]["authentication.kubernetes.io/node-name"] == ["bound-1"]
    free = who_am_i(cluster, cluster.token_for("agent", "bound"))
    assert "authentication.kubernetes.io/node-name" not in free["extra"]


def test_a_node_may_change_itself_and_no_other(cluster):
    for name in ("mine", "theirs"):
        cluster.make_node(name)
    as_mine = ("--as=system:node:mine", "--as-group=system:nodes")
    cluster.kubectl("label", "node", "mine", "example.test/own=1", *as_mine)
    with pytest.raises(KubectlFailed, match="only its own Node object"):
        cluster.kubectl("label", "node", "theirs", "example.test/own=1", *as_mine)
    with pytest.raises(KubectlFailed, match="is not allowed to modify labels"):
        cluster.kubectl("label", "node", "mine", "node-restriction.kubernetes.io/a=1", *as_mine)


def test_a_node_has_the_taints_it_was_made_with_and_no_more(cluster):
    made = cluster.make_node("tainted", ["sandbox-runtime=sysbox:NoSchedule", "busy:NoExecute"], {"pool": "sandboxes"})
    assert [(t["key"], t.get("value"), t["effect"]) for t in made["spec"]["taints"]] == [
        ("sandbox-runtime", "sysbox", "NoSchedule"), ("busy", None, "NoExecute")]
    assert made["metadata"]["labels"]["pool"] == "sandboxes"
    assert "taints" not in cluster.make_node("plain")["spec"]


def test_a_condition_is_applied_to_a_nodes_status_beside_those_of_others(cluster):
    cluster.make_node("conditions")
    for manager, condition in (("kubelet", "Ready"), ("berth", "SandboxHostReady")):
        status = {"conditions": [{"type": condition, "status": "True", "reason": "Tested", "message": ""}]}
        cluster.apply({"apiVersion": "v1", "kind": "Node", "metadata": {"name": "conditions"}, "status": status},
                      "--subresource=status", f"--field-manager={manager}")
    node = cluster.get("node", "conditions", "--show-managed-fields")
    assert [c["type"] for c in node["status"]["conditions"]] == ["Ready", "SandboxHostReady"]
    owners = {f["manager"] for f in node["metadata"]["managedFields"] if f.get("subresource") == "status"}
    assert owners == {"kubelet", "berth"}


def test_a_restart_keeps_the_data_the_port_and_the_tokens(own_cluster):
    make_account(own_cluster, "kept")
    before = own_cluster.get("serviceaccount", "agent", "--namespace=kept")["metadata"]["uid"]
    token, url = own_cluster.token_for("agent", "kept"), own_cluster.url
    own_cluster.stop()
    with pytest.raises(KubectlFailed, match="refused"):
        own_cluster.get("nodes")
    own_cluster.start()
    assert own_cluster.url == url
    assert own_cluster.get("serviceaccount", "agent", "--namespace=kept")["metadata"]["uid"] == before
    assert who_am_i(own_cluster, token)["username"] == "system:serviceaccount:kept:agent"
