"""Machines in folders: what a fresh one of each system shows to a program that looks.

A recorded root is made of tests/data/roots/NAME (os-release as the system ships it, a list of
packages with versions, of a node what its containerd reads) and a row of the table below (kernel,
settings, disk, network: the values a fresh cloud image has). `build("debian-12", folder)` writes it
out; `python3 roots.py NAME FOLDER` does the same by hand, for `berth --root FOLDER plan`.
"""

import shutil
import sys
from dataclasses import dataclass, field, replace
from pathlib import Path

import distribution
import nodes

HERE = Path(__file__).parent
DATA = HERE.parent / "data" / "roots"
PROGRAMS = HERE / "programs"

GIB = 1 << 30
# What berth runs that every system has.
BASE_PROGRAMS = ("cp", "modprobe", "systemctl")
FAMILY_PROGRAMS = {"apt": ("apt-cache", "apt-get", "dpkg", "dpkg-deb"), "rpm": ("dnf", "rpm"), "none": ()}
ASK = ("apt-cache", "apt-get", "dnf", "dpkg", "dpkg-deb", "modprobe", "systemctl")  # by one script for all of them

# Programs that berth looks for, of packages a machine of the table has.
PROGRAMS_OF = {"apparmor": "/usr/sbin/apparmor_parser", "fuse3": "/usr/bin/fusermount3",
               "iptables-nft": "/usr/sbin/iptables", "rsync": "/usr/bin/rsync", "tar": "/usr/bin/tar",
               "xfsprogs": "/usr/sbin/mkfs.xfs", "xz": "/usr/bin/xz"}

SETTINGS = {
    "fs.inotify.max_queued_events": 16384,
    "fs.inotify.max_user_instances": 128,
    "fs.inotify.max_user_watches": 63518,
    "kernel.keys.maxbytes": 20000,
    "kernel.keys.maxkeys": 200,
    "kernel.pid_max": 4194304,
    "user.max_user_namespaces": 31357,
    "vm.max_map_count": 65530,
}
DEBIAN = {"kernel.unprivileged_userns_clone": 1}
ROUTES = {  # interface, destination, mask as the kernel prints them
    "cloud": (("ens5", "00000000", "00000000"), ("ens5", "0000A00A", "0000FFFF")),
    "aws": (("ens5", "00000000", "00000000"), ("ens5", "00001FAC", "00F0FFFF")),
    "wsl": (("eth0", "00000000", "00000000"), ("eth0", "001018AC", "00F0FFFF")),
}


@dataclass
class System:
    kernel: str
    data: str = ""  # the folder of tests/data/roots, when it is another machine of the same system
    family: str = "apt"
    arch: str = "x86_64"
    module_suffix: str = ".ko"
    modules: str = "overlay fuse loop xfs configfs vxlan"  # that can be loaded
    built_in: str = ""
    settings: dict = field(default_factory=dict)
    routes: str = "cloud"
    init: str = "systemd"
    version: str = ""  # in /proc/version beside the release
    files: dict = field(default_factory=dict)
    facts: dict = field(default_factory=dict)
    docker: bool = False  # Docker is installed and runs
    node: bool = False    # of nodes.NODES: who serves its kubelet, and settings that name an engine


