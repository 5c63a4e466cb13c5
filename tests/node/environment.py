"""Where the harness keeps things, what it needs, and how it reports what takes long.

Every module of the harness leans on this one; it leans on none of them.
"""

import contextlib
import fcntl
import hashlib
import json
import os
import shutil
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent

# One program of every package in packages.txt that is not part of a minimal Debian system.
PROGRAMS = {
    "apt-ftparchive": "apt-utils",
    "gpg": "gpg",
    "mke2fs": "e2fsprogs",
    "mmdebstrap": "mmdebstrap",
    "qemu-img": "qemu-utils",
    "qemu-system-x86_64": "qemu-system-x86",
    "setpriv": "util-linux",
    "ssh": "openssh-client",
    "ssh-keygen": "openssh-client",
}


class HarnessError(Exception):
    """The harness itself could not do its work; the message says what and where to look."""


def cache_dir():
    """The folder for everything costly to make; safe to delete when no node runs."""
    path = (Path(os.environ.get("BERTH_CACHE") or
                 Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "berth").resolve() / "node")
    path.mkdir(parents=True, exist_ok=True)
    return path


def missing_requirements():
    """One sentence about what keeps nodes from running on this machine, or None."""
    absent = sorted({pkg for prog, pkg in PROGRAMS.items() if not shutil.which(prog, path=_path())})
    if absent:
        return "virtual nodes need programs that are not here: apt-get install " + " ".join(absent)
    if os.geteuid() != 0:
        return "virtual nodes need root: their images are made with real owners and modes"
    return None


def _path():
    return os.environ.get("PATH", "") + ":/usr/sbin:/sbin:/usr/bin:/bin"


def tool_environment():
    """A fixed environment for host programs: a user's locale and quirks do not leak in."""
    kept = ("http_proxy", "https_proxy", "no_proxy", "TMPDIR", "HOME", "SOURCE_DATE_EPOCH")
    env = {name: os.environ[name] for name in kept if name in os.environ}
    return {**env, "PATH": _path(), "LC_ALL": "C.UTF-8", "DEBIAN_FRONTEND": "noninteractive"}


def tool(argv, timeout=120, **kwargs):
    """Run a host program to its end and return its standard output; raise with its last words."""
    argv = [str(word) for word in argv]
    try:
        done = subprocess.run(argv, env=tool_environment(), timeout=timeout, check=False,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                              **{"stdin": subprocess.DEVNULL, **kwargs})
    except subprocess.TimeoutExpired as error:
        raise HarnessError(f"{argv[0]}: no end after {timeout} s") from error
    if done.returncode != 0:
        said = "\n".join((done.stdout + done.stderr).splitlines()[-25:])
        raise HarnessError(f"{' '.join(argv[:6])} ...: exit status {done.returncode}\n{said}")
    return done.stdout


# The parent-death signal comes when the *thread* that forked ends, so one thread forks them all.
_nursery = ThreadPoolExecutor(max_workers=1, thread_name_prefix="nursery")


def spawn(argv, **kwargs):
    """Start a long-lived host program that dies with this process, however this process dies."""
    argv = ["setpriv", "--pdeathsig", "KILL", "--", *(str(word) for word in argv)]
    return _nursery.submit(subprocess.Popen, argv, env=tool_environment(),
                           stdin=subprocess.DEVNULL, **kwargs).result()


def fingerprint(*parts):
    """A short name for content: equal parts give equal names on every machine."""
    text = json.dumps(parts, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


@contextlib.contextmanager
def locked(path, shared=False):
    """Hold a lock on *path* across processes, so that two runs never build one thing twice."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "a+b") as handle:
        fcntl.flock(handle, fcntl.LOCK_SH if shared else fcntl.LOCK_EX)
        yield


def held(path):
    """Whether some process holds the lock on *path* at this moment."""
    try:
        with open(path, "ab") as handle:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    return False


def build_once(target, make):
    """Return folder *target*, calling make(staging) to fill it if it is not there.

    The folder appears whole or not at all: it is filled under another name and renamed.
    """
    if not target.exists():
        with locked(target.parent / f".{target.name}.lock"):
            if not target.exists():
                staging = target.parent / f".{target.name}.new"
                shutil.rmtree(staging, ignore_errors=True)
                staging.mkdir(parents=True)
                try:
                    make(staging)
                    staging.rename(target)
                finally:
                    shutil.rmtree(staging, ignore_errors=True)
    os.utime(target)
    return target


def _say_on_stderr(line):
    print(line, file=sys.stderr, flush=True)


_say = _say_on_stderr
_say_lock = threading.Lock()


def report_to(function):
    """Send stage lines somewhere else (pytest captures standard error)."""
    global _say
    _say = function or _say_on_stderr


@contextlib.contextmanager
def stages_shown(config):
    """Show pytest's user what takes long while it happens: a silent minute looks like a hang."""
    capture = config.pluginmanager.getplugin("capturemanager")

    def say(line):
        with capture.global_and_fixture_disabled() if capture else contextlib.nullcontext():
            print(f"\n{line}", flush=True)

    report_to(say)
    yield
    report_to(None)


@contextlib.contextmanager
def stage(what, at_least=1.0):
    """Time a piece of work and say so in one line when it took *at_least* seconds or failed."""
    begin = time.monotonic()
    outcome = "failed after"
    try:
        yield
        outcome = "took"
    finally:
        elapsed = time.monotonic() - begin
        if elapsed >= at_least or outcome != "took":
            with _say_lock:
                _say(f"node: {what} {outcome} {elapsed:.1f} s")
