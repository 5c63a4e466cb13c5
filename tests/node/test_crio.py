"""CRI-O for the sandboxes: a kubelet moved to it and back, and one that used it all along."""

import json
import tomllib

import agent_host
import berth_host
import crio_package
import kubelet_host
import pytest
import sysbox
from budget_host import M
from pod_host import CLASS, HANDLER, POD_OVERHEAD, budget, fill, init_pid, overhead, pod_of, sandbox, written_layers

DROP_IN = "/etc/crio/crio.conf.d/50-berth.conf"
TAINT = "sysbox-runtime=not-running:NoSchedule"
DAEMON = {
    "apiVersion": "apps/v1", "kind": "DaemonSet", "metadata": {"name": "agent", "namespace": "default"},
    "spec": {"selector": {"matchLabels": {"app": "agent"}},
             "template": {"metadata": {"labels": {"app": "agent"}},
                          "spec": {**kubelet_host.pod("agent")["spec"], "tolerations": [{"operator": "Exists"}]}}}}


def runtime(worker):
    return worker.object()["status"]["nodeInfo"]["containerRuntimeVersion"].split("://")[0]


def is_cordoned(worker):
    return worker.object()["spec"].get("unschedulable", False)


def put_berth(node, **crio):
    """berth with the engine, which its package on the node is to be installed of."""
    crio_package.put(node)
    crio_package.load_images(node)
    berth_host.put_berth(node, engine="crio", crio={"file": crio_package.PATH, **crio})


def new_worker(node_factory, control_plane, name):
    """A node that is new, of the pool."""
    return kubelet_host.start(node_factory, control_plane, name=name, flags=[f"--register-with-taints={TAINT}"])


def install_beside(node):
    """As a unit of its own, which goes on meanwhile."""
    node.run("systemd-run --unit=berth-install --setenv=TERM=dumb /usr/local/bin/berth install")


def kubelet_files(node):
    return node.run("ls -A /etc/systemd/system/kubelet.service.d 2>&1; cat /etc/default/kubelet /var/lib/kubelet/config.yaml",
                    check=False).stdout


def start_impostor(node):
    """Somebody else's process called kubelet, found before the host's own: it says what would run as root."""
    node.put(b"#!/bin/sh\nsleep 1000000\n", "/opt/kubelet", 0o755)
    node.put(b"users:\n- name: a\n  user:\n    exec:\n      command: /opt/evil\n", "/opt/evil.conf", 0o644)
    node.put(b"#!/bin/sh\ntouch /root/was-run\n", "/opt/evil", 0o755)
    node.run("systemd-run --quiet --unit=impostor --uid=nobody /opt/kubelet --kubeconfig=/opt/evil.conf "
             "--container-runtime-endpoint=unix:///run/crio/crio.sock; systemctl restart kubelet")
    found = node.run("pgrep -x kubelet").stdout.split()
    assert len(found) == 2, found


