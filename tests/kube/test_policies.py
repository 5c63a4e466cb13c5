"""What a real API server says to the charts and to the manifests of deploy/security: what it takes, refuses, forbids.

Nothing runs here: there is no kubelet. What the server accepts, refuses and forbids is real.
"""

import json
import ssl
import urllib.request

import pytest
import yaml

from charts import CHARTS, EVERYTHING, HELM, ROOT, condition, make_account, make_namespace
from cluster import Cluster, KubectlFailed


# ---- what a real API server says ----

# Kinds of the Prometheus Operator: their definitions are not here. Their fields are in test_monitoring.py.
FOREIGN_KINDS = {"PodMonitor", "ServiceMonitor", "PrometheusRule"}
SECURITY = ("networkpolicy", "networkpolicy-runner", "quota", "node-isolation")


@pytest.mark.parametrize("chart", CHARTS)
@pytest.mark.parametrize("values", ["default", "everything", "containerd"])
def test_the_server_takes_every_object(charts, cluster, chart, values):
    if values == "containerd" and chart == "berth":
        chosen = {"listen": {"address": "::"}, "monitoring": {"serviceMonitor": {"create": True}}}
    else:
        chosen = {"default": {}, "everything": EVERYTHING[chart],
                  "containerd": {"runner": {"config": {"containerRuntime": "containerd"}}}}[values]
    make_namespace(cluster, "dry")
    objects = charts.template(chart, chosen, namespace="dry")
    for name, thing in objects.items():
        if thing["kind"] not in FOREIGN_KINDS:
            said = cluster.apply(thing, "--dry-run=server", "--namespace=" + thing["metadata"].get("namespace", "dry"))
            assert "serverside-applied" in said.stdout and not said.stderr, f"{name}: {said.stderr}"


def security_objects(name):
    return [o for o in yaml.safe_load_all((ROOT / f"deploy/security/{name}.yaml").read_text()) if o]


@pytest.mark.parametrize("name", SECURITY)
def test_the_server_takes_the_manifests_of_deploy_security(cluster, name):
    make_namespace(cluster, "daytona-dev")
    cluster.apply(security_objects("networkpolicy")[0])
    for thing in security_objects(name):
        said = cluster.apply(thing, "--dry-run=server")
        assert "serverside-applied" in said.stdout and not said.stderr, said.stderr


def test_install_change_roll_back_uninstall(charts, cluster):
    """`helm install` of both charts for real; what is left behind is nothing."""
    def helm(*arguments):
        return charts.run(*arguments, KUBECONFIG=str(cluster.kubeconfig)).stdout

    for chart in CHARTS:
        release, namespace = f"r-{chart}", f"ns-{chart}"
        helm("install", release, HELM / chart, "--namespace", namespace, "--create-namespace")
        # A second time the manifests as before: nothing that changes by itself is in them.
        first = helm("get", "manifest", release, "--namespace", namespace)
        helm("upgrade", release, HELM / chart, "--namespace", namespace)
        assert helm("get", "manifest", release, "--namespace", namespace) == first
        key = "config" if chart == "berth" else "runner.dockerInstaller.config"
        helm("upgrade", release, HELM / chart, "--namespace", namespace, "--set", f"{key}.budget.default=3G")
        assert helm("get", "manifest", release, "--namespace", namespace) != first
        (daemonset,) = cluster.get("daemonsets", f"--namespace={namespace}")["items"]
        assert daemonset["metadata"]["generation"] == 2
        helm("rollback", release, "1", "--namespace", namespace)
        helm("uninstall", release, "--namespace", namespace)
        kinds = "daemonsets,configmaps,roles,rolebindings,services,serviceaccounts,networkpolicies,secrets"
        assert cluster.get(kinds, f"--namespace={namespace}")["items"] == []
        left = cluster.get("clusterroles,clusterrolebindings,priorityclasses,validatingadmissionpolicies")["items"]
        assert not [o for o in left if o["metadata"]["name"].startswith(namespace)]


