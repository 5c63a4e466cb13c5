"""The node's kubelet moved to CRI-O: how it is told, whose unit it is, and CRI-O's package for it."""

import functools
import hashlib
import json

import pytest

import distribution
import kubelets
import roots
import trees
from crio_host import FLAG, SOCKET, SWITCH, build, installs, refuses, settings, uninstalls
from test_bad_input import CONFIG as SETTINGS_FILE

KUBEADM_CONF = "/usr/lib/systemd/system/kubelet.service.d/10-kubeadm.conf"
SNAP_SERVICE = "snap.kubelet-eks.daemon.service"


@pytest.fixture
def make(machine):
    return functools.partial(build, machine)


# ---- the kubelet's own unit ----

def moved(make, booted):
    """A kubeadm node whose kubelet was told, and came up on CRI-O at a boot since then."""
    machine = make("crio-kubeadm")
    installs(machine)
    if booted:
        machine.boot()
    return machine


@pytest.mark.parametrize("booted", [False, True], ids=["before", "after-a-boot"])
def test_switch_edited(make, booted):
    """The plan says so, and the next install writes it anew."""
    machine = moved(make, booted)
    text = machine.read(SWITCH)
    machine.write(SWITCH, text.replace("$KUBELET_EXTRA_ARGS ", "--v=9 "))
    machine.systemctl("daemon-reload")
    plan = machine.berth("plan")
    assert plan.code == 2 and "switch kubelet.service" in plan.out and "--v=9" in plan.out, plan
    installs(machine)
    assert machine.read(SWITCH) == text
    uninstalls(machine)


@pytest.mark.parametrize("booted", [False, True], ids=["before", "after-a-boot"])
def test_unit_changed_after_the_switch(make, booted):
    """As a package's upgrade does it: the plan shows the new line, and the next install has it."""
    machine = moved(make, booted)
    machine.write(KUBEADM_CONF, machine.read(KUBEADM_CONF).replace("$KUBELET_EXTRA_ARGS", "--v=3 $KUBELET_EXTRA_ARGS"))
    machine.systemctl("daemon-reload")
    plan = machine.berth("plan")
    assert plan.code == 2 and f"--v=3 $KUBELET_EXTRA_ARGS {FLAG}{SOCKET}" in plan.out, plan
    assert ("its pods go on" if booted else "start anew") in plan.out.splitlines()[-1], plan
    installs(machine)
    assert f"--v=3 $KUBELET_EXTRA_ARGS {FLAG}{SOCKET}" in machine.read(SWITCH)
    uninstalls(machine, ignore=(KUBEADM_CONF, "/run/machine/loaded/kubelet.service"))


@pytest.mark.parametrize("what", ["edited", "unit"])
def test_switch_that_is_stale_at_an_uninstall(make, what):
    """It leads to a CRI-O that is gone then: it goes too, or is said to be left."""
    machine = make("crio-kubeadm")
    installs(machine)
    path, old, new = (SWITCH, "$KUBELET_EXTRA_ARGS ", "--v=9 ") if what == "edited" else (
        KUBEADM_CONF, "$KUBELET_EXTRA_ARGS", "--v=3 $KUBELET_EXTRA_ARGS")
    machine.write(path, machine.read(path).replace(old, new))
    machine.systemctl("daemon-reload")
    done = machine.berth("uninstall")
    assert done.code == 0 and (not machine.path(SWITCH).exists() or SWITCH in done.out + done.err), done


def test_switch_taken_away(make):
    machine = make("crio-kubeadm")
    installs(machine)
    machine.path(SWITCH).unlink()
    machine.systemctl("daemon-reload")
    assert machine.berth("plan").code == 2
    installs(machine)
    machine.path(SWITCH).unlink()
    machine.systemctl("daemon-reload")
    uninstalls(machine)


