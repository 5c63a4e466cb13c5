"""Kubernetes nodes: what serves their kubelet, as each distribution sets it up.

tests/data/roots/NAME/config.toml is what its containerd reads, with the keys its distribution writes there;
`containerd config default` of 2.2.2 (and SystemdCgroup = true, as kubeadm's guide has it) for a stock one. Those whose
settings say CRI-O are named crio-WHAT, and have a kubelet of kubelets.py.
"""

from dataclasses import dataclass, field, replace

import distribution
import kubelets

CONFIG = "/etc/containerd/config.toml"
K3S_CONFIG = "/var/lib/rancher/k3s/agent/etc/containerd/config.toml"
RKE2_CONFIG = "/var/lib/rancher/rke2/agent/etc/containerd/config.toml"
MICROK8S_CONFIG = "/var/snap/microk8s/current/args/containerd-template.toml"
SETTINGS = "engine: containerd\n"
CRIO_SETTINGS = "engine: crio\n"
CRIO_OF_FILE = f"{CRIO_SETTINGS}crio:\n  file: {kubelets.CRIO_DEB}\n"

UPSTREAM = "containerd github.com/containerd/containerd/v2 v{} {}\n"
OF_K3S = "containerd github.com/k3s-io/containerd/v2 v{} {}\n"
COMMIT = "1c4457e00facac03ce1d75f7b6777a7a851e5c41"


def stock(program="/usr/bin/containerd", kill_mode="KillMode=process\n"):
    return ("[Unit]\nDescription=containerd container runtime\nDocumentation=https://containerd.io\n"
            "After=network.target dbus.service\n\n[Service]\nExecStartPre=-/sbin/modprobe overlay\n"
            f"ExecStart={program}\nType=notify\nDelegate=yes\n{kill_mode}Restart=always\nRestartSec=5\n"
            "OOMScoreAdjust=-999\n\n[Install]\nWantedBy=multi-user.target\n")


def distributed(name, command):
    """A unit of which containerd is a child."""
    return (f"[Unit]\nDescription={name}\nAfter=network-online.target\nWants=network-online.target\n\n[Service]\n"
            f"Type=notify\nExecStart={command}\nKillMode=process\nDelegate=yes\nRestart=always\n\n"
            "[Install]\nWantedBy=multi-user.target\n")


@dataclass
class Node:
    says: str                            # what its containerd calls itself
    unit: str = "containerd.service"
    text: str = field(default_factory=stock)
    program: str = "/usr/bin/containerd"
    config: str = CONFIG
    links: dict = field(default_factory=dict)  # of directories, as the distribution has them
    settings: str = SETTINGS
    kubelet: dict = field(default_factory=dict)  # its files; none: there is no process of that name
    crio: str = ""                       # "": nowhere; "file"; "archive", for apt or dnf; "installed"


def on_crio(kubelet, crio="archive", settings=CRIO_SETTINGS, says=UPSTREAM.format("2.2.2", COMMIT), **more):
    """Which is to be, or is: `says` is its containerd that serves the kubelet until then."""
    return Node(says, settings=settings, kubelet=kubelet, crio=crio, **more)


