"""systemd, as far as berth could tell the difference.

Unit files are read for real: requirements are started, dependents are stopped first, links of
[Install] sections come and go, what was read stays as it was until a daemon-reload. Mounts are lines
in /proc/self/mountinfo; the pool's content is put at its place when it is mounted and taken away when
it is not, so that what lies below is seen to be what it is.
"""

import json
import os

import kubelet
from folder import (OWN, Failure, empty, exists, is_file, log, names, ordered, read, real, remove,
                    remove_tree, say, write)

FRAGMENTS = ("/etc/systemd/system", "/run/systemd/system", "/usr/lib/systemd/system")
LOADED = "/run/machine/loaded"   # unit: its text as systemd read it
ACTIVE = "/run/machine/active"
FAILED = "/run/machine/failed"
CONTAINERS = "/run/machine/containers"
DOCKER_SETTINGS = "/run/machine/daemon.json"
MOUNTS = "/proc/self/mountinfo"
POOL = "/var/lib/berth/pool"
POOL_LINK = "/run/berth/pool-device"
API_SOCKET = "/run/docker.sock"


# ---- unit files ----

def fragment(unit):
    for folder in FRAGMENTS:
        if exists(f"{folder}/{unit}"):
            return f"{folder}/{unit}"
    return None


def is_masked(path):
    return os.path.islink(real(path)) and os.readlink(real(path)) == "/dev/null"


def drop_ins(unit):
    """In the order of their names, wherever they are; one of /etc stands before its namesake."""
    found = {name: f"{folder}/{unit}.d/{name}" for folder in reversed(FRAGMENTS)
             for name in names(f"{folder}/{unit}.d") if name.endswith(".conf")}
    return [found[name] for name in sorted(found)]


def text_on_disk(unit):
    """The unit's own file and its drop-ins, or None."""
    path = fragment(unit)
    if path is None:
        return None
    if is_masked(path):
        return "masked\n"
    return "\n".join(read(one) for one in [path, *drop_ins(unit)])


def text_of(unit):
    """As systemd knows it: what it has read, else what is on the disk."""
    loaded = read(f"{LOADED}/{unit}", "")
    return loaded or text_on_disk(unit)


def settings(text):
    """Key: its words, in order; an empty value forgets those before it."""
    found = {}
    for line in (text or "").replace("\\\n", " ").splitlines():
        key, equals, value = line.partition("=")
        if not equals or line.startswith(("#", ";", "[")):
            continue
        if value.strip():
            found.setdefault(key.strip(), []).append(value.strip())
        else:
            found[key.strip()] = []
    return found


def words(config, *keys):
    return [word for key in keys for value in config.get(key, []) for word in value.split()]


# ---- what is enabled ----

def install_links(unit):
    """The links its [Install] section asks for."""
    config = settings(text_on_disk(unit))
    return ([f"/etc/systemd/system/{target}.wants/{unit}" for target in words(config, "WantedBy")] +
            [f"/etc/systemd/system/{target}.requires/{unit}" for target in words(config, "RequiredBy")])


def links_of(unit):
    return [f"/etc/systemd/system/{folder}/{unit}" for folder in names("/etc/systemd/system")
            if folder.endswith((".wants", ".requires")) and exists(f"/etc/systemd/system/{folder}/{unit}")]


def file_state(unit):
    path = fragment(unit)
    if path is None:
        return ""
    if is_masked(path):
        return "masked"
    if links_of(unit):
        return "enabled"
    return "disabled" if install_links(unit) else "static"


def enable(unit):
    path = fragment(unit)
    if path is None:
        raise Failure(f"Failed to enable unit: Unit file {unit} does not exist.")
    if is_masked(path):
        raise Failure(f"Failed to enable unit: Unit file {path} is masked.")
    for link in install_links(unit):
        os.makedirs(os.path.dirname(real(link)), exist_ok=True)
        if not exists(link):
            os.symlink(path, real(link))


def disable(unit):
    for link in links_of(unit):
        remove(link)
        try:
            os.rmdir(os.path.dirname(real(link)))
        except OSError:
            pass
    reload()


