"""Saved states of nodes: disks, and unless started cold the memory too, ready to run on from.

A state is a folder of the cache, never written again once it is there. Its disks stand on the
image's, or on another state's; every node started from it gets disks of its own above those, and
its memory file is mapped privately, so any number of nodes can run from one state at once.
"""

import contextlib
import os
import shutil
import time
from dataclasses import dataclass
from pathlib import Path

from accel import qemu_version
from environment import build_once, cache_dir, fingerprint, stage, tool
from image import Image
from qemu import Hardware, Memory, machine_arguments

_KEPT_DAYS = 4


def cold():
    """Whether every node is to be booted instead of resumed."""
    return os.environ.get("BERTH_NODE_COLD", "") not in ("", "0")


@dataclass(frozen=True)
class State:
    """A point to start nodes from: the image, or the image after something was done to it."""

    image: Image
    hardware: Hardware
    # None: the plain image, never booted.
    folder: Path = None

    @property
    def name(self):
        return self.folder.name if self.folder else self.image.name

    @property
    def memory(self):
        """The guest's memory if this state can be resumed, else None: then it is booted."""
        path = self.folder / "memory" if self.folder else None
        return path if path and path.exists() else None

    @property
    def device_state(self):
        return self.folder / "devices"

    def make_disks(self, folder):
        """Create in *folder* the disks of one node on top of this state; return their paths."""
        self._mark_used()
        made = []
        for index, size in enumerate((None, *self.hardware.disks)):
            target = folder / f"disk{index}.qcow2"
            base = self._base_disk(index)
            if base is None:
                tool(["qemu-img", "create", "-q", "-f", "qcow2", target, size])
            else:
                # A relative path, so that a cache can be moved or restored somewhere else.
                backing = os.path.relpath(base, folder)
                tool(["qemu-img", "create", "-q", "-f", "qcow2", "-F", "qcow2", "-b", backing,
                      target])
            made.append(target)
        return made

    def _mark_used(self):
        """Tell prune() that this state and all it stands on are in use."""
        os.utime(self.image.folder)
        folder = self.folder
        while folder:
            os.utime(folder)
            below = (folder / "base").read_text() if (folder / "base").exists() else ""
            folder = folder.parent / below if below else None

    def _base_disk(self, index):
        if self.folder:
            return self.folder / f"disk{index}.qcow2"
        return self.image.disk if index == 0 else None


def prepare(base, key, setup, acceleration):
    """The state reached from *base* by *setup*, a function of a running node; cached by *key*.

    *key* must change whenever *setup* would do something else: put versions and hashes into it.
    """
    kind = "cold" if cold() else "warm"
    machine = ""
    if kind == "warm":
        machine = fingerprint(qemu_version(), acceleration.arguments, _processor(acceleration),
                              _layout(base.hardware))
    name = fingerprint(base.name, base.hardware, key, kind, machine)
    folder = cache_dir() / "state" / f"{base.image.suite}-{name}"

    def make(staging):
        prune()
        (staging / "base").write_text(base.folder.name if base.folder else "")
        with stage(f"preparing a {base.image.suite} node ({key.splitlines()[0][:60]})"):
            _record(base, setup, staging, resumable=kind == "warm")

    return State(base.image, base.hardware, build_once(folder, make))


def prune():
    """Remove the states and images nobody used for days; no node lives that long."""
    oldest = time.time() - _KEPT_DAYS * 86400
    for kind in ("state", "image"):
        for folder in (cache_dir() / kind).glob("[!.]*/"):
            with contextlib.suppress(FileNotFoundError):
                if folder.stat().st_mtime < oldest:
                    shutil.rmtree(folder, ignore_errors=True)


def remove(state):
    """Forget a state that nobody will ask for again."""
    if state.folder:
        shutil.rmtree(state.folder, ignore_errors=True)


def _layout(hardware):
    """The machine's devices without the paths behind them: a state resumes only on the same."""
    disks = [f"disk{index}" for index in range(1 + len(hardware.disks))]
    return machine_arguments(hardware, Memory(Path("memory"), False), disks, "relay", "serial")


def _processor(acceleration):
    """What of this machine's processor a resumed guest relies on: nothing when it is emulated."""
    if acceleration.name != "kvm":
        return []
    cpuinfo = Path("/proc/cpuinfo").read_text().split("\n\n")[0]
    kept = ("vendor_id", "cpu family", "model", "stepping", "flags")
    return [line for line in cpuinfo.splitlines() if line.split("\t")[0].strip() in kept]


def _record(base, setup, staging, resumable):
    from vm import Node  # vm needs this module to find out what to start from

    node = Node(state=base, folder=staging, record=resumable)
    try:
        node.start()
        setup(node)
        node.freeze() if resumable else node.shutdown()
    finally:
        node.close()
    if resumable:
        # The guest never touched much of it: leave holes where it holds nothing.
        tool(["cp", "--sparse=always", staging / "memory.work", staging / "memory"], timeout=300)
        (staging / "memory.work").unlink()
