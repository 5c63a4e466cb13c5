"""The part of the benchmark about a thousand agents and one API server."""

import re
import subprocess
import tempfile
import time
from pathlib import Path

import parts
from bench_rows import figure, row
from cluster import Cluster
from environment import spawn
from fleet import Fleet
from test_fleet import account_in, make_nodes, told

NODES = 1000
SPEED = 180  # of the agents' clock, in steady state
KUBELETS_SECONDS = 60


def requests(cluster):
    """What the API server has answered so far, watches and its own business apart."""
    text = cluster.kubectl("get", "--raw", "/metrics").stdout
    return sum(float(value) for labels, value in re.findall(r"^apiserver_request_total{([^}]*)} (\S+)", text, re.M)
               if 'verb="WATCH"' not in labels and re.search('resource="(nodes|leases|events)"', labels))


def kubelets(cluster, log):
    """Requests a second of as many kubelets, as kwok plays them: leases and heartbeats."""
    with log.open("wb") as out:
        program = spawn([parts.binary("kwok"), f"--kubeconfig={cluster.kubeconfig}", "--manage-all-nodes=true",
                         "--node-lease-duration-seconds=40"], stdout=out, stderr=subprocess.STDOUT)
    try:
        time.sleep(90)  # all of them have begun
        begin, at = requests(cluster), time.monotonic()
        time.sleep(KUBELETS_SECONDS)
        if program.poll() is not None:
            raise SystemExit(f"bench: kwok ended:\n{log.read_text(errors='replace')[-2000:]}")
        return (requests(cluster) - begin) / (time.monotonic() - at)
    finally:
        program.kill()
        program.wait()


def restart(cluster, account):
    """All agents begin at once: (most requests in a second, seconds until all are told, requests, refused)."""
    with Fleet(cluster.url, account, nodes=NODES, seconds=120) as fleet:
        before, most = 0, 0
        for second in fleet:
            most, before = max(most, second.sent - before), second.sent
            failed = second.sent - second.of(200, 201)
            if second.seconds > 11 and told(cluster) == NODES:
                return most, second.seconds, second.sent, failed
    raise SystemExit("bench: not every node was told")


def steady(cluster, account):
    """Requests a second of the agents' own time, over two of its hours."""
    with Fleet(cluster.url, account, nodes=NODES, seconds=100, speed=SPEED) as fleet:
        begin = fleet.until(lambda second: second.seconds > 40)
        end = fleet.until(lambda second: second.seconds > 80)
    return (end.sent - begin.sent) / (end.seconds - begin.seconds) / SPEED


def run():
    with Cluster() as cluster, tempfile.TemporaryDirectory() as folder:
        account = account_in(cluster, Path(folder))
        make_nodes(cluster, NODES)
        for what in ("first start of all at once", "restart of all at once"):
            most, seconds, sent, failed = restart(cluster, account)
            print(f"{NODES} agents, {what}: {sent} requests, {failed} refused, {most} in the busiest second, "
                  f"all told in less than {seconds:.0f} s", flush=True)
        ours = steady(cluster, account)
        theirs = kubelets(cluster, Path(folder) / "kwok.log")
        good = figure(f"{NODES} agents, requests a second", ours, 1, "/s")
        return row("", ours, f"{NODES} kubelets", theirs, 0.01, "/s") and good
