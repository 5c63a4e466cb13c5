"""Pods that are sandboxes: what the chart makes for them, and what a real API server then does with them.

The API server is one with MutatingAdmissionPolicy, which 1.34 has and does not switch on by itself. Nothing runs here.
"""

import json
import subprocess

import pytest
import yaml

import parts
from charts import EVERYTHING, HELM, Refused, berth_program, make_account, make_namespace, of_kind, pod_of
from cluster import Cluster, KubectlFailed
from test_charts import rights

WITH_PODS = ("containerd", "docker+containerd", "crio", "docker+crio")
MUTATING = ("--feature-gates=MutatingAdmissionPolicy=true", "--runtime-config=admissionregistration.k8s.io/v1beta1=true")
TOLERATION = {"key": "sandbox-runtime", "operator": "Equal", "value": "sysbox", "effect": "NoSchedule"}
BY_FIELD = "object.spec.?runtimeClassName"
GIB = 1 << 30


# ---- what is rendered ----


def concerned(objects):
    """What is there for pods that are sandboxes."""
    return {name for name, thing in objects.items()
            if thing["kind"] == "RuntimeClass" or BY_FIELD in json.dumps(thing)}


def rendered(charts, values, *versions):
    """The objects, as by `helm template` for a cluster that serves MutatingAdmissionPolicy in these versions."""
    served = [f"--api-versions=admissionregistration.k8s.io/{v}/MutatingAdmissionPolicy" for v in versions]
    text = charts.run("template", "rel", HELM / "berth", "--namespace=spaces",
                      f"--values={charts.values_file(values)}", *served).stdout
    return {f"{o['kind']}/{o['metadata']['name']}": o for o in yaml.safe_load_all(text) if o}


def test_with_docker_no_pod_is_concerned(charts):
    objects = charts.template("berth", {"admission": {"mutate": True}})
    assert not concerned(objects)
    assert "engine" not in objects["ConfigMap/rel-berth"]["data"]["config.yaml"]


@pytest.mark.parametrize("engine", WITH_PODS)
def test_an_engine_of_the_kubelet_has_a_runtime_class_and_a_policy(charts, engine):
    objects = charts.template("berth", {"engine": engine})
    assert concerned(objects) == {"RuntimeClass/sysbox-runc", "ValidatingAdmissionPolicy/spaces-rel-berth-pods"}
    made = objects["RuntimeClass/sysbox-runc"]
    assert made["handler"] == "sysbox-runc"
    assert made["overhead"] == {"podFixed": {"memory": "48Mi"}}
    assert made["scheduling"] == {"nodeSelector": {"sandbox-runtime": "sysbox"}, "tolerations": [TOLERATION]}
    (binding,) = [o for o in of_kind(objects, "ValidatingAdmissionPolicyBinding")
                  if o["spec"]["policyName"] == "spaces-rel-berth-pods"]
    assert binding["spec"]["validationActions"] == ["Deny"]
    settings = yaml.safe_load(objects["ConfigMap/rel-berth"]["data"]["config.yaml"])
    assert settings == {"engine": engine}


@pytest.mark.parametrize("engine", WITH_PODS)
def test_the_agents_pod_and_rights_are_those_of_docker(charts, engine):
    with_docker, with_pods = charts.template("berth"), charts.template("berth", {"engine": engine})
    assert pod_of(with_pods) == pod_of(with_docker)
    assert rights(with_pods) == rights(with_docker)


