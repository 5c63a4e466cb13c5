"""A machine in a folder, berth run on it, and copies of the machine."""

import contextlib
import hashlib
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
import traceback
from dataclasses import dataclass
from pathlib import Path

import distribution
import roots
import trees
from docker_api import Api

sys.path.insert(0, str(roots.PROGRAMS / "lib"))
import folder  # noqa: E402
import programs  # noqa: E402

REPOSITORY = Path(__file__).parents[2]
SYSBOX_DEB = "/srv/sysbox-ce.deb"
POOL_CONFIG = "pool:\n  size: 1G\n  allocate: sparse\n  reserve: 0\n"

# Lines of the machine's log that tell of harm no file shows.
HARMFUL = ("docker.io deleted all", "sysbox-ce restarted docker", "had content of its own below the mount",
           "also removed", "had to write its ids")


def berth_program():
    """$BERTH, or the newest build that has fault points in it."""
    named = os.environ.get("BERTH")
    if named:
        return Path(named).resolve()
    builds = [path for path in REPOSITORY.glob("build/*/src/cli/berth") if "release" not in path.parts]
    return max(builds, key=lambda path: path.stat().st_mtime, default=None)


@dataclass
class Result:
    code: int
    out: str
    err: str

    def __str__(self):
        return f"exit status {self.code}\n{self.out[-1500:]}{self.err[-1500:]}"


def sysbox_config(content, url=f"file://{SYSBOX_DEB}"):
    return f"sysbox:\n  url: {url}\n  sha256: {hashlib.sha256(content).hexdigest()}\n"


class Programs:
    """Runs the machine's programs here, in a thread: see programs/ask."""

    def __init__(self, place, root):
        self.ask, self.root, self.closed = place / "ask", str(root), False
        self.notice = None  # called with each program's name and arguments when it has run
        os.mkfifo(self.ask)
        os.mkfifo(place / "answer")
        # Open for both, so that an answer waits for its reader, and we for nobody.
        self.answer = os.open(place / "answer", os.O_RDWR | os.O_NONBLOCK)
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        while True:
            with open(self.ask, encoding="utf-8") as asked:
                words = asked.read().splitlines()
            if not words:
                return
            self.run(*words)

    def close(self):
        self.closed = True
        with open(self.ask, "w", encoding="utf-8"):
            pass
        os.close(self.answer)

    def reply(self, status):
        with contextlib.suppress(BlockingIOError):
            os.read(self.answer, 4096)  # to one that was ended before it read it
        os.write(self.answer, f"{status}\n".encode())

    def run(self, process, parent, name, *arguments):
        while os.path.exists(f"{self.root}/.machine/orders/hold-{name}") and not self.closed:
            time.sleep(0.02)
        try:
            status, out, err = programs.run(self.root, name, arguments)
        except folder.PowerCut:
            for victim in (parent, process):
                os.kill(int(victim), signal.SIGKILL)
            return
        except Exception:  # a defect of the simulation: the test shall see it
            status, out, err = 70, "", traceback.format_exc()
        if self.notice:
            self.notice(name, arguments)
        # Its descriptors may be gone with it, when berth was ended meanwhile.
        with contextlib.suppress(OSError):
            for number, text in ((1, out), (2, err)):
                if text:
                    with open(f"/proc/{process}/fd/{number}", "w", encoding="utf-8") as stream:
                        stream.write(text)
        self.reply(status)


class Machine:
    """One folder at a time, always at the same place, so that paths are the same in all copies."""

    def __init__(self, place, program=None):
        self.place = Path(place)
        self.place.mkdir(parents=True, exist_ok=True)
        self.root = self.place / "root"
        self.program = str(program or berth_program())
        self.api = Api(self.root, self.place / "api.sock")
        self.programs = Programs(self.place, self.root)
        self.started = []

    def close(self):
        for process in self.started:
            process.kill()
            process.communicate()
        self.api.close()
        self.programs.close()
        shutil.rmtree(self.place)

    # ---- the folder ----

    def build(self, name):
        """A fresh machine of that kind, booted."""
        self.clear()
        roots.build(name, self.root)
        self.attach()
        if roots.SYSTEMS[name].init == "systemd":
            self.boot()
        self.forget_log()

    def prepare(self, config=POOL_CONFIG, sysbox=None):
        """Settings for a small pool, and a Sysbox package beside them."""
        content = sysbox or distribution.sysbox_package()
        roots.put(self.root, SYSBOX_DEB, content)
        roots.put(self.root, "/etc/berth/config.yaml", config + sysbox_config(content))

    def clear(self):
        if self.root.exists():
            shutil.rmtree(self.root)

    def attach(self):
        """Let the folder's docker.socket lead to this process."""
        roots.put(self.root, "/.machine/api-socket", self.api.path + "\n")
        linked = self.root / "run/docker.sock"
        if linked.exists():
            linked.unlink()
            os.link(self.api.path, linked)

    def save(self, to):
        to = Path(to)
        if to.exists():
            shutil.rmtree(to)
        subprocess.run(["cp", "-a", "--reflink=auto", "--sparse=always", self.root, to], check=True)
        return to

    def load(self, saved):
        self.clear()
        subprocess.run(["cp", "-a", "--reflink=auto", "--sparse=always", saved, self.root], check=True)
        self.attach()

    def path(self, path):
        return self.root / path.lstrip("/")

    def read(self, path):
        return self.path(path).read_text(encoding="utf-8")

    def write(self, path, text, mode=0o644):
        roots.put(self.root, path, text, mode)

    def snapshot(self, ignore=()):
        return trees.snapshot(self.root, ignore)

    # ---- what runs in it ----

    def systemctl(self, *words):
        return subprocess.run([self.path("/usr/bin/systemctl"), *words], check=True, text=True,
                              capture_output=True, env={"HOST_ROOT": str(self.root), "PATH": "/usr/bin:/bin"})

    def boot(self):
        self.systemctl("reboot")

    def order(self, name, text="yes"):
        """Have a program misbehave: see the uses of `ordered` in programs/."""
        self.write(f"/.machine/orders/{name}", text)

    def no_orders(self):
        shutil.rmtree(self.path("/.machine/orders"), ignore_errors=True)

    def log(self):
        path = self.path("/.machine/log")
        return path.read_text(encoding="utf-8").splitlines() if path.exists() else []

    def forget_log(self):
        self.path("/.machine/log").unlink(missing_ok=True)

    def harm(self):
        return [line for line in self.log() if any(word in line for word in HARMFUL)]

    def stale_units(self):
        """Units whose files changed after systemd had read them."""
        loaded = self.path("/run/machine/loaded")
        names = sorted(os.listdir(loaded)) if loaded.exists() else []
        shown = self.systemctl("show", *names).stdout if names else ""
        return [block.split("\n", 1)[0][3:] for block in shown.split("\n\n") if "NeedDaemonReload=yes" in block]

    def environment(self, extra=None):
        plain = {"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8"}
        return plain | (extra or {})

    def berth(self, *words, env=None, timeout=120, through=(), **options):
        """Run it to its end; `through` is a command that runs it in turn."""
        done = subprocess.run([*through, self.program, "--root", str(self.root), *words], text=True,
                              capture_output=True, timeout=timeout, check=False, env=self.environment(env),
                              **options)
        return Result(done.returncode, done.stdout, done.stderr)

    def popen(self, *words, env=None):
        self.started.append(subprocess.Popen([self.program, "--root", str(self.root), *words], text=True,
                                             stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                             env=self.environment(env)))
        return self.started[-1]
