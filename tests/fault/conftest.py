"""Fixtures for tests on machines in folders.

machine     one Machine (machine.py), nothing in it yet
work        a folder for this session, on a memory file system where there is one: the tests sync a lot

A program with fault points is needed: $BERTH, or the newest below build/.
"""

import os
import shutil
import tempfile
from pathlib import Path

import pytest

from machine import Machine, berth_program


def roomy(folder):
    return os.access(folder, os.W_OK) and shutil.disk_usage(folder).free > 1 << 30


@pytest.fixture(scope="session")
def program():
    found = berth_program()
    if not found or not found.exists():
        pytest.exit("no berth to test: build one (ninja -C build/dev) or name it in BERTH", returncode=4)
    return found


@pytest.fixture(scope="session")
def work():
    """Its path is short: a socket's path has 107 bytes at the most."""
    base = next((path for path in ("/dev/shm", "/var/tmp") if roomy(path)), tempfile.gettempdir())
    folder = Path(tempfile.mkdtemp(prefix="berth-", dir=base))
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def machine(work, program):
    made = Machine(work / "machine", program)
    yield made
    made.close()


@pytest.fixture
def say(request):
    """Print past pytest's capture."""
    capture = request.config.pluginmanager.getplugin("capturemanager")

    def write(line):
        with capture.global_and_fixture_disabled():
            print(f"\n{line}", end="", flush=True)

    return write


def pytest_collection_modifyitems(items):
    """What takes longest first: the other worker does the rest meanwhile."""
    items.sort(key=lambda item: item.path.stem != "test_faults")