@pytest.mark.parametrize("engine", ["docker", *WITH_PODS])
def test_the_program_takes_the_engine(charts, engine, tmp_path):
    for values in ({}, EVERYTHING["berth"]):
        objects = charts.template("berth", {**values, "engine": engine})
        path = tmp_path / "config.yaml"
        path.write_text(objects["ConfigMap/rel-berth"]["data"]["config.yaml"])
        done = subprocess.run([berth_program(), "config", "check", path], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr


def test_another_engine_is_another_pod(charts):
    sums = {of_kind(charts.template("berth", {"engine": engine}), "DaemonSet")[0]["spec"]["template"]["metadata"][
        "annotations"]["checksum/config"] for engine in ("docker", *WITH_PODS)}
    assert len(sums) == 1 + len(WITH_PODS)


def test_the_runtime_class_follows_its_values(charts):
    values = {"engine": "containerd", "nodeSelector": {"sandbox-runtime": None, "pool": "a"}, "runtimeClass": {
        "name": "strong", "overhead": {"cpu": "10m", "memory": "48Mi"}, "tolerations": []}}
    objects = charts.template("berth", values)
    made = objects["RuntimeClass/strong"]
    assert (made["handler"], made["overhead"]["podFixed"]) == ("sysbox-runc", {"cpu": "10m", "memory": "48Mi"})
    assert made["scheduling"] == {"nodeSelector": {"pool": "a"}}
    policy = objects["ValidatingAdmissionPolicy/spaces-rel-berth-pods"]["spec"]
    assert '"strong"' in policy["matchConditions"][0]["expression"]
    values["runtimeClass"] = {"nodeSelector": {"pool": "b"}, "overhead": {"memory": None}}
    made = charts.template("berth", values)["RuntimeClass/sysbox-runc"]
    assert made["scheduling"]["nodeSelector"] == {"pool": "b"} and "overhead" not in made


def test_each_part_can_be_left_out(charts):
    without = {"engine": "containerd", "runtimeClass": {"create": False}, "admission": {"validate": False}}
    assert not concerned(charts.template("berth", without))


def test_the_mutating_policy_is_of_the_newest_version_that_is_served(charts):
    values = {"engine": "containerd", "admission": {"mutate": True}}
    for versions, newest in ((("v1alpha1",), "v1alpha1"), (("v1alpha1", "v1beta1"), "v1beta1"),
                             (("v1beta1", "v1"), "v1")):
        made = rendered(charts, values, *versions)
        for kind in ("MutatingAdmissionPolicy", "MutatingAdmissionPolicyBinding"):
            assert made[f"{kind}/spaces-rel-berth-pods"]["apiVersion"] == f"admissionregistration.k8s.io/{newest}"
    assert not [o for o in rendered(charts, {"engine": "containerd"}, "v1beta1").values()
                if o["kind"].startswith("Mutating")]


def test_where_no_mutating_policy_is_served_it_cannot_be_had(charts):
    with pytest.raises(Refused, match="admission.mutate: this cluster serves no MutatingAdmissionPolicy"):
        charts.template("berth", {"engine": "containerd", "admission": {"mutate": True}})


@pytest.mark.parametrize("values, name", [
    ({"engine": "podman"}, "/engine"), ({"engine": ""}, "/engine"), ({"engine": ["docker"]}, "/engine"),
    ({"engine": "containerd+docker"}, "/engine"), ({"config": {"engine": "containerd"}}, "engine"),
    ({"runtimeClass": {"name": "Sysbox"}}, "/runtimeClass/name"), ({"runtimeClass": {"handler": "runc"}}, "handler"),
    ({"runtimeClass": {"overhead": {"memory": "some"}}}, "/runtimeClass/overhead/memory"),
    ({"admission": {"maxDisk": "20 GB"}}, "/admission/maxDisk"), ({"admission": {"mutate": "auto"}}, "/admission/mutate"),
], ids=json.dumps)
def test_a_wrong_value_is_refused_with_its_name(charts, values, name):
    with pytest.raises(Refused) as refusal:
        charts.template("berth", values)
    assert name in str(refusal.value)


# ---- what the API server does ----


@pytest.fixture(scope="module")
def server():
    """An API server with MutatingAdmissionPolicy."""
    try:
        described = Cluster(flags=MUTATING)
    except parts.Unavailable as reason:
        pytest.skip(str(reason))
    with described as running:
        for namespace in ("tenants", "limited"):
            make_namespace(running, namespace)
        running.apply({"apiVersion": "v1", "kind": "LimitRange", "metadata": {"name": "l", "namespace": "limited"},
                       "spec": {"limits": [{"type": "Container", "default": {"ephemeral-storage": "3Gi"}}]}})
        yield running


def install(charts, server, name, config=None, **admission):
    """The chart by helm, with a runtime class of that name."""
    values = {"engine": "containerd", "runtimeClass": {"name": name}, "admission": admission, "config": config or {}}
    charts.run("install", name, HELM / "berth", f"--namespace={name}", "--create-namespace",
               f"--values={charts.values_file(values)}", KUBECONFIG=str(server.kubeconfig))
    return name


def pod(runtime_class, *, namespace="tenants", disk=None, containers=None, **spec):
    metadata = {"generateName": "p-", "namespace": namespace}
    if disk is not None:
        metadata["annotations"] = {"berth.dev/disk": disk}
    if runtime_class:
        spec["runtimeClassName"] = runtime_class
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata,
            "spec": {"containers": containers or [{"name": "c", "image": "i"}], **spec}}


def create(server, thing, *options):
    made = server.kubectl("create", "--filename=-", "--output=json", *options, input=json.dumps(thing))
    return json.loads(made.stdout)


def tried(server, thing):
    return create(server, thing, "--dry-run=server")


@pytest.fixture(scope="module")
def validated(charts, server):
    """A runtime class whose pods are validated; the most that they may ask for is 20G."""
    name = install(charts, server, "validated", maxDisk="20G")
    for _ in range(100):
        try:
            tried(server, pod(name))
        except KubectlFailed:
            return name
    pytest.fail("the admission policy does not come into force")


