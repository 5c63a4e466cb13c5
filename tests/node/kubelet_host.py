"""A node that is a worker of a real cluster: kubelet, containerd or CRI-O, runc and CNI plugins; pods on it.

    with ControlPlane() as cluster:
        worker = kubelet_host.start(node_factory, cluster)
        worker.run_pod(kubelet_host.pod("one"))
        assert worker.exec("one", "cat", "/proc/1/comm").stdout == "sh\\n"
        worker.restart_engine(config=OTHER_TOML)

There is no registry: pods use kubelet_host.IMAGE, a busybox that the node has already.
"""

import functools
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import kubelet_files as files
import oci_archive
import yaml
from environment import HERE, HarnessError, fingerprint
from kubelet_engines import ENGINES, PAUSE_NAMES
from setups import apt_install

sys.path.append(str(HERE.parent / "kube"))
import parts  # noqa: E402  pylint: disable=wrong-import-position

IMAGE = "docker.io/library/busybox:test"
NAME = "worker-1"
API_PORT = 6443
KUBELET_PORT = 10250
UNCHANGED = object()

# Raise the number whenever prepare() leaves a node in another state than before and nothing else tells.
_REVISION = 1
_READY_SECONDS = 240
_POD_SECONDS = 240
_PAUSE_SOURCE = HERE / "remote/pause.c"
# Ends at once when it is told to, which a shell as a container's first process does not by itself.
_IDLE = "echo it runs; trap 'exit 0' TERM; while :; do sleep 3600 & wait $!; done"


# The prepared node

def start(node_factory, cluster, *, name=NAME, engine="containerd", config=UNCHANGED, flags=(), settings=None,
          **kwargs):
    """A running worker of *cluster*, a ControlPlane, that is Ready.

    engine    a row of kubelet_engines.ENGINES: containerd, containerd-debian, crio
    config    the text of the engine's configuration file, or None for no such file
    flags     further flags of the kubelet
    settings  fields of its KubeletConfiguration, such as {"featureGates": {...}}
    The rest is for Node.derive, such as memory or base.
    """
    worker = Worker(derive(node_factory, engine, **kwargs), cluster, name, engine)
    worker.join(config, flags, settings or {})
    return worker


def derive(node_factory, engine="containerd", suite="trixie", memory=2560, **kwargs):
    """A node with all of a worker but a cluster: the engine runs and has its images, the kubelet is not started."""
    return node_factory.derive(key_of(engine), functools.partial(prepare, engine=engine), suite=suite, memory=memory,
                               **kwargs)


def key_of(engine):
    """A key for Node.derive that changes with the programs and with what is written here."""
    programs = [parts.binary(part).parent.name for part in (*ENGINES[engine].programs, "kubelet", *parts.CNI_PLUGINS)]
    sources = [Path(path).read_text() for path in (oci_archive.__file__, _PAUSE_SOURCE)]
    return f"kubernetes worker with {engine} {_REVISION} " + fingerprint(programs, sources, _files(ENGINES[engine]))


def prepare(node, engine="containerd"):
    """Programs, units, network and images; for a node that has nothing of it."""
    chosen = ENGINES[engine]
    apt_install(node, "busybox-static", "iptables", *chosen.packages)
    for name in (*chosen.programs, "kubelet"):
        node.put(parts.binary(name), f"/usr/local/bin/{name}", mode=0o755)
    for name in parts.CNI_PLUGINS:
        node.put(parts.binary(name), f"/opt/cni/bin/{name}", mode=0o755)
    for path, text in _files(chosen):
        node.put(text.encode(), path)
    node.run("systemctl restart systemd-modules-load systemd-sysctl && systemctl daemon-reload && "
             f"systemctl enable {chosen.unit} && systemctl restart {chosen.unit}", timeout=300)
    _import_images(node, chosen)
    # The first start reads sixty megabytes: they are in memory from now on.
    node.run("kubelet --version", timeout=120)


def _files(engine):
    return (*engine.files, (engine.config_path, engine.config), (files.CNI_CONFIG, files.CNI_NETWORK),
            ("/etc/sysctl.d/90-kubernetes.conf", files.SYSCTLS), ("/etc/modules-load.d/kubernetes.conf", files.MODULES),
            ("/etc/systemd/system/kubelet.service", files.KUBELET_SERVICE))


def _import_images(node, engine):
    pauses = oci_archive.archive(PAUSE_NAMES, {"pause": pause()}, ["/pause"])
    for names, image in (([IMAGE], busybox(node)), (PAUSE_NAMES, pauses)):
        node.put(image, "/root/image.tar")
        engine.load(node, "/root/image.tar", names)
    node.run(["rm", "/root/image.tar"])


