"""What else can befall a node that an agent keeps: crash loops, lost sockets, floods, clocks, disks. Long; SOAK=1."""

import json
import random
import re
import time

import berth_host
import budget_host
import pytest
from agent_host import (DROPIN, break_and_repair, derive, fault, get, log, metrics, pid_of, repaired, until, until_ready,
                        with_tenant)
from environment import HERE

pytestmark = pytest.mark.xdist_group("agent-faults")  # one node for all of them, in this order

POOL, IMAGE = "/var/lib/berth/pool", "/var/lib/docker-xfs.img"
FLOOD_SECONDS = 20


@pytest.fixture(scope="module")
def node(module_node_factory):
    yield from with_tenant(module_node_factory)


@pytest.fixture(autouse=True)
def tenant_lives(request):
    """No fault, and no repair, stops a sandbox."""
    if "node" not in request.fixturenames:
        yield
        return
    node = request.getfixturevalue("node")
    pid = pid_of(node, "tenant")
    yield
    until(lambda: node.run(["docker", "version"], check=False).returncode == 0, 300, "docker is back")
    assert pid_of(node, "tenant") == pid, "the sandbox was stopped"


def audit(node):
    return [line for line in log(node).splitlines() if "audit=" in line]


def test_enforcement_switched_off(node):
    node.run(["mount", "-o", "remount,noquota", POOL], check=False)
    said = node.run(["xfs_quota", "-x", "-c", "state -p", POOL]).stdout
    print("after mount -o remount,noquota:", re.findall(r"(Accounting|Enforcement): (\w+)", said))
    break_and_repair(node, "quota-off", f"xfs_quota -x -c 'disable -p' {POOL}")
    assert "audit=enforce" in log(node)
    assert "No space left" in budget_host.fill(node, "tenant", "/fill")
    budget_host.inside(node, "tenant", "rm /fill")


def test_docker_socket_removed(node):
    break_and_repair(node, "docker-hung", "rm /run/docker.sock", seconds=400)
    assert node.run(["docker", "version"]).returncode == 0


def test_out_of_memory(node):
    kills = "grep -h '^oom_kill ' /sys/fs/cgroup/system.slice/docker.service/memory.events"
    break_and_repair(node, "docker-dead", "systemctl set-property --runtime docker.service MemoryMax=2M; "
                     f"for i in $(seq 100); do {kills} | grep -qv ' 0$' && break; sleep 0.1; done; {kills}; "
                     "systemctl set-property --runtime docker.service MemoryMax=infinity")


@pytest.mark.parametrize("name, daemon", [("containerd-dead", "containerd"), ("sysbox-dead", "sysbox-fs")])
def test_other_daemons_killed(node, name, daemon):
    break_and_repair(node, name, f"kill -KILL $(pidof {daemon})")


def test_crash_loop_is_left_to_people_once(node):
    node.run(["systemd-run", "--unit", "killer", "sh", "-c", "while :; do pkill -KILL -x dockerd; sleep 0.5; done"])
    until(lambda: fault(node, "docker-dead", "gave_up") == 1, 400, "given up\n" + log(node)[-3000:])
    time.sleep(20)
    alerts = [line for line in log(node).splitlines() if "left to people" in line and "fault=docker-dead" in line]
    assert len(alerts) == 1 and "remedy=" in alerts[0], alerts
    node.run(["systemctl", "stop", "killer"])
    node.run(["systemctl", "reload", "berth-agent"])
    until_ready(node)


def test_clock_jumps(node):
    node.run("systemctl stop systemd-timesyncd", check=False)
    for jump in ("+26 hours", "-3 days", "+2 days"):
        tries = sum(value for key, value in metrics(node).items() if key.startswith("berth_converge_total"))
        node.run(["date", "--set", jump])
        time.sleep(10)
        assert get(node, "healthz")[0] == 200 and get(node, "readyz")[0] == 200
        after = sum(value for key, value in metrics(node).items() if key.startswith("berth_converge_total"))
        assert after <= tries + 1, "it woke up for the hours that never were"
    seconds = break_and_repair(node, "drift", f"rm {DROPIN}")
    assert seconds < 200, "it was counted by the clock that jumps"
    node.run(["date", "--set", f"@{time.time():.0f}"])


def test_two_agents(node):
    node.run(["systemd-run", "--unit", "second", "berth", "agent", "--listen", "127.0.0.1:9478"])
    time.sleep(30)
    for _ in range(3):
        node.run(["rm", DROPIN])
        until(lambda: node.run(["test", "-e", DROPIN], check=False).returncode == 0, 120, "put back")
        until_ready(node)
        time.sleep(30)  # both have ended: what is removed while one is at work counts as somebody's meddling
    said = node.run("journalctl --unit second --output cat --no-pager").stdout
    node.run(["systemctl", "stop", "second"])
    both = [line for line in audit(node) + [l for l in said.splitlines() if "audit=" in l] if DROPIN in line]
    print(f"three removals, {len(both)} changes by two agents")
    assert 3 <= len(both) <= 6 and not any("level=error" in line for line in said.splitlines())
    assert json.loads(node.run(["berth", "status", "--json"]).stdout)["journal"]["unfinished"] == 0


def test_agent_killed_at_any_moment(node):
    chance = random.Random(7)
    for _ in range(6):
        until(lambda: get(node, "healthz")[0] == 200, 60, "it is back")
        node.run(f"rm -f {DROPIN}; sleep {chance.uniform(0, 4):.2f}; "
                 "kill -KILL $(systemctl show --property MainPID --value berth-agent); systemctl reset-failed berth-agent")
    until(lambda: node.run(["test", "-e", DROPIN], check=False).returncode == 0, 240, "put back")
    until_ready(node)
    assert json.loads(node.run(["berth", "status", "--json"]).stdout)["journal"]["unfinished"] == 0
    assert "Nothing to do" in berth_host.install(node).stdout


