"""The charts, what they render, and what a real API server says to it; the manifests of deploy/security; the image.

Nothing runs here: there is no kubelet. What the server accepts, refuses and forbids is real.
"""

import hashlib
import io
import json
import os
import re
import ssl
import subprocess
import sys
import tarfile
import urllib.request
from pathlib import Path

import pytest
import yaml

from cluster import Cluster, KubectlFailed

ROOT = Path(__file__).resolve().parents[2]
HELM = ROOT / "helm"
CHARTS = ("berth", "daytona-dev")
SCRIPT = HELM / "daytona-dev/SYSBOX_VALIDATION.sh"
TAINT = {"key": "sysbox-runtime", "operator": "Equal", "value": "not-running", "effect": "NoSchedule"}

# Settings that are values of the charts by other names, or a volume of theirs.
CHART_SETTINGS = {"agent.listen", "agent.log_format", "kubernetes.credentials"}


# ---- rendering ----


class Renderer:
    """Renders charts. What a chart refuses raises Refused with what helm said."""

    def __init__(self, helm, folder):
        self.helm = helm
        self.folder = folder
        self.env = {"PATH": os.environ["PATH"], "HOME": str(folder)}

    def run(self, *arguments, check=True, **variables):
        done = subprocess.run([str(word) for word in (self.helm, *arguments)], cwd=ROOT, capture_output=True, text=True,
                              env={**self.env, **variables}, timeout=120, check=False)
        if check and done.returncode != 0:
            raise Refused(done.stderr + done.stdout)
        return done

    def values_file(self, values):
        text = json.dumps(values)
        path = self.folder / f"{hashlib.sha256(text.encode()).hexdigest()[:12]}.json"
        path.write_text(text)
        return path

    def template(self, chart, values=None, namespace="spaces", release="rel"):
        """The objects, as {"Kind/name": object}."""
        text = self.text(chart, values, namespace, release)
        objects = [document for document in yaml.safe_load_all(text) if document]
        named = {f"{o['kind']}/{o['metadata']['name']}": o for o in objects}
        assert len(named) == len(objects), "two objects of one kind and name"
        return named

    def text(self, chart, values=None, namespace="spaces", release="rel"):
        return self.run("template", release, HELM / chart, f"--namespace={namespace}",
                        f"--values={self.values_file(values or {})}").stdout


class Refused(Exception):
    pass


@pytest.fixture(scope="module")
def charts(helm, tmp_path_factory):
    return Renderer(helm, tmp_path_factory.mktemp("helm"))


def of_kind(objects, kind):
    return [o for o in objects.values() if o["kind"] == kind]


def pod_of(objects):
    """The pod's spec of the one DaemonSet."""
    (daemonset,) = of_kind(objects, "DaemonSet")
    return daemonset["spec"]["template"]["spec"]


def agent_of(objects):
    """The container that runs the agent."""
    pod = pod_of(objects)
    (agent,) = [c for c in pod.get("initContainers", []) + pod["containers"] if c.get("command") == ["/berth"]]
    return agent


def runner_of(objects):
    (runner,) = [c for c in pod_of(objects)["containers"] if c["name"] == "runner"]
    return runner


def values_of(chart):
    return yaml.safe_load((HELM / chart / "values.yaml").read_text())


def schema_of(chart):
    return json.loads((HELM / chart / "values.schema.json").read_text())


