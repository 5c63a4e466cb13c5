"""examples/: what a sandbox is for, as scripts that anyone can run, on a host with the real Sysbox."""

import contextlib
import hashlib

import pytest

import berth_host
import budget_host
import recipe
import sysbox
from environment import ROOT, build_once, cache_dir, fingerprint, stage, tool
from vm import Node

pytestmark = [
    pytest.mark.skipif(sysbox.is_standin(),
                       reason="Docker and systemd in a sandbox need a real Sysbox: SYSBOX_DEB=/path/of/sysbox-ce.deb"),
    pytest.mark.xdist_group("examples"),  # one node for all of them
]

EXAMPLES = ROOT / "examples"
SUITE = "trixie"
NOT_RUN = 77


def image_root():
    """The file system of the image, made here: a node has no way to a distribution's whole archive."""
    script = EXAMPLES / "local-image.sh"
    folder = cache_dir() / "image" / f"example-{fingerprint(SUITE, recipe.MIRROR, script.read_text())}"

    def make(staging):
        with stage("making the root file system of the examples' image"):
            tool([script, "--suite", SUITE, "--mirror", recipe.MIRROR, "--root", staging / "root.tar"], timeout=1800)

    return build_once(folder, make) / "root.tar"


@pytest.fixture(scope="module")
def host(module_node_factory):
    root = image_root()
    digest = hashlib.sha256((EXAMPLES / "local-image.sh").read_bytes()).hexdigest()[:16]

    def make_image(node):
        node.put(EXAMPLES, "/root/examples")
        node.put(root, "/root/root.tar")
        print(node.run(["/root/examples/local-image.sh", "--from", "/root/root.tar"], timeout=1200).stdout)
        node.run("rm /root/root.tar")

    # In two steps: the host that other tests use as well, then the image.
    with contextlib.closing(Node.derive(berth_host.key_of("host with budgets 1"), budget_host.prepare, suite=SUITE,
                                        memory=2560)) as prepared:
        base = prepared.state
    node = module_node_factory.derive(f"image of the examples 1 {digest}", make_image, base=base)
    node.put(EXAMPLES, "/root/examples")
    return node


def run(node, name):
    """Run an example; what it said, when what it shows held."""
    done = node.run(f"/root/examples/{name}.sh 2>&1", timeout=1800, check=False)
    print(f"{done.stdout}({done.seconds:.0f} s)")
    assert done.returncode != NOT_RUN, f"{name}.sh was not run, though all it needs is here:\n{done.stdout}"
    assert done.returncode == 0, f"{name}.sh: exit status {done.returncode}\n{done.stdout}"
    assert done.stdout.splitlines()[-1].startswith(f"{name}: proven: "), done.stdout
    assert node.run("docker ps --all --quiet").stdout == "", f"{name}.sh leaves its sandbox behind"
    return done.stdout


def test_docker_build(host):
    run(host, "docker-build")


def test_ci_multi_stage(host):
    run(host, "ci-multi-stage")


def test_compose(host):
    run(host, "compose")


def test_systemd(host):
    said = run(host, "systemd")
    assert "docker.service is active" in said


def test_budget(host):
    run(host, "budget")


@pytest.mark.parametrize("name", ["kind", "k3s"])
def test_without_a_registry_it_says_so(host, name):
    """What needs downloads ends with 77 and the reason, and not with a failure."""
    done = host.run(f"/root/examples/{name}.sh 2>&1", timeout=300, check=False)
    assert done.returncode == NOT_RUN and "cannot be pulled" in done.stdout, done
