"""SYSBOX_VALIDATION.sh, against a kubectl that answers from a file and against a real one."""

import json
import os
import re
import subprocess

import pytest

from charts import HELM, berth_program, condition, make_namespace, pod_of

SCRIPT = HELM / "daytona-dev/SYSBOX_VALIDATION.sh"

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
    open(os.environ["FAKE_WORLD"] + ".asked", "a").write(" ".join(words[words.index("--") + 1:]) + "\n")
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


AGENT = ["agent", "--enter-host", "--config=/etc/berth/config.yaml", "--listen=127.0.0.1:9477"]


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
            "spec": {"nodeName": "n1", "initContainers": [{"name": "docker-installer", "args": AGENT}], "containers": [
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


@pytest.mark.parametrize("kernel", ["5.15.0-1050-gke", "5.4.0-1100", "5.3.18-150300-default"])
def test_validation_warns_of_what_works_worse(validate, kernel):
    """A version is no function: what berth verify has proven on it is not refused for its number."""
    things = world()
    change(things, f"{NODE}/status/nodeInfo/kernelVersion", kernel)
    done = validate(things)
    assert done.returncode == 0 and verdicts(done)["n1", "node.kernel"] == "WARN", done.stdout


@pytest.mark.parametrize("args, option", [(AGENT, " --config=/etc/berth/config.yaml"), (["agent", "--enter-host"], "")])
def test_validation_goes_by_the_agents_settings(validate, tmp_path, args, option):
    things = world()
    change(things, f"{POD}/spec/initContainers/0/args", args)
    done = validate(things)
    assert done.returncode == 0, done.stdout
    assert (tmp_path / "world.json.asked").read_text().splitlines() == [
        f"/berth verify --enter-host{option} --json --wait=5m", f"/berth status --enter-host{option} --json"]


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
