"""What the packages' maintainer scripts do on a machine.

Units as debhelper's snippets treat them; Docker's group and its script that deletes all data on purge
(docker.io 20.10); Sysbox's account and its dealings with daemon.json (sysbox-ce 0.7.1).
"""

import json
import os

import systemd
from folder import (Failure, append, empty, exists, is_file, log, names, read, real, remove,
                    remove_if_empty, write)

DAEMON_JSON = "/etc/docker/daemon.json"
NUKE = "/usr/share/docker.io/contrib/nuke-graph-directory.sh"
NUKE_SAVED = "/var/lib/docker/nuke-graph-directory.sh"
ENABLED_NOTES = "/var/lib/systemd/deb-systemd-helper-enabled"
SYSBOX_SETTINGS = {
    "fs/inotify/max_queued_events": 1048576, "fs/inotify/max_user_watches": 1048576,
    "fs/inotify/max_user_instances": 1048576, "kernel/keys/maxkeys": 20000,
    "kernel/keys/maxbytes": 1400000, "kernel/pid_max": 4194304,
}


def units_of(paths):
    return [os.path.basename(path) for path in paths if path.startswith("/usr/lib/systemd/system/")
            and path.endswith((".service", ".socket"))]


def starts_allowed(unit):
    """Ask policy-rc.d as deb-systemd-invoke does: 101 means no."""
    policy = "/usr/sbin/policy-rc.d"
    if not is_file(policy) or not os.access(real(policy), os.X_OK):
        return True
    child = os.posix_spawn(real(policy), [policy, unit, "start"], dict(os.environ))
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) != 101


def unmask(unit):
    link = f"/etc/systemd/system/{unit}"
    if systemd.is_masked(link):
        remove(link)


def enable_and_start(paths):
    units = units_of(paths)
    for unit in units:
        unmask(unit)
        if systemd.install_links(unit):
            systemd.enable(unit)
            write(f"{ENABLED_NOTES}/{unit}.dsh-also", "".join(link + "\n" for link in systemd.links_of(unit)))
    systemd.reload()
    for unit in units:
        if not starts_allowed(unit):
            continue
        try:
            systemd.start(unit)
        except Failure as failure:
            log(f"deb-systemd-invoke: {failure}")


def add_line(path, line):
    if exists(path) and not any(have.split(":")[0] == line.split(":")[0] for have in read(path).splitlines()):
        append(path, line + "\n")


# ---- Sysbox and daemon.json ----

def edit_settings(change):
    """As its script does with jq: the whole file anew, in jq's layout, in place. True when changed."""
    text = read(DAEMON_JSON, "").strip() or "{}"
    try:
        value = json.loads(text)
    except ValueError:
        return False
    if not change(value):
        return False
    with open(real(DAEMON_JSON), "w", encoding="utf-8") as file:
        file.write(json.dumps(value, indent=4, ensure_ascii=False) + "\n")
    return True


def set_runtime(value):
    if "sysbox-runc" in value.get("runtimes", {}):
        return False
    value.setdefault("runtimes", {})["sysbox-runc"] = {"path": "/usr/bin/sysbox-runc"}
    return True


def set_addresses(value):
    changed = False
    if not value.get("bip"):
        value["bip"] = "172.20.0.1/16"
        changed = True
    if not value.get("default-address-pools"):
        value["default-address-pools"] = [{"base": "172.25.0.0/16", "size": 24}]
        changed = True
    return changed


def configure_docker():
    if not is_file("/usr/sbin/dockerd"):
        return
    os.makedirs(real("/etc/docker"), exist_ok=True)
    if not read(DAEMON_JSON, ""):
        write(DAEMON_JSON, "{\n}\n")
    if edit_settings(set_runtime):
        log("sysbox-ce edited daemon.json: runtime")
    if edit_settings(set_addresses):
        log("sysbox-ce edited daemon.json: addresses")
        if systemd.is_active("docker.service"):
            log("sysbox-ce restarted docker")
            systemd.restart("docker.service")


def forget_runtime():
    """On purge the file is laid out anew, whatever was in it."""
    try:
        value = json.loads(read(DAEMON_JSON))
    except (OSError, ValueError):
        return
    value.get("runtimes", {}).pop("sysbox-runc", None)
    with open(real(DAEMON_JSON), "w", encoding="utf-8") as file:
        file.write(json.dumps(value, indent=2, ensure_ascii=False) + "\n")


def configure_sysbox():
    os.makedirs(real("/var/lib/sysboxfs"), exist_ok=True)
    for key, value in SYSBOX_SETTINGS.items():
        if int(read(f"/proc/sys/{key}", "0").split()[0]) < value:
            write(f"/proc/sys/{key}", f"{value}\n")
            log(f"sysbox-ce raised {key}")
    add_line("/etc/passwd", "sysbox:x:1000:1000::/home/sysbox:/bin/false")
    add_line("/etc/group", "sysbox:x:1000:")
    add_line("/etc/shadow", "sysbox:!:19800:0:99999:7:::")
    add_line("/etc/gshadow", "sysbox:!::")
    add_line("/etc/subuid", "sysbox:100000:65536")
    add_line("/etc/subgid", "sysbox:100000:65536")
    configure_docker()


# ---- the scripts ----

def configure(name, paths):
    if name == "docker.io":
        add_line("/etc/group", "docker:x:996:")
        add_line("/etc/gshadow", "docker:!::")
    elif name == "sysbox-ce":
        configure_sysbox()
    enable_and_start(paths)


def before_removal(name, paths):
    if name == "docker.io" and os.path.isdir(real("/var/lib/docker")) and is_file(NUKE):
        write(NUKE_SAVED, read(NUKE), 0o755)
    for unit in units_of(paths):
        try:
            systemd.stop(unit)
        except Failure:
            pass


def after_removal(name, paths):
    systemd.reload()
    if name == "sysbox-ce":
        for unit in units_of(paths):
            link = f"/etc/systemd/system/{unit}"
            if not exists(link):
                os.symlink("/dev/null", real(link))


def after_purge(name, paths):
    for unit in units_of(paths):
        unmask(unit)
        for link in systemd.links_of(unit):
            remove(link)
        remove(f"{ENABLED_NOTES}/{unit}.dsh-also")
        remove_if_empty(ENABLED_NOTES)
        for folder in names("/etc/systemd/system"):
            remove_if_empty(f"/etc/systemd/system/{folder}")
    systemd.reload()
    if name == "docker.io" and is_file(NUKE_SAVED):
        log(f"docker.io deleted all below {systemd.where('/var/lib/docker')}")
        empty(systemd.where("/var/lib/docker"))
    if name == "sysbox-ce":
        forget_runtime()
