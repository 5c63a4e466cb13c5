"""The real dnf and rpm on a machine in a folder, with real packages: what dnf says and does is not ours.

The machine is the recorded RHEL 9; its dnf and rpm are this system's, told by their options to work on
the folder. The packages are those of distribution.RPMS, built with rpmbuild. systemd stays simulated.
"""

import os
import re
import shutil
import subprocess

import pytest

import distribution
import roots
import trees

TOOLS = ("dnf", "rpm", "rpmbuild", "createrepo_c")
MISSING = [tool for tool in TOOLS if not shutil.which(tool)]
pytestmark = [pytest.mark.skipif(bool(MISSING), reason=f"needs {', '.join(MISSING)}"),
              pytest.mark.skipif(os.geteuid() != 0, reason="rpm changes its root, which takes root")]

BASE = ("fuse3", "iptables-nft", "rsync", "tar", "xfsprogs", "xz")  # on the machine from the start
REAL = (r"/var/(cache|lib|log)/(dnf|rpm)(/.*)?", r"/var/log(/.*)?", r"/var/tmp(/.*)?", r"/etc/dnf(/.*)?",
        r"/run/machine/(active|loaded)/containerd.service")  # real packages stop theirs by a scriptlet
# Of packages that the tests add: name, version, fields beside, on top of distribution.RPMS.
MORE = (
    ("compose", "2.0-1", "Requires: docker-ce-cli"),
    ("containerd.io", "1.6.9-1", "Provides: containerd, runc"),
    ("newer", "1.0-1", "Requires: containerd.io >= 1.7"),
    ("oldthing", "0.9-1", ""),
)

SPEC = """\
Name: {name}
Version: {version}
Release: {release}
{epoch}
Summary: of a test
License: none
BuildArch: noarch
AutoReqProv: no
{fields}
%define debug_package %{{nil}}
%define __os_install_post %{{nil}}
%description
Of a test.
%files
{files}
{post}
"""
# A scriptlet without a shell, which the folder does not have.
POST = {"docker-ce": '%post -p <lua>\nlocal f = io.open("/etc/group", "a"); f:write("docker:x:996:\\n"); f:close()\n'}


