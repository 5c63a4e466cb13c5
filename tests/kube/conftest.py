"""Fixtures for tests against a real Kubernetes API.

cluster                          one running Cluster (cluster.py) for the session; tests name their objects apart
own_cluster                      a running Cluster for the test alone, to stop and start
module_cluster                   a running Cluster for those tests of one file that ask for it: for policies that would
                                 be in the way of other tests
charts                           a Renderer (charts.py) of the charts
helm, kubectl, promtool, kwok    paths of the programs

Where a program cannot be had the test is skipped, and the reason says why.
"""

import pytest

import parts
from charts import Renderer
from cluster import Cluster
from environment import stages_shown


@pytest.fixture(scope="session", autouse=True)
def stage_lines(request):
    with stages_shown(request.config):
        yield


def binary(name):
    """The path of a program; skips the test where there is none."""
    try:
        return parts.binary(name)
    except parts.Unavailable as reason:
        pytest.skip(str(reason))


def running_cluster():
    for name in ("etcd", "kube-apiserver", "kubectl"):
        binary(name)
    return Cluster()


@pytest.fixture(scope="session")
def cluster():
    with running_cluster() as running:
        yield running


@pytest.fixture
def own_cluster():
    with running_cluster() as running:
        yield running


@pytest.fixture(scope="module")
def module_cluster():
    with running_cluster() as running:
        yield running


@pytest.fixture(scope="session")
def helm():
    return binary("helm")


@pytest.fixture(scope="session")
def kubectl():
    return binary("kubectl")


@pytest.fixture(scope="session")
def promtool():
    return binary("promtool")


@pytest.fixture(scope="session")
def kwok():
    return binary("kwok")


@pytest.fixture(scope="module")
def charts(helm, tmp_path_factory):
    return Renderer(helm, tmp_path_factory.mktemp("helm"))


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item):
    """Put what the servers said under a failed test."""
    report = (yield).get_result()
    if report.failed:
        for name in ("cluster", "own_cluster", "module_cluster"):
            used = getattr(item, "funcargs", {}).get(name)
            if used:
                report.sections.append((f"logs of {name}", used.log_tail()))
