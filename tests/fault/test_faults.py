"""Berth is stopped at every fault point there is, and must finish or undo what it had begun.

A fault point stands before and behind every journal record, atomic rename, directory, removal and
format. For each: the run is ended there as by a power cut; then, each from a copy of that state,
`install` must end where a clean installation ends, `uninstall` must end where everything began, and
the same after a reboot (nothing running, nothing mounted, kernel settings as the files say).
"""

import os
import random
import time

import pytest

import scenarios

SHOWN = 12
# Every point of a bare machine, and each third of the others, from one at random; every one with SOAK=1.
STEP = 1 if os.environ.get("SOAK") == "1" else 3


def chosen(scenario, command):
    step = 1 if scenario.name == "bare" else STEP
    return range(random.randrange(step) + 1, len(scenario.points[command]) + 1, step)


@pytest.fixture(scope="module", params=scenarios.SCENARIOS)
def scenario(request, work, program):
    return scenarios.Scenario(request.param, work / request.param, program)


def test_uninstall_leaves_nothing(scenario):
    assert not scenario.undone, "\n".join(scenario.undone)


@pytest.mark.parametrize("command", ["install", "uninstall"])
def test_every_point(scenario, command, work, say):
    start = time.monotonic()
    jobs = [(command, number) for number in chosen(scenario, command)]
    problems = scenarios.sweep(scenario, work, scenarios.run_cut, jobs)
    say(f"{scenario.summary(command)}, {len(jobs)} of them tried, {time.monotonic() - start:.0f} s")
    assert not problems, f"{len(problems)} problems\n" + "\n".join(problems[:SHOWN])