@pytest.fixture(scope="module")
def mutated(charts, server):
    """A runtime class whose pods are changed, and validated."""
    name = install(charts, server, "mutated", mutate=True)
    for _ in range(100):
        try:
            if tried(server, pod(name))["spec"].get("hostUsers") is False:
                return name
        except KubectlFailed:
            pass
    pytest.fail("the admission policy does not come into force")


@pytest.mark.parametrize("engine", WITH_PODS)
def test_the_server_takes_every_object(charts, server, engine):
    make_namespace(server, "spaces")
    values = {"engine": engine, "admission": {"mutate": True, "maxDisk": "20G"}}
    for name, thing in rendered(charts, values, "v1beta1").items():
        said = server.apply(thing, "--dry-run=server")
        assert "serverside-applied" in said.stdout and not said.stderr, f"{name}: {said.stderr}"


def test_the_notes_say_how_a_pod_is_one(charts, server):
    values = charts.values_file({"engine": "containerd", "runtimeClass": {"name": "strong"}})
    said = charts.run("install", "rel", HELM / "berth", "--namespace=default", "--dry-run=client",
                      f"--values={values}", KUBECONFIG=str(server.kubeconfig)).stdout.partition("NOTES:")[2]
    assert "runtimeClassName: strong" in said and "hostUsers: false" in said and "<no value>" not in said
    assert "\n\n\n" not in said, said


def test_uninstalled_nothing_is_left(charts, server):
    name = install(charts, server, "short", mutate=True)
    assert server.get("runtimeclass", name)["handler"] == "sysbox-runc"
    assert server.get("mutatingadmissionpolicy.v1beta1.admissionregistration.k8s.io", "short-short-berth-pods")
    charts.run("uninstall", name, f"--namespace={name}", KUBECONFIG=str(server.kubeconfig))
    kinds = "runtimeclasses,validatingadmissionpolicies,mutatingadmissionpolicies"
    assert not [o for o in server.get(kinds)["items"] if o["metadata"]["name"].startswith("short")]


def test_without_a_user_namespace_a_pod_is_refused(server, validated):
    for spec in ({}, {"hostUsers": True}, {"hostNetwork": True}):
        with pytest.raises(KubectlFailed, match=f'a pod of the runtime class {validated} needs "hostUsers: false"'):
            tried(server, pod(validated, **spec))


def test_with_one_it_is_admitted_and_finds_its_nodes(server, validated):
    spec = tried(server, pod(validated, hostUsers=False, tolerations=[{"key": "mine", "operator": "Exists"}]))["spec"]
    assert spec["hostUsers"] is False
    assert spec["nodeSelector"] == {"sandbox-runtime": "sysbox"} and spec["overhead"] == {"memory": "48Mi"}
    assert TOLERATION in spec["tolerations"] and {"key": "mine", "operator": "Exists"} in spec["tolerations"]


def test_other_pods_are_not_touched(server, validated, mutated):
    assert validated != mutated
    spec = tried(server, pod(None, disk="a lot"))["spec"]
    assert "hostUsers" not in spec and "overhead" not in spec


@pytest.mark.parametrize("disk", ["1048576", "5G", "5Gi", "20G", "20480M", "512MiB", "7g", "1048576B"])
def test_a_budget_that_berth_takes_is_admitted(server, validated, disk):
    made = tried(server, pod(validated, hostUsers=False, disk=disk))
    assert made["metadata"]["annotations"]["berth.dev/disk"] == disk


@pytest.mark.parametrize("disk, why", [
    ("five", "is no size"), ("5 G", "is no size"), ("-1G", "is no size"), ("5Gb", "is no size"), ("1.5G", "is no size"),
    ("21G", "asks for more than 20G"), ("1T", "asks for more than 20G"), ("unlimited", "asks for more than 20G"),
    ("21474836481", "asks for more than 20G"), ("99999999999999999999G", "asks for more than 20G"),
    ("512K", "less than 1M"), ("0", "less than 1M"), ("1048575", "less than 1M"), ("1k", "less than 1M")])
def test_another_budget_is_refused(server, validated, disk, why):
    with pytest.raises(KubectlFailed, match=why):
        tried(server, pod(validated, hostUsers=False, disk=disk))


