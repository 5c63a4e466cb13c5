"""dpkg and its database, and package files in a form of the tests' own.

A package file is text: fields, an empty line, then "file MODE BYTES PATH" each followed by so many
bytes, "dir MODE PATH", and "end". A database entry goes through the states dpkg gives it, and the
power may be cut at each (folder.moment).
"""

import os

import maintainer
from folder import OWN, Failure, moment, names, read, real, remove, say, write

STATUS = "/var/lib/dpkg/status"
INFO = "/var/lib/dpkg/info"
INTERRUPTED = "/var/lib/dpkg/updates/0000"  # there while a transaction runs, and after one that was cut off
KEPT = ("Package", "Status", "Architecture", "Version", "Provides", "Depends", "Conffiles", "Description")


class BadPackage(Exception):
    """A file that is no whole package."""


class running:
    """A transaction of dpkg's: it leaves its mark when it does not come to its end."""

    def __enter__(self):
        write(INTERRUPTED, "")

    def __exit__(self, kind, value, trace):
        if kind is None or issubclass(kind, Failure):
            remove(INTERRUPTED)


class Package:
    def __init__(self, fields, entries):
        self.fields = fields
        self.entries = entries  # (kind, mode, path, bytes)

    @property
    def name(self):
        return self.fields["Package"]

    @property
    def conffiles(self):
        return self.fields.get("Conffiles", "").split()


def load(path):
    """A package file by its path in the folder."""
    with open(real(path), "rb") as file:
        data = file.read()
    head, gap, body = data.partition(b"\n\n")
    fields = dict(line.split(": ", 1) for line in head.decode(errors="replace").splitlines() if ": " in line)
    if not gap or "Package" not in fields or not body.endswith(b"end\n"):
        raise BadPackage(path)
    entries = []
    while body != b"end\n":
        line, _, body = body.partition(b"\n")
        kind, mode, *rest = line.decode().split(" ")
        size = int(rest[0]) if kind == "file" else 0
        entries.append((kind, int(mode, 8), rest[-1], body[:size]))
        body = body[size + 1:] if kind == "file" else body
    return Package(fields, entries)


# ---- the database ----

def database():
    """Name: its fields. In the file's order."""
    found = {}
    for stanza in read(STATUS).split("\n\n"):
        fields = dict(line.split(": ", 1) for line in stanza.splitlines() if not line.startswith(" "))
        if fields:
            found[fields["Package"]] = fields
    return found


def save(packages):
    write(STATUS, "".join("".join(f"{key}: {value}\n" for key, value in fields.items()) + "\n"
                          for fields in packages.values()))


def state(packages, name):
    return packages[name]["Status"].split()[-1] if name in packages else "not-installed"


def set_state(packages, name, status):
    packages[name]["Status"] = status
    save(packages)
    moment(f"{name}: {status.split()[-1]}")


def depends(fields):
    return [alternative.split(" | ")[0].split()[0]
            for alternative in fields.get("Depends", "").split(", ") if alternative]


def provides(fields):
    return [fields["Package"], *fields.get("Provides", "").split(", ")]


# ---- forward ----

def unpack(packages, package):
    fields = {key: package.fields[key] for key in KEPT if key in package.fields}
    packages[package.name] = {"Package": package.name, "Status": "", **fields}
    set_state(packages, package.name, "install reinstreq half-installed")
    try:
        put_files(package)
    except OSError as error:  # it is taken back, as dpkg does
        drop_files([entry[2] for entry in package.entries])
        del packages[package.name]
        save(packages)
        raise Failure(f"dpkg: error processing archive {package.name} (--unpack):\n {error.strerror}\n"
                      f"E: Sub-process /usr/bin/dpkg returned an error code (1)", 100) from None
    set_state(packages, package.name, "install ok unpacked")


def put_files(package):
    for kind, mode, path, data in package.entries:
        os.makedirs(os.path.dirname(real(path)), exist_ok=True)
        if kind == "dir":
            os.makedirs(real(path), exist_ok=True)
        elif not (path in package.conffiles and os.path.exists(real(path))):
            with open(real(path), "wb") as file:
                file.write(data)
            os.chmod(real(path), mode)
    write(f"{INFO}/{package.name}.list", "".join(entry[2] + "\n" for entry in package.entries))


def configure(packages, name):
    set_state(packages, name, "install ok half-configured")
    maintainer.configure(name, files_of(name))
    set_state(packages, name, "install ok installed")
    activate_triggers(packages, name)


# ---- triggers: programs that belong into the initramfs have it made anew, once for all of them ----

INTERESTED = "initramfs-tools"
ACTIVATING = ("fuse3", "xfsprogs")