def test_the_kubelet_moves_and_comes_back(node_factory, control_plane):
    worker = new_worker(node_factory, control_plane, "worker-crio")
    node = worker.node
    start_impostor(node)
    before = kubelet_files(node)
    worker.apply(DAEMON)
    pod_of(worker, "agent")
    put_berth(node)
    plan = node.run(["berth", "plan"], check=False)
    assert plan.returncode == 2, plan.stdout + plan.stderr
    for said in (DROP_IN, "cri-o 1.34", "the node is cordoned", "Ready on crio.service", "kubelet.service once"):
        assert said in plan.stdout, f"{said}\n{plan.stdout}"
    assert kubelet_files(node) == before, "a plan changes nothing"
    print(berth_host.install(node).stdout)
    assert runtime(worker) == "cri-o" and not is_cordoned(worker)
    worker.wait_for_handler(HANDLER)
    assert worker.runtime_handlers()[HANDLER]["userNamespaces"] is True
    assert "Nothing to do" in berth_host.install(node).stdout
    verified = berth_host.verify(node)
    for check in ("crio.handler", "crio.sandbox", "crio.kubelet"):
        assert verified[check]["verdict"] == "pass", verified[check]
    assert worker.exec(pod_of(worker, "agent"), "true").returncode == 0
    worker.cluster.kubectl("taint", "node", worker.name, f"{TAINT}-")

    worker.apply(CLASS)
    worker.run_pod(sandbox("box", disk="200M"))
    assert worker.exec("box", "cat", "/proc/self/uid_map").stdout.split()[1] != "0"
    row = budget(node, "default/box")
    assert row["name"] == "default/box/main" and row["limit_bytes"] == 200 * M, row
    assert "No space left" in fill(worker, "box", "/var/lib/docker/big")
    assert budget(node, "default/box")["used_bytes"] <= 201 * M
    refused = node.run(["berth", "uninstall"], check=False, timeout=600)
    assert refused.returncode == 1 and "drain the node first" in refused.stderr, refused.stderr
    assert runtime(worker) == "cri-o"
    worker.delete_pod("box")
    node.run(["berth", "quota", "reconcile"], timeout=300)
    node.run(["berth", "uninstall"], timeout=1800)
    worker.wait_ready()
    assert runtime(worker) == "containerd" and not is_cordoned(worker)
    assert HANDLER not in worker.runtime_handlers()
    assert kubelet_files(node) == before
    assert worker.exec(pod_of(worker, "agent"), "true").returncode == 0
    assert node.run("command -v crio; ls -d /etc/crio /var/lib/crio /var/lib/berth /root/was-run", check=False).stdout == ""
    print("with", "the stand-in" if sysbox.is_standin() else "a real Sysbox")


BUDGET = {"apiVersion": "policy/v1", "kind": "PodDisruptionBudget", "metadata": {"name": "keep", "namespace": "default"},
          "spec": {"minAvailable": 1, "selector": {"matchLabels": {"app": "kept"}}}}


def test_a_node_at_work_moves_only_with_consent(node_factory, control_plane):
    worker = kubelet_host.start(node_factory, control_plane, name="worker-busy")
    node = worker.node
    before = kubelet_files(node)
    bare = kubelet_host.pod("bare")
    worker.run_pod(bare)
    worker.apply({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "kept", "namespace": "default"},
                  "spec": {"selector": {"matchLabels": {"app": "kept"}},
                           "template": {"metadata": {"labels": {"app": "kept"}}, "spec": kubelet_host.pod("kept")["spec"]}}})
    worker.apply(BUDGET)
    kept = pod_of(worker, "kept")
    pid = init_pid(worker, kept)
    put_berth(node)
    refused = berth_host.install(node, check=False)
    assert refused.returncode == 1 and "crio.kubelet: drain" in refused.stdout + refused.stderr, refused
    assert node.run("test -e /var/lib/berth/journal", check=False).returncode == 1, "a refusal changes nothing"

    # With consent it is drained, as its disruption budgets allow: here they do not, until the deadline.
    berth_host.configure(node, engine="crio", crio={"file": crio_package.PATH, "kubelet": "drain", "drain_timeout": "20s"})
    refused = berth_host.install(node, check=False)
    assert refused.returncode == 1 and "default/bare has no controller" in refused.stderr, refused
    worker.delete_pod("bare")
    refused = berth_host.install(node, check=False)
    assert refused.returncode == 1 and f"default/{kept}" in refused.stderr and "disruption budget" in refused.stderr, refused
    assert runtime(worker) == "containerd" and not is_cordoned(worker) and kubelet_files(node) == before
    assert init_pid(worker, kept) == pid

    # Somebody else's cordon stays theirs.
    worker.cluster.kubectl("delete", "pdb", "keep", "--namespace=default")
    worker.cluster.kubectl("cordon", worker.name)
    berth_host.install(node)
    assert runtime(worker) == "cri-o" and worker.get_pod(kept) is None and is_cordoned(worker)
    worker.cluster.kubectl("uncordon", worker.name)


# With no network for pods, its node never becomes Ready.
NO_NETWORK = '[crio.network]\nnetwork_dir = "/etc/no-network"\n'


