"""The programs beside the API server do their work, and a machine that cannot have them says why."""

import json
import subprocess
import time

import pytest

import parts
from environment import spawn

CHART = {
    "Chart.yaml": "apiVersion: v2\nname: tiny\nversion: 0.1.0\nkubeVersion: '>=1.30.0'\n",
    "templates/map.yaml": "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: {{ .Release.Name }}}\n"
                          "data: {version: {{ .Capabilities.KubeVersion.Version }}}\n",
}

RULES = """\
groups:
  - name: tiny
    rules:
      - {alert: Down, expr: EXPRESSION, for: 5m}
"""


def run(*argv, check=True):
    done = subprocess.run([str(word) for word in argv], capture_output=True, text=True, timeout=120, check=False)
    assert not check or done.returncode == 0, done.stderr
    return done


@pytest.fixture
def chart(tmp_path):
    for name, text in CHART.items():
        path = tmp_path / "tiny" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return tmp_path / "tiny"


def test_helm_is_the_pinned_version_and_renders_for_a_new_kubernetes(helm, chart):
    assert run(helm, "version", "--short").stdout.startswith(parts.GO_PARTS["helm"].version())
    assert "version: v1.34.0" in run(helm, "template", "one", chart).stdout


def test_helm_installs_and_removes_a_chart(helm, cluster, chart):
    config = f"--kubeconfig={cluster.kubeconfig}"
    run(helm, "install", "released", chart, config, "--namespace=helm", "--create-namespace", "--wait")
    found = cluster.get("configmap", "released", "--namespace=helm")
    assert found["data"]["version"] == parts.GO_PARTS["kube-apiserver"].version()
    run(helm, "uninstall", "released", config, "--namespace=helm", "--wait")
    assert cluster.get("configmaps", "--namespace=helm")["items"] == []


def test_kubectl_renders_without_a_cluster(kubectl):
    said = run(kubectl, "create", "namespace", "one", "--dry-run=client", "--output=json").stdout
    assert json.loads(said)["metadata"]["name"] == "one"


def test_promtool_tells_good_rules_from_bad_ones(promtool, tmp_path):
    rules = tmp_path / "rules.yaml"
    rules.write_text(RULES.replace("EXPRESSION", "up == 0"))
    assert "1 rules found" in run(promtool, "check", "rules", rules).stdout
    rules.write_text(RULES.replace("EXPRESSION", "up =="))
    assert run(promtool, "check", "rules", rules, check=False).returncode != 0


def test_kwok_keeps_the_nodes_it_is_given_ready(kwok, cluster):
    assert parts.GO_PARTS["kwok"].version() in run(kwok, "--version").stdout
    names = [f"kwok-{number}" for number in range(20)]
    with spawn([kwok, f"--kubeconfig={cluster.kubeconfig}", "--manage-nodes-with-label-selector=kwok=yes"],
               stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as running:
        try:
            for name in names:
                cluster.make_node(name, labels={"kwok": "yes"})
            wait_until_ready(cluster, set(names))
        finally:
            running.kill()


def wait_until_ready(cluster, names):
    deadline = time.monotonic() + 120
    while names:
        assert time.monotonic() < deadline, f"not ready: {sorted(names)}"
        for node in cluster.get("nodes", "--selector=kwok=yes")["items"]:
            if any(c["type"] == "Ready" and c["status"] == "True" for c in node["status"].get("conditions", [])):
                names.discard(node["metadata"]["name"])
        time.sleep(0.2)


# A machine that cannot

OLD_GO = """\
#!/bin/sh
case $2 in
GOVERSION) echo go1.19.8 ;;
GOARCH) echo amd64 ;;
*) echo "$*: no network" >&2; exit 1 ;;
esac
"""


@pytest.fixture
def elsewhere(monkeypatch, tmp_path):
    """A machine with nothing in its caches and no network."""
    for variable in ("GOMODCACHE", "GOCACHE", "BERTH_CACHE"):
        monkeypatch.setenv(variable, str(tmp_path / variable.lower()))
    monkeypatch.setenv("GOPROXY", "off")
    for function in (parts.binary, parts.go_version, parts._go_program):
        function.cache_clear()
    yield monkeypatch
    for function in (parts.binary, parts.go_version, parts._go_program):
        function.cache_clear()


def test_without_go_it_says_so(elsewhere):
    elsewhere.setattr(parts.shutil, "which", lambda *args, **kwargs: None)
    with pytest.raises(parts.Unavailable, match="there is no Go on this machine"):
        parts.binary("helm")
    with pytest.raises(parts.Unavailable, match="this machine has no apt"):
        parts.binary("promtool")


def test_without_a_network_it_says_so(elsewhere):
    with pytest.raises(parts.Unavailable, match="the sources of helm cannot be had: .*GOPROXY=off"):
        parts.binary("helm")


def test_with_an_old_go_and_no_network_it_says_so(elsewhere, tmp_path):
    old = tmp_path / "go"
    old.write_text(OLD_GO)
    old.chmod(0o755)
    elsewhere.setattr(parts.shutil, "which", lambda *args, **kwargs: str(old))
    with pytest.raises(parts.Unavailable, match="go1.19.8 is too old .*: mod download golang.*: no network"):
        parts.binary("helm")