class Agent:
    """What a pod of the chart on one node can do: requests with a token as its kubelet mounts it."""

    def __init__(self, cluster, account, namespace, node):
        self.cluster = cluster
        self.namespace = namespace
        self.token = cluster.token_for(account, namespace, node=node)

    def patch_node(self, node, patch, *options, kind="merge"):
        return self.cluster.kubectl("patch", "node", node, f"--type={kind}", f"--patch={json.dumps(patch)}", *options,
                                    token=self.token)

    def patch_status(self, node, patch, kind="merge"):
        return self.patch_node(node, {"status": patch}, "--subresource=status", kind=kind)

    def create(self, thing):
        return self.cluster.kubectl("create", "--filename=-", input=json.dumps(thing), token=self.token)

    def apply(self, path, thing):
        """Server-side apply as the agent does it."""
        return self.patch(f"{path}?fieldManager=berth&force=true", thing, "apply-patch+yaml")

    def patch(self, path, thing, kind="merge-patch+json"):
        """One PATCH and no GET before it, which kubectl would make."""
        request = urllib.request.Request(
            self.cluster.url + path, method="PATCH", data=json.dumps(thing).encode(),
            headers={"Authorization": f"Bearer {self.token}", "Content-Type": f"application/{kind}"})
        tls = urllib.request.HTTPSHandler(context=ssl.create_default_context(cafile=self.cluster.ca))
        with urllib.request.build_opener(urllib.request.ProxyHandler({}), tls).open(request, timeout=30) as answer:
            return json.load(answer)


@pytest.fixture(scope="module", params=CHARTS)
def agent(request, charts, cluster):
    """The agent of node "own-..." by each chart's rights; there is a node "other-...", too."""
    chart = request.param
    namespace = f"agents-{chart}"
    make_namespace(cluster, namespace)
    for thing in charts.template(chart, namespace=namespace).values():
        if thing["kind"] not in FOREIGN_KINDS:
            cluster.apply(thing, f"--namespace={thing['metadata'].get('namespace', namespace)}")
    for name in ("own", "other"):
        cluster.make_node(f"{name}-{chart}", taints=["sandbox-runtime=sysbox:NoSchedule",
                                                     "sysbox-runtime=not-running:NoSchedule"])
        status = {"capacity": {"cpu": "4"}, "conditions": [
            {"type": "Ready", "status": "True", "lastHeartbeatTime": "2026-01-01T00:00:00Z",
             "lastTransitionTime": "2026-01-01T00:00:00Z", "reason": "r", "message": "m"}]}
        cluster.kubectl("patch", "node", f"{name}-{chart}", "--type=merge", "--subresource=status",
                        f"--patch={json.dumps({'status': status})}")
    account = "rel-berth" if chart == "berth" else "daytona-runner"
    made = Agent(cluster, account, namespace, f"own-{chart}")
    made.own, made.other, made.account = f"own-{chart}", f"other-{chart}", account
    wait_for_policies(made)
    return made


def wait_for_policies(agent):
    """A policy counts some moments after it was made."""
    for _ in range(100):
        try:
            agent.patch_node(agent.other, {"metadata": {"labels": {"berth.dev/state": "ready"}}})
        except KubectlFailed:
            return
    pytest.fail("the admission policy does not come into force")


TAINT_SANDBOX = {"key": "sandbox-runtime", "value": "sysbox", "effect": "NoSchedule"}
TAINT_START = {"key": "sysbox-runtime", "value": "not-running", "effect": "NoSchedule"}


def test_the_agent_keeps_its_own_node(agent):
    """Everything that it has to do, it may do; in this order, by server-side apply and by patches."""
    node = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": agent.own, "labels": {
        "sysbox-runtime": "running", "berth.dev/state": "ready"}}}
    assert agent.apply(f"/api/v1/nodes/{agent.own}", node)["metadata"]["labels"]["sysbox-runtime"] == "running"
    status = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": agent.own},
              "status": {"conditions": [condition()]}}
    got = agent.apply(f"/api/v1/nodes/{agent.own}/status", status)
    assert {c["type"] for c in got["status"]["conditions"]} == {"Ready", "SandboxHostReady"}
    agent.patch_node(agent.own, {"spec": {"taints": [TAINT_SANDBOX]}})
    assert agent.cluster.get("node", agent.own, token=agent.token)["spec"]["taints"] == [TAINT_SANDBOX]
    # And takes back what is not true any more: what it does not apply again is removed.
    del node["metadata"]["labels"]["sysbox-runtime"]
    assert "sysbox-runtime" not in agent.apply(f"/api/v1/nodes/{agent.own}", node)["metadata"]["labels"]
    status["status"]["conditions"] = [condition(status="False")]
    agent.apply(f"/api/v1/nodes/{agent.own}/status", status)
    agent.patch_status(agent.own, {"conditions": [condition(status="True")]}, kind="strategic")


