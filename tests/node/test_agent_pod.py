"""The DaemonSet's pod in the middle of its work: killed, its node rebooted, its label taken away, replaced."""

import os
import random

import kubelet_host
import yaml
from agent_host import until
from chart_host import CONFIG, FLAGS, deploy, helm, prepare, proven, told
from pod_host import DROP_IN, HANDLER, budget, init_pid, sandbox

SEED = int(os.environ.get("SEED", random.SystemRandom().randrange(1 << 32)))
KILLS = 4


def agents(worker):
    """Process numbers of berth on the node, of the pod and of what it has started."""
    return worker.node.run("pgrep -x berth", check=False).stdout.split()


def is_made(worker):
    """Has the first change been made?"""
    return worker.node.run("test -s /var/lib/berth/journal/records", check=False).returncode == 0


def test_it_may_be_cut_off_anywhere(node_factory, control_plane, tmp_path):
    chance = random.Random(SEED)
    print(f"SEED={SEED}")
    worker = kubelet_host.start(node_factory, control_plane, name="worker-cut", flags=FLAGS)
    node = worker.node
    prepare(worker, tmp_path)
    deploy(worker, tmp_path)
    until(lambda: is_made(worker), 600, "the pod begins")
    for _ in range(KILLS):
        wait = chance.uniform(1, 25)
        node.run(f"sleep {wait}; pkill -KILL -x berth", check=False)
        print(f"killed after {wait:.1f} s:", told(worker))
        until(lambda: agents(worker), 400, "the kubelet starts it again")
    node.run(f"sleep {chance.uniform(1, 25)}")
    print("rebooted:", told(worker))
    node.reboot()
    worker.connect()

    # Its label goes: so does the pod, and what it was at is left for the next one.
    until(lambda: agents(worker), 400, "the pod is back")
    control_plane.kubectl("label", "node", worker.name, "sysbox-install-")
    until(lambda: not agents(worker), 300, lambda: node.run("ps ax", check=False).stdout)
    control_plane.kubectl("label", "node", worker.name, "sysbox-install=yes")
    proven(worker)
    assert worker.runtime_handlers()[HANDLER]["userNamespaces"] is True

    # A sandbox notices none of its agents' comings and goings.
    worker.run_pod(sandbox("box", disk="100M"))
    pid = init_pid(worker, "box")
    control_plane.kubectl("rollout", "restart", "daemonset/sysbox-deploy", "--namespace=kube-system")
    node.put(yaml.safe_dump({"engine": "containerd", **CONFIG}).encode(), "/root/second.yaml")
    node.run("systemd-run --quiet --unit second /usr/local/lib/berth/berth agent --config /root/second.yaml "
             "--listen 127.0.0.1:9999")
    control_plane.kubectl("rollout", "status", "daemonset/sysbox-deploy", "--namespace=kube-system", "--timeout=110s")
    proven(worker, 300)
    assert len(agents(worker)) >= 2, node.run("journalctl --unit second --no-pager", check=False).stdout
    node.run(["rm", DROP_IN])
    until(lambda: node.run(["test", "-s", DROP_IN], check=False).returncode == 0, 300, "one of them puts it back")
    proven(worker, 300)
    assert init_pid(worker, "box") == pid and worker.restarts("box") == 0
    assert budget(node, "default/box")["limit_bytes"] == 100 << 20
    helm(control_plane, "uninstall", "sysbox-deploy")
