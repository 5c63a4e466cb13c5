"""The engines that a worker may have: what to put there, and how images get in. For kubelet_host.py."""

from dataclasses import dataclass

# Of Kubernetes' own choosing; every containerd and CRI-O of these years looks for one of them.
PAUSE_NAMES = tuple(f"registry.k8s.io/pause:{version}" for version in ("3.6", "3.8", "3.10", "3.10.1"))

_CONTAINERD_SERVICE = """\
[Unit]
Description=containerd container runtime
Documentation=https://containerd.io
After=network.target dbus.service

[Service]
ExecStartPre=-/sbin/modprobe overlay
ExecStart=/usr/local/bin/containerd
Type=notify
Delegate=yes
KillMode=process
Restart=always
RestartSec=5
LimitNPROC=infinity
LimitCORE=infinity
TasksMax=infinity
OOMScoreAdjust=-999

[Install]
WantedBy=multi-user.target
"""

# As the documentation of Kubernetes wants it where systemd rules the cgroups.
_CONTAINERD_2_CONFIG = """\
version = 3

[plugins.'io.containerd.cri.v1.runtime'.containerd.runtimes.runc]
  runtime_type = 'io.containerd.runc.v2'

[plugins.'io.containerd.cri.v1.runtime'.containerd.runtimes.runc.options]
  SystemdCgroup = true
"""

# Debian's own file, and the same.
_CONTAINERD_1_CONFIG = """\
version = 2

[plugins]
  [plugins."io.containerd.grpc.v1.cri"]
    [plugins."io.containerd.grpc.v1.cri".cni]
      bin_dir = "/opt/cni/bin"
      conf_dir = "/etc/cni/net.d"
    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
      runtime_type = "io.containerd.runc.v2"
      [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
        SystemdCgroup = true
  [plugins."io.containerd.internal.v1.opt"]
    path = "/var/lib/containerd"
"""

# The one of CRI-O's own sources.
_CRIO_SERVICE = """\
[Unit]
Description=Container Runtime Interface for OCI (CRI-O)
Documentation=https://github.com/cri-o/cri-o
Before=kubelet.service
After=network.target

[Service]
Type=notify
Environment=GOTRACEBACK=crash
ExecStart=@PROGRAM@
ExecReload=/bin/kill -s HUP $MAINPID
TasksMax=infinity
LimitNPROC=1048576
LimitCORE=infinity
OOMScoreAdjust=-999
TimeoutStartSec=0
Restart=on-failure
RestartSec=10
WatchdogSec=60s

[Install]
WantedBy=multi-user.target
Alias=cri-o.service
"""


def crio_service(program):
    """The text of crio.service."""
    return _CRIO_SERVICE.replace("@PROGRAM@", program)


_CRIO_CONFIG = """\
[crio.network]
plugin_dirs = ["/opt/cni/bin"]

[crio.runtime]
cgroup_manager = "systemd"
pinns_path = "/usr/local/bin/pinns"
default_runtime = "runc"

[crio.runtime.runtimes.runc]
runtime_path = "/usr/local/bin/runc"
runtime_type = "oci"
monitor_path = "/usr/local/bin/conmon"
monitor_cgroup = "pod"
"""

_POLICY = '{"default": [{"type": "insecureAcceptAnything"}]}\n'


@dataclass(frozen=True)
class Engine:
    """One that a worker may have."""

    unit: str
    socket: str
    # Of tests/kube/parts.py, into /usr/local/bin; and of the node's own distribution.
    programs: tuple
    packages: tuple
    # The file its settings are in, and those settings when nobody says otherwise.
    config_path: str
    config: str
    # Rows of a path and a text.
    files: tuple
    # load(node, path, names): an archive that is in the node into the engine's storage.
    load: object


def _load_by_ctr(node, path, _):
    node.run(["ctr", "--namespace", "k8s.io", "images", "import", path], timeout=300)


def _load_by_copyimg(node, path, names):
    for name in names:
        # Of an archive of one image it need not be said which, and some name it by its tag alone.
        which = f":{name}" if len(names) > 1 else ""
        node.run(["copyimg", "--root", "/var/lib/containers/storage", "--runroot", "/run/containers/storage",
                  "--storage-driver", "overlay", "--signature-policy", "/etc/containers/policy.json",
                  "--image-name", name, "--import-from", f"oci-archive:{path}{which}"], timeout=300)


_CONTAINERD_CONFIG_PATH = "/etc/containerd/config.toml"
_CONTAINERD_SOCKET = "unix:///run/containerd/containerd.sock"

ENGINES = {
    "containerd": Engine(
        "containerd", _CONTAINERD_SOCKET, ("containerd", "containerd-shim-runc-v2", "ctr", "runc"), (),
        _CONTAINERD_CONFIG_PATH, _CONTAINERD_2_CONFIG,
        (("/etc/systemd/system/containerd.service", _CONTAINERD_SERVICE),), _load_by_ctr),
    # The distribution's, with its own runc and unit. It tells of no handlers and knows no user namespaces.
    "containerd-debian": Engine(
        "containerd", _CONTAINERD_SOCKET, (), ("containerd",), _CONTAINERD_CONFIG_PATH, _CONTAINERD_1_CONFIG, (),
        _load_by_ctr),
    # conmon is this machine's distribution's: it wants the node's glib.
    "crio": Engine(
        "crio", "unix:///var/run/crio/crio.sock", ("crio", "copyimg", "pinns", "conmon", "runc"), ("libglib2.0-0t64",),
        "/etc/crio/crio.conf.d/10-crio.conf", _CRIO_CONFIG,
        (("/etc/systemd/system/crio.service", crio_service("/usr/local/bin/crio")), ("/etc/containers/policy.json", _POLICY)),
        _load_by_copyimg),
}