def test_later_drop_in_of_the_kubelet(make):
    """Its line would be the last word, and the kubelet never hear of CRI-O: refused, and its name said."""
    other = "/etc/systemd/system/kubelet.service.d/zzz-other.conf"
    machine = make("crio-kubeadm", files={other: "[Service]\nExecStart=\nExecStart=/usr/bin/kubelet --v=5 "
                                          "--kubeconfig=/etc/kubernetes/kubelet.conf\n"})
    refuses(machine, "install", says=(other,))


def test_drop_in_of_the_kubelet_with_more_commands(make):
    """Which systemd would not start either."""
    machine = make("crio-kubeadm")
    machine.write("/etc/systemd/system/kubelet.service.d/50-two.conf", "[Service]\nExecStart=/usr/bin/kubelet --v=2\n")
    machine.systemctl("daemon-reload")
    for verb in ("install", "plan"):
        refuses(machine, verb, says=("kubelet.service", "2 commands in ExecStart="))


def test_unit_without_a_file(make):
    """As of a generator or a transient unit: nothing to write beside."""
    machine = make("crio-kubeadm")
    machine.write("/proc/712/cgroup", "0::/system.slice/run-r1a2b.service\n")
    refuses(machine, "install", says=("run-r1a2b.service", "ExecStart="))


# ---- how it is told ----

def test_unit_of_the_kubelet_on_one_line(make):
    """A long line that goes on over many: the flag is its last word."""
    machine = make("crio-eks-ubuntu")
    installs(machine)
    lines = [line for line in machine.read(SWITCH).splitlines() if line.startswith("ExecStart=/")]
    assert len(lines) == 1 and "\\" not in lines[0]
    assert lines[0].split()[-3:] == ["$KUBELET_ARGS", "$KUBELET_EXTRA_ARGS", FLAG + SOCKET]


def test_setting_of_the_snap(make):
    machine = make("crio-eks-snap")
    installs(machine)
    assert f"{FLAG}{SOCKET}\n" in machine.read("/var/snap/kubelet-eks/current/args")
    assert not machine.path(f"/etc/systemd/system/{SNAP_SERVICE}.d").exists()


def test_snap_without_the_setting(make):
    """It is unset in the end, not empty."""
    machine = make("crio-eks-snap")
    machine.write(kubelets.SNAPD, machine.read(kubelets.SNAPD).replace(
        f'"container-runtime-endpoint": "{kubelets.CONTAINERD}", ', ""))
    args = "/var/snap/kubelet-eks/247/args"
    machine.write(args, machine.read(args).replace(f"{FLAG}{kubelets.CONTAINERD}\n", ""))
    machine.boot()
    machine.before = machine.snapshot(trees.TRACES)
    installs(machine)
    uninstalls(machine, ignore=("/var/lib/snapd/state.json",))  # the hook's file tells
    assert "container-runtime-endpoint" not in machine.read(kubelets.SNAPD)


def test_snap_that_another_gave_crio(make):
    """By the old path of the same socket: theirs to keep, and its kubelet is not restarted."""
    machine = make("crio-eks-snap")
    kubelets.install_crio(machine.root, roots.put)
    for path in (kubelets.SNAPD, "/var/snap/kubelet-eks/247/args"):
        machine.write(path, machine.read(path).replace(kubelets.CONTAINERD, kubelets.CRIO))
    machine.boot()
    plan = machine.berth("plan")
    assert plan.code == 2 and "snap set" not in plan.out and SNAP_SERVICE not in plan.out, plan
    installs(machine)
    assert kubelets.CRIO in machine.read(kubelets.SNAPD)


# ---- the kubelet ----

KUBELETS = {
    "by its flag": ("unix:///run/cri-dockerd.sock", "cri-docker.service", ()),
    "by an old path": ("unix:///var/run/containerd/containerd.sock", "containerd.service", ()),
    "another's": ("unix:///run/frakti.sock", None, ("crio.kubelet", "does not know the way back to")),
}


