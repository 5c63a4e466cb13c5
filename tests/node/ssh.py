"""Runs programs in a node over one ssh connection that many commands share."""

import shlex
import socket
import subprocess
import tarfile
import tempfile
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path

from environment import HarnessError, spawn, tool_environment

# A program that ignores its time limit gets this long between the polite signal and the other.
_KILL_AFTER = 5
# Added to the limit in the node before the ssh client itself is given up.
_GRACE = 30
_TAIL_LINES = 40
_KNOWN = "ssh-known-hosts"
_MASTER = "ssh-master"


@dataclass
class Result:
    """What a command in the node left behind."""

    command: str
    returncode: int
    stdout: str
    stderr: str
    seconds: float

    def __str__(self):
        said = tail((self.stdout + self.stderr).rstrip())
        return f"{self.command!r}: exit status {self.returncode} after {self.seconds:.1f} s\n{said}"


class CommandFailed(HarnessError):
    """A checked command in the node failed, or did not end in time."""

    def __init__(self, result, reason=""):
        super().__init__(f"{reason}{': ' if reason else ''}{result}")
        self.result = result


class ConnectionLost(HarnessError):
    """ssh itself failed: the node is down, rebooting, or its network is gone."""


def tail(text, lines=_TAIL_LINES):
    """The last lines of a text, for error messages."""
    return "\n".join(text.splitlines()[-lines:])


