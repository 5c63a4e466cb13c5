"""The power goes at random moments of an installation; the next run finishes the job."""

import os
import random
import time

import pytest

import berth_host

CUTS = 20 if os.environ.get("SOAK") == "1" else 2  # and the one of test_cut_while_a_package_is_unpacked
SEED = int(os.environ.get("SEED", random.SystemRandom().randrange(1 << 32)))


def cut(node):
    node.power_cut()
    node.boot()
    node.settle()


def taken_back(node, before):
    node.run(["berth", "uninstall"], timeout=berth_host.INSTALL_TIMEOUT)
    assert berth_host.differences(before, berth_host.snapshot(node)) == []


# Written by dpkg while it unpacks the package; then renamed.
UNPACKING = "/usr/bin/containerd.dpkg-new"
# Written by the package's script, which syncs nothing: its purge goes by it.
ENABLED = "/var/lib/systemd/deb-systemd-helper-enabled/containerd.service.dsh-also"


def bare(node_factory, suite):
    """A node that berth is only put on, and what is on it."""
    node = node_factory(suite)
    berth_host.put_berth(node)
    return node, berth_host.snapshot(node)


def cut_behind(node, wait):
    """Install, until wait() returns; then the power goes."""
    process = node.popen(["berth", "install"])
    wait()
    cut(node)
    process.wait(timeout=60)


def cut_when(node, condition):
    """... until the shell's `condition` is there."""
    cut_behind(node, lambda: node.run(["sh", "-c", condition], timeout=berth_host.INSTALL_TIMEOUT))


def test_cut_while_a_package_is_unpacked(node_factory):
    """What dpkg had written by then, and knows nothing of, goes as well."""
    node, before = bare(node_factory, "bookworm")
    cut_when(node, f"until [ -e {UNPACKING} ]; do sleep 0.1; done; sync")
    left = node.run(["sh", "-c", "ls /usr/bin/*.dpkg-new"]).stdout.split()
    assert UNPACKING in left, "the cut came too late for what is tried here"
    taken_back(node, before)


def test_cut_between_two_packages(node_factory):
    """Names are on the disk after some seconds, what is in the files after half a minute."""
    node, before = bare(node_factory, "bookworm")
    cut_when(node, f"until [ -e {ENABLED} ]; do sleep 0.1; done; sleep 7")
    taken_back(node, before)


def test_archive_that_the_power_took_the_content_of(node_factory):
    """apt looks at its size alone, and dpkg would fail at it each time."""
    node, _ = bare(node_factory, "bookworm")
    node.run("apt-get update && apt-get install --yes --download-only docker.io", timeout=900)
    archive = node.run("ls /var/cache/apt/archives/containerd_*.deb").stdout.strip()
    node.run(f"size=$(stat -c %s {archive}); truncate -s 1000000 {archive}; truncate -s $size {archive}")
    berth_host.install(node)
    assert "Nothing to do" in berth_host.install(node).stdout


def test_cut_in_the_proof(node_factory):
    """Its sandbox and its image are there again, which are no user's data."""
    node, before = bare(node_factory, "trixie")
    cut_when(node, f"until {berth_host.PROOF_RUNS}; do sleep 0.1; done; pkill -STOP -x berth; sync")
    assert "berth-verify" in node.run("docker images").stdout, "the cut came too late for what is tried here"
    taken_back(node, before)


@pytest.mark.parametrize("number", range(CUTS))
def test_cut_then_converge(node_factory, number):
    chance = random.Random(SEED + number)
    suite = ("bookworm", "trixie")[number % 2]
    node, before = bare(node_factory, suite)
    wait = chance.uniform(2, 200 if not node.accelerated else 40)
    print(f"SEED={SEED} cut {number} on {suite} after {wait:.1f} s")

    cut_behind(node, lambda: time.sleep(wait))
    if chance.random() < 0.3:
        taken_back(node, before)
        return
    done = berth_host.install(node)  # which proves it by itself
    assert "This machine is a sandbox host." in done.stdout or "Nothing to do" in done.stdout
    assert "Nothing to do" in berth_host.install(node).stdout
