"""The Sysbox under test: the stand-in of tests/standin, or a real package named by $SYSBOX_DEB."""

import hashlib
import os
import subprocess
from functools import cache
from pathlib import Path

from environment import HERE
from setups import docker_packages, import_busybox

_APT = {"DEBIAN_FRONTEND": "noninteractive"}
_REMOTE = "/root/sysbox-ce.deb"


@cache
def package():
    """The path of the .deb; builds the stand-in when it is not in the cache."""
    given = os.environ.get("SYSBOX_DEB")
    if given:
        return Path(given).resolve(strict=True)
    built = subprocess.run([HERE.parent / "standin" / "build"], check=True, stdout=subprocess.PIPE, text=True)
    return Path(built.stdout.strip())


def is_standin():
    """Whether it is ours: what only that promises is not to be asked of the real one."""
    return not os.environ.get("SYSBOX_DEB")


@cache
def key():
    """For Node.derive: another one for every other package."""
    return "docker and sysbox 1 " + hashlib.sha256(package().read_bytes()).hexdigest()


def put_package(node):
    """Copy it into the node; returns where it is there."""
    node.put(package(), _REMOTE)
    return _REMOTE


def install(node):
    """Docker and Sysbox the way a person would install them, and an image to run."""
    node.run(["apt-get", "update"], timeout=300)
    # fuse3 by name: left to itself apt takes the old fuse, which Sysbox 0.7 cannot use.
    node.run(["apt-get", "install", "--yes", "--no-install-recommends", *docker_packages(node.suite),
              "fuse3", "busybox-static", put_package(node)], timeout=1800, env=_APT)
    import_busybox(node)
