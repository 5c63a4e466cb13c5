"""Kubelets of Kubernetes nodes by who set them up, and the CRI-O of those that have one: files by path.

The programs and processes are simulated (programs/lib/kubelet.py, crio.py). `berth --root` asks no API server, so a
kubeconfig only has to be named.
"""

import json

import distribution

CRIO_DEB = "/srv/cri-o.deb"
SNAPD = "/var/lib/snapd/state.json"
KUBECONFIG = "apiVersion: v1\nkind: Config\nclusters: []\n"

KUBEADM_UNIT = """\
[Unit]
Description=kubelet: The Kubernetes Node Agent
Documentation=https://kubernetes.io/docs/
Wants=network-online.target
After=network-online.target

[Service]
ExecStart=/usr/bin/kubelet
Restart=always
StartLimitInterval=0
RestartSec=10

[Install]
WantedBy=multi-user.target
"""

KUBEADM_CONF = """\
# Note: This dropin only works with kubeadm and kubelet v1.11+
[Service]
Environment="KUBELET_KUBECONFIG_ARGS=--bootstrap-kubeconfig=/etc/kubernetes/bootstrap-kubelet.conf \
--kubeconfig=/etc/kubernetes/kubelet.conf"
Environment="KUBELET_CONFIG_ARGS=--config=/var/lib/kubelet/config.yaml"
# This is a file that "kubeadm init" and "kubeadm join" generate at runtime
EnvironmentFile=-/var/lib/kubelet/kubeadm-flags.env
# This is a file that the user can use for overrides of the kubelet args as a last resort.
EnvironmentFile=-/etc/default/kubelet
ExecStart=
ExecStart=/usr/bin/kubelet $KUBELET_KUBECONFIG_ARGS $KUBELET_CONFIG_ARGS $KUBELET_KUBEADM_ARGS $KUBELET_EXTRA_ARGS
"""

KUBEADM_FLAGS = 'KUBELET_KUBEADM_ARGS="--container-runtime-endpoint={} --pod-infra-container-image=' \
                'registry.k8s.io/pause:3.10.1"\n'
KUBEADM_CONFIG = "apiVersion: kubelet.config.k8s.io/v1beta1\ncgroupDriver: systemd\nkind: KubeletConfiguration\n" \
                 "rotateCertificates: true\nstaticPodPath: /etc/kubernetes/manifests\n"
CONTAINERD = "unix:///run/containerd/containerd.sock"
CRIO = "unix:///var/run/crio/crio.sock"

KUBEADM = {
    "/usr/lib/systemd/system/kubelet.service": KUBEADM_UNIT,
    "/usr/lib/systemd/system/kubelet.service.d/10-kubeadm.conf": KUBEADM_CONF,
    "/var/lib/kubelet/kubeadm-flags.env": KUBEADM_FLAGS.format(CONTAINERD),
    "/var/lib/kubelet/config.yaml": KUBEADM_CONFIG,
    "/etc/kubernetes/kubelet.conf": KUBECONFIG,
}

# A containerd of before 2.0, as the distribution's package has it, and a registry's mirrors beside its config.
EKS = {
    "/etc/systemd/system/kubelet.service": """\
[Unit]
Description=Kubernetes Kubelet
Documentation=https://github.com/kubernetes/kubernetes
After=containerd.service
Wants=containerd.service

[Service]
EnvironmentFile=/etc/kubernetes/kubelet/environment
ExecStartPre=/sbin/iptables -P FORWARD ACCEPT -w 5
ExecStart=/usr/bin/kubelet \\
    --config /etc/kubernetes/kubelet/kubelet-config.json \\
    --kubeconfig /var/lib/kubelet/kubeconfig \\
    --container-runtime-endpoint unix:///run/containerd/containerd.sock \\
    --image-credential-provider-config /etc/eks/ecr-credential-provider/config.json \\
    --image-credential-provider-bin-dir /etc/eks/ecr-credential-provider \\
    $KUBELET_ARGS \\
    $KUBELET_EXTRA_ARGS

Restart=on-failure
RestartForceExitStatus=SIGPIPE
RestartSec=5
KillMode=process

[Install]
WantedBy=multi-user.target
""",
    "/etc/kubernetes/kubelet/environment": 'KUBELET_ARGS=--node-ip=172.31.7.9 --v=2\n'
                                           'KUBELET_EXTRA_ARGS=--node-labels=pool=sandboxes\n',
    "/etc/kubernetes/kubelet/kubelet-config.json": json.dumps({
        "kind": "KubeletConfiguration", "apiVersion": "kubelet.config.k8s.io/v1beta1", "cgroupDriver": "systemd"}),
    "/var/lib/kubelet/kubeconfig": KUBECONFIG,
    "/etc/containerd/certs.d/docker.io/hosts.toml":
        'server = "https://registry-1.docker.io"\n\n[host."https://mirror.example.com:5000"]\n'
        '  capabilities = ["pull", "resolve"]\n  ca = "mirror.crt"\n',
    "/etc/containerd/certs.d/docker.io/mirror.crt": "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n",
    "/etc/containerd/certs.d/ghcr.io/hosts.toml":
        '[host."https://mirror.example.com/v2/ghcr"]\n  capabilities = ["pull"]\n  override_path = true\n',
}

