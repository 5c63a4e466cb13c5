"""The packages that the archive of a machine in a folder offers, as package files of dpkg.py's form.

Relations, units, conffiles and directories are those of Debian 12; programs are stubs, or the tests'
own where berth runs them.
"""

import io
import tarfile
from pathlib import Path

PROGRAMS = Path(__file__).with_name("programs")
STUB = "#!/bin/sh\nexit 0\n"

DOCKER_SERVICE = """\
[Unit]
Description=Docker Application Container Engine
Documentation=https://docs.docker.com
After=network-online.target docker.socket firewalld.service containerd.service
Wants=network-online.target containerd.service
Requires=docker.socket

[Service]
Type=notify
EnvironmentFile=-/etc/default/docker
ExecStart=/usr/sbin/dockerd -H fd:// --containerd=/run/containerd/containerd.sock $DOCKER_OPTS
ExecReload=/bin/kill -s HUP $MAINPID
KillMode=process
Restart=on-failure

[Install]
WantedBy=multi-user.target
"""

DOCKER_SOCKET = """\
[Unit]
Description=Docker Socket for the API

[Socket]
ListenStream=/run/docker.sock
SocketMode=0660
SocketUser=root
SocketGroup=docker

[Install]
WantedBy=sockets.target
"""

CONTAINERD_SERVICE = """\
[Unit]
Description=containerd container runtime
Documentation=https://containerd.io
After=network.target local-fs.target

[Service]
ExecStartPre=-/sbin/modprobe overlay
ExecStart=/usr/bin/containerd
Type=notify
Restart=always

[Install]
WantedBy=multi-user.target
"""

SYSBOX_SERVICE = """\
[Unit]
Description=Sysbox container runtime
Documentation=https://github.com/nestybox/sysbox
BindsTo=sysbox-mgr.service sysbox-fs.service
After=sysbox-mgr.service sysbox-fs.service
Before=docker.service containerd.service

[Service]
Type=exec
ExecStart=/bin/sleep infinity

[Install]
WantedBy=multi-user.target
"""


def sysbox_part(program):
    return (f"[Unit]\nDescription={program} (part of the Sysbox container runtime)\nPartOf=sysbox.service\n\n"
            f"[Service]\nType=notify\nExecStart=/usr/bin/{program}\n\n[Install]\nWantedBy=sysbox.service\n")


SYSBOX_SYSCTL = """\
kernel.unprivileged_userns_clone = 1
fs.inotify.max_queued_events = 1048576
fs.inotify.max_user_watches = 1048576
fs.inotify.max_user_instances = 1048576
kernel.keys.maxkeys = 20000
kernel.keys.maxbytes = 1400000
kernel.pid_max = 4194304
"""

UNITS = "/usr/lib/systemd/system"
NUKE = "#!/bin/bash\n# Deletes all of the directory it is given.\n"

# name: version, depends, fields beside, files by path (text; a program when it begins with "#!")
PACKAGES = {
    "containerd": ("1.6.20~ds1-1+deb12u1", "runc", {"Conffiles": "/etc/containerd/config.toml"}, {
        "/etc/containerd/config.toml": "version = 2\n",
        "/usr/bin/containerd": STUB,
        f"{UNITS}/containerd.service": CONTAINERD_SERVICE,
    }),
    "docker.io": ("20.10.24+dfsg1-1+deb12u1", "adduser, containerd, iptables, runc, tini",
                  {"Conffiles": "/etc/default/docker /etc/init.d/docker"}, {
        "/etc/default/docker": "# Docker Upstart and SysVinit configuration file\n",
        "/etc/docker": None,
        "/etc/init.d/docker": STUB,
        f"{UNITS}/docker.service": DOCKER_SERVICE,
        f"{UNITS}/docker.socket": DOCKER_SOCKET,
        "/usr/bin/docker": STUB,
        "/usr/sbin/dockerd": (PROGRAMS / "dockerd").read_text(encoding="utf-8"),
        "/usr/share/docker.io/contrib/nuke-graph-directory.sh": NUKE,
    }),
    "fuse3": ("3.14.0-4", "", {"Provides": "fuse", "Conffiles": "/etc/fuse.conf"}, {
        "/etc/fuse.conf": "# The file /etc/fuse.conf allows for the following parameters:\n",
        "/usr/bin/fusermount3": STUB,
    }),
    "adduser": ("3.134", "", {}, {"/usr/sbin/adduser": STUB}),
    "apparmor": ("3.0.8-3", "", {}, {"/usr/sbin/apparmor_parser": STUB}),
    "iptables": ("1.8.9-2", "", {}, {"/usr/sbin/iptables": STUB}),
    "jq": ("1.6-2.1+deb12u1", "", {}, {"/usr/bin/jq": STUB}),
    "lsb-release": ("12.0-1", "", {}, {"/usr/bin/lsb_release": STUB}),
    "rsync": ("3.2.7-1+deb12u2", "", {}, {"/usr/bin/rsync": STUB}),
    "runc": ("1.1.5+ds1-1+deb12u1", "", {}, {"/usr/sbin/runc": STUB}),
    "tini": ("0.19.0-1", "", {}, {"/usr/bin/tini": STUB}),
    "xfsprogs": ("6.1.0-1", "", {}, {
        "/usr/sbin/mkfs.xfs": (PROGRAMS / "mkfs.xfs").read_text(encoding="utf-8"),
        "/usr/sbin/xfs_repair": STUB,
    }),
}

