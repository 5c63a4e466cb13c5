"""From a bare node to a sandbox host, and back: the main job, once per suite."""

import json
import os

import berth_host
import sysbox
from setups import real_initramfs


def cut_off_in_the_proof(node):
    """Its sandbox and its image stay behind, which are no user's data."""
    verify = node.popen(["berth", "verify"])
    node.run(["sh", "-c", f"until {berth_host.PROOF_RUNS}; do sleep 0.1; done; pkill -9 -x berth"], timeout=300)
    verify.wait(timeout=60)
    assert "berth-verify" in node.run("docker ps -a; docker images").stdout


def test_plan_install_reboot_uninstall(node):
    berth_host.put_berth(node)
    if os.environ.get("SOAK") == "1":  # some minutes of an emulated processor
        real_initramfs(node)
    before = berth_host.snapshot(node)

    plan = node.run(["berth", "plan"], check=False, timeout=300)
    assert plan.returncode == 2
    for expected in ("/etc/docker/daemon.json", "docker.io", "sysbox-ce", "/var/lib/docker-xfs.img",
                     "var-lib-docker.mount", "Nothing is interrupted."):
        assert expected in plan.stdout
    assert berth_host.differences(before, berth_host.snapshot(node)) == [], "plan changed something"

    done = berth_host.install(node)
    assert "This machine is a sandbox host." in done.stdout

    again = berth_host.install(node)
    assert again.stdout.strip() == "Nothing to do: this machine is as the settings say."
    assert node.run(["berth", "plan"], check=False).returncode == 0

    checks = berth_host.verify(node)
    assert checks["pool.enforcement"]["verdict"] == "pass"
    assert checks["pool.direct-io"]["verdict"] in ("pass", "warn")
    assert checks["sandbox.userns"]["verdict"] == "pass"
    assert checks["sandbox.views"]["verdict"] == ("skip" if sysbox.is_standin() else "pass")
    assert node.run(["findmnt", "-no", "FSTYPE", "/var/lib/docker"]).stdout.split() == ["xfs"]

    inside = json.loads(berth_host.run_probe(node))
    assert inside["uid"] == 0 and inside["uid_map"].split()[1] != "0"

    node.reboot()
    node.settle()
    berth_host.verify(node)
    assert node.run(["systemctl", "--failed", "--no-legend"]).stdout.strip() == ""

    cut_off_in_the_proof(node)
    undone = node.run(["berth", "uninstall"], timeout=berth_host.INSTALL_TIMEOUT)
    assert "nothing of berth is left" in undone.stdout
    assert berth_host.differences(before, berth_host.snapshot(node)) == []
    assert node.run("grep -c ' /var/lib/' /proc/self/mounts", check=False).stdout.strip() == "0"
    assert "Nothing to undo" in node.run(["berth", "uninstall"]).stdout


def test_journal_is_readable(node_factory):
    node = node_factory("trixie")
    berth_host.put_berth(node)
    node.run(["berth", "install", "--step", "kernel"], timeout=300)
    entries = berth_host.journal(node)
    assert {e["step"] for e in entries} == {"kernel"}
    assert all(e["state"] == "done" for e in entries)
    status = json.loads(node.run(["berth", "status", "--json"]).stdout)
    assert status["journal"]["changes"] == len(entries)
    assert status["journal"]["unfinished"] == 0
