"""The agent on a node at work: each fault is repaired, or left, as docs/agent.md says; times are printed."""

import json
import re
import time

import berth_host
import budget_host
import pytest
from agent_host import (DROPIN, break_and_repair, fault, get, log, metrics, pid_of, until, until_ready, with_tenant)

pytestmark = pytest.mark.xdist_group("agent")  # one node for all of them, in this order

RUNC = "/usr/local/lib/berth/berth-runc"
PROGRAM = "/usr/local/lib/berth/berth"
SLICE = "/etc/systemd/system/docker.service.d/99-slice.conf"
_CLIENTS = """
import threading, time, urllib.request
def scrape():
    try:
        sizes.append(len(urllib.request.urlopen("http://127.0.0.1:9477/metrics", timeout=60).read()))
    except OSError as error:
        sizes.append(str(error))
sizes = []
threads = [threading.Thread(target=scrape) for _ in range(100)]
[t.start() for t in threads]
[t.join() for t in threads]
print(min(sizes), len(sizes))
"""


@pytest.fixture(scope="module")
def node(module_node_factory):
    yield from with_tenant(module_node_factory)


def test_it_tells_what_is_there(node):
    seen = metrics(node)
    assert seen["berth_host_ready"] == 1 and seen["berth_sandboxes"] == 1
    used, = [name for name in seen if name.startswith("berth_sandbox_used_bytes")]
    assert 'name="tenant"' in used and 'engine="docker"' in used
    assert seen[used.replace("used_bytes", "limit_bytes")] == 64 << 20
    assert get(node, "healthz") == (200, "ok\n\n") and get(node, "nothing")[0] == 404
    assert seen["process_resident_memory_bytes"] < 8 << 20
    print(f"resident: {seen['process_resident_memory_bytes'] / (1 << 20):.1f} MiB")
    assert "used up its disk budget" not in log(node), "of its own proof, which fills one"


def test_dockerd_killed(node):
    pid = pid_of(node, "tenant")
    seconds = break_and_repair(node, "docker-dead", "kill -KILL $(pidof dockerd)")
    assert pid_of(node, "tenant") == pid, "the sandbox was stopped"
    started = node.run("systemctl stop docker.socket docker.service 2>&1; a=$(date +%s.%N); systemctl start docker; "
                       "while ! docker version >/dev/null 2>&1; do sleep 0.05; done; "
                       "b=$(date +%s.%N); echo \"$b - $a\" | tr -d '\\n' | python3 -c 'print(eval(input()))'",
                       timeout=300).stdout.split()[-1]
    print(f"systemctl start docker, until it answers: {float(started):.3f} s; {seconds / float(started):.2f} x")
    until_ready(node)


def test_sysbox_killed(node):
    break_and_repair(node, "sysbox-dead", "kill -KILL $(pidof sysbox-mgr)")
    until(lambda: fault(node, "sandboxes-need-restart", "fault_active") == 1, 60, "stranded sandboxes are told")
    budget_host.restart(node, "tenant")
    until(lambda: fault(node, "sandboxes-need-restart", "fault_active") == 0, 60, "and restarted ones are not")


@pytest.mark.parametrize("command", [f"rm {DROPIN}", f"rm {RUNC}", f"echo > {RUNC}", "echo > /etc/docker/daemon.json",
                                     "sed -i 's/: *\"sysbox-runc\"/: \"runc\"/' /etc/docker/daemon.json"])
def test_drift(node, command):
    pid = pid_of(node, "tenant")
    before = {path: node.run(["sha256sum", path]).stdout for path in (DROPIN, RUNC)}
    settings = json.loads(node.read("/etc/docker/daemon.json"))
    break_and_repair(node, "drift", command)
    assert before == {path: node.run(["sha256sum", path]).stdout for path in (DROPIN, RUNC)}
    assert json.loads(node.read("/etc/docker/daemon.json")) == settings
    assert pid_of(node, "tenant") == pid, "the sandbox was stopped"


