"""A pool that grows under its sandboxes, keeps their budgets, and gives back what is free."""

import json

import berth_host
import budget_host
from budget_host import M, fill, inside, start, write


def status(node):
    return json.loads(node.run(["berth", "pool", "status", "--json"]).stdout)


def test_grows_and_trims(node_factory):
    node = budget_host.derive(node_factory)
    start(node, "writer", "--label", "berth.dev/disk=200M")
    before = status(node)
    assert before["verdict"] == "ok" and before["quota"] == {"accounting": True, "enforcement": True}

    smaller = node.run(["berth", "pool", "grow", "1G"], check=False)
    assert smaller.returncode == 1 and "XFS does not shrink" in smaller.stderr
    larger = node.run(["berth", "pool", "grow", "900G"], check=False)
    assert larger.returncode == 1 and "no room for" in larger.stderr
    assert status(node)["size"] == before["size"], "a refusal changes nothing"

    node.run(["docker", "exec", "--detach", "writer", "sh", "-c",
              "while :; do dd if=/dev/zero of=/busy bs=64k count=64 conv=fsync 2>/dev/null || echo failed >>/failed; done"])
    node.run(["berth", "pool", "grow", "+512M"], timeout=300)
    after = status(node)
    assert after["size"] == before["size"] + 512 * M and after["filesystem"]["size"] > before["filesystem"]["size"]
    assert after["quota"] == {"accounting": True, "enforcement": True}
    assert inside(node, "writer", "test -e /failed", check=False).returncode == 1, "a write failed"
    node.run(["docker", "restart", "--time", "1", "writer"], timeout=300)
    assert "No space left" in fill(node, "writer", "/var/lib/docker/x")
    assert "Nothing to do" in berth_host.install(node).stdout, "the settings' size is where it began"

    # By policy: past the mark it grows, and says so; below, it is silent.
    berth_host.configure(node, pool={"grow_at": 99, "grow_by": "256M"})
    assert node.run(["berth", "pool", "auto"], timeout=300).stdout == ""
    berth_host.configure(node, pool={"grow_at": 1, "grow_by": "256M"})
    assert node.run(["berth", "pool", "auto"], timeout=300).stdout != ""
    assert status(node)["size"] >= after["size"] + 256 * M
    berth_host.configure(node, pool={"grow_at": 1, "grow_by": "256M", "max_size": "3G"})
    cannot = node.run(["berth", "pool", "auto"], timeout=300, check=False)
    assert cannot.returncode == 1 and "pool.max_size" in cannot.stderr

    # What is free goes back to the disk, where the image may be sparse.
    berth_host.configure(node, pool={"allocate": "sparse"})
    inside(node, "writer", "rm -f /var/lib/docker/x /busy; sync")
    held = status(node)["allocated"]
    node.run(["berth", "pool", "trim"], timeout=600)
    assert status(node)["allocated"] < held - 64 * M
    write(node, "writer", "/after", 10)
    node.run(["berth", "verify"], timeout=600)
