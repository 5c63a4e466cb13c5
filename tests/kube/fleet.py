"""The Kubernetes side of many agents at once: build/dev/tests/kube/fleet, which says what it does.

    with Fleet(url, account, nodes=200, seconds=60, speed=60) as fleet:
        for second in fleet:                # once a real second, see class Second
            ...
"""

import json
import subprocess
from dataclasses import dataclass
from pathlib import Path

from environment import HarnessError, spawn

ROOT = Path(__file__).resolve().parents[2]
PROGRAM = ROOT / "build/dev/tests/kube/fleet"


@dataclass(frozen=True)
class Second:
    """Where the fleet stands: real seconds since its start, and totals since then."""

    seconds: float
    requests: dict  # "PATCH 200": 17; code 0 is no answer
    held: int       # slots of the pool, now
    most: int       # ... and at most
    turns: int      # nodes that had one and gave it back
    rechecks: int   # ends of workers that had changed nothing

    @property
    def sent(self):
        return sum(self.requests.values())

    def of(self, *codes):
        """How many requests were answered so."""
        return sum(count for key, count in self.requests.items() if int(key.split()[1]) in codes)


class Fleet:
    """Agents named fleet-0, fleet-1 ...; their clock goes *speed* times as fast as the real one."""

    def __init__(self, url, account, *, nodes=1, seconds=60, speed=1, slots=False, word=None):
        word = "slots" if slots else word
        self._argv = [PROGRAM, url, account, nodes, seconds, speed, *([word] if word else [])]  # fleet.c has the words
        self._program = None
        self.log = Path(account) / "fleet.log"

    def __enter__(self):
        with self.log.open("wb") as log:
            self._program = spawn(self._argv, stdout=subprocess.PIPE, stderr=log, text=True)
        return self

    def __exit__(self, *exception):
        self._program.kill()
        self._program.wait()
        self._program.stdout.close()

    def __iter__(self):
        for line in self._program.stdout:
            if line.startswith('{"seconds"'):  # else a line of an agent's log
                yield Second(**json.loads(line))
        if self._program.wait() != 0:
            raise HarnessError(f"fleet ended with {self._program.returncode}: {self.log.read_text(errors='replace')}")

    def until(self, condition):
        """The first second for which that is true; None when the fleet ended before."""
        return next((second for second in self if condition(second)), None)


def account_folder(folder, token, authority, namespace):
    """What a pod's service account folder holds; returns *folder*."""
    folder.mkdir(exist_ok=True)
    (folder / "token").write_text(token)
    (folder / "ca.crt").write_bytes(Path(authority).read_bytes())
    (folder / "namespace").write_text(namespace)
    return folder
