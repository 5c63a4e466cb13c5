"""docs/operations.md: every command in it is run as it stands there, on a node with an agent and against a real API server."""

import shlex
import subprocess
import sys

import agent_host
import budget_host
import manual
import pytest
from environment import HERE

sys.path.append(str(HERE.parent / "kube"))
import parts  # noqa: E402  pylint: disable=wrong-import-position
from cluster import Cluster  # noqa: E402  pylint: disable=wrong-import-position

pytestmark = pytest.mark.xdist_group("manual")

ROOT = HERE.parent.parent


def line_of(words, expected, placeholders):
    """What to run for a row of the tables."""
    line = expected if isinstance(expected, str) else words
    for placeholder, value in placeholders.items():
        line = line.replace(placeholder, value)
    return line


def codes(expected):
    """Exit statuses that are right, of a row of the tables."""
    return expected if isinstance(expected, tuple) else (expected,) if isinstance(expected, int) else (0,)


def outcome(words, expected, done, failed):
    print(f"{done.returncode:3}  {words}")
    if done.returncode not in codes(expected):
        failed.append(f"{words}: {done.returncode}\n{done.stdout[-500:]}{done.stderr[-500:]}")


def test_on_the_host(module_node_factory):
    node = agent_host.derive(module_node_factory)
    budget_host.start(node, "tenant")
    failed = []
    for words, expected in manual.HOST.items():
        line = line_of(words, expected, {"NAME": "tenant", "FILE": "/etc/berth/config.yaml", "/dev/sdX": "/dev/vda"})
        if words.startswith(("curl", "grep VmRSS")):
            agent_host.until_ready(node)
        # As a person's shell: a pipe's status is that of its last program.
        done = node.run(f"PAGER=cat SYSTEMD_PAGER= TERM=dumb; {line}", timeout=900, check=False)
        outcome(words, expected, done, failed)
    assert not failed, "\n".join(failed)


def test_in_the_cluster():
    try:
        programs = {name: parts.binary(name) for name in ("kubectl", "helm", "promtool")}
        cluster = Cluster()
    except parts.Unavailable as why:
        pytest.skip(str(why))
    failed = []
    with cluster:
        subprocess.run([programs["helm"], f"--kubeconfig={cluster.kubeconfig}", "install", "berth", ROOT / "helm/berth",
                        "--namespace", "berth-system", "--create-namespace"], check=True, timeout=120, cwd=ROOT)
        cluster.make_node("worker-1")
        for words, expected in manual.CLUSTER.items():
            line = line_of(words, expected, {"NODE": "worker-1", "VERSION": "0.1.0", "REVISION": "1"})
            name, *rest = shlex.split(line)
            flags = [] if name == "promtool" else [f"--kubeconfig={cluster.kubeconfig}"]
            done = subprocess.run([programs[name], *flags, *rest], capture_output=True, text=True, check=False, cwd=ROOT,
                                  timeout=120)
            outcome(words, expected, done, failed)
    assert not failed, "\n".join(failed)
