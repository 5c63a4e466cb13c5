"""deploy/eks: made of the chart, with the names of EKS clusters that have Sysbox, and taken by a real API server.

Karpenter's own definitions say what a NodePool and an EC2NodeClass may be. They come as a Go module, as the programs of
parts.py do, and stay in Go's cache.
"""

import json
import os
import re
import shutil
import subprocess

import pytest
import yaml

import parts
from charts import ROOT, make_account, of_kind
from cluster import Cluster, KubectlFailed
from test_charts import rights
from test_sandbox_pods import MUTATING

EKS = ROOT / "deploy/eks"
KARPENTER = ("github.com/aws/karpenter-provider-aws", "v1.8.2", "h1:oSx4o/7myDNRGXL6YxfielfczQ/8lOYqL03LzfmdqW8=")


def objects_of(name, change=lambda text: text):
    documents = yaml.safe_load_all(change((EKS / name).read_text()))
    return {f"{o['kind']}/{o['metadata']['name']}": o for o in documents if o}


def with_local_disks(text):
    """karpenter.yaml with its lines for instance types that have a disk of their own."""
    changed = re.sub(r"^( *)#\+ ", r"\1", text, flags=re.M)
    assert changed != text
    return changed


# ---- the chart's, under the document's names ----


def test_the_manifests_are_what_the_chart_renders(helm, tmp_path):
    """After a change of the chart or of values.yaml: HELM=... deploy/eks/render."""
    done = subprocess.run([EKS / "render", tmp_path], capture_output=True, text=True, check=False,
                          env={**os.environ, "HELM": str(helm)})
    assert (done.returncode, done.stderr) == (0, "")
    assert sorted(os.listdir(tmp_path)) == ["mutating-policy.yaml", "sysbox-deploy.yaml"]
    for made in tmp_path.iterdir():
        assert made.read_text() == (EKS / made.name).read_text(), f"deploy/eks/{made.name} is old: run deploy/eks/render"