def reload():
    """Read anew what is in memory: units that are active or wanted by something."""
    wanted = set(names(ACTIVE))
    for folder in names("/etc/systemd/system"):
        if folder.endswith((".wants", ".requires")):
            wanted.update(names(f"/etc/systemd/system/{folder}"))
    for unit in set(names(LOADED)) - wanted:
        remove(f"{LOADED}/{unit}")
    for unit in wanted:
        text = text_on_disk(unit)
        if text is not None:
            write(f"{LOADED}/{unit}", text)


def needs_reload(unit):
    loaded = read(f"{LOADED}/{unit}", "")
    return bool(loaded) and loaded != text_on_disk(unit)


# ---- mounts ----

def mount_lines():
    return read(MOUNTS, "").splitlines()


def is_mounted(path):
    return any(line.split()[4] == path for line in mount_lines())


def add_mount(root, path, kind, source, options):
    number = max((int(line.split()[0]) for line in mount_lines()), default=20) + 1
    parent = mount_lines()[0].split()[0] if mount_lines() else "1"
    write(MOUNTS, read(MOUNTS, "") +
          f"{number} {parent} 7:7 {root} {path} rw,noatime - {kind} {source} {options}\n")


def drop_mount(path):
    write(MOUNTS, "".join(line + "\n" for line in mount_lines() if line.split()[4] != path))


def where(path):
    """Where the content of a directory really is: in the pool when that is bound there."""
    for line in mount_lines():
        fields = line.split()
        if fields[4] == path and fields[4] != POOL and fields[2] == "7:7":
            return POOL + fields[3]
    return path


def pool_uuid():
    image = read("/run/machine/loop", "").strip()
    with open(real(image), "rb") as file:
        return file.read(64)[32:48].hex()


def mount_pool(source):
    if not exists(source):
        raise Failure("special device /run/berth/pool-device does not exist.")
    content = f"{OWN}/content/{pool_uuid()}"
    os.makedirs(real(content), exist_ok=True)
    os.makedirs(real(POOL), exist_ok=True)
    if names(POOL):
        log(f"{POOL} had content of its own below the mount: {' '.join(names(POOL))}")
        os.makedirs(real(OWN + "/below"), exist_ok=True)
        os.rename(real(POOL), real(OWN + "/below/pool"))
    else:
        os.rmdir(real(POOL))
    os.rename(real(content), real(POOL))
    add_mount("/", POOL, "xfs", "/dev/loop7", "rw,prjquota")


def unmount_pool():
    if any(line.split()[2] == "7:7" and line.split()[4] != POOL for line in mount_lines()):
        raise Failure(f"umount: {POOL}: target is busy.")
    os.makedirs(real(OWN + "/content"), exist_ok=True)
    os.rename(real(POOL), real(f"{OWN}/content/{pool_uuid()}"))
    os.mkdir(real(POOL))
    drop_mount(POOL)


def start_mount(unit, config):
    what, place = config["What"][-1], config["Where"][-1]
    if place == POOL:
        mount_pool(what)
        return
    if not os.path.isdir(real(what)):
        raise Failure(f"mount: {place}: special device {what} does not exist.")
    os.makedirs(real(place), exist_ok=True)
    add_mount(what[len(POOL):], place, "xfs", "/dev/loop7", "rw,prjquota")


def stop_mount(unit, config):
    place = config["Where"][-1]
    if place == POOL:
        unmount_pool()
    else:
        drop_mount(place)


# ---- services with effects ----

SKELETON = (
    "buildkit", "containers", "image/overlay2/imagedb/content/sha256", "network/files",
    "overlay2/l", "plugins/storage", "plugins/tmp", "runtimes", "swarm", "tmp", "volumes",
)


