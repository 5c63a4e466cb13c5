"""The Sysbox under test: the stand-in of tests/standin, or a real package named by $SYSBOX_DEB."""

import contextlib
import hashlib
import os
import re
import subprocess
from functools import cache
from pathlib import Path

from environment import HERE
from setups import apt_install, docker_packages, import_busybox
from vm import Node

# Raise the number whenever _prepare leaves a node in another state than before.
_PREPARED_KEY = "docker and what sysbox depends on 1"
# fuse3 by name: left to itself apt takes the old fuse, which Sysbox 0.7 cannot use.
_DEPENDENCIES = ("fuse3", "jq", "rsync", "iptables", "lsb-release")
_REMOTE = "/root/sysbox-ce.deb"


@cache
def package():
    """The path of the .deb; builds the stand-in when it is not in the cache."""
    given = os.environ.get("SYSBOX_DEB")
    if given:
        return Path(given).resolve(strict=True)
    built = subprocess.run([HERE.parent / "standin" / "build"], check=True, stdout=subprocess.PIPE, text=True)
    return Path(built.stdout.strip())


def of_version(version, folder):
    """The same package under another version: nothing else tells two releases of one apart."""
    unpacked = folder / "unpacked"
    subprocess.run(["dpkg-deb", "--raw-extract", package(), unpacked], check=True)
    control = unpacked / "DEBIAN/control"
    control.write_text(re.sub(r"(?m)^Version: [\d.]*", f"Version: {version}", control.read_text()))
    made = folder / f"sysbox-ce_{version}.deb"
    subprocess.run(["dpkg-deb", "--root-owner-group", "--build", unpacked, made], check=True, stdout=subprocess.DEVNULL)
    return made


def is_standin():
    """Whether it is ours: what only that promises is not to be asked of the real one."""
    return not os.environ.get("SYSBOX_DEB")


def apt_install_package(node, check=True):
    """Install the package in a node whose apt knows the archive already."""
    node.put(package(), _REMOTE)
    return node.run(["apt-get", "install", "--yes", "--no-install-recommends", _REMOTE], timeout=1200,
                    check=check, env={"DEBIAN_FRONTEND": "noninteractive"})


def start(node_factory, suite, **kwargs):
    """A node with Docker, an image to run and Sysbox at work; the costly parts are done once per cache."""
    # In two steps, so that another package does not mean another installation of Docker.
    with contextlib.closing(Node.derive(_PREPARED_KEY, _prepare, suite=suite, **kwargs)) as prepared:
        base = prepared.state
    return node_factory.derive(_package_key(), apt_install_package, base=base)


@cache
def _package_key():
    return "sysbox " + hashlib.sha256(package().read_bytes()).hexdigest()


def _prepare(node):
    apt_install(node, *docker_packages(node.suite), "busybox-static", "xfsprogs", *_DEPENDENCIES)
    import_busybox(node)
