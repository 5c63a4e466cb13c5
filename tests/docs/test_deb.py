"""The Debian package: what is in it, whose it is, and that it is the same twice."""

import hashlib
import os
import pathlib
import re
import subprocess

import pytest

import surface

RELEASE = pathlib.Path(os.environ.get("RELEASE", surface.ROOT / "build/release"))
NEEDED = ["berth", "meson/man/berth-config.5", "meson/man/config.yaml.example"]
MISSING = [name for name in NEEDED if not (RELEASE / name).exists()]
needs_release = pytest.mark.skipif(bool(MISSING), reason=f"{RELEASE} has no {', '.join(MISSING)}: run make release")

PROGRAMS = {"./usr/bin/berth"}
FILES = PROGRAMS | {
    "./usr/share/man/man8/berth.8.gz", "./usr/share/man/man5/berth-config.5.gz",
    "./usr/share/bash-completion/completions/berth", "./usr/share/zsh/vendor-completions/_berth",
    "./usr/share/doc/berth/config.yaml.example", "./usr/share/doc/berth/copyright",
    "./usr/share/doc/berth/changelog.gz", "./usr/share/doc/berth/README.md",
    "./usr/share/doc/berth/ARCHITECTURE.md", "./usr/share/doc/berth/SECURITY.md",
    "./usr/share/doc/berth/docs/agent.md", "./usr/share/doc/berth/docs/budgets.md",
    "./usr/share/doc/berth/docs/eks.md", "./usr/share/doc/berth/docs/kubernetes.md",
    "./usr/share/doc/berth/docs/operations.md", "./usr/share/doc/berth/docs/security.md",
}


def build(destination):
    done = subprocess.run([surface.ROOT / "packaging/deb"], capture_output=True, text=True, check=False,
                          env={**os.environ, "DESTINATION": str(destination), "RELEASE": str(RELEASE)})
    assert done.returncode == 0, done.stderr
    return next(destination.glob("*.deb"))


def dpkg_deb(*words):
    return subprocess.run(["dpkg-deb", *words], capture_output=True, text=True, check=True).stdout


@pytest.fixture(scope="module")
def package(tmp_path_factory):
    return build(tmp_path_factory.mktemp("deb"))


@pytest.fixture(scope="module")
def contents(package):
    """{path: (mode, owner)} of its files."""
    lines = dpkg_deb("-c", package).splitlines()
    rows = [line.split(maxsplit=5) for line in lines]
    return {row[5]: (row[0], row[1]) for row in rows}


@needs_release
def test_control(package):
    version = re.search(r"version: '(.*)'", (surface.ROOT / "meson.build").read_text())[1]
    fields = dict(line.split(": ", 1) for line in dpkg_deb("-f", package).splitlines() if line[0] != " ")
    assert package.name == f"berth_{version}_{fields['Architecture']}.deb"
    assert (fields["Package"], fields["Version"]) == ("berth", version)
    assert "Depends" not in fields and "apt" in fields["Recommends"]
    assert int(fields["Installed-Size"]) * 1024 > (RELEASE / "berth").stat().st_size
    assert fields["Section"] == "admin" and fields["Description"]
    # Nothing runs when it is installed or removed.
    assert set(dpkg_deb("-I", package).split()) & {"postinst", "preinst", "postrm", "prerm"} == set()


@needs_release
def test_contents(contents):
    assert {path for path in contents if not path.endswith("/")} == FILES
    for path, (mode, owner) in contents.items():
        wanted = "drwxr-xr-x" if path.endswith("/") else "-rwxr-xr-x" if path in PROGRAMS else "-rw-r--r--"
        assert (mode, owner) == (wanted, "root/root"), path


@needs_release
def test_unpacked(package, tmp_path):
    dpkg_deb("-x", package, tmp_path)
    version = subprocess.run([tmp_path / "usr/bin/berth", "--version"], capture_output=True, text=True,
                             check=True).stdout
    assert dpkg_deb("-f", package, "Version").strip() in version
    for page in ("man8/berth.8.gz", "man5/berth-config.5.gz"):
        text = subprocess.run(["mandoc", "-Tascii", tmp_path / "usr/share/man" / page], capture_output=True,
                              text=True, check=True).stdout
        assert "DESCRIPTION" in text or "D\bDE\bES" in text
    example = tmp_path / "usr/share/doc/berth/config.yaml.example"
    assert surface.run("config", "check", str(example)).returncode == 0
    sums = subprocess.run(["dpkg-deb", "-I", package, "md5sums"], capture_output=True, check=True).stdout
    subprocess.run(["md5sum", "--check", "--quiet", "-"], cwd=tmp_path, input=sums, check=True)


@needs_release
def test_the_same_twice(package, tmp_path):
    again = build(tmp_path)
    digests = {hashlib.sha256(p.read_bytes()).hexdigest() for p in (package, again)}
    assert len(digests) == 1


def test_without_a_release(tmp_path):
    done = subprocess.run([surface.ROOT / "packaging/deb"], capture_output=True, text=True, check=False,
                          env={**os.environ, "DESTINATION": str(tmp_path), "RELEASE": str(tmp_path / "none")})
    assert done.returncode == 1 and "run make release first" in done.stderr
    assert not list(tmp_path.glob("*.deb"))


def test_script_is_clean():
    done = subprocess.run(["shellcheck", surface.ROOT / "packaging/deb"], capture_output=True, text=True,
                          check=False)
    assert done.returncode == 0, done.stdout
