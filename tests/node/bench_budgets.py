"""The part of the benchmark about budgets: in one node, each figure beside its rival's, as a ratio."""

import os
import statistics
import subprocess
import tempfile
from pathlib import Path

import berth_host
import budget_host
from bench_rows import figure, row
from environment import HERE

ROOT = berth_host.ROOT
POOL = "/var/lib/berth/pool"
STARTS = int(os.environ.get("BENCH_STARTS", "30"))
SANDBOXES = 1000
STASHED = 200

_SOURCES = ("quota/budget.c", "sys/quota.c", "sys/mountinfo.c", "base/error.c", "base/units.c", "base/file.c",
            "base/strbuf.c", "base/fault.c")
_DIRECT = """
python3 - <<'END'
import json
path = "/etc/docker/daemon.json"
settings = json.load(open(path))
settings["runtimes"]["direct"] = {"path": "/usr/bin/sysbox-runc"}
json.dump(settings, open(path, "w"), indent=2)
END
systemctl reload docker; sleep 2
"""


def build_helper(folder):
    helper = Path(folder) / "bench-quota"
    subprocess.run(["gcc", "-O2", "-static", "-D_GNU_SOURCE", "-include", ROOT / "src/base/banned.h", "-I",
                    ROOT / "src", "-o", helper, HERE / "bench_quota.c", *(ROOT / "src" / name for name in _SOURCES)],
                   check=True)
    return helper


def milliseconds(node, script, times=5):
    """The median of a command's time in the node, measured there: ssh is no part of it."""
    out = node.run("for i in $(seq %d); do a=$(date +%%s%%N); %s >/dev/null 2>&1; b=$(date +%%s%%N); "
                   "echo $((b - a)); done" % (times, script), timeout=1800).stdout
    return statistics.median(int(line) for line in out.split()) / 1e6


def starts(node):
    """The same image, the same Sysbox, started by Docker with and without berth-runc before it; in turns."""
    node.run(_DIRECT, timeout=120)
    for name, runtime in (("ours", "sysbox-runc"), ("theirs", "direct")):
        node.run(["docker", "create", "--name", name, "--runtime", runtime, "--network", "none",
                  budget_host.CONTAINER_IMAGE, "sleep", "1000000"], timeout=300)
    times = {"ours": [], "theirs": []}
    for turn in range(STARTS + 1):
        for name, seen in times.items():
            took = milliseconds(node, f"docker start {name}", 1)
            node.run(["docker", "kill", name], timeout=120)
            node.run(["docker", "wait", name], timeout=120)
            if turn:
                seen.append(took)
    node.run("docker rm -f ours theirs", timeout=120)
    return row("start of a sandbox", statistics.median(times["ours"]), "without berth-runc",
               statistics.median(times["theirs"]), 1.02)


def setting(node):
    node.run(f"mkdir -p {POOL}/docker/bench/one")
    ours = float(node.run(f"/root/bench-quota set {POOL} {POOL}/docker/bench/one 2000").stdout) / 1000
    theirs = milliseconds(node, f"xfs_quota -x -c 'project -s -p {POOL}/docker/bench/one 7100000' "
                                f"-c 'limit -p bhard=300m 7100000' {POOL}")
    return row("setting a budget", ours, "xfs_quota project, limit", theirs, 0.02)


def usage(node):
    """A thousand sandboxes, each with some files, as XFS and as `du` know them."""
    node.run(["/root/make_sandboxes.py", str(SANDBOXES)], timeout=1800)
    walked = [float(node.run(f"/root/bench-quota walk {POOL}").stdout.split()[0]) / 1000 for _ in range(5)]
    ours = statistics.median(walked)
    report = milliseconds(node, f"xfs_quota -x -c 'report -p -N' {POOL}")
    node.run("echo 3 >/proc/sys/vm/drop_caches")
    du = milliseconds(node, f"du -s {POOL}/docker/bench", 1)
    listed = milliseconds(node, "berth quota ls --json")
    good = row(f"usage of {SANDBOXES} sandboxes", ours, "xfs_quota report", report, 0.2)
    good &= row("", ours, "du", du, 0.001)
    print(f"{'berth quota ls (names, sorted)':34} {listed:9.3f} ms")
    return good


def stash(node):
    node.run(["/root/make_sandboxes.py", "--volumes", str(STASHED)], timeout=600)
    took = milliseconds(node, "berth stash", 1) / 1000
    waiting = int(node.run(f"ls {POOL}/stash/docker | wc -l").stdout)
    assert waiting == STASHED, waiting
    node.run(f"rm -rf {POOL}/stash/docker/*", timeout=300)
    return figure(f"stash of {STASHED} sandboxes, 1G each", took, 1.0, "s ")


def growth(node):
    failed = node.run(["/root/make_sandboxes.py", "--grow"], timeout=600).stdout.split()
    print(f"{'pool grown under a writer':34} {failed[0]} writes, {failed[1]} failed, {failed[2]} ms"
          f"{'' if failed[1] == '0' else '   MISSED'}", flush=True)
    return failed[1] == "0"


def own_work(node):
    told = node.run(["/root/make_sandboxes.py", "--own-work"], timeout=600).stdout.split()
    print(f"{'berth-runc start, by itself':34} {float(told[0]):9.3f} ms  (this is an emulated processor; wanted < 1 ms "
          f"on a real one)", flush=True)
    return figure("berth-runc: resident at most", int(told[1]) * 1024 / 1e6, 1, "MB")


def run(node_class, suite):
    with tempfile.TemporaryDirectory() as folder:
        helper = build_helper(folder)
        with node_class.derive(*budget_host.prepared(), suite=suite, memory=2560) as node:
            node.put(helper, "/root/bench-quota", mode=0o755)
            node.put(HERE / "remote/make_sandboxes.py", "/root/make_sandboxes.py", mode=0o755)
            good = [part(node) for part in (setting, own_work, stash, usage, growth, starts)]
    return all(good)