@pytest.mark.parametrize("name", KUBELETS)
def test_engine_of_the_kubelet(make, name):
    url, unit, says = KUBELETS[name]
    machine = make("crio-kubeadm", files={"/var/lib/kubelet/kubeadm-flags.env": kubelets.KUBEADM_FLAGS.format(url)})
    if not unit:
        refuses(machine, "install", says=says)
        return
    plan = machine.berth("plan")
    assert plan.code == 2 and f"static pods end on {unit} and start anew on crio.service" in plan.out, plan


def test_way_home_of_one_that_is_told_anew(make):
    """What it went by before, as its own flags still have it."""
    flags = kubelets.KUBEADM_FLAGS.format("unix:///run/cri-dockerd.sock")
    machine = make("crio-kubeadm", files={"/var/lib/kubelet/kubeadm-flags.env": flags})
    for _ in range(2):
        installs(machine)
        machine.boot()
        entries = json.loads(machine.berth("status", "--journal", "--json").out)
        assert "cri-docker.service" in json.dumps([e for e in entries if e["kind"] == "kubelet-switch"][-1])
        machine.write(KUBEADM_CONF, machine.read(KUBEADM_CONF).replace("$KUBELET_EXTRA_ARGS", "--v=3 $KUBELET_EXTRA_ARGS"))
        machine.systemctl("daemon-reload")


@pytest.mark.parametrize("says", ["", "Kubernetes\n", "kubelet version 1.34.4\n", "v1.34.4\n"])
def test_kubelet_that_does_not_say_its_version(make, says):
    machine = make("crio-kubeadm")
    machine.write("/.machine/kubelet-version", says)
    refuses(machine, "install", says=("crio.kubelet", "does not say its version"))


@pytest.mark.parametrize("says", ["v1.34.4-eks-ecaa3a6", "v1.34.0+k3s1", "v1.34.10", "v1.34.0-rc.1"])
def test_kubelet_of_that_minor_version(make, says):
    machine = make("crio-kubeadm")
    machine.write("/.machine/kubelet-version", f"Kubernetes {says}\n")
    assert machine.berth("plan").code == 2


def test_consent_to_a_drain(make):
    machine = make("crio-kubeadm", settings(f"crio:\n  file: {kubelets.CRIO_DEB}\n  kubelet: drain\n"))
    plan = machine.berth("plan")
    assert plan.code == 2 and "cordoned and drained, as disruption budgets allow" in plan.out, plan
    assert "all others are evicted before" in plan.out.splitlines()[-1], plan


# ---- CRI-O's version ----

@pytest.mark.parametrize(("number", "expected"), [("1.29.4", "CRI-O 1.29.4"), ("", "of an unknown version"),
                                                  ("unknown", "of an unknown version")])
def test_version_that_is_too_old(make, number, expected):
    machine = make()
    machine.write("/.machine/crio-version", number + "\n")
    refuses(machine, "install", says=("crio.version", expected, "1.30 or newer"))


def test_version_that_another_chose(make):
    """The kubelet runs on it already: theirs to say."""
    machine = make()
    machine.write("/.machine/crio-version", "1.33.1\n")
    assert machine.berth("plan").code == 2


# ---- its package ----

def put_package(machine, content, more=""):
    roots.put(machine.root, kubelets.CRIO_DEB, content)
    machine.prepare(settings(f"crio:\n  file: {kubelets.CRIO_DEB}\n{more}"))


PACKAGES = {
    "another minor version": (distribution.crio_package("1.33.2-1.1"), ("is cri-o 1.33.2-1.1, not cri-o 1.34",)),
    "a longer one": (distribution.crio_package("1.340.0-1.1"), ("is cri-o 1.340.0-1.1, not cri-o 1.34",)),
    "another name": (distribution.crio_package(name="cri-o-next"), ("is cri-o-next 1.34.0-1.1, not cri-o 1.34",)),
    "Sysbox's": (distribution.sysbox_package(), ("is sysbox-ce", "not cri-o 1.34")),
    "half of it": (distribution.crio_package()[:1500], ("is not a whole Debian package",)),
    "a page": (b"<html>not found</html>\n", ("is not a whole Debian package",)),
    "empty": (b"", ("is not a whole Debian package",)),
}


