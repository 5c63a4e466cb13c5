"""What berth is cut off in: a machine before, its clean installation, and every run that is ended."""

import concurrent.futures
import json
import os
from collections import Counter
from pathlib import Path

import distribution
import nodes
import roots
import trees
from machine import POOL_CONFIG, Machine

WORKERS = int(os.environ.get("BERTH_FAULT_WORKERS", os.cpu_count() or 2))
CONTAINER = "c0ffee" * 10 + "beef"
DAEMON_JSON = "/etc/docker/daemon.json"
STOPPED = "0ddba11" * 9 + "f"
ODD_CONFIG = ("# by hand\nimports = [\n\t'mine.toml', # of ours\n]\nversion = 2\n[plugins]\n"
              "  [plugins.\"io.containerd.grpc.v1.cri\".containerd.runtimes.runc.options]\n\tSystemdCgroup = true")


def bare(machine):
    machine.build("debian-12")
    machine.prepare()


def rpm(machine):
    """No dpkg: dnf, and Sysbox's package unpacked by berth."""
    machine.build("rhel-9")
    machine.prepare(sysbox=distribution.sysbox_deb())


def existing_docker(machine):
    """A Docker with an image, volumes, a running and a stopped container; a user's own daemon.json."""
    machine.build("debian-12-docker")
    machine.prepare()
    machine.write(DAEMON_JSON, roots.ODD_DAEMON_JSON, 0o640)
    machine.systemctl("restart", "docker.service")
    put_data(machine)
    machine.write("/run/machine/containers", CONTAINER + "\n")
    machine.forget_log()


def containerd(machine):
    """The node's own containerd gets a handler; its config.toml lies as somebody wrote it."""
    machine.build("eks-ubuntu")
    machine.prepare(nodes.SETTINGS + POOL_CONFIG)
    machine.write(nodes.CONFIG, ODD_CONFIG, 0o640)
    machine.write("/etc/containerd/mine.toml", "oom_score = -5\n")
    machine.forget_log()


def crio(machine):
    """CRI-O comes beside the node's containerd, with its mirrors; the kubelet, whose flags somebody changed, moves."""
    machine.build("crio-kubeadm")
    machine.prepare(nodes.CRIO_OF_FILE + POOL_CONFIG)
    config = machine.read(nodes.CONFIG)
    machine.write(nodes.CONFIG, config.replace("config_path = ''", "config_path = '/etc/mirrors'", 1))
    machine.write("/etc/mirrors/docker.io/hosts.toml", '[host."https://mirror.example.com"]\nca = "one.crt"\n')
    machine.write("/etc/mirrors/docker.io/one.crt", "one\n")
    machine.write("/etc/systemd/system/kubelet.service.d/50-mine.conf",
                  '[Service]\nEnvironment="KUBELET_EXTRA_ARGS=--v=3"\n')
    machine.systemctl("daemon-reload")
    machine.systemctl("restart", "kubelet.service")
    machine.forget_log()


def put_data(machine):
    """Hard links over directories, holes, links, odd names, owners and modes."""
    data = "/var/lib/docker"
    machine.write(f"{data}/image/overlay2/imagedb/content/sha256/{'1' * 64}", "{}", 0o600)
    for one in (CONTAINER, STOPPED):
        machine.write(f"{data}/containers/{one}/config.v2.json", "{}", 0o600)
    machine.write(f"{data}/volumes/db/_data/table", "x" * 5000, 0o640)
    machine.write(f"{data}/overlay2/abc/diff/usr/bin/perl", "binary", 0o4755)
    (machine.path(data) / "overlay2/abc/diff/usr/bin/perl5").hardlink_to(
        machine.path(f"{data}/overlay2/abc/diff/usr/bin/perl"))
    (machine.path(data) / "overlay2/l/QWERTY").symlink_to("../abc/diff")
    machine.write(f"{data}/volumes/db/_data/odd \n name\udce9".encode("utf-8", "surrogateescape").decode(
        "utf-8", "surrogateescape"), "odd")
    with open(machine.path(f"{data}/volumes/db/_data/holes"), "wb") as file:
        file.truncate(8 << 20)
        file.seek(4 << 20)
        file.write(b"middle")
    if os.geteuid() == 0:
        os.chown(machine.path(f"{data}/volumes/db/_data"), 999, 999)


SCENARIOS = {"bare": bare, "rhel-9": rpm, "existing-docker": existing_docker,
             "containerd": containerd, "crio": crio}


