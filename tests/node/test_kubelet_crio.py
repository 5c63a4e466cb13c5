"""The worker that has CRI-O runs pods as the one of test_kubelet_host.py does."""

import sys

import kubelet_host
import pytest
from environment import HERE

sys.path.append(str(HERE.parent / "kube"))
import parts  # noqa: E402  pylint: disable=wrong-import-position


@pytest.fixture(scope="module")
def worker(module_node_factory, control_plane):
    try:
        started = kubelet_host.start(module_node_factory, control_plane, engine="crio")
    except parts.Unavailable as why:
        pytest.skip(str(why))
    started.run_pod(kubelet_host.pod("plain", mounts={"scratch": "/scratch"}))
    return started


def test_a_pod_runs_and_can_be_spoken_to(worker):
    version = worker.object()["status"]["nodeInfo"]["containerRuntimeVersion"]
    assert version == "cri-o://" + parts.GO_PARTS["crio"].version().removeprefix("v")
    assert "runc" in worker.runtime_handlers()
    assert worker.logs("plain") == "it runs\n"
    assert worker.exec("plain", "cat", "/proc/1/comm").stdout == "sh\n"
    worker.exec("plain", "sh", "-c", "echo kept > /scratch/file")


def test_a_restart_of_the_engine_leaves_pods_alone(worker):
    before = worker.pids("plain")
    worker.restart_engine()
    worker.wait_ready()
    assert worker.pids("plain") == before
    assert worker.exec("plain", "cat", "/scratch/file").stdout == "kept\n"
