"""CRI-O follows the kubelet that berth moved to it, once that is of a later minor version."""

import hashlib
import os
import random

import pytest

import distribution
import kubelets
import roots
from crio_host import build, installs, is_content, settings, uninstalls

FROM_FILE = settings(f"crio:\n  file: {kubelets.CRIO_DEB}\n")
LATER = "1.35.0-1.1"
SECOND = "crio.service for a second; its pods go on"
ANEW = "crio.service once; pods of DaemonSets and static ones start anew"
NAMES = {"crio-kubeadm": "file", "crio-eks-ubuntu": "repository"}


def kubelet_is(machine, version):
    machine.write("/.machine/kubelet-version", f"Kubernetes v{version}\n")


def offer(machine, version):
    """In the file that the settings name, and in the repository."""
    for path in (kubelets.CRIO_DEB, "/.machine/archive/cri-o.deb"):
        roots.put(machine.root, path, distribution.crio_package(version))


def package(machine):
    status = machine.read("/var/lib/dpkg/status")
    return status.split("Package: cri-o\n")[1].split("Version: ")[1].split("\n")[0]


@pytest.fixture
def moved(machine):
    """A node whose kubelet came up on berth's CRI-O at a boot since then, and is of 1.35 now."""
    def make(name="crio-kubeadm", kubelet="1.35.1"):
        build(machine, name, FROM_FILE if NAMES[name] == "file" else None)
        installs(machine)
        machine.boot()
        assert machine.berth("install").code == 0
        machine.forget_log()
        kubelet_is(machine, kubelet)
        return machine
    return make


def replaces(machine):
    plan = machine.berth("plan")
    assert plan.code == 2 and "1.35" in plan.out and ANEW in plan.out, plan
    assert machine.berth("install").code == 0
    assert package(machine) == LATER
    is_content(machine)


@pytest.mark.parametrize("name", NAMES)
def test_of_the_kubelets_minor_version(moved, name):
    machine = moved(name)
    offer(machine, LATER)
    replaces(machine)
    assert not [line for line in machine.log() if line.startswith("crio started")], "a folder restarts nothing"
    kubelet_is(machine, "1.34.4")
    uninstalls(machine, ignore=(kubelets.CRIO_DEB,))


@pytest.mark.parametrize("name", NAMES)
def test_none_to_be_had(moved, name):
    """The node goes on with the one it has, and says so."""
    machine = moved(name)
    done = machine.berth("install")
    assert done.code == 0 and "Nothing to do" in done.out, done
    report = machine.berth("plan")
    assert "CRI-O 1.34.0 is behind the kubelet, which is of 1.35, and no package of that is to be had" in (
        report.out + report.err), report


def test_a_url_tells_by_its_name(moved):
    machine = moved()
    offer(machine, LATER)
    url = "file:///srv/cri-o_{}_amd64.deb"
    for version, code in (("1.34.9-1.1", 0), (LATER, 2)):
        path = url.format(version).removeprefix("file://")
        roots.put(machine.root, path, distribution.crio_package(version))
        digest = hashlib.sha256(distribution.crio_package(version)).hexdigest()
        machine.prepare(settings(f"crio:\n  url: {url.format(version)}\n  sha256: {digest}\n"))
        assert machine.berth("plan").code == code
    replaces(machine)


def test_a_kubelet_of_an_earlier_one(moved):
    """Neither is a package ever taken back to an earlier one."""
    machine = moved(kubelet="1.33.2")
    offer(machine, "1.33.5-1.1")
    is_content(machine)


def test_another_gave_it_to_the_kubelet(machine):
    build(machine, "crio-native", FROM_FILE)
    installs(machine)
    kubelet_is(machine, "1.35.1")
    offer(machine, LATER)
    is_content(machine)


def test_its_file_was_replaced_under_it(moved):
    """Of a run that was cut off between the package and the restart, or by somebody else's upgrade."""
    machine = moved(kubelet="1.34.4")
    machine.path("/proc/4711").mkdir(parents=True)
    program = machine.path("/proc/4711/exe")
    os.symlink("/usr/bin/crio (deleted)", program)
    # CRI-O ends all pods where not one of its minor version has noted itself.
    for noted, said in (('"1.34.9"', SECOND), ('"1.33.4"', ANEW), ("odd", ANEW)):
        machine.write("/run/crio/version", noted)
        plan = machine.berth("plan")
        assert plan.code == 2 and said in plan.out, plan
    program.unlink()
    is_content(machine)


def test_files_that_crio_does_not_read(moved):
    """It would not start again."""
    machine = moved()
    offer(machine, LATER)
    machine.write("/etc/crio/crio.conf.d/99-other.conf", "[crio.runtime\n")
    done = machine.berth("install")
    assert done.code == 1 and "99-other.conf" in done.err, done


def test_cut_off(moved, tmp_path):
    """At each third moment of it (SOAK=1: each): the next run ends where this would have."""
    machine = moved()
    offer(machine, LATER)
    machine.save(tmp_path / "before")
    trace = tmp_path / "trace"
    assert machine.berth("install", env={"BERTH_FAULT_TRACE": str(trace)}).code == 0
    points = trace.read_text().splitlines()
    assert len(points) > 10, points
    step = 1 if os.environ.get("SOAK") == "1" else 3
    for number in range(random.randrange(step) + 1, len(points) + 1, step):
        machine.load(tmp_path / "before")
        assert machine.berth("install", env={"BERTH_FAULT_AT": str(number)}).code == 137
        assert machine.berth("install").code == 0
        assert package(machine) == LATER, points[number - 1]
        is_content(machine)