def test_the_script_is_clean():
    done = subprocess.run(["shellcheck", EKS / "render"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def test_the_documents_names():
    objects = objects_of("sysbox-deploy.yaml")
    daemonset = objects["DaemonSet/sysbox-deploy"]
    assert daemonset["metadata"]["namespace"] == "kube-system"
    template = daemonset["spec"]["template"]
    assert template["metadata"]["labels"]["name"] == "sysbox-deploy"
    assert template["spec"]["nodeSelector"] == {"kubernetes.io/os": "linux", "sysbox-install": "yes"}
    runtime_class = objects["RuntimeClass/sysbox-runc"]
    assert runtime_class["handler"] == "sysbox-runc"
    assert runtime_class["scheduling"] == {
        "nodeSelector": {"sysbox-install": "yes"},
        "tolerations": [{"key": "sandbox-runtime", "operator": "Equal", "value": "sysbox", "effect": "NoSchedule"}]}


def test_the_rights_are_the_charts(charts):
    found = rights(objects_of("sysbox-deploy.yaml"))
    assert found == rights(charts.template("berth", namespace="kube-system"))
    assert not {verb for _, _, _, verb, _ in found} & {"list", "watch", "delete", "*"}


def test_what_has_a_namespace_says_which():
    without = ("Cluster", "RuntimeClass", "ValidatingAdmissionPolicy", "MutatingAdmissionPolicy", "PriorityClass")
    for name, thing in {**objects_of("sysbox-deploy.yaml"), **objects_of("mutating-policy.yaml")}.items():
        assert ("namespace" in thing["metadata"]) != thing["kind"].startswith(without), name
        assert "Helm" not in json.dumps(thing)


def test_kustomize_puts_in_the_image(kubectl, tmp_path):
    folder = shutil.copytree(EKS, tmp_path / "eks")
    settings = folder / "kustomization.yaml"
    settings.write_text(settings.read_text().replace("newName: registry.example.com/berth", "newName: mine.example/b"))
    done = subprocess.run([kubectl, "kustomize", folder], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    made = {f"{o['kind']}/{o['metadata']['name']}": o for o in yaml.safe_load_all(done.stdout)}
    assert set(made) == set(objects_of("sysbox-deploy.yaml"))
    (container,) = made["DaemonSet/sysbox-deploy"]["spec"]["template"]["spec"]["containers"]
    assert container["image"] == "mine.example/b:0.1.0"


# ---- nodes and pods that find each other ----


def tolerated(taint, tolerations):
    return any(t.get("key") in (None, taint["key"]) and t.get("effect", taint["effect"]) == taint["effect"]
               and (t.get("operator") == "Exists" or t.get("value", "") == taint.get("value", "")) for t in tolerations)


def test_agents_and_sandboxes_go_to_karpenters_nodes():
    nodes = objects_of("karpenter.yaml")["NodePool/sysbox"]["spec"]["template"]
    deployed = objects_of("sysbox-deploy.yaml")
    agent = deployed["DaemonSet/sysbox-deploy"]["spec"]["template"]["spec"]
    sandbox = deployed["RuntimeClass/sysbox-runc"]["scheduling"]
    labels = {**nodes["metadata"]["labels"], "kubernetes.io/os": "linux"}
    assert agent["nodeSelector"].items() <= labels.items() and sandbox["nodeSelector"].items() <= labels.items()
    (taint,), (startup,) = nodes["spec"]["taints"], nodes["spec"]["startupTaints"]
    assert tolerated(taint, agent["tolerations"]) and tolerated(startup, agent["tolerations"])
    # A sandbox waits until the node is proven.
    assert tolerated(taint, sandbox["tolerations"]) and not tolerated(startup, sandbox["tolerations"])
    policy = deployed["ValidatingAdmissionPolicy/kube-system-sysbox-deploy-nodes"]["spec"]["validations"]
    assert any(f't.key == "{startup["key"]}"' in v["expression"] for v in policy)


def test_the_node_pool_is_of_its_node_class():
    objects = objects_of("karpenter.yaml")
    reference = objects["NodePool/sysbox"]["spec"]["template"]["spec"]["nodeClassRef"]
    made = objects["EC2NodeClass/sysbox"]
    assert (reference["group"], reference["kind"]) == (made["apiVersion"].partition("/")[0], made["kind"])
    assert f"{reference['kind']}/{reference['name']}" in objects


@pytest.mark.parametrize("disks", [False, True])
def test_the_user_data_is_a_script(disks):
    made = objects_of("karpenter.yaml", with_local_disks if disks else str)["EC2NodeClass/sysbox"]["spec"]
    script = made["userData"]
    assert ("berth-pool" in script and "#+" not in script) == disks
    # Without this taint Karpenter cannot tell whether it was there first.
    assert "--register-with-taints=karpenter.sh/unregistered:NoExecute" in script
    done = subprocess.run(["shellcheck", "-s", "bash", "-"], input=script, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
    (root,) = [d for d in made["blockDeviceMappings"] if d.get("rootVolume")]
    assert root["deviceName"] == "/dev/sda1"


# ---- the API server ----


@pytest.fixture(scope="module")
def server():
    """An API server with all of deploy/eks but Karpenter's, applied as README.md says."""
    try:
        described = Cluster(flags=MUTATING)
    except parts.Unavailable as reason:
        pytest.skip(str(reason))
    with described as running:
        make_account(running, "default")
        running.kubectl("apply", f"--kustomize={EKS}")
        running.make_node("sandboxes-1", labels={"sysbox-install": "yes"})
        running.make_node("others-1")
        for _ in range(100):
            try:
                running.apply(plain_pod(), "--dry-run=server")
            except KubectlFailed:
                break
        else:
            pytest.fail("the admission policy does not come into force")
        yield running


def plain_pod():
    """The document's pod, as it is written there."""
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "plain", "namespace": "default"},
            "spec": {"runtimeClassName": "sysbox-runc", "containers": [{"name": "dind", "image": "docker:dind"}]}}


def test_applied_twice_nothing_changes(server):
    def versions():
        return {f"{o['kind']}/{o['metadata']['name']}": o["metadata"]["resourceVersion"]
                for o in server.get(f"--kustomize={EKS}")["items"]}

    before = versions()
    server.kubectl("apply", f"--kustomize={EKS}")
    assert versions() == before and set(before) == set(objects_of("sysbox-deploy.yaml"))


def test_helm_with_the_same_values_makes_the_same(charts, server):
    text = charts.run("template", "sysbox-deploy", ROOT / "helm/berth", "--namespace=kube-system",
                      f"--values={EKS / 'values.yaml'}").stdout
    wanted = {f"{o['kind']}/{o['metadata']['name']}": o for o in yaml.safe_load_all(text) if o}
    found = objects_of("sysbox-deploy.yaml")
    assert set(found) == set(wanted)
    for name, thing in wanted.items():
        for label in ("helm.sh/chart", "app.kubernetes.io/managed-by"):
            del thing["metadata"]["labels"][label]
        assert found[name] == thing, name
    assert server.get("runtimeclass", "sysbox-runc")["handler"] == "sysbox-runc"


def test_the_pods_are_admitted(server):
    for name, thing in objects_of("pods.yaml").items():
        said = server.apply(thing, "--dry-run=server", "--namespace=default", "--output=json")
        spec = json.loads(said.stdout)["spec"]
        assert not said.stderr and spec["nodeSelector"] == {"sysbox-install": "yes"}, name
        assert not [c for c in spec["containers"] if "securityContext" in c]
    assert {"Pod/my-sandbox-pod", "Pod/docker-in-docker"} == set(objects_of("pods.yaml"))


def test_the_documents_pod_needs_one_line_or_the_mutating_policy(server):
    with pytest.raises(KubectlFailed, match='needs "hostUsers: false"'):
        server.apply(plain_pod(), "--dry-run=server")
    server.kubectl("apply", f"--filename={EKS / 'mutating-policy.yaml'}")
    try:
        for attempt in range(100):
            try:
                made = json.loads(server.apply(plain_pod(), "--dry-run=server", "--output=json").stdout)
                break
            except KubectlFailed:
                assert attempt < 99, "the mutating policy does not come into force"
        assert made["spec"]["hostUsers"] is False
    finally:
        server.kubectl("delete", f"--filename={EKS / 'mutating-policy.yaml'}")


# ---- the document's troubleshooting, as docs/kubernetes.md has it ----

DOCUMENT = ["kubectl get daemonset -n kube-system sysbox-deploy", "kubectl logs -n kube-system -l name=sysbox-deploy -f",
            "kubectl get nodes -l sysbox-install=yes -o wide", "kubectl get runtimeclass sysbox-runc -o yaml"]


def troubleshooting():
    """{command: what to look for} of the manual's table."""
    text = (ROOT / "docs/kubernetes.md").read_text().partition("\n## Troubleshooting\n")[2].partition("\n## ")[0]
    return dict(re.findall(r"^\| `(.+?)` \| (.+) \|$", text, re.M))


def test_the_manual_has_the_documents_commands():
    commands = troubleshooting()
    for words in DOCUMENT:
        assert commands.get(words), words
    assert commands["systemctl status containerd"] and commands["crictl info"]
    assert "crio" not in " ".join(commands)


def test_the_documents_commands_find_what_they_are_for(server):
    def ran(command):
        assert command in troubleshooting()
        return server.kubectl(*command.split()[1:]).stdout

    daemonset, logs, nodes, runtime_class = DOCUMENT
    assert "sysbox-deploy" in ran(daemonset) and "sysbox-install=yes" in ran(daemonset)
    assert [line.split()[0] for line in ran(nodes).splitlines()[1:]] == ["sandboxes-1"]
    assert yaml.safe_load(ran(runtime_class))["handler"] == "sysbox-runc"
    # Without a kubelet there are no logs: the selector is that of the DaemonSet's pods.
    template = server.get("daemonset", "sysbox-deploy", "--namespace=kube-system")["spec"]["template"]
    key, _, value = re.search(r"-l (\S+)", logs)[1].partition("=")
    assert template["metadata"]["labels"][key] == value


def test_the_manuals_other_kubectl_commands_are_understood(server):
    for command in set(troubleshooting()) - set(DOCUMENT):
        if command.startswith("kubectl get"):
            done = server.kubectl(*[w.strip("'") for w in command.replace("NODE", "sandboxes-1").split()[1:]],
                                  check=False)
            assert done.returncode == 0, f"{command}: {done.stderr}"


# ---- Karpenter ----


@pytest.fixture(scope="module")
def karpenter(server, tmp_path_factory):
    """The API server with Karpenter's definitions."""
    go = shutil.which("go") or shutil.which("go", path="/usr/local/go/bin")
    if not go:
        pytest.skip("there is no Go on this machine to fetch Karpenter's definitions with")
    module, version, digest = KARPENTER
    done = subprocess.run([go, "mod", "download", "-json", f"{module}@{version}"], capture_output=True, text=True,
                          cwd=tmp_path_factory.mktemp("go"), check=False, timeout=600,
                          env={**os.environ, "GOFLAGS": "", "GOWORK": "off", "GOTOOLCHAIN": "local"})
    found = json.loads(done.stdout or "{}")
    if "Dir" not in found:
        pytest.skip(f"Karpenter's definitions cannot be had: {found.get('Error') or done.stderr.strip()}")
    assert found["Sum"] == digest
    for name in ("karpenter.sh_nodepools", "karpenter.k8s.aws_ec2nodeclasses"):
        server.kubectl("create", f"--filename={found['Dir']}/pkg/apis/crds/{name}.yaml")
    server.kubectl("wait", "--for=condition=Established", "customresourcedefinitions", "--all", "--timeout=60s")
    return server


@pytest.mark.parametrize("disks", [False, True])
def test_karpenter_takes_its_objects(karpenter, disks):
    objects = objects_of("karpenter.yaml", with_local_disks if disks else str)
    assert {o["kind"] for o in objects.values()} == {"NodePool", "EC2NodeClass"}
    for name, thing in objects.items():
        said = karpenter.apply(thing, "--dry-run=server", "--validate=strict")
        assert "serverside-applied" in said.stdout and not said.stderr, f"{name}: {said.stderr}"
    asked = [r["key"] for r in objects["NodePool/sysbox"]["spec"]["template"]["spec"]["requirements"]]
    assert ("karpenter.k8s.aws/instance-local-nvme" in asked) == disks


@pytest.mark.parametrize("kind, spoil, why", [
    ("NodePool", lambda o: o["spec"]["template"]["spec"].update(startupTaint=[]), "startupTaint"),
    ("NodePool", lambda o: o["spec"]["template"]["spec"].pop("nodeClassRef"), "nodeClassRef"),
    ("NodePool", lambda o: o["spec"]["template"]["metadata"]["labels"].update({"karpenter.sh/nodepool": "a"}),
     "restricted"),
    ("EC2NodeClass", lambda o: o["spec"].pop("amiSelectorTerms"), "amiSelectorTerms"),
    ("EC2NodeClass", lambda o: o["spec"].update(amiFamily="Ubuntu"), "amiFamily"),
    ("EC2NodeClass", lambda o: o["spec"]["blockDeviceMappings"].append(o["spec"]["blockDeviceMappings"][0]),
     "rootVolume"),
], ids=["field", "class", "label", "image", "family", "roots"])
def test_karpenter_refuses_others(karpenter, kind, spoil, why):
    (thing,) = of_kind(objects_of("karpenter.yaml"), kind)
    spoil(thing)
    with pytest.raises(KubectlFailed, match=why):
        karpenter.apply(thing, "--dry-run=server", "--validate=strict")
