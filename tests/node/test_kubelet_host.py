"""The worker that tests of Kubernetes engines start from is a real one: it runs pods as a cluster tells it to."""

import sys

import kubelet_host
import pytest
from environment import HERE

sys.path.append(str(HERE.parent / "kube"))
import parts  # noqa: E402  pylint: disable=wrong-import-position

DEPLOYMENT = f"""\
apiVersion: apps/v1
kind: Deployment
metadata: {{name: many, namespace: default}}
spec:
  replicas: 1
  selector: {{matchLabels: {{app: many}}}}
  template:
    metadata: {{labels: {{app: many}}}}
    spec:
      containers:
        - {{name: main, image: {kubelet_host.IMAGE}, imagePullPolicy: Never, command: [sleep, "1000000"]}}
"""


@pytest.fixture(scope="module")
def worker(module_node_factory, control_plane):
    try:
        started = kubelet_host.start(module_node_factory, control_plane)
    except parts.Unavailable as why:
        pytest.skip(str(why))
    started.run_pod(kubelet_host.pod("plain", mounts={"scratch": "/scratch"}))
    return started


def test_the_node_tells_what_it_has(worker):
    info = worker.object()["status"]["nodeInfo"]
    assert info["kubeletVersion"] == parts.GO_PARTS["kubelet"].version()
    assert info["containerRuntimeVersion"] == "containerd://" + parts.GO_PARTS["containerd"].version().removeprefix("v")
    assert "runc" in worker.runtime_handlers()


def test_a_pod_runs_and_can_be_spoken_to(worker):
    assert worker.pod_phase("plain") == "Running"
    assert worker.logs("plain") == "it runs\n"
    assert worker.exec("plain", "cat", "/proc/1/comm").stdout == "sh\n"
    assert worker.exec("plain", "sh", "-c", "exit 7", check=False).returncode == 7
    worker.exec("plain", "sh", "-c", "echo kept > /scratch/file")
    uid = worker.get_pod("plain")["metadata"]["uid"]
    kept = f"/var/lib/kubelet/pods/{uid}/volumes/kubernetes.io~empty-dir/scratch/file"
    assert worker.node.read(kept) == "kept\n"
    assert "/pause" in worker.pids("plain").values()


def test_a_deployment_is_scheduled_here(worker, control_plane):
    worker.apply(DEPLOYMENT)
    control_plane.kubectl("rollout", "status", "deployment/many", "--timeout=110s")
    control_plane.kubectl("delete", "deployment", "many")


def test_a_restart_of_the_engine_leaves_pods_alone(worker):
    before = worker.pids("plain")
    worker.restart_engine()
    worker.wait_ready()
    assert worker.pids("plain") == before
    assert worker.exec("plain", "cat", "/scratch/file").stdout == "kept\n"


def test_another_configuration_brings_another_handler(worker):
    config = worker.engine.config
    worker.restart_engine(config + config.replace("version = 3", "").replace("runtimes.runc", "runtimes.other"))
    worker.wait_for_handler("other")
    worker.restart_engine(config)
    worker.wait_for_handler("other", present=False)