def test_slow_readers(node):
    """Connections that ask for nothing, or take nothing, are in nobody's way, and are closed in the end."""
    node.put(HERE / "remote/slow_readers.py", "/root/slow_readers.py")
    node.run(["systemd-run", "--unit", "slow", "python3", "/root/slow_readers.py", "50"])
    time.sleep(5)
    assert get(node, "metrics")[0] == 200
    assert metrics(node)["process_resident_memory_bytes"] < 16 << 20
    theirs = "ss --no-header --tcp --numeric state established '( sport = :9477 )' | wc -l"
    print("connections:", node.run(theirs).stdout.strip())
    until(lambda: node.run(theirs).stdout.strip() == "0", 180, "closed")
    node.run(["systemctl", "stop", "slow"])


def test_a_flood_of_events(node):
    """Ten thousand a second, between dockerd and the agent: nobody else makes so many."""
    node.put(HERE / "remote/flood_proxy.py", "/root/flood_proxy.py")
    node.run("mv /run/docker.sock /run/real.sock")
    node.run(["systemd-run", "--unit", "flood", "python3", "/root/flood_proxy.py", "/run/docker.sock", "/run/real.sock"])
    node.run("until [ -S /run/docker.sock ]; do sleep 0.1; done; systemctl restart berth-agent")
    until(lambda: get(node, "healthz")[0] == 200, 60, "up")
    until(lambda: metrics(node)['berth_agent_events_total{source="docker"}'] > 0, 60, "events")
    begin, at = metrics(node), time.monotonic()
    time.sleep(FLOOD_SECONDS)
    end, took = metrics(node), time.monotonic() - at
    cpu = (end["process_cpu_seconds_total"] - begin["process_cpu_seconds_total"]) / took
    sent = node.run(["cat", "/run/flood.sent"]).stdout
    print(f"{sent.strip()} events a second; the agent needs {cpu:.2f} of an emulated processor, "
          f"{end['process_resident_memory_bytes'] / (1 << 20):.1f} MiB")
    node.run("systemctl stop flood; mv /run/real.sock /run/docker.sock; systemctl restart berth-agent")
    assert end["process_resident_memory_bytes"] < 10 << 20
    until_ready(node)


def test_package_installed_again(node):
    node.run("apt-get install --reinstall --yes docker.io", timeout=1200, env={"DEBIAN_FRONTEND": "noninteractive"})
    until_ready(node)
    assert not [line for line in log(node).splitlines() if "level=error" in line and "apt" in line]


def test_backing_disk_full(node):
    # A whole image has its blocks already, and cannot run out: only a sparse one is in danger.
    node.run(["fstrim", POOL], timeout=600)
    node.run("fallocate --length $(($(stat --file-system --format '%a * %S' /var/lib) - 200 * 1024 * 1024)) /filler")
    until(lambda: fault(node, "backing-full", "fault_active") == 1, 120, "told")
    assert metrics(node)["berth_pool_hold"] == 1
    refused = budget_host.start(node, "late", check=False)
    assert refused.returncode != 0, "a sandbox was started on a disk that is full"
    print("refused:", refused.stderr.strip().splitlines()[-1][-300:])
    node.run(["rm", "/filler"])
    until(lambda: fault(node, "backing-full", "fault_active") == 0, 120, "over")
    node.run(["docker", "rm", "--force", "late"], check=False)
    budget_host.start(node, "late")
    node.run(["docker", "rm", "--force", "late"])


def test_loop_detached(node):
    """In use, it stays until it is not: the kernel only notes it. Nothing happens."""
    device = node.run(["findmnt", "--noheadings", "--output", "SOURCE", POOL]).stdout.strip()
    node.run(["losetup", "--detach", device], check=False)
    budget_host.write(node, "tenant", "/after", 1)
    assert get(node, "readyz")[0] == 200
    node.run(["systemctl", "reload", "berth-agent"])
    until_ready(node)


def test_uninstalled_beneath_it(module_node_factory):
    """What is gone then is no fault any more, and nothing looks after it."""
    node = derive(module_node_factory)
    node.run("mv /var/lib/berth/journal /root/journal && systemctl stop docker.socket docker.service", timeout=300)
    until(lambda: "berth was uninstalled on this host" in log(node), 120, "said\n" + log(node))
    until(lambda: fault(node, "docker-dead", "fault_active") == 0, 60, "no fault\n" + log(node))
    assert get(node, "readyz")[0] == 503 and "uninstalled" in get(node, "readyz")[1]
    assert node.run(["pidof", "dockerd"], check=False).returncode != 0, "it was started"
    node.run("mv /root/journal /var/lib/berth/journal && systemctl reload berth-agent")
    until_ready(node)


def test_image_cut_while_mounted(module_node_factory):
    """Told, and nothing is made anew: what can be saved is still in it."""
    node = derive(module_node_factory)
    superblock = f"dd if={IMAGE} bs=4096 count=1 status=none | sha256sum"
    before = node.run(f"{superblock}; stat --format %i {IMAGE}").stdout
    node.run(f"truncate --size 64M {IMAGE}")
    until(lambda: fault(node, "pool-broken", "fault_active") == 1, 120, "told\n" + log(node))
    assert get(node, "readyz")[0] == 503
    node.run(["systemctl", "reload", "berth-agent"])
    time.sleep(60)
    after = node.run(f"{superblock}; stat --format %i {IMAGE}").stdout
    assert before.split()[-1] == after.split()[-1], "another image"
    assert not [line for line in audit(node) if "audit=format" in line or "audit=move" in line], audit(node)
    assert repaired(node, "pool-broken") == 0
    print(log(node)[-3000:])
