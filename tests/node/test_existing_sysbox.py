"""A node that has Docker and Sysbox already, and sandboxes with something in them: berth comes, and goes."""

import hashlib

import berth_host
import budget_host
import sysbox
from budget_host import inside
from setups import apt_install, docker_packages, import_busybox

# Raise the number whenever by_hand leaves a node in another state than before.
KEY = "docker and sysbox by hand 1 "
WRITE = "mkdir -p /var/lib/docker/overlay2/x; echo inner > /var/lib/docker/overlay2/x/inner; echo layer > /layer; sync"
LOOK = "cat /layer /var/lib/docker/overlay2/x/inner; stat -c %u:%g /bin/busybox; touch /bin/busybox && echo writes"
SEEN = "layer\ninner\n0:0\nwrites\n"


def by_hand(node):
    """As Sysbox's own instructions have it: Docker, the package, sandboxes by its runtime."""
    apt_install(node, *docker_packages(node.suite), "busybox-static")
    node.put(sysbox.package(), berth_host.SYSBOX)
    apt_install(node, "fuse3", berth_host.SYSBOX)
    import_busybox(node)
    node.run("systemctl restart docker && docker info --format '{{json .Runtimes}}' | grep -q sysbox-runc", timeout=300)
    for name in ("runs", "stopped"):
        budget_host.start(node, name, "--runtime", "sysbox-runc")
        inside(node, name, WRITE)
    node.run(["docker", "stop", "--time", "1", "stopped"], timeout=300)


def digest(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()[:16]


def is_well(node, name):
    done = inside(node, name, LOOK, check=False)
    assert done.stdout == SEEN, f"{name}: {done.stdout}{done.stderr}"


def test_sandboxes_keep_what_they_have(node_factory):
    node = node_factory.derive(KEY + digest(sysbox.package()), by_hand, suite="trixie", memory=2560)
    for name in ("runs", "stopped"):
        node.run(["docker", "start", name], timeout=300)
        is_well(node, name)
    node.run(["docker", "stop", "--time", "1", "stopped"], timeout=300)
    berth_host.put_berth(node)
    print(node.run(["berth", "plan"], check=False, timeout=300).stdout[-1500:])

    berth_host.install(node)
    berth_host.verify(node)
    assert "Nothing to do" in berth_host.install(node).stdout
    assert node.run("docker ps --format '{{.Names}}'", timeout=120).stdout.split() == ["runs"]
    is_well(node, "runs")
    budget_host.restart(node, "stopped")
    is_well(node, "stopped")
    for name in ("runs", "stopped"):
        assert budget_host.quota(node, name)["limit_bytes"] > 0

    # Sysbox now stops for the first time since berth is here.
    node.run("systemctl restart sysbox", timeout=300)
    for name in ("runs", "stopped"):
        budget_host.restart(node, name)
        is_well(node, name)

    done = node.run(["berth", "uninstall"], timeout=berth_host.INSTALL_TIMEOUT)
    print(done.stdout[-1500:])
    assert node.run("dpkg-query --show --showformat '${Status}' sysbox-ce").stdout == "install ok installed"
    for name in ("runs", "stopped"):
        budget_host.restart(node, name)
        done = inside(node, name, LOOK, check=False)
        print(name, "after berth:", done.stdout.split())
        assert done.stdout.startswith("layer\n")
