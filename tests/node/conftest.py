"""Fixtures for tests on virtual nodes.

node          a running clean node of its own for the test, once per suite
node_factory  node_factory("trixie", memory=4096, disks=["8G"]) for anything else; also
              node_factory.derive(key, setup, suite="trixie") for a prepared one
suite         the Debian releases to test on; BERTH_NODE_SUITES=trixie narrows them
"""

import contextlib
import os
import sys

import pytest

import crashes
import environment
import recipe
import vm
from image import build_all
from vm import Node

SUITES = tuple(os.environ.get("BERTH_NODE_SUITES", "").replace(",", " ").split()) or recipe.SUITES


@pytest.fixture(scope="session", autouse=True)
def stage_lines(request):
    with environment.stages_shown(request.config):
        yield


@pytest.fixture(scope="session")
def images():
    """The images of all suites under test, built side by side when they are not in the cache."""
    problem = environment.missing_requirements()
    if problem:
        pytest.exit(problem, returncode=3)
    return {built.suite: built for built in build_all(SUITES)}


@pytest.fixture(params=SUITES)
def suite(request):
    return request.param


class NodeFactory:
    """Starts nodes and keeps hold of them until the test is over."""

    def __init__(self, stack):
        self._stack = stack
        self.nodes = []

    def __call__(self, suite="trixie", **kwargs):
        return self._keep(Node(suite, **kwargs))

    def derive(self, key, setup, **kwargs):
        return self._keep(Node.derive(key, setup, **kwargs))

    def _keep(self, node):
        self.nodes.append(node)
        return self._stack.enter_context(node)


@pytest.fixture
def node_factory(images, request):
    with contextlib.ExitStack() as stack:
        factory = NodeFactory(stack)
        request.node.node_factory = factory
        yield factory


@pytest.fixture(scope="module")
def module_node_factory(images):
    """For a node that all tests of a file look at."""
    with contextlib.ExitStack() as stack:
        yield NodeFactory(stack)


@pytest.fixture
def node(suite, node_factory):
    return node_factory(suite)


@pytest.fixture(scope="module", autouse=True)
def nodes_of_the_file():
    """No node of the files before is this one's affair."""
    vm.made.clear()


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item):
    """Put the consoles of the nodes in use under a failed test, and whether a kernel crashed with it."""
    report = (yield).get_result()
    if report.failed:
        crashes.note(item, vm.made)
        for node in getattr(getattr(item, "node_factory", None), "nodes", []):
            report.sections.append((f"console of {node.name}", node.serial_tail()))


@pytest.fixture(scope="module")
def control_plane():
    """A real cluster's control plane on this machine, for workers of kubelet_host.py."""
    sys.path.append(str(environment.HERE.parent / "kube"))
    import parts  # pylint: disable=import-outside-toplevel
    from control_plane import ControlPlane  # pylint: disable=import-outside-toplevel
    try:
        with ControlPlane() as running:
            yield running
    except parts.Unavailable as why:
        pytest.skip(str(why))
