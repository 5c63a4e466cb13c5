"""A node with berth on it: put it there, run it, look at what it did."""

import hashlib
import json
from pathlib import Path

import sysbox
from environment import HERE

ROOT = HERE.parent.parent
PROGRAM = ROOT / "build/release/berth"
REMOTE = "/usr/local/bin/berth"
CONFIG = "/etc/berth/config.yaml"
SYSBOX = "/root/sysbox-ce.deb"
INSTALL_TIMEOUT = 1800
# For a shell: on a node that has no other container, the proof has made its sandbox.
PROOF_RUNS = '[ -n "$(ls /var/lib/docker/containers 2>/dev/null)" ]'

# What an installation may leave changed when it is undone, and why.
VOLATILE = (
    "/boot/initrd.img",        # rebuilt by the packages' own triggers, twice
    "/etc/.pwd.lock",
    "/etc/apparmor.d",         # docker.io's purge takes a folder that was empty
    "/etc/group-", "/etc/gshadow-", "/etc/passwd-", "/etc/shadow-", "/etc/subuid-", "/etc/subgid-",
    "/etc/ld.so.cache",
    "/etc/mailcap",
    "/root/",
    "/tmp/",
    "/usr/share/info/dir",
    "/var/cache/",
    "/var/lib/apt/",
    "/var/lib/dpkg/",
    "/var/lib/systemd/",
    "/var/log/",
    "/var/tmp/",
)

_SNAPSHOT = r"""
find / -xdev \( -path /proc -o -path /sys -o -path /dev -o -path /run \) -prune -o \
    \( -type f -o -type l -o -type d \) -printf '%p\t%y\t%m\t%U:%G\t%l\n' | LC_ALL=C sort
printf '%s\n' '--'
find /etc /usr/local /var/lib -xdev -type f -print0 | xargs -0 sha256sum | LC_ALL=C sort -k2
printf '%s\n' '--'
dpkg-query -W -f '${Package} ${Version} ${db:Status-Abbrev}\n' | LC_ALL=C sort
"""


def config_text(node, **sections):
    """Settings for a test: the package under test, a pool that fits the node's disk; *engine* is a key of no section."""
    settings = {"sysbox": {"file": SYSBOX, "version": "0.7.1"}, "pool": {"size": "3G", "reserve": "512M"},
                "timeouts": {"services": "10m", "packages": "60m"}}
    alone = f"engine: {sections.pop('engine')}\n" if "engine" in sections else ""
    for section, values in sections.items():
        settings.setdefault(section, {}).update(values)
    return alone + "".join(f"{name}:\n" + "".join(f"  {k}: {json.dumps(v)}\n" for k, v in values.items())
                           for name, values in settings.items())


def put_berth(node, **sections):
    """berth, the Sysbox package under test, and settings that name it."""
    node.put(PROGRAM, REMOTE, mode=0o755)
    node.put(sysbox.package(), SYSBOX)
    node.run(["mkdir", "-p", "/etc/berth"])
    configure(node, **sections)


def configure(node, **sections):
    node.run(["tee", CONFIG], input=config_text(node, **sections))


def install(node, *options, check=True):
    return node.run(["berth", "install", *options], timeout=INSTALL_TIMEOUT, check=check)


def verify(node):
    """The checks of `berth verify`, by id; fails the test when one failed."""
    done = node.run(["berth", "verify", "--json", "--wait"], timeout=900, check=False)
    report = json.loads(done.stdout)
    failed = [c for c in report["checks"] if c["verdict"] == "fail"]
    assert done.returncode == 0 and not failed, failed or done.stderr
    return {c["id"]: c for c in report["checks"]}


def run_probe(node):
    """What berth's own probe says of itself in a sandbox that Docker starts by default."""
    node.put(ROOT / "build/release/meson/src/probe/berth-probe", "/root/probe/berth-probe", mode=0o755)
    node.run("tar -C /root/probe -cf - . | docker import - probe:test", timeout=300)
    said = node.run("docker run --rm --network none probe:test /berth-probe", timeout=300).stdout
    node.run("docker image rm -f probe:test; rm -r /root/probe", timeout=300)
    return said


def journal(node):
    return json.loads(node.run(["berth", "status", "--journal", "--json"]).stdout)


def snapshot(node):
    """Files with type, mode, owner and target; digests; packages: what undoing is measured by."""
    files, digests, packages = node.run(_SNAPSHOT, timeout=300).stdout.split("--\n")
    return (_keyed(files, lambda line: line.split("\t")[0]),
            _keyed(digests, lambda line: line.split("  ", 1)[1]),
            _keyed(packages, lambda line: line.split(" ")[0]))


def _keyed(text, key):
    return {key(line): line for line in text.splitlines()}


def differences(before, after):
    """Lines that tell two snapshots apart, less what is volatile."""
    found = []
    for old, new in zip(before, after, strict=True):
        for name in sorted(old.keys() | new.keys()):
            if old.get(name) != new.get(name) and not name.startswith(VOLATILE):
                found.append(f"{old.get(name)} -> {new.get(name)}")
    return found


def key_of(*parts):
    """A key for Node.derive that changes with the program and the package under test."""
    digest = hashlib.sha256()
    for path in (PROGRAM, Path(sysbox.package())):
        digest.update(path.read_bytes())
    return " ".join((*parts, digest.hexdigest()[:16]))