def test_what_the_nodes_would_refuse_is_refused(charts, server, mutated):
    """As src/sandbox/limit.c does at each start."""
    for disk, why in (("unlimited", "these nodes do not allow"), ("1023K", "less than 1M"), ("0", "less than 1M"),
                      ("8388608T", "more than any disk has"), ("99999999999999999999", "more than any disk has")):
        with pytest.raises(KubectlFailed, match=why):
            tried(server, pod(mutated, disk=disk))
    for disk in ("1024K", "1M", "8388607T"):
        assert budget(server, pod(mutated, disk=disk)) == disk
    allowing = install(charts, server, "allowing", {"budget": {"allow_unlimited": True}})
    for _ in range(100):
        try:
            tried(server, pod(allowing))
        except KubectlFailed:
            break
    assert budget(server, pod(allowing, hostUsers=False, disk="unlimited")) == "unlimited"
    with pytest.raises(KubectlFailed, match="less than 1M"):
        tried(server, pod(allowing, hostUsers=False, disk="512K"))


def test_a_budget_does_not_grow_behind_the_policys_back(server, validated):
    made = create(server, pod(validated, hostUsers=False, disk="1G"))["metadata"]["name"]

    def annotate(value):
        server.kubectl("annotate", "pod", made, "--namespace=tenants", "--overwrite", f"berth.dev/disk={value}")

    annotate("2G")
    with pytest.raises(KubectlFailed, match="asks for more than 20G"):
        annotate("1T")
    server.kubectl("label", "pod", made, "--namespace=tenants", "a=b")


def test_a_pod_from_before_the_policy_stays_changeable(charts, server):
    server.apply({"apiVersion": "node.k8s.io/v1", "kind": "RuntimeClass", "metadata": {"name": "later"},
                  "handler": "sysbox-runc"})
    made = create(server, pod("later", disk="huge"))["metadata"]["name"]
    values = {"engine": "containerd", "runtimeClass": {"name": "later", "create": False}}
    charts.run("install", "later", HELM / "berth", "--namespace=later", "--create-namespace",
               f"--values={charts.values_file(values)}", KUBECONFIG=str(server.kubeconfig))
    for _ in range(100):
        try:
            tried(server, pod("later"))
        except KubectlFailed:
            break
    else:
        pytest.fail("the admission policy does not come into force")
    server.kubectl("label", "pod", made, "--namespace=tenants", "a=b")


def limits(*sizes, **more):
    return [{"name": f"c{i}", "image": "i", **({"resources": {"limits": {"ephemeral-storage": size}}} if size else {}),
             **more} for i, size in enumerate(sizes)]


def budget(server, thing):
    return tried(server, thing)["metadata"].get("annotations", {}).get("berth.dev/disk")


def test_what_is_left_out_is_added(server, mutated):
    made = tried(server, pod(mutated))
    assert made["spec"]["hostUsers"] is False
    assert "berth.dev/disk" not in made["metadata"].get("annotations", {})


def test_what_is_said_stays(server, mutated):
    with pytest.raises(KubectlFailed, match='needs "hostUsers: false"'):
        tried(server, pod(mutated, hostUsers=True))
    assert budget(server, pod(mutated, disk="7G", containers=limits("5Gi"))) == "7G"


@pytest.mark.parametrize("containers, inits, wanted", [
    (limits("5Gi"), [], 5 * GIB),
    (limits("5Gi", "1Gi"), [], 6 * GIB),
    (limits("5Gi", None), [], 5 * GIB),
    (limits("1500M"), [], 1500000000),
    (limits("512Ki"), [], 1 << 20),
    (limits("0"), [], None),
    (limits("1.5Gi"), [], 3 * GIB // 2),
    (limits("5Gi", "1Gi"), limits("2Gi"), 6 * GIB),
    (limits("1Gi"), limits("2Gi", "3Gi"), 3 * GIB),
    (limits("1Gi"), limits("2Gi", restartPolicy="Always"), 3 * GIB),
    (limits("1Gi"), limits("2Gi", restartPolicy="Always") + [{**limits("4Gi")[0], "name": "s"}], 6 * GIB),
], ids=["one", "two", "one of two", "decimal", "too little", "none", "a half", "a smaller step before",
        "a larger step before", "a sidecar", "a sidecar and a step"])
def test_the_budget_is_what_the_kubelet_evicts_by(server, mutated, containers, inits, wanted):
    inits = [{**c, "name": f"i-{c['name']}"} for c in inits]
    found = budget(server, pod(mutated, containers=containers, initContainers=inits))
    assert found == (str(wanted) if wanted else None)


def test_a_namespaces_default_limit_counts(server, mutated):
    assert budget(server, pod(mutated, namespace="limited", containers=limits(None, None))) == str(6 * GIB)


def test_the_documents_pod_as_it_is_written(server, mutated):
    make_account(server, "default")
    made = tried(server, pod(mutated, namespace="default", containers=[{"name": "dind", "image": "docker:dind"}]))
    assert made["spec"]["hostUsers"] is False and made["spec"]["nodeSelector"]