OLD_KERNEL = {"try.idmapped-overlay": "no"}
SYSTEMS = {
    "debian-12": System("6.1.0-26-amd64", settings=DEBIAN),
    "debian-13": System("6.12.48+deb13-amd64", module_suffix=".ko.xz",
                        settings=DEBIAN | {"vm.max_map_count": 1048576},
                        files={"/sys/module/apparmor/parameters/enabled": "Y\n"}),
    "ubuntu-22.04": System("5.15.0-122-generic", built_in="fuse loop configfs", modules="overlay xfs vxlan",
                           settings=DEBIAN, routes="aws", facts=OLD_KERNEL),
    "ubuntu-24.04": System("6.8.0-45-generic", module_suffix=".ko.zst", built_in="fuse loop configfs",
                           modules="overlay xfs vxlan",
                           settings=DEBIAN | {"vm.max_map_count": 1048576,
                                              "kernel.apparmor_restrict_unprivileged_userns": 1},
                           files={"/sys/module/apparmor/parameters/enabled": "Y\n"}),
    "rhel-9": System("5.14.0-427.13.1.el9_4.x86_64", family="rpm", module_suffix=".ko.xz",
                     built_in="loop", facts=OLD_KERNEL),
    "amazon-2023": System("6.1.112-122.189.amzn2023.x86_64", family="rpm", built_in="xfs",
                          settings={"kernel.pid_max": 4194304}, routes="aws", docker=True),
    "cos": System("6.1.100+", family="none", built_in="overlay fuse loop xfs configfs vxlan", modules=""),
    "flatcar": System("6.6.54-flatcar", family="none"),
    "wsl": System("5.15.153.1-microsoft-standard-WSL2", data="ubuntu-24.04", settings=DEBIAN, routes="wsl",
                  version="(root@941d701f84f1) (gcc (GCC) 11.2.0) #1 SMP Fri Mar 29 23:14:13 UTC 2024"),
    "container": System("6.1.0-26-amd64", data="debian-12", settings=DEBIAN, init="bash",
                        files={"/.dockerenv": ""}),
    "snap-docker": System("6.8.0-45-generic", data="ubuntu-24.04", settings=DEBIAN,
                          files={"/snap/docker/current": "2963\n",
                                 "/var/snap/docker/common/var-lib-docker/engine-id": "1\n"}),
    "debian-12-docker": System("6.1.0-26-amd64", data="debian-12", settings=DEBIAN, docker=True),
}
LIKE = {  # nodes, by the machine they are beside
    "debian-12": ("k0s",),
    "debian-13": ("kubeadm", "kubeadm-no-config", "k3s", "containerd-1.7", "containerd-none", "containerd-io",
                  "containerd-kill-mode", "containerd-not-toml", "containerd-folder", "containerd-link", "crio-kubeadm",
                  "crio-native", "crio-k3s", "crio-no-kubelet", "crio-standalone", "crio-minor", "crio-no-package",
                  "crio-never"),
    "ubuntu-24.04": ("eks-ubuntu", "gke-ubuntu", "microk8s", "crio-eks-ubuntu", "crio-eks-snap"),
    "rhel-9": ("rke2", "crio-rhel", "crio-rpm-file"),
    "amazon-2023": ("eks-al2023", "eks-al2"),
}
SYSTEMS |= {name: replace(SYSTEMS[like], data=like, docker=False, node=True)
            for like, names in LIKE.items() for name in names}

# A user's file as people write them: tabs, a compact object, their own members, an end without newline.
ODD_DAEMON_JSON = ('{\n\t"registry-mirrors": ["https://mirror.example.com"],\n'
                   '\t"log-opts": {"max-size":"50m"},\n\n'
                   '  "insecure-registries" : [ ] ,\n\t"debug":false}')

ACCOUNTS = {
    "/etc/passwd": "root:x:0:0:root:/root:/bin/bash\ndaemon:x:1:1:daemon:/usr/sbin:/usr/sbin/nologin\n",
    "/etc/group": "root:x:0:\ndaemon:x:1:\n",
    "/etc/shadow": "root:*:19800:0:99999:7:::\ndaemon:*:19800:0:99999:7:::\n",
    "/etc/gshadow": "root:*::\ndaemon:*::\n",
    "/etc/subuid": "admin:165536:65536\n",
    "/etc/subgid": "admin:165536:65536\n",
}

SSH_UNIT = "[Unit]\nDescription=OpenBSD Secure Shell server\n\n[Service]\nExecStart=/usr/sbin/sshd -D\n\n" \
           "[Install]\nWantedBy=multi-user.target\n"


def put(root, path, text, mode=0o644):
    place = root / path.lstrip("/")
    place.parent.mkdir(parents=True, exist_ok=True)
    if isinstance(text, bytes):
        place.write_bytes(text)
    else:
        place.write_text(text, encoding="utf-8")
    place.chmod(mode)


def put_program(root, name):
    script = PROGRAMS / ("ask" if name in ASK else name)
    put(root, f"/usr/bin/{name}", script.read_text(encoding="utf-8"), 0o755)