def test_what_is_not_ready_in_time_goes_back(node_factory, control_plane):
    worker = new_worker(node_factory, control_plane, "worker-back")
    node = worker.node
    before = kubelet_files(node)
    put_berth(node)
    berth_host.configure(node, engine="crio", crio={"file": crio_package.PATH}, timeouts={"services": "90s"})
    node.put(NO_NETWORK.encode(), "/etc/crio/crio.conf.d/99-other.conf")
    done = berth_host.install(node, check=False)
    assert done.returncode == 1 and "taken back, the node is Ready on containerd.service" in done.stderr, done.stderr
    worker.wait_ready()
    assert runtime(worker) == "containerd" and not is_cordoned(worker) and kubelet_files(node) == before
    # Mended, the next run goes on where this one was left.
    node.run(["rm", "/etc/crio/crio.conf.d/99-other.conf"])
    berth_host.configure(node, engine="crio", crio={"file": crio_package.PATH})
    node.run("systemctl restart crio")
    berth_host.install(node)
    assert runtime(worker) == "cri-o"


# As another installer leaves it: a handler of the same name, by another program.
OTHER = f'[crio.runtime.runtimes.{HANDLER}]\nruntime_path = "/opt/other-runc"\nruntime_type = "oci"\n'


def running_handler(node):
    """The program by which the CRI-O that runs would run sandboxes."""
    text = node.run("crio status config").stdout
    return tomllib.loads(text)["crio"]["runtime"]["runtimes"].get(HANDLER, {}).get("runtime_path")


def crio_pid(node):
    return node.run(["systemctl", "show", "--property=MainPID", "--value", "crio"]).stdout.strip()


def test_a_kubelet_that_used_it_all_along(node_factory, control_plane):
    worker = kubelet_host.start(node_factory, control_plane, name="worker-native", engine="crio")
    node = worker.node
    node.put(OTHER.encode(), "/etc/crio/crio.conf.d/10-other.conf")
    node.run("install -m 0755 /usr/local/bin/runc /opt/other-runc; systemctl restart crio")
    worker.wait_ready()
    assert running_handler(node) == "/opt/other-runc"
    before = node.run("find /etc/crio /etc/systemd/system -type f | xargs sha256sum").stdout
    worker.run_pod(kubelet_host.pod("bystander"))
    pid = init_pid(worker, "bystander")
    berth_host.put_berth(node, engine="crio")
    plan = node.run(["berth", "plan"], check=False).stdout
    assert DROP_IN in plan and "cordoned" not in plan and "cri-o 1.34" not in plan
    berth_host.install(node)
    assert running_handler(node) == "/usr/local/lib/berth/berth-runc"
    assert init_pid(worker, "bystander") == pid and worker.restarts("bystander") == 0
    assert "Nothing to do" in berth_host.install(node).stdout
    worker.apply(CLASS)
    worker.run_pod(sandbox("box", disk="200M"))
    assert overhead(worker, "box") < POD_OVERHEAD
    assert written_layers(node) < 512, "an image stays what it is: its files are mapped, not copied"
    assert "No space left" in fill(worker, "box", "/var/lib/docker/big")
    worker.delete_pod("box")
    # A CRI-O that would not start again is not stopped.
    node.put(b"[crio.runtime\n", "/etc/crio/crio.conf.d/99-broken.conf")
    crio = crio_pid(node)
    refused = node.run(["berth", "uninstall"], timeout=1200, check=False)
    assert refused.returncode == 1 and "/etc/crio/crio.conf.d/99-broken.conf" in refused.stderr, refused
    assert crio_pid(node) == crio
    node.run(["rm", "/etc/crio/crio.conf.d/99-broken.conf"])
    node.run(["berth", "uninstall"], timeout=1200)
    assert running_handler(node) == "/opt/other-runc"
    assert node.run("find /etc/crio /etc/systemd/system -type f | xargs sha256sum").stdout == before
    assert init_pid(worker, "bystander") == pid and worker.restarts("bystander") == 0