def start_docker(unit, config):
    text = read("/etc/docker/daemon.json", "")
    try:
        if not isinstance(json.loads(text or "{}"), dict):
            raise ValueError
    except ValueError:
        raise Failure("Job for docker.service failed because the control process exited with error "
                      "code.") from None
    data = where("/var/lib/docker")
    log(f"docker started on {data}")
    os.makedirs(real(data), exist_ok=True)
    os.chmod(real(data), 0o710)
    for name in SKELETON:
        os.makedirs(real(f"{data}/{name}"), exist_ok=True)
    if not exists(data + "/engine-id"):
        write(data + "/engine-id", "5a1f2c6e-8f0c-4b3e-9d7a-2b1c0d9e8f7a")
    os.makedirs(real("/etc/docker"), exist_ok=True)
    write(DOCKER_SETTINGS, text or "{}")


def stop_docker(unit, config):
    if '"live-restore": true' not in read(DOCKER_SETTINGS, ""):
        remove(CONTAINERS)


def link_api(unit, config):
    """The test's own server answers at the socket: see docker_api.py."""
    remove(API_SOCKET)
    served = read(OWN + "/api-socket", "").strip()
    if served and os.path.exists(served):
        os.makedirs(real("/run"), exist_ok=True)
        os.link(served, real(API_SOCKET))


def unlink_api(unit, config):
    remove(API_SOCKET)


def start_containerd(unit, config):
    for path in ("/var/lib/containerd/io.containerd.content.v1.content/ingest",
                 "/opt/containerd/bin", "/opt/containerd/lib"):
        os.makedirs(real(path), exist_ok=True)


def start_crio(unit, config):
    """What a CRI-O that starts makes (1.34: Validate(true), lib.New, version files)."""
    data = where("/var/lib/containers")
    log(f"crio started on {data}")
    for path in ("/etc/crio/policies", "/etc/cni/net.d", "/opt/cni/bin", f"{data}/storage/overlay", "/var/lib/crio",
                 "/var/log/crio/pods", "/usr/share/containers/oci/hooks.d"):
        os.makedirs(real(path), exist_ok=True)
    write("/var/lib/crio/clean.shutdown.supported", "")
    write(f"{data}/storage/storage.lock", "")
    remove("/var/lib/crio/clean.shutdown")


def stop_crio(unit, config):
    write("/var/lib/crio/clean.shutdown", "")


def start_manager(unit, config):
    """sysbox-mgr: whatever is below its data root goes, at start and at stop."""
    data = where("/var/lib/sysbox")
    log(f"sysbox-mgr started on {data}")
    for path in ("/etc/subuid", "/etc/subgid"):
        if "\nsysbox:" not in "\n" + read(path, ""):
            log(f"sysbox-mgr had to write its ids into {path}")
    os.makedirs(real(data), exist_ok=True)
    os.chmod(real(data), 0o700)
    empty(data)
    for kind in ("docker", "kubelet", "buildkit", "containerd"):
        os.makedirs(real(f"{data}/{kind}"), exist_ok=True)


def stop_manager(unit, config):
    empty(where("/var/lib/sysbox"))


def start_kubelet(unit, config):
    kubelet.start(unit, config, lambda path: where(os.path.dirname(path)) + "/" + os.path.basename(path))


def start_file_system(unit, config):
    os.makedirs(real("/var/lib/sysboxfs"), exist_ok=True)


def start_pool_device(unit, config):
    """What `berth pool attach IMAGE` does."""
    image = config["ExecStart"][-1].split()[-1]
    if not is_file(image):
        raise Failure("Job for berth-pool.service failed: there is no image.")
    with open(real(image), "rb") as file:
        if file.read(4) != b"XFSB":
            raise Failure("Job for berth-pool.service failed: no XFS in the image.")
    write("/run/machine/loop", image + "\n")
    os.makedirs(real("/run/berth"), exist_ok=True)
    remove(POOL_LINK)
    os.symlink("/dev/loop7", real(POOL_LINK))


def stop_pool_device(unit, config):
    remove(POOL_LINK)
    remove("/run/machine/loop")


NOTHING = (lambda unit, config: None)
EFFECTS = {
    "docker.service": (start_docker, stop_docker),
    "docker.socket": (link_api, unlink_api),
    "containerd.service": (start_containerd, NOTHING),
    "crio.service": (start_crio, stop_crio),
    "sysbox-mgr.service": (start_manager, stop_manager),
    "sysbox-fs.service": (start_file_system, NOTHING),
    "berth-pool.service": (start_pool_device, stop_pool_device),
}