FORBIDDEN_PATCHES = {
    "a label": {"metadata": {"labels": {"kubernetes.io/hostname": "x"}}},
    "a new label": {"metadata": {"labels": {"pool": "secrets"}}},
    "a label less": {"metadata": {"labels": {"kubernetes.io/hostname": None}}},
    "an annotation": {"metadata": {"annotations": {"a": "b"}}},
    "a finalizer": {"metadata": {"finalizers": ["example.com/a"]}},
    "a taint more": {"spec": {"taints": [TAINT_SANDBOX, TAINT_START, {"key": "a", "effect": "NoExecute"}]}},
    "another taint less": {"spec": {"taints": [TAINT_START]}},
    "a taint changed": {"spec": {"taints": [{**TAINT_SANDBOX, "effect": "PreferNoSchedule"}, TAINT_START]}},
    "unschedulable": {"spec": {"unschedulable": True}},
    "a provider": {"spec": {"providerID": "x"}},
}
FORBIDDEN_STATUS = {
    "capacity": {"capacity": {"cpu": "400"}},
    "addresses": {"addresses": [{"type": "InternalIP", "address": "10.0.0.1"}]},
    "another condition": {"conditions": [condition("Ready", "False")]},
    "a further condition": {"conditions": [condition("MemoryPressure")]},
    "images": {"images": [{"names": ["a"]}]},
    "the kubelet's port": {"daemonEndpoints": {"kubeletEndpoint": {"Port": 1}}},
    "attached volumes": {"volumesAttached": [{"name": "a", "devicePath": "/b"}]},
}


@pytest.mark.parametrize("what", FORBIDDEN_PATCHES)
def test_the_agent_may_not_change_the_rest_of_its_node(agent, what):
    with pytest.raises(KubectlFailed, match="the agent's account may"):
        agent.patch_node(agent.own, FORBIDDEN_PATCHES[what])


@pytest.mark.parametrize("what", FORBIDDEN_STATUS)
def test_the_agent_may_not_change_the_rest_of_its_status(agent, what):
    with pytest.raises(KubectlFailed, match="the agent's account may"):
        agent.patch_status(agent.own, FORBIDDEN_STATUS[what], kind="strategic")


def test_labels_do_not_come_in_by_the_status(agent):
    with pytest.raises(KubectlFailed, match="the agent's account may change sysbox-runtime"):
        agent.patch_node(agent.own, {"metadata": {"labels": {"pool": "secrets"}}}, "--subresource=status")


def test_the_agent_may_not_change_another_node(agent):
    for attempt in (lambda: agent.patch_node(agent.other, {"metadata": {"labels": {"berth.dev/state": "ready"}}}),
                    lambda: agent.patch_node(agent.other, {"spec": {"taints": [TAINT_SANDBOX]}}),
                    lambda: agent.patch_status(agent.other, {"conditions": [condition()]}, kind="strategic")):
        with pytest.raises(KubectlFailed, match="may change no node but the one its token is bound to"):
            attempt()


def test_a_token_that_is_bound_to_no_node_changes_none(agent):
    loose = Agent(agent.cluster, agent.account, agent.namespace, None)
    with pytest.raises(KubectlFailed, match="may change no node but"):
        loose.patch_node(agent.own, {"metadata": {"labels": {"berth.dev/state": "ready"}}})


def test_others_are_not_touched_by_the_policy(agent):
    agent.cluster.kubectl("label", "node", agent.other, "pool=a", "--overwrite")


@pytest.mark.parametrize("question", [
    "list nodes", "watch nodes", "update nodes", "create nodes", "delete nodes", "list pods", "get pods", "create pods",
    "get secrets", "list secrets", "get configmaps", "list events", "list leases", "delete leases", "get leases/other",
    "update leases/other", "impersonate users", "create serviceaccounts --subresource=token",
    "get nodes --subresource=proxy", "create pods --subresource=exec"])
def test_what_the_agent_may_not_ask_for(agent, question):
    said = agent.cluster.kubectl("auth", "can-i", *question.split(), f"--namespace={agent.namespace}",
                                 token=agent.token, check=False)
    assert said.stdout.strip().startswith("no"), said.stdout + said.stderr