def activate_triggers(packages, name):
    if name in ACTIVATING and state(packages, INTERESTED) == "installed":
        set_state(packages, INTERESTED, "install ok triggers-pending")


def run_triggers(packages):
    if state(packages, INTERESTED) == "triggers-pending":
        say(f"Processing triggers for {INTERESTED} ({packages[INTERESTED]['Version']}) ...")
        set_state(packages, INTERESTED, "install ok half-configured")
        set_state(packages, INTERESTED, "install ok installed")


def is_pending(fields):
    """Unpacked or half configured, and wanted: what is on its way out is not configured."""
    want, _, now = fields["Status"].split()
    return want == "install" and now in ("unpacked", "half-configured")


def lacks(packages, name):
    """A dependency that is not installed, or None."""
    there = {one for fields in packages.values() if fields["Status"].endswith(" installed")
             for one in provides(fields)}
    return next((need for need in depends(packages[name]) if need not in there), None)


def configure_pending(packages, chosen=None):
    """All (or those chosen) that can be; the names that cannot, for want of what they depend on."""
    left = [name for name, fields in packages.items() if is_pending(fields)]
    if chosen is not None and set(chosen) != set(left):
        raise Failure(f"dpkg: error: asked to configure {chosen}, and {left} are to be configured")
    ready = True
    while ready:
        ready = [name for name in left if lacks(packages, name) is None]
        for name in ready:
            say(f"Setting up {name} ({packages[name]['Version']}) ...")
            configure(packages, name)
            left.remove(name)
    return left


# ---- back ----

def files_of(name):
    return read(f"{INFO}/{name}.list", "").split()


def drop_files(paths):
    """Files, and directories that are empty then and that the machine did not have from the start."""
    standing = set(read(OWN + "/boot/directories").split("\n"))
    for path in paths:
        if not os.path.isdir(real(path)):
            remove(path)
    folders = {path for path in paths if os.path.isdir(real(path))}
    for path in paths:
        while path.count("/") > 1:
            path = os.path.dirname(path)
            folders.add(path)
    for path in sorted(folders, reverse=True):
        if path not in standing:
            try:
                os.rmdir(real(path))
            except OSError:
                pass


def remove_package(packages, name):
    conffiles = packages[name].get("Conffiles", "").split()
    paths = files_of(name)
    set_state(packages, name, "deinstall ok half-configured")
    maintainer.before_removal(name, paths)
    set_state(packages, name, "deinstall ok half-installed")
    drop_files([path for path in paths if path not in conffiles])
    maintainer.after_removal(name, paths)
    set_state(packages, name, "deinstall ok config-files")


def purge_package(packages, name):
    paths = files_of(name)
    if state(packages, name) != "config-files":
        remove_package(packages, name)
    drop_files(paths)
    maintainer.after_purge(name, paths)
    del packages[name]
    save(packages)
    for file in names(INFO):
        if file == f"{name}.list":
            remove(f"{INFO}/{file}")
    moment(f"{name}: purged")
    activate_triggers(packages, name)


# ---- the programs ----

def main(arguments):
    """dpkg: to configure all, or just those named and without triggers, is all that berth asks of it."""
    words = [word for word in arguments if not word.startswith("--force-conf")]
    packages = database()
    if words == ["--configure", "-a"]:
        remove(INTERRUPTED)
        left = configure_pending(packages)
        run_triggers(packages)
    elif words[:2] == ["--no-triggers", "--configure"]:
        with running():
            left = configure_pending(packages, [spec.split(":")[0] for spec in words[2:]])
    else:
        raise Failure(f"dpkg: error: the test does not know {' '.join(arguments)}")
    if left:
        raise Failure("\n".join(
            f"dpkg: dependency problems prevent configuration of {name}:\n {name} depends on "
            f"{lacks(packages, name)}; however:\n  Package {lacks(packages, name)} is not installed.\n"
            for name in left) + "Errors were encountered while processing:\n " + "\n ".join(left))


def main_deb(arguments):
    """dpkg-deb: --contents and --field."""
    verb, path = arguments[:2]
    try:
        package = load(path)
    except (BadPackage, OSError, ValueError):
        raise Failure(f"dpkg-deb: error: '{path}' is not a Debian format archive", 2) from None
    if verb == "--contents":
        for _, mode, name, data in package.entries:
            say(f"{mode:o} root/root {len(data):9} .{name}")
    elif verb == "--field":
        for key, value in package.fields.items():
            if key in arguments[2:] or not arguments[2:]:
                say(f"{key}: {value}")
    else:
        raise Failure(f"dpkg-deb: error: the test does not know {verb}", 2)