SNAP_SETTINGS = {"config": "/etc/kubernetes/kubelet/kubelet-config.json", "container-runtime": "remote",
                 "container-runtime-endpoint": CONTAINERD, "kubeconfig": "/var/lib/kubelet/kubeconfig"}
EKS_SNAP = {
    "/etc/systemd/system/snap.kubelet-eks.daemon.service": """\
[Unit]
# Auto-generated, DO NOT EDIT
Description=Service for snap application kubelet-eks.daemon
Requires=snap-kubelet\\x2deks-247.mount
Wants=network.target
After=snap-kubelet\\x2deks-247.mount network.target snapd.apparmor.service

[Service]
EnvironmentFile=-/etc/environment
ExecStart=/usr/bin/snap run kubelet-eks.daemon
SyslogIdentifier=kubelet-eks.daemon
Restart=always
WorkingDirectory=/var/snap/kubelet-eks/247
TimeoutStopSec=30
Type=simple

[Install]
WantedBy=multi-user.target
""".replace("Requires=snap-kubelet\\x2deks-247.mount\n", ""),
    "/var/snap/kubelet-eks/247/args": "".join(f"--{key}={value}\n" for key, value in sorted(SNAP_SETTINGS.items())),
    SNAPD: json.dumps({"data": {"config": {"kubelet-eks": SNAP_SETTINGS}}}, sort_keys=True) + "\n",
    "/etc/kubernetes/kubelet/kubelet-config.json": EKS["/etc/kubernetes/kubelet/kubelet-config.json"],
    "/var/lib/kubelet/kubeconfig": KUBECONFIG,
}

NATIVE = KUBEADM | {
    "/var/lib/kubelet/kubeadm-flags.env": 'KUBELET_KUBEADM_ARGS="--node-ip=10.0.0.7"\n',
    "/var/lib/kubelet/config.yaml": KUBEADM_CONFIG + f"containerRuntimeEndpoint: {CRIO}\n",
}

STANDALONE = {
    "/etc/systemd/system/kubelet.service": KUBEADM_UNIT.replace(
        "ExecStart=/usr/bin/kubelet", "ExecStart=/usr/bin/kubelet --config=/var/lib/kubelet/config.yaml"),
    "/var/lib/kubelet/config.yaml": KUBEADM_CONFIG + f"containerRuntimeEndpoint: {CONTAINERD}\n",
}


def install(root, put, files, ask):
    """The kubelet's files, its program, and its unit enabled."""
    for folder in ("usr/share", "var/log"):  # a CRI-O that starts has something to put there
        (root / folder).mkdir(parents=True, exist_ok=True)
    for path, text in files.items():
        put(root, path, text, 0o600 if path.endswith(("kubeconfig", ".conf", "state.json")) and "systemd" not in path
            else 0o644)
    unit = next(path for path in files if path.endswith(".service"))
    if "snap." in unit:
        put(root, "/snap/kubelet-eks/247/kubelet", ask, 0o755)
        for folder in ("snap", "var/snap"):
            (root / folder / "kubelet-eks/current").symlink_to("247")
        put(root, "/usr/bin/snap", ask, 0o755)
    else:
        put(root, "/usr/bin/kubelet", ask, 0o755)
    (root / "etc/systemd/system/multi-user.target.wants" / unit.rpartition("/")[2]).symlink_to(unit)


def install_crio(root, put):
    """As its package leaves it on an apt system, with what that depends on."""
    for name, (version, depends, fields, files) in (("iptables", distribution.PACKAGES["iptables"]),
                                                    ("cri-o", distribution.CRIO)):
        for path, text in files.items():
            if text is None:
                (root / path[1:]).mkdir(parents=True, exist_ok=True)
            else:
                put(root, path, text, 0o755 if text.startswith("#!") else 0o644)
        known = {"Package": name, "Status": "install ok installed", "Architecture": "amd64", "Version": version,
                 "Depends": depends, **fields}
        with open(root / "var/lib/dpkg/status", "a", encoding="utf-8") as status:
            status.write("".join(f"{key}: {value}\n" for key, value in known.items() if value) + "\n")
        put(root, f"/var/lib/dpkg/info/{name}.list", "".join(path + "\n" for path in files))
    (root / "etc/systemd/system/multi-user.target.wants/crio.service").symlink_to(f"{distribution.UNITS}/crio.service")


def offer_crio(root, put, family):
    """In the machine's archive."""
    version, depends, fields, files = distribution.CRIO
    if family == "rpm":
        depends = depends.replace("iptables", "iptables-nft")
    put(root, f"/.machine/archive/cri-o.{'rpm' if family == 'rpm' else 'deb'}",
        distribution.package_file("cri-o", version, depends, fields, files))
    if family == "apt":
        put(root, "/var/lib/apt/lists/pkgs.k8s.io_addons_cri-o_stable_v1.34_deb_Packages", "Package: cri-o\n")
