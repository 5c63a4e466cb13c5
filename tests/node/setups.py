"""Set-ups that many tests start from, each with the key that names it for Node.derive.

    with Node.derive(DOCKER_KEY, install_docker, suite="trixie") as node: ...
"""

CONTAINER_IMAGE = "busybox:test"

# Raise the number at the end whenever install_docker leaves a node in another state than before.
DOCKER_KEY = "the distribution's docker with one running container 1"

_APT = {"DEBIAN_FRONTEND": "noninteractive"}

_PACK_BUSYBOX = """\
set -e
root=$(mktemp -d)
mkdir -p "$root/bin" "$root/tmp" "$root/etc" "$root/root"
cp /bin/busybox "$root/bin/"
chroot "$root" /bin/busybox --install -s /bin
tar -C "$root" -cf - . | docker import - "$IMAGE"
rm -rf "$root"
"""


def apt_install(node, *packages, timeout=1200):
    """Update the package lists and install, without asking and without recommended packages."""
    node.run(["apt-get", "update"], timeout=300)
    node.run(["apt-get", "install", "--yes", "--no-install-recommends", *packages],
             timeout=timeout, env=_APT)


def real_initramfs(node):
    """Let packages rebuild the initramfs, as on a machine that boots by it."""
    node.run("sed -i s/=no/=yes/ /etc/initramfs-tools/update-initramfs.conf")


def docker_packages(suite):
    """What to install for a daemon and a client."""
    return ("docker.io",) if suite == "bookworm" else ("docker.io", "docker-cli")


def import_busybox(node):
    """Make CONTAINER_IMAGE out of the node's static busybox: there is no registry to pull from."""
    node.run(_PACK_BUSYBOX, env={"IMAGE": CONTAINER_IMAGE}, timeout=300)


def install_docker(node):
    """Docker as someone else would have installed it before berth came, and a container at work."""
    apt_install(node, *docker_packages(node.suite), "busybox-static")
    import_busybox(node)
    node.run(["docker", "run", "--detach", "--name", "tenant", "--network", "none", CONTAINER_IMAGE,
              "sh", "-c", "echo kept > /file; exec sleep 1000000"], timeout=300)
