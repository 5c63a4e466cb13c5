"""dnf and rpm's database, as far as berth calls them; the repository is /.machine/archive.

The database is a text that `rpm -qa` prints in the form berth asks for; a package's requirements and
files are further fields of it. rpm notes a package when its files are there and runs its scriptlet
then; the power may be cut at each (folder.moment).
"""

import contextlib
import os

import dpkg
import maintainer
import systemd
from folder import OWN, Failure, is_file, moment, names, ordered, read, real, remove, say, write

DATABASE = "/var/lib/rpm/Packages"
CACHE = "/var/cache/dnf/packages"
RULE = "=" * 80
PROVIDES = {"iptables-nft": ("iptables",)}  # of packages that are there from the start


def parse(arguments):
    """Flags, the verb, its items."""
    flags = [word for word in arguments if word.startswith("-")]
    verb, *items = [word for word in arguments if not word.startswith("-")]
    return flags, verb, items


# ---- the database ----

def database():
    found = {}
    for stanza in read(DATABASE).split("\n\n"):
        fields = dict(line.split(": ", 1) for line in stanza.splitlines() if ": " in line)
        if fields:
            found[fields["Package"]] = fields
    return found


def save(packages):
    write(DATABASE, "".join("".join(f"{key}: {value}\n" for key, value in fields.items()) + "\n"
                            for fields in packages.values()))


def provides(fields):
    return [*dpkg.provides(fields), *PROVIDES.get(fields["Package"], ())]


def requires(fields):
    return [name for name in fields.get("Depends", "").split(", ") if name]


# ---- what would happen ----

def find(name):
    path = f"{OWN}/archive/{name}.rpm"
    if not is_file(path):
        say(f"No match for argument: {name}")
        raise Failure(f"Error: Unable to find a match: {name}")
    return dpkg.load(path)


def resolve(packages, items):
    """The packages to install, dependencies first."""
    chosen = {name: find(name) for name in items if name not in packages}
    queue = list(chosen.values())

    def there(name):
        return any(name in provides(fields) for fields in
                   [*packages.values(), *(package.fields for package in chosen.values())])

    while queue:
        package = queue.pop()
        for name in requires(package.fields):
            if there(name):
                continue
            if not is_file(f"{OWN}/archive/{name}.rpm"):
                raise Failure(f"Error: \n Problem: conflicting requests\n  - nothing provides {name} needed by "
                              f"{package.name}-{package.fields['Version']}.x86_64")
            chosen[name] = find(name)
            queue.append(chosen[name])
    return list(reversed(chosen.values()))


def dependents(packages, gone):
    """Installed packages that cannot stay without these."""
    found = [name for name in gone if name in packages]
    for name in found:
        lost = provides(packages[name])
        for other, fields in packages.items():
            if other not in found and any(need in lost for need in requires(fields)):
                found.append(other)
    return found


def table(sections):
    """As dnf 4 prints it; `sections`: heading, rows of fields."""
    say(f"Dependencies resolved.\n{RULE}\n Package   Architecture   Version   Repository   Size\n{RULE}")
    for heading, rows in sections:
        if rows:
            say(f"{heading}:")
        for fields in rows:
            say(f" {fields['Package']:<20}x86_64   {fields['Version']:<20}test   1.0 k")
    say(f"\nTransaction Summary\n{RULE}")


def agree(flags, sections):
    """Print it; whoever says no ends here."""
    if not any(rows for _, rows in sections):
        say("Dependencies resolved.\nNothing to do.\nComplete!")
        return False
    table(sections)
    if "--assumeno" in flags:
        raise Failure("Operation aborted.")
    return True


# ---- verbs ----

def install(flags, items):
    packages = database()
    chosen = resolve(packages, items)
    asked = [package.fields for package in chosen if package.name in items]
    needed = [package.fields for package in chosen if package.name not in items]
    if not agree(flags, (("Installing", asked), ("Installing dependencies", needed))):
        return
    for package in chosen:
        cached = f"{CACHE}/{package.name}.rpm"
        if "--cacheonly" not in flags:
            write(cached, "")
        elif not is_file(cached):
            raise Failure('Error: Some packages have invalid cache, but cannot be downloaded due to '
                          '"--cacheonly" option')
    if "--downloadonly" in flags:
        return
    for package in chosen:
        put(packages, package)
    finish()


def finish():
    systemd.reload()
    for name in names(CACHE):
        remove(f"{CACHE}/{name}")


def put(packages, package):
    say(f"  Installing       : {package.name}-{package.fields['Version']}.x86_64")
    moment(f"{package.name}: files")
    if ordered("fail-unpack") == package.name:
        raise Failure(f"Error unpacking rpm package {package.name}-{package.fields['Version']}.x86_64\n"
                      "Error: Transaction failed")
    for kind, mode, path, data in package.entries:
        os.makedirs(real(path) if kind == "dir" else os.path.dirname(real(path)), exist_ok=True)
        if kind == "file":
            with open(real(path), "wb") as file:
                file.write(data)
            os.chmod(real(path), mode)
    moment(f"{package.name}: noted")
    packages[package.name] = {"Package": package.name, "Version": package.fields["Version"],
                              "Status": "install ok installed", "Depends": package.fields.get("Depends", ""),
                              "Provides": package.fields.get("Provides", ""),
                              "Files": " ".join(entry[2] for entry in package.entries)}
    save(packages)
    moment(f"{package.name}: scriptlet")
    if package.name == "docker-ce":
        maintainer.add_line("/etc/group", "docker:x:996:")
        maintainer.add_line("/etc/gshadow", "docker:!::")


def reinstall(flags, items):
    packages = database()
    there = [name for name in items if name in packages]
    if agree(flags, (("Reinstalling", [packages[name] for name in there]),)):
        for name in there:
            put(packages, find(name))
        finish()


def take_away(flags, items):
    packages = database()
    gone = dependents(packages, items)
    asked = [packages[name] for name in gone if name in items]
    others = [packages[name] for name in gone if name not in items]
    if not agree(flags, (("Removing", asked), ("Removing dependent packages", others))):
        return
    while gone:
        name = next(name for name in gone if not any(
            need in provides(packages[name]) for other in gone if other != name for need in requires(packages[other])))
        gone.remove(name)
        say(f"  Erasing          : {name}")
        paths = packages[name].get("Files", "").split()
        for unit in maintainer.units_of(paths):
            systemd.disable(unit)
            with contextlib.suppress(Failure):
                systemd.stop(unit)
        moment(f"{name}: erasing")
        dpkg.drop_files(paths)
        moment(f"{name}: erased")
        del packages[name]
        save(packages)
    systemd.reload()


def query(flags, items):
    """repoquery: the version alone, as the form asks that berth gives."""
    if not any(flag.startswith("--queryformat=%{version}") for flag in flags):
        raise Failure(f"dnf: the test does not know {' '.join(flags)}")
    for name in filter(None, items):  # the form ends with a newline, which parts words on their way here
        if is_file(f"{OWN}/archive/{name}.rpm"):
            say(dpkg.load(f"{OWN}/archive/{name}.rpm").fields["Version"].rpartition("-")[0].rpartition(":")[2])


VERBS = {"install": install, "reinstall": reinstall, "remove": take_away, "repoquery": query}


def main(arguments):
    flags, verb, items = parse(arguments)
    failing = (ordered("dnf-fails") or "").split()
    if verb in failing or set(flags) & set(failing):
        raise Failure(read(OWN + "/orders/dnf-says").rstrip())
    if verb not in VERBS:
        raise Failure(f"No such command: {verb}.")
    VERBS[verb](flags, items)
