"""The node's own containerd with a handler for sandboxes: a real kubelet's pods, before, with and after it."""

import berth_host
import kubelet_host
import sysbox
from budget_host import M
from pod_host import (CLASS, CONFIG, DROP_IN, HANDLER, POD_OVERHEAD, budget, changed, fill, init_pid, overhead,
                      sandbox)

def test_pods_are_sandboxes(node_factory, control_plane):
    worker = kubelet_host.start(node_factory, control_plane)
    node = worker.node
    before = changed(node)
    worker.run_pod(kubelet_host.pod("bystander"))
    pid = init_pid(worker, "bystander")

    berth_host.put_berth(node, engine="containerd")
    plan = node.run(["berth", "plan"], check=False)
    assert plan.returncode == 2, plan.stdout + plan.stderr
    assert DROP_IN in plan.stdout and "containerd.service restarted once; its pods go on" in plan.stdout
    assert changed(node) == before, "a plan changes nothing"
    print(berth_host.install(node).stdout)
    worker.wait_for_handler(HANDLER)
    assert worker.runtime_handlers()[HANDLER]["userNamespaces"] is True
    assert init_pid(worker, "bystander") == pid and worker.restarts("bystander") == 0
    assert "Nothing to do" in berth_host.install(node).stdout
    verified = berth_host.verify(node)
    assert verified["containerd.handler"]["verdict"] == "pass"
    assert verified["containerd.sandbox"]["verdict"] == "pass", verified["containerd.sandbox"]
    assert node.run("systemctl is-active docker.service", check=False).stdout.strip() != "active"

    worker.apply(CLASS)
    worker.run_pod(sandbox("box", disk="200M"))
    assert worker.exec("box", "cat", "/proc/self/uid_map").stdout.split()[1] != "0"
    assert overhead(worker, "box") < POD_OVERHEAD
    row = budget(node, "default/box")
    assert row["name"] == "default/box/main" and row["engine"] == "kubernetes" and row["limit_bytes"] == 200 * M
    # What Sysbox keeps for it is on the pool; the layer is where the node's containerd has it.
    assert row["where"] == "inner docker"
    assert "No space left" in fill(worker, "box", "/var/lib/docker/big")
    assert budget(node, "default/box")["used_bytes"] <= 201 * M
    node.run(["berth", "quota", "set", "default/box", "400M"])
    assert "No space left" not in fill(worker, "box", "/var/lib/docker/more", 100)

    refused = node.run(["berth", "uninstall"], check=False, timeout=600)
    assert refused.returncode == 1 and "drain the node first" in refused.stderr, refused.stderr
    worker.delete_pod("box")
    node.run(["berth", "quota", "reconcile"], timeout=300)
    assert budget(node, "default/box") is None
    node.run(["berth", "uninstall"], timeout=1200)
    worker.wait_for_handler(HANDLER, present=False)
    worker.wait_ready()
    assert changed(node) == before
    assert init_pid(worker, "bystander") == pid and worker.restarts("bystander") == 0
    print("with", "the stand-in" if sysbox.is_standin() else "a real Sysbox")


# At work it reads other settings than those it is asked about: what a drop-in that is never read looks like.
DEAF = """\
#!/bin/sh
case " $* " in *" config dump "*|*" --version "*) exec /usr/local/bin/containerd.real "$@" ;; esac
exec /usr/local/bin/containerd.real --config /root/other.toml
"""


def test_what_does_not_come_true_is_taken_back(node_factory, control_plane):
    worker = kubelet_host.start(node_factory, control_plane, name="worker-deaf")
    node = worker.node
    node.run(f"cp {CONFIG} /root/other.toml; mv /usr/local/bin/containerd /usr/local/bin/containerd.real")
    node.put(DEAF.encode(), "/usr/local/bin/containerd", mode=0o755)
    node.run("systemctl restart containerd")
    worker.run_pod(kubelet_host.pod("bystander"))
    pid, before = init_pid(worker, "bystander"), changed(node)
    berth_host.put_berth(node, engine="containerd")
    done = berth_host.install(node, check=False)
    assert done.returncode == 1 and "taken back, containerd.service runs as before" in done.stderr, done.stderr
    assert changed(node) == before
    assert HANDLER not in worker.runtime_handlers()
    assert init_pid(worker, "bystander") == pid and worker.restarts("bystander") == 0
    # Mended, the next run goes on where this one was left.
    mend = "mv /usr/local/bin/containerd.real /usr/local/bin/containerd; systemctl restart containerd"
    node.run(mend)
    berth_host.install(node)
    worker.wait_for_handler(HANDLER)
    assert init_pid(worker, "bystander") == pid

    # What an operator wrote since is not undone by a later attempt that fails.
    node.run(f"echo '# mine' >>{CONFIG}; rm {DROP_IN}; mv /usr/local/bin/containerd /usr/local/bin/containerd.real")
    node.put(DEAF.encode(), "/usr/local/bin/containerd", mode=0o755)
    node.run("systemctl restart containerd")
    config = node.run(["cat", CONFIG]).stdout
    done = berth_host.install(node, check=False)
    assert done.returncode == 1 and "taken back, containerd.service runs as before" in done.stderr, done.stderr
    assert node.run(["cat", CONFIG]).stdout == config and config.endswith("# mine\n")
    assert node.run(["test", "-e", DROP_IN], check=False).returncode == 1
    node.run(mend)
    berth_host.install(node)
    worker.wait_for_handler(HANDLER)
    check_repaired_drop_in(worker)
    assert init_pid(worker, "bystander") == pid