def base_tree(root, system):
    """Merged /usr, accounts, folders that are never empty or always there."""
    for name in ("bin", "sbin", "lib"):
        (root / "usr" / name).mkdir(parents=True)
        (root / name).symlink_to(f"usr/{name}")
    for path in ("etc/systemd/system/sockets.target.wants", "etc/sysctl.d", "etc/modules-load.d", "etc/default",
                 "etc/init.d", "run", "tmp", "root", "opt", "var/lib/systemd", "usr/local/bin", "usr/local/lib",
                 "usr/lib/modules-load.d", "usr/lib/sysctl.d", "var/cache/apt/archives/partial",
                 "var/lib/apt/lists/partial"):
        (root / path).mkdir(parents=True, exist_ok=True)
    for path, text in ACCOUNTS.items():
        put(root, path, text, 0o640 if "shadow" in path else 0o644)
    put(root, "/usr/lib/systemd/system/ssh.service", SSH_UNIT)
    for program in ("/usr/sbin/sshd", "/usr/bin/sleep"):
        put(root, program, distribution.STUB, 0o755)
    wants = root / "etc/systemd/system/multi-user.target.wants"
    wants.mkdir()
    (wants / "ssh.service").symlink_to("/usr/lib/systemd/system/ssh.service")
    put(root, "/etc/systemd/system/sockets.target.wants/README", "\n")
    for path, text in system.files.items():
        put(root, path, text)


def kernel_files(root, system):
    put(root, "/proc/version", f"Linux version {system.kernel} {system.version}\n")
    put(root, "/proc/1/comm", system.init + "\n")
    put(root, "/proc/filesystems", "nodev\tsysfs\nnodev\ttmpfs\nnodev\tproc\n\text4\n")
    put(root, "/sys/fs/cgroup/cgroup.controllers", "cpuset cpu io memory hugetlb pids rdma misc\n")
    modules = "".join(f"kernel/fs/{name}/{name}{system.module_suffix}:\n" for name in system.modules.split())
    put(root, f"/usr/lib/modules/{system.kernel}/modules.dep", modules)
    put(root, f"/boot/config-{system.kernel}", "CONFIG_XFS_FS=m\nCONFIG_XFS_QUOTA=y\n")
    lines = ["Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT"]
    for interface, destination, mask in ROUTES[system.routes]:
        lines.append(f"{interface}\t{destination}\t00000000\t0003\t0\t0\t100\t{mask}\t0\t0\t0")
    put(root, "/proc/net/route", "\n".join(lines) + "\n")
    (root / "proc/self").mkdir(parents=True, exist_ok=True)


def boot_state(root, system):
    """What the simulated boot begins from."""
    settings = SETTINGS | system.settings
    put(root, "/.machine/boot/sysctl", "".join(f"{key}={value}\n" for key, value in sorted(settings.items())))
    for key, value in settings.items():
        put(root, "/proc/sys/" + key.replace(".", "/"), f"{value}\n")
    put(root, "/.machine/boot/modules", system.built_in + "\n")
    put(root, "/.machine/boot/mountinfo",
        "24 1 254:1 / / rw,relatime shared:1 - ext4 /dev/vda1 rw,errors=remount-ro\n"
        "25 24 0:22 / /run rw,nosuid,nodev shared:2 - tmpfs tmpfs rw,size=811324k,mode=755\n")
    for name in system.built_in.split():
        (root / "sys/module" / name).mkdir(parents=True, exist_ok=True)
    (root / "sys/module").mkdir(parents=True, exist_ok=True)
    put(root, "/proc/self/mountinfo", (root / ".machine/boot/mountinfo").read_text(encoding="utf-8"))


def packages_of(root, name, system):
    own = DATA / name / "packages"
    listed = own if own.exists() else DATA / (system.data or name) / "packages"
    rows = [line.split() for line in listed.read_text().splitlines()] if listed.exists() else []
    if system.family == "apt":
        put(root, "/var/lib/dpkg/status", "".join(
            f"Package: {package}\nStatus: install ok installed\nArchitecture: amd64\nVersion: {version}\n"
            f"{'Provides: fuse' + chr(10) if package == 'fuse3' else ''}\n" for package, version in rows))
        for lock in ("lock", "lock-frontend"):
            put(root, f"/var/lib/dpkg/{lock}", "", 0o640)
        distribution.write_archive(root / ".machine/archive")
        put(root, "/var/lib/apt/lists/archive.test_debian_dists_stable_main_binary-amd64_Packages", "\n")
        for name in ("info", "updates"):
            (root / "var/lib/dpkg" / name).mkdir()
    elif system.family == "rpm":
        put(root, "/var/lib/rpm/Packages", "".join(
            f"Package: {package}\nVersion: {version}\nStatus: install ok installed\n\n" for package, version in rows))
        put(root, "/var/lib/rpm/.rpm.lock", "")
        distribution.write_repository(root / ".machine/archive")
    for package, _ in rows:
        if package in PROGRAMS_OF:
            path = PROGRAMS_OF[package]
            own = PROGRAMS / Path(path).name
            put(root, path, own.read_text(encoding="utf-8") if own.exists() else distribution.STUB, 0o755)


