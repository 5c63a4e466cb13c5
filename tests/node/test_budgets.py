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
    for field in ("used_bytes", "limit_bytes", "percent", "inodes"):
        sort = field.removesuffix("_bytes")
        listed = json.loads(node.run(["berth", "quota", "ls", "--json", "--sort", sort]).stdout)
        values = [row[field] for row in listed]
        assert values == sorted(values, reverse=True), f"{sort}: {values}"
    by_prefix(node, listed[0]["id"])
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
    look_at_every_place(node)
    node.run("docker rm --force --volumes box other", timeout=300)
    released = node.run(["berth", "quota", "reconcile"]).stdout
    assert released.count("release") == 2, released
    assert json.loads(node.run(["berth", "quota", "ls", "--json"]).stdout) == []


def by_prefix(node, whole):
    """An id by its beginning; one of three characters is none."""
    shown = node.run(["berth", "quota", "get", whole[:12], "--json"]).stdout
    assert json.loads(shown)["id"] == whole
    refused = node.run(["berth", "quota", "get", whole[:3]], check=False)
    assert refused.returncode == 1 and "no sandbox is called" in refused.stderr
    refused = node.run(["berth", "quota", "set", whole[:12], "18446744073709551615"], check=False)
    assert refused.returncode == 1 and "more than 1024T is no limit" in refused.stderr


def look_at_every_place(node):
    """A layer, its work directory and a volume that somebody took out of the project: told, and put back."""
    pool = "/var/lib/berth/pool"
    project = quota(node, "box")["project"]
    upper, work = (node.run(["docker", "inspect", "--format", "{{.GraphDriver.Data." + key + "}}", "box"]).stdout.strip()
                   for key in ("UpperDir", "WorkDir"))
    volume = node.run(["docker", "inspect", "--format", "{{(index .Mounts 0).Source}}", "box"]).stdout.strip()
    for path in (upper, work, volume):
        seen = path.replace("/var/lib/docker", "docker")
        node.run(["xfs_io", "-c", "chproj 0", path])
        told = json.loads(node.run(["berth", "quota", "reconcile", "--dry-run", "--json"]).stdout)
        assert [(row["what"], row["detail"]) for row in told] == [("tag", seen)], told
        assert node.run(["lsattr", "-dp", f"{pool}/{seen}"]).stdout.split()[0] == "0", "a dry run has tagged it"
        assert seen in node.run(["berth", "quota", "reconcile"]).stdout
        assert node.run(["lsattr", "-dp", f"{pool}/{seen}"]).stdout.split()[0] == str(project)
    assert json.loads(node.run(["berth", "quota", "reconcile", "--json"]).stdout) == []


def test_another_runtime_is_no_sandbox(node_factory):
    """As docs/budgets.md says: its layer is in no project, which the default of projects does not bound."""
    node = budget_host.derive(node_factory)
    start(node, "plain", "--runtime", "runc")
    start(node, "sized", "--runtime", "runc", "--storage-opt", "size=80M")
    for name, bounded in (("plain", False), ("sized", True)):
        upper = node.run(["docker", "inspect", "--format", "{{.GraphDriver.Data.UpperDir}}", name]).stdout.strip()
        project = node.run(["lsattr", "-dp", upper]).stdout.split()[0]
        assert (project != "0") == bounded, f"{name} is in project {project}"
    assert json.loads(node.run(["berth", "quota", "ls", "--json"]).stdout) == []
    assert "No space left" in fill(node, "sized", "/y")


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