EVERYTHING = {
    "berth": {
        "image": {"digest": "sha256:" + "a" * 64}, "imagePullSecrets": [{"name": "registry"}],
        "config": {"pool": {"size": "80G", "grow_at": 70}, "budget": {"default": "3G", "first_project": 1073741824},
                   "kubernetes": {"slots": 3}, "sysbox": {"version": "0.7.1"}},
        "listen": {"address": "nodeIP"}, "logFormat": "json", "updateStrategy": {"maxUnavailable": "10%"},
        "extraEnv": [{"name": "HTTPS_PROXY", "value": "http://proxy:3128"}], "podLabels": {"team": "a"},
        "podAnnotations": {"note": "b"}, "serviceAccount": {"annotations": {"note": "c"}},
        "networkPolicy": {"metricsFrom": [{"podSelector": {"matchLabels": {"app": "prometheus"}}}]},
        "monitoring": {"podMonitor": {"create": True}, "serviceMonitor": {"create": True},
                       "prometheusRule": {"create": True}, "dashboard": {"create": True}, "labels": {"release": "p"},
                       "runbookBase": "https://git.example.com/berth/blob/main/"},
    },
    "daytona-dev": {
        "imagePullSecrets": [{"name": "registry"}],
        "runner": {
            "image": {"digest": "sha256:" + "b" * 64},
            "dockerInstaller": {"xfsStorageSize": "100G", "config": {"budget": {"default": "3G"}},
                                "extraEnv": [{"name": "HTTPS_PROXY", "value": "http://proxy:3128"}]},
            "config": {"apiUrl": "https://daytona.example.com/api", "domain": "runner.example.com",
                       "env": {"AWS_REGION": "eu-1", "RESOURCE_LIMITS_DISABLED": False}},
            "token": {"value": "t"}, "priorityClassName": "system-node-critical", "podLabels": {"team": "a"},
            "podAnnotations": {"note": "b"}, "extraVolumes": [{"name": "keys", "emptyDir": {}}],
            "extraVolumeMounts": [{"name": "keys", "mountPath": "/keys"}],
            "extraEnv": [{"name": "AWS_SECRET_ACCESS_KEY",
                          "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}}],
        },
    },
}


@pytest.mark.parametrize("chart", CHARTS)
@pytest.mark.parametrize("everything", [False, True])
def test_lint(charts, chart, everything):
    values = charts.values_file(EVERYTHING[chart] if everything else {})
    said = charts.run("lint", "--strict", HELM / chart, f"--values={values}").stdout
    assert "1 chart(s) linted, 0 chart(s) failed" in said and "[WARNING]" not in said


def test_both_charts_have_the_same_templates_of_the_agent():
    one, other = ((HELM / chart / "templates/_agent.tpl").read_bytes() for chart in CHARTS)
    assert one == other


@pytest.mark.parametrize("chart", CHARTS)
def test_notes_are_printed(charts, cluster, chart):
    said = charts.run("install", "rel", HELM / chart, "--namespace=default", "--dry-run=client",
                      KUBECONFIG=str(cluster.kubeconfig)).stdout.partition("NOTES:")[2]
    assert "sandbox-runtime=sysbox" in said and "<no value>" not in said


# ---- values: documented, in the schema, and what they may be ----


def default_of(value):
    return json.dumps(value, ensure_ascii=False)


def documented_values(chart):
    """[(key, type, default, description)] of values.yaml, in its order: whatever has a "# --" above it."""
    text = (HELM / chart / "values.yaml").read_text()
    values = yaml.safe_load(text)
    rows, path, said = [], [], None
    for line in text.splitlines():
        comment = re.match(r" *# -- (.*)", line)
        if comment:
            said = comment[1]
            continue
        entry = re.match(r"( *)([A-Za-z][A-Za-z0-9_]*):", line)
        if not entry or (rows and entry[2] not in parent_of(values, path[:len(entry[1]) // 2])):
            continue
        path[len(entry[1]) // 2:] = [entry[2]]
        if said:
            value = parent_of(values, path[:-1])[path[-1]]
            rows.append((".".join(path), kind_of(value), default_of(value), said))
            said = None
    return rows


def parent_of(values, path):
    for word in path:
        values = values[word] if isinstance(values, dict) else {}
    return values if isinstance(values, dict) else {}


def kind_of(value):
    return {bool: "bool", int: "int", str: "string", list: "list", dict: "object"}[type(value)]


def leaves(values, above=""):
    for key, value in values.items():
        if isinstance(value, dict) and value:
            yield from leaves(value, f"{above}{key}.")
        else:
            yield f"{above}{key}"


@pytest.mark.parametrize("chart", CHARTS)
def test_every_value_has_a_description(chart):
    described = [row[0] for row in documented_values(chart)]
    for leaf in leaves(values_of(chart)):
        assert any(leaf == key or leaf.startswith(f"{key}.") for key in described), leaf


@pytest.mark.parametrize("chart", CHARTS)
def test_readme_has_the_table_of_values(chart):
    rows = [f"| `{key}` | {kind} | `{default}` | {said} |" for key, kind, default, said in documented_values(chart)]
    head = "| key | type | default | what it is |\n|---|---|---|---|\n"
    assert (HELM / chart / "README.md").read_text().partition(head)[2].splitlines() == rows


@pytest.mark.parametrize("chart", CHARTS)
def test_schema_has_the_values_and_no_others(chart):
    def compare(values, schema, path):
        if schema.get("additionalProperties") is not False or not isinstance(values, dict):
            return
        wanted = set(schema["properties"]) - ({"global"} if not path else set())
        assert set(values) == wanted or path[-1:] == ["config"] and not values, ".".join(path)
        for key, value in values.items():
            compare(value, schema["properties"][key], [*path, key])

    compare(values_of(chart), schema_of(chart), [])


def settings_of_the_program():
    return set(re.findall(r'^\t\{ "([a-z]+\.[a-z0-9_]+)", SPEC_', (ROOT / "src/spec/fields.c").read_text(), re.M))


@pytest.mark.parametrize("chart", CHARTS)
def test_schema_has_the_settings_of_the_program(chart):
    config = schema_of(chart)["properties"]
    for word in ("config",) if chart == "berth" else ("runner", "dockerInstaller", "config"):
        config = config.get("properties", config)[word]
    found = {f"{section}.{key}" for section, keys in config["properties"].items() for key in keys["properties"]}
    wanted = settings_of_the_program() - CHART_SETTINGS
    assert found == (wanted if chart == "berth" else wanted - {"pool.size"})


REFUSALS = [
    ("berth", {"imge": {"tag": "x"}}, "imge"),
    ("berth", {"image": {"tga": "x"}}, "tga"),
    ("berth", {"image": {"digest": "latest"}}, "/image/digest"),
    ("berth", {"image": {"pullPolicy": "Sometimes"}}, "/image/pullPolicy"),
    ("berth", {"config": {"pool": {"size": "50 gigs"}}}, "/config/pool/size"),
    ("berth", {"config": {"pool": {"sise": "50G"}}}, "sise"),
    ("berth", {"config": {"pools": {}}}, "pools"),
    ("berth", {"config": {"pool": {"grow_at": 100}}}, "/config/pool/grow_at"),
    ("berth", {"config": {"docker": {"bridge_ip": "172.24.0.1"}}}, "/config/docker/bridge_ip"),
    ("berth", {"config": {"sysbox": {"sha256": "abc"}}}, "/config/sysbox/sha256"),
    ("berth", {"config": {"agent": {"restart_sysbox": "always"}}}, "/config/agent/restart_sysbox"),
    ("berth", {"config": {"agent": {"listen": "0.0.0.0:9477"}}}, "listen"),
    ("berth", {"config": {"kubernetes": {"slots": 0}}}, "/config/kubernetes/slots"),
    ("berth", {"config": {"kubernetes": {"startup_taint": "sysbox"}}}, "/config/kubernetes/startup_taint"),
    ("berth", {"config": {"prune": {"older_than": "1 week"}}}, "/config/prune/older_than"),
    ("berth", {"listen": {"port": 0}}, "/listen/port"),
    ("berth", {"listen": {"address": "everywhere"}}, "/listen/address"),
    ("berth", {"logFormat": "xml"}, "/logFormat"),
    ("berth", {"nodeSelector": {"sandbox-runtime": None}}, "/nodeSelector"),
    ("berth", {"tolerations": [{"key": "a", "effect": "Never"}]}, "/tolerations/0/effect"),
    ("berth", {"updateStrategy": {"maxUnavailable": 0}}, "/updateStrategy/maxUnavailable"),
    ("berth", {"updateStrategy": {"type": "Recreate"}}, "/updateStrategy/type"),
    ("berth", {"resources": {"limits": {"memory": "lots"}}}, "/resources/limits/memory"),
    ("berth", {"priorityClass": {"value": 2000000000}}, "/priorityClass/value"),
    ("berth", {"monitoring": {"runbookBase": "docs"}}, "/monitoring/runbookBase"),
    ("berth", {"monitoring": {"podMonitor": {"enabled": True}}}, "enabled"),
    ("berth", {"rbac": {"create": "yes"}}, "/rbac/create"),
    ("daytona-dev", {"runner": {"dockerInstaller": {"xfsStorageSize": "50 GB"}}},
     "/runner/dockerInstaller/xfsStorageSize"),
    ("daytona-dev", {"runner": {"dockerInstaller": {"enabled": "true"}}}, "/runner/dockerInstaller/enabled"),
    ("daytona-dev", {"runner": {"dockerInstaller": {"size": "50G"}}}, "size"),
    ("daytona-dev", {"runner": {"dockerInstaller": {"config": {"pool": {"size": "50G"}}}}}, "size"),
    ("daytona-dev", {"runner": {"config": {"containerRuntime": "podman"}}}, "/runner/config/containerRuntime"),
    ("daytona-dev", {"runner": {"config": {"containerRuntime": ""}}}, "/runner/config/containerRuntime"),
    ("daytona-dev", {"runner": {"config": {"apiPort": 70000}}}, "/runner/config/apiPort"),
    ("daytona-dev", {"runner": {"config": {"apiUrl": "daytona"}}}, "/runner/config/apiUrl"),
    ("daytona-dev", {"runner": {"nodeSelectors": {}}}, "nodeSelectors"),
    ("daytona-dev", {"runner": {"hostPaths": {"logs": "var/log"}}}, "/runner/hostPaths/logs"),
    ("daytona-dev", {"runner": {"dockerInstaller": {"image": "alpine:latest"}}}, "runner.dockerInstaller.image"),
    ("daytona-dev", {"runner": {"dockerInstaller": {"image": "docker.io/library/ubuntu:22.04"}}},
     "runner.dockerInstaller.image"),
]


@pytest.mark.parametrize("chart, values, name", REFUSALS, ids=[f"{c}-{json.dumps(v)}" for c, v, _ in REFUSALS])
def test_a_wrong_value_is_refused_with_its_name(charts, chart, values, name):
    with pytest.raises(Refused) as refusal:
        charts.template(chart, values)
    said = str(refusal.value)
    assert name in said or name.strip("/").replace("/", ".") in said, said


@pytest.mark.parametrize("monitor", ["podMonitor", "serviceMonitor"])
@pytest.mark.parametrize("address", ["127.0.0.1", "::1"])
def test_a_monitor_needs_an_address_that_it_reaches(charts, monitor, address):
    with pytest.raises(Refused, match="listen.address"):
        charts.template("berth", {"listen": {"address": address}, "monitoring": {monitor: {"create": True}}})


def berth_program():
    found = Path(os.environ.get("BERTH") or ROOT / "build/release/berth")
    if not found.exists():
        pytest.fail(f"{found} is not there: run make release, or name a program in BERTH")
    return found


@pytest.mark.parametrize("chart", CHARTS)
@pytest.mark.parametrize("everything", [False, True])
def test_the_program_takes_the_settings(charts, chart, everything, tmp_path):
    objects = charts.template(chart, EVERYTHING[chart] if everything else {})
    (text,) = [o["data"]["config.yaml"] for o in of_kind(objects, "ConfigMap") if "config.yaml" in o["data"]]
    path = tmp_path / "config.yaml"
    path.write_text(text)
    done = subprocess.run([berth_program(), "config", "check", path], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


# ---- the agent's pod ----


@pytest.mark.parametrize("chart", CHARTS)
@pytest.mark.parametrize("everything", [False, True])
def test_the_agents_pod(charts, chart, everything):
    objects = charts.template(chart, EVERYTHING[chart] if everything else {})
    pod, agent = pod_of(objects), agent_of(objects)
    assert (pod["hostPID"], pod["hostNetwork"], pod["automountServiceAccountToken"]) == (True, True, False)
    assert agent["securityContext"] == {
        "privileged": True, "readOnlyRootFilesystem": True, "runAsUser": 0, "runAsGroup": 0}
    assert agent["args"][:4] == ["agent", "--enter-host", "--node=$(NODE_NAME)", "--config=/etc/berth/config.yaml"]
    assert {"name": "NODE_NAME", "valueFrom": {"fieldRef": {"fieldPath": "spec.nodeName"}}} in agent["env"]
    assert pod["tolerations"][0] == TAINT
    assert {**TAINT, "key": "sandbox-runtime", "value": "sysbox"} in pod["tolerations"]
    assert pod["nodeSelector"] == {"kubernetes.io/os": "linux", "sandbox-runtime": "sysbox"}
    # The limit is that of package managers, which run in the pod's cgroup; what is asked for is the agent's.
    assert agent["resources"]["requests"] == {"cpu": "10m", "memory": "32Mi"}
    assert "cpu" not in agent["resources"]["limits"]


@pytest.mark.parametrize("chart", CHARTS)
def test_the_agent_mounts_its_settings_and_a_token_for_an_hour(charts, chart):
    objects = charts.template(chart)
    volumes = {v["name"]: v for v in pod_of(objects)["volumes"]}
    mounts = agent_of(objects)["volumeMounts"]
    assert [(m["mountPath"], m.get("subPath"), m["readOnly"]) for m in mounts] == [
        ("/etc/berth/config.yaml", "config.yaml", True),
        ("/var/run/secrets/kubernetes.io/serviceaccount", None, True)]
    settings, token = (volumes[m["name"]] for m in mounts)
    assert settings["configMap"]["name"] in [o["metadata"]["name"] for o in of_kind(objects, "ConfigMap")]
    sources = {key: value for source in token["projected"]["sources"] for key, value in source.items()}
    assert sources["serviceAccountToken"] == {"path": "token", "expirationSeconds": 3600}
    assert set(sources) == {"serviceAccountToken", "configMap", "downwardAPI"}
    # The agent has the host by its namespaces and needs none of its folders.
    assert not {m["name"] for m in mounts} & {name for name, v in volumes.items() if "hostPath" in v}


@pytest.mark.parametrize("address, argument, host", [
    ("127.0.0.1", "127.0.0.1:9477", "127.0.0.1"), ("::1", "[::1]:9477", "::1"), ("nodeIP", "$(NODE_IP):9477", None),
    ("0.0.0.0", "0.0.0.0:9477", None), ("::", "[::]:9477", None)])
@pytest.mark.parametrize("chart", CHARTS)
def test_probes_ask_where_the_agent_listens(charts, chart, address, argument, host):
    listen = {"listen": {"address": address}}
    agent = agent_of(charts.template(chart, listen if chart == "berth" else {"runner": {"dockerInstaller": listen}}))
    assert f"--listen={argument}" in agent["args"]
    for probe, path in (("livenessProbe", "/healthz"), ("readinessProbe", "/readyz")):
        asked = agent[probe]["httpGet"]
        assert (asked["path"], asked["port"], asked.get("host")) == (path, 9477, host)
    assert ("NODE_IP" in [e["name"] for e in agent["env"]]) == (address == "nodeIP")


def checksum_of(objects):
    (daemonset,) = of_kind(objects, "DaemonSet")
    return daemonset["spec"]["template"]["metadata"]["annotations"]["checksum/config"]


def test_other_settings_are_other_pods(charts):
    plain = checksum_of(charts.template("berth"))
    assert checksum_of(charts.template("berth", {"monitoring": {"dashboard": {"create": True}}})) == plain
    assert checksum_of(charts.template("berth", {"config": {"pool": {"size": "60G"}}})) != plain


def test_the_update_is_bounded_by_values(charts):
    (daemonset,) = of_kind(charts.template("berth", {"updateStrategy": {"maxUnavailable": "5%"}}), "DaemonSet")
    assert daemonset["spec"]["updateStrategy"] == {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": "5%"}}
    (daemonset,) = of_kind(charts.template("berth", {"updateStrategy": {"type": "OnDelete"}}), "DaemonSet")
    assert daemonset["spec"]["updateStrategy"] == {"type": "OnDelete"}


@pytest.mark.parametrize("chart", CHARTS)
def test_without_a_startup_taint_none_is_tolerated_or_removed(charts, chart):
    config = {"config": {"kubernetes": {"startup_taint": ""}}}
    objects = charts.template(chart, config if chart == "berth" else {"runner": {"dockerInstaller": config}})
    assert "sysbox-runtime" not in json.dumps(pod_of(objects)["tolerations"])
    (policy,) = [o for o in of_kind(objects, "ValidatingAdmissionPolicy") if o["metadata"]["name"].endswith("-nodes")]
    assert not any("t.key" in v["expression"] for v in policy["spec"]["validations"])


def test_another_startup_taint_is_tolerated_and_may_be_removed(charts):
    taint = "node.example.com/new=yes:NoExecute"
    objects = charts.template("berth", {"config": {"kubernetes": {"startup_taint": taint}}})
    assert pod_of(objects)["tolerations"][0] == {
        "key": "node.example.com/new", "operator": "Equal", "value": "yes", "effect": "NoExecute"}
    policy = objects["ValidatingAdmissionPolicy/spaces-rel-berth-nodes"]
    assert any('t.key == "node.example.com/new"' in v["expression"] for v in policy["spec"]["validations"])


# ---- rights ----


def rights(objects):
    """{(namespace or None, group, resource, verb, names)} of all roles."""
    found = set()
    for role in of_kind(objects, "ClusterRole") + of_kind(objects, "Role"):
        for rule in role["rules"]:
            found |= {(role["metadata"].get("namespace"), group, resource, verb, tuple(rule.get("resourceNames", ())))
                      for group in rule["apiGroups"] for resource in rule["resources"] for verb in rule["verbs"]}
    return found


@pytest.mark.parametrize("chart", CHARTS)
def test_the_rights_are_these_and_no_more(charts, chart):
    assert rights(charts.template(chart)) == {
        (None, "", "nodes", "get", ()), (None, "", "nodes", "patch", ()),
        (None, "", "nodes/status", "get", ()), (None, "", "nodes/status", "patch", ()),
        ("default", "events.k8s.io", "events", "create", ()), ("default", "events.k8s.io", "events", "patch", ()),
        ("spaces", "coordination.k8s.io", "leases", "create", ()),
        ("spaces", "coordination.k8s.io", "leases", "get", ("berth-slot-0",)),
        ("spaces", "coordination.k8s.io", "leases", "update", ("berth-slot-0",))}


def test_rights_follow_slots_and_their_namespace(charts):
    objects = charts.template("berth", {"config": {"kubernetes": {"slots": 2, "namespace": "slots"}}})
    assert ("slots", "coordination.k8s.io", "leases", "get", ("berth-slot-0", "berth-slot-1")) in rights(objects)
    assert {s["namespace"] for b in of_kind(objects, "RoleBinding") for s in b["subjects"]} == {"spaces"}


@pytest.mark.parametrize("chart", CHARTS)
def test_no_webhook_and_no_hook(charts, chart):
    text = charts.text(chart, EVERYTHING[chart])
    assert "Webhook" not in text and "helm.sh/hook" not in text


def test_two_releases_share_no_object(charts):
    """Objects without a namespace, and those in "default", are named after the release's."""
    def shared(namespace):
        return {key for key, o in charts.template("berth", namespace=namespace).items()
                if o["kind"].startswith(("Cluster", "Validating", "PriorityClass"))
                or o["metadata"].get("namespace") == "default"}

    assert shared("one") and not shared("one") & shared("two")


# ---- monitoring within the chart ----


def test_monitoring_is_off_until_asked_for(charts):
    assert not [o for o in charts.template("berth").values() if o["apiVersion"].startswith("monitoring.coreos.com")]


def test_rules_and_dashboard_are_the_files(charts):
    base = EVERYTHING["berth"]["monitoring"]["runbookBase"]
    objects = charts.template("berth", EVERYTHING["berth"])
    (rule,) = of_kind(objects, "PrometheusRule")
    wanted = (ROOT / "deploy/monitoring/berth.rules.yaml").read_text().replace("runbook_url: ", f"runbook_url: {base}")
    assert rule["spec"] == yaml.safe_load(wanted)
    (dashboard,) = [o for o in of_kind(objects, "ConfigMap") if "berth.dashboard.json" in o["data"]]
    assert json.loads(dashboard["data"]["berth.dashboard.json"]) == json.loads(
        (ROOT / "deploy/monitoring/berth.dashboard.json").read_text())
    assert dashboard["metadata"]["labels"]["grafana_dashboard"] == "1"


def test_monitors_are_those_of_deploy_monitoring(charts):
    objects = charts.template("berth", EVERYTHING["berth"])
    for kind, list_of in (("PodMonitor", "podMetricsEndpoints"), ("ServiceMonitor", "endpoints")):
        (monitor,), text = of_kind(objects, kind), (ROOT / f"deploy/monitoring/{kind.lower()}.yaml").read_text()
        (wanted,) = [o for o in yaml.safe_load_all(text) if o["kind"] == kind]
        (made,), (endpoint,) = monitor["spec"][list_of], wanted["spec"][list_of]
        assert made.pop("interval") == "30s" and made == {k: endpoint[k] for k in ("port", "path", "relabelings")}
    # What they select are the pods, by a port that these have.
    assert {"name": "metrics", "containerPort": 9477, "protocol": "TCP"} in agent_of(objects)["ports"]


# ---- Daytona's runner ----


def variables(container):
    return {e["name"]: e.get("value") for e in container["env"]}


def test_with_docker_the_runner_waits_for_the_installer(charts):
    objects = charts.template("daytona-dev", {"runner": {"dockerInstaller": {"xfsStorageSize": "100G"}}})
    pod = pod_of(objects)
    (installer,) = pod["initContainers"]
    assert (installer["name"], installer["restartPolicy"]) == ("docker-installer", "Always")
    probe = installer["startupProbe"]
    assert probe["httpGet"] == {"host": "127.0.0.1", "port": 9477, "path": "/readyz"}
    assert "--listen=127.0.0.1:9477" in installer["args"]
    assert probe["periodSeconds"] * probe["failureThreshold"] >= 3600
    assert variables(installer)["XFS_STORAGE_SIZE"] == "100G"
    assert [c["name"] for c in pod["containers"]] == ["runner"]


def test_with_docker_the_runner_has_dockers_socket_and_storage(charts):
    objects = charts.template("daytona-dev")
    runner, volumes = runner_of(objects), {v["name"]: v for v in pod_of(objects)["volumes"]}
    mounts = {m["mountPath"]: m for m in runner["volumeMounts"]}
    for path, source in (("/var/run", "/run"), ("/var/lib/docker", "/var/lib/docker")):
        assert mounts[path]["mountPropagation"] == "HostToContainer" and not mounts[path].get("readOnly")
        assert volumes[mounts[path]["name"]]["hostPath"]["path"] == source
    # A type that must be there before the first container starts would keep a fresh node's pod from starting.
    assert {v["hostPath"]["type"] for v in volumes.values() if "hostPath" in v} == {"Directory", "DirectoryOrCreate"}
    assert variables(runner)["CONTAINER_RUNTIME"] == ""
    assert variables(runner)["API_PORT"] == "3000"


def test_the_runner_gets_no_token_of_the_cluster(charts):
    objects = charts.template("daytona-dev")
    assert not any("serviceaccount" in m["mountPath"] for m in runner_of(objects)["volumeMounts"])


@pytest.mark.parametrize("enabled", [True, False])
def test_with_containerd_nothing_is_installed(charts, enabled):
    objects = charts.template("daytona-dev", {"runner": {"dockerInstaller": {"enabled": enabled},
                                                         "config": {"containerRuntime": "containerd"}}})
    assert set(objects) == {"ServiceAccount/daytona-runner", "Service/daytona-runner", "DaemonSet/daytona-runner"}
    pod, runner = pod_of(objects), runner_of(objects)
    assert "initContainers" not in pod and TAINT not in pod["tolerations"]
    assert variables(runner)["CONTAINER_RUNTIME"] == "containerd"
    assert "/run/containerd/containerd.sock" in [m["mountPath"] for m in runner["volumeMounts"]]
    assert {"path": "/run/containerd/containerd.sock", "type": "Socket"} in [v.get("hostPath") for v in pod["volumes"]]
    assert not any("docker" in json.dumps(v) or v.get("hostPath", {}).get("path") == "/run" for v in pod["volumes"])


def test_without_the_installer_the_runner_takes_the_docker_that_is_there(charts):
    objects = charts.template("daytona-dev", {"runner": {"dockerInstaller": {"enabled": False}}})
    pod = pod_of(objects)
    assert "initContainers" not in pod and not of_kind(objects, "ClusterRole")
    # The start-up taint holds it back until another berth has proven the node.
    assert TAINT not in pod["tolerations"]
    assert "/var/run" in [m["mountPath"] for m in runner_of(objects)["volumeMounts"]]


def test_the_documents_names(charts):
    (daemonset,) = of_kind(charts.template("daytona-dev"), "DaemonSet")
    assert daemonset["metadata"]["name"] == "daytona-runner"
    assert daemonset["spec"]["template"]["metadata"]["labels"]["app"] == "daytona-runner"
    resources = runner_of(charts.template("daytona-dev"))["resources"]
    assert resources == {"requests": {"cpu": "500m", "memory": "512Mi"}, "limits": {"cpu": "2000m", "memory": "4Gi"}}


def test_the_runners_secret(charts):
    token = {"token": {"value": "abc"}}
    objects = charts.template("daytona-dev", {"runner": token})
    assert objects["Secret/daytona-runner"]["stringData"] == {"token": "abc"}
    token = {"token": {"existingSecret": "mine", "key": "k", "value": "abc"}}
    objects = charts.template("daytona-dev", {"runner": token})
    assert not of_kind(objects, "Secret")
    (reference,) = [e["valueFrom"]["secretKeyRef"] for e in runner_of(objects)["env"] if e["name"] == "API_TOKEN"]
    assert (reference["name"], reference["key"]) == ("mine", "k")


# ---- what a real API server says ----

# Kinds of the Prometheus Operator: their definitions are not here. Their fields are in test_monitoring.py.
FOREIGN_KINDS = {"PodMonitor", "ServiceMonitor", "PrometheusRule"}
SECURITY = ("networkpolicy", "networkpolicy-runner", "quota", "node-isolation")


def make_account(cluster, namespace):
    """The account that pods need and no controller makes here."""
    cluster.apply({"apiVersion": "v1", "kind": "ServiceAccount",
                   "metadata": {"name": "default", "namespace": namespace}})


def make_namespace(cluster, name, **labels):
    cluster.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}})
    make_account(cluster, name)


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


def condition(kind="SandboxHostReady", status="True"):
    return {"type": kind, "status": status, "reason": "Verified", "message": "m",
            "lastHeartbeatTime": "2026-01-02T00:00:00Z", "lastTransitionTime": "2026-01-02T00:00:00Z"}


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
def isolated(cluster):
    """The lock on sandbox nodes in force; namespaces "outside" and "inside"."""
    make_namespace(cluster, "outside")
    make_namespace(cluster, "inside", **{"berth.dev/sandbox-nodes": "allowed"})
    cluster.apply(pod("early", "outside", tolerations=[{"operator": "Exists"}]))
    for thing in security_objects("node-isolation"):
        cluster.apply(thing)
    for attempt in range(100):
        try:
            cluster.apply(pod(f"probe-{attempt}", "outside", nodeName="n"), "--dry-run=server")
        except KubectlFailed:
            yield cluster
            break
    else:
        pytest.fail("the admission policy does not come into force")
    for thing in security_objects("node-isolation"):
        cluster.kubectl("delete", thing["kind"], thing["metadata"]["name"])


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


# ---- SYSBOX_VALIDATION.sh ----

KUBECTL = r'''#!/usr/bin/python3
"""Answers like kubectl from a cluster in a file; what is asked that is not there fails."""
import json, os, re, sys
world = json.load(open(os.environ["FAKE_WORLD"]))
words = [w for w in sys.argv[1:] if not w.startswith("--request-timeout")]
def path(value, expression):
    found = [value]
    for part in re.findall(r'\.([A-Za-z-]+)|\[\?\(@\.(\w+)=="([^"]+)"\)\]|\[\*\]|\[(\d+)\]', expression):
        if part[0]:
            found = [f[part[0]] for f in found if isinstance(f, dict) and part[0] in f]
        elif part[1]:
            found = [e for f in found for e in f if e.get(part[1]) == part[2]]
        else:
            found = [e for f in found for e in f]
    return " ".join(str(f) for f in found)
def render(value, template):
    loop = re.match(r'^(.*?)\{range ([^}]+)\}(.*?)\{end\}(.*)$', template, re.S)
    if loop:
        before, over, body, after = loop.groups()
        items = [value]
        for word in re.findall(r'\.([A-Za-z]+)', over):
            items = [i.get(word, []) for i in items]
        return render(value, before) + "".join(render(i, body) for i in (items[0] or [])) + render(value, after)
    template = re.sub(r'\{"([^"]*)"\}', lambda m: m[1].encode().decode("unicode_escape"), template)
    return re.sub(r'\{(\.[^}]*)\}', lambda m: path(value, m[1]), template)
def fail(text):
    sys.stderr.write(text + "\n"); sys.exit(1)
def missing(name):
    fail(f'Error from server (NotFound): "{name}" not found')
if world.get("down"):
    fail("The connection to the server 127.0.0.1:6443 was refused - did you specify the right host or port?")
if words[0] == "exec":
    key = words[words.index("--") + 2]
    answer = world["exec"][words[words.index("-n") + 2]][key]
    sys.stdout.write(answer["out"]); sys.stderr.write(answer.get("err", "")); sys.exit(answer.get("code", 0))
kind, template = words[1], next((w.partition("=")[2] for w in words if w.startswith("jsonpath=")), "")
if kind == "namespace":
    sys.exit(0) if words[2] in world["namespaces"] else missing(words[2])
if kind == "pods":
    sys.stdout.write(render({"items": list(world["pods"].values())}, template)); sys.exit(0)
things = world["pods" if kind == "pod" else "nodes"]
sys.stdout.write(render(things[words[2]], template)) if words[2] in things else missing(words[2])
'''


def world():
    """A cluster with one node on which everything is well."""
    checks = [{"id": name, "verdict": "pass", "text": text, "remedy": None} for name, text in (
        ("docker.answers", 'Docker 26.1 "answers"'), ("pool.quota", "project quota: accounting on, enforcement on"),
        ("sandbox.starts", "a sandbox ran"))]
    journal = {"changes": 59, "unfinished": 0, "verified": True}
    return {
        "namespaces": ["daytona-dev"],
        "pods": {"daytona-runner-abc": {
            "metadata": {"name": "daytona-runner-abc"},
            "spec": {"nodeName": "n1", "initContainers": [{"name": "docker-installer"}], "containers": [
                {"name": "runner", "env": [{"name": "CONTAINER_RUNTIME", "value": ""}],
                 "volumeMounts": [{"mountPath": "/var/run"}, {"mountPath": "/var/lib/docker"}]}]},
            "status": {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]}}},
        "nodes": {"n1": {
            "metadata": {"name": "n1", "labels": {"sysbox-runtime": "running"}},
            "spec": {"taints": [{"key": "sandbox-runtime", "value": "sysbox"}]},
            "status": {"nodeInfo": {"kernelVersion": "6.8.0-1021-gke", "osImage": "Ubuntu 24.04.1 LTS"},
                       "conditions": [{"type": "Ready", "status": "True"},
                                      {"type": "SandboxHostReady", "status": "True", "message": "proven"}]}}},
        "exec": {"daytona-runner-abc": {
            "verify": {"out": json.dumps({"ok": True, "checks": checks}, indent=2)},
            "status": {"out": json.dumps({"steps": {}, "journal": journal}, indent=2)}}},
    }


@pytest.fixture
def validate(tmp_path):
    fake = tmp_path / "bin/kubectl"
    fake.parent.mkdir()
    fake.write_text(KUBECTL)
    fake.chmod(0o755)

    def run(things, *arguments, **variables):
        (tmp_path / "world.json").write_text(json.dumps(things))
        env = {"PATH": f"{fake.parent}:/usr/bin:/bin", "FAKE_WORLD": str(tmp_path / "world.json"), **variables}
        return subprocess.run([SCRIPT, *arguments], env=env, capture_output=True, text=True, timeout=60, check=False)

    return run


def verdicts(done):
    """{(where, check): verdict}"""
    lines = re.findall(r"^(PASS|WARN|FAIL|SKIP) +(\S+) +(\S+)", done.stdout, re.M)
    return {(where, check): verdict for verdict, where, check in lines}


def test_shellcheck_and_posix():
    done = subprocess.run(["shellcheck", "--shell=sh", SCRIPT], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
    assert SCRIPT.read_text().startswith("#!/bin/sh\n") and os.access(SCRIPT, os.X_OK)


def test_validation_of_a_node_that_is_well(validate):
    done = validate(world())
    found = verdicts(done)
    assert done.returncode == 0 and set(found.values()) == {"PASS"}, done.stdout + done.stderr
    assert {("n1", "pool.quota"), ("n1", "sandbox.starts"), ("n1", "node.condition"), ("n1", "journal"),
            ("daytona-runner-abc", "runner.runtime")} <= set(found)
    assert 'Docker 26.1 "answers"' in done.stdout
    *_, counts, last = done.stdout.splitlines()
    assert counts == f"{len(found)} passed, 0 failed, 0 warnings, 0 skipped" and last == "Validation completed"


def change(things, place, value):
    """Set what is at a/b/c, or remove it."""
    *above, last = place.split("/")
    for word in above:
        things = things[int(word) if isinstance(things, list) else word]
    if value is None:
        del things[last]
    else:
        things[last] = value


def report(verdict, code, err=""):
    checks = [{"id": "pool.quota", "verdict": verdict, "text": "project quota: accounting off",
               "remedy": "run berth install"}]
    return {"out": json.dumps({"ok": verdict != "fail", "checks": checks}, indent=2), "code": code, "err": err}


POD, NODE, RUN = "pods/daytona-runner-abc", "nodes/n1", "exec/daytona-runner-abc"
SELF = "daytona-runner-abc"
NO_BERTH = {"out": "", "err": "error: exec: /berth: no such file", "code": 126}
BUSY = {"out": '{"error":"another berth is at work"}', "err": "berth: another berth is at work", "code": 75}
CUT_OFF = '{\n  "journal": {\n    "unfinished": 2\n  }\n}'
START_TAINT = [{"key": "sysbox-runtime", "value": "not-running"}]
COS = "Container-Optimized OS from Google"
# What is changed, and which line says so.
BREAKAGES = {
    "no server": ("down", True, "cluster", "namespace"),
    "no namespace": ("namespaces", [], "cluster", "namespace"),
    "no pods": ("pods", {}, "cluster", "pods"),
    "pod is not scheduled": (f"{POD}/spec/nodeName", None, SELF, "pod.node"),
    "pod is not ready": (f"{POD}/status/conditions/0/status", "False", SELF, "pod.ready"),
    "pod failed": (f"{POD}/status/phase", "Failed", SELF, "pod.phase"),
    "runtime docker": (f"{POD}/spec/containers/0/env/0/value", "docker", SELF, "runner.runtime"),
    "no socket": (f"{POD}/spec/containers/0/volumeMounts", [], SELF, "runner.runtime"),
    "node is gone": (NODE, None, "n1", "node"),
    "node is not ready": (f"{NODE}/status/conditions/0/status", "Unknown", "n1", "node.ready"),
    "COS": (f"{NODE}/status/nodeInfo/osImage", COS, "n1", "node.system"),
    "old kernel": (f"{NODE}/status/nodeInfo/kernelVersion", "5.4.0-1100", "n1", "node.kernel"),
    "no label": (f"{NODE}/metadata/labels", {}, "n1", "node.label"),
    "condition is false": (f"{NODE}/status/conditions/1/status", "False", "n1", "node.condition"),
    "start-up taint": (f"{NODE}/spec/taints", START_TAINT, "n1", "node.taint"),
    "a check fails": (f"{RUN}/verify", report("fail", 2), "n1", "pool.quota"),
    "no berth in it": (f"{RUN}/verify", NO_BERTH, "n1", "host"),
    "another berth": (f"{RUN}/verify", BUSY, "n1", "host"),
    "ends badly": (f"{RUN}/verify", report("pass", 137, "killed"), "n1", "host"),
    "change was cut off": (f"{RUN}/status/out", CUT_OFF, "n1", "journal"),
    "status fails": (f"{RUN}/status", {"out": "", "err": "no", "code": 1}, "n1", "journal"),
}


@pytest.mark.parametrize("name", BREAKAGES)
def test_validation_fails_where_something_is_wrong(validate, name):
    place, value, where, check = BREAKAGES[name]
    things = world()
    change(things, place, value)
    done = validate(things)
    assert done.returncode == 1 and verdicts(done).get((where, check)) == "FAIL", done.stdout + done.stderr
    assert list(verdicts(done).values()).count("FAIL") == 1, done.stdout
    assert done.stdout.endswith("Validation FAILED\n") and ", 1 failed, " in done.stdout


@pytest.mark.parametrize("layout", [{"indent": 2}, {"separators": (",", ":")}, {"indent": 2, "ensure_ascii": False}])
def test_validation_reads_the_report_however_it_is_laid_out(validate, layout):
    things = world()
    checks = [{"id": "a.b", "verdict": "fail", "text": 'a "quoted" \\ word:\n{"id": "x"}, ~', "remedy": "do\tthis"},
              {"id": "c.d", "verdict": "skip", "text": "no reason", "remedy": None}]
    things["exec"]["daytona-runner-abc"] = {
        "verify": {"out": json.dumps({"ok": False, "checks": checks}, **layout), "code": 2},
        "status": {"out": json.dumps({"journal": {"unfinished": 0, "verified": True}}, **layout)}}
    done = validate(things)
    found = verdicts(done)
    assert (found["n1", "a.b"], found["n1", "c.d"], found["n1", "journal"]) == ("FAIL", "SKIP", "PASS"), done.stdout
    assert 'a "quoted" \\ word: {"id": "x"}, ~' in done.stdout and "      -> do this\n" in done.stdout


def test_validation_says_what_the_program_says(validate, tmp_path):
    """A host where verify cannot even begin, by the program itself."""
    (tmp_path / "host").mkdir()
    said = subprocess.run([berth_program(), "verify", "--json", "--root", tmp_path / "host"], capture_output=True,
                          text=True, check=False)
    assert said.returncode == 1
    things = world()
    things["exec"]["daytona-runner-abc"]["verify"] = {"out": said.stdout, "err": said.stderr, "code": 1}
    done = validate(things)
    assert verdicts(done)["n1", "host"] == "FAIL" and said.stderr.strip() in done.stdout, done.stdout


def test_validation_asks_a_real_server_what_it_understands(charts, own_cluster, kubectl, tmp_path):
    """By the real kubectl, with the chart's own pod; only what would run in the pod cannot be asked."""
    make_namespace(own_cluster, "real")
    own_cluster.make_node("real-1", labels={"sysbox-runtime": "running"})
    node = {"nodeInfo": {"kernelVersion": "6.8.0-1021-gke", "osImage": "Ubuntu 24.04.1 LTS"},
            "conditions": [condition("Ready"), condition()]}
    spec = {**pod_of(charts.template("daytona-dev", namespace="real")), "nodeName": "real-1"}
    del spec["serviceAccountName"]
    own_cluster.apply({"apiVersion": "v1", "kind": "Pod", "spec": spec, "metadata": {
        "name": "daytona-runner-1", "namespace": "real", "labels": {"app": "daytona-runner"}}})
    ready = {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]}
    for kind, name, status in (("node", "real-1", node), ("pod", "daytona-runner-1", ready)):
        own_cluster.kubectl("patch", kind, name, "--namespace=real", "--subresource=status", "--type=strategic",
                        f"--patch={json.dumps({'status': status})}")
    (tmp_path / "kubectl").symlink_to(kubectl)
    env = {"PATH": f"{tmp_path}:/usr/bin:/bin", "HOME": str(tmp_path), "KUBECONFIG": str(own_cluster.kubeconfig)}
    done = subprocess.run([SCRIPT], env={**env, "NAMESPACE": "real"}, capture_output=True, text=True, timeout=600,
                          check=False)
    found = verdicts(done)
    failed = {place for place, verdict in found.items() if verdict != "PASS"}
    assert failed == {("real-1", "host"), ("real-1", "journal")}, done.stdout + done.stderr
    assert {("daytona-runner-1", "pod.ready"), ("daytona-runner-1", "runner.runtime"), ("real-1", "node.label"),
            ("real-1", "node.condition"), ("real-1", "node.taint"), ("real-1", "node.kernel")} <= set(found)


def test_validation_warns_of_what_works_worse(validate):
    things = world()
    change(things, f"{NODE}/status/nodeInfo/kernelVersion", "5.15.0-1050-gke")
    done = validate(things)
    assert done.returncode == 0 and verdicts(done)["n1", "node.kernel"] == "WARN"


def test_validation_looks_at_every_node(validate):
    things = world()
    other = json.dumps(things["pods"]["daytona-runner-abc"]).replace("abc", "def").replace("n1", "n2")
    things["pods"]["daytona-runner-def"] = json.loads(other)
    things["nodes"]["n2"] = things["nodes"]["n1"]
    things["exec"]["daytona-runner-def"] = {**things["exec"]["daytona-runner-abc"], "verify": report("fail", 2)}
    done = validate(things)
    assert done.returncode == 1
    assert verdicts(done)["n1", "pool.quota"] == "PASS" and verdicts(done)["n2", "pool.quota"] == "FAIL"
    assert "-> run berth install" in done.stdout


def test_validation_of_a_runner_on_containerd_skips_what_is_not_berths(validate):
    things = world()
    spec = things["pods"]["daytona-runner-abc"]["spec"]
    del spec["initContainers"]
    spec["containers"][0].update(env=[{"name": "CONTAINER_RUNTIME", "value": "containerd"}],
                                 volumeMounts=[{"mountPath": "/run/containerd/containerd.sock"}])
    done = validate(things)
    assert done.returncode == 0 and verdicts(done)["n1", "host"] == "SKIP", done.stdout


def test_validation_takes_its_namespace_and_container(validate):
    things = world()
    things["namespaces"] = ["mine"]
    assert validate(things).returncode == 1
    assert validate(things, NAMESPACE="mine").returncode == 0
    done = validate(things, NAMESPACE="mine", CONTAINER="berth")
    assert verdicts(done)["n1", "host"] == "SKIP"


def test_validation_help_and_wrong_use(validate):
    done = validate(world(), "--help")
    assert done.returncode == 0 and "NAMESPACE" in done.stdout and "#" not in done.stdout
    done = validate(world(), "--now")
    assert done.returncode == 64 and "--now" in done.stderr and not done.stdout


# ---- the image ----


def make_image(tmp_path, program, *arguments):
    output = tmp_path / "image.tar"
    argv = [sys.executable, ROOT / "tools/image", f"--output={output}", f"--program={program}", *arguments]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=120, check=False)
    return done, output


def test_the_image_is_one_program_and_nothing_else(tmp_path):
    program = berth_program()
    done, output = make_image(tmp_path, program, "--name=registry.example.com/berth:1")
    assert done.returncode == 0, done.stderr
    first = output.read_bytes()
    with tarfile.open(output) as archive:
        files = {m.name: archive.extractfile(m).read() for m in archive.getmembers() if m.isfile()}
    blobs = {"sha256:" + name.rpartition("/")[2]: data for name, data in files.items() if name.startswith("blobs/")}
    assert all("sha256:" + hashlib.sha256(data).hexdigest() == name for name, data in blobs.items())
    (manifest,) = json.loads(files["index.json"])["manifests"]
    assert f"digest {manifest['digest']}" in done.stdout and manifest["size"] == len(blobs[manifest["digest"]])
    manifest = json.loads(blobs[manifest["digest"]])
    config, (layer,) = json.loads(blobs[manifest["config"]["digest"]]), manifest["layers"]
    assert config["config"]["Entrypoint"] == ["/berth"] and config["rootfs"]["diff_ids"] == [layer["digest"]]
    with tarfile.open(fileobj=io.BytesIO(blobs[layer["digest"]])) as content:
        (only,) = content.getmembers()
        assert (only.name, only.mode, only.uid, only.gid, only.mtime) == ("berth", 0o755, 0, 0, 0)
        assert content.extractfile(only).read() == program.read_bytes()
    assert layer["size"] < 10_000_000
    # The same blobs, as docker load finds them.
    (entry,) = json.loads(files["manifest.json"])
    assert entry["RepoTags"] == ["registry.example.com/berth:1"]
    assert "sha256:" + entry["Config"].rpartition("/")[2] == manifest["config"]["digest"]
    assert ["sha256:" + path.rpartition("/")[2] for path in entry["Layers"]] == [layer["digest"]]
    make_image(tmp_path, program, "--name=registry.example.com/berth:1")
    assert output.read_bytes() == first


@pytest.mark.parametrize("content, said", [(b"#!/bin/sh\n" * 10, "is no 64-bit"), (b"\x7fELF\x02\x01", "is no 64-bit"),
                                           (None, "is not static")])
def test_the_image_takes_static_programs_only(tmp_path, content, said):
    program = tmp_path / "program"
    program.write_bytes(content if content else Path("/usr/bin/env").read_bytes())
    done, output = make_image(tmp_path, program)
    assert done.returncode == 1 and said in done.stderr and str(program) in done.stderr and not output.exists()


def test_the_charts_take_the_image_that_is_made():
    version = re.search(r"^ *version: '(.*)',", (ROOT / "meson.build").read_text(), re.M).group(1)
    assert yaml.safe_load((HELM / "berth/Chart.yaml").read_text())["appVersion"] == version
    assert values_of("daytona-dev")["runner"]["dockerInstaller"]["image"] == f"berth:{version}"