def effects(unit):
    if unit.endswith(".mount"):
        return start_mount, stop_mount
    if kubelet.is_kubelet(unit):
        return start_kubelet, kubelet.stop
    return EFFECTS.get(unit, (NOTHING, NOTHING))


# ---- jobs ----

def is_active(unit):
    return exists(f"{ACTIVE}/{unit}")


def check_start(unit, config):
    for path in words(config, "AssertPathIsMountPoint"):
        if not is_mounted(path):
            raise Failure(f"Assertion failed on job for {unit}.")
    for command in config.get("ExecStart", []):
        program = command.split()[0].lstrip("-@+!:")
        if not is_file(program):
            raise Failure(f"Job for {unit} failed because the control process exited with error code.")
    if ordered("fail-start") == unit:
        raise Failure(f"Job for {unit} failed because the control process exited with error code.")


def start(unit, under_way=()):
    if is_active(unit) or unit in under_way or unit.endswith((".target", ".slice")):
        return
    under_way = (*under_way, unit)
    text = text_of(unit)
    if text is None:
        raise Failure(f"Failed to start {unit}: Unit {unit} not found.")
    if text == "masked\n":
        raise Failure(f"Failed to start {unit}: Unit {unit} is masked.")
    config = settings(text)
    write(f"{LOADED}/{unit}", text)
    for needed in words(config, "Requires", "BindsTo"):
        try:
            start(needed, under_way)
        except Failure:
            raise Failure(f"A dependency job for {unit} failed. See 'journalctl -xe' for details.") from None
    for wanted in words(config, "Wants"):
        try:
            start(wanted, under_way)
        except Failure:
            pass
    try:
        check_start(unit, config)
        effects(unit)[0](unit, config)
    except Failure:
        write(f"{FAILED}/{unit}", "")
        raise
    remove(f"{FAILED}/{unit}")
    write(f"{ACTIVE}/{unit}", "")


def dependents(unit):
    """Active units that go when this one is stopped."""
    found = []
    for other in names(ACTIVE):
        config = settings(text_of(other))
        if unit in words(config, "Requires", "BindsTo", "PartOf"):
            found.append(other)
    return found


def stop(unit, under_way=()):
    if unit in under_way:
        return
    if not is_active(unit):
        if text_of(unit) is None:
            raise Failure(f"Failed to stop {unit}: Unit {unit} not loaded.")
        return
    for other in dependents(unit):
        if is_active(other):
            stop(other, (*under_way, unit))
    config = settings(text_of(unit))
    effects(unit)[1](unit, config)
    remove(f"{ACTIVE}/{unit}")
    if not links_of(unit):
        remove(f"{LOADED}/{unit}")


def restart(unit):
    if is_active(unit):
        stop(unit)
    start(unit)


def boot():
    """From nothing: kernel settings and modules as the files say, then everything enabled."""
    if is_mounted(POOL):  # the power was cut: what was mounted there is in the image
        for line in mount_lines():
            if line.split()[2] == "7:7" and line.split()[4] != POOL:
                drop_mount(line.split()[4])
        unmount_pool()
    for name in names("/run"):
        remove_tree(f"/run/{name}")
    remove_tree(kubelet.PROCESS)
    os.makedirs(real("/run/systemd/system"), exist_ok=True)
    write(MOUNTS, read(OWN + "/boot/mountinfo"))
    boot_kernel()
    reload()
    for target in ("sysinit.target", "sockets.target", "timers.target", "multi-user.target"):
        for unit in names(f"/etc/systemd/system/{target}.wants"):
            if fragment(unit) is None:
                continue
            try:
                start(unit)
            except Failure as failure:
                log(f"boot: {failure}")