def facts(system):
    known = {
        "arch": system.arch, "kernel": system.kernel, "memory": "8G", "disk": "80G",
        "filesystem:/": f"ext4 {100 * GIB} {80 * GIB}",
        **{f"try.{name}": "yes" for name in ("userns", "overlay", "idmapped-overlay", "fuse", "xfs", "loop")},
    }
    return "".join(f"{key}={value}\n" for key, value in (known | system.facts).items())


def install_docker(root, system):
    """As its package leaves it: files, units enabled; the caller boots it."""
    for name in ("docker.io", "containerd", "runc", "tini", "iptables"):
        version, depends, fields, files = distribution.PACKAGES[name]
        for path, text in files.items():
            if text is None:
                (root / path.lstrip("/")).mkdir(parents=True, exist_ok=True)
            else:
                put(root, path, text, 0o755 if text.startswith("#!") else 0o644)
        if system.family == "apt":
            conffiles = f"Conffiles: {fields['Conffiles']}\n" if "Conffiles" in fields else ""
            with open(root / "var/lib/dpkg/status", "a", encoding="utf-8") as status:
                status.write(f"Package: {name}\nStatus: install ok installed\nArchitecture: amd64\n"
                             f"Version: {version}\n" + (f"Depends: {depends}\n" if depends else "") +
                             conffiles + "\n")
            put(root, f"/var/lib/dpkg/info/{name}.list", "".join(path + "\n" for path in files))
    for target, unit in (("multi-user", "docker.service"), ("multi-user", "containerd.service"),
                         ("sockets", "docker.socket")):
        link = root / f"etc/systemd/system/{target}.target.wants" / unit
        link.symlink_to(f"/usr/lib/systemd/system/{unit}")
    put(root, "/etc/group", ACCOUNTS["/etc/group"] + "docker:x:996:\n")
    put(root, "/etc/gshadow", ACCOUNTS["/etc/gshadow"] + "docker:!::\n", 0o640)


def build(name, root):
    """Write the machine out. It is switched off: `systemctl reboot` in it starts what is enabled."""
    system = SYSTEMS[name]
    root = Path(root)
    root.mkdir(parents=True)
    base_tree(root, system)
    kernel_files(root, system)
    boot_state(root, system)
    data = system.data or name
    put(root, "/etc/os-release", (DATA / data / "os-release").read_text(encoding="utf-8"))
    packages_of(root, name, system)
    for program in BASE_PROGRAMS + FAMILY_PROGRAMS[system.family]:
        put_program(root, program)
    shutil.copytree(PROGRAMS / "lib", root / ".machine/lib", ignore=shutil.ignore_patterns("__pycache__"))
    if system.docker:
        install_docker(root, system)
    if system.node:
        config = DATA / name / "config.toml"
        nodes.build(root, put, name, system.family, config.read_text(encoding="utf-8") if config.exists() else None,
                    (PROGRAMS / "ask").read_text(encoding="utf-8"))
    put(root, "/recorded", facts(system))
    if system.init == "systemd":
        (root / "run/systemd/system").mkdir(parents=True)
    folders = [f"/{path.relative_to(root)}" for path in sorted(root.rglob("*")) if path.is_dir()]
    put(root, "/.machine/boot/directories", "\n".join(folders) + "\n")


if __name__ == "__main__":
    if len(sys.argv) != 3 or sys.argv[1] not in SYSTEMS:
        sys.exit(f"usage: roots.py NAME FOLDER; NAME is one of {', '.join(SYSTEMS)}")
    build(sys.argv[1], sys.argv[2])
