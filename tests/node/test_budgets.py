"""One budget over everything a sandbox writes, with a real engine."""

import json

import budget_host
from budget_host import M, fill, inside, quota, start, write


def test_one_budget_over_everything(node_factory):
    node = budget_host.derive(node_factory)
    start(node, "box", "--label", "berth.dev/disk=300M", "--volume", "/data")
    start(node, "other", "--label", "berth.dev/disk=64M")
    for place in ("/", "/var/lib/docker", "/data"):
        assert " 307200 " in inside(node, "box", f"df -k {place} | tail -n 1").stdout, place

    write(node, "box", "/layer", 100)
    write(node, "box", "/var/lib/docker/inner", 100)
    write(node, "box", "/data/volume", 60)
    assert "No space left on device" in fill(node, "box", "/var/lib/docker/rest")
    seen = quota(node, "box")
    assert 300 * M - 65536 <= seen["used_bytes"] <= 300 * M and seen["limit_bytes"] == 300 * M
    assert seen["where"] == "layer, inner docker, volumes" and seen["running"]
    for path in ("/more", "/data/more", "/var/lib/docker/more"):
        assert "No space left" in fill(node, "box", path)
    write(node, "other", "/fine", 20)

    # Full, it can be stopped, started, raised and emptied.
    node.run(["docker", "restart", "--time", "1", "box"], timeout=300)
    assert quota(node, "box")["limit_bytes"] == 300 * M
    refused = node.run(["berth", "quota", "set", "box", "200M"], check=False)
    assert refused.returncode == 1 and ", more than 200M: it could write nothing more" in refused.stderr
    node.run(["berth", "quota", "set", "box", "350M"])
    write(node, "box", "/raised", 40)
    node.run(["docker", "restart", "--time", "1", "box"], timeout=300)
    assert quota(node, "box")["limit_bytes"] == 350 * M, "what was set outlives a restart"
    node.run(["berth", "quota", "set", "box", "100M", "--force"])
    assert "No space left" in fill(node, "box", "/forced")
    inside(node, "box", "rm /layer /raised /var/lib/docker/inner /var/lib/docker/rest")
    node.run(["berth", "quota", "set", "box", "default"])
    assert quota(node, "box")["limit_bytes"] == 300 * M
    write(node, "box", "/again", 60)

    listed = json.loads(node.run(["berth", "quota", "ls", "--json", "--sort", "name"]).stdout)
    assert [row["name"] for row in listed] == ["box", "other"]
    shown = node.run(["berth", "quota", "ls"]).stdout
    assert "box" in shown and "300M" in shown and "2 sandboxes" in shown
    assert "1 sandbox," in node.run(["berth", "quota", "ls", "--filter", "oth"]).stdout
    print(shown)

    # Drift is put right, and what is gone is let go.
    project = quota(node, "other")["project"]
    node.run(["xfs_quota", "-x", "-c", f"limit -p bhard=9g {project}", "/var/lib/berth/pool"])
    assert "limit" in node.run(["berth", "quota", "reconcile"]).stdout
    assert quota(node, "other")["limit_bytes"] == 64 * M
    assert "Nothing to do" in node.run(["berth", "quota", "reconcile"]).stdout
    node.run("docker rm --force --volumes box other", timeout=300)
    released = node.run(["berth", "quota", "reconcile"]).stdout
    assert released.count("release") == 2, released
    assert json.loads(node.run(["berth", "quota", "ls", "--json"]).stdout) == []


def test_who_sets_the_budget(node_factory):
    node = budget_host.derive(node_factory)
    start(node, "default")
    assert quota(node, "default")["limit_bytes"] == 10 << 30
    start(node, "engine", "--storage-opt", "size=80M")
    assert quota(node, "engine")["limit_bytes"] == 80 * M
    start(node, "label", "--storage-opt", "size=80M", "--label", "berth.dev/disk=90M")
    assert quota(node, "label")["limit_bytes"] == 90 * M
    refused = start(node, "greedy", "--label", "berth.dev/disk=unlimited", check=False)
    assert refused.returncode != 0 and "budget.allow_unlimited" in refused.stderr
    write(node, "engine", "/var/lib/docker/x", 70)
    assert "No space left" in fill(node, "engine", "/y")
    # Stopped and full, an engine's own layer has room for what the engine makes in it.
    node.run(["docker", "stop", "--time", "1", "engine"], timeout=300)
    node.run(["docker", "start", "engine"], timeout=300)
    assert quota(node, "engine")["limit_bytes"] == 80 * M
