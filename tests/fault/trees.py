"""A folder as a value: what it holds, and how two of them differ."""

import hashlib
import os
import re
import stat

_UUID = re.compile(rb"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
_TEXT_MAX = 65536
_ACCOUNTS = ("/etc/passwd", "/etc/group", "/etc/shadow", "/etc/gshadow", "/etc/subuid", "/etc/subgid")

# Not the machine's, but the simulation's or a running kernel's.
ALWAYS = (
    r"/\.machine(/.*)?",
    r"/run/berth(/lock)?",       # a lock file of a tmpfs
    r"/etc/\.pwd\.lock",         # that of the account files: every useradd leaves it
    r"/run/machine/failed(/.*)?",
    r"/run/machine/(loop|daemon\.json)",
    r"/proc/712(/.*)?",          # the kubelet's process
)
# What package managers leave behind when they have been used at all, and a CRI-O that ran.
TRACES = (
    r"/var/cache/apt(/.*)?",
    r"/var/lib/apt/lists(/.*)?",
    r"/var/cache/dnf(/.*)?",
    r"/sys/module(/.*)?",        # a loaded module goes with the next boot
    r"/var/lib/containers(/.*)?",  # what CRI-O pulled stays
    r"/var/log/crio(/pods)?",
    r"/usr/share/containers(/oci(/hooks\.d)?)?",
)
# Of an installation: its journal, and the directories that mounts cover (not what would be in them).
INSTALLED = (r"/var/lib/berth/journal(/.*)?", r"/var/lib/(docker|sysbox)")


def _content(path, size):
    with open(path, "rb") as file:
        head = file.read(4)
        if head == b"XFSB":  # a file system of its own: what is in it is the pool's, not the image's
            return f"XFS image of {size} bytes"
        data = head + file.read()
    if path.endswith(_ACCOUNTS):  # in the order in which the packages came
        data = b"".join(sorted(data.splitlines(keepends=True)))
    if path.endswith("/self/mountinfo"):  # in the order in which a boot came to them
        data = b"\n".join(sorted(b" ".join(line.split()[2:]) for line in data.splitlines()))
    if path.endswith(("/dpkg/status", "/rpm/Packages")):
        data = b"\n\n".join(sorted(data.strip().split(b"\n\n")))
    if size < _TEXT_MAX:
        data = _UUID.sub(b"UUID", data)
    return hashlib.sha256(data).hexdigest()[:16]


def _entry(path, links):
    found = os.lstat(path)
    owner = f"{stat.S_IMODE(found.st_mode):04o} {found.st_uid}:{found.st_gid}"
    if stat.S_ISLNK(found.st_mode):
        return f"link to {os.readlink(path)}"
    if stat.S_ISDIR(found.st_mode):
        return f"directory {owner}"
    if stat.S_ISREG(found.st_mode):
        if found.st_nlink > 1:
            links.setdefault((found.st_dev, found.st_ino), []).append(path)
        return f"file {owner} {_content(path, found.st_size)}"
    return f"special {stat.S_IFMT(found.st_mode):o} {owner}"


def snapshot(root, ignore=()):
    """Path: what is there. Hard links are told by the first of their names."""
    skip = re.compile("|".join((*ALWAYS, *ignore)))
    root = str(root)
    found, links = {}, {}
    for folder, folders, files in os.walk(root):
        folders.sort()
        below = folder[len(root):]
        kept = [name for name in folders if not skip.fullmatch(f"{below}/{name}/any")]
        for name in [*folders, *files]:
            path = f"{below}/{name}"
            if not skip.fullmatch(path):
                found[path] = _entry(folder + "/" + name, links)
        folders[:] = kept
    for paths in links.values():
        inside = sorted(path[len(root):] for path in paths)
        for path in inside[1:]:
            found[path] += f" = {inside[0]}"
    return found


def differences(expected, actual, ignore=()):
    """Lines for people; none when they are equal."""
    lines = []
    for path in sorted((expected.keys() | actual.keys()) - set(ignore)):
        if path not in actual:
            lines.append(f"missing: {path} ({expected[path]})")
        elif path not in expected:
            lines.append(f"left over: {path} ({actual[path]})")
        elif expected[path] != actual[path]:
            lines.append(f"differs: {path}: {actual[path]}, expected {expected[path]}")
    return lines