@pytest.mark.parametrize("target", ["/var/lib/docker", "/var/lib/sysbox", "/var/lib/berth/pool"])
def test_pool_unmounted(node, target):
    pid = pid_of(node, "tenant")
    break_and_repair(node, "pool-unmounted", f"umount --lazy {target}")
    assert node.run(["findmnt", "--noheadings", "--output", "FSTYPE", target]).stdout.strip() == "xfs"
    assert pid_of(node, "tenant") == pid, "the sandbox was stopped"


@pytest.mark.parametrize("name, daemon", [("docker-hung", "dockerd"), ("sysbox-hung", "sysbox-mgr")])
def test_stopped_daemon(node, name, daemon):
    pid = node.run(["pidof", daemon]).stdout
    break_and_repair(node, name, f"kill -STOP $(pidof {daemon})")
    assert node.run(["pidof", daemon]).stdout == pid, "it was killed"


def main_pid(node, unit):
    return int(node.run(["systemctl", "show", "--property", "MainPID", "--value", unit]).stdout)


@pytest.mark.parametrize("runtime", ["", "--runtime"])
def test_masked_unit_is_respected(node, runtime):
    node.run(f"systemctl mask --now {runtime} docker.socket docker.service", timeout=300)
    until(lambda: fault(node, "unit-masked", "fault_active") == 1, 120, "told")
    assert get(node, "readyz")[0] == 503
    node.run(["rm", DROPIN])
    until(lambda: node.run(["test", "-e", DROPIN], check=False).returncode == 0, 120, "the rest goes on\n" + log(node))
    assert node.run(["pidof", "dockerd"], check=False).returncode != 0, "it was started"
    assert fault(node, "drift", "gave_up") == 0, log(node)[-3000:]
    refused = node.run(["berth", "install"], check=False, timeout=300)
    assert refused.returncode == 1 and "systemctl unmask docker.service" in refused.stdout + refused.stderr
    node.run(f"systemctl unmask {runtime} docker.socket docker.service", timeout=120)
    until_ready(node)


def test_one_half_of_sysbox_is_masked(node):
    node.run("systemctl mask --now --runtime sysbox-mgr.service", timeout=300)
    until(lambda: fault(node, "unit-masked", "fault_active") == 1, 120, "told")
    seen = fault(node, "sysbox-dead")
    time.sleep(20)
    tried = [line for line in log(node).rpartition("fault=unit-masked")[2].splitlines()
             if "audit=start target=sysbox.service" in line and "a change is left" not in line]
    assert not tried, tried
    assert fault(node, "sysbox-dead") <= seen + 1
    node.run("systemctl unmask --runtime sysbox-mgr.service", timeout=120)
    until_ready(node)
    budget_host.restart(node, "tenant")
    until(lambda: fault(node, "sandboxes-need-restart", "fault_active") == 0, 60, "whole again")


def test_containerd_stopped(node):
    pid = pid_of(node, "tenant")
    break_and_repair(node, "containerd-dead", "systemctl stop containerd")
    assert node.run(["systemctl", "is-active", "containerd"]).stdout.strip() == "active"
    assert pid_of(node, "tenant") == pid, "the sandbox was stopped"
    node.run(["docker", "restart", "tenant"], timeout=300)  # dockerd speaks to it again


def test_docker_in_a_slice_of_its_own(node):
    node.run(f"printf '[Service]\\nSlice=engines.slice\\n' > {SLICE}; systemctl daemon-reload; systemctl restart docker",
             timeout=300)
    until_ready(node)
    time.sleep(70)  # a look of each minute
    assert fault(node, "docker-dead", "fault_active") == 0, log(node)[-3000:]
    assert "/engines.slice/docker.service" in node.read(f"/proc/{main_pid(node, 'docker')}/cgroup")
    break_and_repair(node, "docker-dead", "kill -KILL $(pidof dockerd)")
    node.run(f"rm {SLICE}; systemctl daemon-reload; systemctl restart docker", timeout=300)
    until_ready(node)


