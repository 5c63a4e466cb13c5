"""One QEMU process: its command line, its QMP connection, and saving and loading its state."""

import json
import os
import shutil
import socket
import subprocess
import sys
import threading
import time
from dataclasses import dataclass
from pathlib import Path

from accel import QEMU
from environment import HERE, HarnessError, spawn
from recipe import ARCHIVE_ADDRESS, KERNEL_ARGUMENTS

_QMP_TIMEOUT = 60
_MIGRATION_TIMEOUT = 300


class QemuError(HarnessError):
    """QEMU refused a command or ended."""


@dataclass(frozen=True)
class Hardware:
    """What a node looks like from inside; a saved state fits only its own hardware."""

    cpus: int = 2
    memory: int = 2048
    # Sizes as qemu-img takes them; the guest sees /dev/vdb, /dev/vdc, ... empty.
    disks: tuple = ()


@dataclass(frozen=True)
class Memory:
    """A file that holds the guest's memory; unless *shared*, writes to it stay private."""

    path: Path
    shared: bool


class Qemu:
    """A running QEMU. Ends with this process at the latest."""

    def __init__(self, hardware, acceleration, image, disks, serial_log, archive_port,
                 memory=None, incoming=None):
        relay = f"{sys.executable} -S -E {HERE / 'relay.py'} {archive_port}"
        argv = [QEMU, *acceleration.arguments,
                *machine_arguments(hardware, memory, disks, relay, serial_log),
                "-kernel", image.kernel, "-initrd", image.initrd,
                "-append", " ".join(KERNEL_ARGUMENTS)]
        if incoming is not None:
            argv += ["-incoming", "defer"]
        self._lock = threading.Lock()
        self._log = Path(f"{serial_log}.qemu")
        self._start(argv)
        try:
            if incoming is not None:
                self._load(incoming)
        except BaseException:
            self.kill()
            raise

    def _start(self, argv):
        ours, theirs = socket.socketpair()
        ours.settimeout(_QMP_TIMEOUT)
        argv += ["-chardev", f"socket,id=qmp,fd={theirs.fileno()}",
                 "-mon", "chardev=qmp,mode=control"]
        with theirs, open(self._log, "ab") as log:
            self.process = spawn(argv, stdout=log, stderr=subprocess.STDOUT,
                                 pass_fds=[theirs.fileno()])
        self._socket = ours
        self._stream = ours.makefile("rb")
        try:
            self._read()
            self.command("qmp_capabilities")
        except BaseException:
            self.kill()
            raise

    @property
    def running(self):
        return self.process.poll() is None

    def last_words(self):
        """What QEMU itself printed."""
        return self._log.read_text(errors="replace")[-2000:] if self._log.exists() else ""

    def command(self, name, descriptors=(), **arguments):
        """One QMP command; returns its answer."""
        request = json.dumps({"execute": name, "arguments": arguments}).encode() + b"\n"
        with self._lock:
            try:
                socket.send_fds(self._socket, [request], list(descriptors))
                while True:
                    answer = self._read()
                    if "error" in answer:
                        raise QemuError(f"QEMU refused {name}: {answer['error'].get('desc')}")
                    if "return" in answer:
                        return answer["return"]
            except OSError as error:
                problem = f"QEMU does not answer {name}: {error}\n{self.last_words()}"
                raise QemuError(problem) from error

    def _read(self):
        line = self._stream.readline()
        if not line:
            raise QemuError(f"QEMU has ended\n{self.last_words()}")
        return json.loads(line)

    def monitor(self, line):
        """A command of the human monitor, for the few things QMP lacks."""
        return self.command("human-monitor-command", **{"command-line": line})

    def forwarded_port(self, guest_port):
        """The port of 127.0.0.1 that leads to *guest_port*; slirp chose it, so no collisions."""
        for row in self.monitor("info usernet").splitlines():
            words = row.split()
            if words[:1] == ["TCP[HOST_FORWARD]"] and words[5] == str(guest_port):
                return int(words[3])
        raise QemuError(f"port {guest_port} of the node is not forwarded")

    def forward(self, guest_port):
        """Forward a new port to the guest and return it."""
        said = self.monitor(f"hostfwd_add net0 tcp:127.0.0.1:0-:{guest_port}")
        if said.strip():
            raise QemuError(f"cannot forward port {guest_port}: {said.strip()}")
        return self.forwarded_port(guest_port)

    def wait(self, timeout):
        """Wait for the guest to power itself off."""
        try:
            self.process.wait(timeout)
        except subprocess.TimeoutExpired as error:
            raise QemuError(f"the node did not power off within {timeout} s") from error
        self._close()

    def kill(self):
        """End it at once, as a power cut would: what the guest did not flush may be lost."""
        self.process.kill()
        self.process.wait()
        self._close()

    def _close(self):
        if getattr(self, "_socket", None) is not None:
            self._stream.close()
            self._socket.close()
            self._socket = None

    def save(self, target):
        """Stop the guest, write its device state to file *target* and end. That flushes its disks.

        Memory is not in it: it must be a shared file, which is then complete.
        """
        self.command("stop")
        self._leave_memory_out()
        # A pipe, because newer QEMUs no longer take a plain file here and older ones know no other.
        reader, writer = os.pipe()
        try:
            self.command("getfd", [writer], fdname="state")
        finally:
            os.close(writer)
        with open(reader, "rb") as source, open(target, "wb") as sink:
            copier = threading.Thread(target=shutil.copyfileobj, args=(source, sink), daemon=True)
            copier.start()
            self.command("migrate", uri="fd:state")
            self._await_migration()
            copier.join(_QMP_TIMEOUT)
        self.command("quit")
        self.wait(60)

    def _load(self, state):
        """Take over the device state in file *state* and let the guest run on."""
        self._leave_memory_out()
        reader, writer = os.pipe()
        try:
            self.command("getfd", [reader], fdname="state")
        finally:
            os.close(reader)
        with open(writer, "wb") as sink, open(state, "rb") as source:
            copier = threading.Thread(target=shutil.copyfileobj, args=(source, sink), daemon=True)
            copier.start()
            self.command("migrate-incoming", uri="fd:state")
            copier.join(_QMP_TIMEOUT)
            sink.flush()
        self._await_migration()
        self.command("cont")

    def _leave_memory_out(self):
        self.command("migrate-set-capabilities",
                     capabilities=[{"capability": "x-ignore-shared", "state": True}])

    def _await_migration(self):
        deadline = time.monotonic() + _MIGRATION_TIMEOUT
        while time.monotonic() < deadline:
            status = self.command("query-migrate").get("status")
            if status == "completed":
                return
            if status in ("failed", "cancelled"):
                break
            time.sleep(0.02)
        raise QemuError(f"moving the node's state ended as {status!r}\n{self.last_words()}")