def build_rpm(place, name, version, fields, files):
    tree = place / "tree" / name / version
    for path, text in files.items():
        roots.put(tree, path, text or "", 0o755 if text and text.startswith("#!") else 0o644)
    epoch, _, plain = version.rpartition(":")
    spec = place / f"{name}.spec"
    spec.write_text(SPEC.format(name=name, version=plain.split("-")[0], release=plain.split("-")[1], fields=fields,
                                epoch=f"Epoch: {epoch}" if epoch else "", post=POST.get(name, ""),
                                files="\n".join(path for path, text in files.items() if text is not None)))
    done = subprocess.run(["rpmbuild", "-bb", "--quiet", "--define", f"_topdir {place}/top", "--define",
                           f"_rpmdir {place}/repository", "--buildroot", tree, "--noclean", spec],
                          capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.fixture(scope="module")
def repository(work):
    place = work / "rpms"
    place.mkdir()
    for name, (version, depends, extra, files) in distribution.RPMS.items():
        fields = "".join(f"{key}: {value}\n" for key, value in {"Requires": depends, **extra}.items()
                         if value and key in ("Requires", "Provides"))
        build_rpm(place, name, version, fields, files)
    for name, version, fields in MORE:
        build_rpm(place, name, version, fields, {f"/usr/share/{name}": version})
    build_rpm(place, "obsoleting", "1.0-1", "Obsoletes: oldthing", {"/usr/share/obsoleting": ""})
    subprocess.run(["createrepo_c", "--quiet", place / "repository"], check=True)
    return place / "repository"


WRAPPER = """\
#!/bin/sh
# The real one, on this folder. Its database is where RPM systems have it.
export HOME="$HOST_ROOT/../home"
echo "$*" >>"$HOST_ROOT/../{name}.calls"
exec /usr/bin/{name} {options} "$@"
"""


@pytest.fixture
def real(machine, repository):
    machine.build("rhel-9")
    machine.prepare(sysbox=distribution.sysbox_deb())
    shutil.rmtree(machine.path("/var/lib/rpm"))
    home = machine.place / "home"
    home.mkdir(exist_ok=True)
    (home / ".rpmmacros").write_text("%_dbpath /var/lib/rpm\n")
    machine.write("/etc/yum.repos.d/test.repo", f"[test]\nname=test\nbaseurl=file://{repository}\ngpgcheck=0\n")
    for name, options in (("dnf", '--installroot="$HOST_ROOT" --releasever=9 '
                                  '--setopt=reposdir="$HOST_ROOT/etc/yum.repos.d"'),
                          ("rpm", '--root "$HOST_ROOT"')):
        machine.write(f"/usr/bin/{name}", WRAPPER.format(name=name, options=options), 0o755)
    run(machine, "dnf", "-y", "install", *BASE)
    machine.forget_log()
    return machine


def run(machine, *words):
    """A program of the machine, by hand."""
    return subprocess.run([machine.path(f"/usr/bin/{words[0]}"), *words[1:]], check=True, text=True,
                          capture_output=True, env={"HOST_ROOT": str(machine.root), "PATH": os.environ["PATH"],
                                                    "LC_ALL": "C.UTF-8"}).stdout


def packages(machine):
    return sorted(run(machine, "rpm", "-qa", "--qf", "%{NAME}\n").split())


def calls(machine):
    return (machine.place / "dnf.calls").read_text()


def test_there_and_back(real):
    before, tree = packages(real), real.snapshot((*trees.TRACES, *REAL))
    assert before == sorted(BASE)
    result = real.berth("install")
    assert result.code == 0, result
    assert set(packages(real)) - set(before) == {"containerd.io", "docker-ce", "docker-ce-cli"}
    assert "docker:x:996:" in real.read("/etc/group")
    assert "Nothing to do" in real.berth("install").out
    assert "docker-ce 20.10.24, running" in real.berth("status").out
    result = real.berth("uninstall")
    assert result.code == 0, result
    assert packages(real) == before
    assert not trees.differences(tree, real.snapshot((*trees.TRACES, *REAL))) and not real.harm()


def test_what_needs_ours_stays(real):
    assert real.berth("install").code == 0
    run(real, "dnf", "-y", "install", "compose")
    result = real.berth("uninstall")
    assert "packages installed since need them: compose; remove these first" in result.out, result
    assert {"docker-ce", "docker-ce-cli", "compose"} <= set(packages(real))


@pytest.mark.parametrize(("package", "says"), [
    ("nosuch", "dnf cannot resolve the packages: Unable to find a match: nosuch"),
    ("obsoleting", "installing would remove the package 'oldthing': berth removes nothing of yours"),
])
def test_refused(real, package, says):
    run(real, "dnf", "-y", "--exclude=obsoleting", "install", "oldthing")
    real.write("/etc/berth/config.yaml", real.read("/etc/berth/config.yaml") + f"docker:\n  package: {package}\n")
    before = packages(real)
    result = real.berth("install")
    assert result.code == 1 and len(result.err.splitlines()) == 1 and says in result.err, result
    assert packages(real) == before


def test_nothing_provides(real, repository):
    real.write("/etc/yum.repos.d/test.repo", real.read("/etc/yum.repos.d/test.repo") + "exclude=containerd.io\n")
    result = real.berth("install")
    assert result.code == 1 and len(result.err.splitlines()) == 1, result
    assert "requires containerd.io, but none of the providers can be installed" in result.err, result


def test_unreachable(real):
    real.write("/etc/yum.repos.d/test.repo", "[test]\nname=test\nbaseurl=http://127.0.0.1:9/\ngpgcheck=0\n")
    result = real.berth("install")
    assert result.code == 1 and len(result.err.splitlines()) == 1, result
    assert "Failed to download metadata for repo 'test'" in result.err and "Curl error (7)" in result.err


def test_engine_under_a_kubelet(real):
    run(real, "dnf", "-y", "install", "containerd.io-1.6.9")
    real.write("/usr/lib/systemd/system/kubelet.service", "[Service]\nExecStart=/usr/bin/sleep 1\n")
    real.write("/etc/berth/config.yaml", real.read("/etc/berth/config.yaml") + "docker:\n  package: newer\n")
    result = real.berth("install")
    assert result.code == 1 and len(result.err.splitlines()) == 1, result
    assert "would upgrade 'containerd.io', the container engine under this node's kubelet" in result.err, result
    assert "containerd.io-1.6.9" in run(real, "rpm", "-qa")


def test_installed_again_after_a_cut(real):
    """What a transaction that was cut off had installed is not believed to be whole."""
    assert real.berth("install").code == 0
    real.path("/usr/bin/docker").write_text("")  # as a file that was not synced
    records = real.read("/var/lib/berth/journal/records").splitlines()
    kept = next(i for i, line in enumerate(records) if '"kind":"packages"' in line)
    real.write("/var/lib/berth/journal/records", "\n".join(records[:kept + 1]) + "\n")
    result = real.berth("install")
    assert result.code == 0, result
    assert re.search(r"-y reinstall .*docker-ce-cli", calls(real))
    assert real.read("/usr/bin/docker") == distribution.STUB
