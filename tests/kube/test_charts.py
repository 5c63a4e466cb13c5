"""The charts and what they render: values, the agent's pod and rights, monitoring, Daytona's runner."""

import json
import re
import subprocess

import pytest
import yaml

import setting_patterns
from charts import (CHARTS, EVERYTHING, HELM, ROOT, Refused, agent_of, berth_program, of_kind, pod_of, runner_of,
                    schema_of, values_of)

TAINT = {"key": "sysbox-runtime", "operator": "Equal", "value": "not-running", "effect": "NoSchedule"}

# Settings that are values of the charts by other names, or a volume of theirs.
CHART_SETTINGS = {"engine", "agent.listen", "agent.log_format", "kubernetes.credentials"}


# ---- rendering ----


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
    return set(re.findall(r'^\t\{ "([a-z]+(?:\.[a-z0-9_]+)?)", SPEC_', (ROOT / "src/spec/fields.c").read_text(), re.M))


@pytest.mark.parametrize("chart", CHARTS)
def test_schema_has_the_settings_of_the_program(chart):
    config = schema_of(chart)["properties"]
    for word in ("config",) if chart == "berth" else ("runner", "dockerInstaller", "config"):
        config = config.get("properties", config)[word]
    found = {f"{section}.{key}" for section, keys in config["properties"].items() for key in keys["properties"]}
    wanted = settings_of_the_program() - CHART_SETTINGS
    assert found == (wanted if chart == "berth" else wanted - {"pool.size"})


@pytest.mark.parametrize("chart", CHARTS)
def test_schema_has_the_bounds_of_the_program(chart):
    """Where it has not: setting_patterns.py writes them."""
    for name, has, wanted in setting_patterns.schemas(chart, schema_of(chart)):
        assert has == wanted, name


