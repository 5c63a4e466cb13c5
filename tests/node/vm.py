"""class Node: a throw-away virtual machine running real systemd on a real kernel.

    with Node("trixie") as node:
        node.repo.fail("slow", "*/docker.io_*", times=1)
        node.put("build/berth", "/usr/local/bin/berth")
        print(node.run("berth --version").stdout)
        node.power_cut()
        node.boot()
"""

import atexit
import contextlib
import fcntl
import itertools
import os
import shutil
import time

import states
from accel import acceleration
from environment import HarnessError, cache_dir, locked, missing_requirements, stage, tool
from image import image
from keys import keys
from qemu import Hardware, Memory, Qemu
from repository import Repository
from ssh import CommandFailed, ConnectionLost, Result, Shell, tail  # noqa: F401 (callers want them)

_BOOT_SECONDS = 40
_SERIAL_LOGS_KEPT = 40
_numbers = itertools.count(1)
_alive = set()
# All of this process: a node that a failed set-up has closed still has its console's log.
made = []


def _cpus():
    """An emulated processor that waits for a real one wastes what it waits for: locks are held meanwhile."""
    side_by_side = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
    return max(1, min(2, len(os.sched_getaffinity(0)) // side_by_side))


class Node:
    """One virtual machine and all that belongs to it; gone without a trace after close()."""

    def __init__(self, suite="trixie", *, cpus=None, memory=2048, disks=(), state=None, folder=None,
                 record=False):
        """Describe a node; start() makes it run.

        suite   the Debian release
        cpus    as many as are left for each of those that run side by side, two at the most
        memory  in MiB
        disks   sizes of further empty disks, seen as /dev/vdb, /dev/vdc, ...
        state   where to start from (see derive); the arguments before are then taken from it
        The rest is for recording states.
        """
        problem = missing_requirements()
        if problem:
            raise HarnessError(problem)
        if state is None:
            state = _first_state(suite, Hardware(cpus or _cpus(), memory, tuple(disks)))
        self.state = state
        self.suite = state.image.suite
        self.name = f"{self.suite}-{os.getpid()}-{next(_numbers)}"
        self._acceleration = acceleration(state.image.kernel)
        self._record = record
        self._qemu = None
        self._cleanup = contextlib.ExitStack()
        self.serial_log = log_path(cache_dir() / "log", f"{self.name}.serial", _SERIAL_LOGS_KEPT)
        self._folder = folder or self._cleanup.enter_context(run_folder(cache_dir() / "run", self.name))
        self._disks = state.make_disks(self._folder)
        self.repo = Repository(state.image.archive)
        self._cleanup.callback(self.repo.close)
        self._shell = Shell(keys().client, keys().host_public, self._folder)
        self._cleanup.callback(self._shell.close)
        _alive.add(self)
        made.append(self)

    @classmethod
    def derive(cls, key, setup, *, base=None, suite="trixie", cpus=None, memory=2048, disks=()):
        """A node to start where *setup(node)* left one; the set-up is done once per cache.

        *key* names the set-up and has to change with whatever it does. *base* is the state of
        another node (its .state) to build on, otherwise a clean node of the given kind.
        """
        if base is None:
            base = _first_state(suite, Hardware(cpus or _cpus(), memory, tuple(disks)))
        return cls(state=states.prepare(base, key, setup, acceleration(base.image.kernel)))

    # Life and death

    def start(self):
        """Make it run: resumed within seconds where its state allows, booted otherwise."""
        if self.state.memory is None:
            self.boot()
        else:
            with self._explained(), stage(f"{self.name}: resume", at_least=10):
                self._power_on(Memory(*self._memory_file()), self.state.device_state)
                self._shell.connect(self._boot_timeout, self._is_on)
                self._catch_up_with_time()
        return self

    def boot(self):
        """Switch it on with the disks as they are, and wait until it takes commands."""
        memory = Memory(*self._memory_file()) if self._record else None
        with self._explained(), stage(f"{self.name}: boot", at_least=60):
            self._power_on(memory, None)
            self._shell.connect(self._boot_timeout, self._is_on)
        return self

    def power_cut(self):
        """Take its power away. What it had flushed is on its disks, what it had not may be lost."""
        self._require_on().kill()
        self._power_is_off()

    def shutdown(self, timeout=None):
        """Let it power itself off in order."""
        qemu = self._require_on()
        with self._explained():
            self._say_goodbye(["systemctl", "poweroff", "--check-inhibitors=no"])  # as apt is, while it works
            qemu.wait(timeout or self._boot_timeout)
        self._power_is_off()

    def reboot(self, timeout=None):
        """Restart it in order and wait until it takes commands again."""
        before = self.boot_id()
        with self._explained(), stage(f"{self.name}: reboot", at_least=60):
            self._say_goodbye(["systemctl", "reboot", "--check-inhibitors=no"])
            self.wait_for_reboot(before, timeout)

    def wait_for_reboot(self, before, timeout=None):
        """Wait until its boot id is not *before* any more: for restarts begun by something else."""
        deadline = time.monotonic() + (timeout or 2 * self._boot_timeout)
        while time.monotonic() < deadline:
            self._require_on()
            with contextlib.suppress(ConnectionLost):
                self._shell.connect(max(1, deadline - time.monotonic()), self._is_on)
                if self.boot_id() != before:
                    return
            time.sleep(0.5)
        raise HarnessError(f"{self.name} did not come back from its restart\n{self.serial_tail()}")

    def settle(self, timeout=None):
        """Wait until systemd has nothing left to start; returns its verdict, such as "running"."""
        done = self.run(["systemctl", "is-system-running", "--wait"],
                        timeout=timeout or self._boot_timeout, check=False)
        return done.stdout.strip()

    def freeze(self):
        """Stop it for good and leave its disks and memory as a state (only while recording one)."""
        # Lest a power cut right after a resume takes what the set-up did.
        self.run("sync; fstrim / || true", timeout=300)
        self._shell.disconnect()
        self._require_on().save(self._folder / "devices")
        self._power_is_off()

    def close(self):
        """Kill it if it runs and remove its disks. The serial log stays for a while."""
        if self._qemu is not None:
            self._qemu.kill()
            self._qemu = None
        self._cleanup.close()
        _alive.discard(self)

    def __enter__(self):
        try:
            return self if self._qemu else self.start()
        except BaseException:
            self.close()
            raise

    def __exit__(self, *_):
        self.close()

    # Talking to it

    def run(self, command, timeout=120, check=True, input=None, env=None, tty=False, stream=None):
        """Run *command* as root: see ssh.Shell.run."""
        with self._explained():
            return self._shell.run(command, timeout, check, input, env, tty, stream)

    def popen(self, command, **kwargs):
        """Start *command* and return its Popen at once: for what is to be interrupted."""
        return self._shell.popen(command, **kwargs)

    def forward(self, remote_port, local_port):
        """See ssh.Shell.forward; until the next boot."""
        with self._explained():
            self._shell.forward(remote_port, local_port)

    def put(self, local, remote, mode=None):
        """Copy a file, bytes, or a folder's content to the path *remote*."""
        with self._explained():
            self._shell.put(local, remote, mode)

    def get(self, remote, local):
        """Copy the file *remote* to *local*."""
        with self._explained():
            self._shell.get(remote, local)

    def read(self, remote):
        """The text of the file *remote*."""
        return self.run(["cat", remote]).stdout

    def boot_id(self):
        """Another one after every boot."""
        return self.read("/proc/sys/kernel/random/boot_id").strip()

    def shell(self):
        """Give the person at this terminal a shell in the node; returns its exit status."""
        return self._shell.interactive()

    def expose(self, guest_port):
        """Make a TCP port of the node reachable until it is switched off; returns the port here."""
        return self._require_on().forward(guest_port)

    def console(self):
        """All that it printed on its console."""
        return self.serial_log.read_text(errors="replace") if self.serial_log.exists() else ""

    def serial_tail(self, lines=40):
        """The last lines of its console."""
        return f"--- end of {self.serial_log} ---\n{tail(self.console(), lines)}"

    @property
    def accelerated(self):
        """Whether hardware virtualisation is in use."""
        return self._acceleration.slowness == 1

    # The rest is private

    @property
    def _boot_timeout(self):
        return _BOOT_SECONDS * self._acceleration.slowness

    def _is_on(self):
        return self._qemu is not None and self._qemu.running

    def _require_on(self):
        if not self._is_on():
            raise HarnessError(f"{self.name} is not running\n{self.serial_tail()}")
        return self._qemu

    def _power_on(self, memory, incoming):
        if self._is_on():
            raise HarnessError(f"{self.name} is running already")
        self._qemu = Qemu(self.state.hardware, self._acceleration, self.state.image, self._disks,
                          self.serial_log, self.repo.port, memory, incoming)
        self._shell.port = self._qemu.forwarded_port(22)

    def _power_is_off(self):
        self._shell.disconnect()
        self._qemu = None

    def _memory_file(self):
        """Where its memory is, and whether writes go there: if recording, to a copy of its own."""
        if not self._record:
            return self.state.memory, False
        own = self._folder / "memory.work"
        if self.state.memory is not None:
            tool(["cp", "--sparse=always", self.state.memory, own], timeout=300)
        return own, True

    def _catch_up_with_time(self):
        """Its clock stood still while saved; its random numbers would be those of every clone."""
        self._shell.run(f"date --utc --set=@{time.time():.3f} >/dev/null && cat >/dev/urandom",
                        timeout=60, input=os.urandom(64))

    def _say_goodbye(self, command):
        with contextlib.suppress(ConnectionLost):
            self._shell.run(command, timeout=60, check=False)
        self._shell.disconnect()

    @contextlib.contextmanager
    def _explained(self):
        """Add the console's end to what went wrong, when the node itself seems to be the reason."""
        try:
            yield
        except CommandFailed:
            raise
        except HarnessError as error:
            words = self._qemu.last_words() if self._qemu else ""
            raise type(error)(f"{self.name}: {error}\n{words}{self.serial_tail()}") from error


def _first_state(suite, hardware):
    """A clean node of this kind, already booted unless nodes are to be booted each time."""
    plain = states.State(image(suite), hardware)
    if states.cold():
        return plain
    return states.prepare(plain, "freshly booted", _settle, acceleration(plain.image.kernel))


def _settle(node):
    """Wait until booting is over, so that no resumed node finds work left to do."""
    verdict = node.settle()
    if verdict != "running":
        raise HarnessError(f"a clean {node.suite} node boots to {verdict!r}\n{node.serial_tail()}")


def log_path(folder, name, kept):
    """The path of a new log in *folder*, of which the oldest but *kept* go."""
    folder.mkdir(parents=True, exist_ok=True)
    # Other runs clean up here as well: what is gone when its turn comes has no age.
    ages = {}
    for old in folder.iterdir():
        with contextlib.suppress(FileNotFoundError):
            ages[old] = old.stat().st_mtime
    for old in sorted(ages, key=ages.get)[:-kept]:
        old.unlink(missing_ok=True)
    return folder / name


@contextlib.contextmanager
def run_folder(parent, name):
    """A folder below *parent* for one run's data, locked while it lives: no other run sweeps it away."""
    with locked(parent / ".lock"):
        sweep(parent)
        folder = parent / name
        folder.mkdir()
        handle = open(folder / "lock", "wb")
        fcntl.flock(handle, fcntl.LOCK_EX)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        handle.close()


def sweep(parent):
    """Remove from *parent* what nodes of a killed process left: nobody holds their locks."""
    for folder in parent.glob("*/"):
        with contextlib.suppress(OSError), open(folder / "lock", "ab") as handle:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(folder, ignore_errors=True)


@atexit.register
def _close_all():
    for node in list(_alive):
        with contextlib.suppress(Exception):
            node.close()
