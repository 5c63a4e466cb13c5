"""The part of the benchmark about the agent: how soon it repairs, and what it costs when nothing happens."""

import re
import statistics
import time

import budget_host
from bench_budgets import SANDBOXES
from bench_rows import figure, row
from environment import HERE

POLL_SECONDS = 60  # a monitor that looks once a minute notices after half of it, in the mean
IDLE_SECONDS = 120
KILLS = 3

_WAIT = "while ! docker version >/dev/null 2>&1; do sleep 0.02; done"
_SCRAPE = """
import time, urllib.request
times = []
for _ in range(5):
    time.sleep(1.1)  # past the age at which an answer is made anew
    begun = time.monotonic()
    size = len(urllib.request.urlopen("http://127.0.0.1:9477/metrics").read())
    times.append((time.monotonic() - begun) * 1000)
print(sorted(times)[2], size)
"""


def seconds(node, script):
    """How long a script takes in the node, by its own clock."""
    out = node.run(f"a=$(date +%s%N); {script}; b=$(date +%s%N); echo $(((b - a) / 1000))", timeout=600).stdout
    return int(out.split()[-1]) / 1e6


def wait_until_ready(node):
    node.run("for i in $(seq 300); do python3 -c 'import urllib.request; "
             "urllib.request.urlopen(\"http://127.0.0.1:9477/readyz\")' 2>/dev/null && exit 0; sleep 1; done; exit 1",
             timeout=900)


def plain_start(node):
    """systemctl start docker, until it answers; nobody else starts it meanwhile."""
    node.run("systemctl stop docker.socket docker.service; systemctl reset-failed docker.service", timeout=300, check=False)
    return seconds(node, f"systemctl start docker; {_WAIT}")


def killed(node):
    """From the kill to the answer, with the agent there; and when it had noticed."""
    took = seconds(node, f"date +%s.%N >/root/killed; kill -KILL $(pidof dockerd); sleep 0.05; {_WAIT}")
    at = float(node.run(["cat", "/root/killed"]).stdout)
    log = node.run(["journalctl", "--unit", "agent", "--output", "short-unix", "--no-pager"]).stdout
    seen = [float(line.split()[0]) for line in log.splitlines() if "level=warn" in line and "docker-dead" in line]
    return took, (min(t for t in seen if t >= at) - at) * 1000


def counted(node):
    """(wake-ups, processor seconds) of the agent so far."""
    pid = node.run("systemctl show --property MainPID --value agent").stdout.strip()
    status = node.run(["cat", f"/proc/{pid}/status"]).stdout
    times = node.run(["cat", f"/proc/{pid}/stat"]).stdout.rpartition(")")[2].split()
    return int(re.search(r"^voluntary_ctxt_switches:\s+(\d+)", status, re.M)[1]), (int(times[11]) + int(times[12])) / 100


def run(node_class, suite):
    with node_class.derive(*budget_host.prepared(), suite=suite, memory=2560) as node:
        node.put(HERE / "remote/make_sandboxes.py", "/root/make_sandboxes.py", mode=0o755)
        plain = statistics.median(plain_start(node) for _ in range(KILLS))
        node.run(["systemd-run", "--unit", "agent", "berth", "agent"])
        wait_until_ready(node)
        repairs, noticed = [], []
        for _ in range(KILLS):
            took, saw = killed(node)
            repairs.append(took)
            noticed.append(saw)
            wait_until_ready(node)
            time.sleep(15)  # what follows a repair is over
        good = figure("dead dockerd noticed (emulated)", statistics.median(noticed), 10, "ms")
        good &= row("dockerd killed, until it answers", statistics.median(repairs), "systemctl start docker", plain,
                    1.2, "s ")
        good &= row("", statistics.median(repairs), "mean of a 60 s poll", POLL_SECONDS / 2 + plain, 1, "s ")
        node.run(["/root/make_sandboxes.py", str(SANDBOXES)], timeout=1800)
        took, size = node.run(["python3", "-c", _SCRAPE], timeout=300).stdout.split()
        good &= figure(f"scrape of {SANDBOXES} sandboxes (emulated)", float(took), 20, "ms")
        print(f"{'its answer':34} {int(size) / 1024:9.1f} KiB")
        wakes, used = counted(node)
        time.sleep(IDLE_SECONDS)
        more, later = counted(node)
        good &= figure("idle: wake-ups", (more - wakes) / IDLE_SECONDS, 1, "/s")
        print(f"{'idle: processor time':34} {(later - used) / IDLE_SECONDS * 100:9.3f} %")
        resident = node.run("grep VmRSS /proc/$(systemctl show --property MainPID --value agent)/status").stdout.split()[1]
        good &= figure(f"resident, with {SANDBOXES} sandboxes", int(resident) * 1024 / 1e6, 8, "MB")
        return good