# The same of RPM systems. docker-ce is of Docker's own repository.
RPMS = {
    "containerd.io": ("1.7.22-3.1.el9", "", {"Provides": "containerd, runc"}, {
        **PACKAGES["containerd"][3], "/usr/bin/runc": STUB}),
    "docker-ce": ("3:27.3.1-1.el9", "containerd.io, docker-ce-cli, iptables", {}, {
        path: text for path, text in PACKAGES["docker.io"][3].items()
        if path.startswith(UNITS) or path == "/usr/sbin/dockerd"}),
    "docker-ce-cli": ("1:27.3.1-1.el9", "", {}, {"/usr/bin/docker": STUB}),
    "fuse3": ("3.10.2-8.el9", "", {}, PACKAGES["fuse3"][3]),
    "iptables-nft": ("1.8.10-2.el9", "", {"Provides": "iptables"}, PACKAGES["iptables"][3]),
    "rsync": ("3.2.3-19.el9", "", {}, PACKAGES["rsync"][3]),
    "tar": ("2:1.34-6.el9", "", {}, {"/usr/bin/tar": (PROGRAMS / "tar").read_text(encoding="utf-8")}),
    "xfsprogs": ("6.3.0-1.el9", "", {}, PACKAGES["xfsprogs"][3]),
    "xz": ("5.2.5-8.el9", "", {}, {"/usr/bin/xz": STUB}),
}

# CRI-O as its own repository has it (github.com/cri-o/packaging), one for each minor version.
CRIO_SERVICE = """\
[Unit]
Description=Container Runtime Interface for OCI (CRI-O)
Documentation=https://github.com/cri-o/cri-o
Wants=network-online.target
Before=kubelet.service
After=network-online.target

[Service]
Type=notify
EnvironmentFile=-/etc/default/crio
Environment=GOTRACEBACK=crash
ExecStart=/usr/bin/crio \\
          $CRIO_CONFIG_OPTIONS \\
          $CRIO_RUNTIME_OPTIONS \\
          $CRIO_STORAGE_OPTIONS \\
          $CRIO_NETWORK_OPTIONS \\
          $CRIO_METRICS_OPTIONS
ExecReload=/bin/kill -s HUP $MAINPID
Restart=on-failure
RestartSec=10

[Install]
WantedBy=multi-user.target
"""

CRIO_CONF = """\
[crio.image]
signature_policy = "/etc/crio/policy.json"

[crio.runtime]
default_runtime = "crun"

[crio.runtime.runtimes.crun]
runtime_path = "/usr/libexec/crio/crun"
runtime_root = "/run/crun"
monitor_path = "/usr/libexec/crio/conmon"
allowed_annotations = [
    "io.containers.trace-syscall",
]

[crio.runtime.runtimes.runc]
runtime_path = "/usr/libexec/crio/runc"
runtime_root = "/run/runc"
monitor_path = "/usr/libexec/crio/conmon"
"""

CRIO_VERSION = "1.34.0"
CRIO = (f"{CRIO_VERSION}-1.1", "iptables", {
    "Conffiles": "/etc/containers/registries.conf.d/crio.conf /etc/crictl.yaml /etc/default/crio "
                 "/etc/cni/net.d/10-crio-bridge.conflist.disabled"}, {
    "/etc/cni/net.d/10-crio-bridge.conflist.disabled": '{"cniVersion": "1.0.0", "name": "crio"}\n',
    "/etc/containers/registries.conf.d/crio.conf": 'unqualified-search-registries = ["docker.io", "quay.io"]\n',
    "/etc/crictl.yaml": "runtime-endpoint: unix:///var/run/crio/crio.sock\n",
    "/etc/crio/crio.conf.d/10-crio.conf": CRIO_CONF,
    "/etc/crio/policy.json": '{"default": [{"type": "insecureAcceptAnything"}]}\n',
    "/etc/default/crio": "# CRIO_CONFIG_OPTIONS=\n",
    "/usr/bin/crio": (PROGRAMS / "ask").read_text(encoding="utf-8"),
    "/usr/bin/pinns": STUB,
    "/usr/libexec/crio/conmon": STUB,
    "/usr/libexec/crio/crun": STUB,
    "/usr/libexec/crio/runc": STUB,
    f"{UNITS}/crio.service": CRIO_SERVICE,
    "/var/lib/crio": None,
})