def edges(kind, least, most):
    """Values about both bounds, in every unit."""
    units = ("B", "K", "Mi", "g", "TiB", "") if kind == "SIZE" else ("ms", "s", "m", "h", "d")
    factors = [1024 ** i for i in range(5)] + [1] if kind == "SIZE" else [f for _, f in setting_patterns.DURATIONS]
    for unit, factor in zip(units, factors):
        for bound in (least // factor, most // factor):
            yield from (f"{n}{unit}" for n in range(max(0, bound - 1), bound + 3))
        yield f"007{unit}"
    yield from ("0", "", "-1", "1w", "5 G", "1.5G", "99999999999999999999999h")


@pytest.mark.parametrize("key", setting_patterns.bounded())
def test_the_program_has_the_same_bounds(key, tmp_path):
    """Else a pod would begin, refuse its settings, and begin again."""
    section, name = key.split(".")
    wanted = re.compile(setting_patterns.pattern(*setting_patterns.bounded()[key]))
    for value in edges(*setting_patterns.bounded()[key]):
        (tmp_path / "config.yaml").write_text(f'{section}:\n  {name}: "{value}"\n')
        done = subprocess.run([berth_program(), "config", "check", tmp_path / "config.yaml"], capture_output=True,
                              text=True, check=False)
        assert (done.returncode == 0) == bool(wanted.search(value)), (value, done.stderr)


def is_taken(objects, tmp_path):
    (text,) = [o["data"]["config.yaml"] for o in of_kind(objects, "ConfigMap") if "config.yaml" in o["data"]]
    path = tmp_path / "config.yaml"
    path.write_text(text)
    done = subprocess.run([berth_program(), "config", "check", path], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


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
    ("berth", {"config": {"prune": {"older_than": "59m"}}}, "/config/prune/older_than"),
    ("berth", {"config": {"agent": {"recheck": 0}}}, "/config/agent/recheck"),
    ("berth", {"config": {"agent": {"recheck": "9s"}}}, "/config/agent/recheck"),
    ("berth", {"config": {"timeouts": {"packages": 0}}}, "/config/timeouts/packages"),
    ("berth", {"config": {"timeouts": {"download": "0"}}}, "/config/timeouts/download"),
    ("berth", {"config": {"timeouts": {"services": "2h"}}}, "/config/timeouts/services"),
    ("berth", {"config": {"crio": {"drain_timeout": 0}}}, "/config/crio/drain_timeout"),
    ("berth", {"config": {"pool": {"size": 0}}}, "/config/pool/size"),
    ("berth", {"config": {"pool": {"size": "1023M"}}}, "/config/pool/size"),
    ("berth", {"config": {"pool": {"grow_by": 4096}}}, "/config/pool/grow_by"),
    ("berth", {"config": {"budget": {"default": 0}}}, "/config/budget/default"),
    ("berth", {"config": {"pool": {"image": "/var/../etc/x"}}}, "/config/pool/image"),
    ("berth", {"config": {"pool": {"image": ""}}}, "/config/pool"),
    ("berth", {"config": {"docker": {"bridge_ip": "172.24.0.300/16"}}}, "/config/docker/bridge_ip"),
    ("berth", {"config": {"docker": {"address_pool": "172.24.0.0/7"}}}, "/config/docker/address_pool"),
    ("berth", {"config": {"kubernetes": {"server": "http://10.0.0.1"}}}, "/config/kubernetes/server"),
    ("berth", {"config": {"sysbox": {"url": "https://example.com/s.deb"}}}, "/config/sysbox"),
    ("berth", {"config": {"sysbox": {"url": "https://example.com/s.deb", "sha256": ""}}}, "/config/sysbox/sha256"),
    ("berth", {"config": {"sysbox": {"url": "file://s.deb", "sha256": "0" * 64}}}, "/config/sysbox/url"),
    ("berth", {"config": {"crio": {"url": "https://example.com/c.deb"}}}, "/config/crio"),
    ("daytona-dev", {"runner": {"dockerInstaller": {"config": {"agent": {"recheck": 0}}}}},
     "/runner/dockerInstaller/config/agent/recheck"),
    ("daytona-dev", {"runner": {"dockerInstaller": {"config": {"sysbox": {"url": "https://example.com/s.deb"}}}}},
     "/runner/dockerInstaller/config/sysbox"),
    ("daytona-dev", {"runner": {"dockerInstaller": {"xfsStorageSize": "1K"}}}, "/runner/dockerInstaller/xfsStorageSize"),
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


TAKEN = [
    ("berth", {"config": {"pool": {"size": "1G", "image": "", "device": "/dev/sdb"}, "agent": {"recheck": "10s"},
                          "budget": {"default": 1048576, "stash_keep": 0}, "prune": {"older_than": "3650d"},
                          "sysbox": {"url": "file:///s.deb", "sha256": "0" * 64},
                          "kubernetes": {"server": "https://10.0.0.1:6443"}, "timeouts": {"package_lock": 0}}}),
    ("daytona-dev", {"runner": {"dockerInstaller": {"xfsStorageSize": "1024T", "config": {"sysbox": {"url": ""}}}}}),
]


@pytest.mark.parametrize("chart, values", TAKEN)
def test_what_the_program_takes_is_taken(charts, chart, values, tmp_path):
    is_taken(charts.template(chart, values), tmp_path)


# ---- numbers and names that look like numbers ----


def test_numbers_are_written_in_full(charts):
    objects = charts.template("daytona-dev", {"runner": {
        "dockerInstaller": {"startup": {"failureThreshold": 1000000}},
        "config": {"env": {"N": 10737418240, "HALF": 0.5, "YES": True, "TEXT": "a: b"}}}})
    env = {e["name"]: e.get("value") for e in runner_of(objects)["env"]}
    assert {name: env[name] for name in ("N", "HALF", "YES", "TEXT")} == {
        "N": "10737418240", "HALF": "0.5", "YES": "true", "TEXT": "a: b"}
    threshold = agent_of(objects)["startupProbe"]["failureThreshold"]
    assert threshold == 1000000 and isinstance(threshold, int)


def texts_of(value):
    """Of names, namespaces and labels, wherever they are."""
    if isinstance(value, list):
        for one in value:
            yield from texts_of(one)
    elif isinstance(value, dict):
        for key, one in value.items():
            if key in ("name", "namespace", "serviceAccountName", "priorityClassName", "policyName", "key"):
                yield key, one
            elif key in ("labels", "matchLabels", "selector") and isinstance(one, dict):
                yield from ((f"{key}.{k}", v) for k, v in one.items() if not isinstance(v, dict))
            yield from texts_of(one)


@pytest.mark.parametrize("chart", CHARTS)
def test_names_that_look_like_numbers_are_names(charts, chart):
    values = {"serviceAccount": {"name": "10"}}
    if chart == "berth":
        values |= {"fullnameOverride": "11", "priorityClass": {"name": "12"}, "runtimeClass": {"name": "13"},
                   "engine": "containerd", "config": {"kubernetes": {"namespace": "14"}},
                   "listen": {"address": "nodeIP"},
                   "monitoring": {kind: {"create": True} for kind in ("podMonitor", "serviceMonitor", "prometheusRule",
                                                                      "dashboard")}}
    else:
        values |= {"runner": {"priorityClassName": "12", "token": {"existingSecret": "15", "key": "16"}}}
    objects = charts.template(chart, values, release="123", namespace="456")
    found = list(texts_of(list(objects.values())))
    assert found and [(key, text) for key, text in found if not isinstance(text, str)] == []
    assert ("labels.app.kubernetes.io/instance", "123") in found and ("namespace", "456") in found


@pytest.mark.parametrize("monitor", ["podMonitor", "serviceMonitor"])
@pytest.mark.parametrize("address", ["127.0.0.1", "::1"])
def test_a_monitor_needs_an_address_that_it_reaches(charts, monitor, address):
    with pytest.raises(Refused, match="listen.address"):
        charts.template("berth", {"listen": {"address": address}, "monitoring": {monitor: {"create": True}}})


@pytest.mark.parametrize("chart", CHARTS)
@pytest.mark.parametrize("everything", [False, True])
def test_the_program_takes_the_settings(charts, chart, everything, tmp_path):
    is_taken(charts.template(chart, EVERYTHING[chart] if everything else {}), tmp_path)


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
