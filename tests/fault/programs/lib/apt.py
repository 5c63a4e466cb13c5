"""apt-get, as far as berth calls it; the archive is /.machine/archive, or where a bundle was laid out."""

import hashlib
import re

import dpkg
from folder import OWN, Failure, copy, is_file, log, moment, names, ordered, read, say, write

LISTS = "/var/lib/apt/lists/archive.test_debian_dists_bookworm_main_binary-amd64_Packages"
ARCHIVES = "/var/cache/apt/archives"
places = {}  # of this call: "Dir::State::Lists" and the like


def parse(arguments):
    """Flags, the verb, its items; options and their values are as berth means them."""
    flags, plain, skip = [], [], False
    places.clear()
    for word in arguments:
        if skip:
            skip = False
        elif word.startswith("-oDir::"):
            places.update([word[2:].split("=", 1)])
        elif word == "-o":
            skip = True
        elif word.endswith("--force-remove-reinstreq"):
            flags.append("--force-remove-reinstreq")
        elif word.endswith("DPkg::ConfigurePending=false"):
            flags.append("--unpack-only")
        elif word.startswith("--"):
            flags.append(word)
        elif not word.startswith("-"):
            plain.append(word)
    return flags, plain[0], plain[1:]


def archive_file(name):
    """Where the archive in use has that package; there may be nothing."""
    lists = places.get("Dir::State::Lists")
    if not lists:
        return f"{OWN}/archive/{name}.deb"
    offered = re.search(rf"^Package: {re.escape(name)}\n(?:.+\n)*?Filename: \./(.+)$", read(f"{lists}/../Packages"), re.M)
    return f"{lists}/../{offered[1] if offered else 'none'}"


def find(name):
    path = archive_file(name)
    if not is_file(path) or not (is_file(LISTS) or places):
        raise Failure(f"E: Unable to locate package {name}", 100)
    return dpkg.load(path)


def resolve(packages, items, again=False):
    """The packages to unpack for these names and files, dependencies first."""
    chosen = {}
    for item in items:
        if again and item in packages and not is_file(archive_file(item)):
            say(f"Reinstallation of {item} is not possible, it cannot be downloaded.")
            continue
        try:
            package = dpkg.load(item) if "/" in item else find(item)
        except dpkg.BadPackage:
            raise Failure(f"E: Invalid archive signature\nE: Unable to read {item}", 100) from None
        is_new = dpkg.state(packages, package.name) != "installed" or \
            packages[package.name]["Version"] != package.fields["Version"]
        if is_new or "/" in item or again:
            chosen[package.name] = package

    def there(name):
        fields = [*(p.fields for p in chosen.values()),
                  *(f for n, f in packages.items() if dpkg.state(packages, n) == "installed")]
        return any(name in dpkg.provides(f) for f in fields)

    queue = list(chosen.values())
    while queue:
        for name in dpkg.depends(queue.pop().fields):
            if not there(name):
                chosen[name] = find(name)
                queue.append(chosen[name])
    return list(reversed(chosen.values()))


def dependents(packages, gone):
    """Installed packages that cannot stay without these."""
    found = list(gone)
    for name in found:
        lost = dpkg.provides(packages[name]) if name in packages else [name]
        for other, fields in packages.items():
            if other not in found and dpkg.state(packages, other) == "installed" and \
                    any(need in lost for need in dpkg.depends(fields)):
                found.append(other)
    return found


def update():
    write(LISTS, "Package: docker.io\n")


def half_way(packages):
    """What packages that are only unpacked need and is not there."""
    there = [f for n, f in packages.items() if dpkg.state(packages, n) not in ("not-installed", "config-files")]
    waiting = [f for n, f in packages.items() if dpkg.state(packages, n) in ("unpacked", "half-configured")]
    return sorted({need for fields in waiting for need in dpkg.depends(fields)
                   if not any(need in dpkg.provides(f) for f in there)})


def check_unmet(packages, items, lacks):
    """As apt 3 has it: asked for names, it brings what these need, and nothing for the sake of others."""
    fresh = [item for item in items if "/" not in item and dpkg.state(packages, item) == "not-installed"]
    brought = [package.fields for package in resolve(packages, fresh)]
    if not all(any(need in dpkg.provides(fields) for fields in brought) for need in lacks):
        raise Failure("E: Unmet dependencies. Try 'apt --fix-broken install' with no packages (or specify a solution).", 100)