def machine_arguments(hardware, memory, disks, relay, serial_log):
    """Everything that decides which devices there are, and in which order."""
    return ["-nodefaults", "-no-user-config", "-display", "none", "-name", "node",
            *_memory_arguments(hardware, memory), "-smp", str(hardware.cpus),
            *_disk_arguments(disks), *_network_arguments(relay), "-device", "virtio-rng-pci",
            "-chardev", f"file,id=serial,path={_escaped(serial_log)},append=on",
            "-serial", "chardev:serial"]


def _memory_arguments(hardware, memory):
    if memory is None:
        backend = f"memory-backend-ram,id=ram0,size={hardware.memory}M"
    else:
        backend = (f"memory-backend-file,id=ram0,size={hardware.memory}M,"
                   f"mem-path={_escaped(memory.path)},share={'on' if memory.shared else 'off'}")
    return ["-machine", "q35,memory-backend=ram0,usb=off,vmport=off,hpet=off", "-object", backend,
            "-m", f"{hardware.memory}M"]


def _disk_arguments(disks):
    """Write-back caching: what the guest flushed is in the file, what it did not may not be."""
    argv = []
    for index, path in enumerate(disks):
        name = f"disk{index}"
        argv += ["-blockdev", json.dumps({
            "driver": "qcow2", "node-name": name, "discard": "unmap",
            "cache": {"direct": False, "no-flush": False},
            "file": {"driver": "file", "filename": str(path)}})]
        argv += ["-device", f"virtio-blk-pci,drive={name},serial={name},write-cache=on"]
    return argv


def _network_arguments(relay):
    return ["-netdev", "user,id=net0,restrict=on,hostfwd=tcp:127.0.0.1:0-:22,"
                       f"guestfwd=tcp:{ARCHIVE_ADDRESS}:80-cmd:{_escaped(relay)}",
            "-device", "virtio-net-pci,netdev=net0,romfile="]


def _escaped(value):
    """QEMU's own quoting: a comma inside an option is written twice."""
    return str(value).replace(",", ",,")