@dataclass
class Shell:
    """The way into one node: keys, the port QEMU forwards, and the connection if there is one."""

    client_key: Path
    host_public: Path
    # Of the node: every ssh runs in it, because a Unix socket's path may have only 107 bytes.
    folder: Path
    port: int = 0
    _master: subprocess.Popen = field(init=False, default=None)

    def __post_init__(self):
        algorithm, key = self.host_public.read_text().split()[:2]
        (self.folder / _KNOWN).write_text(f"node {algorithm} {key}\n")

    @property
    def _socket(self):
        return self.folder / _MASTER

    def _argv(self, *options):
        return ["ssh", "-F", "none", "-p", str(self.port), "-i", str(self.client_key), *options,
                "-o", "IdentitiesOnly=yes", "-o", "BatchMode=yes", "-o", "LogLevel=ERROR",
                "-o", "HostKeyAlias=node", "-o", f"UserKnownHostsFile={_KNOWN}",
                "-o", f"ControlPath=./{_MASTER}", "root@127.0.0.1"]

    def connect(self, timeout, alive=lambda: True):
        """Open the connection, trying until *timeout* or until *alive* says that it is no use."""
        deadline = time.monotonic() + timeout
        while True:
            self.disconnect()
            if not alive():
                raise ConnectionLost("the node's QEMU has ended")
            left = deadline - time.monotonic()
            if left <= 0:
                raise ConnectionLost(f"no ssh connection to the node within {timeout:.0f} s")
            if self._sshd_greets(min(left, 10)) and self._start_master(min(max(left, 5), 60)):
                return
            time.sleep(0.2)

    def _sshd_greets(self, timeout):
        """Slirp accepts on behalf of a guest that is not up: only sshd's greeting means it is."""
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=timeout) as probe:
                return probe.recv(4) == b"SSH-"
        except OSError:
            return False

    def _start_master(self, timeout):
        self._master = spawn(self._argv("-M", "-N", "-o", "ControlPersist=no"),
                             cwd=self.folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        deadline = time.monotonic() + timeout
        while time.monotonic() < deadline and self._master.poll() is None:
            if self._socket.exists():
                return True
            time.sleep(0.05)
        return False

    @property
    def connected(self):
        return self._master is not None and self._master.poll() is None and self._socket.exists()

    def disconnect(self):
        if self._master is not None:
            self._master.kill()
            self._master.wait()
            self._master = None
        self._socket.unlink(missing_ok=True)

    def close(self):
        self.disconnect()
        (self.folder / _KNOWN).unlink(missing_ok=True)

    def forward(self, remote_port, local_port):
        """What connects to that port of the node's own 127.0.0.1 talks to a port of this machine's."""
        subprocess.run(self._argv("-O", "forward", "-R", f"127.0.0.1:{remote_port}:127.0.0.1:{local_port}"),
                       cwd=self.folder, check=True, capture_output=True, timeout=60)

    def popen(self, command, env=None, tty=False, timeout=None, **kwargs):
        """Start *command* in the node and return its Popen; what happens to it is the caller's."""
        if not self.connected:
            raise ConnectionLost("not connected to the node")
        # The client must never fall back to a connection of its own when the master is gone.
        options = ["-o", "ControlMaster=no", "-o", "ProxyCommand=false", "-tt" if tty else "-T"]
        line = _remote_line(command, env or {}, tty, timeout)
        return subprocess.Popen([*self._argv(*options), "--", line], env=tool_environment(),
                                cwd=self.folder, **kwargs)

    def run(self, command, timeout=120, check=True, input=None, env=None, tty=False, stream=None):
        """Run *command* (a shell line, or a list of words) as root and return a Result.

        The node itself ends it at *timeout*. *stream* is a writable text file, or a function of
        one line, that sees the output as it comes; standard error is then mixed into it.
        """
        begin = time.monotonic()
        data = input.encode() if isinstance(input, str) else input
        child = self.popen(command, env, tty, timeout,
                           stdin=subprocess.PIPE if data is not None else subprocess.DEVNULL,
                           stdout=subprocess.PIPE,
                           stderr=subprocess.STDOUT if stream else subprocess.PIPE)
        out, err, overdue = _converse(child, data, timeout + _GRACE, stream)
        shown = command if isinstance(command, str) else shlex.join(map(str, command))
        result = Result(shown, child.returncode, out, err, time.monotonic() - begin)
        if child.returncode == 255 and not self._still_connected():
            raise ConnectionLost(f"the connection to the node broke during {result}")
        # timeout(1) reports 124, or 137 when it had to kill.
        if overdue or (child.returncode in (124, 137) and result.seconds >= timeout):
            raise CommandFailed(result, f"no end within {timeout} s")
        if check and child.returncode != 0:
            raise CommandFailed(result)
        return result

    def interactive(self):
        """A login shell on this terminal; returns its exit status."""
        return subprocess.call(self._argv("-o", "ControlMaster=no", "-t"), cwd=self.folder)

    def _still_connected(self):
        time.sleep(0.2)
        return self.connected

    def put(self, local, remote, mode=None):
        """Copy a file, or bytes, to the path *remote*; or a folder's content into that folder."""
        if isinstance(local, bytes):
            self._put_bytes(local, remote, mode or 0o644)
        elif Path(local).is_dir():
            with tempfile.TemporaryFile() as packed:
                with tarfile.open(fileobj=packed, mode="w") as tar:
                    tar.add(local, arcname=".")
                packed.seek(0)
                self.run(["mkdir", "-p", remote])
                self.run(["tar", "-xf", "-", "--no-same-owner", "-C", remote], input=packed.read())
        else:
            local = Path(local)
            self._put_bytes(local.read_bytes(), remote, mode or local.stat().st_mode & 0o777)

    def _put_bytes(self, data, remote, mode):
        self.run(["install", "-D", "-m", f"{mode:o}", "/dev/stdin", remote], input=data,
                 timeout=300)

    def get(self, remote, local):
        """Copy the file *remote* to *local*, exactly."""
        with open(local, "wb") as target:
            child = self.popen(["cat", remote], timeout=300, stdin=subprocess.DEVNULL,
                               stdout=target, stderr=subprocess.PIPE)
            _, err, _ = _converse(child, None, 330, None)
        if child.returncode != 0:
            raise CommandFailed(Result(f"cat {remote}", child.returncode, "", err, 0))


def _remote_line(command, env, tty, timeout):
    """One line for the login shell of the node: limits and environment around the command."""
    words = ["sh", "-c", command] if isinstance(command, str) else [str(word) for word in command]
    prefix = ["env", *(f"{name}={value}" for name, value in env.items())] if env else []
    if timeout is not None:
        # In the foreground a terminal stays usable, but then only the command itself is ended.
        foreground = ["--foreground"] if tty else []
        prefix = ["timeout", *foreground, f"--kill-after={_KILL_AFTER}", str(timeout), *prefix]
    return shlex.join(prefix + words)


def _converse(child, data, timeout, stream):
    """Feed and read *child* to its end; return its output and whether it had to be killed."""
    if stream is None:
        try:
            out, err = child.communicate(data, timeout=timeout)
            overdue = False
        except subprocess.TimeoutExpired:
            child.kill()
            out, err = child.communicate()
            overdue = True
        return _text(out), _text(err), overdue
    tell = stream if callable(stream) else lambda line: (stream.write(line), stream.flush())
    expired = threading.Event()
    timer = threading.Timer(timeout, lambda: (expired.set(), child.kill()))
    timer.start()
    feeder = threading.Thread(target=_feed, args=(child, data), daemon=True)
    feeder.start()
    lines = []
    try:
        for raw in child.stdout:
            lines.append(_text(raw))
            tell(lines[-1])
        child.wait()
    finally:
        timer.cancel()
        if child.poll() is None:
            child.kill()
            child.wait()
        child.stdout.close()
        feeder.join(5)
    return "".join(lines), "", expired.is_set()


def _feed(child, data):
    if child.stdin is None:
        return
    try:
        child.stdin.write(data)
        child.stdin.close()
    except OSError:
        pass


def _text(data):
    return (data or b"").decode(errors="replace")