def event(node, name, namespace="default", kind="Node"):
    regarding = {"kind": kind, "name": node, "apiVersion": "v1"} | ({"namespace": namespace} if kind == "Pod" else {})
    return {"apiVersion": "events.k8s.io/v1", "kind": "Event", "metadata": {"name": name, "namespace": namespace},
            "eventTime": "2026-01-01T00:00:00.000000Z", "reportingController": "berth.dev/agent",
            "reportingInstance": node,
            "action": "Repair", "reason": "DockerDead", "type": "Warning", "note": "n", "regarding": regarding}


def test_events_are_about_the_own_node(agent):
    agent.create(event(agent.own, f"{agent.own}.1"))
    series = {"series": {"count": 2, "lastObservedTime": "2026-01-01T00:00:01.000000Z"}}
    got = agent.patch(f"/apis/events.k8s.io/v1/namespaces/default/events/{agent.own}.1", series)
    assert got["series"]["count"] == 2
    with pytest.raises(KubectlFailed, match="about its own node alone"):
        agent.create(event(agent.other, f"{agent.other}.1"))
    with pytest.raises(KubectlFailed, match="about its own node alone"):
        agent.create(event(agent.own, f"{agent.own}.2", kind="Pod"))
    with pytest.raises(KubectlFailed, match="cannot create resource"):
        agent.create(event(agent.own, f"{agent.own}.3", namespace=agent.namespace))


def test_leases_are_the_slots(agent):
    def lease(name, namespace=agent.namespace):
        return {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease",
                "metadata": {"name": name, "namespace": namespace}, "spec": {"holderIdentity": agent.own}}

    agent.create(lease("berth-slot-0"))
    held = agent.cluster.get("lease", "berth-slot-0", f"--namespace={agent.namespace}", token=agent.token)
    held["spec"]["holderIdentity"] = ""
    agent.cluster.kubectl("replace", "--filename=-", input=json.dumps(held), token=agent.token)
    for name in ("berth-slot-1", "somebodys-leader-election"):
        with pytest.raises(KubectlFailed, match="the slots' leases alone"):
            agent.create(lease(name))
    with pytest.raises(KubectlFailed, match="cannot create resource"):
        agent.create(lease("berth-slot-0", "kube-node-lease"))


# ---- deploy/security against the server ----


@pytest.fixture(scope="module")
def isolated(module_cluster):
    """The lock on sandbox nodes in force; namespaces "outside" and "inside". It would refuse other tests' pods."""
    make_namespace(module_cluster, "outside")
    make_namespace(module_cluster, "inside", **{"berth.dev/sandbox-nodes": "allowed"})
    module_cluster.apply(pod("early", "outside", tolerations=[{"operator": "Exists"}]))
    for thing in security_objects("node-isolation"):
        module_cluster.apply(thing)
    for attempt in range(100):
        try:
            module_cluster.apply(pod(f"probe-{attempt}", "outside", nodeName="n"), "--dry-run=server")
        except KubectlFailed:
            return module_cluster
    pytest.fail("the admission policy does not come into force")


def pod(name, namespace, **spec):
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "namespace": namespace},
            "spec": {"containers": [{"name": "c", "image": "i"}], **spec}}


TO_SANDBOX_NODES = {
    "by the taint's key": {"tolerations": [{"key": "sandbox-runtime", "operator": "Exists"}]},
    "by key and value": {"tolerations": [{"key": "sandbox-runtime", "value": "sysbox", "effect": "NoSchedule"}]},
    "by everything": {"tolerations": [{"operator": "Exists"}]},
    "by every NoSchedule": {"tolerations": [{"operator": "Exists", "effect": "NoSchedule"}]},
    "by name": {"nodeName": "sandbox-1"},
}


@pytest.mark.parametrize("way", TO_SANDBOX_NODES)
def test_other_pods_do_not_get_onto_sandbox_nodes(isolated, way):
    with pytest.raises(KubectlFailed, match="sandbox-runtime|may not name its node"):
        isolated.apply(pod("a", "outside", **TO_SANDBOX_NODES[way]), "--dry-run=server")
    for namespace in ("inside", "kube-system"):
        if namespace == "kube-system":
            make_account(isolated, namespace)
        isolated.apply(pod("a", namespace, **TO_SANDBOX_NODES[way]), "--dry-run=server")