def boot_kernel():
    for line in read(OWN + "/boot/sysctl").splitlines():
        key, _, value = line.partition("=")
        write("/proc/sys/" + key.replace(".", "/"), value + "\n")
    found = {}
    for folder in ("/usr/lib/sysctl.d", "/etc/sysctl.d"):
        for name in names(folder):
            found[name] = f"{folder}/{name}"
    for name in sorted(found):
        for line in read(found[name]).splitlines():
            key, equals, value = line.partition("=")
            path = "/proc/sys/" + key.strip().replace(".", "/")
            if equals and not line.startswith("#") and exists(path):
                write(path, value.strip() + "\n")
    empty("/sys/module")
    for name in read(OWN + "/boot/modules").split():
        os.makedirs(real(f"/sys/module/{name}"), exist_ok=True)
    for name in names("/etc/modules-load.d"):
        for line in read(f"/etc/modules-load.d/{name}").splitlines():
            if line and not line.startswith("#"):
                os.makedirs(real(f"/sys/module/{line}"), exist_ok=True)


# ---- systemctl ----

def show(unit):
    text = text_of(unit)
    loaded = "not-found" if text is None else "masked" if text == "masked\n" else "loaded"
    active = "active" if is_active(unit) else "failed" if exists(f"{FAILED}/{unit}") else "inactive"
    running = {"mount": "mounted", "socket": "listening"}.get(unit.rsplit(".", 1)[-1], "running")
    lines = [f"Id={unit}", f"LoadState={loaded}", f"ActiveState={active}",
             f"SubState={running if active == 'active' else 'dead'}",
             f"UnitFileState={file_state(unit)}", f"FragmentPath={fragment(unit) or ''}",
             f"DropInPaths={' '.join(drop_ins(unit))}",
             f"NeedDaemonReload={'yes' if needs_reload(unit) else 'no'}"]
    if unit.endswith(".service"):
        lines.append(f"MainPID={4711 if active == 'active' else 0}")
        lines.append(f"KillMode={(settings(text).get('KillMode') or ['control-group'])[-1]}")
        for command in settings(text).get("ExecStart", []):
            program = command.split()[0]
            lines.append(f"ExecStart={{ path={program} ; argv[]={command} ; ignore_errors=no ; "
                         "start_time=[n/a] ; stop_time=[n/a] ; pid=0 ; code=(null) ; status=0/0 }")
    return "\n".join(lines) + "\n"


def show_some(unit, wanted, names_too):
    """`--property=NAME`: these alone, in systemd's own order; with `--value` without their names."""
    lines = [line for line in show(unit).splitlines() if line.split("=", 1)[0] in wanted]
    return "".join((line if names_too else line.split("=", 1)[1]) + "\n" for line in lines)


VERBS = {"start": start, "stop": stop, "restart": restart, "enable": enable, "disable": disable}


def main(arguments):
    verb, *units = [word for word in arguments if not word.startswith("-")]
    if not os.path.isdir(real("/run/systemd/system")) and verb != "reboot":
        raise Failure("System has not been booted with systemd as init system (PID 1). Can't operate.")
    wanted = [name for word in arguments if word.startswith("--property=") for name in word[11:].split(",")]
    if verb == "show" and wanted:
        say("\n".join(show_some(unit, wanted, "--value" not in arguments) for unit in units), end="")
    elif verb == "show":
        say("\n".join(show(unit) for unit in units), end="")
    elif verb in ("daemon-reload", "reboot"):
        {"daemon-reload": reload, "reboot": boot}[verb]()
    elif verb in VERBS:
        for unit in units:
            VERBS[verb](unit)
        if verb == "enable" and "--no-reload" not in arguments:
            reload()
    else:
        raise Failure(f"Unknown command verb {verb}.")


def load_module(arguments):
    """modprobe: what modules.dep lists can be loaded."""
    name = arguments[-1]
    listed = [read(f"/usr/lib/modules/{release}/modules.dep", "") for release in names("/usr/lib/modules")]
    if exists(f"/sys/module/{name}"):
        return
    if not any(f"/{name}.ko" in text for text in listed):
        raise Failure(f"modprobe: FATAL: Module {name} not found in directory /lib/modules")
    os.mkdir(real(f"/sys/module/{name}"))