class Scenario:
    """The folders and snapshots to compare with. Made once, read by all workers."""

    def __init__(self, name, folder, program):
        self.name = name
        self.program = str(program)
        self.folder = Path(folder)
        self.folder.mkdir()
        self.before, self.installed = self.folder / "before", self.folder / "installed"
        machine = Machine(self.folder / "making", program)
        try:
            self.make(machine)
        finally:
            machine.close()

    def make(self, machine):
        SCENARIOS[self.name](machine)
        machine.save(self.before)
        self.tree_before = machine.snapshot(trees.TRACES)
        self.points = {"install": self.traced(machine, "install")}
        machine.save(self.installed)
        self.tree_installed = machine.snapshot(trees.INSTALLED)
        self.settings = self.members(machine)
        self.points["uninstall"] = self.traced(machine, "uninstall")
        self.undone = trees.differences(self.tree_before, machine.snapshot(trees.TRACES)) + machine.harm()

    @staticmethod
    def members(machine):
        """Of Docker's settings, however they are laid out; None where there is no Docker."""
        return json.loads(machine.read(DAEMON_JSON)) if machine.path(DAEMON_JSON).exists() else None

    def traced(self, machine, command):
        """The fault points a run passes, by name."""
        trace = self.folder / f"points-{command}"
        done = machine.berth(command, env={"BERTH_FAULT_TRACE": str(trace)})
        if done.code:
            raise AssertionError(f"{self.name}: a clean {command} failed: {done}")
        return trace.read_text(encoding="utf-8").split()

    def summary(self, command):
        kinds = Counter(self.points[command])
        return (f"{self.name}, {command}: {len(self.points[command])} fault points ("
                + ", ".join(f"{count} {kind}" for kind, count in sorted(kinds.items())) + ")")

    # ---- one cut ----

    def is_installed(self, machine, ignore=()):
        found = trees.differences(self.tree_installed, machine.snapshot(trees.INSTALLED), ignore)
        found += machine.harm()
        found += [f"not reloaded: {unit}" for unit in machine.stale_units()]
        again = machine.berth("install")
        if again.code or "Nothing to do" not in again.out:
            found.append(f"a second install is not content: {again}")
        return found

    def is_undone(self, machine, ignore=()):
        found = trees.differences(self.tree_before, machine.snapshot(trees.TRACES), ignore) + machine.harm()
        return found + [f"not reloaded: {unit}" for unit in machine.stale_units()]

    def finish(self, machine, command, how, ignore=()):
        """Run the command to its end; what is wrong afterwards."""
        if how == "power":
            machine.boot()
            ignore = (*ignore, "/run/machine/containers")  # this one has no restart policy
        done = machine.berth(command)
        if done.code:
            return [f"{command} failed: {done}"]
        is_right = self.is_installed if command == "install" else self.is_undone
        return is_right(machine, ignore)

    def cut(self, machine, command, number):
        """End `command` at that point, then go on and go back from there, with and without a reboot."""
        machine.load(self.source(command))
        machine.forget_log()
        done = machine.berth(command, env={"BERTH_FAULT_AT": str(number)})
        name = f"{self.name}: {command} ended at point {number} ({self.points[command][number - 1]})"
        if done.code != 137:
            return [f"{name}: it was not ended there: {done}"]
        killed = machine.save(machine.place / "killed")
        problems = []
        for then, how in (("install", "kill"), ("uninstall", "kill"), (command, "power")):
            machine.load(killed)
            # Sysbox's purge lays daemon.json out anew. Members come back, their layout with the uninstall.
            ignore = (DAEMON_JSON,) if command == "uninstall" and then == "install" else ()
            found = self.finish(machine, then, how, ignore)
            if ignore and self.members(machine) != self.settings:
                found.append(f"{DAEMON_JSON} has other members: {self.members(machine)}")
            problems += [f"{name}, {how}, then {then}: {problem}" for problem in found]
        return problems


    def moments(self, machine, command):
        """The states dpkg puts packages into in a clean run."""
        machine.load(self.source(command))
        machine.order("trace")
        assert machine.berth(command).code == 0
        return machine.read("/.machine/moments").splitlines()

    def cut_packages(self, machine, command, number, name):
        """The power goes in the middle of a package transaction, berth and apt are gone at once."""
        machine.load(self.source(command))
        machine.order("cut", str(number))
        ended = machine.berth(command)
        problem = f"{command} without power at '{name}'"
        if ended.code != -9:
            return [f"{problem}: it was not ended there: {ended}"]
        machine.no_orders()
        killed = machine.save(machine.place / "killed")
        problems = []
        for then in ("install", "uninstall"):
            machine.load(killed)
            # Left in Docker's data by its package when it is removed: a purge takes it away.
            ignore = (DAEMON_JSON, "/var/lib/berth/pool/docker/nuke-graph-directory.sh")
            found = self.finish(machine, then, "power", ignore if command != then else ())
            problems += [f"{problem}, then {then}: {one}" for one in found]
        return problems

    def source(self, command):
        return self.before if command == "install" else self.installed


# ---- workers ----

_worker = {}


def start_worker(scenario, folder):
    _worker["scenario"] = scenario
    _worker["machine"] = Machine(Path(folder) / f"w{os.getpid()}", scenario.program)


def run_cut(*arguments):
    return _worker["scenario"].cut(_worker["machine"], *arguments)


def run_cut_packages(*arguments):
    return _worker["scenario"].cut_packages(_worker["machine"], *arguments)


def sweep(scenario, work, run, jobs):
    """Run all of them, in as many processes as there are processors; the problems found."""
    with concurrent.futures.ProcessPoolExecutor(WORKERS, initializer=start_worker,
                                                initargs=(scenario, work)) as pool:
        return [problem for job in [pool.submit(run, *job) for job in jobs] for problem in job.result()]