SYSBOX_VERSION = "0.7.1"
SYSBOX = (f"{SYSBOX_VERSION}-0.linux", "fuse, iptables, jq, lsb-release, rsync",
          {"Conffiles": "/etc/sysctl.d/99-sysbox-sysctl.conf"}, {
    "/etc/sysctl.d/99-sysbox-sysctl.conf": SYSBOX_SYSCTL,
    "/usr/lib/modules-load.d/50-sysbox-mod.conf": "configfs\n",
    "/usr/bin/sysbox-fs": STUB,
    "/usr/bin/sysbox-mgr": STUB,
    "/usr/bin/sysbox-runc": STUB,
    f"{UNITS}/sysbox.service": SYSBOX_SERVICE,
    f"{UNITS}/sysbox-mgr.service": sysbox_part("sysbox-mgr"),
    f"{UNITS}/sysbox-fs.service": sysbox_part("sysbox-fs"),
})


def package_file(name, version, depends, fields, files):
    """The bytes of a package file."""
    head = {"Package": name, "Architecture": "amd64", "Version": version, "Depends": depends, **fields}
    parts = ["".join(f"{key}: {value}\n" for key, value in head.items() if value) + "\n"]
    for path, text in files.items():
        if text is None:
            parts.append(f"dir 0755 {path}\n")
        else:
            mode = "0755" if text.startswith("#!") else "0644"
            parts.append(f"file {mode} {len(text.encode())} {path}\n{text}\n")
    return ("".join(parts) + "end\n").encode()


def crio_package(version=None, name="cri-o", **fields):
    return package_file(name, version or CRIO[0], CRIO[1], CRIO[2] | fields, CRIO[3])


def write_archive(folder):
    folder.mkdir(parents=True)
    for name, package in PACKAGES.items():
        (folder / f"{name}.deb").write_bytes(package_file(name, *package))


def write_repository(folder):
    folder.mkdir(parents=True)
    for name, package in RPMS.items():
        (folder / f"{name}.rpm").write_bytes(package_file(name, *package))


# ---- a real package: what berth unpacks itself where there is no dpkg ----

def tar_of(entries):
    """(name, bytes, mode) of files, (name, target) of symbolic links, (name,) of directories."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:xz", format=tarfile.GNU_FORMAT) as tar:
        for name, *rest in entries:
            info = tarfile.TarInfo("./" + name)
            info.mode = rest[1] if len(rest) > 1 else 0o755
            info.type = (tarfile.DIRTYPE, tarfile.SYMTYPE, tarfile.REGTYPE)[len(rest)]
            if info.issym():
                info.linkname = rest[0]
            info.size = len(rest[0]) if info.isreg() else 0
            tar.addfile(info, io.BytesIO(rest[0]) if info.isreg() else None)
    return buffer.getvalue()


def deb_of(entries):
    parts = [b"!<arch>\n"]
    for name, data in (("debian-binary", b"2.0\n"),
                       ("control.tar.xz", tar_of([("control", b"Package: sysbox-ce\n", 0o644)])),
                       ("data.tar.xz", tar_of(entries))):
        parts += [f"{name:<16}{0:<12}{0:<6}{0:<6}{'100644':<8}{len(data):<10}`\n".encode(), data,
                  b"\n" * (len(data) & 1)]
    return b"".join(parts)


def sysbox_deb(*more, change=""):
    """With its files where the official one has them; `change` makes another version's."""
    entries = [("usr",), ("usr/share/doc/sysbox-ce/copyright", b"Apache-2.0\n", 0o644)]
    for path, text in SYSBOX[3].items():
        name = path[1:].replace("usr/lib/", "lib/").replace("etc/sysctl.d", "lib/sysctl.d")
        mode = 0o755 if text.startswith("#!") else 0o644
        entries.append((name, (text + (change if mode == 0o755 else "")).encode(), mode))
    return deb_of([*entries, *more])


def sysbox_package(version=None):
    return package_file("sysbox-ce", version or SYSBOX[0], *SYSBOX[1:])