def test_its_own_program_removed(node):
    agent, content = main_pid(node, "berth-agent"), node.run(["sha256sum", PROGRAM]).stdout
    break_and_repair(node, "drift", f"rm {PROGRAM}")
    assert node.run(["sha256sum", PROGRAM]).stdout == content
    time.sleep(10)
    assert main_pid(node, "berth-agent") == agent, "it took what it had put back for another berth"
    # Another one: it leaves, and that one puts everything right.
    node.run(f"cp {PROGRAM} /root/other && echo >> /root/other && mv /root/other {PROGRAM}; rm {DROPIN}")
    until(lambda: main_pid(node, "berth-agent") not in (0, agent), 120, "another takes over\n" + log(node))
    until_ready(node)
    berth_host.install(node)
    node.run(["systemctl", "restart", "berth-agent"])
    until_ready(node)


def test_sandbox_at_its_limit(node):
    assert "No space left" in budget_host.fill(node, "tenant", "/fill")
    until(lambda: any(value for name, value in metrics(node).items() if "limit_hits_total" in name), 60, "counted")
    assert re.search("has used up its disk budget.* name=tenant", log(node))
    budget_host.inside(node, "tenant", "rm /fill")


def test_a_hundred_clients(node):
    smallest, count = node.run(["python3", "-c", _CLIENTS], timeout=300).stdout.split()
    assert int(smallest) > 5000 and count == "100"
    assert metrics(node)["process_resident_memory_bytes"] < 8 << 20


def test_settings_read_again(node):
    good = node.read(berth_host.CONFIG)
    node.run(f"echo 'nonsense: 1' >> {berth_host.CONFIG}; systemctl reload berth-agent")
    until(lambda: "the new settings are refused, the old ones stay" in log(node), 30, "refused")
    until_ready(node)
    node.run(["tee", berth_host.CONFIG], input=good + "\nagent: {listen: '127.0.0.1:9478'}\n")
    node.run(["systemctl", "reload", "berth-agent"])
    until(lambda: "settings read again" in log(node), 30, "read")
    ports = node.run("ss --no-header --tcp --listening --numeric '( sport = :9477 or sport = :9478 )' | awk '{print $4}'").stdout
    assert ports.split() == ["127.0.0.1:9478"]
    node.run(["tee", berth_host.CONFIG], input=good)
    node.run(["systemctl", "reload", "berth-agent"])
    until_ready(node)
    # The same port, and all addresses; then one that this machine does not have.
    for address, expected in (("0.0.0.0", "0.0.0.0:9477"), ("192.0.2.1", "0.0.0.0:9477"), ("127.0.0.1", "127.0.0.1:9477")):
        node.run(["tee", berth_host.CONFIG], input=good + f"\nagent: {{listen: '{address}:9477'}}\n")
        node.run(["systemctl", "reload", "berth-agent"])
        until(lambda wanted=expected: node.run("ss --no-header --tcp --listening --numeric '( sport = :9477 )' | "
                                               "awk '{print $4}'").stdout.split() == [wanted], 30, expected)
    node.run(["tee", berth_host.CONFIG], input=good)
    node.run(["systemctl", "reload", "berth-agent"])
    until_ready(node)


def test_something_that_keeps_changing_a_file(node):
    node.run(["systemd-run", "--unit", "fighter", "sh", "-c", f"while :; do echo x >> {DROPIN}; sleep 0.5; done"])
    until(lambda: fault(node, "drift", "gave_up") == 1, 300, "left to people")
    assert "again and again" in log(node) or "still differs" in log(node)
    node.run(["systemctl", "stop", "fighter"])
    node.run(["systemctl", "reload", "berth-agent"])  # somebody looked after it
    until_ready(node)
    assert "echo" not in node.read(DROPIN)


