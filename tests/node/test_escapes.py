"""No way out of a budget: escapes/escape.c tries them from inside of a sandbox, this looks at the pool."""

import json
import subprocess
import time

import budget_host
from budget_host import M, inside, start
from environment import HERE

BUDGET = 64 * M
# What a file system needs for itself: trees of free space, and the inodes, which are counted by their number
# (one for each 8 KiB of a budget) and not by the 512 bytes that each of them takes.
SLACK = 2 * M + BUDGET // 8192 * 512
# The maps of a badly fragmented file are made when the kernel writes, past the limit if need be: a few blocks.
MAPS = 128 * 1024
FULL = "No space left on device"
# What must have stopped a way, how much it must have tried (bytes; inodes where it makes nothing else), and how much its
# project must hold while the way does: a way that did nothing has proven nothing.
USUAL = ((FULL,), 48 * M, 48 * M)
INODES = BUDGET // 8192
EXPECTED = {
    "rename-between-trees": (("Invalid cross-device link", FULL), 48 * M, 48 * M),
    "leave-the-project": (("Invalid argument", FULL), 48 * M, 48 * M),
    "file-leaves-the-project": (("Invalid argument", FULL), 48 * M, 48 * M),
    "whiteouts": ((FULL,), INODES // 2, 0),
    "nested-user-namespace": (("Invalid argument", FULL), 64 * M, 48 * M),  # 16M of it in a tmpfs of its own
    "quota-calls": (("Operation not permitted", FULL), 48 * M, 48 * M),
    "attributes": ((FULL,), 40 * M, 48 * M),
    "access-lists": ((FULL,), 24 * M, 48 * M),  # a list of 40 kB takes 64
    "inodes": ((FULL,), INODES // 2, 0),
    "directories-and-links": ((FULL,), INODES // 2, 0),
    "memory-is-not-disk": ((), 80 * M, 0),
}
TOLD = "/dev/shm/told"  # memory: a full sandbox can write nowhere else
# These leave the sandbox's mounts in another order: each has one of its own.
APART = ("inner-overlay", "bind-mounts", "nested-user-namespace")
CLEAN = "rm -rf /big /part* /w* /more /data/* /var/lib/docker/* /var/lib/kubelet/* /var/lib/containerd/* " \
        "/var/lib/buildkit/* /var/lib/rancher/k3s/* 2>/dev/null; " \
        "for f in hosts hostname resolv.conf; do : >/etc/$f; done; sync"


def build(folder):
    program = folder / "escape"
    subprocess.run(["gcc", "-O2", "-Wall", "-Wextra", "-Werror", "-static", "-o", program, HERE / "escapes/escape.c"],
                   check=True)
    ways = subprocess.run([program], capture_output=True, text=True, check=True).stdout.split()
    return program, ways


def pool_used(node):
    node.run("sync -f /var/lib/berth/pool")
    return int(node.run("df -B1 --output=used /var/lib/berth/pool | tail -n 1").stdout)


def new_box(node, name):
    start(node, name, "--label", "berth.dev/disk=64M", "--volume", "/data")
    node.run(["docker", "cp", "/root/escape", f"{name}:/escape"], timeout=120)


def settled(node, name):
    """Use of the sandbox's project and of the pool. XFS frees what was removed a little later, and not in both at once."""
    last = None
    for _ in range(30):
        now = (budget_host.quota(node, name)["used_bytes"], pool_used(node))
        if now == last:
            break
        last = now
        time.sleep(1)
    return last


def hold(node, name, way):
    """Begin a way, and wait until it has done all it can: it then keeps what it has."""
    inside(node, name, f"rm -f {TOLD}")
    node.run(["docker", "exec", "--detach", name, "sh", "-c", f"exec /escape {way} hold >{TOLD}"], timeout=120)
    deadline = time.monotonic() + 900
    while time.monotonic() < deadline:
        told = inside(node, name, f"cat {TOLD} 2>/dev/null", check=False).stdout
        if told.endswith("}\n"):
            return json.loads(told)
        time.sleep(2)
    raise AssertionError(f"{way} does not come to an end")


def attempt(node, name, way):
    """What the way came to, and while it holds that, what the pool holds more of than the sandbox's project does."""
    used_before, pool_before = settled(node, name)
    told = hold(node, name, way)
    used, pool = settled(node, name)
    inside(node, name, f"kill -9 {told['pid']}")
    return told, used, (pool - pool_before) - (used - used_before)


def is_proof(way, told, used):
    """Has it tried what it is there for?"""
    stops, tried, least = EXPECTED.get(way, USUAL)
    return set(stops) <= set(told["stopped_by"]) and told["tried"] >= tried and used >= least and \
        (way != "memory-is-not-disk" or not told["stopped_by"])


def test_no_way_out(node_factory, tmp_path):
    program, ways = build(tmp_path)
    assert len(ways) >= 15 and EXPECTED.keys() <= set(ways)
    node = budget_host.derive(node_factory)
    node.put(program, "/root/escape", mode=0o755)
    new_box(node, "box")
    failures = []
    for way in [*(way for way in ways if way not in APART), *APART]:
        name = "box"
        if way in APART:
            name = f"box-{way}"
            new_box(node, name)
        told, used, outside = attempt(node, name, way)
        line = f"{way:26} tried {told['tried']:9}  stopped by {', '.join(told['stopped_by']) or 'nothing':50} " \
               f"in its project {used / M:6.1f}M  outside {outside / M:6.1f}M"
        print(line, flush=True)
        if used > BUDGET + MAPS or outside > SLACK or not is_proof(way, told, used):
            failures.append(line)
        if way not in APART:
            inside(node, name, CLEAN, check=False, timeout=600)
        else:
            node.run(["docker", "rm", "--force", "--volumes", name], timeout=300)
    assert not failures, "\n".join(failures)