def busybox(node):
    """The archive of IMAGE."""
    with tempfile.TemporaryDirectory() as folder:
        node.get("/bin/busybox", Path(folder) / "busybox")
        program = (Path(folder) / "busybox").read_bytes()
    names = node.run(["busybox", "--list"]).stdout.split()
    tree = {**{f"bin/{name}": "busybox" for name in names}, "bin/busybox": program,
            **dict.fromkeys(("bin", "etc", "tmp", "root"), None),
            "etc/passwd": b"root:x:0:0::/root:/bin/sh\n", "etc/group": b"root:x:0:\n"}
    return oci_archive.archive([IMAGE], tree, ["/bin/sh"])


def pause():
    """The program that holds a pod's namespaces."""
    with tempfile.TemporaryDirectory() as folder:
        program = Path(folder) / "pause"
        subprocess.run(["gcc", "-Os", "-s", "-static", "-Wall", "-Werror", "-o", program, _PAUSE_SOURCE], check=True)
        return program.read_bytes()


# Pods

def pod(name, *, script=_IDLE, mounts=None, volumes=(), container=None, **spec):
    """A pod as data: one container "main" of IMAGE that runs *script*.

    mounts     {name of a volume: path in the container}; those that *volumes* does not describe are emptyDirs
    volumes    volumes as Kubernetes describes them
    container  further fields of the container; what is left goes into the pod's spec, such as hostUsers=False
    """
    mounts = mounts or {}
    described = {volume["name"] for volume in volumes}
    main = {"name": "main", "image": IMAGE, "imagePullPolicy": "Never", "command": ["sh", "-c", script],
            "volumeMounts": [{"name": volume, "mountPath": path} for volume, path in mounts.items()],
            **(container or {})}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "namespace": "default"},
            "spec": {"terminationGracePeriodSeconds": 5, "containers": [main], **spec,
                     "volumes": [*volumes, *({"name": v, "emptyDir": {}} for v in mounts if v not in described)]}}