def test_ordinary_pods_are_not_touched(isolated):
    for spec in ({}, {"tolerations": [{"key": "gpu", "operator": "Exists"}]},
                 {"tolerations": [{"operator": "Exists", "effect": "NoExecute"}]}):
        isolated.apply(pod("b", "outside", **spec), "--dry-run=server")
    # Kubelets say which static pods they run.
    isolated.apply(pod("c", "outside"), "--dry-run=server")


def test_a_pod_that_was_there_before_can_be_changed_and_gains_nothing(isolated):
    isolated.kubectl("label", "pod", "early", "--namespace=outside", "a=b")
    isolated.apply(pod("late", "outside"))
    more = [{"key": "sandbox-runtime", "operator": "Exists"}]
    with pytest.raises(KubectlFailed, match="sandbox-runtime"):
        isolated.kubectl("patch", "pod", "late", "--namespace=outside",
                         f"--patch={json.dumps({'spec': {'tolerations': more}})}")


def test_who_may_not_change_nodes_does_not_let_a_namespace_in(isolated):
    isolated.kubectl("create", "clusterrole", "namespaces", "--verb=get,create,update,patch", "--resource=namespaces")
    isolated.kubectl("create", "clusterrolebinding", "namespaces", "--clusterrole=namespaces", "--user=tenant")
    isolated.kubectl("label", "namespace", "outside", "a=b", "--as=tenant")
    with pytest.raises(KubectlFailed, match="set by those who may update nodes"):
        isolated.kubectl("label", "namespace", "outside", "berth.dev/sandbox-nodes=allowed", "--as=tenant")


def test_quota_and_limits_count(cluster):
    for thing in [security_objects("networkpolicy")[0], *security_objects("quota")]:
        cluster.apply(thing)
    make_account(cluster, "sandboxes")
    made = json.loads(cluster.apply(pod("a", "sandboxes"), "--dry-run=server", "--output=json").stdout)
    assert made["spec"]["containers"][0]["resources"]["limits"] == {
        "cpu": "2", "memory": "4Gi", "ephemeral-storage": "10Gi"}
    huge = {"containers": [{"name": "c", "image": "i", "resources": {"limits": {"cpu": "9", "memory": "1Gi"}}}]}
    with pytest.raises(KubectlFailed, match="maximum cpu usage per Container is 8"):
        cluster.apply(pod("b", "sandboxes", **huge), "--dry-run=server")
    with pytest.raises(KubectlFailed, match="PodSecurity|host"):
        cluster.apply(pod("c", "sandboxes", hostPID=True), "--dry-run=server")


def test_the_audit_policy_writes_what_matters_and_no_noise(cluster, tmp_path):
    log = tmp_path / "audit.log"
    flags = (f"--audit-policy-file={ROOT / 'deploy/security/audit-policy.yaml'}", f"--audit-log-path={log}",
             "--audit-log-mode=blocking-strict")
    with Cluster(flags=flags) as audited:
        make_namespace(audited, "runners")
        audited.make_node("n1")
        audited.kubectl("taint", "node", "n1", "a=b:NoSchedule")
        audited.kubectl("exec", "p", "--namespace=runners", "--", "true", check=False)
        audited.apply(pod("p", "runners"))
        audited.kubectl("exec", "p", "--namespace=runners", "--", "/berth", "verify", check=False)
        audited.kubectl("create", "secret", "generic", "s", "--from-literal=key=pssst", "--namespace=runners")
        audited.token_for("default", "runners")
        audited.get("pods", "--all-namespaces")
        audited.kubectl("create", "clusterrole", "r", "--verb=get", "--resource=nodes")
    records = [json.loads(line) for line in log.read_text().splitlines()]
    by = {(r["verb"], *map(r.get("objectRef", {}).get, ("resource", "subresource"))): r for r in records}
    assert by["patch", "nodes", None]["requestObject"]["spec"]["taints"][0]["key"] == "a"
    assert "requestObject" in by["create", "clusterroles", None]
    assert {("get", "pods", "exec"), ("create", "pods", "exec")} & set(by)
    assert by["patch", "pods", None]["level"] == "Metadata"
    for secret in (("create", "secrets", None), ("create", "serviceaccounts", "token")):
        assert by[secret]["level"] == "Metadata" and "requestObject" not in by[secret]
    assert "pssst" not in log.read_text()
    assert not [r for r in records if r["verb"] in ("list", "watch")]