NODES = {
    "kubeadm": Node(UPSTREAM.format("2.2.2", COMMIT), text=stock("/usr/local/bin/containerd"),
                    program="/usr/local/bin/containerd"),
    "kubeadm-no-config": Node(UPSTREAM.format("2.2.2", COMMIT), text=stock("/usr/local/bin/containerd"),
                              program="/usr/local/bin/containerd"),
    "eks-al2023": Node(UPSTREAM.format("2.1.5", "fcd43222d6b07379a4be9786bda52438f0dd16a1")),
    "eks-al2": Node(UPSTREAM.format("2.1.5", "fcd43222d6b07379a4be9786bda52438f0dd16a1")),
    "eks-ubuntu": Node("containerd github.com/containerd/containerd/v2 2.1.3-0ubuntu3~24.04.1 \n"),
    "gke-ubuntu": Node(UPSTREAM.format("2.0.7", "5a2f1d1d8a0e4b0e8f1c4d3a2b1c0d9e8f7a6b5c")),
    "k3s": Node(OF_K3S.format("2.1.5-k3s1", "a1b2c3d4e5f60718293a4b5c6d7e8f9012345678"), unit="k3s.service",
                text=distributed("Lightweight Kubernetes", "/usr/local/bin/k3s server"),
                program="/var/lib/rancher/k3s/data/6d2a9f1c/bin/containerd", config=K3S_CONFIG,
                links={"/var/lib/rancher/k3s/data/current": "6d2a9f1c"}),
    "rke2": Node(OF_K3S.format("2.1.5-k3s1", "a1b2c3d4e5f60718293a4b5c6d7e8f9012345678"), unit="rke2-agent.service",
                 text=distributed("Rancher Kubernetes Engine v2 (agent)", "/usr/local/bin/rke2 agent"),
                 program="/var/lib/rancher/rke2/data/v1.34.2-rke2r1-8c4f0d6e/bin/containerd", config=RKE2_CONFIG,
                 links={"/var/lib/rancher/rke2/bin": "data/v1.34.2-rke2r1-8c4f0d6e/bin"}),
    "k0s": Node(UPSTREAM.format("2.2.1", "unknown"), unit="k0sworker.service",
                text=distributed("k0s - Zero Friction Kubernetes",
                                 "/usr/local/bin/k0s worker --token-file=/etc/k0s/token"),
                program="/var/lib/k0s/bin/containerd", config="/etc/k0s/containerd.toml"),
    "microk8s": Node(UPSTREAM.format("2.1.3", "c787fb98911740dd3ff2d0e45ce88cdf01410486"),
                     unit="snap.microk8s.daemon-containerd.service",
                     text=distributed("Service for snap application microk8s.daemon-containerd",
                                      "/usr/bin/snap run microk8s.daemon-containerd"),
                     program="/snap/microk8s/8511/bin/containerd", config=MICROK8S_CONFIG,
                     links={"/snap/microk8s/current": "8511", "/var/snap/microk8s/current": "8511"}),
    # ---- refused ----
    "containerd-1.7": Node("containerd github.com/containerd/containerd 1.7.24~ds1 1.7.24~ds1-6+deb13u1\n"),
    "containerd-none": Node(""),
    "containerd-io": Node(UPSTREAM.format("2.1.5", "fcd43222d6b07379a4be9786bda52438f0dd16a1")),
    "containerd-kill-mode": Node(UPSTREAM.format("2.2.2", COMMIT), text=stock(kill_mode="")),
    "containerd-not-toml": Node(UPSTREAM.format("2.2.2", COMMIT)),
    "containerd-folder": Node(UPSTREAM.format("2.2.2", COMMIT)),
    "containerd-link": Node(UPSTREAM.format("2.2.2", COMMIT)),
    # ---- to CRI-O ----
    "crio-kubeadm": on_crio(kubelets.KUBEADM, crio="file", settings=CRIO_OF_FILE),
    "crio-eks-ubuntu": on_crio(kubelets.EKS, says="containerd github.com/containerd/containerd 1.7.28 "
                               "1.7.28-0ubuntu1~24.04.1\n"),
    "crio-eks-snap": on_crio(kubelets.EKS_SNAP, says="containerd github.com/containerd/containerd/v2 "
                             "2.1.3-0ubuntu3~24.04.1 \n"),
    "crio-rhel": on_crio(kubelets.KUBEADM),
    "crio-native": on_crio(kubelets.NATIVE, crio="installed", says=""),
    # ---- refused ----
    "crio-no-kubelet": on_crio({}),
    "crio-standalone": on_crio(kubelets.STANDALONE),
    "crio-minor": on_crio(kubelets.KUBEADM, crio="installed"),
    "crio-no-package": on_crio(kubelets.KUBEADM, crio=""),
    "crio-never": on_crio(kubelets.KUBEADM, settings=f"{CRIO_SETTINGS}crio:\n  kubelet: never\n"),
    "crio-rpm-file": on_crio(kubelets.KUBEADM, crio="file", settings=CRIO_OF_FILE),
}
NODES["crio-k3s"] = replace(NODES["k3s"], settings=CRIO_SETTINGS, crio="archive")


def build_kubelet(root, put, node, family, ask):
    if node.kubelet:
        kubelets.install(root, put, node.kubelet, ask)
    if node.crio == "file":
        put(root, kubelets.CRIO_DEB, distribution.crio_package())
    elif node.crio == "archive":
        kubelets.offer_crio(root, put, family)
    elif node.crio == "installed":
        kubelets.install_crio(root, put)


def build(root, put, name, family, config, ask):
    """The node's part of a machine: `put` writes a file into it, `config` and `ask` are texts."""
    node = NODES[name]
    put(root, "/etc/berth/config.yaml", node.settings)
    build_kubelet(root, put, node, family, ask)
    if name == "crio-minor":
        put(root, "/.machine/crio-version", "1.33.2\n")
    if not node.says:
        return
    for path, target in node.links.items():
        (root / path[1:]).parent.mkdir(parents=True, exist_ok=True)
        (root / path[1:]).symlink_to(target)
        (root / path[1:]).parent.joinpath(target).mkdir(parents=True, exist_ok=True)
    put(root, "/.machine/containerd-version", node.says)
    put(root, node.program, ask, 0o755)
    put(root, f"/etc/systemd/system/{node.unit}", node.text)
    (root / "etc/systemd/system/multi-user.target.wants" / node.unit).symlink_to(f"/etc/systemd/system/{node.unit}")
    started = next(line for line in node.text.splitlines() if line.startswith("ExecStart="))[10:].split()[0]
    if started != node.program:
        put(root, started, distribution.STUB, 0o755)
    if name == "containerd-folder":
        (root / node.config[1:]).mkdir(parents=True)
    elif name == "containerd-link":
        put(root, "/etc/containerd/real.toml", "version = 3\n")
        (root / node.config[1:]).symlink_to("real.toml")
    elif config is not None:
        put(root, node.config, config)