def test_from_debians_containerd(node_factory, control_plane):
    """Too old for sandboxes, with CNI's plugins in a folder of Debian's own: CRI-O goes on with them."""
    worker = kubelet_host.start(node_factory, control_plane, name="worker-debian", engine="containerd-debian",
                                flags=[f"--register-with-taints={TAINT}"])
    node = worker.node
    node.run("mkdir -p /usr/lib/cni && mv /opt/cni/bin/* /usr/lib/cni && "
             "sed -i s,/opt/cni/bin,/usr/lib/cni, /etc/containerd/config.toml && systemctl restart containerd", timeout=300)
    worker.wait_ready()
    put_berth(node)
    # The stand-in of Sysbox runs the runc of the path; Debian's knows too little of user namespaces.
    node.run(["ln", "-s", "/usr/libexec/crio/runc", "/usr/local/bin/runc"])
    berth_host.install(node)
    assert runtime(worker) == "cri-o"
    worker.cluster.kubectl("taint", "node", worker.name, f"{TAINT}-")
    worker.apply(CLASS)
    worker.run_pod(sandbox("box", disk="100M"))
    assert "No space left" in fill(worker, "box", "/var/lib/docker/big", 150)
    worker.delete_pod("box")
    node.run(["berth", "uninstall"], timeout=1800)
    worker.wait_ready()
    assert runtime(worker) == "containerd"


EARLIER = "/root/earlier.deb"


def engine_version(worker):
    return worker.object()["status"]["nodeInfo"]["containerRuntimeVersion"].removeprefix("cri-o://")


def goes_back(worker):
    """As if the kubelet had been upgraded since its CRI-O came."""
    worker.node.run(["dpkg", "--install", EARLIER], timeout=300)
    worker.node.run("systemctl restart crio", timeout=300)
    worker.until(lambda: engine_version(worker) == "1.33.2", 300, "an earlier CRI-O")


def test_it_follows_its_kubelet(node_factory, control_plane):
    """On a drained node, as one of another minor version ends all pods when it starts: by an install, and by an agent."""
    worker = new_worker(node_factory, control_plane, "worker-behind")
    node = worker.node
    put_berth(node)
    node.put(crio_package.package(version="1.33.2-1.1"), EARLIER)
    berth_host.install(node)
    worker.cluster.kubectl("taint", "node", worker.name, f"{TAINT}-")
    worker.apply(CLASS)
    goes_back(worker)
    worker.run_pod(sandbox("box", disk="100M"))
    pid = init_pid(worker, "box")
    waits = node.run(["berth", "plan"], timeout=300).stdout
    assert "crio.behind" in waits and "cri-o 1.34" not in waits, waits
    assert "Nothing to do" in berth_host.install(node).stdout
    assert init_pid(worker, "box") == pid and engine_version(worker) == "1.33.2"

    worker.delete_pod("box")
    worker.cluster.kubectl("cordon", worker.name)
    plan = node.run(["berth", "plan"], check=False, timeout=300).stdout
    assert "cri-o 1.34" in plan and "crio.service once; pods of DaemonSets and static ones start anew" in plan, plan
    berth_host.install(node)
    worker.until(lambda: engine_version(worker) == crio_package.VERSION, 300, "the CRI-O of its minor version")
    assert "Nothing to do" in berth_host.install(node).stdout and is_cordoned(worker)

    goes_back(worker)
    node.run(["berth", "agent", "--install-unit"], timeout=berth_host.INSTALL_TIMEOUT)
    worker.until(lambda: engine_version(worker) == crio_package.VERSION, 900, "the agent's CRI-O of its minor version")
    agent_host.until_ready(node)
    print(agent_host.log(node)[-2000:])
    worker.cluster.kubectl("uncordon", worker.name)
    worker.run_pod(sandbox("box", disk="100M"))
    assert "No space left" in fill(worker, "box", "/var/lib/docker/big", 150)
    worker.delete_pod("box")
    node.run(["berth", "uninstall"], timeout=1800)
    worker.wait_ready()
    assert runtime(worker) == "containerd" and node.run("command -v crio", check=False).stdout == ""


