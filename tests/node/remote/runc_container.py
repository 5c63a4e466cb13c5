"""A container without an engine, and berth-runc run on it, in a node that berth was installed on.

A bundle is a folder, a container is a state.json, and the real runtime is a script. The pool and its quotas are real.
"""

import json
import os
import subprocess
import tempfile
from pathlib import Path

RUNC = "/usr/local/lib/berth/berth-runc"
POOL = Path("/var/lib/berth/pool")
WORK = Path("/root/runc-cases")
STATES = WORK / "states"
TREES = POOL / "docker/cases"
SYSBOX = POOL / "sysbox"
FIRST, LAST = 5000000, 5000999


class Failed(Exception):
    pass


def need(truth, text="it is not so"):
    if not truth:
        raise Failed(text)


class Container:
    def __init__(self, name, **config):
        self.id = name
        self.bundle = WORK / "bundles" / name
        self.root = TREES / name
        self.inner = SYSBOX / "docker" / name
        self.remove()
        for folder in (self.bundle, STATES / name, self.root, self.inner):
            folder.mkdir(parents=True)
        self.config = {"root": {"path": str(self.root)}, "annotations": {"berth.dev/disk": "64M"}, **config}
        (self.bundle / "config.json").write_text(json.dumps(self.config))
        (STATES / name / "state.json").write_text(json.dumps(
            {"id": name, "config": {"labels": ["x=y", f"bundle={self.bundle}"]}}))

    def argv(self, verb="start", *options):
        return [RUNC, "--root", str(STATES), "--log", str(WORK / "log"), "--log-format", "json", verb, *options,
                self.id]

    def project(self, path=None):
        return project(path or self.inner)

    def remove(self):
        for folder in (self.bundle, STATES / self.id, self.root, self.inner):
            subprocess.run(["rm", "-rf", folder], check=True)
        (POOL / "sandboxes" / self.id).unlink(missing_ok=True)


def project(path):
    shown = subprocess.run(["lsattr", "-dp", path], capture_output=True, text=True, check=True).stdout
    return int(shown.split()[0])


def limits(number):
    """(used, hard, inodes, inode hard) of a project, in bytes."""
    shown = subprocess.run(["xfs_quota", "-x", "-c", f"quota -p -N -n -b -v {number}", str(POOL)],
                           capture_output=True, text=True, check=True).stdout
    words = shown.split()
    nodes = subprocess.run(["xfs_quota", "-x", "-c", f"quota -p -N -n -i -v {number}", str(POOL)],
                           capture_output=True, text=True, check=True).stdout.split()
    return int(words[1]) * 1024, int(words[3]) * 1024, int(nodes[1]), int(nodes[3])


def conf(**values):
    """A settings file of the case's own over the host's, for one process."""
    every = {"runtime": "/bin/true", "pool": POOL, "engine": "/var/lib/docker", "image": "", "budget": 67108864,
             "first_project": FIRST, "last_project": LAST, **values}
    path = Path(tempfile.mkstemp(dir=WORK, suffix=".conf")[1])
    path.write_text("".join(f"{key} = {value}\n" for key, value in every.items()))
    return path


def command(argv, settings):
    """In a mount namespace of its own, where the settings are those of the case."""
    return ["unshare", "--mount", "--propagation", "private", "sh", "-c",
            'mount --bind "$1" /etc/berth/runc.conf && shift && exec "$@"', "sh", str(settings), *argv]


def run(argv, settings=None, **kwargs):
    (WORK / "log").unlink(missing_ok=True)
    return subprocess.run(command(argv, settings or conf()), capture_output=True, text=True, timeout=600, **kwargs)


def starts(container, settings=None):
    done = run(container.argv(), settings)
    need(done.returncode == 0, f"start: {done.stderr}")
    return done


def refused(container, says, settings=None):
    """Not started; one clear line, and the same in the log as JSON."""
    done = run(container.argv(), settings)
    need(done.returncode == 1, f"exit status {done.returncode}: {done.stderr}")
    need(done.stderr.count("\n") == 1 and says in done.stderr, f"it says: {done.stderr}")
    logged = [json.loads(line) for line in (WORK / "log").read_text().splitlines()]
    need(len(logged) == 1 and logged[0]["level"] == "error" and says in logged[0]["msg"], str(logged))


def bound(container, places=(), limit=64 << 20):
    number = container.project()
    need(number != 0, "the inner volume is in no project")
    for place in (container.root, container.inner, *places):
        need(project(place) == number, f"{place} is in project {project(place)}, not {number}")
    used, hard, nodes, node_hard = limits(number)
    need(hard == limit, f"limit {hard}")
    need(node_hard >= 1024, f"inode limit {node_hard}")
    return number


def fill(path, most):
    """Write up to so many bytes, in ever smaller blocks towards the end; the errno that stopped it."""
    stopped = 0
    with open(path, "wb", buffering=0) as file:
        for size in (1 << 16, 4096):
            try:
                while file.tell() < most:
                    file.write(bytes(size))
                os.fsync(file.fileno())
            except OSError as error:
                stopped = error.errno
    return stopped