# Something that a container waits for, made while containerd is down.
GO = "mkdir -p /srv/go {0}; printf '[Service]\\nExecStopPost=/bin/touch /srv/go/now\\n' >{0}/go.conf; systemctl daemon-reload"
WAIT = "until [ -e /go/now ]; do sleep 0.1 || sleep 1; done"


def check_repaired_drop_in(worker):
    """What was taken out of it is in force again, not only in the file; a container's own end meanwhile is none of ours."""
    node = worker.node
    node.run(f"sed -i /pod_annotations/d {DROP_IN}; systemctl restart containerd")
    node.run(GO.format("/run/systemd/system/containerd.service.d"))
    worker.run_pod(kubelet_host.pod("job", script=WAIT, mounts={"go": "/go"}, restartPolicy="Never", volumes=[
        {"name": "go", "hostPath": {"path": "/srv/go", "type": "Directory"}}]))
    print(berth_host.install(node).stdout)
    worker.until(lambda: worker.pod_phase("job") == "Succeeded", 120, "the job has not ended", "job")
    worker.apply(CLASS)
    worker.run_pod(sandbox("box", disk="200M"))
    assert budget(node, "default/box")["limit_bytes"] == 200 * M


def test_everything_a_pod_writes(node_factory, control_plane):
    """A node that is prepared before it joins: containerd's storage and kubelet's folder are on the pool."""
    node = kubelet_host.derive(node_factory)
    berth_host.put_berth(node, engine="containerd", pool={"pods": True})
    berth_host.install(node)
    worker = kubelet_host.Worker(node, control_plane, "worker-whole")
    worker.join()
    worker.wait_for_handler(HANDLER)
    worker.apply(CLASS)
    worker.run_pod(sandbox("whole", disk="200M", mounts={"scratch": "/scratch"}))
    worker.exec("whole", "sh", "-c", "for d in / /scratch /var/lib/docker; do dd if=/dev/zero of=$d/part bs=1M count=60; done; sync")
    row = budget(node, "default/whole")
    assert 179 * M < row["used_bytes"] < 190 * M and "layer" in row["where"], row
    assert "No space left" in fill(worker, "whole", "/scratch/more")
    for path in ("/etc/hosts", "/dev/termination-log", "/etc/resolv.conf", "/more", "/var/lib/docker/more"):
        assert "No space left" in fill(worker, "whole", path, 8), path
    assert budget(node, "default/whole")["used_bytes"] <= 201 * M

    # A container that is killed comes back in the same pod, under the same budget.
    row = budget(node, "default/whole")
    node.run(f"kill -9 {init_pid(worker, 'whole')}")
    worker.wait_restarted("whole", 0)
    assert budget(node, "default/whole")["project"] == row["project"]
    running = kubelet_host.pod("later")
    worker.run_pod(running)
    refused = berth_host.install(node, check=False)
    assert refused.returncode == 0, refused.stderr
    worker.delete_pod("whole")
    node.run(["berth", "quota", "reconcile"], timeout=300)

    # After a power cut the node is Ready on its pool, and no pod has what another had.
    node.power_cut()
    node.boot()
    worker.connect()
    worker.wait_ready()
    assert node.run("for d in containerd kubelet; do findmnt -no FSTYPE /var/lib/$d; done").stdout.split() == ["xfs", "xfs"]
    worker.run_pod(sandbox("again", disk="100M"))
    assert "No space left" in fill(worker, "again", "/big", 150)


def test_an_old_containerd_is_refused(node_factory, control_plane):
    worker = kubelet_host.start(node_factory, control_plane, name="worker-old", engine="containerd-debian")
    node = worker.node
    before = changed(node)
    berth_host.put_berth(node, engine="containerd")
    done = berth_host.install(node, check=False)
    assert done.returncode == 1, done.stdout
    assert "containerd 1.7" in done.stdout + done.stderr and "2.0.5 or newer" in done.stdout + done.stderr
    assert changed(node) == before
    assert node.run("test -e /var/lib/berth/journal", check=False).returncode == 1