class Worker:
    """A node and the cluster it works for. Attributes: node, cluster, name, engine (a row of ENGINES)."""

    def __init__(self, node, cluster, name=NAME, engine="containerd"):
        self.node, self.cluster, self.name, self.engine = node, cluster, name, ENGINES[engine]

    # Life

    def join(self, config=UNCHANGED, flags=(), settings=None):
        """Make the prepared node a worker of the cluster, Ready; see start()."""
        self._write_kubelet(flags, settings or {})
        if config is not UNCHANGED:
            self.restart_engine(config)
        self.connect()
        self.node.run(["systemctl", "enable", "--now", "kubelet"], timeout=120)
        self.wait_ready()

    def connect(self):
        """Let node and API server reach each other: after a power cut or a reboot it has to be done again."""
        self.node.forward(API_PORT, self.cluster.port)
        self.cluster.reach(self.name, KUBELET_PORT, self.node.expose(KUBELET_PORT))

    def restart_engine(self, config=UNCHANGED):
        """Restart containerd or CRI-O, with another configuration file (None: without one) where one is given."""
        if config is None:
            self.node.run(["rm", "-f", self.engine.config_path])
        elif config is not UNCHANGED:
            self.node.put(config.encode(), self.engine.config_path)
        self.node.run(["systemctl", "restart", self.engine.unit], timeout=240)

    def restart_kubelet(self, flags=(), settings=None):
        """Restart the kubelet with these flags and settings instead of those it had."""
        self._write_kubelet(flags, settings or {})
        self.node.run(["systemctl", "restart", "kubelet"], timeout=120)

    def wait_ready(self, seconds=_READY_SECONDS):
        """Wait until the cluster holds the node for ready, by what it told since it was booted."""
        boot = self.node.boot_id()

        def is_ready():
            found = self.object()
            return condition(found, "Ready") == "True" and found["status"]["nodeInfo"]["bootID"] == boot

        self.until(is_ready, seconds, f"{self.name} is not Ready")

    # The cluster's view

    def object(self):
        """The Node as data; None while there is none."""
        done = self.cluster.kubectl("get", "node", self.name, "--output=json", check=False)
        return json.loads(done.stdout) if done.returncode == 0 else None

    def runtime_handlers(self):
        """{name: features} of status.runtimeHandlers; the default one's name is ""."""
        handlers = (self.object() or {}).get("status", {}).get("runtimeHandlers", [])
        return {handler.get("name", ""): handler.get("features", {}) for handler in handlers}

    def wait_for_handler(self, name, seconds=120, present=True):
        """Wait until the node tells of a runtime handler, or no longer tells of it."""
        self.until(lambda: (name in self.runtime_handlers()) == present, seconds,
                    f"the handler {name} is {'not there' if present else 'still there'}")

    def apply(self, manifest):
        """Apply *manifest*, YAML or data."""
        self.cluster.apply(manifest)

    def run_pod(self, manifest, seconds=_POD_SECONDS):
        """Apply a pod (see pod()) and wait until it is ready; returns it as data."""
        self.apply(manifest)
        return self.wait_running(manifest["metadata"]["name"], seconds)

    def delete_pod(self, name, seconds=120):
        """Delete a pod and wait until it is gone, or at the most *seconds*, which is an error."""
        self.cluster.kubectl("delete", "pod", name, "--wait=false")
        self.until(lambda: self.get_pod(name) is None, seconds, f"the pod {name} is still there", name)

    def get_pod(self, name):
        """A pod as data; None where there is none."""
        done = self.cluster.kubectl("get", "pod", name, "--output=json", check=False)
        return json.loads(done.stdout) if done.returncode == 0 else None

    def pod_phase(self, name):
        """Such as "Pending" or "Running"; None where there is no such pod."""
        found = self.get_pod(name)
        return found and found["status"].get("phase")

    def wait_running(self, name, seconds=_POD_SECONDS):
        """Wait until the pod's containers are ready; returns it as data."""
        self.until(lambda: condition(self.get_pod(name), "Ready") == "True", seconds, f"{name} is not ready", name)
        return self.get_pod(name)

    def restarts(self, name):
        """How often the pod's first container was started again."""
        return sum(row["restartCount"] for row in self.get_pod(name)["status"].get("containerStatuses", [])[:1])

    def wait_restarted(self, name, before, seconds=_POD_SECONDS):
        """Wait until restarts() is more than *before*: after a reboot the cluster holds the pod for ready meanwhile."""
        self.until(lambda: self.restarts(name) > before, seconds, f"the pod {name} was not started again", name)
        return self.wait_running(name, seconds)

    def exec(self, name, *command, container="main", check=True):
        """`kubectl exec`: returns returncode, stdout and stderr."""
        return self.cluster.kubectl("exec", name, f"--container={container}", "--", *command, check=check)

    def logs(self, name, container="main"):
        """What the container wrote."""
        return self.cluster.kubectl("logs", name, f"--container={container}").stdout

    def events(self, name):
        """What is told of an object of the namespace "default": "reason: message", oldest first."""
        found = self.cluster.get("events", f"--field-selector=involvedObject.name={name}", "--namespace=default")
        return [f"{event['reason']}: {event.get('message', '')}" for event in found["items"]]

    # The node's view

    def pids(self, name):
        """{pid: command line} of all processes of a pod, that of its sandbox ("/pause") among them."""
        # Its cgroup has "_" for "-" where systemd is the driver.
        uid = self.get_pod(name)["metadata"]["uid"].replace("-", "?")
        found = self.node.run(f"""
            find /sys/fs/cgroup -path '*pod{uid}*' -name cgroup.procs -exec cat {{}} + | while read -r pid; do
                echo "$pid $(tr '\\0' ' ' < /proc/$pid/cmdline)"
            done""").stdout
        rows = (line.partition(" ") for line in found.splitlines())
        return {int(pid): command.strip() for pid, _, command in rows}

    def log(self, unit="kubelet", lines=60):
        """The last lines of a unit's journal."""
        return self.node.run(["journalctl", f"--unit={unit}", f"--lines={lines}", "--output=cat", "--no-pager"]).stdout

    # Beneath

    def _write_kubelet(self, flags, settings):
        certificate, key = (path.read_bytes() for path in self.cluster.node_certificate(self.name))
        config = yaml.safe_dump(files.kubelet_config(self.engine.socket, **settings), sort_keys=False)
        for path, content in ((files.CLIENT_CA, self.cluster.ca.read_bytes()), (files.CLIENT_PEM, certificate + key),
                              (files.KUBECONFIG, yaml.safe_dump(files.kubeconfig(API_PORT)).encode()),
                              (files.KUBELET_CONFIG, config.encode()),
                              (files.KUBELET_FLAGS, files.kubelet_flags(self.name, *flags).encode())):
            self.node.put(content, path, mode=0o600)

    def until(self, truth, seconds, what, about=None):
        deadline = time.monotonic() + seconds
        while not truth():
            if time.monotonic() > deadline:
                told = "\n".join(self.events(about)) if about else ""
                raise HarnessError(f"{what} after {seconds} s\n{told}\n{self.log()}\n{self.log(self.engine.unit, 30)}")
            time.sleep(1)


def condition(found, kind):
    """The status of a condition of an object, such as "True"; None where there is none."""
    conditions = (found or {}).get("status", {}).get("conditions", [])
    return next((c["status"] for c in conditions if c["type"] == kind), None)