def test_it_leaves_at_once_and_changes_nothing(node):
    pid = pid_of(node, "tenant")
    node.run("kill -KILL $(systemctl show --property MainPID --value berth-agent)")
    until(lambda: get(node, "healthz")[0] == 200, 60, "started again by systemd")
    took = node.run("a=$(date +%s%N); systemctl stop berth-agent; echo $((($(date +%s%N) - a) / 1000000))").stdout
    print(f"systemctl stop berth-agent: {took.strip()} ms")
    assert pid_of(node, "tenant") == pid
    assert node.run(["systemctl", "is-active", "docker", "sysbox"]).stdout.split() == ["active", "active"]


KEPT = "/var/lib/berth/config.yaml"

# A pod's view: a root of its own with one program in it, its own /proc of the host's processes (hostPID), and settings that
# are exchanged by a link, as the kubelet exchanges a ConfigMap's.
_POD = """
set -e
mkdir -p /root/pod/proc /root/pod/etc/berth/1
cp /usr/local/bin/berth /root/pod/berth
cp /etc/berth/config.yaml /root/pod/etc/berth/1/
ln -sfn berth /root/pod/nsenter
ln -sfn 1 /root/pod/etc/berth/..data
ln -sfn ..data/config.yaml /root/pod/etc/berth/config.yaml
systemd-run --unit pod unshare --mount --uts --ipc --net sh -c '
    mount --bind /root/pod /root/pod && mount --rbind /proc /root/pod/proc &&
    exec chroot /root/pod /berth agent --enter-host --config /etc/berth/config.yaml'
"""

# As other manuals have it (kubectl exec POD -- nsenter ...), in an image with one program and a link to it.
_NSENTER = """
unshare --mount --uts --ipc --net sh -c '
    hostname pod && mount --bind /root/pod /root/pod && mount --rbind /proc /root/pod/proc &&
    exec env PATH=/ /usr/sbin/chroot /root/pod nsenter -t 1 -m -u -n -i sh -c "hostname; docker ps --quiet | wc -l"'
"""


def pod_log(node):
    return node.run(["journalctl", "--unit", "pod", "--output", "cat", "--no-pager"]).stdout


def test_from_a_pod(node):
    node.run(_POD)
    until_ready(node)
    # What runs on the host without --config goes by the pod's settings, or could.
    assert node.read(KEPT) == node.read("/root/pod/etc/berth/config.yaml")
    repairs = pod_log(node).count("msg=repaired fault=drift")
    node.run(["rm", DROPIN])
    until(lambda: pod_log(node).count("msg=repaired fault=drift") > repairs, 120, "repaired from the pod\n" + pod_log(node))
    until_ready(node)
    node.run("cd /root/pod/etc/berth && mkdir 2 && cp 1/config.yaml 2/ && echo 'agent: {log_format: json}' >> 2/config.yaml && "
             "ln -sfn 2 ..new && mv -T ..new ..data && systemctl kill --kill-whom main --signal HUP pod")
    until(lambda: '"msg":"settings read again"' in pod_log(node), 60, "the new settings are read\n" + pod_log(node))
    until(lambda: "log_format: json" in node.read(KEPT), 60, "and kept\n" + pod_log(node))
    assert node.run(_NSENTER).stdout.split() == ["node", "1"]
    pid = pid_of(node, "tenant")
    node.run(["systemctl", "stop", "pod"])
    assert pid_of(node, "tenant") == pid and "Nothing to do" in berth_host.install(node).stdout


def test_undone(node):
    node.run(["systemctl", "start", "berth-agent"])
    node.run(["docker", "rm", "--force", "tenant"], timeout=300)
    done = node.run(["berth", "uninstall", "--wait"], timeout=berth_host.INSTALL_TIMEOUT)
    assert "nothing of berth is left" in done.stdout, done.stdout
    assert node.run("systemctl is-active berth-agent", check=False).returncode != 0
