"""All tests together end in time, on a slow machine too: what would begin late is skipped, and says so.

CHECK_MINUTES is how long a run of tools/check may take: 88 in CI, which would end it without a word a little later;
elsewhere as long as it likes. As a pytest plugin (-p deadline) this skips the tests that would begin in the last fifth.
"""

import contextlib
import os
import signal
import subprocess
import threading
import time

import pytest

_BEGUN = "CHECK_BEGUN"  # seconds of the monotonic clock, which a machine's processes share


def begin():
    """From now on the minutes count, in this process and those it starts."""
    os.environ[_BEGUN] = str(time.monotonic())


def _minutes():
    return float(os.environ.get("CHECK_MINUTES") or (88 if os.environ.get("CI") else "inf"))


def _used():
    return (time.monotonic() - float(os.environ.get(_BEGUN, "inf"))) / 60


def seconds_left(most):
    """Until the run has to be over, but at most so many."""
    return min(most, max((_minutes() - _used()) * 60, 1))


def too_late():
    """Why nothing more begins; "" while it may."""
    return f"not begun: {_used():.0f} of CHECK_MINUTES={_minutes():.0f} are over" if _used() > 0.8 * _minutes() else ""


@contextlib.contextmanager
def ended_in_time(pytest_process):
    """Interrupt it when the run has to be over, so that it reports what it has."""
    over = threading.Timer(seconds_left(threading.TIMEOUT_MAX), _interrupt, [pytest_process])
    over.daemon = True
    over.start()
    yield
    over.cancel()


def _interrupt(process):
    process.send_signal(signal.SIGINT)
    try:
        process.wait(30)
    except subprocess.TimeoutExpired:
        process.kill()


def pytest_configure():
    """Whoever begins a run in the background may have it ignore what ended_in_time() sends."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup():
    """Before any fixture, which may be a node."""
    if why := too_late():
        pytest.skip(why)
