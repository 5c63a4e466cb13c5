"""CRI-O as its project's own Debian package has it, made here of the programs that are built from its sources.

    put(node)                 the package on the node, at PATH
    load_images(node)         what pods need, in its storage before it runs: there is no registry
"""

import functools
import subprocess
import sys
import tempfile
from pathlib import Path

import kubelet_host
import oci_archive
from environment import HERE, cache_dir, build_once, fingerprint
from kubelet_engines import PAUSE_NAMES, crio_service

sys.path.append(str(HERE.parent / "kube"))
import parts  # noqa: E402  pylint: disable=wrong-import-position

PATH = "/root/cri-o.deb"
VERSION = parts.GO_PARTS["crio"].version().removeprefix("v")

# https://github.com/cri-o/packaging: what is where, and the drop-in that it brings.
_PROGRAMS = {"crio": "usr/bin/crio", "pinns": "usr/bin/pinns", "conmon": "usr/libexec/crio/conmon",
             "runc": "usr/libexec/crio/runc"}
_CONFIG = """\
[crio.image]
signature_policy = "/etc/crio/policy.json"

[crio.runtime]
default_runtime = "runc"

[crio.runtime.runtimes.runc]
runtime_path = "/usr/libexec/crio/runc"
runtime_root = "/run/runc"
monitor_path = "/usr/libexec/crio/conmon"
"""
_FILES = {"etc/crio/crio.conf.d/10-crio.conf": _CONFIG,
          "etc/crio/policy.json": '{"default": [{"type": "insecureAcceptAnything"}]}\n',
          "usr/lib/systemd/system/crio.service": crio_service("/usr/bin/crio")}


@functools.cache
def package(version=f"{VERSION}-1.1", **changes):
    """The path of a package of that version, whose program says it; *changes* are texts of files in it, by path."""
    programs = [parts.binary(name) for name in _PROGRAMS]
    key = fingerprint(version, [p.parent.name for p in programs], _PROGRAMS, _FILES, changes)

    def make(folder):
        with tempfile.TemporaryDirectory() as top:
            tree = Path(top)
            for program, path in zip(programs, _PROGRAMS.values(), strict=True):
                _write(tree / path, program.read_bytes(), 0o755)
            _say(tree / _PROGRAMS["crio"], version.split("-")[0])
            for path, text in _FILES.items():
                _write(tree / path, text.encode(), 0o644)
            for path, text in changes.items():
                _write(tree / path, text.encode(), 0o755)
            _write(tree / "DEBIAN/control", _control(version).encode(), 0o644)
            subprocess.run(["dpkg-deb", "--root-owner-group", "-Zgzip", "-z1", "--build", tree, folder / "cri-o.deb"],
                           check=True, capture_output=True)

    return build_once(cache_dir() / "cri-o" / key, make) / "cri-o.deb"


def _say(program, number):
    """There is one CRI-O here: an earlier one is the same with another number in it."""
    assert len(number) == len(VERSION), f"{number} does not fit in the place of {VERSION}"
    program.write_bytes(program.read_bytes().replace(VERSION.encode(), number.encode()))


def _write(path, content, mode):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    path.chmod(mode)


def _control(version):
    return (f"Package: cri-o\nVersion: {version}\nArchitecture: amd64\nMaintainer: Nobody <nobody@example.com>\n"
            "Depends: libglib2.0-0t64 | libglib2.0-0\nDescription: OCI-based implementation of the CRI\n")


def put(node, **kwargs):
    node.put(package(**kwargs), PATH)


def load_images(node, *archives):
    """kubelet_host's images, and further rows of a name and an archive's bytes, into the storage of a CRI-O to come."""
    node.put(parts.binary("copyimg"), "/usr/local/bin/copyimg", mode=0o755)
    node.put(b'{"default": [{"type": "insecureAcceptAnything"}]}\n', "/etc/containers/policy.json")
    load = kubelet_host.ENGINES["crio"].load
    pause = oci_archive.archive(PAUSE_NAMES, {"pause": kubelet_host.pause()}, ["/pause"])
    for names, image in (([kubelet_host.IMAGE], kubelet_host.busybox(node)), (PAUSE_NAMES, pause), *archives):
        node.put(image, "/root/image.tar")
        load(node, "/root/image.tar", names)
    node.run(["rm", "/root/image.tar"])
