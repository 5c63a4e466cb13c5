#!/usr/bin/python3
"""Runs in a node: sandboxes as the pool knows them, without an engine, for the benchmark."""

import fcntl
import json
import os
import struct
import subprocess
import sys
import threading
import time
from pathlib import Path

POOL = Path("/var/lib/berth/pool")
GET, SET = 0x801C581F, 0x401C5820  # FS_IOC_FSGETXATTR, FS_IOC_FSSETXATTR
INHERIT = 0x200


def tag(path, project):
    fd = os.open(path, os.O_RDONLY)
    attr = bytearray(28)
    fcntl.ioctl(fd, GET, attr)
    flags, extsize, extents, _, cow = struct.unpack_from("=IIIII", attr)
    fcntl.ioctl(fd, SET, struct.pack("=IIIII8s", flags | INHERIT, extsize, extents, project, cow, b""))
    os.close(fd)


def many(count):
    (POOL / "sandboxes").mkdir(exist_ok=True)
    for number in range(count):
        project, folder = 8000000 + number, POOL / f"docker/bench/s{number}"
        folder.mkdir(parents=True)
        tag(folder, project)
        for file in range(100):
            (folder / str(file)).write_bytes(b"x" * 100)
        os.symlink(f"project={project} budget=314572800 set=0 running=0 boot=0 mgr=0",
                   POOL / f"sandboxes/bench{number}")
    subprocess.run(["sync"], check=True)


def volumes(count):
    for number in range(count):
        folder = POOL / f"sysbox/docker/stash{number}"
        folder.mkdir(parents=True)
        with open(folder / "data", "wb") as file:
            file.truncate(1 << 30)


def grow():
    """Synced writes while the pool grows."""
    over, seen = threading.Event(), {"writes": 0, "failed": 0}

    def write():
        with open(POOL / "docker/bench-writer", "wb", buffering=0) as file:
            while not over.is_set():
                try:
                    file.seek(0)
                    for _ in range(16):
                        file.write(b"x" * 65536)
                    os.fsync(file.fileno())
                    seen["writes"] += 16
                except OSError:
                    seen["failed"] += 1

    writer = threading.Thread(target=write)
    writer.start()
    time.sleep(1)
    started = time.monotonic()
    for _ in range(3):
        subprocess.run(["berth", "pool", "grow", "+256M"], check=True, stdout=subprocess.DEVNULL)
    took = time.monotonic() - started
    time.sleep(1)
    over.set()
    writer.join()
    print(seen["writes"], seen["failed"], round(took * 1000))


def own_work():
    """A start with seven empty volumes, by itself: the real runtime is not there to be executed."""
    bundle, states = Path("/root/own-work"), Path("/root/own-states")
    (states / "own").mkdir(parents=True)
    bundle.mkdir()
    root = POOL / "docker/bench/own"
    root.mkdir(parents=True)
    (bundle / "config.json").write_text(json.dumps({
        "root": {"path": str(root)}, "mounts": [{"type": "bind", "source": f"/x{n}"} for n in range(40)],
        "linux": {"seccomp": {"syscalls": [{"names": [f"call_{n}" for n in range(400)], "action": "SCMP_ACT_ALLOW"}]}}}))
    notes = Path("/run/berth/bundles")
    notes.mkdir(parents=True, exist_ok=True)
    (notes / "own").symlink_to(f"{states}:{bundle}")
    conf = Path("/root/own.conf")
    conf.write_text("runtime = /nowhere/runc\nfirst_project = 9000000\nlast_project = 9000999\n")
    subprocess.run(["mount", "--bind", conf, "/etc/berth/runc.conf"], check=True)
    argv = ["/usr/local/lib/berth/berth-runc", "--root", str(states), "start", "own"]
    times, peak = [], 0
    try:
        for _ in range(15):
            kinds = [kind / "own" for kind in (POOL / "sysbox").iterdir()]
            for folder in (root, *kinds):
                subprocess.run(["rm", "-rf", folder], check=True)
                folder.mkdir()
            started = time.monotonic()
            subprocess.run(argv, check=False, stderr=subprocess.DEVNULL)
            times.append(time.monotonic() - started)
        empty = []
        for _ in range(15):
            started = time.monotonic()
            subprocess.run([argv[0], "features"], check=False, stderr=subprocess.DEVNULL)
            empty.append(time.monotonic() - started)
        peak = subprocess.run(["/root/bench-quota", "peak", *argv], capture_output=True, text=True, check=False).stdout
    finally:
        subprocess.run(["umount", "/etc/berth/runc.conf"], check=True)
    print((sorted(times)[7] - sorted(empty)[7]) * 1000, peak)


def main(words):
    if words[0] == "--volumes":
        volumes(int(words[1]))
    elif words[0] == "--grow":
        grow()
    elif words[0] == "--own-work":
        own_work()
    else:
        many(int(words[0]))


main(sys.argv[1:])