@pytest.mark.parametrize("version", ["1.33.2-1.1"])
def test_a_package_of_another_minor_version(node_factory, control_plane, version):
    worker = new_worker(node_factory, control_plane, "worker-minor")
    node = worker.node
    crio_package.put(node, version=version)
    berth_host.put_berth(node, engine="crio", crio={"file": crio_package.PATH})
    done = berth_host.install(node, check=False)
    assert done.returncode == 1 and version in done.stderr and "1.34" in done.stderr, done.stderr
    assert json.loads(node.run(["berth", "status", "--json"], check=False).stdout) is not None
    assert node.run("command -v crio", check=False).returncode != 0


MOMENTS = {
    "told": "test -e /etc/systemd/system/kubelet.service.d/zz-berth-crio.conf",
    "stopped": "! systemctl is-active --quiet kubelet",
    "started": "pgrep -f -- --container-runtime-endpoint=unix:///run/crio/crio.sock",
}


@pytest.mark.parametrize("moment", MOMENTS)
def test_power_cut_in_the_switch(node_factory, control_plane, moment):
    worker = new_worker(node_factory, control_plane, f"worker-{moment}")
    node = worker.node
    put_berth(node)
    install_beside(node)
    node.run(f"until {MOMENTS[moment]} >/dev/null || systemctl is-failed --quiet berth-install; do sleep 0.1; done",
             timeout=1800)
    node.power_cut()
    node.boot()
    worker.connect()
    print(f"after a power cut when it was {moment}:", node.run("berth status", check=False).stdout)
    done = berth_host.install(node)
    worker.wait_ready()
    assert runtime(worker) == "cri-o" and not is_cordoned(worker), done.stdout
    assert "Nothing to do" in berth_host.install(node).stdout
    worker.cluster.kubectl("taint", "node", worker.name, f"{TAINT}-")
    worker.apply(CLASS)
    worker.run_pod(sandbox("box", disk="100M"))
    assert "No space left" in fill(worker, "box", "/var/lib/docker/big", 150)


@pytest.mark.parametrize("signal", ["TERM", "KILL"])
def test_killed_while_the_kubelet_is_stopped(node_factory, control_plane, signal):
    """A person's Ctrl-C waits until it is started again; where nobody can wait, systemd starts it."""
    worker = new_worker(node_factory, control_plane, f"worker-{signal.lower()}")
    node = worker.node
    put_berth(node)
    install_beside(node)
    # Its last process goes long before what is on the old engine has ended: nothing may be slow between the two.
    node.run("until test -e /run/systemd/transient/berth-kubelet-guard.timer; do sleep 0.2; done; "
             "while read -r _ </sys/fs/cgroup/system.slice/kubelet.service/cgroup.procs; do :; done 2>/dev/null; "
             f"pkill -{signal} -x berth", timeout=1800)
    if signal == "KILL":
        assert node.run("systemctl is-active kubelet", check=False).returncode != 0
        timers = node.run("systemctl list-timers --all berth-kubelet-guard.timer").stdout
        assert "berth-kubelet-guard" in timers, timers
        node.run("systemctl start berth-kubelet-guard.service")  # the timer's time has come
    node.run("until systemctl is-active --quiet kubelet; do sleep 1; done", timeout=300)
    worker.until(lambda: node.run("pgrep -x berth", check=False).returncode != 0, 300, "berth has ended")
    done = berth_host.install(node)
    worker.wait_ready()
    assert runtime(worker) == "cri-o" and not is_cordoned(worker), done.stdout
    assert "Nothing to do" in berth_host.install(node).stdout
    assert node.run("systemctl list-timers --all --no-legend berth-kubelet-guard.timer").stdout == ""


def test_an_api_server_that_is_away(node_factory, control_plane):
    """Before the first change it is a refusal; in a drain it is waited for, until the deadline."""
    worker = kubelet_host.start(node_factory, control_plane, name="worker-away")
    node = worker.node
    put_berth(node, kubelet="drain", drain_timeout="30s")
    node.run("iptables -I OUTPUT -p tcp --dport 6443 -j REJECT")
    refused = berth_host.install(node, check=False)
    assert refused.returncode == 1 and "API server" in refused.stdout + refused.stderr, refused
    assert node.run("test -e /var/lib/berth/journal", check=False).returncode == 1, "a refusal changes nothing"
    assert runtime(worker) == "containerd"
