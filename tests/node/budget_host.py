"""A node that is a sandbox host already, with an image: sandboxes on it, and what berth says of them."""

import json
import time

import berth_host
from setups import CONTAINER_IMAGE, apt_install, import_busybox

M = 1 << 20


def prepare(node):
    berth_host.put_berth(node)
    berth_host.install(node)
    apt_install(node, "busybox-static", "strace", "acl")
    import_busybox(node)


def prepared():
    """Key and setup for derive(): one prepared node for all that look at budgets."""
    return berth_host.key_of("host with budgets 1"), prepare


def derive(node_factory, suite="trixie"):
    return node_factory.derive(*prepared(), suite=suite, memory=2560)


def start(node, name, *options, check=True):
    """A sandbox that does nothing until told."""
    return node.run(["docker", "run", "--detach", "--name", name, "--network", "none", *options, CONTAINER_IMAGE,
                     "sleep", "1000000"], timeout=300, check=check)


def inside(node, name, script, check=True, timeout=300):
    return node.run(["docker", "exec", name, "sh", "-c", script], timeout=timeout, check=check)


def quota(node, name):
    return json.loads(node.run(["berth", "quota", "get", name, "--json"]).stdout)


def write(node, name, path, megabytes, check=True):
    return inside(node, name, f"dd if=/dev/zero of={path} bs=1M count={megabytes} conv=fsync 2>&1", check=check)


def fill(node, name, path):
    """Write until it is stopped; what stopped it."""
    done = inside(node, name, f"dd if=/dev/zero of={path} bs=64k conv=fsync 2>&1", check=False)
    assert done.returncode != 0, done.stdout
    return done.stdout


def restart(node, name, tries=3):
    """Right after a restart of Sysbox under a running sandbox the first start may fail (the real one's does)."""
    node.run(["docker", "stop", "--time", "2", name], timeout=300, check=False)
    for attempt in range(tries):
        done = node.run(["docker", "start", name], timeout=300, check=False)
        if done.returncode == 0:
            return
        time.sleep(2 * (attempt + 1))
    raise AssertionError(f"{name} does not start: {done.stderr}")
