"""Plans for recorded machines, compared with tests/data/golden/NAME.txt and NAME.json.

BERTH_UPDATE_GOLDEN=1 writes the files anew: read the difference before you commit it. A line with the
exit status ends each text. What differs from run to run is replaced: the pool's UUID, the size of the
program, berth's version.
"""

import json
import os
import re
from pathlib import Path

import pytest

import roots

GOLDEN = Path(__file__).parents[1] / "data" / "golden"
REFUSED = {"cos", "flatcar", "wsl", "container", "snap-docker", "containerd-1.7", "containerd-none", "containerd-io",
           "containerd-kill-mode", "containerd-not-toml", "containerd-folder", "containerd-link", "crio-k3s",
           "crio-no-kubelet", "crio-standalone", "crio-minor", "crio-no-package", "crio-never", "crio-rpm-file"}
UPDATE = os.environ.get("BERTH_UPDATE_GOLDEN") == "1"

VOLATILE = (
    (re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"), "<UUID>"),
    (re.compile(r"\bberth \d+\.\d+\.\d+, \S+ bytes"), "berth <VERSION>, <SIZE> bytes"),
    (re.compile(r'"version": "\d+\.\d+\.\d+",\n(\s+)"size": \d+'), r'"version": "<VERSION>",\n\1"size": 0'),
    (re.compile(r'("source": )"[^"]*"'), r'\1"<PROGRAM>"'),
)


def normal(text):
    for pattern, replacement in VOLATILE:
        text = pattern.sub(replacement, text)
    return text


def compare(name, text):
    path = GOLDEN / name
    if UPDATE:
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8")
    assert path.exists(), f"no {path}: run with BERTH_UPDATE_GOLDEN=1 and read what it writes"
    assert text == path.read_text(encoding="utf-8")


def build(machine, name):
    machine.build(name)
    if name == "debian-12-docker":
        machine.write("/etc/docker/daemon.json", roots.ODD_DAEMON_JSON, 0o640)
        machine.write("/var/lib/docker/containers/abc/config.v2.json", "{}")
        machine.write("/run/machine/containers", "c0ffee\nbeef\n")


@pytest.mark.parametrize("name", roots.SYSTEMS)
def test_plan(machine, name):
    build(machine, name)
    before = machine.snapshot()
    plan = machine.berth("plan")
    compare(f"{name}.txt", normal(f"{plan.out}{plan.err}exit status {plan.code}\n"))
    assert plan.code == (1 if name in REFUSED else 2)
    assert machine.snapshot() == before, "a plan leaves no trace"


@pytest.mark.parametrize("name", roots.SYSTEMS)
def test_plan_as_json(machine, name):
    build(machine, name)
    plan = machine.berth("plan", "--json")
    value = json.loads(plan.out.split("\n{\"error\"")[0])
    failed = [check["id"] for check in value.get("checks", ()) if check["verdict"] == "fail"]
    assert (bool(failed) or set(value) == {"error"}) == (name in REFUSED)
    assert bool(value.get("changes")) != (name in REFUSED)
    compare(f"{name}.json", normal(plan.out))