def install(flags, items):
    packages = {} if "Dir::State::Status" in places else dpkg.database()
    lacks = half_way(packages)
    if items or "--fix-broken" not in flags:
        check_unmet(packages, items, lacks)
    chosen = resolve(packages, items or lacks, "--reinstall" in flags)
    for package in chosen:
        line = f"{package.name} ({package.fields['Version']} Debian:12 [amd64])"
        if "--simulate" in flags:
            there = dpkg.state(packages, package.name) == "installed"
            say(f"Inst {package.name} [{packages[package.name]['Version']}] {line.partition(' ')[2]}" if there else f"Inst {line}")
        elif "--download-only" in flags:
            folder = places.get("Dir::Cache::Archives")
            if not folder:
                write(f"{ARCHIVES}/{package.name}_{package.fields['Version']}_amd64.deb", "")
            elif is_file(archive_file(package.name)):
                copy(archive_file(package.name), f"{folder}/{package.name}_{package.fields['Version']}_amd64.deb")
            say(f"Get:1 http://archive.test {line}")
    if "--simulate" in flags or "--download-only" in flags:
        return
    check_interrupted()
    with dpkg.running():
        unpack(packages, chosen)
        if "--unpack-only" not in flags:
            configure(packages)


def check_interrupted():
    if is_file(dpkg.INTERRUPTED):
        raise Failure("E: dpkg was interrupted, you must manually run 'dpkg --configure -a' to correct "
                      "the problem. ", 100)


def unpack(packages, chosen):
    moment("apt-get install")
    for package in chosen:
        say(f"Unpacking {package.name} ({package.fields['Version']}) ...")
        dpkg.unpack(packages, package)
        if ordered("fail-unpack") == package.name:
            raise Failure(f"dpkg: error processing archive {package.name} (--unpack):\n"
                          "E: Sub-process /usr/bin/dpkg returned an error code (1)")


def configure(packages):
    left = dpkg.configure_pending(packages)
    dpkg.run_triggers(packages)
    if left:
        raise Failure(f"dpkg: dependency problems prevent configuration of {left[0]}:\n"
                      "E: Sub-process /usr/bin/dpkg returned an error code (1)", 100)


def take_away(verb, flags, items):
    packages = dpkg.database()
    there = [name for name in items if dpkg.state(packages, name) not in ("not-installed", "config-files")]
    gone = dependents(packages, there)
    if "--simulate" in flags:
        for name in gone + [n for n in items if n not in gone and n in packages and verb == "purge"]:
            say(f"{'Purg' if verb == 'purge' else 'Remv'} {name} [{packages[name]['Version']}]")
        return
    if set(gone) - set(items):
        log(f"apt-get {verb} also removed {' '.join(sorted(set(gone) - set(items)))}")
    check_interrupted()
    check_inconsistent(packages, gone, flags)
    with dpkg.running():
        remove_and_purge(verb, packages, gone, items)
        if "--unpack-only" not in flags:
            dpkg.run_triggers(packages)


def check_inconsistent(packages, gone, flags):
    for name in gone:
        if name in packages and " reinstreq " in packages[name]["Status"] and \
                "--force-remove-reinstreq" not in flags:
            raise Failure(f"dpkg: error processing package {name} (--remove):\n package is in a very bad "
                          "inconsistent state; you should\n reinstall it before attempting removal", 100)


def outermost(packages, gone):
    """The first of these that none of the others needs."""
    return next((name for name in gone if not any(
        need in dpkg.provides(packages[name]) for other in gone if other != name
        for need in dpkg.depends(packages[other]))), gone[0])


def remove_and_purge(verb, packages, gone, items):
    left = list(gone)
    while left:
        name = outermost(packages, left)
        left.remove(name)
        say(f"Removing {name} ...")
        dpkg.remove_package(packages, name)
    for name in items if verb == "purge" else ():
        if name in packages:
            say(f"Purging configuration files for {name} ...")
            dpkg.purge_package(packages, name)


def main(arguments):
    flags, verb, items = parse(arguments)
    failing = (ordered("apt-fails") or "").split()
    laid_out = "Dir::State::Lists" in places  # a bundle: no mirror is asked
    if not laid_out and (verb in failing or set(flags) & set(failing)):
        raise Failure(read(OWN + "/orders/apt-says").rstrip(), 100)
    if verb == "update":
        if not laid_out:
            update()
    elif verb == "install":
        install(flags, items)
    elif verb in ("remove", "purge"):
        take_away(verb, flags, items)
    else:
        raise Failure(f"E: Invalid operation {verb}", 100)


def main_cache(arguments):
    """apt-cache policy NAME: of lists that are there; one of a repository for this alone has its name. apt-cache show."""
    verb, name, *_ = arguments
    if verb == "show":
        for spec in arguments[1:]:
            say("Package: {}\nVersion: {}\nSHA256: {}\n".format(*spec.split("="), hashlib.sha256(b"").hexdigest()))
        return
    if verb != "policy":
        raise Failure(f"E: Invalid operation {verb}", 100)
    there = dpkg.database().get(name, {})
    installed = there.get("Version") if dpkg.state({name: there} if there else {}, name) == "installed" else None
    path = f"{OWN}/archive/{name}.deb"
    listed = any(name in one or LISTS.endswith(one) for one in names("/var/lib/apt/lists"))
    offered = dpkg.load(path).fields["Version"] if is_file(path) and listed else None
    if offered or installed:
        say(f"{name}:\n  Installed: {installed or '(none)'}\n  Candidate: {offered or installed}\n  Version table:")
