"""Finds out whether hardware virtualisation really works here, and what to tell QEMU.

/dev/kvm that opens proves nothing: nested and micro-VM hosts exist where a guest hangs for ever or
QEMU aborts on a register it may not set. So a kernel is booted for a moment and must speak.
"""

import json
import os
import resource
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

from environment import cache_dir, fingerprint, locked, stage, tool, tool_environment

QEMU = "qemu-system-x86_64"
_PROBE_SECONDS = 15


@dataclass(frozen=True)
class Acceleration:
    """How QEMU runs the guest's instructions."""

    name: str
    arguments: tuple
    # How much longer than on real hardware things may take.
    slowness: int


KVM = Acceleration("kvm", ("-accel", "kvm", "-cpu", "host"), 1)
# Without -cx16, QEMU 7.2's emulated cmpxchg16b corrupts flags and newer guests panic at random. What else is left out costs an
# emulated processor 6 % of an installation: wide vectors, a fifth level of page tables, locks round each copy from user memory.
EMULATED = Acceleration("tcg", ("-accel", "tcg,thread=multi", "-cpu", "max,-cx16,-avx,-avx2,-f16c,-fma,-smap,-smep,-umip,-la57"), 8)


def acceleration(kernel):
    """KVM where a boot of *kernel* proves it, else emulation; the verdict lasts until a reboot."""
    forced = os.environ.get("BERTH_NODE_ACCEL")
    if forced:
        return {"kvm": KVM, "tcg": EMULATED}[forced]
    if not os.access("/dev/kvm", os.R_OK | os.W_OK):
        return EMULATED
    boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    verdict = cache_dir() / "accel" / f"{fingerprint(boot, qemu_version())}.json"
    with locked(verdict.parent / ".lock"):
        if not verdict.exists():
            with stage("trying whether KVM works", at_least=0):
                verdict.write_text(json.dumps({"kvm": _kernel_speaks_under_kvm(kernel)}))
        works = json.loads(verdict.read_text())["kvm"]
    return KVM if works else EMULATED


def qemu_version():
    """QEMU's own words for its version; a saved state is only good for the same one."""
    return tool([QEMU, "--version"]).splitlines()[0]


def _kernel_speaks_under_kvm(kernel):
    """Boot without a disk: the kernel's own panic for want of a root is proof enough of life."""
    argv = [QEMU, "-nodefaults", "-no-user-config", "-display", "none", "-no-reboot", "-m", "256",
            *KVM.arguments, "-kernel", str(kernel), "-append", "console=ttyS0 panic=-1",
            "-serial", "stdio"]
    child = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                             stderr=subprocess.DEVNULL, env=tool_environment(),
                             preexec_fn=_without_core_file)
    os.set_blocking(child.stdout.fileno(), False)
    heard, deadline = b"", time.monotonic() + _PROBE_SECONDS
    try:
        while time.monotonic() < deadline and b"Linux version" not in heard:
            heard += child.stdout.read() or b""
            if child.poll() is not None:
                heard += child.stdout.read() or b""
                break
            time.sleep(0.1)
    finally:
        child.kill()
        child.wait()
        child.stdout.close()
    return b"Linux version" in heard


def _without_core_file():
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
