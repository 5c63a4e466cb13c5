"""What a node of a cluster has in its /etc and /var/lib beside programs. Pure data; kubelet_host.py puts it there."""

from recipe import GUEST_ADDRESS

CNI_CONFIG = "/etc/cni/net.d/10-bridge.conflist"
KUBELET_CONFIG = "/var/lib/kubelet/config.yaml"
KUBELET_FLAGS = "/etc/default/kubelet"
KUBECONFIG = "/var/lib/kubelet/kubeconfig"
CLIENT_CA = "/var/lib/kubelet/pki/ca.crt"
CLIENT_PEM = "/var/lib/kubelet/pki/kubelet-client-current.pem"

# The one of Kubernetes' own packages, with kubeadm's flags that matter.
KUBELET_SERVICE = f"""\
[Unit]
Description=kubelet: The Kubernetes Node Agent
Documentation=https://kubernetes.io/docs/
After=network.target

[Service]
EnvironmentFile=-{KUBELET_FLAGS}
ExecStart=/usr/local/bin/kubelet --config={KUBELET_CONFIG} --kubeconfig={KUBECONFIG} $KUBELET_EXTRA_ARGS
Restart=always
StartLimitInterval=0
RestartSec=10

[Install]
WantedBy=multi-user.target
"""

CNI_NETWORK = """\
{
  "cniVersion": "1.0.0",
  "name": "bridge",
  "plugins": [
    {"type": "bridge", "bridge": "cni0", "isGateway": true, "ipMasq": false, "hairpinMode": true,
     "ipam": {"type": "host-local", "ranges": [[{"subnet": "10.88.0.0/16"}]], "routes": [{"dst": "0.0.0.0/0"}]}},
    {"type": "portmap", "capabilities": {"portMappings": true}}
  ]
}
"""

SYSCTLS = "net.ipv4.ip_forward = 1\nnet.bridge.bridge-nf-call-iptables = 1\n"
MODULES = "overlay\nbr_netfilter\n"


def kubelet_config(socket, **changes):
    """A KubeletConfiguration as data, as kubeadm writes one; *changes* replace whole fields of it."""
    return {
        "apiVersion": "kubelet.config.k8s.io/v1beta1", "kind": "KubeletConfiguration",
        "authentication": {"anonymous": {"enabled": False}, "webhook": {"enabled": True},
                           "x509": {"clientCAFile": CLIENT_CA}},
        "authorization": {"mode": "Webhook"},
        "cgroupDriver": "systemd",
        "clusterDNS": ["10.96.0.10"], "clusterDomain": "cluster.local",
        "containerRuntimeEndpoint": socket,
        # An emulated node is slow, and its disk is as small as a test wants it.
        "runtimeRequestTimeout": "4m",
        "evictionHard": {"memory.available": "50Mi", "nodefs.available": "1%", "imagefs.available": "1%"},
        "imageGCHighThresholdPercent": 100,
        "imageGCLowThresholdPercent": 99,
        **changes,
    }


def kubelet_flags(name, *further):
    """The content of KUBELET_FLAGS for the node *name*."""
    return f"KUBELET_EXTRA_ARGS={' '.join((f'--hostname-override={name}', f'--node-ip={GUEST_ADDRESS}', *further))}\n"


def kubeconfig(port):
    """The kubeconfig of a kubelet, as data, for an API server at that port of the node's own 127.0.0.1."""
    return {
        "apiVersion": "v1", "kind": "Config", "current-context": "default",
        "clusters": [{"name": "default", "cluster": {"server": f"https://127.0.0.1:{port}",
                                                     "certificate-authority": CLIENT_CA}}],
        "users": [{"name": "default", "user": {"client-certificate": CLIENT_PEM, "client-key": CLIENT_PEM}}],
        "contexts": [{"name": "default", "context": {"cluster": "default", "user": "default"}}],
    }
