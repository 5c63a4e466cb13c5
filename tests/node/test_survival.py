"""What kills a node, or Sysbox, costs no sandbox its data, its owners or its budget."""

import berth_host
import budget_host
from budget_host import M, fill, inside, quota, restart, start

WRITE = """
echo mine > /mine; chown 5:7 /mine
mkdir -p /var/lib/docker/overlay2/x; echo inner > /var/lib/docker/overlay2/x/inner
ln -s ../x /var/lib/docker/overlay2/x/link
echo kubelet > /var/lib/kubelet/kept
chown 3:4 /var/lib/docker/overlay2/x/inner; sync
"""
LOOK = """
cat /mine /var/lib/docker/overlay2/x/inner /var/lib/kubelet/kept
stat -c %u:%g / /bin/busybox /mine /var/lib/docker /var/lib/docker/overlay2/x/inner
readlink /var/lib/docker/overlay2/x/link
echo more >> /mine && touch /bin/busybox && mv /var/lib/docker/overlay2/x/link /var/lib/docker/link &&
mv /var/lib/docker/link /var/lib/docker/overlay2/x/link && sed -i /more/d /mine && echo writes
"""
SEEN = "mine\ninner\nkubelet\n0:0\n0:0\n5:7\n0:0\n3:4\n../x\nwrites\n"


def is_well(node, name):
    done = inside(node, name, LOOK)
    assert done.stdout == SEEN, done.stdout + done.stderr
    assert quota(node, name)["limit_bytes"] == 100 * M


def stays_in_budget(node, name):
    assert "No space left" in fill(node, name, "/var/lib/docker/fill")
    assert quota(node, name)["used_bytes"] <= 100 * M
    inside(node, name, "rm /var/lib/docker/fill; sync")


def wait_for_docker(node):
    node.run("for i in $(seq 120); do docker info >/dev/null 2>&1 && exit 0; sleep 2; done; exit 1", timeout=600)


def test_sandboxes_survive(node_factory):
    node = budget_host.derive(node_factory)
    for name in ("runs", "stopped"):
        start(node, name, "--label", "berth.dev/disk=100M")
        inside(node, name, WRITE)
        is_well(node, name)
    node.run(["docker", "stop", "--time", "1", "stopped"], timeout=300)

    # Sysbox restarted under one that runs and one that does not.
    node.run(["systemctl", "restart", "sysbox"], timeout=300)
    assert node.run("docker ps -q | wc -l").stdout.strip() == "1", "the sandbox that ran was stopped"
    restart(node, "runs")
    restart(node, "stopped")
    for name in ("runs", "stopped"):
        is_well(node, name)
        stays_in_budget(node, name)
    node.run(["docker", "stop", "--time", "1", "stopped"], timeout=300)

    # sysbox-mgr killed: nobody reverts owners.
    node.run("kill -KILL $(systemctl show --property MainPID --value sysbox-mgr.service)")
    node.run("for i in $(seq 60); do systemctl is-active sysbox.service >/dev/null || exit 0; sleep 1; done; exit 1",
             timeout=120)
    node.run(["systemctl", "start", "sysbox"], timeout=300)
    for name in ("runs", "stopped"):
        restart(node, name)
        is_well(node, name)
    node.run(["docker", "stop", "--time", "1", "stopped"], timeout=300)

    # The package upgraded: its scripts stop and start Sysbox.
    node.run(["dpkg", "--install", berth_host.SYSBOX], timeout=600, env={"DEBIAN_FRONTEND": "noninteractive"})
    node.run(["systemctl", "start", "sysbox"], timeout=300)
    for name in ("runs", "stopped"):
        restart(node, name)
        is_well(node, name)
    node.run(["docker", "stop", "--time", "1", "stopped"], timeout=300)

    # The power goes.
    node.run("sync")
    node.power_cut()
    node.boot()
    wait_for_docker(node)
    for name in ("runs", "stopped"):
        restart(node, name)
        is_well(node, name)
        stays_in_budget(node, name)

    # A reboot in good order.
    node.reboot()
    wait_for_docker(node)
    for name in ("runs", "stopped"):
        restart(node, name)
        is_well(node, name)

    # One that is removed while Sysbox is away leaves its stash, which is shown and aged.
    node.run(["systemctl", "stop", "sysbox"], timeout=300)
    node.run(["docker", "rm", "--force", "stopped"], timeout=300)
    node.run(["systemctl", "start", "sysbox"], timeout=300)
    assert "its stash is kept for" in node.run(["berth", "quota", "reconcile"]).stdout
    assert "(gone)" in node.run(["berth", "quota", "ls"]).stdout
    node.run("ln -sfn 1000 /var/lib/berth/pool/orphans/* 2>/dev/null; "
             "for f in /var/lib/berth/pool/orphans/*; do ln -sfn 1000 \"$f\"; done")
    assert "remove" in node.run(["berth", "quota", "reconcile"]).stdout
    node.run(["berth", "quota", "reconcile"])
    assert "(gone)" not in node.run(["berth", "quota", "ls"]).stdout
    restart(node, "runs")
    is_well(node, "runs")