@pytest.mark.parametrize("name", PACKAGES)
def test_package_file(make, name):
    content, says = PACKAGES[name]
    machine = make("crio-kubeadm")
    put_package(machine, content)
    refuses(machine, "install", says=(kubelets.CRIO_DEB, *says))


def test_package_file_that_is_not_there(make):
    machine = make("crio-kubeadm")
    machine.path(kubelets.CRIO_DEB).unlink()
    refuses(machine, "install", says=f"'{kubelets.CRIO_DEB}'")


DIGEST = hashlib.sha256(distribution.crio_package()).hexdigest()


@pytest.mark.parametrize("digest", [DIGEST, DIGEST.upper(), "0" * 64], ids=["right", "in-capitals", "wrong"])
@pytest.mark.parametrize("key", ["file: ", "url: file://"])
def test_digest(make, key, digest):
    machine = make("crio-kubeadm", settings(f"crio:\n  {key}{kubelets.CRIO_DEB}\n  sha256: {digest}\n"))
    if digest.lower() == DIGEST:
        installs(machine)
        uninstalls(machine)
    else:
        refuses(machine, "install", says=(kubelets.CRIO_DEB, DIGEST, digest))


def test_name_of_the_package(make):
    """Another name in a repository of their own."""
    machine = make("crio-no-package", settings("crio:\n  package: cri-o1.34\n"))
    version, depends, fields, files = distribution.CRIO
    roots.put(machine.root, "/.machine/archive/cri-o1.34.deb",
              distribution.package_file("cri-o1.34", version, depends, fields, files))
    machine.write("/var/lib/apt/lists/example_cri-o1.34_Packages", "\n")
    installs(machine)
    uninstalls(machine)


def test_repository_with_another_version(make):
    machine = make("crio-eks-ubuntu")
    roots.put(machine.root, "/.machine/archive/cri-o.deb", distribution.crio_package("1.33.5-1.1"))
    refuses(machine, "install", says=("crio.package", "1.34", "1.33.5-1.1"))


def test_repository_whose_lists_are_not_there_yet(make):
    """A fresh cloud image has none: the packages' own step refreshes them, so this is no refusal."""
    machine = make("crio-eks-ubuntu")
    for path in machine.path("/var/lib/apt/lists").glob("*_Packages"):
        path.unlink()
    installs(machine)
    uninstalls(machine)


def test_no_repository_on_an_rpm_system(make):
    """What is advised is possible there."""
    machine = make("crio-rhel")
    machine.path("/.machine/archive/cri-o.rpm").unlink()
    refuses(machine, "install", says=("crio.package", "no repository of this host has cri-o 1.34"))
    assert "crio.file" not in machine.berth("plan").out


# ---- settings ----

@pytest.mark.parametrize(("text", "says"), [
    ("crio:\n  kubelet: maybe\n",
     f"{SETTINGS_FILE}:3: crio.kubelet: 'maybe' is not valid: write one of fresh, drain, never"),
    ("crio:\n  drain_timeout: 10\n", "write a duration as 30s or 10m"),
    ("crio:\n  drain_timeout: 0s\n", f"{SETTINGS_FILE}:3: crio.drain_timeout"),
    ("crio:\n  sha256: abc\n", "a SHA-256 is 64 hexadecimal digits"),
    ("crio:\n  file: cri-o.deb\n", "an absolute path"),
    ("crio:\n  package: cri-o --force\n", f"{SETTINGS_FILE}:3: crio.package"),
    ("crio:\n  url: ftp://example.com/c.deb\n", f"{SETTINGS_FILE}:3: crio.url"),
    ("crio:\n  url: https://example.com/c.deb\n", ("crio.url needs", "SHA-256")),
    ("crio:\n  version: 1.34\n", f"{SETTINGS_FILE}:3: unknown key 'crio.version'"),
])
def test_settings(make, text, says):
    machine = make("crio-eks-ubuntu", settings(text))
    for verb in ("install", "plan"):
        refuses(machine, verb, says=says)
